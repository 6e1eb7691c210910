//! What a result says, whatever its form.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{BoundKey, MAX_REASONS, MAX_TEXT, Tier, TrustVector};
use crate::appraisal::Appraisal;
use crate::challenge::Nonce;
use crate::digest::Digest;

/// Who judged: AR4SI §2.2.4.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifierId {
    /// Who made the verifier's software.
    pub developer: String,
    /// Which software it is, with its version.
    pub build: String,
}

/// The claims of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultClaims {
    /// When the device was judged; whole seconds.
    pub issued: Timestamp,
    /// When the verdict ends.
    pub expires: Timestamp,
    /// The challenge that the evidence answered.
    pub nonce: Nonce,
    /// Who judged.
    pub verifier: VerifierId,
    /// The device's name, or [`UNIDENTIFIED`](super::UNIDENTIFIED).
    pub device: String,
    /// The key that signed the quote; absent when the evidence did not get that far.
    pub key: Option<BoundKey>,
    /// What is said of the device on the whole.
    pub status: Tier,
    /// What is said of its aspects.
    pub vector: TrustVector,
    /// SHA-256 over the policy and everything that belongs to it.
    pub policy: Digest,
    /// Hallmark's own claims.
    pub facts: Facts,
}

/// Hallmark's own claims, in a map `hallmark` of the submodule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// SHA-256 over the evidence.
    pub evidence: Digest,
    /// TPM resets and restarts of the boot that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<[u32; 2]>,
    /// Secure boot, where the log proves it either way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secure_boot: Option<bool>,
    /// Product and release of the reference that matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Why the device was refused: the first reasons, shortened.
    #[serde(
        default,
        deserialize_with = "crate::bounded::list::<MAX_REASONS, _, _>",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub reasons: Vec<FoundReason>,
}

/// One reason against a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundReason {
    /// Row of the threat model, or the policy's rule.
    pub id: String,
    /// Where.
    pub r#where: String,
    /// What is wrong.
    pub what: String,
}

impl Facts {
    pub(super) fn of(appraisal: &Appraisal) -> Self {
        let short = |text: &str| text.chars().take(MAX_TEXT).collect::<String>();
        let reason = |reason: &crate::appraisal::Reason| FoundReason {
            id: reason.id.to_owned(),
            r#where: short(&reason.place),
            what: short(&reason.what),
        };
        Self {
            evidence: *appraisal.evidence_digest(),
            boot: appraisal.attester().map(|attester| [attester.reset_count, attester.restart_count]),
            secure_boot: appraisal.claims().secure_boot,
            release: appraisal.claims().release.as_deref().map(short),
            reasons: appraisal.reasons().iter().take(MAX_REASONS).map(reason).collect(),
        }
    }
}
