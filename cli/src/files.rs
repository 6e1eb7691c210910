//! Files at the edge: read within a bound, written whole or not at all.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;

use crate::failure::Failure;

/// Opens a file to be read piece by piece; `-` is standard input.
pub(crate) fn open(path: &Path) -> Result<Box<dyn Read>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(std::io::stdin()));
    }
    Ok(Box::new(File::open(path).map_err(|error| Failure::file(path, &error))?))
}

/// Reads a file of at most `most` bytes; `-` is standard input.
pub(crate) fn read(path: &Path, most: usize) -> Result<Vec<u8>, Failure> {
    read_rest(open(path)?, path, most)
}

/// Reads what is left of an open file, at most `most` bytes.
pub(crate) fn read_rest(source: impl Read, path: &Path, most: usize) -> Result<Vec<u8>, Failure> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    source.take(limit).read_to_end(&mut bytes).map_err(|error| Failure::file(path, &error))?;
    if bytes.len() > most {
        return Err(Failure::refused(None, format!("{}: larger than {most} bytes", path.display())));
    }
    Ok(bytes)
}

/// Reads a text file of at most 1 MiB.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    let bytes = read(path, 1024 * 1024)?;
    String::from_utf8(bytes)
        .map_err(|_| Failure::refused(None, format!("{}: is not UTF-8 text", path.display())))
}

/// Who may read a file that we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privacy {
    /// Everybody, as the umask allows.
    Public,
    /// The owner only: keys.
    Private,
}

/// Looks whether something may be put in the place of `path`: a rename over a device or a link would destroy it, and a key
/// or a ledger that is replaced by a slip of the hand is lost for good. Returns the place itself, behind links.
pub(crate) fn target(path: &Path) -> Result<PathBuf, Failure> {
    match path.symlink_metadata() {
        Err(_) => Ok(path.to_path_buf()),
        Ok(metadata) if metadata.is_symlink() => {
            let behind = std::fs::canonicalize(path).map_err(|error| Failure::file(path, &error))?;
            target(&behind)
        }
        Ok(metadata) if metadata.is_file() => match irreplaceable(path)? {
            None => Ok(path.to_path_buf()),
            Some(what) => Err(Failure::usage(format!(
                "{}: holds {what}, which no output replaces; name another file",
                path.display()
            ))),
        },
        Ok(metadata) => {
            let kind = if metadata.is_dir() { "a folder" } else { "no regular file" };
            Err(Failure::failed(format!("{}: is {kind}; name a file for the output", path.display())))
        }
    }
}

/// What a file holds when nobody could make it again, by its first 4 KiB.
fn irreplaceable(path: &Path) -> Result<Option<&'static str>, Failure> {
    let file = match File::open(path) {
        Ok(file) => file,
        // One that can't be looked into may be written where the folder allows it, and is no key of ours.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return Ok(None),
        Err(error) => return Err(Failure::file(path, &error)),
    };
    let mut start = Vec::new();
    file.take(4096).read_to_end(&mut start).map_err(|error| Failure::file(path, &error))?;
    let has = |word: &[u8]| start.windows(word.len()).any(|window| window == word);
    Ok(if has(b"PRIVATE KEY-----") {
        Some("a private key")
    } else if start.starts_with(pki::ledger::LINE_START.as_bytes()) {
        Some("a ledger")
    } else {
        None
    })
}

/// Writes a file: temporary file, fsync, rename. An old file stays until the new one is complete.
pub(crate) fn write(path: &Path, bytes: &[u8], privacy: Privacy) -> Result<(), Failure> {
    let path = &target(path)?;
    use atomic_write_file::unix::OpenOptionsExt as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let failed = |error: std::io::Error| Failure::file(path, &error);
    let mut options = AtomicWriteFile::options();
    if privacy == Privacy::Private {
        options.mode(0o600).preserve_mode(false);
    }
    let mut file = options.open(path).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.commit().map_err(failed)
}

/// Makes a folder and those above it.
pub(crate) fn create_folder(path: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(path).map_err(|error| Failure::file(path, &error))
}
