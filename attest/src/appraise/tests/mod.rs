//! What a policy makes of a boot's facts: attacks by their ids, and recorded boots.

mod banks;
mod command_line;
mod document;
mod firmware;
mod recorded;
mod records;
mod secure_boot;
mod systemd;
mod systemd_whole;

use crate::appraisal::{BootClaims, Outcome};
use crate::digest::HashAlgorithm;
use crate::eventlog::tests::builder::{LogBuilder, good_boot};
use crate::eventlog::{EventLog, MeasuredBoot, measured_boot};
use crate::pcr::PcrIndex;
use crate::policy::Policy;

const BANK: HashAlgorithm = HashAlgorithm::Sha256;

fn agile() -> LogBuilder {
    LogBuilder::agile(&[BANK])
}

fn good() -> LogBuilder {
    good_boot(agile())
}

fn pcr(index: u32) -> PcrIndex {
    PcrIndex::new(index).unwrap()
}

/// A policy that judges PCR 0 to 9 and 11, with more lines for `[quote]` and `[boot]`.
fn policy(quote: &str, boot: &str) -> Policy {
    let text = format!(
        "version = 1\nname = \"test\"\n[trust]\ndevice_roots = [\"r\"]\nreference_keys = [\"k\"]\n[quote]\n\
         pcrs = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11]\n{quote}\n[boot]\nreferences = [\"g\"]\n{boot}\n"
    );
    Policy::parse(&text).unwrap_or_else(|error| panic!("{error}"))
}

/// The boot of a TPM whose every PCR is quoted and has what the log leads to.
fn boot(log: &LogBuilder) -> MeasuredBoot<'_> {
    boot_of(&log.bytes)
}

fn boot_of(bytes: &[u8]) -> MeasuredBoot<'_> {
    let log = EventLog::parse(bytes).unwrap();
    let values = log.replay();
    let banks: Vec<_> = log.banks().collect();
    measured_boot(&log, |bank, index| {
        let start = banks.contains(&bank).then(|| index.start(bank));
        values.get(bank, index).copied().or(start)
    })
}

fn judge_boot(policy: &Policy, boot: &MeasuredBoot<'_>) -> Outcome {
    let judged: Vec<_> = policy.quote.pcrs.clone();
    let facts = boot.facts(policy.quote.bank);
    let mut outcome = Outcome::default();
    super::facts::judge(policy, &judged, &facts, boot, &mut outcome);
    super::bank::judge(policy, &judged, boot, &facts, &mut outcome);
    outcome
}

/// The ids of the reasons against a boot, and of the notes on it.
fn judge(quote: &str, rules: &str, log: &LogBuilder) -> (Vec<&'static str>, Vec<String>) {
    let outcome = judge_boot(&policy(quote, rules), &boot(log));
    (outcome.reasons.iter().map(|reason| reason.id).collect(), outcome.notes)
}

fn reasons(rules: &str, log: &LogBuilder) -> Vec<&'static str> {
    judge("", rules, log).0
}

fn claims(boot: &MeasuredBoot<'_>, bank: HashAlgorithm) -> BootClaims {
    super::claims::boot_claims(&boot.facts(bank))
}

#[test]
fn a_good_boot_has_no_reason_against_it() {
    let (reasons, notes) = judge("", "secure_boot = \"require\"", &good());
    assert_eq!(reasons, Vec::<&str>::new());
    assert_eq!(notes, Vec::<String>::new());
}
