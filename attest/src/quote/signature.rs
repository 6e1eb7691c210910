//! TPMT_SIGNATURE (TPM 2.0 Part 2 §11.3.4) and its verification, over exactly the bytes received (threat q18).

use der::{Encode, Sequence, asn1::UintRef};
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use thiserror::Error;

use crate::digest::HashAlgorithm;
use crate::key::{AttestationKey, EccCurve, PublicKey, PublicKeyError, SchemeKind};
use crate::wire::{Reader, WireError};

/// Why a signature does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// Lengths that disagree with the bytes (threat q08).
    #[error("signature: {0}")]
    Wire(#[from] WireError),
    /// A signature algorithm that is not accepted, or not the key's.
    #[error("signature: made with {found}, expected {expected}")]
    Scheme {
        /// What the signature says.
        found: String,
        /// What the key is bound to.
        expected: String,
    },
    /// The key can't be used for verification.
    #[error("signature: {0}")]
    Key(#[from] PublicKeyError),
    /// The key is too weak.
    #[error("signature: {0}")]
    WeakKey(crate::key::KeyError),
    /// The signature does not match the bytes and the key.
    #[error("signature: does not match the quote and the key")]
    Mismatch,
}

impl SignatureError {
    /// The row of threats.md.
    #[must_use]
    pub fn threat(&self) -> &'static str {
        match self {
            Self::Wire(_) => "q08",
            Self::WeakKey(error) => error.threat(),
            _ => "q04",
        }
    }
}

/// A key that verifies signatures, with the scheme that a signature must have.
#[derive(Debug, Clone)]
pub struct VerifyingKey {
    key: PublicKey,
    /// `None` when the key is bound to none (a bare PEM key): then any accepted scheme that fits the key's type.
    scheme: Option<(SchemeKind, HashAlgorithm)>,
}

impl From<&AttestationKey> for VerifyingKey {
    fn from(key: &AttestationKey) -> Self {
        Self { key: key.public().key().clone(), scheme: Some(key.scheme()) }
    }
}

impl VerifyingKey {
    /// A bare public key, of which nothing is known but its numbers.
    ///
    /// # Errors
    /// [`SignatureError::WeakKey`] for RSA below 2048 bits, exponents other than 65537, and ROCA.
    pub fn bare(key: PublicKey) -> Result<Self, SignatureError> {
        crate::key::check_strength(&key).map_err(SignatureError::WeakKey)?;
        Ok(Self { key, scheme: None })
    }

    /// Verifies a TPMT_SIGNATURE over `message` and returns the hash algorithm of its scheme.
    ///
    /// # Errors
    /// [`SignatureError`]: threats q04, q08.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<HashAlgorithm, SignatureError> {
        let parsed = Signature::parse(signature)?;
        let hash = self.check_scheme(&parsed)?;
        let algorithm = self.algorithm(parsed.kind, hash)?;
        let value = match parsed.value {
            Value::Rsa(bytes) => bytes.to_vec(),
            Value::EcDsa { r, s } => ecdsa_der(r, s)?,
        };
        UnparsedPublicKey::new(algorithm, self.key.subject_public_key()?)
            .verify(message, &value)
            .map_err(|_| SignatureError::Mismatch)?;
        Ok(hash)
    }

    fn check_scheme(&self, found: &Signature<'_>) -> Result<HashAlgorithm, SignatureError> {
        let hash = found.hash.filter(|hash| *hash != HashAlgorithm::Sha1);
        match (hash, self.scheme) {
            (Some(hash), None) => Ok(hash),
            (Some(hash), Some(bound)) if bound == (found.kind, hash) => Ok(hash),
            (_, bound) => Err(SignatureError::Scheme {
                found: describe(found.kind, found.hash),
                expected: bound.map_or_else(
                    || "SHA-256 or stronger".to_owned(),
                    |(kind, hash)| describe(kind, Some(hash)),
                ),
            }),
        }
    }

    fn algorithm(
        &self,
        kind: SchemeKind,
        hash: HashAlgorithm,
    ) -> Result<&'static dyn VerificationAlgorithm, SignatureError> {
        use {HashAlgorithm as H, SchemeKind as K};
        let curve = match &self.key {
            PublicKey::Rsa { .. } => None,
            PublicKey::Ecc { curve, .. } => Some(*curve),
        };
        Ok(match (kind, hash, curve) {
            (K::RsaSsa, H::Sha256, None) => &signature::RSA_PKCS1_2048_8192_SHA256,
            (K::RsaSsa, H::Sha384, None) => &signature::RSA_PKCS1_2048_8192_SHA384,
            (K::RsaSsa, H::Sha512, None) => &signature::RSA_PKCS1_2048_8192_SHA512,
            (K::RsaPss, H::Sha256, None) => &signature::RSA_PSS_2048_8192_SHA256,
            (K::RsaPss, H::Sha384, None) => &signature::RSA_PSS_2048_8192_SHA384,
            (K::RsaPss, H::Sha512, None) => &signature::RSA_PSS_2048_8192_SHA512,
            (K::EcDsa, H::Sha256, Some(EccCurve::P256)) => &signature::ECDSA_P256_SHA256_ASN1,
            (K::EcDsa, H::Sha384, Some(EccCurve::P256)) => &signature::ECDSA_P256_SHA384_ASN1,
            (K::EcDsa, H::Sha256, Some(EccCurve::P384)) => &signature::ECDSA_P384_SHA256_ASN1,
            (K::EcDsa, H::Sha384, Some(EccCurve::P384)) => &signature::ECDSA_P384_SHA384_ASN1,
            _ => {
                return Err(SignatureError::Scheme {
                    found: describe(kind, Some(hash)),
                    expected: match curve {
                        None => "RSASSA or RSAPSS".to_owned(),
                        Some(_) => "ECDSA with SHA-256 or SHA-384".to_owned(),
                    },
                });
            }
        })
    }
}

fn describe(kind: SchemeKind, hash: Option<HashAlgorithm>) -> String {
    hash.map_or_else(|| format!("{kind} with an unknown hash"), |hash| format!("{kind} with {hash}"))
}

enum Value<'a> {
    Rsa(&'a [u8]),
    EcDsa { r: &'a [u8], s: &'a [u8] },
}

struct Signature<'a> {
    kind: SchemeKind,
    hash: Option<HashAlgorithm>,
    value: Value<'a>,
}

impl<'a> Signature<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, SignatureError> {
        let mut r = Reader::new(bytes);
        let kind = SchemeKind::from_tpm_id(r.u16_be("sigAlg")?);
        let hash = HashAlgorithm::from_tpm_id(r.u16_be("hash")?);
        let value = match kind {
            SchemeKind::RsaSsa | SchemeKind::RsaPss => Value::Rsa(r.tpm2b("sig")?),
            SchemeKind::EcDsa => Value::EcDsa { r: r.tpm2b("signatureR")?, s: r.tpm2b("signatureS")? },
            SchemeKind::Other(_) => {
                let expected = "RSASSA, RSAPSS or ECDSA".to_owned();
                return Err(SignatureError::Scheme { found: kind.to_string(), expected });
            }
        };
        r.finish("TPMT_SIGNATURE")?;
        Ok(Self { kind, hash, value })
    }
}

#[derive(Sequence)]
struct EcdsaSigValue<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

/// ECDSA-Sig-Value (RFC 3279 §2.2.3). TPMs may strip leading zeros of r and s: as integers both forms are the same.
/// That they are neither zero nor out of range is ring's check.
fn ecdsa_der(r: &[u8], s: &[u8]) -> Result<Vec<u8>, SignatureError> {
    let mismatch = |_| SignatureError::Mismatch;
    let value =
        EcdsaSigValue { r: UintRef::new(r).map_err(mismatch)?, s: UintRef::new(s).map_err(mismatch)? };
    value.to_der().map_err(mismatch)
}
