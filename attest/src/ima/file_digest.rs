//! The digest of a measured file: kind, algorithm and bytes are one value, and are compared as one (threat i14).

use std::fmt;

use super::error::{EntryError, shown};
use super::template::Field;
use crate::digest::{Digest, HashAlgorithm};

/// What was hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DigestKind {
    /// The template does not say (`d`, `d-ng`); the kernel takes the file's contents unless its policy says otherwise.
    Unstated,
    /// `ima:`, the file's contents.
    Ima,
    /// `verity:`, the fs-verity digest, a hash over a tree of hashes.
    Verity,
}

/// A file's digest as the list has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileDigest<'a> {
    kind: DigestKind,
    algorithm_name: &'static str,
    bytes: &'a [u8],
}

/// The hashes of the kernel's crypto API and their digests' lengths, the usual ones first.
const HASHES: [(&str, usize); 26] = [
    ("sha256", 32),
    ("sha1", 20),
    ("sha512", 64),
    ("sha384", 48),
    ("md4", 16),
    ("md5", 16),
    ("rmd160", 20),
    ("sha224", 28),
    ("rmd128", 16),
    ("rmd256", 32),
    ("rmd320", 40),
    ("wp256", 32),
    ("wp384", 48),
    ("wp512", 64),
    ("tgr128", 16),
    ("tgr160", 20),
    ("tgr192", 24),
    ("sm3-256", 32),
    ("sm3", 32),
    ("streebog256", 32),
    ("streebog512", 64),
    ("sha3-224", 28),
    ("sha3-256", 32),
    ("sha3-384", 48),
    ("sha3-512", 64),
    ("blake2b-512", 64),
];

/// Length in bytes of a digest of the hash that the kernel calls `name`; `None` for a name that it does not have.
pub(crate) fn digest_len(name: &str) -> Option<usize> {
    HASHES.into_iter().find(|(known, _)| *known == name).map(|(_, len)| len)
}

/// What older kernels write as the digest of a violation, whatever the hash: IMA_DIGEST_SIZE zeros.
const VIOLATION_LENGTH: usize = 20;

impl<'a> FileDigest<'a> {
    /// What was hashed.
    #[must_use]
    pub const fn kind(&self) -> DigestKind {
        self.kind
    }

    /// The kernel's name of the hash: `sha256`, `md5`, `sm3`.
    #[must_use]
    pub const fn algorithm_name(&self) -> &'static str {
        self.algorithm_name
    }

    /// The hash, if it is one that this crate computes.
    #[must_use]
    pub fn algorithm(&self) -> Option<HashAlgorithm> {
        HashAlgorithm::from_name(self.algorithm_name)
    }

    /// The digest's bytes. Without the rest of this value they say nothing.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The digest, if its hash is one that this crate computes; without its kind, which the caller has to look at.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        Digest::new(self.algorithm()?, self.bytes)
    }

    /// A `d` field.
    pub(super) fn bare(bytes: &'a [u8]) -> Result<Self, EntryError> {
        let algorithm_name = match bytes.len() {
            16 => "md5",
            20 => "sha1",
            found => return Err(EntryError::Length { field: Field::Digest, found, expected: 20 }),
        };
        Ok(Self { kind: DigestKind::Unstated, algorithm_name, bytes })
    }

    /// A `d-ng`, `d-ngv2` or `d-modsig` field.
    pub(super) fn named(field: Field, bytes: &'a [u8], violation: bool) -> Result<Self, EntryError> {
        let (kind, name, digest) = split(field, bytes).ok_or(EntryError::DigestForm { field })?;
        let (algorithm_name, len) = *HASHES
            .iter()
            .find(|(known, _)| known.as_bytes() == name)
            .ok_or_else(|| EntryError::Hash { field, name: shown(name) })?;
        let short_violation = violation && digest.len() == VIOLATION_LENGTH;
        if digest.len() != len && !short_violation {
            return Err(EntryError::Length { field, found: digest.len(), expected: len });
        }
        Ok(Self { kind, algorithm_name, bytes: digest })
    }
}

/// Kind, name of the hash, and digest.
fn split(field: Field, bytes: &[u8]) -> Option<(DigestKind, &[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let (prefix, digest) = bytes.split_at_checked(end)?;
    let (prefix, digest) = (prefix.strip_suffix(b":")?, digest.get(1..)?);
    if field != Field::DigestNgV2 {
        return Some((DigestKind::Unstated, prefix, digest));
    }
    match prefix.strip_prefix(b"ima:") {
        Some(name) => Some((DigestKind::Ima, name, digest)),
        None => Some((DigestKind::Verity, prefix.strip_prefix(b"verity:")?, digest)),
    }
}

/// `[kind:]hash:HEX`, as the ascii list has it.
impl fmt::Display for FileDigest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            DigestKind::Unstated => "",
            DigestKind::Ima => "ima:",
            DigestKind::Verity => "verity:",
        };
        write!(f, "{kind}{}:{}", self.algorithm_name, hex::encode(self.bytes))
    }
}
