//! Public keys that a verifier trusts by having been given them.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sigstore_crypto::{KeyAlgorithm, SigningScheme, VerificationKey};
use sigstore_types::DerPublicKey;

use crate::digest::Sha256;

/// Why text is not a public key that this toolkit accepts.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Not one PEM block `PUBLIC KEY` and nothing else.
    #[error("this is not exactly one PEM block 'PUBLIC KEY': {0}")]
    Pem(#[source] sigstore_types::Error),
    /// More than one PEM block, so that it is not clear which key is meant.
    #[error("there are {found} PEM blocks where one key is expected")]
    SeveralBlocks {
        /// How many.
        found: usize,
    },
    /// Not a SubjectPublicKeyInfo.
    #[error("the public key can't be read: {0}")]
    Encoding(#[source] sigstore_crypto::Error),
    /// Another algorithm or curve than ECDSA on P-256.
    #[error("the key is for {found:?}; only ECDSA on P-256 is accepted")]
    Algorithm {
        /// What the key is for.
        found: KeyAlgorithm,
    },
    /// The point is compressed, of another length, or not on the curve.
    #[error("the key is not an uncompressed point of P-256")]
    Point,
}

/// Names a public key: the SHA-256 of its DER SubjectPublicKeyInfo, written in base64 as sigstore's clients do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Sha256);

impl KeyId {
    /// The digest of the DER SubjectPublicKeyInfo.
    #[must_use]
    pub const fn digest(&self) -> Sha256 {
        self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// An ECDSA P-256 public key. Signatures by it are over SHA-256: the key's kind decides the algorithm, never what is
/// verified (threat u07).
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    der: DerPublicKey,
    id: KeyId,
}

impl PublicKey {
    /// From one PEM block `PUBLIC KEY` (RFC 7468 §13, SubjectPublicKeyInfo).
    ///
    /// # Errors
    /// When it is another kind of key, or anything but exactly one.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let found = text.matches("-----BEGIN ").count();
        if found > 1 {
            return Err(KeyError::SeveralBlocks { found });
        }
        Self::from_der(DerPublicKey::from_pem(text).map_err(KeyError::Pem)?)
    }

    pub(crate) fn from_der(der: DerPublicKey) -> Result<Self, KeyError> {
        let found = KeyAlgorithm::from_spki(&der).map_err(KeyError::Encoding)?;
        if found != KeyAlgorithm::EcdsaP256 {
            return Err(KeyError::Algorithm { found });
        }
        let key = VerificationKey::from_spki_with_scheme(&der, SigningScheme::EcdsaP256Sha256)
            .map_err(KeyError::Encoding)?;
        let is_uncompressed = key.as_bytes().len() == 65 && key.as_bytes().first() == Some(&4);
        if !is_uncompressed || p256::ecdsa::VerifyingKey::from_sec1_bytes(key.as_bytes()).is_err() {
            return Err(KeyError::Point);
        }
        let id = KeyId(Sha256::of(der.as_bytes()));
        Ok(Self { der, id })
    }

    /// The key's name.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The key as a PEM block `PUBLIC KEY`, with line feeds alone.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.der.to_pem().replace("\r\n", "\n")
    }

    pub(super) fn der(&self) -> &DerPublicKey {
        &self.der
    }

    /// For ECDSA P-256 with SHA-256 over the message itself.
    pub(super) fn verification_key(&self) -> Result<VerificationKey, sigstore_crypto::Error> {
        VerificationKey::from_spki_with_scheme(&self.der, SigningScheme::EcdsaP256Sha256)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P256: &str = "-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n\
        6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n\
        -----END PUBLIC KEY-----\n";

    #[test]
    fn a_p256_key_has_one_id() {
        let key = PublicKey::from_pem(P256).unwrap();
        assert_eq!(key.to_pem(), P256);
        assert_eq!(key.id().to_string().len(), 44);
    }

    #[test]
    fn u07_other_kinds_of_keys_are_refused() {
        let ed25519 = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
        assert!(matches!(PublicKey::from_pem(ed25519), Err(KeyError::Algorithm { .. })));
        assert!(matches!(PublicKey::from_pem(""), Err(KeyError::Pem(_))));
        assert!(matches!(
            PublicKey::from_pem(&format!("{P256}{P256}")),
            Err(KeyError::SeveralBlocks { found: 2 })
        ));
    }

    #[test]
    fn u07_a_point_off_the_curve_is_refused() {
        let mut der = DerPublicKey::from_pem(P256).unwrap().as_bytes().to_vec();
        *der.last_mut().unwrap() ^= 1;
        assert!(matches!(PublicKey::from_der(DerPublicKey::new(der)), Err(KeyError::Point)));
    }
}
