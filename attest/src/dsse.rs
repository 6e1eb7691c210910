//! Signed documents: reference values in a DSSE envelope (Dead Simple Signing Envelope, protocol 1.0.2).
//!
//! The signature covers the payload's exact bytes together with their type, so that a document of one kind can't be
//! passed off as another. Keys are ECDSA P-256; the algorithm is the key's and never the envelope's word (threat u07).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SecureRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::HashAlgorithm;
use crate::key::{EccCurve, PublicKey, PublicKeyError};

/// Largest envelope, in bytes.
const MAX_ENVELOPE: usize = 64 * 1024 * 1024;
/// Most signatures looked at.
const MAX_SIGNATURES: usize = 16;

/// Why a document is not believed, or can't be signed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DsseError {
    /// Not a DSSE envelope.
    #[error("signed document: malformed: {0}; expected what `hallmark reference sign` writes")]
    Malformed(String),
    /// A document of another kind.
    #[error("signed document: payload type is {found:?}, expected {expected:?}")]
    PayloadType {
        /// The envelope's type.
        found: String,
        /// The type that is needed.
        expected: String,
    },
    /// No signature by any trusted key.
    #[error("signed document: signed by {found}, expected a signature by one of {expected}")]
    Untrusted {
        /// Key ids in the envelope.
        found: String,
        /// Key ids that are trusted.
        expected: String,
    },
    /// The key can't be used.
    #[error("signing key: {0}")]
    Key(String),
    /// The public key can't be used.
    #[error("signing key: {0}")]
    PublicKey(#[from] PublicKeyError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    #[serde(rename = "payloadType")]
    payload_type: String,
    payload: String,
    #[serde(deserialize_with = "crate::bounded::list::<MAX_SIGNATURES, _, _>")]
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeSignature {
    #[serde(default)]
    keyid: String,
    sig: String,
}

/// A public key that documents are believed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentKey {
    point: Vec<u8>,
    id: String,
}

impl DocumentKey {
    /// From a PEM `PUBLIC KEY` on P-256.
    ///
    /// # Errors
    /// [`DsseError`] for PEM of another kind and for other algorithms.
    pub fn from_pem(pem: &str) -> Result<Self, DsseError> {
        let key = PublicKey::from_pem(pem)?;
        if !matches!(key, PublicKey::Ecc { curve: EccCurve::P256, .. }) {
            return Err(DsseError::Key("expected an ECDSA key on P-256".to_owned()));
        }
        Ok(Self { point: key.subject_public_key()?, id: key_id(&key)? })
    }

    /// The key id: the first 16 hex digits of SHA-256 over the SubjectPublicKeyInfo.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

fn key_id(key: &PublicKey) -> Result<String, PublicKeyError> {
    let digest = HashAlgorithm::Sha256.digest(&key.to_spki_der()?).to_hex();
    Ok(digest.chars().take(16).collect())
}

/// The payload of an envelope, after its signature was verified; only [`verify`] makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPayload {
    bytes: Vec<u8>,
    key_id: String,
}

impl SignedPayload {
    /// The exact signed bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Id of the key whose signature was verified.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }
}

/// Verifies `envelope` against `keys` and returns its payload.
///
/// # Errors
/// [`DsseError`] unless the type is `payload_type` and one of `keys` made one of the signatures.
pub fn verify(envelope: &[u8], payload_type: &str, keys: &[DocumentKey]) -> Result<SignedPayload, DsseError> {
    let envelope = parse(envelope)?;
    if envelope.payload_type != payload_type {
        return Err(DsseError::PayloadType {
            found: envelope.payload_type,
            expected: payload_type.to_owned(),
        });
    }
    let bytes = decode(&envelope.payload)?;
    let signed = pre_authentication_encoding(payload_type, &bytes);
    for signature in &envelope.signatures {
        let value = decode(&signature.sig)?;
        // The key id only says which key to try first and is not signed; with so few keys each is tried.
        let signer = keys.iter().find(|key| {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &key.point).verify(&signed, &value).is_ok()
        });
        if let Some(key) = signer {
            return Ok(SignedPayload { bytes, key_id: key.id.clone() });
        }
    }
    let listed = |ids: Vec<&str>| if ids.is_empty() { "nobody".to_owned() } else { ids.join(", ") };
    Err(DsseError::Untrusted {
        found: listed(envelope.signatures.iter().map(|signature| signature.keyid.as_str()).collect()),
        expected: listed(keys.iter().map(|key| key.id.as_str()).collect()),
    })
}

/// The type that an envelope claims: to choose how to verify it, which then checks it.
///
/// # Errors
/// [`DsseError::Malformed`].
pub fn unverified_type(envelope: &[u8]) -> Result<String, DsseError> {
    Ok(parse(envelope)?.payload_type)
}

/// The id of the key that an envelope claims to be signed with first, if it names one: where a document came from.
///
/// # Errors
/// [`DsseError::Malformed`].
pub fn unverified_key_id(envelope: &[u8]) -> Result<Option<String>, DsseError> {
    let first = parse(envelope)?.signatures.into_iter().next();
    Ok(first.map(|signature| signature.keyid).filter(|id| !id.is_empty()))
}

/// The payload of an envelope whose signature nobody has checked: for showing, never for judging.
///
/// # Errors
/// [`DsseError::Malformed`].
pub fn unverified_payload(envelope: &[u8]) -> Result<Vec<u8>, DsseError> {
    decode(&parse(envelope)?.payload)
}

/// Signs `payload` with an ECDSA P-256 key in PKCS#8 PEM and returns the envelope.
///
/// # Errors
/// [`DsseError::Key`] when the PEM is no such key.
pub fn sign(
    payload: &[u8],
    payload_type: &str,
    key_pem: &str,
    random: &dyn SecureRandom,
) -> Result<Vec<u8>, DsseError> {
    let wrong = || {
        DsseError::Key(
            "expected an ECDSA P-256 private key in PKCS#8 PEM (-----BEGIN PRIVATE KEY-----)".to_owned(),
        )
    };
    let (label, der) = der::pem::decode_vec(key_pem.as_bytes()).map_err(|_| wrong())?;
    if label != "PRIVATE KEY" {
        return Err(wrong());
    }
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der, random).map_err(|_| wrong())?;
    let public = pair.public_key().as_ref().strip_prefix(&[4]).and_then(|point| point.split_at_checked(32));
    let (x, y) = public.ok_or_else(wrong)?;
    let keyid = key_id(&PublicKey::ecc(EccCurve::P256, x, y)?)?;
    let signed = pre_authentication_encoding(payload_type, payload);
    let sig = pair.sign(random, &signed).map_err(|_| DsseError::Key("no random numbers".to_owned()))?;
    let envelope = Envelope {
        payload_type: payload_type.to_owned(),
        payload: STANDARD.encode(payload),
        signatures: vec![EnvelopeSignature { keyid, sig: STANDARD.encode(sig.as_ref()) }],
    };
    serde_json::to_vec(&envelope).map_err(|error| DsseError::Malformed(error.to_string()))
}

fn parse(bytes: &[u8]) -> Result<Envelope, DsseError> {
    if bytes.len() > MAX_ENVELOPE {
        return Err(DsseError::Malformed(format!("{} bytes, expected at most {MAX_ENVELOPE}", bytes.len())));
    }
    serde_json::from_slice(bytes).map_err(|error| DsseError::Malformed(error.to_string()))
}

fn decode(text: &str) -> Result<Vec<u8>, DsseError> {
    STANDARD.decode(text).map_err(|error| DsseError::Malformed(error.to_string()))
}

/// `PAE(type, body) = "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body`.
fn pre_authentication_encoding(payload_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), body.len());
    [head.as_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;

    use super::*;

    const KIND: &str = "application/vnd.hallmark.test";

    fn key() -> (String, DocumentKey) {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let public = PublicKey::ecc(EccCurve::P256, x, y).unwrap().to_pem().unwrap();
        let private =
            der::pem::encode_string("PRIVATE KEY", der::pem::LineEnding::LF, pkcs8.as_ref()).unwrap();
        (private, DocumentKey::from_pem(&public).unwrap())
    }

    #[test]
    fn a_signed_document_verifies_with_its_key_only() {
        let (private, public) = key();
        let (_, other) = key();
        let envelope = sign(b"{}", KIND, &private, &SystemRandom::new()).unwrap();
        let payload = verify(&envelope, KIND, &[other.clone(), public.clone()]).unwrap();
        assert_eq!((payload.bytes(), payload.key_id()), (&b"{}"[..], public.id()));
        assert!(matches!(verify(&envelope, KIND, &[other]), Err(DsseError::Untrusted { .. })));
        assert!(matches!(verify(&envelope, KIND, &[]), Err(DsseError::Untrusted { .. })));
    }

    #[test]
    fn u14_a_document_of_another_kind_is_refused() {
        let (private, public) = key();
        let envelope = sign(b"{}", KIND, &private, &SystemRandom::new()).unwrap();
        let keys = [public];
        assert!(matches!(verify(&envelope, "other", &keys), Err(DsseError::PayloadType { .. })));
        let renamed = String::from_utf8(envelope).unwrap().replace(KIND, "other");
        assert!(matches!(verify(renamed.as_bytes(), "other", &keys), Err(DsseError::Untrusted { .. })));
    }

    #[test]
    fn u03_a_repeated_key_in_the_envelope_is_refused() {
        let (private, public) = key();
        let envelope = String::from_utf8(sign(b"{}", KIND, &private, &SystemRandom::new()).unwrap()).unwrap();
        let doubled = envelope.replacen('{', "{\"payload\":\"e30=\",", 1);
        assert!(matches!(verify(doubled.as_bytes(), KIND, &[public]), Err(DsseError::Malformed(_))));
    }
}
