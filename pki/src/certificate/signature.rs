//! Signatures on certificates and requests, verified with ring over the bytes received.

use attest::key::{EccCurve, PublicKey, PublicKeyError};
use der::Decode;
use der::asn1::ObjectIdentifier;
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use thiserror::Error;

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// Hashes that collide: MD2, MD5, SHA-1 (threat p09).
const WEAK: [(&str, &str); 5] = [
    ("1.2.840.113549.1.1.2", "RSA with MD2"),
    ("1.2.840.113549.1.1.4", "RSA with MD5"),
    ("1.2.840.113549.1.1.5", "RSA with SHA-1"),
    ("1.3.14.3.2.29", "RSA with SHA-1"),
    ("1.2.840.10045.4.1", "ECDSA with SHA-1"),
];

/// Why a signature is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// SHA-1 or MD5 (threat p09).
    #[error("signed with {algorithm}, which can be forged; expected SHA-256 or stronger")]
    Weak {
        /// The algorithm's name.
        algorithm: &'static str,
    },
    /// An algorithm that is not verified here, or not the signer's.
    #[error(
        "signed with algorithm {algorithm}, expected RSA (PKCS#1) or ECDSA on P-256 or P-384, of the signer's kind"
    )]
    Unsupported {
        /// Its object identifier.
        algorithm: String,
    },
    /// The signer's key can't be used.
    #[error("signer's key: {0}")]
    Key(#[from] PublicKeyError),
    /// Bytes that are no signature, key or algorithm.
    #[error("signature is malformed: {0}")]
    Malformed(der::Error),
    /// The signature does not match.
    #[error("the signature does not match the signer's key")]
    Mismatch,
}

impl From<der::Error> for SignatureError {
    fn from(error: der::Error) -> Self {
        Self::Malformed(error)
    }
}

impl From<spki::Error> for SignatureError {
    fn from(_: spki::Error) -> Self {
        Self::Malformed(der::Tag::Sequence.value_error())
    }
}

/// Verifies `signature` over `message`; `algorithm` and `spki` are DER as they stood in the certificate or request.
pub(crate) fn verify(
    message: &[u8],
    algorithm: &[u8],
    signature: &[u8],
    spki: &[u8],
) -> Result<(), SignatureError> {
    let algorithm = AlgorithmIdentifierRef::from_der(algorithm)?;
    let name = algorithm.oid.to_string();
    if let Some((_, weak)) = WEAK.iter().find(|(oid, _)| *oid == name) {
        return Err(SignatureError::Weak { algorithm: weak });
    }
    let info = SubjectPublicKeyInfoRef::from_der(spki)?;
    let key = PublicKey::from_spki_der(spki)?;
    let verifier = verification(&algorithm, info.algorithm.oid, &key)
        .ok_or(SignatureError::Unsupported { algorithm: name })?;
    let bits = info.subject_public_key.as_bytes().ok_or(SignatureError::Mismatch)?;
    UnparsedPublicKey::new(verifier, bits).verify(message, signature).map_err(|_| SignatureError::Mismatch)
}

/// A key marked RSAES-OAEP never verifies: its owner said that it encrypts.
fn verification(
    algorithm: &AlgorithmIdentifierRef<'_>,
    key_algorithm: ObjectIdentifier,
    key: &PublicKey,
) -> Option<&'static dyn VerificationAlgorithm> {
    let null_or_absent = algorithm.parameters.is_none_or(|parameters| parameters.is_null());
    let name = algorithm.oid.to_string();
    match key {
        PublicKey::Rsa { .. } if key_algorithm == RSA_ENCRYPTION && null_or_absent => match name.as_str() {
            "1.2.840.113549.1.1.11" => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
            "1.2.840.113549.1.1.12" => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
            "1.2.840.113549.1.1.13" => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
            _ => None,
        },
        PublicKey::Ecc { curve, .. } if key_algorithm == EC_PUBLIC_KEY && algorithm.parameters.is_none() => {
            match (name.as_str(), curve) {
                ("1.2.840.10045.4.3.2", EccCurve::P256) => Some(&signature::ECDSA_P256_SHA256_ASN1),
                ("1.2.840.10045.4.3.3", EccCurve::P256) => Some(&signature::ECDSA_P256_SHA384_ASN1),
                ("1.2.840.10045.4.3.2", EccCurve::P384) => Some(&signature::ECDSA_P384_SHA256_ASN1),
                ("1.2.840.10045.4.3.3", EccCurve::P384) => Some(&signature::ECDSA_P384_SHA384_ASN1),
                _ => None,
            }
        }
        _ => None,
    }
}
