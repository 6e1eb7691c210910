//! The measured boot against the policy and the reference values.

use super::bank;
use super::facts::{self, refuse_unless_tolerated};
use super::record::Record;
use super::release::{self, Judged, Releases};
use crate::appraisal::{Outcome, PcrClaim, PcrStanding, Reason};
use crate::cel;
use crate::digest::HashAlgorithm;
use crate::eventlog::{MeasuredBoot, PcrVerdict};
use crate::pcr::PcrIndex;
use crate::policy::Policy;
use crate::quote::VerifiedQuote;
use crate::reference::TrustedReference;

/// Judges the boot and returns the references that it matches.
pub(super) fn judge<'r>(
    policy: &Policy,
    references: &'r [TrustedReference],
    quote: &VerifiedQuote,
    boot: Option<&MeasuredBoot<'_>>,
    record: Record<'_>,
    outcome: &mut Outcome,
) -> Releases<'r> {
    let bank = policy.quote.bank;
    let judged: Vec<_> = policy.quote.pcrs.iter().copied().filter(|pcr| *pcr != PcrIndex::IMA).collect();
    for pcr in &judged {
        match explain(bank, *pcr, quote, boot) {
            // What no event explains is never tolerated: it is a verdict of its own (threat e15).
            Some(reason) if reason.id == "e01" => refuse_unless_tolerated(policy, *pcr, reason, outcome),
            Some(reason) => outcome.reasons.push(reason),
            None => {}
        }
    }
    if !judged.iter().any(|pcr| boot.is_some_and(|boot| boot.matches(bank, *pcr))) {
        outcome.reasons.push(nothing_measured(bank));
    }
    let shown = Judged::new(policy, &judged, quote, boot);
    let releases = release::find(policy, references, &shown, record, outcome);
    list_claims(policy, releases.matching(), &shown, outcome);
    if let Some(boot) = boot {
        let facts = boot.facts(bank);
        facts::judge(policy, &judged, &facts, boot, outcome);
        bank::judge(policy, &judged, boot, &facts, outcome);
        tell_nv_indexes(boot, outcome);
    } else {
        facts::judge_without_log(&policy.boot, outcome);
    }
    releases
}

/// Says that the logs have records that no quote covers: of NV indexes that serve as PCRs (systemd's NvPCRs).
fn tell_nv_indexes(boot: &MeasuredBoot<'_>, outcome: &mut Outcome) {
    let records = boot.unverified_logs().measurements().iter().flat_map(cel::Log::records);
    let count = records.filter(|record| matches!(record.register(), cel::Register::NvIndex(_))).count();
    let what = match count {
        0 => return,
        1 => "1 record of an NV index".to_owned(),
        count => format!("{count} records of NV indexes"),
    };
    outcome
        .notes
        .push(format!("{what} in the measurement log: no quote of PCRs covers it, nothing is decided by it"));
}

/// Why the events do not explain a judged PCR; `None` when they do (threats e01, e15).
fn explain(
    bank: HashAlgorithm,
    pcr: PcrIndex,
    quote: &VerifiedQuote,
    boot: Option<&MeasuredBoot<'_>>,
) -> Option<Reason> {
    let place = format!("PCR {pcr} ({bank})");
    let verdict = match boot {
        Some(boot) => boot.verdict(bank, pcr).copied(),
        None => quote.value(bank, pcr).map(|quoted| {
            if *quoted == pcr.start(bank) {
                PcrVerdict::Untouched { value: *quoted }
            } else {
                PcrVerdict::Unexplained { quoted: *quoted }
            }
        }),
    };
    match verdict {
        Some(PcrVerdict::Matches { .. } | PcrVerdict::Untouched { .. }) => None,
        Some(PcrVerdict::Differs { quoted, replayed, events }) => Some(Reason {
            id: "e01",
            what: boot.and_then(|boot| boot.diagnose(bank, pcr)).map_or_else(
                || format!("its {events} events do not lead to the quoted value"),
                |found| format!("its {events} events do not lead to the quoted value: {found}"),
            ),
            place,
            expected: replayed.to_hex(),
            found: quoted.to_hex(),
        }),
        Some(PcrVerdict::Unexplained { quoted }) => Some(Reason {
            id: "e15",
            what: if boot.is_some() {
                "no event explains its value"
            } else {
                "there is no event log to explain its value"
            }
            .to_owned(),
            place,
            expected: pcr.start(bank).to_hex(),
            found: quoted.to_hex(),
        }),
        // Coverage was checked before: a judged PCR without a verdict is a fault of ours, and never a pass.
        None => Some(Reason {
            id: "q05",
            what: "it is judged, but not quoted".to_owned(),
            place,
            expected: "a quoted value".to_owned(),
            found: "none".to_owned(),
        }),
    }
}

/// PCRs that nobody extended have their start value on every machine: alone they prove nothing about a boot.
fn nothing_measured(bank: HashAlgorithm) -> Reason {
    Reason {
        id: "e15",
        what: "no judged PCR was measured into, so nothing is known of the boot".to_owned(),
        place: format!("bank {bank}"),
        expected: "a PCR that events of the log explain".to_owned(),
        found: "none".to_owned(),
    }
}

fn list_claims(
    policy: &Policy,
    matching: &[&TrustedReference],
    shown: &Judged<'_, '_>,
    outcome: &mut Outcome,
) {
    outcome.claims.pcrs = shown
        .quote
        .values()
        .map(|(pcr, value)| {
            let bank = value.algorithm();
            let judged = bank == policy.quote.bank && policy.quote.pcrs.contains(&pcr);
            let verdict = shown.boot.and_then(|boot| boot.verdict(bank, pcr));
            let known = judged && matching.iter().any(|reference| shown.fits(reference.values(), pcr));
            let standing = match verdict {
                Some(PcrVerdict::Differs { .. }) => PcrStanding::Differs,
                Some(PcrVerdict::Matches { .. }) if known => PcrStanding::Known,
                Some(PcrVerdict::Matches { .. }) => PcrStanding::Explained,
                _ if *value == pcr.start(bank) => PcrStanding::Untouched,
                _ => PcrStanding::Unexplained,
            };
            PcrClaim { bank, pcr, value: *value, standing, judged }
        })
        .collect();
}
