//! A manifest that is believed.

use std::ops::Deref;
use std::sync::Arc;

use super::PackageError;
use crate::bundle::{SignedBy, verify_managed};
use crate::digest::Sha256;
use crate::manifest::Manifest;
use crate::trust::TrustPolicy;

/// A manifest whose exact bytes a trusted key signed, and that is for this device. Only verification makes one.
///
/// ```compile_fail
/// fn forge(manifest: update_verify::Manifest) -> update_verify::VerifiedManifest {
///     update_verify::VerifiedManifest { manifest: manifest.into(), ..todo!() }
/// }
/// ```
#[derive(Debug, Clone)]
pub struct VerifiedManifest {
    manifest: Arc<Manifest>,
    bytes: Vec<u8>,
    bundle: Vec<u8>,
    digest: Sha256,
    signed_by: SignedBy,
}

impl VerifiedManifest {
    /// Judges a manifest that comes with an offer: everything, including time and the rollback floor.
    ///
    /// # Errors
    /// [`PackageError`] with the first reason to refuse.
    pub fn judge_offer(bytes: Vec<u8>, bundle: Vec<u8>, policy: &TrustPolicy) -> Result<Self, PackageError> {
        let verified = Self::judge(bytes, bundle, policy)?;
        policy.check_time(&verified.manifest)?;
        Ok(verified)
    }

    /// Judges the manifest of a release that is installed: as an offer, but without its end. A release that was good
    /// when it came does not stop working because no newer one has come since.
    ///
    /// # Errors
    /// [`PackageError`] with the first reason to refuse.
    pub fn judge_installed(
        bytes: Vec<u8>,
        bundle: Vec<u8>,
        policy: &TrustPolicy,
    ) -> Result<Self, PackageError> {
        Self::judge(bytes, bundle, policy)
    }

    /// The signature is over the exact bytes and comes before they are parsed (threat u03).
    fn judge(bytes: Vec<u8>, bundle: Vec<u8>, policy: &TrustPolicy) -> Result<Self, PackageError> {
        let signed_by = verify_managed(&bytes, &bundle, policy.keys()).map_err(PackageError::Signature)?;
        let manifest = Manifest::parse(&bytes).map_err(PackageError::Manifest)?;
        let digest = Sha256::of(&bytes);
        policy.check_target(&manifest)?;
        policy.check_floor(&manifest, digest)?;
        Ok(Self { manifest: Arc::new(manifest), bytes, bundle, digest, signed_by })
    }

    pub(crate) fn shared(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// The exact bytes that were signed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bundle that signs them, in JSON.
    #[must_use]
    pub fn bundle(&self) -> &[u8] {
        &self.bundle
    }

    /// SHA-256 of the exact bytes: names the package and, through the manifest, all of its content.
    #[must_use]
    pub const fn digest(&self) -> Sha256 {
        self.digest
    }

    /// Who signed.
    #[must_use]
    pub const fn signed_by(&self) -> SignedBy {
        self.signed_by
    }
}

impl Deref for VerifiedManifest {
    type Target = Manifest;

    fn deref(&self) -> &Manifest {
        &self.manifest
    }
}
