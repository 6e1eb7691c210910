//! The target folder: its lock, its links, its releases. Everything below it is reached by descriptor, so that a folder
//! that is swapped for a link meanwhile changes nothing (threat u11).
//!
//! A link is replaced by making a new one beside it and renaming that over it. A symbolic link is metadata only: there
//! is no file content that a power cut could leave empty behind a rename that was already done (threat u12).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;

use super::InstallError;

pub(super) const RELEASES: &str = "releases";
pub(super) const INCOMING: &str = ".incoming";
const LOCK: &str = ".lock";
const NEW_LINK: &str = ".link";

/// Flags for a folder below the root: never through a link.
pub(super) const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const MODE_FOLDER: Mode = Mode::from_raw_mode(0o755);

/// A link at the root that names a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// The release that runs.
    Current,
    /// The release that was installed and waits to be confirmed.
    Pending,
}

impl Link {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Pending => "pending",
        }
    }
}

/// The opened target folder.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    folder: OwnedFd,
}

/// The target folder while no other installer can be at work in it.
#[derive(Debug)]
pub(super) struct LockedRoot {
    root: Root,
    _lock: File,
}

impl std::ops::Deref for LockedRoot {
    type Target = Root;
    fn deref(&self) -> &Root {
        &self.root
    }
}

impl Root {
    /// Opens the folder and refuses one that others can write to, or that is somebody else's (threat r09).
    pub(super) fn open(path: &Path) -> Result<Self, InstallError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(path, flags, Mode::empty()).map_err(InstallError::io("open", path))?;
        let stat = rustix::fs::fstat(&folder).map_err(InstallError::io("examine", path))?;
        let mode = stat.st_mode & 0o7777;
        if mode & 0o022 != 0 {
            return Err(InstallError::WritableByOthers { root: path.to_owned(), mode });
        }
        if stat.st_uid != 0 && stat.st_uid != rustix::process::geteuid().as_raw() {
            return Err(InstallError::ForeignOwner { root: path.to_owned(), uid: stat.st_uid });
        }
        Ok(Self { path: path.to_owned(), folder })
    }

    /// Makes the folder when it is missing, opens it, and takes the lock, which ends with the value.
    pub(super) fn lock(path: &Path) -> Result<LockedRoot, InstallError> {
        make_root(path)?;
        let root = Self::open(path)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let lock = rustix::fs::openat(&root.folder, LOCK, flags, Mode::from_raw_mode(0o600))
            .map_err(root.failed("open", LOCK))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(InstallError::Busy { root: root.path }),
            Err(errno) => return Err(root.failed("lock", LOCK)(errno)),
        }
        root.make_folder(RELEASES)?;
        Ok(LockedRoot { root, _lock: lock.into() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn failed(&self, doing: &'static str, name: &str) -> impl Fn(Errno) -> InstallError + use<> {
        InstallError::io(doing, &self.path.join(name))
    }

    fn make_folder(&self, name: &str) -> Result<(), InstallError> {
        match rustix::fs::mkdirat(&self.folder, name, MODE_FOLDER) {
            Ok(()) => self.sync(),
            Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(self.failed("make", name)(errno)),
        }
    }

    fn open_folder(&self, name: &str) -> Result<OwnedFd, InstallError> {
        rustix::fs::openat(&self.folder, name, FOLDER, Mode::empty()).map_err(self.failed("open", name))
    }

    /// Makes the folder into which a release is written, with nobody else's access until it is complete.
    pub(super) fn make_incoming(&self) -> Result<OwnedFd, InstallError> {
        rustix::fs::mkdirat(&self.folder, INCOMING, Mode::from_raw_mode(0o700))
            .map_err(self.failed("make", INCOMING))?;
        self.open_folder(INCOMING)
    }

    /// Removes what an interrupted run left: the half-written release and the unused link.
    pub(super) fn clean(&self) -> Result<(), InstallError> {
        match rustix::fs::unlinkat(&self.folder, NEW_LINK, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(self.failed("remove", NEW_LINK)(errno)),
        }
        self.remove_tree(&self.path.join(INCOMING))
    }

    /// Std's own removal goes by descriptors and never through a link.
    fn remove_tree(&self, path: &Path) -> Result<(), InstallError> {
        match std::fs::remove_dir_all(path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(InstallError::Io { doing: "remove", path: path.to_owned(), source }),
        }
    }

    /// Moves the complete incoming folder to `releases/NAME`. A folder that is there already is never replaced.
    pub(super) fn place(&self, name: &str) -> Result<(), InstallError> {
        let releases = self.open_folder(RELEASES)?;
        rustix::fs::renameat(&self.folder, INCOMING, &releases, name)
            .map_err(self.failed("move to its place", name))?;
        rustix::fs::fsync(&releases).map_err(self.failed("sync", RELEASES))?;
        self.sync()
    }

    /// A name under `releases/` that is free: `24-ab12cd34ef56`, and for a repeated installation `24-ab12cd34ef56-2`.
    pub(super) fn free_name(&self, release: u64, short_digest: &str) -> Result<String, InstallError> {
        let taken = self.releases()?;
        let base = format!("{release}-{short_digest}");
        let numbered = (2..100).map(|n| format!("{base}-{n}"));
        std::iter::once(base.clone())
            .chain(numbered)
            .find(|name| !taken.contains(name))
            .ok_or(InstallError::NoName { release })
    }

    fn releases(&self) -> Result<Vec<String>, InstallError> {
        let folder = self.open_folder(RELEASES)?;
        let entries = Dir::read_from(&folder).map_err(self.failed("list", RELEASES))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(self.failed("list", RELEASES))?;
            // What is not named like a release was not put there by an installer and is left alone.
            if let Some(name) = entry.file_name().to_str().ok().filter(|name| is_release_name(name)) {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Removes the releases that no link names. The one that was current before stays until the next installation, for
    /// programs of it may still run.
    pub(super) fn prune(&self) -> Result<(), InstallError> {
        let mut kept = Vec::new();
        for link in [Link::Current, Link::Pending] {
            match self.read_link(link) {
                Ok(name) => kept.push(name),
                // It names nothing that could be kept; the next switch replaces it.
                Err(InstallError::BadLink { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        for name in self.releases()? {
            if !kept.iter().flatten().any(|keep| *keep == name) {
                self.remove_tree(&self.path.join(RELEASES).join(&name))?;
            }
        }
        Ok(())
    }

    /// The release that `link` names; `None` without a link.
    pub(super) fn read_link(&self, link: Link) -> Result<Option<String>, InstallError> {
        let target = match rustix::fs::readlinkat(&self.folder, link.name(), Vec::new()) {
            Ok(target) => target,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(self.failed("read", link.name())(errno)),
        };
        let target = target.to_string_lossy();
        match target.strip_prefix("releases/").filter(|name| is_release_name(name)) {
            Some(name) => Ok(Some(name.to_owned())),
            None => Err(InstallError::BadLink { link: link.name(), target: target.into_owned() }),
        }
    }

    pub(super) fn make_link(&self, name: &str) -> Result<(), InstallError> {
        rustix::fs::symlinkat(format!("{RELEASES}/{name}"), &self.folder, NEW_LINK)
            .map_err(self.failed("make", NEW_LINK))
    }

    /// The one moment at which the device changes from one release to the other.
    pub(super) fn switch(&self, link: Link) -> Result<(), InstallError> {
        rustix::fs::renameat(&self.folder, NEW_LINK, &self.folder, link.name())
            .map_err(self.failed("switch", link.name()))
    }

    pub(super) fn remove_link(&self, link: Link) -> Result<(), InstallError> {
        match rustix::fs::unlinkat(&self.folder, link.name(), AtFlags::empty()) {
            Ok(()) => self.sync(),
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.failed("remove", link.name())(errno)),
        }
    }

    pub(super) fn sync(&self) -> Result<(), InstallError> {
        rustix::fs::fsync(&self.folder).map_err(InstallError::io("sync", &self.path))
    }

    pub(super) fn open_release(&self, name: &str) -> Result<OwnedFd, InstallError> {
        let releases = self.open_folder(RELEASES)?;
        rustix::fs::openat(&releases, name, FOLDER, Mode::empty()).map_err(self.failed("open", name))
    }

    /// Refuses early what would fill the disk, before a byte is written.
    pub(super) fn check_space(&self, needed: u64) -> Result<(), InstallError> {
        let stat =
            rustix::fs::fstatvfs(self.folder.as_fd()).map_err(InstallError::io("examine", &self.path))?;
        let available = stat.f_bavail.saturating_mul(stat.f_frsize);
        if needed > available {
            return Err(InstallError::NoSpace { root: self.path.clone(), needed, available });
        }
        Ok(())
    }
}

/// Makes the target folder when it is missing, and waits until its name is on the disk.
fn make_root(path: &Path) -> Result<(), InstallError> {
    match rustix::fs::mkdir(path, MODE_FOLDER) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Ok(()),
        Err(errno) => return Err(InstallError::io("make", path)(errno)),
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(parent, flags, Mode::empty())
        .and_then(rustix::fs::fsync)
        .map_err(InstallError::io("sync", parent))
}

/// `[0-9]+-[0-9a-f]{12}(-[0-9]+)?`, judged by its characters: it can't leave the folder that it stands in.
fn is_release_name(name: &str) -> bool {
    let mut parts = name.split('-');
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_digest = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let is_named = parts.next().is_some_and(is_number) && parts.next().is_some_and(is_digest);
    is_named && parts.next().is_none_or(is_number) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u10_a_link_names_a_release_and_nothing_else() {
        for good in ["24-ab12cd34ef56", "24-ab12cd34ef56-2"] {
            assert!(is_release_name(good), "{good}");
        }
        for bad in
            ["", ".", "..", "24", "24-ab", "24-ab12cd34ef56/..", "x-ab12cd34ef56", "24-ab12cd34ef56-2-3"]
        {
            assert!(!is_release_name(bad), "{bad}");
        }
    }
}
