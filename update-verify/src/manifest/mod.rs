//! The manifest: what a package is, for whom, and the digest of every chunk of every file in it.
//!
//! [`Manifest::parse`] makes a well-formed manifest, which is not yet a believed one: only
//! [`PackageReader::verify`](crate::PackageReader::verify) makes a [`VerifiedManifest`](crate::VerifiedManifest).

mod error;
mod module;
mod path;
#[cfg(test)]
mod tests;
pub(crate) mod wire;

use jiff::Timestamp;

pub use error::ManifestError;
pub use module::{MAX_ARG, MAX_ARGS, MAX_MODULES, ModuleEntry, ModuleFault};
pub use path::{MAX_COMPONENT, MAX_DEPTH, MAX_PATH, PathFault, check_path};

use crate::digest::Sha256;

/// The value of `format` in a manifest, and of the version in a package's header.
pub const FORMAT: u32 = 1;
/// Size of every chunk but a file's last: 1 MiB.
pub const CHUNK_SIZE: u64 = 1 << 20;
/// Longest manifest in bytes: 8 MiB, enough for the chunks of some 120 GB.
pub const MAX_MANIFEST: u32 = 8 << 20;
/// Most files of a package.
pub const MAX_FILES: usize = 32_768;
/// Most hardware ids of a package.
pub const MAX_HARDWARE: usize = 256;

/// A well-formed manifest. Its fields can't be changed, and the only way to one is [`Manifest::parse`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    product: String,
    hardware: Vec<String>,
    version: String,
    release: u64,
    created: Timestamp,
    expires: Option<Timestamp>,
    files: Vec<FileEntry>,
    modules: Vec<ModuleEntry>,
    payload_len: u64,
}

/// A file of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    path: String,
    size: u64,
    executable: bool,
    sha256: Sha256,
    chunks: Vec<Sha256>,
}

impl FileEntry {
    /// Relative path with `/` between components, as [`check_path`] allows it.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Size in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Whether it is installed with mode 0755 instead of 0644.
    #[must_use]
    pub const fn is_executable(&self) -> bool {
        self.executable
    }

    /// SHA-256 of the whole file.
    #[must_use]
    pub const fn sha256(&self) -> Sha256 {
        self.sha256
    }

    /// SHA-256 of each chunk of [`CHUNK_SIZE`] bytes; the last may be shorter, an empty file has none.
    #[must_use]
    pub fn chunks(&self) -> &[Sha256] {
        &self.chunks
    }
}

impl Manifest {
    /// Parses and checks a manifest.
    ///
    /// # Errors
    /// Any departure from `docs/src/formats/package.md`: nothing is repaired, skipped or defaulted.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        if u32::try_from(bytes.len()).map_or(true, |len| len > MAX_MANIFEST) {
            return Err(ManifestError::TooLong { found: bytes.len() });
        }
        let document: wire::Document = serde_json::from_slice(bytes).map_err(ManifestError::Syntax)?;
        Self::check(document)
    }

    fn check(document: wire::Document) -> Result<Self, ManifestError> {
        if document.format != FORMAT {
            return Err(ManifestError::Format { found: document.format });
        }
        check_name("product", &document.product)?;
        check_name("version", &document.version)?;
        check_hardware(&document.hardware)?;
        if document.release == 0 {
            return Err(ManifestError::ReleaseZero);
        }
        let created = parse_time("created", &document.created)?;
        let expires = document.expires.as_deref().map(|text| parse_time("expires", text)).transpose()?;
        if let Some(expires) = expires.filter(|expires| *expires <= created) {
            return Err(ManifestError::ExpiresBeforeCreated { created, expires });
        }
        let (files, payload_len) = check_files(document.files)?;
        let modules = module::check_modules(document.modules, &files)?;
        Ok(Self {
            product: document.product,
            hardware: document.hardware,
            version: document.version,
            release: document.release,
            created,
            expires,
            files,
            modules,
            payload_len,
        })
    }

    /// The product that the package is for.
    #[must_use]
    pub fn product(&self) -> &str {
        &self.product
    }

    /// The hardware ids that the package is for; at least one.
    #[must_use]
    pub fn hardware(&self) -> &[String] {
        &self.hardware
    }

    /// The version as people read it. Nothing is decided by it.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The rollback index: 1 or more, rises with each release, compared to the device's floor.
    #[must_use]
    pub const fn release(&self) -> u64 {
        self.release
    }

    /// When the package was made.
    #[must_use]
    pub const fn created(&self) -> Timestamp {
        self.created
    }

    /// From when on it is no longer accepted.
    #[must_use]
    pub const fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// The files in the payload's order: ascending by the bytes of their paths.
    #[must_use]
    pub fn files(&self) -> &[FileEntry] {
        &self.files
    }

    /// The programs that the runtime starts.
    #[must_use]
    pub fn modules(&self) -> &[ModuleEntry] {
        &self.modules
    }

    /// Sum of the files' sizes in bytes.
    #[must_use]
    pub const fn payload_len(&self) -> u64 {
        self.payload_len
    }
}

/// Whether `value` can be a product, a hardware id or a version: 1 to 64 letters, digits and `._+-`, not starting with one of the latter.
pub(crate) fn check_name(field: &'static str, value: &str) -> Result<(), ManifestError> {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"._+-".contains(&b);
    let starts_well = value.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts_well && value.len() <= 64 && value.bytes().all(is_allowed) {
        Ok(())
    } else {
        Err(ManifestError::Name { field, value: value.to_owned() })
    }
}

fn check_hardware(hardware: &[String]) -> Result<(), ManifestError> {
    if hardware.is_empty() {
        return Err(ManifestError::NoHardware);
    }
    if hardware.len() > MAX_HARDWARE {
        return Err(ManifestError::TooMany {
            what: "hardware ids",
            found: hardware.len(),
            limit: MAX_HARDWARE,
        });
    }
    hardware.iter().try_for_each(|id| check_name("hardware", id))
}

/// RFC 3339 in its shortest form, UTC and whole seconds: one moment, one spelling.
fn parse_time(field: &'static str, text: &str) -> Result<Timestamp, ManifestError> {
    text.parse::<Timestamp>()
        .ok()
        .filter(|time| text.len() == 20 && time.to_string() == text)
        .ok_or_else(|| ManifestError::Time { field, value: text.to_owned() })
}

fn check_files(files: Vec<wire::File>) -> Result<(Vec<FileEntry>, u64), ManifestError> {
    if files.len() > MAX_FILES {
        return Err(ManifestError::TooMany { what: "files", found: files.len(), limit: MAX_FILES });
    }
    let total = payload_len(&files)?;
    let mut names = path::NameTree::default();
    let mut checked: Vec<FileEntry> = Vec::with_capacity(files.len());
    for file in files {
        check_path(&file.path).map_err(|fault| ManifestError::Path { path: file.path.clone(), fault })?;
        if checked.last().is_some_and(|previous| previous.path >= file.path) {
            return Err(ManifestError::Order { path: file.path });
        }
        names
            .add(&file.path)
            .map_err(|met| ManifestError::Collision { path: met.path, earlier: met.earlier })?;
        check_chunks(&file)?;
        checked.push(FileEntry {
            path: file.path,
            size: file.size,
            executable: file.executable,
            sha256: file.sha256,
            chunks: file.chunks,
        });
    }
    Ok((checked, total))
}

/// The sizes' sum, before anything is done by them.
fn payload_len(files: &[wire::File]) -> Result<u64, ManifestError> {
    files.iter().try_fold(0_u64, |total, file| {
        total.checked_add(file.size).ok_or_else(|| ManifestError::SizeOverflow { path: file.path.clone() })
    })
}

/// As many chunks as the size needs, and one digest only for bytes that are file and chunk at once.
fn check_chunks(file: &wire::File) -> Result<(), ManifestError> {
    let expected = file.size.div_ceil(CHUNK_SIZE);
    if u64::try_from(file.chunks.len()) != Ok(expected) {
        return Err(ManifestError::ChunkCount {
            path: file.path.clone(),
            found: file.chunks.len(),
            expected,
        });
    }
    let is_told_twice = match file.chunks.as_slice() {
        [] => file.sha256 != Sha256::of(b""),
        [only] => file.sha256 != *only,
        _ => false,
    };
    if is_told_twice { Err(ManifestError::TwoDigests { path: file.path.clone() }) } else { Ok(()) }
}
