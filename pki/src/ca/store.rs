//! The authority on disk: the half of [`ca`](super) that reads and writes files.
//!
//! ```text
//! DIR/ca.json            names, algorithm, fingerprints
//! DIR/root.pem           the root's certificate: what verifiers trust
//! DIR/root.key           its key, mode 0600: move it offline once the authority exists, issuing does not need it
//! DIR/intermediate.pem   the issuing certificate
//! DIR/intermediate.key   its key, mode 0600
//! ```

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use attest::{Digest, HashAlgorithm};
use jiff::Timestamp;
use rcgen::KeyPair;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{AuthorityNames, CertificateAuthority, IssueError, KeyAlgorithm, NewAuthority, SerialNumber};
use crate::certificate::{Certificate, CertificateError, MAX_CERTIFICATE};

const FORMAT: &str = "hallmark-ca/1";
const LONGEST_FILE: u64 = 64 * 1024;

/// Why an authority could not be made or loaded. Nothing is overwritten and nothing half-made stays under its name.
#[derive(Debug, Error)]
pub enum StoreError {
    /// There is one already.
    #[error("{} holds a certificate authority or other files already; nothing was changed", dir.display())]
    Exists {
        /// The folder.
        dir: PathBuf,
    },
    /// Another process makes one there right now.
    #[error("another process is making a certificate authority at {}", dir.display())]
    Busy {
        /// The folder.
        dir: PathBuf,
    },
    /// No authority there.
    #[error("{} holds no certificate authority ({} is missing); make one with: hallmark ca init", dir.display(), file)]
    Missing {
        /// The folder.
        dir: PathBuf,
        /// The file that is missing.
        file: &'static str,
    },
    /// A private key that others can read (threat p10).
    #[error("{} has mode {mode:04o}: others can read this private key; run: chmod 600 {}", path.display(), path.display())]
    KeyReadable {
        /// The key's file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A private key that is none.
    #[error("{} is not a PKCS#8 private key for ECDSA: {reason}", path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// `ca.json` is damaged or of a later version.
    #[error("{} is damaged: {reason}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A certificate that can't be read.
    #[error("{}: {error}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        error: Box<CertificateError>,
    },
    /// A certificate that is not the one that `ca.json` records.
    #[error("{} was replaced: its fingerprint is {found}, {FORMAT} records {expected}", path.display())]
    Replaced {
        /// The file.
        path: PathBuf,
        /// Fingerprint of the file.
        found: Box<Digest>,
        /// Fingerprint on record.
        expected: Box<Digest>,
    },
    /// The parts don't belong together.
    #[error(transparent)]
    Issue(Box<IssueError>),
    /// The operating system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Its reason.
        error: io::Error,
    },
}

impl From<IssueError> for StoreError {
    fn from(error: IssueError) -> Self {
        Self::Issue(Box::new(error))
    }
}

impl StoreError {
    /// Whether what is there was judged and found bad, as opposed to: could not be made or read.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            // Bytes that are no text were read, and are no authority's.
            Self::Io { error, .. } => matches!(error.kind(), io::ErrorKind::InvalidData),
            Self::Exists { .. } | Self::Busy { .. } | Self::Missing { .. } => false,
            _ => true,
        }
    }

    /// The row of threats.md, where there is one.
    #[must_use]
    pub fn threat(&self) -> Option<&'static str> {
        match self {
            Self::KeyReadable { .. } | Self::Key { .. } => Some("p10"),
            Self::Issue(error) => Some(error.threat()),
            _ => None,
        }
    }
}

/// `ca.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    format: String,
    names: AuthorityNames,
    algorithm: KeyAlgorithm,
    created: Timestamp,
    root: Digest,
    intermediate: Digest,
}

/// Makes an authority in the folder `dir`, which must not exist or be empty; its parent must exist.
///
/// The folder appears under its name when it is complete. When the machine loses power before, what was written stays
/// under a hidden name beside it, and running this again removes it and starts afresh.
///
/// # Errors
/// [`StoreError`]; an authority that exists is never touched.
pub fn init(
    dir: &Path,
    names: &AuthorityNames,
    algorithm: KeyAlgorithm,
    serials: [SerialNumber; 2],
    now: Timestamp,
) -> Result<(), StoreError> {
    refuse_occupied(dir)?;
    let staging = Staging::open(dir)?;
    let authority = NewAuthority::generate(names, algorithm, serials, now)?;
    let [root_pem, intermediate_pem] = authority.pems();
    let record = Record {
        format: FORMAT.to_owned(),
        names: names.clone(),
        algorithm,
        created: now,
        root: HashAlgorithm::Sha256.digest(&authority.root_der),
        intermediate: HashAlgorithm::Sha256.digest(&authority.intermediate_der),
    };
    let json = serde_json::to_string_pretty(&record)
        .map_err(|error| StoreError::Record { path: dir.join("ca.json"), reason: error.to_string() })?;
    let root_key = Zeroizing::new(authority.root_key.serialize_pem());
    let intermediate_key = Zeroizing::new(authority.intermediate_key.serialize_pem());
    staging.write("root.key", 0o600, root_key.as_bytes())?;
    staging.write("intermediate.key", 0o600, intermediate_key.as_bytes())?;
    staging.write("root.pem", 0o644, root_pem.as_bytes())?;
    staging.write("intermediate.pem", 0o644, intermediate_pem.as_bytes())?;
    staging.write("ca.json", 0o644, format!("{json}\n").as_bytes())?;
    staging.publish(dir)
}

/// Whether `path` is one of the files of an authority's folder, by its name and its neighbours.
#[must_use]
pub fn is_part(path: &Path) -> bool {
    const NAMES: [&str; 5] = ["ca.json", "root.pem", "root.key", "intermediate.pem", "intermediate.key"];
    NAMES.iter().any(|name| path.file_name() == Some(OsStr::new(name)))
        && path.with_file_name("ca.json").exists()
}

/// Loads the authority in `dir` for issuing. `root.key` is neither needed nor read.
///
/// # Errors
/// [`StoreError`]: keys that others can read are refused (threat p10).
pub fn load(dir: &Path) -> Result<CertificateAuthority, StoreError> {
    let path = dir.join("ca.json");
    let json = read_text(dir, "ca.json")?;
    let damaged = |reason: String| StoreError::Record { path: path.clone(), reason };
    let record: Record = serde_json::from_str(&json).map_err(|error| damaged(error.to_string()))?;
    if record.format != FORMAT {
        return Err(damaged(format!("format is {:?}, expected {FORMAT:?}", record.format)));
    }
    let root = read_certificate(dir, "root.pem", record.root)?;
    let intermediate = read_certificate(dir, "intermediate.pem", record.intermediate)?;
    let key = read_key(dir, "intermediate.key")?;
    Ok(CertificateAuthority::new(root.der(), intermediate.der(), Box::new(key))?)
}

fn at(path: &Path) -> impl Fn(io::Error) -> StoreError + '_ {
    move |error| StoreError::Io { path: path.to_owned(), error }
}

fn refuse_occupied(dir: &Path) -> Result<(), StoreError> {
    match fs::read_dir(dir).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(StoreError::Exists { dir: dir.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(at(dir)(error)),
    }
}

/// The hidden folder beside the final one, locked while somebody writes it.
struct Staging {
    path: PathBuf,
    parent: PathBuf,
    folder: File,
}

impl Staging {
    fn open(dir: &Path) -> Result<Self, StoreError> {
        let parent = match dir.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let mut name = std::ffi::OsString::from(".");
        name.push(dir.file_name().unwrap_or_else(|| "ca".as_ref()));
        name.push(".init");
        let path = parent.join(name);
        let create = || fs::DirBuilder::new().mode(0o700).create(&path);
        match create() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // Left by a run that was killed, or in use: the lock tells.
                let leftover = lock(&path, dir)?;
                fs::remove_dir_all(&path).map_err(at(&path))?;
                drop(leftover);
                create().map_err(at(&path))?;
            }
            created => created.map_err(at(&path))?,
        }
        let folder = lock(&path, dir)?;
        Ok(Self { path, parent, folder })
    }

    fn write(&self, name: &str, mode: u32, content: &[u8]) -> Result<(), StoreError> {
        let path = self.path.join(name);
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(mode).open(&path).map_err(at(&path))?;
        file.write_all(content).and_then(|()| file.sync_all()).map_err(at(&path))
    }

    fn publish(self, dir: &Path) -> Result<(), StoreError> {
        self.folder.sync_all().map_err(at(&self.path))?;
        // rename(2) replaces an empty folder and refuses any other.
        fs::rename(&self.path, dir).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
                StoreError::Exists { dir: dir.to_owned() }
            }
            _ => at(dir)(error),
        })?;
        File::open(&self.parent).and_then(|parent| parent.sync_all()).map_err(at(&self.parent))
    }
}

fn lock(path: &Path, dir: &Path) -> Result<File, StoreError> {
    let folder = File::open(path).map_err(at(path))?;
    flock(&folder, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| StoreError::Busy { dir: dir.to_owned() })?;
    Ok(folder)
}

fn open(dir: &Path, file: &'static str) -> Result<(PathBuf, File), StoreError> {
    let path = dir.join(file);
    match File::open(&path) {
        Ok(opened) => Ok((path, opened)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(StoreError::Missing { dir: dir.to_owned(), file })
        }
        Err(error) => Err(at(&path)(error)),
    }
}

fn read_to_string(path: &Path, file: File) -> Result<Zeroizing<String>, StoreError> {
    let mut text = Zeroizing::new(String::new());
    file.take(LONGEST_FILE).read_to_string(&mut text).map_err(at(path))?;
    Ok(text)
}

fn read_text(dir: &Path, file: &'static str) -> Result<Zeroizing<String>, StoreError> {
    let (path, opened) = open(dir, file)?;
    read_to_string(&path, opened)
}

fn read_certificate(dir: &Path, file: &'static str, expected: Digest) -> Result<Certificate, StoreError> {
    let path = dir.join(file);
    let wrong = |error| StoreError::Certificate { path: path.clone(), error: Box::new(error) };
    let mut certificates = Certificate::parse_pem(&read_text(dir, file)?).map_err(wrong)?;
    let (Some(certificate), true) = (certificates.pop(), certificates.is_empty()) else {
        return Err(wrong(CertificateError::Pem { place: 1, reason: "expected one certificate".to_owned() }));
    };
    let found = certificate.fingerprint();
    if found == expected {
        return Ok(certificate);
    }
    Err(StoreError::Replaced { path, found: Box::new(found), expected: Box::new(expected) })
}

/// The permission bits are those of the opened file, so that no other file can slip in between.
fn read_key(dir: &Path, file: &'static str) -> Result<KeyPair, StoreError> {
    let (path, opened) = open(dir, file)?;
    let mode = opened.metadata().map_err(at(&path))?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(StoreError::KeyReadable { path, mode });
    }
    let pem = read_to_string(&path, opened)?;
    KeyPair::from_pem(&pem).map_err(|error| StoreError::Key { path, reason: error.to_string() })
}

const _: () = assert!(MAX_CERTIFICATE <= 64 * 1024, "a certificate's file must fit LONGEST_FILE");
