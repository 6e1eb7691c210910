//! The folder that becomes a payload: regular files only, read without following links.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::PackError;
use crate::digest::{Hasher, Sha256};
use crate::manifest::{CHUNK_SIZE, MAX_DEPTH, MAX_FILES, ManifestError, wire};

/// A file that was found in the folder.
pub(super) struct SourceFile {
    /// Relative path with `/`.
    pub(super) path: String,
    pub(super) location: PathBuf,
}

/// All regular files below `folder`, ascending by the bytes of their paths.
pub(super) fn list(folder: &Path) -> Result<Vec<SourceFile>, PackError> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_owned(), String::new(), 0_usize)];
    while let Some((location, prefix, depth)) = folders.pop() {
        if depth > MAX_DEPTH {
            return Err(PackError::TooDeep { path: location });
        }
        for entry in fs::read_dir(&location).map_err(PackError::reading(&location))? {
            let entry = entry.map_err(PackError::reading(&location))?;
            let place = entry.path();
            let Ok(name) = entry.file_name().into_string() else {
                return Err(PackError::NotText { path: place });
            };
            let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            let kind = entry.file_type().map_err(PackError::reading(&place))?;
            if kind.is_dir() {
                folders.push((place, path, depth.saturating_add(1)));
            } else if kind.is_file() {
                found.push(SourceFile { path, location: place });
            } else {
                // Links, devices, sockets and fifos have no bytes that could be signed (threat u10).
                return Err(PackError::NotAFile { path: place });
            }
        }
        if found.len() > MAX_FILES {
            let error = ManifestError::TooMany { what: "files", found: found.len(), limit: MAX_FILES };
            return Err(PackError::Manifest(error));
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Opens without following a link and without waiting for a fifo that took the file's place.
pub(super) fn open(location: &Path) -> Result<File, PackError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(location, flags, Mode::empty())
        .map(File::from)
        .map_err(|errno| PackError::reading(location)(errno.into()))?;
    let metadata = file.metadata().map_err(PackError::reading(location))?;
    if metadata.is_file() { Ok(file) } else { Err(PackError::NotAFile { path: location.to_owned() }) }
}

/// First pass: size, mode and digests of one file.
pub(super) fn measure(source: &SourceFile) -> Result<wire::File, PackError> {
    use std::os::unix::fs::PermissionsExt;
    let mut file = open(&source.location)?;
    let mode = file.metadata().map_err(PackError::reading(&source.location))?.permissions().mode();
    if mode & 0o6000 != 0 {
        return Err(PackError::SetId { path: source.location.clone() });
    }
    let mut entry = wire::File {
        path: source.path.clone(),
        size: 0,
        executable: mode & 0o111 != 0,
        sha256: Sha256::of(b""),
        chunks: Vec::new(),
    };
    let mut whole = Hasher::new();
    let mut buffer = Vec::new();
    loop {
        let read = read_chunk(&mut file, &mut buffer).map_err(PackError::reading(&source.location))?;
        if read == 0 {
            break;
        }
        whole.update(&buffer);
        entry.size = entry.size.saturating_add(read);
        entry.chunks.push(Sha256::of(&buffer));
        if read < CHUNK_SIZE {
            break;
        }
    }
    entry.sha256 = whole.finish();
    Ok(entry)
}

/// Replaces `buffer` by the file's next bytes, at most one chunk of them.
pub(super) fn read_chunk(file: &mut File, buffer: &mut Vec<u8>) -> io::Result<u64> {
    buffer.clear();
    let read = file.by_ref().take(CHUNK_SIZE).read_to_end(buffer)?;
    u64::try_from(read).map_err(io::Error::other)
}
