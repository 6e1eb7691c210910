//! Appended signatures: a CMS SignedData (RFC 5652) behind a file, by which the kernel takes modules and kernels.
//!
//! Read as strictly as the kernel reads it for IMA (`pkcs7_get_digest`, `pkcs7_verify` for modules), and only in DER: detached
//! data, one signer, no signed attributes. Then the signature is over the digest in the field `d-modsig`. Certificates in
//! the message are not looked at: the signer is one of the policy's keys, or unknown.

use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use thiserror::Error;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{self, Decode as _, Encode as _};
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::error::shown;
use crate::digest::HashAlgorithm;

/// Longest message that is read, in bytes: some certificates and a large signature.
const MAX: usize = 64 * 1024;

const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// Digests (RFC 5754), and with each what an RSA (PKCS#1 v1.5) and an ECDSA signature over it is called.
const HASHES: [(HashAlgorithm, ObjectIdentifier, ObjectIdentifier, ObjectIdentifier); 4] = [
    (
        HashAlgorithm::Sha1,
        ObjectIdentifier::new_unwrap("1.3.14.3.2.26"),
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5"),
        ObjectIdentifier::new_unwrap("1.2.840.10045.4.1"),
    ),
    (
        HashAlgorithm::Sha256,
        ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1"),
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11"),
        ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2"),
    ),
    (
        HashAlgorithm::Sha384,
        ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2"),
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12"),
        ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3"),
    ),
    (
        HashAlgorithm::Sha512,
        ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3"),
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13"),
        ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4"),
    ),
];

/// Why an appended signature is none. Having one that can't be read is never the same as having none (threat i15).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AppendedError {
    /// Not the DER of a CMS message.
    #[error("is not the DER of a CMS message: {0}")]
    Der(#[from] der::Error),
    /// Longer than any.
    #[error("is {found} bytes long, expected at most {MAX}")]
    TooLong {
        /// Its length.
        found: usize,
    },
    /// A message or content of another type.
    #[error("holds {what} {found}, expected {expected}")]
    Type {
        /// What is of another type.
        what: &'static str,
        /// The type found.
        found: ObjectIdentifier,
        /// The one to expect.
        expected: ObjectIdentifier,
    },
    /// The message brings data of its own, which the file is not.
    #[error("has data of its own, so that it says nothing of the file; sign without -nodetach")]
    NotDetached,
    /// None, or more than one: the kernel computes `d-modsig` for one only.
    #[error("has {found} signers, expected one")]
    Signers {
        /// How many.
        found: usize,
    },
    /// What is signed then is the attributes; the kernel takes no module with them, and `d-modsig` is then no digest of the file.
    #[error(
        "has signed attributes, which the kernel refuses for modules and in which d-modsig is not the file's digest; sign with -noattr"
    )]
    SignedAttributes,
    /// Versions that do not go with the way in which the signer is named (RFC 5652 §5.1, §5.3).
    #[error(
        "has version {message} with a signer of version {signer}, expected 1 and 1, or 3 and 3 for a key identifier"
    )]
    Version {
        /// The message's.
        message: u8,
        /// The signer's.
        signer: u8,
    },
    /// A hash that nobody should sign with, or that the message does not list.
    #[error("is over a digest of the unknown or unlisted algorithm {found}")]
    Digest {
        /// The algorithm.
        found: ObjectIdentifier,
    },
    /// A signature that is not RSA PKCS#1 v1.5 or ECDSA over that digest.
    #[error("is made with the algorithm {found}, expected RSA (PKCS#1 v1.5) or ECDSA with {hash}")]
    Algorithm {
        /// The algorithm.
        found: ObjectIdentifier,
        /// The signer's hash.
        hash: HashAlgorithm,
    },
}

/// A file's appended signature, not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendedSignature {
    /// The hash of the digest that is signed.
    pub hash: HashAlgorithm,
    /// Whose it says it is.
    pub(super) signer: SignerName,
    /// PKCS#1 v1.5, or a DER ECDSA-Sig-Value.
    pub(super) signature: Vec<u8>,
}

/// How a signer is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SignerName {
    /// The DER of `IssuerAndSerialNumber`, and for people the serial number and the issuer.
    Certificate { issuer_and_serial: Vec<u8>, text: String },
    /// The certificate's subject key identifier.
    KeyIdentifier(Vec<u8>),
}

impl AppendedSignature {
    /// Reads the bytes of the field `modsig`: what `sign-file` and `openssl cms -sign -binary -noattr -outform DER` write,
    /// without the trailer that marks it in the file.
    ///
    /// # Errors
    /// [`AppendedError`]: threat i15.
    pub fn parse(bytes: &[u8]) -> Result<Self, AppendedError> {
        if bytes.len() > MAX {
            return Err(AppendedError::TooLong { found: bytes.len() });
        }
        let message = ContentInfo::from_der(bytes)?;
        expect("a message of type", message.content_type, SIGNED_DATA)?;
        let data: SignedData = message.content.decode_as()?;
        expect("content of type", data.encap_content_info.econtent_type, DATA)?;
        if data.encap_content_info.econtent.is_some() {
            return Err(AppendedError::NotDetached);
        }
        let [signer] = data.signer_infos.0.as_slice() else {
            return Err(AppendedError::Signers { found: data.signer_infos.0.len() });
        };
        if signer.signed_attrs.is_some() {
            return Err(AppendedError::SignedAttributes);
        }
        let name = SignerName::of(signer)?;
        let versions = (data.version, signer.version);
        let fitting = match name {
            SignerName::Certificate { .. } => (CmsVersion::V1, CmsVersion::V1),
            SignerName::KeyIdentifier(_) => (CmsVersion::V3, CmsVersion::V3),
        };
        if versions != fitting {
            let (message, signer) = (number(data.version), number(signer.version));
            return Err(AppendedError::Version { message, signer });
        }
        let listed = data.digest_algorithms.iter().any(|algorithm| algorithm.oid == signer.digest_alg.oid);
        let hash = hash_of(signer, listed)?;
        Ok(Self { hash, signer: name, signature: signer.signature.as_bytes().to_vec() })
    }

    /// The signer as the message names it, for people.
    #[must_use]
    pub fn signer(&self) -> String {
        match &self.signer {
            SignerName::Certificate { text, .. } => text.clone(),
            SignerName::KeyIdentifier(identifier) => hex::encode(identifier),
        }
    }
}

impl SignerName {
    fn of(signer: &SignerInfo) -> Result<Self, der::Error> {
        Ok(match &signer.sid {
            SignerIdentifier::IssuerAndSerialNumber(name) => {
                let issuer = name.issuer.to_string();
                let serial = hex::encode(name.serial_number.as_bytes());
                let text = format!("{} of {}", shown(serial.as_bytes()), shown(issuer.as_bytes()));
                Self::Certificate { issuer_and_serial: name.to_der()?, text }
            }
            SignerIdentifier::SubjectKeyIdentifier(identifier) => {
                Self::KeyIdentifier(identifier.0.as_bytes().to_vec())
            }
        })
    }
}

fn expect(
    what: &'static str,
    found: ObjectIdentifier,
    expected: ObjectIdentifier,
) -> Result<(), AppendedError> {
    if found == expected { Ok(()) } else { Err(AppendedError::Type { what, found, expected }) }
}

/// The signer's hash, which its signature algorithm has to name too, unless that is plain RSA.
fn hash_of(signer: &SignerInfo, listed: bool) -> Result<HashAlgorithm, AppendedError> {
    let (digest, algorithm) = (&signer.digest_alg, &signer.signature_algorithm);
    let unknown = AppendedError::Digest { found: digest.oid };
    let found = HASHES.iter().find(|(_, oid, ..)| *oid == digest.oid && listed && is_plain(digest));
    let (hash, _, rsa, ecdsa) = *found.ok_or(unknown)?;
    if [RSA_ENCRYPTION, rsa, ecdsa].contains(&algorithm.oid) && is_plain(algorithm) {
        return Ok(hash);
    }
    Err(AppendedError::Algorithm { found: algorithm.oid, hash })
}

/// Parameters would change what is signed; these algorithms have none, or NULL in their place.
fn is_plain(algorithm: &AlgorithmIdentifierOwned) -> bool {
    algorithm.parameters.as_ref().is_none_or(der::Any::is_null)
}

const fn number(version: CmsVersion) -> u8 {
    match version {
        CmsVersion::V0 => 0,
        CmsVersion::V1 => 1,
        CmsVersion::V2 => 2,
        CmsVersion::V3 => 3,
        CmsVersion::V4 => 4,
        CmsVersion::V5 => 5,
    }
}
