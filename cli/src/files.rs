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

/// Whether something is at `path`. A place that we may not look into is told as that, and not taken for an empty one.
pub(crate) fn is_there(path: &Path) -> Result<bool, Failure> {
    path.try_exists().map_err(|error| Failure::file(path, &error))
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
        // What a descriptor leads to is not a name: a rename would leave the descriptor's file without what it gets.
        Ok(metadata) if metadata.is_symlink() && is_descriptor(path) => Err(Failure::failed(format!(
            "{}: is no regular file, but an open descriptor; name a file for the output",
            path.display()
        ))),
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

/// Whether a link, followed link by link, goes through `/proc/PID/fd`, as `/dev/stdout` does.
fn is_descriptor(path: &Path) -> bool {
    let mut path = path.to_path_buf();
    // As many links as Linux follows.
    for _ in 0..40 {
        let Ok(folder) = path.parent().unwrap_or(Path::new("/")).canonicalize() else { return false };
        if folder.starts_with("/proc") && folder.ends_with("fd") {
            return true;
        }
        let Ok(next) = path.read_link() else { return false };
        path = folder.join(next);
    }
    false
}

/// Looks whether all outputs of a command may be put in their places, before anything is done: each in a folder that is
/// there, where [`target`] allows it, over no file that the command reads, and no two in one place.
pub(crate) fn check_outputs<'p>(
    outputs: impl IntoIterator<Item = &'p Path>,
    inputs: impl IntoIterator<Item = &'p Path>,
) -> Result<(), Failure> {
    // An input that has no place is told when it is read.
    let inputs: Vec<_> = inputs.into_iter().filter_map(|input| place(input).ok()).collect();
    let mut taken = Vec::new();
    for output in outputs {
        let place = place(&target(output)?)?;
        let conflict = if inputs.contains(&place) {
            "is read by this command, and its output would replace it; name another file"
        } else if taken.contains(&place) {
            "is named for two outputs; name a file for each"
        } else {
            taken.push(place);
            continue;
        };
        return Err(Failure::usage(format!("{}: {conflict}", output.display())));
    }
    Ok(())
}

/// Where a file is or would be, without links.
fn place(path: &Path) -> Result<PathBuf, Failure> {
    if let Ok(place) = path.canonicalize() {
        return Ok(place);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let real = folder.canonicalize().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure::failed(format!(
            "{}: there is no folder {}; make it, or name another place",
            path.display(),
            folder.display()
        )),
        _ => Failure::file(path, &error),
    })?;
    Ok(path.file_name().map(|name| real.join(name)).unwrap_or(real))
}

/// What a file holds when nobody could make it again, by its place or its first 4 KiB.
fn irreplaceable(path: &Path) -> Result<Option<&'static str>, Failure> {
    if pki::ca::store::is_part(path) {
        return Ok(Some("a file of the authority"));
    }
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

/// The same without waiting for the disk, which takes longer than the TPM: for what is only good for a moment, so that nobody
/// looks for it after a power cut. Others see the old file or the new one, whole.
pub(crate) fn write_passing(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = &target(path)?;
    let failed = |error: std::io::Error| Failure::file(path, &error);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The mode of the file that is replaced, or what the umask leaves of this.
    let mode = path.metadata().map(|metadata| metadata.permissions());
    let mut file = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(failed)?;
    if let Ok(mode) = mode {
        file.as_file().set_permissions(mode).map_err(failed)?;
    }
    file.write_all(bytes).map_err(failed)?;
    file.persist(path).map(|_| ()).map_err(|error| failed(error.error))
}

/// Makes a folder and those above it.
pub(crate) fn create_folder(path: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::failed("a file stands in this path where a folder was expected").about(path)
        }
        _ => Failure::file(path, &error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    #[test]
    fn an_open_descriptor_is_no_place_for_an_output() {
        use std::os::fd::AsRawFd as _;
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join("report")).unwrap();
        let descriptor = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&descriptor, &link).unwrap();
        for path in [&descriptor, &link] {
            assert!(target(path).unwrap_err().message.contains("open descriptor"), "{}", path.display());
        }
        std::os::unix::fs::symlink("report", folder.path().join("name")).unwrap();
        let place = target(&folder.path().join("name")).unwrap();
        assert_eq!(place, folder.path().join("report").canonicalize().unwrap());
        // A file where a folder belongs.
        let told = create_folder(&folder.path().join("report")).unwrap_err().message;
        assert!(told.contains("report: a file stands in this path"), "{told}");
    }

    #[test]
    fn a_passing_file_takes_the_place_and_the_mode_of_the_old_one_and_no_keys() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mode = |name: &str| path(name).metadata().unwrap().permissions().mode() & 0o777;
        std::fs::write(path("plain"), "").unwrap();
        std::fs::write(path("old"), "old").unwrap();
        std::fs::set_permissions(path("old"), std::fs::Permissions::from_mode(0o640)).unwrap();
        std::fs::write(path("key"), "-----BEGIN PRIVATE KEY-----").unwrap();
        for name in ["old", "new"] {
            write_passing(&path(name), b"new").unwrap();
            assert_eq!(std::fs::read(path(name)).unwrap(), b"new");
        }
        assert_eq!(mode("old"), 0o640);
        assert_eq!(mode("new"), mode("plain"), "as the umask has it");
        assert_eq!(write_passing(&path("key"), b"new").unwrap_err().exit, Exit::Usage);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4, "nothing half-written stays");
    }

    #[test]
    fn outputs_replace_no_input_no_key_and_not_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, text) in [
            ("in", "in"),
            ("old", "old"),
            ("ca.json", "{}"),
            ("root.pem", ""),
            ("key", "-----BEGIN PRIVATE KEY-----"),
        ] {
            std::fs::write(path(name), text).unwrap();
        }
        std::os::unix::fs::symlink(path("in"), path("link")).unwrap();
        let check = |outputs: &[&str]| {
            let outputs: Vec<_> = outputs.iter().map(|name| path(name)).collect();
            let input = path("in");
            check_outputs(outputs.iter().map(PathBuf::as_path), [input.as_path(), Path::new("/no/such")])
                .map_err(|failure| failure.exit)
        };
        assert_eq!(check(&["old", "new"]), Ok(()));
        for wrong in [&["in"][..], &["link"], &["./in"], &["key"], &["root.pem"], &["new", "./new"]] {
            assert_eq!(check(wrong), Err(Exit::Usage), "{wrong:?}");
        }
        assert_eq!(check(&["missing/new"]), Err(Exit::Failed));
        assert_eq!(check(&["."]), Err(Exit::Failed));
    }
}
