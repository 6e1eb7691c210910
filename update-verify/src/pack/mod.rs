//! Making packages: a folder and a description become a `.hmk`, signed at once or later.
//!
//! The output depends on nothing but the files' bytes and executable bits, the description, and the time given. The
//! files are read twice, to be hashed and to be written, so that a package larger than memory can be made; a file that
//! is another one the second time is noticed.

mod description;
mod source;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;
use jiff::Timestamp;

pub use description::{Description, ModuleDescription};

use crate::bundle::sign_managed;
use crate::digest::Sha256;
use crate::format::Header;
use crate::manifest::{FORMAT, Manifest, ManifestError, wire};
use crate::package::PackageError;
use crate::sign::{SignError, SigningKey};

/// Why a package could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The description is not one.
    #[error("the description, line {line}: {message}")]
    Description {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// The package would be refused by every device.
    #[error(transparent)]
    Manifest(ManifestError),
    /// The manifest is too long, or can't be written.
    #[error(transparent)]
    Package(Box<PackageError>),
    /// The manifest could not be written as JSON.
    #[error("the manifest can't be written: {0}")]
    Encoding(#[source] serde_json::Error),
    /// The manifest could not be signed.
    #[error("the manifest can't be signed: {0}")]
    Sign(#[source] SignError),
    /// A name in the folder is not UTF-8.
    #[error("{path}: the name is not UTF-8", path = path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// A link, device, socket or fifo.
    #[error("{path}: only regular files and folders can be packed", path = path.display())]
    NotAFile {
        /// What was found.
        path: PathBuf,
    },
    /// A file with the setuid or setgid bit, which no package carries.
    #[error("{path}: has the setuid or setgid bit, which a package can't carry", path = path.display())]
    SetId {
        /// The file.
        path: PathBuf,
    },
    /// Folders nested deeper than a package's path may be.
    #[error("{path}: is nested too deep", path = path.display())]
    TooDeep {
        /// The folder.
        path: PathBuf,
    },
    /// A file was another one when it was read again.
    #[error("{path}: changed while it was packed", path = path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Reading failed.
    #[error("{path}: {source}", path = path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// Writing the package failed.
    #[error("the package can't be written: {0}")]
    Write(#[source] io::Error),
}

impl PackError {
    fn reading(path: &Path) -> impl Fn(io::Error) -> Self + '_ {
        |source| Self::Read { path: path.to_owned(), source }
    }

    /// Whether the input was judged and found bad, as opposed to: could not be read or written.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        !matches!(
            self,
            Self::Read { .. } | Self::Write(_) | Self::Encoding(_) | Self::Sign(_) | Self::Changed { .. }
        )
    }

    /// The id of the attack that this refusal answers.
    #[must_use]
    pub fn threat(&self) -> Option<&'static str> {
        match self {
            Self::Manifest(error) => Some(error.threat()),
            Self::Package(error) => error.threat(),
            Self::NotAFile { .. } | Self::SetId { .. } | Self::NotText { .. } | Self::TooDeep { .. } => {
                Some("u10")
            }
            Self::Changed { .. } => Some("u11"),
            _ => None,
        }
    }
}

/// What was packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Number of files.
    pub files: usize,
    /// Sum of their sizes in bytes.
    pub payload_len: u64,
    /// SHA-256 of the manifest, which names the package.
    pub manifest_digest: Sha256,
}

/// Packs `folder` into a new file at `target`, which appears complete or not at all.
///
/// # Errors
/// As [`pack`].
pub fn pack_to_file(
    folder: &Path,
    description: &Description,
    created: Timestamp,
    key: Option<&SigningKey>,
    target: &Path,
) -> Result<Packed, PackError> {
    let mut out = AtomicWriteFile::open(target).map_err(PackError::Write)?;
    let packed = pack(folder, description, created, key, &mut out)?;
    out.commit().map_err(PackError::Write)?;
    Ok(packed)
}

/// Packs `folder` into `out`. `created` is cut to whole seconds. Without `key` the package is not signed yet:
/// [`sign_package`](crate::sign_package) can do that later, where the key is.
///
/// # Errors
/// When the folder holds what a package can't, the description breaks a rule of the format, a file changes meanwhile,
/// or reading or writing fails.
pub fn pack(
    folder: &Path,
    description: &Description,
    created: Timestamp,
    key: Option<&SigningKey>,
    out: &mut impl Write,
) -> Result<Packed, PackError> {
    let sources = source::list(folder)?;
    let files = sources.iter().map(source::measure).collect::<Result<Vec<_>, _>>()?;
    let document = document(description, created, files);
    let manifest = serde_json::to_vec(&document).map_err(PackError::Encoding)?;
    // The device's own parser is the one place where the rules of the format stand.
    let checked = Manifest::parse(&manifest).map_err(PackError::Manifest)?;
    let bundle = key.map(|key| sign_managed(&manifest, key)).transpose().map_err(PackError::Sign)?;
    let bundle = bundle.unwrap_or_default();
    let header = Header::new(&manifest, &bundle).map_err(|error| PackError::Package(Box::new(error)))?;
    out.write_all(&header.to_bytes()).map_err(PackError::Write)?;
    out.write_all(&manifest).map_err(PackError::Write)?;
    out.write_all(&bundle).map_err(PackError::Write)?;
    for (source, entry) in sources.iter().zip(&document.files) {
        copy(source, entry, out)?;
    }
    Ok(Packed {
        files: checked.files().len(),
        payload_len: checked.payload_len(),
        manifest_digest: Sha256::of(&manifest),
    })
}

fn document(description: &Description, created: Timestamp, files: Vec<wire::File>) -> wire::Document {
    let whole_seconds = Timestamp::from_second(created.as_second()).unwrap_or(created);
    wire::Document {
        format: FORMAT,
        product: description.product.clone(),
        hardware: description.hardware.clone(),
        version: description.version.clone(),
        release: description.release,
        created: whole_seconds.to_string(),
        expires: description.expires.clone(),
        files,
        modules: description.modules.iter().map(module).collect(),
    }
}

fn module(description: &ModuleDescription) -> wire::Module {
    wire::Module {
        name: description.name.clone(),
        path: description.path.clone(),
        args: description.args.clone(),
        env: description.env.clone(),
        stdin: description.stdin.clone(),
    }
}

/// Second pass: writes a file whose every chunk must be the one that was hashed.
fn copy(source: &source::SourceFile, entry: &wire::File, out: &mut impl Write) -> Result<(), PackError> {
    let changed = || PackError::Changed { path: source.location.clone() };
    let mut file = source::open(&source.location)?;
    let mut buffer = Vec::new();
    for expected in &entry.chunks {
        source::read_chunk(&mut file, &mut buffer).map_err(PackError::reading(&source.location))?;
        if Sha256::of(&buffer) != *expected {
            return Err(changed());
        }
        out.write_all(&buffer).map_err(PackError::Write)?;
    }
    let rest = source::read_chunk(&mut file, &mut buffer).map_err(PackError::reading(&source.location))?;
    if rest == 0 { Ok(()) } else { Err(changed()) }
}
