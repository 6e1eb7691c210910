//! An appraisal: the verdict, the claims behind it, and every reason with its place.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::digest::{Digest, HashAlgorithm};
use crate::key::Name;
use crate::pcr::PcrIndex;
use crate::quote::ClockInfo;

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

/// One reason against a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Row of threats.md (`q03`), or the policy's rule (`reference`, `secure-boot`, …).
    pub id: &'static str,
    /// What is wrong, in words.
    pub what: String,
    /// Where: a PCR, an event, a line, a certificate.
    #[serde(rename = "where")]
    pub place: String,
    /// What should have been there.
    pub expected: String,
    /// What was there.
    pub found: String,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, what, place, expected, found } = self;
        write!(f, "[{id}] {place}: {what}")?;
        if !expected.is_empty() {
            write!(f, "; expected {expected}")?;
        }
        if !found.is_empty() {
            write!(f, "; found {found}")?;
        }
        Ok(())
    }
}

/// What is known of one quoted PCR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum PcrStanding {
    /// Events explain its value, and a reference has it.
    Known,
    /// Events explain its value; the policy does not judge it, or no reference has it.
    Explained,
    /// Nothing was ever measured into it.
    Untouched,
    /// No event explains its value (threat e15).
    Unexplained,
    /// The events lead to another value (threat e01).
    Differs,
}

/// A quoted PCR with its standing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PcrClaim {
    /// The bank.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub bank: HashAlgorithm,
    /// The index.
    #[cfg_attr(feature = "schema", schemars(with = "u8"))]
    pub pcr: PcrIndex,
    /// The quoted value.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub value: Digest,
    /// What is known of it.
    pub standing: PcrStanding,
    /// Whether the policy judges it.
    pub judged: bool,
}

/// What the IMA list showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ImaClaims {
    /// Entries that the quote covers.
    pub attested: usize,
    /// Entries after those: measured since, not yet attested (threat i02).
    pub not_yet_attested: usize,
    /// Violations among the attested.
    pub violations: usize,
    /// Attested files that no reference knows.
    pub unknown_files: usize,
}

/// Everything that was established before or while the verdict was reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Claims {
    /// The device's name out of its certificate.
    pub device_id: Option<String>,
    /// The attestation key's Name, in hex.
    pub attestation_key: Option<String>,
    /// Boot counters and clock of the TPM.
    pub clock: Option<ClockInfo>,
    /// Secure boot, if the log proves it either way.
    pub secure_boot: Option<bool>,
    /// Product and release of the reference that matched.
    pub release: Option<String>,
    /// The quoted PCRs.
    pub pcrs: Vec<PcrClaim>,
    /// The IMA list, if there was one.
    pub ima: Option<ImaClaims>,
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
    verdict: Verdict,
    reasons: Vec<Reason>,
    notes: Vec<String>,
    claims: Claims,
    attester: Option<Attester>,
    policy_digest: Digest,
    appraised: Timestamp,
    lifetime: SignedDuration,
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
        appraised: Timestamp,
        lifetime: SignedDuration,
    ) -> Self {
        let Outcome { reasons, doubts, notes, claims, attester } = outcome;
        // A pass needs everything: no reason, no doubt, and an attester that was identified.
        let verdict = match (reasons.is_empty(), doubts.is_empty(), &attester) {
            (true, true, Some(_)) => Verdict::Trusted,
            (false, _, _) => Verdict::Refused,
            (true, _, _) => Verdict::CannotTell,
        };
        let reasons = [reasons, doubts].concat();
        Self { verdict, reasons, notes, claims, attester, policy_digest, appraised, lifetime }
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

    /// SHA-256 over the policy and everything that belongs to it.
    #[must_use]
    pub fn policy_digest(&self) -> &Digest {
        &self.policy_digest
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
    pub(crate) reasons: Vec<Reason>,
    pub(crate) doubts: Vec<Reason>,
    pub(crate) notes: Vec<String>,
    pub(crate) claims: Claims,
    pub(crate) attester: Option<Attester>,
}
