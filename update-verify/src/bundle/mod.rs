//! Sigstore bundles: one JSON document with a signature and what is needed to believe it.
//!
//! - [`verify_managed`] and [`sign_managed`]: a document signed with a key that the verifier already has. Offline,
//!   no log, as strict as the device needs it. Packages, policies and reference values go this way.
//! - [`verify_artifact`]: any artifact with a bundle made by sigstore's clients, by key or keyless, streamed.

mod artifact;
mod key;
mod managed;
mod ring_provider;
#[cfg(test)]
mod tests;

use sigstore_types::{HashAlgorithm, MediaType};

pub use artifact::{
    Content, LogPolicy, Signer, TrustedRoot, VerifiedArtifact, VerifiedSigner, verify_artifact,
};
pub use key::{KeyError, KeyId, PublicKey};
pub use managed::{MAX_BUNDLE, SignedBy, sign_managed, verify_managed};

/// Why a bundle was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// There is no bundle.
    #[error("it is not signed")]
    Unsigned,
    /// Longer than the limit.
    #[error("the bundle has {found} bytes, more than {limit}")]
    TooLong {
        /// Its length in bytes.
        found: usize,
        /// The limit in bytes.
        limit: u32,
    },
    /// Not UTF-8.
    #[error("the bundle is not text")]
    NotText,
    /// Not a sigstore bundle.
    #[error("the bundle can't be read: {0}")]
    Parse(#[source] sigstore_types::Error),
    /// A field is missing, unknown, repeated or of another type.
    #[error("the bundle has another shape than a managed key's: {0}")]
    Shape(#[source] serde_json::Error),
    /// A value is spelled in another way than the one that the format allows.
    #[error("the bundle's {field} is not in its one spelling")]
    Spelling {
        /// The field.
        field: &'static str,
    },
    /// Another bundle version than the one that documents of this toolkit use.
    #[error("the bundle is of kind {found}, expected {}", MediaType::Bundle0_3)]
    Version {
        /// The media type that it names.
        found: MediaType,
    },
    /// It carries a certificate where a managed key's hint is expected.
    #[error("the bundle carries a certificate; expected is a signature by a managed key")]
    NotManaged,
    /// It is an attestation about something, not a signature of the document itself.
    #[error("the bundle is an attestation (DSSE); expected is a signature of the document itself")]
    NotMessageSignature,
    /// It carries log entries or timestamps, which a managed document has no use for.
    #[error("the bundle carries log entries or timestamps, which are not judged offline")]
    UnjudgedEvidence,
    /// The digest is missing.
    #[error("the bundle names no digest of what it signs")]
    NoDigest,
    /// The bundle asks for another hash than the key's.
    #[error("the bundle asks for {found}; the key's signatures are over SHA2_256")]
    DigestAlgorithm {
        /// What it asks for.
        found: HashAlgorithm,
    },
    /// The bundle is about other bytes.
    #[error("the bundle is about another document: its digest differs")]
    OtherArtifact,
    /// The hint names none of the trusted keys.
    #[error("signed by key {hint:?}, which is none of the trusted keys")]
    UnknownKey {
        /// The hint; not authenticated.
        hint: String,
    },
    /// The signature is not the key's over these bytes.
    #[error("the signature is not one by key {key} over these bytes")]
    WrongSignature {
        /// The trusted key that the hint names.
        key: KeyId,
    },
    /// sigstore-verify did not accept it.
    #[error("the bundle was not accepted: {0}")]
    Refused(#[source] Box<sigstore_verify::Error>),
    /// The trust root can't be used.
    #[error("the trusted root can't be used: {0}")]
    TrustedRoot(#[source] Box<sigstore_verify::Error>),
    /// The trust root is not one.
    #[error("no trusted root: {0}")]
    TrustedRootParse(#[source] Box<sigstore_trust_root::Error>),
    /// Reading the artifact failed.
    #[error("the artifact can't be read: {0}")]
    Read(#[source] std::io::Error),
    /// Another library took sigstore's cryptography over before this one was used.
    #[error("another cryptographic provider is installed for sigstore in this process")]
    ForeignProvider,
}

impl BundleError {
    /// Whether the bundle, or the root that judges it, was found bad, as opposed to: could not be judged.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        !matches!(self, Self::Read(_) | Self::ForeignProvider)
    }

    /// The id of the attack that this refusal answers.
    #[must_use]
    pub fn threat(&self) -> Option<&'static str> {
        use sigstore_verify::Error;
        Some(match self {
            Self::Unsigned | Self::UnknownKey { .. } | Self::WrongSignature { .. } | Self::NotManaged => {
                "u01"
            }
            Self::TooLong { .. } => "u09",
            Self::DigestAlgorithm { .. } => "u07",
            Self::NotMessageSignature | Self::OtherArtifact => "u14",
            Self::Parse(_)
            | Self::NotText
            | Self::Shape(_)
            | Self::NoDigest
            | Self::Version { .. }
            | Self::Spelling { .. } => "u03",
            Self::UnjudgedEvidence => "u15",
            Self::Refused(error) => match **error {
                Error::ArtifactMismatch(_) => "u14",
                Error::TransparencyLog(_) | Error::Timestamp(_) => "u15",
                Error::Bundle(ref structure) if is_about_the_log(structure) => "u15",
                _ => "u01",
            },
            Self::Read(_) | Self::TrustedRoot(_) | Self::TrustedRootParse(_) | Self::ForeignProvider => {
                return None;
            }
        })
    }
}

/// Whether a bundle lacks log entries or timestamps, or carries ones that contradict themselves.
const fn is_about_the_log(error: &sigstore_bundle::Error) -> bool {
    use sigstore_bundle::Error;
    matches!(
        error,
        Error::MissingInclusionPromise(_)
            | Error::MissingInclusionProof(_)
            | Error::MissingCheckpoint
            | Error::MissingSigningTimeEvidence
            | Error::MissingTimestamp
            | Error::LogIndexOutOfRange { .. }
            | Error::CheckpointRootMismatch
    )
}
