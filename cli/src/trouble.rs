//! What is wrong with a policy and its files: all of it, told at once.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use crate::failure::{Exit, Failure};

/// One thing that is wrong with a policy or with a file that belongs to it.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) file: PathBuf,
    /// Where in the file, when that is known.
    pub(crate) line: Option<usize>,
    pub(crate) message: String,
    pub(crate) exit: Exit,
}

impl Trouble {
    pub(crate) fn refused(file: &Path, error: &dyn Display) -> Self {
        Self { file: file.to_path_buf(), line: None, message: error.to_string(), exit: Exit::Refused }
    }

    pub(crate) fn unreadable(file: &Path, failure: &Failure) -> Self {
        let name = format!("{}: ", file.display());
        let message = failure.message.strip_prefix(&name).unwrap_or(&failure.message).to_owned();
        Self { file: file.to_path_buf(), line: None, message, exit: failure.exit }
    }

    /// All troubles as one failure: the first is told, the others counted.
    pub(crate) fn failure(troubles: &[Self]) -> Failure {
        let Some(first) = troubles.first() else { return Failure::failed("the policy can't be used") };
        let line = first.line.map(|line| format!("line {line}: ")).unwrap_or_default();
        let more = match troubles.len().saturating_sub(1) {
            0 => String::new(),
            more => format!(" (and {more} more, see `hallmark policy check`)"),
        };
        Failure::new(first.exit, format!("{}: {line}{}{more}", first.file.display(), first.message))
    }
}
