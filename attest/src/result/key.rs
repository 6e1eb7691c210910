//! Keys that sign and verify results: ECDSA on P-256 or P-384. The algorithm is the key's, never the token's (threat u07).

use std::fmt;

use ring::rand::SecureRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};

use super::ResultError;
use crate::digest::HashAlgorithm;
use crate::key::{EccCurve, PublicKey};

/// A signature algorithm of JWS (RFC 7518 §3.4) and COSE (RFC 9053 §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
}

impl ResultAlgorithm {
    /// The name, as JWS has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
        }
    }

    const fn curve(self) -> EccCurve {
        match self {
            Self::Es256 => EccCurve::P256,
            Self::Es384 => EccCurve::P384,
        }
    }
}

fn key_error(what: impl ToString) -> ResultError {
    ResultError::Key { what: what.to_string() }
}

/// A verifier's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultKey {
    algorithm: ResultAlgorithm,
    point: Vec<u8>,
    id: String,
}

impl ResultKey {
    /// From a PEM `PUBLIC KEY` on P-256 or P-384.
    ///
    /// # Errors
    /// [`ResultError::Key`] for everything else.
    pub fn from_pem(pem: &str) -> Result<Self, ResultError> {
        Self::new(&PublicKey::from_pem(pem).map_err(key_error)?)
    }

    fn new(key: &PublicKey) -> Result<Self, ResultError> {
        let algorithm = match key {
            PublicKey::Ecc { curve: EccCurve::P256, .. } => ResultAlgorithm::Es256,
            PublicKey::Ecc { curve: EccCurve::P384, .. } => ResultAlgorithm::Es384,
            PublicKey::Rsa { .. } => return Err(key_error("RSA, expected ECDSA on P-256 or P-384")),
        };
        let digest = HashAlgorithm::Sha256.digest(&key.to_spki_der().map_err(key_error)?).to_hex();
        let id = digest.chars().take(16).collect();
        Ok(Self { algorithm, point: key.subject_public_key().map_err(key_error)?, id })
    }

    /// The algorithm.
    #[must_use]
    pub fn algorithm(&self) -> ResultAlgorithm {
        self.algorithm
    }

    /// The key id: the first 16 hex digits of SHA-256 over the SubjectPublicKeyInfo.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// `found` is the key id in the header: a hint for a person, nothing that is believed.
    pub(super) fn verify(&self, signed: &[u8], signature: &[u8], found: &str) -> Result<(), ResultError> {
        if self.is_by(signed, signature) {
            return Ok(());
        }
        let found = found.chars().filter(char::is_ascii_graphic).take(64).collect();
        Err(ResultError::Signature { found, expected: self.id.clone() })
    }

    /// Whether a signature of fixed length, as JWS and COSE have it, is this key's.
    pub(crate) fn is_by(&self, signed: &[u8], signature: &[u8]) -> bool {
        let algorithm = match self.algorithm {
            ResultAlgorithm::Es256 => &ECDSA_P256_SHA256_FIXED,
            ResultAlgorithm::Es384 => &ECDSA_P384_SHA384_FIXED,
        };
        UnparsedPublicKey::new(algorithm, &self.point).verify(signed, signature).is_ok()
    }
}

/// A verifier's private key.
pub struct ResultSigner {
    pair: EcdsaKeyPair,
    public: ResultKey,
}

impl ResultSigner {
    /// From a PKCS#8 PEM `PRIVATE KEY` on P-256 or P-384.
    ///
    /// # Errors
    /// [`ResultError::Key`] for everything else.
    pub fn from_pem(pem: &str, random: &dyn SecureRandom) -> Result<Self, ResultError> {
        let wrong = || {
            key_error(
                "expected an ECDSA P-256 or P-384 private key in PKCS#8 PEM (-----BEGIN PRIVATE KEY-----)",
            )
        };
        let (label, der) = der::pem::decode_vec(pem.as_bytes()).map_err(|_| wrong())?;
        if label != "PRIVATE KEY" {
            return Err(wrong());
        }
        let (algorithm, pair) = [
            (ResultAlgorithm::Es256, &ECDSA_P256_SHA256_FIXED_SIGNING),
            (ResultAlgorithm::Es384, &ECDSA_P384_SHA384_FIXED_SIGNING),
        ]
        .into_iter()
        .find_map(|(algorithm, signing)| {
            Some((algorithm, EcdsaKeyPair::from_pkcs8(signing, &der, random).ok()?))
        })
        .ok_or_else(wrong)?;
        let curve = algorithm.curve();
        let point = pair.public_key().as_ref().strip_prefix(&[4]);
        let (x, y) =
            point.and_then(|point| point.split_at_checked(curve.coordinate_len())).ok_or_else(wrong)?;
        let public = ResultKey::new(&PublicKey::ecc(curve, x, y).map_err(key_error)?)?;
        Ok(Self { pair, public })
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &ResultKey {
        &self.public
    }

    pub(super) fn sign(&self, signed: &[u8], random: &dyn SecureRandom) -> Result<Vec<u8>, ResultError> {
        let signature = self.pair.sign(random, signed).map_err(|_| key_error("no random numbers"))?;
        Ok(signature.as_ref().to_vec())
    }
}

impl fmt::Debug for ResultSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResultSigner").field("public", &self.public).finish_non_exhaustive()
    }
}
