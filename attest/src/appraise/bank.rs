//! Whether the firmware extended the banks at all (threat q14): into one that it left alone, software replays any log.

use super::facts::{react, refuse_unless_tolerated};
use crate::appraisal::{Outcome, Reason};
use crate::digest::HashAlgorithm;
use crate::eventlog::{Facts, MeasuredBoot, PcrVerdict};
use crate::pcr::PcrIndex;
use crate::policy::{Policy, Tolerance};

/// Firmware extends PCR 0 to 7 in every active bank, with a separator at least (PFP 1.06 §3.3.4).
pub(super) fn judge(
    policy: &Policy,
    judged: &[PcrIndex],
    boot: &MeasuredBoot<'_>,
    facts: &Facts<'_>,
    outcome: &mut Outcome,
) {
    let bank = policy.quote.bank;
    for pcr in judged.iter().filter(|pcr| is_firmwares(**pcr)) {
        if let Some(PcrVerdict::Untouched { value }) = boot.verdict(bank, *pcr) {
            let reason = Reason {
                id: "q14",
                what:
                    "the firmware never extended it in this bank, so that software can replay any log into it"
                        .to_owned(),
                place: format!("PCR {pcr} ({bank})"),
                expected: "the firmware's events and its separator".to_owned(),
                found: value.to_hex(),
            };
            refuse_unless_tolerated(policy, *pcr, reason, outcome);
        }
    }
    judge_beginning(policy, judged, facts, outcome);
    judge_other_banks(policy, boot, outcome);
    judge_other_values(policy, judged, boot, outcome);
}

/// The same boot extended every bank. A log that tells another one than a bank holds lies about that bank, or about the
/// judged one: which of the two the firmware left to software, nobody can tell.
fn judge_other_values(policy: &Policy, judged: &[PcrIndex], boot: &MeasuredBoot<'_>, outcome: &mut Outcome) {
    let is_judged = |bank: HashAlgorithm, pcr: PcrIndex| {
        bank != policy.quote.bank && is_firmwares(pcr) && judged.contains(&pcr)
    };
    for (bank, pcr, verdict) in boot.verdicts().filter(|(bank, pcr, _)| is_judged(*bank, *pcr)) {
        let PcrVerdict::Differs { quoted, replayed, .. } = verdict else { continue };
        let reason = Reason {
            id: "q14",
            what: "this bank holds another boot than the log tells, whatever the judged bank holds"
                .to_owned(),
            place: format!("PCR {pcr} ({bank})"),
            expected: replayed.to_hex(),
            found: quoted.to_hex(),
        };
        refuse_unless_tolerated(policy, pcr, reason, outcome);
    }
}

/// The firmware's first event must be in the bank that is judged.
fn judge_beginning(policy: &Policy, judged: &[PcrIndex], facts: &Facts<'_>, outcome: &mut Outcome) {
    let bank = policy.quote.bank;
    let Some((place, kind)) = facts.odd_first_event().filter(|_| judged.contains(&PcrIndex::FIRMWARE)) else {
        return;
    };
    let reason = Reason {
        id: "q14",
        what: "no firmware begins with an event of this type".to_owned(),
        place: format!("PCR 0 ({bank})"),
        expected:
            "EV_S_CRTM_VERSION, EV_S_CRTM_CONTENTS, EV_EFI_HCRTM_EVENT, EV_POST_CODE or a firmware blob"
                .to_owned(),
        found: format!("event {}: {kind}", place.event),
    };
    refuse_unless_tolerated(policy, PcrIndex::FIRMWARE, reason, outcome);
}

/// All quoted banks count: a log that leaves out a bank which was extended hides that bank's boot.
fn judge_other_banks(policy: &Policy, boot: &MeasuredBoot<'_>, outcome: &mut Outcome) {
    let logged = boot.unverified_logs().banks();
    for bank in HashAlgorithm::ALL {
        let of_firmware = || boot.verdicts().filter(|(of, pcr, _)| *of == bank && is_firmwares(*pcr));
        let extended = of_firmware().any(|(.., verdict)| !matches!(verdict, PcrVerdict::Untouched { .. }));
        let reason = |what: &str| Reason {
            id: "q14",
            what: what.to_owned(),
            place: format!("bank {bank}"),
            expected: String::new(),
            found: String::new(),
        };
        if extended && !logged.contains(&bank) {
            outcome.reasons.push(reason("it is active and was extended, and the log has no digests of it"));
        } else if !extended && of_firmware().next().is_some() && bank != policy.quote.bank {
            let what =
                "it is active, and the firmware extends nothing into it: software can replay any log there";
            react(Tolerance::Report, reason(what), outcome);
        }
    }
}

const fn is_firmwares(pcr: PcrIndex) -> bool {
    pcr.get() < 8
}
