//! Why modules were not started, or the supervisor could not do its work.

use std::io;
use std::path::{Path, PathBuf};

use update_verify::Sha256;

use crate::permit::PermitRefusal;

/// Why something was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// There is no permit, or it does not cover this.
    #[error(transparent)]
    Permit(#[from] PermitRefusal),
    /// The release has nothing to start.
    #[error("{release} has no modules")]
    NoModules {
        /// Product, version and release.
        release: String,
    },
    /// A name that is none of the release's modules.
    #[error("the release has no module {module:?}")]
    NoSuchModule {
        /// The name.
        module: String,
    },
    /// A module's file is not the one that was signed.
    #[error(
        "module {module}: {path} is not the file that was signed: expected sha256 {expected}, found {found}; install the release again",
        path = path.display()
    )]
    Changed {
        /// The module.
        module: String,
        /// Its file.
        path: PathBuf,
        /// The manifest's digest.
        expected: Sha256,
        /// The measured one.
        found: Sha256,
    },
    /// A script, or another file that the kernel does not execute by itself.
    #[error(
        "module {module}: {path:?} is {}; modules are ELF programs, for an interpreter's own bytes would not be measured",
        if *is_script { "a script (#!)" } else { "no ELF program" }
    )]
    NotElf {
        /// The module.
        module: String,
        /// Its file in the release.
        path: String,
        /// Whether it starts with `#!`.
        is_script: bool,
    },
    /// A link, device, fifo or socket where a file should be.
    #[error("{path}: is no regular file", path = path.display())]
    NotAFile {
        /// What was found.
        path: PathBuf,
    },
    /// Others than root and the supervisor's own user could write to it.
    #[error(
        "{path}: others can write to it (mode {mode:o}, owner {owner}); chmod go-w, and chown it to root or this user",
        path = path.display()
    )]
    Unguarded {
        /// The file or folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// Its owner's user id.
        owner: u32,
    },
    /// Another supervisor works in the same state folder.
    #[error("{path}: another supervisor is running here", path = path.display())]
    Busy {
        /// The lock.
        path: PathBuf,
    },
    /// A status file that no supervisor of this version wrote.
    #[error("{path}: is no status of a supervisor: {source}", path = path.display())]
    BadStatus {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The system failed.
    #[error("{path}: {doing}: {source}", path = path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file, folder or program.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
}

impl RuntimeError {
    /// Whether something was judged and found bad (exit code 3), as opposed to: could not be done (exit code 1).
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Permit(_)
                | Self::Changed { .. }
                | Self::NotElf { .. }
                | Self::NotAFile { .. }
                | Self::Unguarded { .. }
        )
    }

    /// The row of threats.md.
    #[must_use]
    pub const fn threat(&self) -> Option<&'static str> {
        match self {
            Self::Permit(refusal) => Some(refusal.threat()),
            Self::Changed { .. } | Self::NotElf { .. } => Some("r02"),
            Self::NotAFile { .. } | Self::Unguarded { .. } => Some("r09"),
            Self::Busy { .. } => Some("r08"),
            _ => None,
        }
    }

    pub(crate) fn io(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { doing, path: path.clone(), source }
    }
}
