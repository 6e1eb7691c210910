//! Why an installation was refused or failed.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::Step;
use crate::floor::FloorError;
use crate::package::PackageError;

/// Why a release was not installed, or an installed one not accepted. The release that was current before still is,
/// unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The package, or an installed release's kept manifest, was not accepted.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The rollback floor could not be read; or not raised, and then the new release is current already and
    /// [`resume`](super::resume) finishes what is missing.
    #[error(transparent)]
    Floor(#[from] FloorError),
    /// Another installer is at work.
    #[error("{path}: another installation is running", path = root.display())]
    Busy {
        /// The target folder.
        root: PathBuf,
    },
    /// The target folder can be written by others, who could swap files in it.
    #[error("{path}: is writable by group or others (mode {mode:o}); chmod go-w", path = root.display())]
    WritableByOthers {
        /// The target folder.
        root: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The target folder belongs to another user than root and this process, who could swap files in it.
    #[error("{path}: belongs to user {uid}", path = root.display())]
    ForeignOwner {
        /// The target folder.
        root: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// Not enough room.
    #[error("{path}: needs {needed} bytes, {available} are free", path = root.display())]
    NoSpace {
        /// The target folder.
        root: PathBuf,
        /// Bytes of the payload.
        needed: u64,
        /// Bytes free.
        available: u64,
    },
    /// `current` or `pending` points to something that no installer wrote.
    #[error("{link} points to {target:?}, which is no release")]
    BadLink {
        /// Which link.
        link: &'static str,
        /// Where it points.
        target: String,
    },
    /// Nothing is installed, or nothing is pending.
    #[error("there is no {link} release")]
    NoRelease {
        /// Which link is missing.
        link: &'static str,
    },
    /// A file of an installed release is not the one that was installed.
    #[error("installed file {path:?} is not the one that was signed")]
    FileChanged {
        /// Its path in the release.
        path: String,
    },
    /// A path that is none of the release's files.
    #[error("the release has no file {path:?}")]
    NoSuchFile {
        /// The path.
        path: String,
    },
    /// The same content is installed a hundred times.
    #[error("no free name for release {release}")]
    NoName {
        /// The release.
        release: u64,
    },
    /// The observer asked to stop.
    #[error("stopped on request, after: {after:?}")]
    Stopped {
        /// The step that was done last.
        after: Step,
    },
    /// The file system failed.
    #[error("{path}: {doing}: {source}", path = path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
}

impl InstallError {
    /// Whether something was judged and found bad (exit code 3), as opposed to: could not be done (exit code 1).
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        match self {
            Self::Package(error) => error.is_refusal(),
            Self::Floor(error) => error.is_refusal(),
            Self::BadLink { .. }
            | Self::WritableByOthers { .. }
            | Self::ForeignOwner { .. }
            | Self::FileChanged { .. } => true,
            _ => false,
        }
    }

    /// The id of the attack that this refusal answers.
    #[must_use]
    pub fn threat(&self) -> Option<&'static str> {
        match self {
            Self::Package(error) => error.threat(),
            Self::Floor(FloorError::Missing) => Some("u16"),
            Self::BadLink { .. } => Some("u10"),
            Self::FileChanged { .. } => Some("u11"),
            Self::WritableByOthers { .. } | Self::ForeignOwner { .. } => Some("r09"),
            Self::Busy { .. } | Self::NoSpace { .. } | Self::Io { .. } => Some("u13"),
            _ => None,
        }
    }

    pub(super) fn io(doing: &'static str, path: &Path) -> impl Fn(Errno) -> Self + use<> {
        let path = path.to_owned();
        move |errno| Self::Io { doing, path: path.clone(), source: errno.into() }
    }
}
