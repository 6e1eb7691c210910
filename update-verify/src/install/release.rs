//! A release that is installed, judged anew each time it is asked for.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::InstallError;
use super::incoming::{BUNDLE, MANIFEST, TREE};
use super::root::{FOLDER, Link, RELEASES, Root};
use crate::bundle::MAX_BUNDLE;
use crate::digest::Hasher;
use crate::format::read_part;
use crate::manifest::{FileEntry, MAX_MANIFEST};
use crate::package::{PackageError, VerifiedManifest};
use crate::trust::TrustPolicy;

/// An installed release whose kept manifest was verified again. Its files were verified when they were written;
/// whoever runs one measures it by [`FileEntry::sha256`] first, or calls [`InstalledRelease::verify_files`].
#[derive(Debug)]
pub struct InstalledRelease {
    manifest: VerifiedManifest,
    tree: OwnedFd,
    path: PathBuf,
}

impl InstalledRelease {
    pub(super) fn load(root: &Root, link: Link, policy: &TrustPolicy) -> Result<Option<Self>, InstallError> {
        let Some(name) = root.read_link(link)? else { return Ok(None) };
        let folder = root.open_release(&name)?;
        let path = root.path().join(RELEASES).join(name);
        let manifest = read_document(folder.as_fd(), &path, MANIFEST, MAX_MANIFEST)?;
        let bundle = read_document(folder.as_fd(), &path, BUNDLE, MAX_BUNDLE)?;
        let manifest = VerifiedManifest::judge_installed(manifest, bundle, policy)?;
        let path = path.join(TREE);
        let tree = rustix::fs::openat(&folder, TREE, FOLDER, Mode::empty())
            .map_err(InstallError::io("open", &path))?;
        Ok(Some(Self { manifest, tree, path }))
    }

    /// The manifest, verified by the policy that was given.
    #[must_use]
    pub const fn manifest(&self) -> &VerifiedManifest {
        &self.manifest
    }

    /// The folder that holds the files. Reach them through it, or through [`InstalledRelease::open_file`].
    #[must_use]
    pub fn folder(&self) -> BorrowedFd<'_> {
        self.tree.as_fd()
    }

    /// Where that folder is, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a file of the release for reading, through no link. Its content is not verified by this.
    ///
    /// # Errors
    /// When the manifest has no such file, or it can't be opened.
    pub fn open_file(&self, path: &str) -> Result<File, InstallError> {
        if !self.manifest.files().iter().any(|file| file.path() == path) {
            return Err(InstallError::NoSuchFile { path: path.to_owned() });
        }
        let failed = InstallError::io("open", &self.path.join(path));
        let mut at: Option<OwnedFd> = None;
        let mut components = path.split('/').peekable();
        while let Some(name) = components.next() {
            let parent = at.as_ref().map_or(self.tree.as_fd(), AsFd::as_fd);
            let flags = if components.peek().is_some() { FOLDER } else { FILE };
            at = Some(rustix::fs::openat(parent, name, flags, Mode::empty()).map_err(&failed)?);
        }
        at.map(File::from).ok_or_else(|| InstallError::NoSuchFile { path: path.to_owned() })
    }

    /// Reads every file and compares its digest. A disk that lost or changed something since is noticed here.
    ///
    /// # Errors
    /// The first file that is not the one that was signed, or can't be read.
    pub fn verify_files(&self) -> Result<(), InstallError> {
        let mut buffer = Vec::new();
        self.manifest.files().iter().try_for_each(|entry| self.verify_file(entry, &mut buffer))
    }

    fn verify_file(&self, entry: &FileEntry, buffer: &mut Vec<u8>) -> Result<(), InstallError> {
        let mut file = self.open_file(entry.path())?;
        let mut hasher = Hasher::new();
        let mut left = entry.size().saturating_add(1);
        while left > 0 {
            buffer.clear();
            let read = file.by_ref().take(left.min(1 << 16)).read_to_end(buffer).map_err(|source| {
                InstallError::Io { doing: "read", path: self.path.join(entry.path()), source }
            })?;
            if read == 0 {
                break;
            }
            hasher.update(buffer);
            left = left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
        }
        if hasher.finish() == entry.sha256() {
            return Ok(());
        }
        Err(InstallError::FileChanged { path: entry.path().to_owned() })
    }
}

const FILE: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// Reads a kept document, at most `limit` bytes of it.
fn read_document(
    folder: BorrowedFd<'_>,
    path: &Path,
    name: &'static str,
    limit: u32,
) -> Result<Vec<u8>, InstallError> {
    let path = path.join(name);
    let file =
        rustix::fs::openat(folder, name, FILE, Mode::empty()).map_err(InstallError::io("open", &path))?;
    let mut file = File::from(file);
    let failed = |source: io::Error| InstallError::Io { doing: "read", path: path.clone(), source };
    let len = u32::try_from(file.metadata().map_err(failed)?.len()).unwrap_or(u32::MAX);
    if len > limit {
        return Err(PackageError::TooLong { what: name, found: len, limit }.into());
    }
    Ok(read_part(&mut file, name, len)?)
}
