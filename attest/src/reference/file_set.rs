//! File sets: digests of files by path, in a form that is looked up where it lies.
//!
//! A set of a whole system has a hundred thousand files. It is written once, named by its SHA-256 in signed reference
//! values ([`FileSetName`]), shared by all releases and devices that name it, and never parsed as a whole: records of
//! fixed width stand in the order of their digests, so that a look-up is a search in the bytes and allocates nothing.
//!
//! ```text
//! "HMFILES1"                                       8 bytes
//! sections, paths, bytes of all paths              3 × u32, little-endian as all numbers
//! each section: kind u8, digest length u8, hash name of 14 bytes with NULs at its end, records u32
//! where each path starts, and where the last ends  (paths + 1) × u32
//! the paths, in the order of their bytes
//! each section's records: digest, number of the path u32; in the order of digest and path
//! ```
//!
//! Sections stand in the order of kind and name. The numbers leave no choice in how a set is written, so that equal sets
//! have equal names.

mod builder;
mod search;

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::{Digest, HashAlgorithm};
use crate::ima::{DigestKind, FileDigest};
use crate::wire::{Reader, WireError};

pub use builder::FileSetBuilder;

const MAGIC: &[u8; 8] = b"HMFILES1";
/// Most sections: the kernel has 26 hashes, each for contents and fs-verity.
const MAX_SECTIONS: u32 = 52;
/// Bytes of a hash's name in a section's head.
const NAME_LEN: usize = 14;
/// Bytes of a path's number in a record.
const NUMBER_LEN: usize = 4;

/// Why bytes are no file set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FileSetError {
    /// A field past the end, or bytes too many.
    #[error("file set: {0}")]
    Wire(#[from] WireError),
    /// Another file.
    #[error("file set: does not start with HMFILES1")]
    Magic,
    /// A number of sections that no set has.
    #[error("file set: {0} sections, expected at most {MAX_SECTIONS}")]
    Sections(u32),
    /// A section's head without sense, or out of order.
    #[error("file set: section {index}: {what}")]
    Section {
        /// Its number, from 0.
        index: u32,
        /// What is wrong.
        what: &'static str,
    },
    /// Paths or records that are not in order, so that a search would miss some.
    #[error("file set: {what} {index} is not in order")]
    Order {
        /// `path` or `record`.
        what: &'static str,
        /// Its number, from 0.
        index: u32,
    },
    /// Other bytes than the signed reference values name.
    #[error("file set: is {found}, expected {expected}")]
    Name {
        /// The bytes' digest.
        found: String,
        /// The digest in the reference values.
        expected: String,
    },
    /// More than the format's numbers hold.
    #[error("file set: more than 4294967295 {0}")]
    TooLarge(&'static str),
}

/// What of a file was hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// Its contents.
    Contents,
    /// Its fs-verity tree of hashes (threat i14: never taken for contents).
    Verity,
}

impl FileKind {
    const fn code(self) -> u8 {
        match self {
            Self::Contents => 0,
            Self::Verity => 1,
        }
    }
}

impl From<DigestKind> for FileKind {
    /// Templates that do not say the kind have no way to say fs-verity, and mean contents.
    fn from(kind: DigestKind) -> Self {
        match kind {
            DigestKind::Unstated | DigestKind::Ima => Self::Contents,
            DigestKind::Verity => Self::Verity,
        }
    }
}

/// What a file is looked up by: kind, hash and digest as one value (threat i14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileKey<'a> {
    /// What was hashed.
    pub kind: FileKind,
    /// The kernel's name of the hash, e.g. `sha256`.
    pub algorithm: &'a str,
    /// The digest.
    pub digest: &'a [u8],
}

impl<'a> FileKey<'a> {
    /// The key of a file's contents.
    #[must_use]
    pub fn contents(digest: &'a Digest) -> Self {
        Self { kind: FileKind::Contents, algorithm: digest.algorithm().name(), digest: digest.as_bytes() }
    }
}

impl<'a> From<&FileDigest<'a>> for FileKey<'a> {
    fn from(digest: &FileDigest<'a>) -> Self {
        Self { kind: digest.kind().into(), algorithm: digest.algorithm_name(), digest: digest.bytes() }
    }
}

/// `[verity:]sha256:HEX`.
impl fmt::Display for FileKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            FileKind::Contents => "",
            FileKind::Verity => "verity:",
        };
        write!(f, "{kind}{}:{}", self.algorithm, hex::encode(self.digest))
    }
}

/// How signed reference values name a set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSetName {
    /// SHA-256 of the set's bytes.
    pub digest: Digest,
    /// Number of its records, for people.
    pub entries: u64,
}

/// A file set over bytes of any owner: `&[u8]`, or an `Arc<[u8]>` that many share.
#[derive(Debug, Clone)]
pub struct FileSet<B> {
    bytes: B,
    sections: Vec<Section>,
    paths: u32,
    /// Where the table of the paths' starts begins, and where the paths do.
    starts_at: usize,
    paths_at: usize,
}

#[derive(Debug, Clone)]
struct Section {
    kind: FileKind,
    name: [u8; NAME_LEN],
    digest_len: usize,
    records: usize,
    at: usize,
}

impl Section {
    fn algorithm(&self) -> &[u8] {
        let end = self.name.iter().position(|byte| *byte == 0).unwrap_or(NAME_LEN);
        self.name.get(..end).unwrap_or_default()
    }

    const fn width(&self) -> usize {
        self.digest_len.saturating_add(NUMBER_LEN)
    }
}

impl<B: AsRef<[u8]>> FileSet<B> {
    /// Opens a set: reads its head and holds its numbers against the bytes that are there. Records are not looked at:
    /// whatever they hold, a look-up is total, and finds nothing but what stands in the bytes.
    ///
    /// # Errors
    /// [`FileSetError`].
    pub fn open(bytes: B) -> Result<Self, FileSetError> {
        let layout = Layout::read(bytes.as_ref())?;
        let Layout { sections, paths, starts_at, paths_at } = layout;
        Ok(Self { bytes, sections, paths, starts_at, paths_at })
    }

    /// Opens the set that signed reference values name, and checks that every look-up will find what is there.
    ///
    /// # Errors
    /// [`FileSetError::Name`] for other bytes, [`FileSetError::Order`] for a set that was written wrongly.
    pub fn open_named(bytes: B, name: &FileSetName) -> Result<Self, FileSetError> {
        let found = name.digest.algorithm().digest(bytes.as_ref());
        if found != name.digest {
            return Err(FileSetError::Name { found: found.to_string(), expected: name.digest.to_string() });
        }
        let set = Self::open(bytes)?;
        set.check_order()?;
        Ok(set)
    }

    /// The name by which reference values point at this set.
    #[must_use]
    pub fn name(&self) -> FileSetName {
        let entries = u64::try_from(self.len()).unwrap_or(u64::MAX);
        FileSetName { digest: HashAlgorithm::Sha256.digest(self.bytes.as_ref()), entries }
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sections.iter().map(|section| section.records).fold(0, usize::saturating_add)
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// Every record, by kind, hash and digest.
    pub fn iter(&self) -> impl Iterator<Item = (FileKey<'_>, &[u8])> {
        self.sections.iter().flat_map(move |section| {
            (0..section.records).filter_map(move |index| {
                let (digest, path) = self.record(section, index)?;
                let algorithm = std::str::from_utf8(section.algorithm()).ok()?;
                Some((FileKey { kind: section.kind, algorithm, digest }, self.path(path)?))
            })
        })
    }

    fn check_order(&self) -> Result<(), FileSetError> {
        let out_of_order = |what, index| FileSetError::Order { what, index };
        let mut last = None;
        for index in 0..self.paths {
            let path = self.path(index).ok_or(out_of_order("path", index))?;
            if last.is_some_and(|last| last >= path) {
                return Err(out_of_order("path", index));
            }
            last = Some(path);
        }
        for section in &self.sections {
            let mut last = None;
            for index in 0..section.records {
                let number = u32::try_from(index).unwrap_or(u32::MAX);
                let record = self.record(section, index).filter(|(_, path)| *path < self.paths);
                let record = record.ok_or(out_of_order("record", number))?;
                if last.is_some_and(|last| last >= record) {
                    return Err(out_of_order("record", number));
                }
                last = Some(record);
            }
        }
        Ok(())
    }
}

/// The head of a set.
struct Layout {
    sections: Vec<Section>,
    paths: u32,
    starts_at: usize,
    paths_at: usize,
}

impl Layout {
    fn read(bytes: &[u8]) -> Result<Self, FileSetError> {
        let mut r = Reader::new(bytes);
        if r.take(MAGIC.len(), "magic")? != MAGIC {
            return Err(FileSetError::Magic);
        }
        let count = r.u32_le("sections")?;
        let paths = r.u32_le("paths")?;
        let path_bytes = size(r.u32_le("path bytes")?);
        if count > MAX_SECTIONS {
            return Err(FileSetError::Sections(count));
        }
        let mut sections: Vec<Section> = Vec::new();
        for index in 0..count {
            let section = section(&mut r, index)?;
            if sections.last().is_some_and(|last| (last.kind, last.name) >= (section.kind, section.name)) {
                return Err(FileSetError::Section { index, what: "not in order" });
            }
            sections.push(section);
        }
        let starts_at = r.offset();
        r.take(size(paths).saturating_add(1).saturating_mul(NUMBER_LEN), "path starts")?;
        let paths_at = r.offset();
        r.take(path_bytes, "paths")?;
        for section in &mut sections {
            section.at = r.offset();
            r.take(section.records.saturating_mul(section.width()), "records")?;
        }
        r.finish("file set")?;
        Ok(Self { sections, paths, starts_at, paths_at })
    }
}

fn section(r: &mut Reader<'_>, index: u32) -> Result<Section, FileSetError> {
    let wrong = |what| FileSetError::Section { index, what };
    let kind = match r.u8("kind")? {
        0 => FileKind::Contents,
        1 => FileKind::Verity,
        _ => return Err(wrong("unknown kind")),
    };
    let digest_len = usize::from(r.u8("digest length")?);
    let name: [u8; NAME_LEN] = r.array("hash name")?;
    let records = size(r.u32_le("records")?);
    let section = Section { kind, name, digest_len, records, at: 0 };
    let text = section.algorithm();
    let printable =
        text.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-');
    let padded = name.iter().skip(text.len()).all(|byte| *byte == 0);
    if text.is_empty() || !printable || !padded {
        return Err(wrong("no name of a hash"));
    }
    if !(16..=64).contains(&digest_len) {
        return Err(wrong("digest length, expected 16 to 64"));
    }
    Ok(section)
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
