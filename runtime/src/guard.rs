//! Places that only root and the supervisor's own user can write to (threat r09).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, Stat};

use crate::error::RuntimeError;

/// Refuses what others could write to. `path` is for the message.
pub(crate) fn check_guarded(at: BorrowedFd<'_>, path: &Path) -> Result<Stat, RuntimeError> {
    let stat = rustix::fs::fstat(at).map_err(|errno| RuntimeError::io("examine", path)(errno.into()))?;
    let is_ours = stat.st_uid == 0 || stat.st_uid == rustix::process::geteuid().as_raw();
    if stat.st_mode & 0o022 != 0 || !is_ours {
        let (mode, owner) = (stat.st_mode & 0o7777, stat.st_uid);
        return Err(RuntimeError::Unguarded { path: path.to_owned(), mode, owner });
    }
    Ok(stat)
}

/// Makes a folder that only we can enter, unless it is there; one that is there must not be open to others' writing.
pub(crate) fn private_folder(path: &Path) -> Result<(), RuntimeError> {
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(RuntimeError::io("make", path)(error));
        }
        _ => {}
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::open(path, flags, Mode::empty())
        .map_err(|errno| RuntimeError::io("open", path)(errno.into()))?;
    check_guarded(folder.as_fd(), path).map(|_| ())
}
