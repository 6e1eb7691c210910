//! `MeasuredBoot + MeasuredFiles ──appraise(&Policy)──▶ Appraisal`: the whole judgement, from bytes to a verdict.
//!
//! Nothing here returns an error: whatever goes wrong while evidence is judged is a reason against it, so that no error
//! path can end in a pass (threat q18).

mod bank;
mod boot;
mod claims;
mod command_line;
mod endorsement;
mod facts;
mod further;
mod ima;
mod named;
mod record;
mod rehearse;
mod release;
mod secure_boot;
mod suggest;

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};

pub use endorsement::{EndorsedKey, EndorsementRefusal, Endorsements};
pub use further::{FurtherRules, RulesInput};
pub use ima::ImaRuleSet;
pub use rehearse::Rehearsal;
pub use suggest::Suggestion;

use crate::appraisal::{Appraisal, Attester, Bound, Outcome, PcrClaim, PcrStanding, Reason};
use crate::challenge::Challenge;
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::measured_logs;
use crate::evidence::{BootLogBytes, BootLogsError, Evidence, Log, MAX_IMA_LIST};
use crate::ima::{Attesting, ImaState, Sight};
use crate::key::{AttestationKey, PublicArea};
use crate::policy::{Policy, QuoteRules, Reaction};
use crate::quote::{Quote, VerifiedQuote};
use crate::reference::TrustedReference;
use record::Record;

/// A verifier's judgement, ready to be applied to any number of devices.
#[derive(Clone, Copy)]
pub struct Appraiser<'a> {
    /// The policy.
    policy: &'a Policy,
    /// SHA-256 over the policy's text and everything that belongs to it.
    policy_digest: Digest,
    /// Reference values that the policy's keys have signed.
    references: &'a [TrustedReference],
    /// Whose devices are trusted.
    endorsements: &'a dyn Endorsements,
    /// The policy's rules for IMA, compiled.
    ima: Option<&'a ImaRuleSet>,
    /// What is kept of the device's IMA list.
    ima_state: Option<&'a ImaState>,
    /// Rules beyond the policy's own fields.
    further: Option<&'a dyn FurtherRules>,
}

impl<'a> Appraiser<'a> {
    /// An appraiser for `policy`. `inputs` are the bytes that make up the policy: its text, roots, keys and references;
    /// their digest is what a permit is bound to.
    #[must_use]
    pub fn new(
        policy: &'a Policy,
        inputs: &[&[u8]],
        references: &'a [TrustedReference],
        endorsements: &'a dyn Endorsements,
    ) -> Self {
        Self::with_digest(policy, policy_digest(inputs), references, endorsements)
    }

    /// The same for a policy whose [`policy_digest`] is known already: hashing a policy's files for every device would cost
    /// more than judging it.
    #[must_use]
    pub fn with_digest(
        policy: &'a Policy,
        policy_digest: Digest,
        references: &'a [TrustedReference],
        endorsements: &'a dyn Endorsements,
    ) -> Self {
        Self { policy, policy_digest, references, endorsements, ima: None, ima_state: None, further: None }
    }

    /// The same with the policy's rules for files. Without them the references' files are the only ones that count.
    #[must_use]
    pub fn with_ima_rules(self, rules: &'a ImaRuleSet) -> Self {
        Self { ima: Some(rules), ..self }
    }

    /// The same for one device whose list was believed up to `state`: its evidence may have the rest only (threat i11), and what was
    /// seen then is proven to have been measured before (threat i18).
    #[must_use]
    pub fn with_ima_state(self, state: &'a ImaState) -> Self {
        Self { ima_state: Some(state), ..self }
    }

    /// The same with the rules of the policy's Rego files. A policy that names such files and gets no rules refuses every device.
    #[must_use]
    pub fn with_further_rules(self, rules: &'a dyn FurtherRules) -> Self {
        Self { further: Some(rules), ..self }
    }

    /// SHA-256 over the policy and everything that belongs to it.
    #[must_use]
    pub fn policy_digest(&self) -> &Digest {
        &self.policy_digest
    }

    /// Judges evidence that should answer `challenge`. `now` is the verifier's time.
    ///
    /// The challenge is used up, whatever the verdict (threat q03).
    #[must_use]
    pub fn appraise(&self, evidence: &[u8], challenge: Challenge, now: Timestamp) -> Appraisal {
        let mut outcome = Outcome::default();
        let evidence_digest = HashAlgorithm::Sha256.digest(evidence);
        let bound = Bound { nonce: challenge.nonce().clone(), evidence: evidence_digest };
        if let Err(stop) = self.judge(evidence, challenge, now, &mut outcome) {
            match stop {
                Stop::Refused(reason) => outcome.reasons.push(*reason),
                Stop::CannotTell(reason) => outcome.doubts.push(*reason),
            }
        } else {
            further::judge(self.policy, self.further, &mut outcome);
        }
        let lifetime = SignedDuration::from_secs(i64::from(self.policy.result.lifetime_seconds));
        Appraisal::new(outcome, self.policy_digest, bound, now, lifetime)
    }

    /// The pipeline. What stops it is a reason; what later steps find is collected in `outcome`.
    fn judge(
        &self,
        evidence: &[u8],
        challenge: Challenge,
        now: Timestamp,
        outcome: &mut Outcome,
    ) -> Result<(), Stop> {
        let evidence =
            Evidence::parse(evidence).map_err(|error| refuse(error.threat(), "evidence", &error))?;
        let (key, device_id) = self.attestation_key(&evidence, now)?;
        outcome.claims.device_id = Some(device_id.clone());
        let name = key.name();
        let attester = name.to_string();
        outcome.claims.attestation_key = Some(attester.clone());
        let quote = verify_quote(&evidence, challenge, now, &key)?;
        outcome.claims.clock = Some(quote.clock());
        self.check_coverage(&quote)?;
        let clock = quote.clock();
        self.check_clock(&quote, outcome);
        self.check_restarts(&quote, outcome);
        let reset_count = clock.reset_count;
        outcome.attester =
            Some(Attester { device_id, key: name, reset_count, restart_count: clock.restart_count });
        outcome.key = Some(key.public().key().clone());
        let bytes = BootLogBytes::of(&evidence).map_err(|error| refuse_log(&error))?;
        let logs = bytes.parse().map_err(|error| refuse_log(&error))?;
        let boot = logs.map(|logs| measured_logs(logs, |bank, pcr| quote.value(bank, pcr).copied()));
        let attester = key.name().to_string();
        let attesting = Attesting { attester: &attester, reset_count, policy: &self.policy_digest };
        let sight = Sight { now, clock_ms: clock.clock_ms, restart_count: clock.restart_count };
        let record = Record::of(self.ima_state, attesting, sight, outcome);
        let releases = boot::judge(self.policy, self.references, &quote, boot.as_ref(), record, outcome);
        // Without rules for it no list is looked at, and none is inflated.
        let ima = evidence.ima.as_ref().filter(|_| self.policy.ima.is_some());
        let list = plain("IMA list", ima.map(|ima| &ima.list), MAX_IMA_LIST)?;
        let none = ImaRuleSet::default();
        let compiled = self.ima.unwrap_or(&none);
        let part = ima::Part {
            list: list.as_deref(),
            boot: boot.as_ref(),
            start: ima.and_then(|ima| ima.start.as_ref()),
            state: self.ima_state,
            attesting,
            record,
        };
        ima::judge(self.policy, compiled, &releases, &quote, part, outcome);
        refuse_unexplained(&self.policy.quote, outcome);
        Ok(())
    }

    /// The key in the evidence, once a trusted authority vouches that it lives in a TPM of a named device.
    fn attestation_key(&self, evidence: &Evidence, now: Timestamp) -> Result<(AttestationKey, String), Stop> {
        let chain: Vec<&[u8]> = evidence.certificates.iter().map(|der| der.as_slice()).collect();
        let endorsed = self.endorsements.attestation_key(&chain, now).map_err(|refusal| {
            let reason = Box::new(Reason {
                id: refusal.id,
                what: refusal.what,
                place: "certificate chain".to_owned(),
                expected: refusal.expected,
                found: refusal.found,
            });
            if refusal.clock_not_set { Stop::CannotTell(reason) } else { Stop::Refused(reason) }
        })?;
        let public = PublicArea::parse(&evidence.attestation_key)
            .map_err(|error| refuse("q08", "attestation key", &error))?;
        let key = AttestationKey::new(public, &endorsed.key)
            .map_err(|error| refuse(error.threat(), "attestation key", &error))?;
        Ok((key, endorsed.device_id))
    }

    /// Every PCR that the policy judges must be quoted; this is decided before any log is read (threat q05).
    fn check_coverage(&self, quote: &VerifiedQuote) -> Result<(), Stop> {
        let bank = self.policy.quote.bank;
        let missing: Vec<_> =
            self.policy.quote.pcrs.iter().filter(|pcr| quote.value(bank, **pcr).is_none()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let list = |pcrs: &mut dyn Iterator<Item = String>| pcrs.collect::<Vec<_>>().join(",");
        let quoted =
            list(&mut quote.values().filter(|(_, v)| v.algorithm() == bank).map(|(pcr, _)| pcr.to_string()));
        Err(Stop::Refused(Box::new(Reason {
            id: "q05",
            what: format!(
                "the quote misses PCR {} of bank {bank}",
                list(&mut missing.iter().map(|pcr| pcr.to_string()))
            ),
            place: "quote".to_owned(),
            expected: list(&mut self.policy.quote.pcrs.iter().map(ToString::to_string)),
            found: if quoted.is_empty() { format!("no PCR of bank {bank}") } else { quoted },
        })))
    }

    /// Suspending, resuming and hibernating count as restarts: what ran before them is not measured anew (threat q11).
    fn check_restarts(&self, quote: &VerifiedQuote, outcome: &mut Outcome) {
        let restarts = quote.clock().restart_count;
        if restarts == 0 {
            return;
        }
        let reason = Reason {
            id: "q11",
            what: "the TPM was suspended or restarted since its last reset".to_owned(),
            place: "quote".to_owned(),
            expected: "restart count 0".to_owned(),
            found: restarts.to_string(),
        };
        match self.policy.quote.restarts {
            Reaction::Report => outcome.report(&reason),
            Reaction::Refuse => outcome.reasons.push(reason),
        }
    }

    fn check_clock(&self, quote: &VerifiedQuote, outcome: &mut Outcome) {
        if quote.clock().safe {
            return;
        }
        let what = "the TPM can't vouch that its clock did not go back";
        match self.policy.quote.unsafe_clock {
            Reaction::Report => outcome.report_as("q11", what.to_owned()),
            Reaction::Refuse => outcome.reasons.push(Reason {
                id: "q11",
                what: what.to_owned(),
                place: "quote".to_owned(),
                expected: "safe".to_owned(),
                found: "not safe".to_owned(),
            }),
        }
    }
}

/// The last line: whatever was judged before, a judged PCR that nothing explains is never part of a pass (threat e15).
fn refuse_unexplained(rules: &QuoteRules, outcome: &mut Outcome) {
    if !outcome.reasons.is_empty() {
        return;
    }
    let unexplained = |claim: &&PcrClaim| match claim.standing {
        PcrStanding::Unexplained => claim.judged,
        PcrStanding::Differs => claim.judged && !rules.tolerate.contains(&claim.pcr),
        _ => false,
    };
    let reasons: Vec<_> = outcome
        .claims
        .pcrs
        .iter()
        .filter(unexplained)
        .map(|claim| Reason {
            id: "e15",
            what: "nothing explains its value".to_owned(),
            place: format!("PCR {} ({})", claim.pcr, claim.bank),
            expected: String::new(),
            found: claim.value.to_hex(),
        })
        .collect();
    outcome.reasons.extend(reasons);
}

fn verify_quote(
    evidence: &Evidence,
    challenge: Challenge,
    now: Timestamp,
    key: &AttestationKey,
) -> Result<VerifiedQuote, Stop> {
    let quote = Quote { message: &evidence.quote.message, signature: &evidence.quote.signature };
    quote
        .verify(challenge, now, key, &evidence.quote.pcr_values)
        .map_err(|error| refuse(error.threat(), "quote", &error))
}

/// A log's plain bytes.
fn plain<'a>(place: &str, log: Option<&'a Log>, most: usize) -> Result<Option<Cow<'a, [u8]>>, Stop> {
    log.map(|log| log.bytes(most)).transpose().map_err(|error| refuse(error.threat(), place, &error))
}

/// A log that can't be read.
fn refuse_log(error: &BootLogsError) -> Stop {
    refuse(error.threat(), error.place(), error)
}

/// What ends a judgement early.
enum Stop {
    Refused(Box<Reason>),
    CannotTell(Box<Reason>),
}

/// A stage's error as a reason. Its text carries what was expected and found.
fn refuse(id: &'static str, place: &str, error: &dyn std::error::Error) -> Stop {
    let text = error.to_string();
    // Many errors begin with their place, which stands in a field of its own here.
    let what = text.strip_prefix(place).and_then(|text| text.strip_prefix(": ")).unwrap_or(&text).to_owned();
    Stop::Refused(Box::new(Reason {
        id,
        what,
        place: place.to_owned(),
        expected: String::new(),
        found: String::new(),
    }))
}

/// The digest of a policy: SHA-256 over its text and the files that belong to it, each with its length before it, so that no two
/// different sets have one digest.
#[must_use]
pub fn policy_digest(inputs: &[&[u8]]) -> Digest {
    let lengths: Vec<_> =
        inputs.iter().map(|input| u64::try_from(input.len()).unwrap_or(u64::MAX).to_be_bytes()).collect();
    let parts: Vec<&[u8]> =
        lengths.iter().zip(inputs).flat_map(|(length, input)| [length.as_slice(), input]).collect();
    HashAlgorithm::Sha256.digest_parts(&parts)
}

#[cfg(test)]
mod tests;
