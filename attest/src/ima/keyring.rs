//! Keys that files are signed with, and which of them a signature is by.

use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::{BigUint, RsaPublicKey};
use thiserror::Error;
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::SubjectKeyIdentifier;

use super::entry::Entry;
use super::signature::{ImaSignature, ImaSignatureError};
use crate::digest::{Digest, HashAlgorithm};
use crate::key::{EccCurve, PublicKey, PublicKeyError};

/// Most keys of a keyring.
const MAX_KEYS: usize = 64;
const BEGIN: &str = "-----BEGIN ";

/// Why a file is no keyring.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyringError {
    /// A key of an unknown kind, or none.
    #[error("key {number}: {error}")]
    Key {
        /// Its number in the file, from 1.
        number: usize,
        /// What is wrong.
        error: PublicKeyError,
    },
    /// A key too weak to believe.
    #[error("key {number}: {why}")]
    Weak {
        /// Its number in the file, from 1.
        number: usize,
        /// Why.
        why: String,
    },
    /// Neither certificates nor public keys.
    #[error("holds no key; expected -----BEGIN CERTIFICATE----- or -----BEGIN PUBLIC KEY-----")]
    Empty,
    /// More keys than any keyring has.
    #[error("holds more than {MAX_KEYS} keys")]
    TooMany,
}

/// A key that files are signed with.
#[derive(Debug, Clone)]
struct Key {
    public: PublicKey,
    /// Last bytes of the certificate's subject key identifier, and of SHA-1 of the public key's bits. The kernel takes
    /// the first where it has a certificate with one, evmctl the second where it has only a key.
    ids: Vec<[u8; 4]>,
    verifier: KeyVerifier,
    revoked: bool,
}

#[derive(Debug, Clone)]
enum KeyVerifier {
    Rsa(Box<RsaPublicKey>),
    P256(Box<p256::ecdsa::VerifyingKey>),
    P384(Box<p384::ecdsa::VerifyingKey>),
}

/// Keys under a name: those that a policy believes for some files.
#[derive(Debug, Clone)]
pub struct ImaKeyring {
    name: String,
    keys: Vec<Key>,
}

impl ImaKeyring {
    /// Reads certificates and public keys in PEM. Certificates are taken as they are: who names them in a policy trusts
    /// them, and IMA itself looks at no validity either.
    ///
    /// # Errors
    /// [`KeyringError`] for what is no key, and for keys below 2048 bits of RSA or on other curves than P-256 and P-384.
    pub fn from_pem(name: &str, pem: &str) -> Result<Self, KeyringError> {
        let mut keys = Vec::new();
        for (start, _) in pem.match_indices(BEGIN) {
            let number = keys.len().saturating_add(1);
            if number > MAX_KEYS {
                return Err(KeyringError::TooMany);
            }
            keys.push(Key::from_pem(pem.get(start..).unwrap_or_default(), number)?);
        }
        if keys.is_empty() {
            return Err(KeyringError::Empty);
        }
        Ok(Self { name: name.to_owned(), keys })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Key ids in hex, one for each key.
    pub fn key_ids(&self) -> impl Iterator<Item = String> + '_ {
        self.keys.iter().filter_map(|key| key.ids.first()).map(hex::encode)
    }

    /// Adds the keys of another file to the keyring.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.keys.extend(other.keys);
        self
    }

    /// Marks the keys of `other` as revoked: what they have signed counts no longer, and is told as such (threat i15).
    #[must_use]
    pub fn without(mut self, other: &Self) -> Self {
        for key in &mut self.keys {
            key.revoked |= other.keys.iter().any(|revoked| revoked.public == key.public);
        }
        self
    }

    /// Whether a certificate or a SubjectPublicKeyInfo in DER is for a key of this keyring that is not revoked.
    #[must_use]
    pub fn has_der(&self, der: &[u8]) -> bool {
        let public = match Certificate::from_der(der) {
            Ok(certificate) => spki_of(&certificate),
            Err(_) => PublicKey::from_spki_der(der),
        };
        public.is_ok_and(|public| self.keys.iter().any(|key| key.public == public && !key.revoked))
    }
}

/// Verifies the signature of an entry by one of `keyrings`, and names the keyring. They are an iterator, so that a caller
/// who chooses among many for each file allocates nothing.
///
/// # Errors
/// [`ImaSignatureError`]: threats i07, i14, i15.
pub fn verify_signature<'k>(
    entry: &Entry<'_>,
    keyrings: impl Iterator<Item = &'k ImaKeyring> + Clone,
    allow_sha1: bool,
) -> Result<&'k str, ImaSignatureError> {
    let signature = ImaSignature::of(entry)?;
    let digest = signature.signed_digest(&entry.file_digest(), allow_sha1)?;
    let key_id = || signature.key_id_hex();
    let mut refusal = None;
    // Four bytes don't name a key for good: each one that has the id is tried.
    for (keyring, key) in keyrings.clone().flat_map(|ring| ring.keys.iter().map(move |key| (ring, key))) {
        if !key.ids.contains(&signature.key_id) {
            continue;
        }
        if key.revoked {
            refusal = Some(ImaSignatureError::Revoked { key_id: key_id() });
        } else if key.verifies(&digest, signature.signature) {
            return Ok(&keyring.name);
        } else if refusal.is_none() {
            refusal = Some(ImaSignatureError::Mismatch { key_id: key_id() });
        }
    }
    Err(refusal.unwrap_or_else(|| ImaSignatureError::UnknownKey {
        key_id: key_id(),
        keyrings: keyrings.map(|ring| ring.name.as_str()).collect::<Vec<_>>().join(", "),
    }))
}

fn spki_of(certificate: &Certificate) -> Result<PublicKey, PublicKeyError> {
    PublicKey::from_spki_der(&certificate.tbs_certificate.subject_public_key_info.to_der()?)
}

impl Key {
    fn from_pem(pem: &str, number: usize) -> Result<Self, KeyringError> {
        let wrong = |error| KeyringError::Key { number, error };
        let not_pem = |error: x509_cert::der::pem::Error| wrong(PublicKeyError::Pem(error.to_string()));
        let end = pem.find("-----END ").and_then(|end| {
            let line = pem.get(end..)?.find('\n').unwrap_or(pem.len().saturating_sub(end));
            pem.get(..end.saturating_add(line))
        });
        let block = end.unwrap_or(pem);
        let (label, der) = x509_cert::der::pem::decode_vec(block.as_bytes()).map_err(not_pem)?;
        match label {
            "PUBLIC KEY" => Self::new(PublicKey::from_spki_der(&der).map_err(wrong)?, None, number),
            "CERTIFICATE" => {
                let certificate = Certificate::from_der(&der).map_err(|error| wrong(error.into()))?;
                let identifier = certificate
                    .tbs_certificate
                    .get::<SubjectKeyIdentifier>()
                    .map_err(|error| wrong(error.into()))?
                    .and_then(|(_, identifier)| identifier.0.as_bytes().last_chunk().copied());
                Self::new(spki_of(&certificate).map_err(wrong)?, identifier, number)
            }
            label => Err(wrong(PublicKeyError::Pem(format!("found -----BEGIN {label}-----")))),
        }
    }

    fn new(public: PublicKey, identifier: Option<[u8; 4]>, number: usize) -> Result<Self, KeyringError> {
        let wrong = |error| KeyringError::Key { number, error };
        crate::key::check_strength(&public)
            .map_err(|why| KeyringError::Weak { number, why: why.to_string() })?;
        let bits = public.subject_public_key().map_err(wrong)?;
        let hash = HashAlgorithm::Sha1.digest(&bits);
        let ids = identifier.into_iter().chain(hash.as_bytes().last_chunk().copied()).collect();
        let malformed = || wrong(PublicKeyError::Malformed { what: "public key" });
        let verifier = match &public {
            PublicKey::Rsa { modulus, exponent } => {
                let key = RsaPublicKey::new(BigUint::from_bytes_be(modulus), BigUint::from(*exponent));
                KeyVerifier::Rsa(Box::new(key.map_err(|_| malformed())?))
            }
            PublicKey::Ecc { curve: EccCurve::P256, .. } => {
                let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&bits);
                KeyVerifier::P256(Box::new(key.map_err(|_| malformed())?))
            }
            PublicKey::Ecc { curve: EccCurve::P384, .. } => {
                let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(&bits);
                KeyVerifier::P384(Box::new(key.map_err(|_| malformed())?))
            }
        };
        Ok(Self { public, ids, verifier, revoked: false })
    }

    /// IMA signs digests that are ready, which ring does not verify (docs/decisions/0010).
    fn verifies(&self, digest: &Digest, signature: &[u8]) -> bool {
        use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
        match &self.verifier {
            KeyVerifier::Rsa(key) => {
                let scheme = match digest.algorithm() {
                    HashAlgorithm::Sha1 => Pkcs1v15Sign::new::<sha1::Sha1>(),
                    HashAlgorithm::Sha256 => Pkcs1v15Sign::new::<sha2::Sha256>(),
                    HashAlgorithm::Sha384 => Pkcs1v15Sign::new::<sha2::Sha384>(),
                    HashAlgorithm::Sha512 => Pkcs1v15Sign::new::<sha2::Sha512>(),
                };
                key.verify(scheme, digest.as_bytes(), signature).is_ok()
            }
            KeyVerifier::P256(key) => p256::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify_prehash(digest.as_bytes(), &signature).is_ok()),
            KeyVerifier::P384(key) => p384::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify_prehash(digest.as_bytes(), &signature).is_ok()),
        }
    }
}
