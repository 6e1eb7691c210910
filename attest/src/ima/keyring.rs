//! Keys that files are signed with, and which of them a signature is by.

use cms::cert::IssuerAndSerialNumber;
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::{BigUint, RsaPublicKey};
use thiserror::Error;
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::SubjectKeyIdentifier;

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
pub(super) struct Key {
    public: PublicKey,
    /// The certificate's subject key identifier, and SHA-1 of the public key's bits. The kernel takes the first where it
    /// has a certificate with one, evmctl the second where it has only a key. IMA signatures have the last four bytes.
    identifiers: Vec<Vec<u8>>,
    /// The certificate's issuer and serial number, as the DER of CMS's `IssuerAndSerialNumber`.
    certified_as: Option<Vec<u8>>,
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
        self.keys.iter().filter_map(|key| key.ids().next()).map(hex::encode)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter()
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

/// Keys of portable EVM signatures under a name. A type of its own, so that none of them is ever asked about contents, and
/// no key for contents about EVM (threat i15).
#[derive(Debug, Clone)]
pub struct EvmKeyring(ImaKeyring);

impl EvmKeyring {
    /// Takes the keys of a file for EVM.
    #[must_use]
    pub const fn new(keys: ImaKeyring) -> Self {
        Self(keys)
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Whether a certificate or a SubjectPublicKeyInfo in DER is for a key of this keyring that is not revoked.
    #[must_use]
    pub fn has_der(&self, der: &[u8]) -> bool {
        self.0.has_der(der)
    }

    pub(super) const fn keys(&self) -> &ImaKeyring {
        &self.0
    }
}

fn spki_of(certificate: &Certificate) -> Result<PublicKey, PublicKeyError> {
    PublicKey::from_spki_der(&certificate.tbs_certificate.subject_public_key_info.to_der()?)
}

/// How a certificate is named in signatures.
#[derive(Debug, Default)]
struct CertificateNames {
    identifier: Option<Vec<u8>>,
    issuer_and_serial: Option<Vec<u8>>,
}

impl CertificateNames {
    fn of(certificate: &Certificate) -> Result<Self, x509_cert::der::Error> {
        let body = &certificate.tbs_certificate;
        let identifier = body.get::<SubjectKeyIdentifier>()?.map(|(_, found)| found.0.as_bytes().to_vec());
        let (issuer, serial_number) = (body.issuer.clone(), body.serial_number.clone());
        let issuer_and_serial = Some(IssuerAndSerialNumber { issuer, serial_number }.to_der()?);
        Ok(Self { identifier, issuer_and_serial })
    }
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
            "PUBLIC KEY" => {
                Self::new(PublicKey::from_spki_der(&der).map_err(wrong)?, CertificateNames::default(), number)
            }
            "CERTIFICATE" => {
                let certificate = Certificate::from_der(&der).map_err(|error| wrong(error.into()))?;
                let names = CertificateNames::of(&certificate).map_err(|error| wrong(error.into()))?;
                Self::new(spki_of(&certificate).map_err(wrong)?, names, number)
            }
            label => Err(wrong(PublicKeyError::Pem(format!("found -----BEGIN {label}-----")))),
        }
    }

    fn new(public: PublicKey, names: CertificateNames, number: usize) -> Result<Self, KeyringError> {
        let wrong = |error| KeyringError::Key { number, error };
        crate::key::check_strength(&public)
            .map_err(|why| KeyringError::Weak { number, why: why.to_string() })?;
        let bits = public.subject_public_key().map_err(wrong)?;
        let hash = HashAlgorithm::Sha1.digest(&bits);
        let identifiers = names.identifier.into_iter().chain([hash.as_bytes().to_vec()]).collect();
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
        let certified_as = names.issuer_and_serial;
        Ok(Self { public, identifiers, certified_as, verifier, revoked: false })
    }

    /// What IMA signatures call it: the last four bytes of an identifier.
    fn ids(&self) -> impl Iterator<Item = &[u8; 4]> {
        self.identifiers.iter().filter_map(|identifier| identifier.last_chunk())
    }

    pub(super) fn has_id(&self, id: [u8; 4]) -> bool {
        self.ids().any(|known| *known == id)
    }

    pub(super) fn has_identifier(&self, identifier: &[u8]) -> bool {
        self.identifiers.iter().any(|known| known == identifier)
    }

    /// Whether it was read out of the certificate with that `IssuerAndSerialNumber`, in DER.
    pub(super) fn is_certified_as(&self, issuer_and_serial: &[u8]) -> bool {
        self.certified_as.as_deref() == Some(issuer_and_serial)
    }

    pub(super) const fn is_revoked(&self) -> bool {
        self.revoked
    }

    /// IMA signs digests that are ready, which ring does not verify (docs/decisions/0010).
    pub(super) fn verifies(&self, digest: &Digest, signature: &[u8]) -> bool {
        use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
        match &self.verifier {
            KeyVerifier::Rsa(key) => {
                let scheme = match digest.algorithm() {
                    HashAlgorithm::Sha1 => Pkcs1v15Sign::new::<sha1::Sha1>(),
                    HashAlgorithm::Sha256 => Pkcs1v15Sign::new::<sha2::Sha256>(),
                    HashAlgorithm::Sha384 => Pkcs1v15Sign::new::<sha2::Sha384>(),
                    HashAlgorithm::Sha512 => Pkcs1v15Sign::new::<sha2::Sha512>(),
                    // The prefix of SM3 and SHA-3 is not known here: such a signature is not believed.
                    HashAlgorithm::Sm3
                    | HashAlgorithm::Sha3With256
                    | HashAlgorithm::Sha3With384
                    | HashAlgorithm::Sha3With512 => return false,
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
