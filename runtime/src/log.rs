//! A module's log: what it writes to its standard error, and to its standard output when no module reads that.

use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// Size at which a log is set aside: 1 MiB. One older file is kept, so that a module never takes more than twice that.
pub const MAX_LOG: u64 = 1 << 20;

const PIECE: usize = 1 << 13;

#[derive(Debug)]
struct Pages {
    path: PathBuf,
    file: File,
    len: u64,
}

/// A log that its module can't make larger than twice [`MAX_LOG`].
#[derive(Debug, Clone)]
pub(crate) struct ModuleLog(Arc<Mutex<Pages>>);

impl ModuleLog {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        let len = file.metadata()?.len();
        Ok(Self(Arc::new(Mutex::new(Pages { path: path.to_owned(), file, len }))))
    }

    /// Writes down whatever comes until all writers are gone.
    pub(crate) fn follow(&self, mut source: PipeReader) -> io::Result<JoinHandle<()>> {
        let log = self.clone();
        thread::Builder::new().name("module log".to_owned()).spawn(move || {
            let mut buffer = vec![0; PIECE];
            loop {
                match source.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(read) => {
                        // A full disk loses log lines; a reader that stopped reading would block the module.
                        let _ = log.write(buffer.get(..read).unwrap_or_default());
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
        })
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }
}

impl Pages {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.len.saturating_add(len) > MAX_LOG {
            self.turn()?;
        }
        self.len = self.len.saturating_add(len);
        self.file.write_all(bytes)
    }

    /// Sets the full log aside in the place of the one set aside before, and begins a new one.
    fn turn(&mut self) -> io::Result<()> {
        std::fs::rename(&self.path, self.path.with_extension("log.1"))?;
        self.file = open(&self.path)?;
        self.len = 0;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    let no_link = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(no_link).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r06_a_log_is_set_aside_once_and_never_grows_beyond_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.log");
        let log = ModuleLog::open(&path).unwrap();
        let piece = vec![b'x'; 100_000];
        for _ in 0..35 {
            log.write(&piece).unwrap();
        }
        log.write(b"last").unwrap();
        let now = std::fs::read(&path).unwrap();
        let before = std::fs::read(path.with_extension("log.1")).unwrap();
        assert!(now.ends_with(b"last") && now.len() <= 1 << 20 && before.len() <= 1 << 20);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_log_goes_on_where_the_last_one_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.log");
        for text in [b"one\n", b"two\n"] {
            let (reader, mut writer) = io::pipe().unwrap();
            let follower = ModuleLog::open(&path).unwrap().follow(reader).unwrap();
            writer.write_all(text).unwrap();
            drop(writer);
            follower.join().unwrap();
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"one\ntwo\n");
    }
}
