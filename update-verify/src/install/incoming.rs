//! Writing a release into the incoming folder: verified chunks only, by descriptor, synced before it is moved to its place.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::root::{FOLDER, INCOMING, Root};
use super::{InstallError, Observer, Step, notify};
use crate::manifest::FileEntry;
use crate::package::{Payload, VerifiedManifest};

pub(super) const TREE: &str = "tree";
pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const BUNDLE: &str = "manifest.sigstore.json";

/// A release that is being written.
struct Incoming {
    folder: OwnedFd,
    tree: OwnedFd,
    path: PathBuf,
}

/// Writes the whole release. When this returns, every byte and every name of it is on the disk.
pub(super) fn write<R: Read>(
    root: &Root,
    manifest: &VerifiedManifest,
    payload: &mut Payload<R>,
    observer: Observer<'_>,
) -> Result<(), InstallError> {
    let incoming = Incoming::make(root)?;
    notify(observer, Step::FolderMade)?;
    incoming.write_files(manifest.files(), payload, observer)?;
    incoming.write_document(MANIFEST, manifest.bytes())?;
    incoming.write_document(BUNDLE, manifest.bundle())?;
    notify(observer, Step::DocumentsWritten)?;
    incoming.sync_folders(manifest.files())?;
    notify(observer, Step::FoldersSynced)
}

impl Incoming {
    fn make(root: &Root) -> Result<Self, InstallError> {
        let folder = root.make_incoming()?;
        let path = root.path().join(INCOMING);
        let tree = enter(folder.as_fd(), TREE).map_err(InstallError::io("make", &path.join(TREE)))?;
        Ok(Self { folder, tree, path })
    }

    fn write_files<R: Read>(
        &self,
        files: &[FileEntry],
        payload: &mut Payload<R>,
        observer: Observer<'_>,
    ) -> Result<(), InstallError> {
        let mut open: Option<File> = None;
        while let Some(chunk) = payload.next_chunk()? {
            // The payload goes by the same list, so there is an entry for each of its chunks.
            let Some(entry) = files.get(chunk.file()) else { continue };
            let path = self.path.join(TREE).join(entry.path());
            let mut file = match open.take() {
                Some(file) => file,
                None => self.make_file(entry.path()).map_err(InstallError::io("make", &path))?,
            };
            file.write_all(chunk.bytes()).map_err(|source| InstallError::Io {
                doing: "write",
                path: path.clone(),
                source,
            })?;
            let len = chunk.bytes().len();
            if chunk.is_last() {
                finish(&file, mode_of(entry), &path)?;
                notify(observer, Step::FileWritten { len })?;
            } else {
                open = Some(file);
                notify(observer, Step::ChunkWritten { len })?;
            }
        }
        Ok(())
    }

    /// Creates a file that must not exist, below folders that are no links. It is nobody else's until it is complete.
    fn make_file(&self, path: &str) -> Result<File, Errno> {
        let (folders, name) = path.rsplit_once('/').map_or((None, path), |(above, name)| (Some(above), name));
        let parent = enter_all(self.tree.as_fd(), folders)?;
        let parent = parent.as_ref().map_or(self.tree.as_fd(), AsFd::as_fd);
        create(parent, name)
    }

    fn write_document(&self, name: &str, bytes: &[u8]) -> Result<(), InstallError> {
        let path = self.path.join(name);
        let mut file = create(self.folder.as_fd(), name).map_err(InstallError::io("make", &path))?;
        file.write_all(bytes).map_err(|source| InstallError::Io {
            doing: "write",
            path: path.clone(),
            source,
        })?;
        finish(&file, Mode::from_raw_mode(0o644), &path)
    }

    /// A file is on the disk for good once the folders that name it are.
    fn sync_folders(&self, files: &[FileEntry]) -> Result<(), InstallError> {
        let folders: BTreeSet<&str> = files.iter().flat_map(|file| folders_of(file.path())).collect();
        for folder in folders {
            let failed = InstallError::io("sync", &self.path.join(TREE).join(folder));
            let opened = enter_all(self.tree.as_fd(), Some(folder)).map_err(&failed)?;
            if let Some(folder) = opened {
                rustix::fs::fsync(&folder).map_err(&failed)?;
            }
        }
        let failed = InstallError::io("sync", &self.path);
        rustix::fs::fsync(&self.tree).map_err(&failed)?;
        rustix::fs::fchmod(&self.folder, Mode::from_raw_mode(0o755)).map_err(&failed)?;
        rustix::fs::fsync(&self.folder).map_err(&failed)
    }
}

/// `a/b/c` is named by `a/b` and `a`.
fn folders_of(path: &str) -> impl Iterator<Item = &str> {
    let above = |path: &str| path.rsplit_once('/').map(|(above, _)| above.len());
    std::iter::successors(above(path).and_then(|len| path.get(..len)), move |folder| {
        above(folder).and_then(|len| path.get(..len))
    })
}

fn mode_of(entry: &FileEntry) -> Mode {
    Mode::from_raw_mode(if entry.is_executable() { 0o755 } else { 0o644 })
}

fn create(parent: BorrowedFd<'_>, name: &str) -> Result<File, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o600)).map(File::from)
}

/// Opens the folder `name`, making it first when it is not there.
fn enter(parent: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    let is_new = match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(errno) => return Err(errno),
    };
    let folder = rustix::fs::openat(parent, name, FOLDER, Mode::empty())?;
    if is_new {
        // Whatever the umask took away.
        rustix::fs::fchmod(&folder, Mode::from_raw_mode(0o755))?;
    }
    Ok(folder)
}

fn enter_all(tree: BorrowedFd<'_>, path: Option<&str>) -> Result<Option<OwnedFd>, Errno> {
    let mut at = None;
    for name in path.into_iter().flat_map(|path| path.split('/')) {
        let parent = at.as_ref().map_or(tree, AsFd::as_fd);
        at = Some(enter(parent, name)?);
    }
    Ok(at)
}

/// Sets the mode by the manifest alone and waits until the bytes are on the disk.
fn finish(file: &File, mode: Mode, path: &Path) -> Result<(), InstallError> {
    rustix::fs::fchmod(file, mode).map_err(InstallError::io("set the mode", path))?;
    rustix::fs::fsync(file).map_err(InstallError::io("sync", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_above_a_file_is_named() {
        assert_eq!(folders_of("a/b/c").collect::<Vec<_>>(), ["a/b", "a"]);
        assert_eq!(folders_of("a").count(), 0);
    }
}
