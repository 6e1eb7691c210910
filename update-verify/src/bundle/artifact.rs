//! Any artifact with a bundle made by sigstore's clients: `hallmark bundle verify`.

use std::io::Read;

use jiff::Timestamp;
use sigstore_crypto::{ArtifactHasher, hash_reader};
use sigstore_types::bundle::VerificationMaterialContent;
use sigstore_types::{Bundle, HashAlgorithm, SignatureContent};
use sigstore_verify::{PublicKeyVerificationPolicy, VerificationPolicy, VerificationResult, Verifier};

use super::{BundleError, KeyId, PublicKey, ring_provider};

/// Longest bundle of a foreign artifact in bytes: 16 MiB, for attestations carry their whole statement.
const MAX_ARTIFACT_BUNDLE: u32 = 16 << 20;

/// Whether a signature by a managed key must have been logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogPolicy {
    /// The bundle must prove that the signature stands in a log of the trusted root.
    Required,
    /// The bundle may come without any log entry. One that it does carry is still verified in full: evidence is judged
    /// or absent, never ignored.
    NotRequired,
}

/// Who must have signed.
#[derive(Debug, Clone)]
pub enum Signer {
    /// A person or a CI job, by the certificate that sigstore's CA gave it. The certificate's chain, its SCT and the log
    /// entry are always verified.
    Keyless {
        /// The certificate's subject alternative name, compared exactly.
        identity: String,
        /// The OIDC issuer that vouched for the identity, compared exactly.
        issuer: String,
    },
    /// The holder of a key.
    Key {
        /// The key.
        key: PublicKey,
        /// Whether the signature must have been logged.
        log: LogPolicy,
    },
}

/// The authorities and logs that keyless signatures are judged by.
#[derive(Debug, Clone)]
pub struct TrustedRoot(sigstore_trust_root::TrustedRoot);

impl TrustedRoot {
    /// The public-good instance's, as it was when this build's dependencies were made. It needs renewal with the
    /// toolkit: signatures by authorities that came later are refused.
    ///
    /// # Errors
    /// When the embedded root can't be read.
    pub fn public_good() -> Result<Self, BundleError> {
        Self::from_json(sigstore_trust_root::SIGSTORE_PRODUCTION_TRUSTED_ROOT)
    }

    /// From the JSON form of a sigstore trusted root (`trusted_root.json`).
    ///
    /// # Errors
    /// When it is not one.
    pub fn from_json(json: &str) -> Result<Self, BundleError> {
        sigstore_trust_root::TrustedRoot::from_json(json)
            .map(Self)
            .map_err(|error| BundleError::TrustedRootParse(Box::new(error)))
    }
}

/// What kind of statement the bundle makes about the artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A signature of the artifact itself.
    Signature,
    /// An in-toto statement that has the artifact among its subjects.
    Attestation {
        /// The exact bytes of the statement.
        statement: Vec<u8>,
    },
}

/// Who was found to have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifiedSigner {
    /// The identity and issuer that were asked for.
    Identity {
        /// The certificate's subject alternative name.
        identity: String,
        /// The OIDC issuer.
        issuer: String,
    },
    /// The key that was asked for.
    Key(KeyId),
}

/// An artifact whose bundle was verified. Only [`verify_artifact`] makes one.
///
/// ```compile_fail
/// let forged = update_verify::bundle::VerifiedArtifact { is_logged: true, ..todo!() };
/// ```
#[derive(Debug, Clone)]
pub struct VerifiedArtifact {
    signer: VerifiedSigner,
    content: Content,
    is_logged: bool,
    signed_at: Option<Timestamp>,
}

impl VerifiedArtifact {
    /// Who signed.
    #[must_use]
    pub const fn signer(&self) -> &VerifiedSigner {
        &self.signer
    }

    /// What was signed.
    #[must_use]
    pub const fn content(&self) -> &Content {
        &self.content
    }

    /// Whether the signature's entry in a transparency log was verified.
    #[must_use]
    pub const fn is_logged(&self) -> bool {
        self.is_logged
    }

    /// The earliest time for which the log or a timestamp authority vouches.
    #[must_use]
    pub const fn signed_at(&self) -> Option<Timestamp> {
        self.signed_at
    }
}

/// Verifies `artifact`, read to its end in constant memory, against a bundle in JSON.
///
/// # Errors
/// [`BundleError`]: refused, or the artifact could not be read.
pub fn verify_artifact<R: Read>(
    artifact: R,
    bundle_json: &[u8],
    signer: &Signer,
    root: &TrustedRoot,
) -> Result<VerifiedArtifact, BundleError> {
    ring_provider::ensure_installed()?;
    let bundle = parse(bundle_json)?;
    match signer {
        Signer::Keyless { identity, issuer } => {
            let policy = VerificationPolicy::new(identity.as_str(), issuer.as_str());
            let result = verifier(root)?.verify_reader(artifact, &bundle, &policy).map_err(refused)?;
            let signer = VerifiedSigner::Identity { identity: identity.clone(), issuer: issuer.clone() };
            Ok(verified(&bundle, signer, &result))
        }
        Signer::Key { key, log } => verify_by_key(artifact, &bundle, key, *log, root),
    }
}

fn parse(json: &[u8]) -> Result<Bundle, BundleError> {
    if json.is_empty() {
        return Err(BundleError::Unsigned);
    }
    if u32::try_from(json.len()).map_or(true, |len| len > MAX_ARTIFACT_BUNDLE) {
        return Err(BundleError::TooLong { found: json.len(), limit: MAX_ARTIFACT_BUNDLE });
    }
    let text = std::str::from_utf8(json).map_err(|_| BundleError::NotText)?;
    Bundle::from_json(text).map_err(BundleError::Parse)
}

fn verifier(root: &TrustedRoot) -> Result<Verifier, BundleError> {
    Verifier::new(&root.0).map_err(|error| BundleError::TrustedRoot(Box::new(error)))
}

fn refused(error: sigstore_verify::Error) -> BundleError {
    match error {
        sigstore_verify::Error::ArtifactRead(source) => BundleError::Read(source),
        other => BundleError::Refused(Box::new(other)),
    }
}

fn verify_by_key<R: Read>(
    artifact: R,
    bundle: &Bundle,
    key: &PublicKey,
    log: LogPolicy,
    root: &TrustedRoot,
) -> Result<VerifiedArtifact, BundleError> {
    pin_algorithm(bundle)?;
    let material = &bundle.verification_material;
    let has_entry = !material.tlog_entries.is_empty();
    let has_timestamp = !material.timestamp_verification_data.rfc3161_timestamps.is_empty();
    let signer = VerifiedSigner::Key(key.id());
    let policy = PublicKeyVerificationPolicy::new(key.der().clone());
    if has_entry || log == LogPolicy::Required {
        let result = verifier(root)?.verify_reader(artifact, bundle, &policy).map_err(refused)?;
        return Ok(verified(bundle, signer, &result));
    }
    if has_timestamp {
        let policy = policy.skip_tlog_unsafe();
        let result = verifier(root)?.verify_reader(artifact, bundle, &policy).map_err(refused)?;
        return Ok(verified(bundle, signer, &result));
    }
    verify_signature_alone(artifact, bundle, key)?;
    Ok(VerifiedArtifact { signer, content: Content::Signature, is_logged: false, signed_at: None })
}

/// The key decides the hash; without this the bundle's own `messageDigest.algorithm` would (threat u07).
fn pin_algorithm(bundle: &Bundle) -> Result<(), BundleError> {
    match &bundle.content {
        SignatureContent::MessageSignature(signature) => match &signature.message_digest {
            Some(digest) if digest.algorithm != HashAlgorithm::Sha2256 => {
                Err(BundleError::DigestAlgorithm { found: digest.algorithm })
            }
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// A bundle with no evidence of the signing time, which sigstore-verify does not judge: see the module `managed`.
fn verify_signature_alone<R: Read>(artifact: R, bundle: &Bundle, key: &PublicKey) -> Result<(), BundleError> {
    if !matches!(bundle.verification_material.content, VerificationMaterialContent::PublicKey(_)) {
        return Err(BundleError::NotManaged);
    }
    let SignatureContent::MessageSignature(signature) = &bundle.content else {
        return Err(BundleError::NotMessageSignature);
    };
    let crypto = |error: sigstore_crypto::Error| BundleError::Refused(Box::new(error.into()));
    let mut hashers = [ArtifactHasher::new(HashAlgorithm::Sha2256).map_err(crypto)?];
    hash_reader(artifact, &mut hashers).map_err(BundleError::Read)?;
    let [hasher] = hashers;
    let digest = hasher.finalize();
    let is_other = |declared: &sigstore_types::bundle::MessageDigest| declared.digest != digest.as_bytes();
    if signature.message_digest.as_ref().is_some_and(is_other) {
        return Err(BundleError::OtherArtifact);
    }
    key.verification_key()
        .and_then(|verifier| verifier.verify_prehashed(digest.as_bytes(), &signature.signature))
        .map_err(|_| BundleError::WrongSignature { key: key.id() })
}

fn verified(bundle: &Bundle, signer: VerifiedSigner, result: &VerificationResult) -> VerifiedArtifact {
    let content = match &bundle.content {
        SignatureContent::DsseEnvelope(envelope) => {
            Content::Attestation { statement: envelope.payload.as_bytes().to_vec() }
        }
        _ => Content::Signature,
    };
    VerifiedArtifact {
        signer,
        content,
        is_logged: result.tlog_verified(),
        signed_at: result.verified_timestamps().iter().min().copied(),
    }
}
