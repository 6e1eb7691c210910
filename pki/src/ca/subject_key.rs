//! A public key on its way into a certificate.

use attest::key::{EccCurve, PublicKey};
use rcgen::{PublicKeyData, SignatureAlgorithm};
use spki::SubjectPublicKeyInfoRef;

use super::IssueError;

/// What rcgen needs of a key whose private half it never sees.
pub(super) struct SubjectKey {
    bits: Vec<u8>,
    algorithm: &'static SignatureAlgorithm,
}

impl SubjectKey {
    pub(super) fn new(key: &PublicKey) -> Result<Self, IssueError> {
        let der = key.to_spki_der()?;
        let spki = SubjectPublicKeyInfoRef::try_from(der.as_slice())
            .map_err(|_| attest::key::PublicKeyError::Malformed { what: "SubjectPublicKeyInfo" })?;
        // rcgen writes the key's own algorithm from this: rsaEncryption, or id-ecPublicKey with the curve.
        let algorithm = match key {
            PublicKey::Rsa { .. } => &rcgen::PKCS_RSA_SHA256,
            PublicKey::Ecc { curve: EccCurve::P256, .. } => &rcgen::PKCS_ECDSA_P256_SHA256,
            PublicKey::Ecc { curve: EccCurve::P384, .. } => &rcgen::PKCS_ECDSA_P384_SHA384,
        };
        Ok(Self { bits: spki.subject_public_key.raw_bytes().to_vec(), algorithm })
    }
}

impl PublicKeyData for SubjectKey {
    fn der_bytes(&self) -> &[u8] {
        &self.bits
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}
