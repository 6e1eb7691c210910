//! The key that a result is about: `cnf` with a JWK (RFC 7800 §3.2) or a COSE_Key (RFC 8747 §3.2), and its TPM Name as
//! the key's id.

use crate::key::PublicKey;

/// A device's attestation key, as a result names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundKey {
    key: PublicKey,
    name: Vec<u8>,
}

impl BoundKey {
    pub(super) fn new(key: PublicKey, name: &[u8]) -> Self {
        Self { key, name: name.to_vec() }
    }

    /// The public key.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Its TPM Name (TPM 2.0 Part 1 clause 16): algorithm and digest over its public area.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }
}
