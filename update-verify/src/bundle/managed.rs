//! Documents signed with a managed key: manifests, policies, reference values. Offline, no log, no certificate.
//!
//! sigstore-verify refuses a bundle that carries neither a log entry nor a timestamp, even when its policy leaves the
//! log out by name: it wants evidence of the signing time, which a key that is simply trusted does not need. So a
//! managed bundle is read with sigstore's types and its signature checked through sigstore-crypto, here. What such a
//! bundle may hold is pinned tighter than the standard: version 0.3, a key hint, a message signature over SHA-256, and
//! nothing that this verifier would have to leave unjudged.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use sigstore_bundle::{BundleV03, VerificationMaterialV03};
use sigstore_types::bundle::{MessageDigest, MessageSignature, VerificationMaterialContent};
use sigstore_types::{Bundle, DigestBytes, HashAlgorithm, MediaType, SignatureBytes, SignatureContent};

use super::{BundleError, KeyId, PublicKey, ring_provider};
use crate::digest::Sha256;
use crate::sign::{SignError, SigningKey};

/// Longest bundle in bytes: 1 MiB.
pub const MAX_BUNDLE: u32 = 1 << 20;

/// A key's signature that was verified. Only a verifier makes one.
///
/// ```compile_fail
/// let forged = update_verify::bundle::SignedBy { key: todo!() };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedBy {
    key: KeyId,
}

impl SignedBy {
    /// The key that signed.
    #[must_use]
    pub const fn key(&self) -> KeyId {
        self.key
    }
}

/// Signs `bytes` and returns a sigstore bundle (v0.3, JSON) with `key`'s id as its hint.
///
/// # Errors
/// When the key can't sign.
pub fn sign_managed(bytes: &[u8], key: &SigningKey) -> Result<Vec<u8>, SignError> {
    let digest = DigestBytes::new(Sha256::of(bytes).as_bytes().to_vec());
    let signature = MessageSignature::new(SignatureBytes::new(key.sign(bytes)?))
        .with_message_digest(MessageDigest::new(HashAlgorithm::Sha2256, digest));
    let material = VerificationMaterialV03::PublicKey { hint: key.public_key().id().to_string() };
    BundleV03::new(material, SignatureContent::MessageSignature(signature))
        .into_bundle()
        .to_json()
        .map(String::into_bytes)
        .map_err(SignError::Encoding)
}

/// Verifies that one of `keys` signed exactly `bytes`.
///
/// # Errors
/// [`BundleError`], fail closed: whatever the bundle holds that is not judged here is refused.
pub fn verify_managed(bytes: &[u8], bundle_json: &[u8], keys: &[PublicKey]) -> Result<SignedBy, BundleError> {
    ring_provider::ensure_installed()?;
    let bundle = parse_managed(bundle_json)?;
    let (key, signature) = judge(&bundle, bytes, keys)?;
    key.verification_key()
        .and_then(|verifier| verifier.verify(bytes, &signature.signature))
        .map_err(|_| BundleError::WrongSignature { key: key.id() })?;
    Ok(SignedBy { key: key.id() })
}

/// The bundle's parts that must agree before the signature is worth checking.
fn judge<'a>(
    bundle: &'a Bundle,
    bytes: &[u8],
    keys: &'a [PublicKey],
) -> Result<(&'a PublicKey, &'a MessageSignature), BundleError> {
    if bundle.media_type != MediaType::Bundle0_3 {
        return Err(BundleError::Version { found: bundle.media_type });
    }
    let VerificationMaterialContent::PublicKey(hint) = &bundle.verification_material.content else {
        return Err(BundleError::NotManaged);
    };
    let SignatureContent::MessageSignature(signature) = &bundle.content else {
        return Err(BundleError::NotMessageSignature);
    };
    let digest = signature.message_digest.as_ref().ok_or(BundleError::NoDigest)?;
    if digest.algorithm != HashAlgorithm::Sha2256 {
        return Err(BundleError::DigestAlgorithm { found: digest.algorithm });
    }
    if digest.digest.as_bytes() != Sha256::of(bytes).as_bytes() {
        return Err(BundleError::OtherArtifact);
    }
    let key = keys
        .iter()
        .find(|key| key.id().to_string() == hint.hint)
        .ok_or_else(|| BundleError::UnknownKey { hint: hint.hint.clone() })?;
    Ok((key, signature))
}

fn parse_managed(json: &[u8]) -> Result<Bundle, BundleError> {
    if json.is_empty() {
        return Err(BundleError::Unsigned);
    }
    if u32::try_from(json.len()).map_or(true, |len| len > MAX_BUNDLE) {
        return Err(BundleError::TooLong { found: json.len(), limit: MAX_BUNDLE });
    }
    let text = std::str::from_utf8(json).map_err(|_| BundleError::NotText)?;
    let bundle = Bundle::from_json(text).map_err(BundleError::Parse)?;
    check_content_kind(&bundle)?;
    let shape: Shape = serde_json::from_str(text).map_err(BundleError::Shape)?;
    if !shape.verification_material.carries_nothing_else() {
        return Err(BundleError::UnjudgedEvidence);
    }
    shape.check_spelling(&bundle)?;
    Ok(bundle)
}

/// Names the two confusions that have an error of their own before the shape is refused as a whole.
fn check_content_kind(bundle: &Bundle) -> Result<(), BundleError> {
    if !matches!(bundle.content, SignatureContent::MessageSignature(_)) {
        return Err(BundleError::NotMessageSignature);
    }
    if !matches!(bundle.verification_material.content, VerificationMaterialContent::PublicKey(_)) {
        return Err(BundleError::NotManaged);
    }
    Ok(())
}

/// The only shape that a managed bundle may have. sigstore's types skip unknown fields, as the standard asks them to;
/// a device must not accept what a later standard may give a meaning.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Shape {
    media_type: String,
    verification_material: MaterialShape,
    message_signature: SignatureShape,
}

impl Shape {
    /// sigstore's types read a digest's name in any case and base64 in four alphabets; here a value has one spelling.
    fn check_spelling(&self, bundle: &Bundle) -> Result<(), BundleError> {
        let SignatureContent::MessageSignature(signature) = &bundle.content else {
            return Err(BundleError::NotMessageSignature);
        };
        let digest = signature.message_digest.as_ref().ok_or(BundleError::NoDigest)?;
        let spelled = &self.message_signature;
        let pairs = [
            ("mediaType", &self.media_type, bundle.media_type.to_string()),
            ("algorithm", &spelled.message_digest.algorithm, digest.algorithm.to_string()),
            ("digest", &spelled.message_digest.digest, STANDARD.encode(digest.digest.as_bytes())),
            ("signature", &spelled.signature, STANDARD.encode(signature.signature.as_bytes())),
        ];
        match pairs.iter().find(|(_, found, expected)| *found != expected) {
            Some((field, _, _)) => Err(BundleError::Spelling { field }),
            None => Ok(()),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MaterialShape {
    #[serde(rename = "publicKey")]
    _public_key: KeyShape,
    #[serde(default)]
    tlog_entries: Vec<IgnoredAny>,
    #[serde(default)]
    timestamp_verification_data: TimestampShape,
}

impl MaterialShape {
    fn carries_nothing_else(&self) -> bool {
        self.tlog_entries.is_empty() && self.timestamp_verification_data.rfc3161_timestamps.is_empty()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyShape {
    #[serde(rename = "hint")]
    _hint: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimestampShape {
    #[serde(default, rename = "rfc3161Timestamps")]
    rfc3161_timestamps: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SignatureShape {
    message_digest: DigestShape,
    signature: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DigestShape {
    algorithm: String,
    digest: String,
}
