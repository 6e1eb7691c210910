//! The state folder: what is in it, and the lock that lets one supervisor work there.
//!
//! ```text
//! STATE/run/status.json     what the supervisor reports       STATE/log/NAME.log, NAME.log.1
//! STATE/run/lock            held while it is alive            STATE/modules/NAME/      a module's own folder
//! ```

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use atomic_write_file::AtomicWriteFile;
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;

use crate::error::RuntimeError;
use crate::guard::private_folder;

/// Longest status file that is read: 1 MiB.
const MAX_STATUS: u64 = 1 << 20;
/// Whoever reads the status holds the lock for an instant, which must not keep a supervisor from starting.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// The state folder of the one supervisor that works in it.
#[derive(Debug)]
pub(crate) struct StateFolder {
    path: PathBuf,
    _lock: File,
}

impl StateFolder {
    /// Makes what is missing and takes the lock, which the kernel gives back when the process ends, however it does.
    pub(crate) fn open(path: &Path) -> Result<Self, RuntimeError> {
        let path = std::path::absolute(path).map_err(RuntimeError::io("find", path))?;
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(RuntimeError::io("make", parent))?;
        }
        for folder in [path.clone(), path.join("run"), path.join("log"), path.join("modules")] {
            private_folder(&folder)?;
        }
        let lock = take_lock(&lock_path(&path))?;
        // The last supervisor's status is not ours.
        match std::fs::remove_file(status_path(&path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(RuntimeError::io("remove", &status_path(&path))(error));
            }
            _ => {}
        }
        Ok(Self { path, _lock: lock })
    }

    /// Makes the module's own folder.
    pub(crate) fn module_folder(&self, module: &str) -> Result<PathBuf, RuntimeError> {
        let folder = self.path.join("modules").join(module);
        private_folder(&folder)?;
        Ok(folder)
    }

    pub(crate) fn log(&self, module: &str) -> PathBuf {
        self.path.join("log").join(format!("{module}.log"))
    }

    /// Replaces the status in one step.
    pub(crate) fn write_status(&self, bytes: &[u8]) -> Result<(), RuntimeError> {
        let path = status_path(&self.path);
        let failed = RuntimeError::io("write", &path);
        let mut file = AtomicWriteFile::open(&path).map_err(&failed)?;
        file.write_all(bytes).map_err(&failed)?;
        file.commit().map_err(&failed)
    }
}

fn lock_path(state: &Path) -> PathBuf {
    state.join("run/lock")
}

pub(crate) fn status_path(state: &Path) -> PathBuf {
    state.join("run/status.json")
}

fn take_lock(path: &Path) -> Result<File, RuntimeError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let failed = |errno: Errno| RuntimeError::io("lock", path)(errno.into());
    let lock = File::from(rustix::fs::open(path, flags, Mode::from_raw_mode(0o600)).map_err(failed)?);
    for _ in 0..LOCK_TRIES {
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(lock),
            Err(Errno::WOULDBLOCK) => thread::sleep(LOCK_PAUSE),
            Err(errno) => return Err(failed(errno)),
        }
    }
    Err(RuntimeError::Busy { path: path.to_owned() })
}

/// What a state folder shows: whether a supervisor is alive, and the bytes of the status, if there is one.
pub(crate) fn observe(state: &Path) -> Result<(bool, Option<Vec<u8>>), RuntimeError> {
    let path = lock_path(state);
    let lock = match File::open(&path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((false, None)),
        Err(error) => return Err(RuntimeError::io("open", &path)(error)),
    };
    // Kept until the status was read, so that no supervisor starts between the two and is told dead.
    let is_alive = match flock(&lock, FlockOperation::NonBlockingLockShared) {
        Ok(()) => false,
        Err(Errno::WOULDBLOCK) => true,
        Err(errno) => return Err(RuntimeError::io("lock", &path)(errno.into())),
    };
    Ok((is_alive, read_status(&status_path(state))?))
}

fn read_status(path: &Path) -> Result<Option<Vec<u8>>, RuntimeError> {
    let failed = RuntimeError::io("read", path);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_STATUS).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}
