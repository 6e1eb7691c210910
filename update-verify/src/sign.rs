//! The signing half: keys, and signing a package file in place.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;
use der::pem::{LineEnding, PemLabel};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use sigstore_types::DerPublicKey;
use zeroize::Zeroizing;

use crate::bundle::{KeyError, KeyId, PublicKey, sign_managed};
use crate::format::Header;
use crate::manifest::Manifest;
use crate::package::{PackageError, Payload, Unverified};

/// DER of a P-256 SubjectPublicKeyInfo up to the point (RFC 5480 §2): everything in it is fixed by the curve.
const P256_SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86,
    0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Why something could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// Not a PEM block.
    #[error("the private key is not exactly one PEM block: {0}")]
    Pem(der::pem::Error),
    /// A PEM block of another kind than PKCS#8.
    #[error(
        "the private key is a PEM block {found:?}; expected is PKCS#8, 'PRIVATE KEY' (openssl pkcs8 -topk8 -nocrypt)"
    )]
    NotPkcs8 {
        /// The block's label.
        found: String,
    },
    /// Not an ECDSA P-256 key, or its halves do not belong together.
    #[error("the private key is not a usable ECDSA P-256 key: {0}")]
    Key(ring::error::KeyRejected),
    /// The public half is not a key that a verifier accepts.
    #[error("the key's public half is not accepted: {0}")]
    PublicKey(#[source] KeyError),
    /// The system gave no randomness, or the key could not sign.
    #[error("the cryptographic library could not make a key or a signature")]
    Crypto,
    /// The bundle could not be written as JSON.
    #[error("the bundle can't be written: {0}")]
    Encoding(#[source] sigstore_types::Error),
    /// The file is not a package that would verify once signed.
    #[error("{path}: {source}", path = path.display())]
    Package {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<PackageError>,
    },
    /// The file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
}

impl SignError {
    /// Whether the input was judged and found bad, as opposed to: could not be signed.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Package { source, .. } if source.is_refusal())
    }
}

/// An ECDSA P-256 private key that signs packages and other documents.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
    rng: SystemRandom,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.public.id())
    }
}

/// A new key pair as text.
pub struct NewKeyPair {
    /// PEM block `PRIVATE KEY` (PKCS#8); wiped from memory when dropped.
    pub private_pem: Zeroizing<String>,
    /// PEM block `PUBLIC KEY` (SubjectPublicKeyInfo).
    pub public_pem: String,
}

struct Pkcs8;
impl PemLabel for Pkcs8 {
    const PEM_LABEL: &'static str = "PRIVATE KEY";
}

impl SigningKey {
    /// From one PEM block `PRIVATE KEY` (PKCS#8, RFC 5958) with an ECDSA P-256 key and its public half.
    ///
    /// # Errors
    /// When it is anything else; nothing of the key is ever part of an error.
    pub fn from_pem(text: &str) -> Result<Self, SignError> {
        let (label, der) = der::pem::decode_vec(text.trim_ascii().as_bytes()).map_err(SignError::Pem)?;
        let der = Zeroizing::new(der);
        if label != Pkcs8::PEM_LABEL {
            return Err(SignError::NotPkcs8 { found: label.to_owned() });
        }
        Self::from_pkcs8(&der)
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, SignError> {
        let rng = SystemRandom::new();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der, &rng).map_err(SignError::Key)?;
        let spki = [P256_SPKI_PREFIX.as_slice(), pair.public_key().as_ref()].concat();
        let public = PublicKey::from_der(DerPublicKey::new(spki)).map_err(SignError::PublicKey)?;
        Ok(Self { pair, public, rng })
    }

    /// Makes a new key from the system's randomness and returns it as text, to be kept by the caller.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<NewKeyPair, SignError> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
            .map_err(|_| SignError::Crypto)?;
        let private = der::pem::encode_string(Pkcs8::PEM_LABEL, LineEnding::LF, document.as_ref());
        let private_pem = Zeroizing::new(private.map_err(SignError::Pem)?);
        let public_pem = Self::from_pkcs8(document.as_ref())?.public.to_pem();
        Ok(NewKeyPair { private_pem, public_pem })
    }

    /// The public half.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// ECDSA P-256 over SHA-256 of `message`, as an ASN.1 DER signature.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.pair.sign(&self.rng, message).map(|s| s.as_ref().to_vec()).map_err(|_| SignError::Crypto)
    }
}

/// Signs the package file at `path` in place: a new file takes its place in one step, or the old one stays.
///
/// The payload is checked against the manifest while it is copied, so that a signature is never put on a package that
/// no device would accept. An earlier signature is replaced.
///
/// # Errors
/// When the file is not a whole package, or can't be read or written.
pub fn sign_package(path: &Path, key: &SigningKey) -> Result<KeyId, SignError> {
    let io = |source| SignError::Io { path: path.to_owned(), source };
    let bad = |source| SignError::Package { path: path.to_owned(), source: Box::new(source) };
    let mut file = File::open(path).map_err(io)?;
    let header = Header::read(&mut file).map_err(bad)?;
    let parts = Unverified::read(&mut file, &header).map_err(bad)?;
    let manifest = Manifest::parse(parts.manifest()).map_err(|error| bad(PackageError::Manifest(error)))?;
    let bundle = sign_managed(parts.manifest(), key)?;
    let mut out = AtomicWriteFile::open(path).map_err(io)?;
    let header = Header::new(parts.manifest(), &bundle).map_err(bad)?;
    out.write_all(&header.to_bytes()).map_err(io)?;
    out.write_all(parts.manifest()).map_err(io)?;
    out.write_all(&bundle).map_err(io)?;
    copy_payload(Payload::new(file, manifest.into()), &mut out, path)?;
    out.commit().map_err(io)?;
    Ok(key.public_key().id())
}

fn copy_payload<R: Read>(
    mut payload: Payload<R>,
    out: &mut impl Write,
    path: &Path,
) -> Result<(), SignError> {
    loop {
        match payload.next_chunk() {
            Ok(Some(chunk)) => out
                .write_all(chunk.bytes())
                .map_err(|source| SignError::Io { path: path.to_owned(), source })?,
            Ok(None) => return Ok(()),
            Err(source) => {
                return Err(SignError::Package { path: path.to_owned(), source: Box::new(source) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::verify_managed;

    #[test]
    fn a_generated_key_signs_what_its_public_half_verifies() {
        let pair = SigningKey::generate().unwrap();
        let key = SigningKey::from_pem(&pair.private_pem).unwrap();
        let public = PublicKey::from_pem(&pair.public_pem).unwrap();
        assert_eq!(key.public_key().id(), public.id());
        let bundle = sign_managed(b"document", &key).unwrap();
        assert_eq!(verify_managed(b"document", &bundle, &[public]).unwrap().key(), key.public_key().id());
    }

    #[test]
    fn a_key_of_another_kind_is_refused_and_not_shown() {
        let sec1 = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----\n";
        assert!(matches!(SigningKey::from_pem(sec1), Err(SignError::NotPkcs8 { .. })));
        assert!(matches!(SigningKey::from_pem("MHcCAQEE"), Err(SignError::Pem(_))));
        let pair = SigningKey::generate().unwrap();
        let shown = format!("{:?}", SigningKey::from_pem(&pair.private_pem).unwrap());
        assert!(shown.starts_with("SigningKey("), "{shown}");
    }
}
