//! The package file's fixed header, and the two documents after it.

use std::io::Read;

use crate::bundle::MAX_BUNDLE;
use crate::manifest::{FORMAT, MAX_MANIFEST};
use crate::package::PackageError;

/// The first 8 bytes of a package: a byte that is no text, the name, and the line ends that a text-mode transfer breaks.
pub const MAGIC: [u8; 8] = [0x89, b'H', b'M', b'K', 0x0D, 0x0A, 0x1A, 0x0A];
/// Length of the fixed header in bytes.
pub const HEADER_LEN: usize = 20;
/// The file extension, without the dot.
pub const EXTENSION: &str = "hmk";

/// Magic, format version, and the lengths of manifest and bundle.
///
/// None of it is signed. It does not have to be: the lengths only say where the signed bytes stand, another cut gives
/// other bytes, and the manifest repeats the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) manifest_len: u32,
    pub(crate) bundle_len: u32,
}

impl Header {
    pub(crate) fn new(manifest: &[u8], bundle: &[u8]) -> Result<Self, PackageError> {
        Ok(Self {
            manifest_len: bounded("manifest", manifest.len(), MAX_MANIFEST)?,
            bundle_len: bounded("bundle", bundle.len(), MAX_BUNDLE)?,
        })
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let numbers = [FORMAT, self.manifest_len, self.bundle_len].map(u32::to_be_bytes);
        [MAGIC.as_slice(), numbers.as_flattened()].concat()
    }

    pub(crate) fn read(reader: &mut impl Read) -> Result<Self, PackageError> {
        let bytes = read_part(reader, "header", HEADER_LEN.try_into().unwrap_or(u32::MAX))?;
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Result<Self, PackageError> {
        let numbers = bytes.strip_prefix(MAGIC.as_slice()).ok_or(PackageError::NotAPackage)?;
        let (numbers, rest) = numbers.as_chunks::<4>();
        let ([version, manifest_len, bundle_len], []) = (numbers, rest) else {
            return Err(PackageError::NotAPackage);
        };
        let found = u32::from_be_bytes(*version);
        if found != FORMAT {
            return Err(PackageError::Version { found });
        }
        Ok(Self {
            manifest_len: at_most("manifest", u32::from_be_bytes(*manifest_len), MAX_MANIFEST)?,
            bundle_len: at_most("bundle", u32::from_be_bytes(*bundle_len), MAX_BUNDLE)?,
        })
    }
}

fn bounded(what: &'static str, found: usize, limit: u32) -> Result<u32, PackageError> {
    at_most(what, u32::try_from(found).unwrap_or(u32::MAX), limit)
}

fn at_most(what: &'static str, found: u32, limit: u32) -> Result<u32, PackageError> {
    if found > limit { Err(PackageError::TooLong { what, found, limit }) } else { Ok(found) }
}

/// Reads exactly `len` bytes and not one more. Memory grows with what arrives, never by what was announced (threat u09).
pub(crate) fn read_part(
    reader: &mut impl Read,
    what: &'static str,
    len: u32,
) -> Result<Vec<u8>, PackageError> {
    let mut bytes = Vec::new();
    let found = reader
        .by_ref()
        .take(len.into())
        .read_to_end(&mut bytes)
        .map_err(|source| PackageError::Read { what, source })?;
    if u32::try_from(found) == Ok(len) { Ok(bytes) } else { Err(PackageError::Truncated { what }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back() {
        let header = Header::new(b"abc", b"").unwrap();
        let bytes = header.to_bytes();
        assert_eq!(bytes.len(), HEADER_LEN);
        assert_eq!(Header::read(&mut bytes.as_slice()).unwrap(), header);
    }

    #[test]
    fn u09_lengths_beyond_the_limits_are_refused_before_anything_is_read() {
        for (manifest_len, bundle_len) in [(MAX_MANIFEST + 1, 0), (u32::MAX, 0), (1, MAX_BUNDLE + 1)] {
            let bytes = Header { manifest_len, bundle_len }.to_bytes();
            assert!(matches!(Header::read(&mut bytes.as_slice()), Err(PackageError::TooLong { .. })));
        }
    }

    #[test]
    fn other_files_and_versions_are_refused() {
        assert!(matches!(Header::read(&mut [0_u8; 20].as_slice()), Err(PackageError::NotAPackage)));
        assert!(matches!(Header::read(&mut MAGIC.as_slice()), Err(PackageError::Truncated { .. })));
        let mut bytes = Header::new(b"", b"").unwrap().to_bytes();
        bytes[11] = 2;
        assert!(matches!(Header::read(&mut bytes.as_slice()), Err(PackageError::Version { found: 2 })));
    }
}
