//! An appraisal: the verdict, the claims behind it, and every reason with its place.

mod boot_claims;
mod bounds;
mod claims;
mod reason;
mod reported;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

pub use boot_claims::{
    AuthorityClaim, BootClaims, CertificateClaim, EfiStubClaim, ExitBootServicesClaim, FaultClaim,
    FileSystemClaim, FirmwareClaims, ImageClaims, KernelClaims, KeyDatabaseClaim, MisplacedClaim,
    SbatLevelClaim, SecureBootClaims, SecureBootState, ShimClaims, SystemClaims, UkiSectionClaim,
};
pub use claims::{Claims, ImaClaims, LapsedClaim, PcrClaim, PcrStanding, RecordClaim};
pub use reason::Reason;
pub(crate) use reported::Reported;

use crate::challenge::Nonce;
use crate::digest::Digest;
use crate::ima::ImaState;
use crate::key::{Name, PublicKey};

/// What the verifier says of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Verdict {
    /// Every rule of the policy holds.
    Trusted,
    /// At least one does not.
    Refused,
    /// The judgement could not be made, e.g. since the clock is not set. It is never a pass.
    CannotTell,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Trusted => "trusted",
            Self::Refused => "refused",
            Self::CannotTell => "cannot-tell",
        })
    }
}

/// A verdict with its claims and reasons. Only an [`Appraiser`](crate::appraise::Appraiser) makes one:
/// ```compile_fail
/// # use attest::appraisal::*;
/// # fn f(mut appraisal: Appraisal) -> Appraisal {
/// appraisal.verdict = Verdict::Trusted;
/// # appraisal
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appraisal {
    ima_state: Option<ImaState>,
    verdict: Verdict,
    reasons: Vec<Reason>,
    notes: Vec<String>,
    reported: BTreeSet<Reported>,
    refusals: BTreeSet<&'static str>,
    claims: Claims,
    attester: Option<Attester>,
    key: Option<PublicKey>,
    policy_digest: Digest,
    bound: Bound,
    appraised: Timestamp,
    lifetime: SignedDuration,
}

/// What an appraisal is about: these bytes, as the answer to this nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) nonce: Nonce,
    pub(crate) evidence: Digest,
}

/// Which TPM, in which of its boots: what a permit is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attester {
    /// The device's name out of its certificate.
    pub device_id: String,
    /// The attestation key's Name.
    pub key: Name,
    /// TPM resets so far, of the boot that was judged.
    pub reset_count: u32,
    /// Restarts and resumes since that reset.
    pub restart_count: u32,
}

impl Appraisal {
    pub(crate) fn new(
        outcome: Outcome,
        policy_digest: Digest,
        bound: Bound,
        appraised: Timestamp,
        lifetime: SignedDuration,
    ) -> Self {
        let Outcome { reasons, doubts, notes, reported, claims, attester, key, ima_state } = outcome;
        let refusals = reasons.iter().map(|reason| reason.id).collect();
        // A pass needs everything: no reason, no doubt, and an attester that was identified.
        let verdict = match (reasons.is_empty(), doubts.is_empty(), &attester) {
            (true, true, Some(_)) => Verdict::Trusted,
            (false, _, _) => Verdict::Refused,
            (true, _, _) => Verdict::CannotTell,
        };
        let (reasons, notes) = (bounds::bounded([reasons, doubts].concat()), bounds::bounded_notes(notes));
        // Who was refused sends the whole list again: no later part hides an earlier one.
        let ima_state = ima_state.filter(|_| verdict == Verdict::Trusted);
        Self {
            verdict,
            reasons,
            notes,
            reported,
            refusals,
            claims,
            attester,
            key,
            ima_state,
            policy_digest,
            bound,
            appraised,
            lifetime,
        }
    }

    /// The verdict.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Every reason against the device; empty when it is trusted.
    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// What the policy only wants reported.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What the notes are about that a rule of the policy wanted reported only; all of them, also where notes were cut.
    pub(crate) fn reported(&self) -> &BTreeSet<Reported> {
        &self.reported
    }

    /// The ids of all reasons against the device, also of those that were cut.
    pub(crate) fn refusals(&self) -> &BTreeSet<&'static str> {
        &self.refusals
    }

    /// What to keep of the device after a pass: when its boot was seen, and of its IMA list, if one was judged, where the rest may begin
    /// that its next evidence has.
    #[must_use]
    pub fn ima_state(&self) -> Option<&ImaState> {
        self.ima_state.as_ref()
    }

    /// What was established.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Which TPM and boot; `None` when the evidence did not get that far.
    #[must_use]
    pub fn attester(&self) -> Option<&Attester> {
        self.attester.as_ref()
    }

    /// The attestation key that has signed the quote; `None` as for [`attester`](Self::attester).
    #[must_use]
    pub fn attestation_key(&self) -> Option<&PublicKey> {
        self.key.as_ref()
    }

    /// SHA-256 over the policy and everything that belongs to it.
    #[must_use]
    pub fn policy_digest(&self) -> &Digest {
        &self.policy_digest
    }

    /// The nonce that the evidence had to answer.
    #[must_use]
    pub fn nonce(&self) -> &Nonce {
        &self.bound.nonce
    }

    /// SHA-256 over the evidence.
    #[must_use]
    pub fn evidence_digest(&self) -> &Digest {
        &self.bound.evidence
    }

    /// When it was made, by the verifier's clock.
    #[must_use]
    pub fn appraised(&self) -> Timestamp {
        self.appraised
    }

    /// How long the policy lets it count.
    #[must_use]
    pub fn lifetime(&self) -> SignedDuration {
        self.lifetime
    }
}

/// What an appraiser collects on its way to a verdict.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) ima_state: Option<ImaState>,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) doubts: Vec<Reason>,
    pub(crate) notes: Vec<String>,
    pub(crate) reported: BTreeSet<Reported>,
    pub(crate) claims: Claims,
    pub(crate) attester: Option<Attester>,
    pub(crate) key: Option<PublicKey>,
}
