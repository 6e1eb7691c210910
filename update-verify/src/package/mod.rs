//! Reading a package: header, then judgement, then verified chunks.

mod error;
mod payload;
#[cfg(test)]
mod tests;
mod verified;

use std::io::Read;
use std::sync::Arc;

pub use error::PackageError;
pub use payload::{Payload, VerifiedChunk};
pub use verified::VerifiedManifest;

use crate::format::{Header, read_part};
use crate::manifest::{Manifest, ManifestError};
use crate::trust::TrustPolicy;

/// The two documents in front of the payload, as they were read.
pub(crate) struct Unverified {
    manifest: Vec<u8>,
    bundle: Vec<u8>,
}

impl Unverified {
    pub(crate) fn read(reader: &mut impl Read, header: &Header) -> Result<Self, PackageError> {
        let manifest = read_part(reader, "manifest", header.manifest_len)?;
        let bundle = read_part(reader, "bundle", header.bundle_len)?;
        Ok(Self { manifest, bundle })
    }

    pub(crate) fn manifest(&self) -> &[u8] {
        &self.manifest
    }
}

/// A package whose header, manifest and bundle were read, within their limits, and nothing behind them. Nothing of it
/// is believed yet.
pub struct PackageReader<R> {
    reader: R,
    parts: Unverified,
}

impl<R: Read> PackageReader<R> {
    /// Reads up to the payload's first byte, at most 9 MiB.
    ///
    /// # Errors
    /// When it is no package, is cut off, exceeds a limit, or can't be read.
    pub fn open(mut reader: R) -> Result<Self, PackageError> {
        let header = Header::read(&mut reader)?;
        let parts = Unverified::read(&mut reader, &header)?;
        Ok(Self { reader, parts })
    }

    /// What the package says about itself, for showing to people. No decision may rest on it.
    ///
    /// # Errors
    /// When the manifest is not well-formed.
    pub fn unverified_manifest(&self) -> Result<Manifest, ManifestError> {
        Manifest::parse(&self.parts.manifest)
    }

    /// Whether the package carries a signature at all.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        !self.parts.bundle.is_empty()
    }

    /// Judges signature and manifest. The payload has not been touched when this returns (threat u01).
    ///
    /// # Errors
    /// [`PackageError`] with the first reason to refuse.
    pub fn verify(self, policy: &TrustPolicy) -> Result<(VerifiedManifest, Payload<R>), PackageError> {
        let verified = VerifiedManifest::judge_offer(self.parts.manifest, self.parts.bundle, policy)?;
        let payload = Payload::new(self.reader, Arc::clone(verified.shared()));
        Ok((verified, payload))
    }
}
