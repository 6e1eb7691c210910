//! Whose devices are trusted. Certificates are judged one floor up; here is only what an appraiser asks for.

use jiff::Timestamp;

use crate::key::PublicKey;

/// A key for which a trusted authority vouches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndorsedKey {
    /// The device's name out of the certificate.
    pub device_id: String,
    /// The certified key.
    pub key: PublicKey,
}

/// Why a certificate chain does not vouch for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndorsementRefusal {
    /// Row of threats.md.
    pub id: &'static str,
    /// What is wrong, in words.
    pub what: String,
    /// What should have been there.
    pub expected: String,
    /// What was there.
    pub found: String,
    /// Whether it only means that the verifier's clock can't be right (threat p14).
    pub clock_not_set: bool,
}

/// Endorsements (RFC 9334 §8.2): who vouches for attestation keys. The `pki` crate implements it on certificate chains.
pub trait Endorsements {
    /// The key and device that a chain vouches for; DER certificates, leaf first, without the root.
    ///
    /// # Errors
    /// [`EndorsementRefusal`] unless the chain leads to a trusted root and is for an attestation key.
    fn attestation_key(&self, chain: &[&[u8]], now: Timestamp) -> Result<EndorsedKey, EndorsementRefusal>;
}
