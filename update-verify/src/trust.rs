//! What a device trusts: whose signature, for which product and hardware, at what time, above which floor.

use jiff::Timestamp;

use crate::bundle::PublicKey;
use crate::digest::Sha256;
use crate::floor::Floor;
use crate::manifest::{Manifest, ManifestError, check_name};
use crate::package::PackageError;

/// Why a trust policy can't be used. There is no policy that accepts everything.
#[derive(Debug, thiserror::Error)]
pub enum TrustPolicyError {
    /// No key: nobody's signature would be accepted.
    #[error("the trust policy names no key")]
    NoKeys,
    /// The product or hardware id is not one.
    #[error("the trust policy is wrong: {0}")]
    Name(#[source] ManifestError),
}

/// What packages are judged by. The keys' kind is the algorithm: a package has no say in it (threat u07).
#[derive(Debug, Clone)]
pub struct TrustPolicy {
    keys: Vec<PublicKey>,
    product: String,
    hardware: String,
    now: Timestamp,
    not_before: Timestamp,
    floor: Option<Floor>,
}

impl TrustPolicy {
    /// `keys`: a signature by any one of them is accepted. `product` and `hardware`: what this device is. `now`: its
    /// clock. `not_before`: a time that has certainly passed, such as the build date of this program; a clock before it
    /// is not set (threat u05).
    ///
    /// # Errors
    /// When there is no key, or product or hardware is not an id.
    pub fn new(
        keys: Vec<PublicKey>,
        product: &str,
        hardware: &str,
        now: Timestamp,
        not_before: Timestamp,
    ) -> Result<Self, TrustPolicyError> {
        if keys.is_empty() {
            return Err(TrustPolicyError::NoKeys);
        }
        check_name("product", product).map_err(TrustPolicyError::Name)?;
        check_name("hardware", hardware).map_err(TrustPolicyError::Name)?;
        let (product, hardware) = (product.to_owned(), hardware.to_owned());
        Ok(Self { keys, product, hardware, now, not_before, floor: None })
    }

    /// The same policy, which also judges by the device's rollback floor. Without it, as on a CI machine that has none,
    /// the release number is not judged.
    #[must_use]
    pub fn at_floor(self, floor: Floor) -> Self {
        Self { floor: Some(floor), ..self }
    }

    /// The same policy without a floor: for finishing an update that was interrupted before the floor was raised.
    pub(crate) fn without_floor(&self) -> Self {
        Self { floor: None, ..self.clone() }
    }

    /// The trusted keys.
    #[must_use]
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    pub(crate) fn check_target(&self, manifest: &Manifest) -> Result<(), PackageError> {
        if manifest.product() != self.product {
            return Err(PackageError::OtherProduct {
                expected: self.product.clone(),
                found: manifest.product().to_owned(),
            });
        }
        if !manifest.hardware().contains(&self.hardware) {
            return Err(PackageError::OtherHardware {
                expected: self.hardware.clone(),
                found: manifest.hardware().to_vec(),
            });
        }
        Ok(())
    }

    pub(crate) fn check_floor(&self, manifest: &Manifest, digest: Sha256) -> Result<(), PackageError> {
        match &self.floor {
            Some(floor) => floor.admit(manifest.release(), digest).map_err(PackageError::Rollback),
            None => Ok(()),
        }
    }

    /// A clock that can't be right is told apart from an offer that is too old (threat u05). A package that ends also
    /// has a beginning: a clock before it could be one turned back to make an old offer good again. A package without
    /// an end is not judged by the clock beyond `not_before`, for an offline device's clock may well run behind.
    pub(crate) fn check_time(&self, manifest: &Manifest) -> Result<(), PackageError> {
        if self.now < self.not_before {
            return Err(PackageError::ClockBeforeBuild { now: self.now, floor: self.not_before });
        }
        let Some(expired) = manifest.expires() else { return Ok(()) };
        if self.now < manifest.created() {
            return Err(PackageError::ClockBeforeBuild { now: self.now, floor: manifest.created() });
        }
        if self.now >= expired {
            return Err(PackageError::Expired { expired, now: self.now });
        }
        Ok(())
    }
}
