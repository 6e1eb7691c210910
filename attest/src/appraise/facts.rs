//! What the boot proves against the policy's rules. A rule that is there needs its fact proven: what is not is refused.

use super::{claims, command_line, secure_boot};
use crate::appraisal::{Outcome, Reason};
use crate::eventlog::{ExitBootServices, Facts, MeasuredBoot, SecureBoot, escaped};
use crate::pcr::PcrIndex;
use crate::policy::{BootRules, Demand, Policy, Tolerance};

/// Judges the `facts` of `boot`; `judged` are the PCRs that the policy judges, without IMA's.
pub(super) fn judge(
    policy: &Policy,
    judged: &[PcrIndex],
    facts: &Facts<'_>,
    boot: &MeasuredBoot<'_>,
    outcome: &mut Outcome,
) {
    outcome.claims.boot = Some(claims::boot_claims(facts));
    outcome.claims.secure_boot = match facts.secure_boot() {
        SecureBoot::On { .. } => Some(true),
        SecureBoot::Off { .. } => Some(false),
        SecureBoot::Unknown { .. } => None,
    };
    let rules = &policy.boot;
    secure_boot::judge(rules, facts, boot, outcome);
    if let Some(reason) = command_line::judge(rules, judged, facts) {
        outcome.reasons.push(reason);
    }
    judge_firmware(rules, judged, facts, outcome);
    judge_option_roms(rules, facts, outcome);
    judge_exit(rules, facts, outcome);
    judge_placement(policy, judged, facts, outcome);
    for fault in facts.faults().iter().filter(|fault| judged.contains(&fault.pcr())) {
        let reason = Reason {
            id: "e08",
            what: fault.to_string(),
            place: format!("PCR {} ({})", fault.pcr(), policy.quote.bank),
            expected: "one separator, and nothing of the firmware after it".to_owned(),
            found: String::new(),
        };
        refuse_unless_tolerated(policy, fault.pcr(), reason, outcome);
    }
}

/// Event types where the profile has no place for them, in judged PCRs (threat e16).
fn judge_placement(policy: &Policy, judged: &[PcrIndex], facts: &Facts<'_>, outcome: &mut Outcome) {
    for (pcr, misplaced) in facts.misplaced().iter().filter(|(pcr, _)| judged.contains(pcr)) {
        let reason = Reason {
            id: "e16",
            what: format!(
                "{} events of types that the profile does not allow in this PCR, or does not name",
                misplaced.count
            ),
            place: format!("PCR {pcr} ({})", facts.bank()),
            expected: "types of PFP 1.06 §3.3.4".to_owned(),
            found: format!("event {}: {}", misplaced.place.event, misplaced.kind),
        };
        if policy.quote.tolerate.contains(pcr) && policy.boot.event_placement == Tolerance::Refuse {
            refuse_unless_tolerated(policy, *pcr, reason, outcome);
        } else {
            react(policy.boot.event_placement, reason, outcome);
        }
    }
}

/// Without a log nothing is proven, so that every rule that needs a fact refuses.
pub(super) fn judge_without_log(rules: &BootRules, outcome: &mut Outcome) {
    let needs = [
        (rules.secure_boot == Demand::Require, "secure-boot", "secure boot"),
        (!rules.authorities.is_empty(), "authorities", "what vouched for images"),
        (!rules.dbx_contains.is_empty() || rules.dbx_minimum.is_some(), "dbx", "dbx"),
        (!rules.sbat_minimum.is_empty() || rules.sbat_date.is_some(), "sbat", "an SBAT level"),
        (!rules.command_line.is_empty(), "command-line", "a command line"),
        (!rules.firmware_versions.is_empty(), "firmware-version", "a firmware version"),
    ];
    for (_, id, fact) in needs.into_iter().filter(|(needed, ..)| *needed) {
        outcome.reasons.push(Reason {
            id,
            what: format!("the policy asks for {fact}, and there is no event log"),
            place: "event log".to_owned(),
            expected: "an event log".to_owned(),
            found: "none".to_owned(),
        });
    }
}

/// A reason about a PCR: a note where the policy tolerates that PCR, told all the same.
pub(super) fn refuse_unless_tolerated(policy: &Policy, pcr: PcrIndex, reason: Reason, outcome: &mut Outcome) {
    if policy.quote.tolerate.contains(&pcr) {
        outcome.tolerate(pcr, &reason);
    } else {
        outcome.reasons.push(reason);
    }
}

/// What a rule makes of something that it tolerates or not.
pub(super) fn react(tolerance: Tolerance, reason: Reason, outcome: &mut Outcome) {
    match tolerance {
        Tolerance::Refuse => outcome.reasons.push(reason),
        Tolerance::Report => outcome.report(&reason),
        Tolerance::Allow => {}
    }
}

fn judge_firmware(rules: &BootRules, judged: &[PcrIndex], facts: &Facts<'_>, outcome: &mut Outcome) {
    let version = facts.firmware_version().text();
    let known = version.as_ref().is_some_and(|version| rules.firmware_versions.contains(version));
    if !rules.firmware_versions.is_empty() && !known {
        outcome.reasons.push(Reason {
            id: "firmware-version",
            what: "the policy does not know the firmware's version".to_owned(),
            place: format!("PCR 0 ({})", facts.bank()),
            expected: one_of(&rules.firmware_versions),
            found: version
                .map(|version| escaped(version.chars()))
                .unwrap_or_else(|| "none that is proven".to_owned()),
        });
    }
    let alarms = [
        (rules.debugger, facts.debugger(), "debugger", "the firmware's debugger is enabled"),
        (
            rules.dma_protection,
            facts.dma_protection_disabled(),
            "dma-protection",
            "the firmware leaves memory open to devices",
        ),
    ];
    for (tolerance, alarm, id, what) in alarms {
        let place = format!("PCR 7 ({})", facts.bank());
        let reason =
            |what: &str, found| Reason { id, what: what.to_owned(), place, expected: String::new(), found };
        match alarm {
            Some(Some(event)) => {
                react(tolerance, reason(what, format!("event {}", event.event)), outcome);
            }
            // A policy that refuses it by name, or by default and judges PCR 7, must not take what is not proven for a
            // "no": a tolerated PCR 7 whose log is broken would hide it.
            None if tolerance == Tolerance::Refuse
                && (id != "debugger" || judged.contains(&PcrIndex::SECURE_BOOT)) =>
            {
                outcome
                    .reasons
                    .push(reason("PCR 7 does not match the log, so that nobody knows it", String::new()));
            }
            _ => {}
        }
    }
}

fn judge_option_roms(rules: &BootRules, facts: &Facts<'_>, outcome: &mut Outcome) {
    let place = format!("PCR 2 ({})", facts.bank());
    match facts.option_roms() {
        Some([]) => {}
        Some([first, rest @ ..]) => {
            let count = rest.len().saturating_add(1);
            let reason = Reason {
                id: "option-roms",
                what: format!("{count} measurements of drivers or firmware from cards"),
                place,
                expected: String::new(),
                found: format!("{first}{}", if rest.is_empty() { "" } else { " and more" }),
            };
            react(rules.option_roms, reason, outcome);
        }
        None if rules.option_roms == Tolerance::Refuse => outcome.reasons.push(Reason {
            id: "option-roms",
            what: "the policy refuses drivers from cards, and PCR 2 is not quoted or does not match the log"
                .to_owned(),
            place,
            expected: "a PCR 2 that its events explain".to_owned(),
            found: String::new(),
        }),
        None => {}
    }
}

fn judge_exit(rules: &BootRules, facts: &Facts<'_>, outcome: &mut Outcome) {
    let (what, found) = match facts.exit_boot_services() {
        ExitBootServices::Succeeded { .. } => return,
        // Nobody who judges no PCR 5 wants to hear of it.
        ExitBootServices::Unverified if rules.exit_boot_services != Tolerance::Refuse => return,
        ExitBootServices::Unverified => ("PCR 5 does not match the log", String::new()),
        ExitBootServices::Failed { place } => ("ExitBootServices failed", format!("event {}", place.event)),
        ExitBootServices::Invoked { place } => {
            ("ExitBootServices was invoked and did not return", format!("event {}", place.event))
        }
        ExitBootServices::Missing => (
            "no ExitBootServices event: the log may have been read before the end, or the firmware still runs",
            String::new(),
        ),
    };
    let reason = Reason {
        id: "e14",
        what: what.to_owned(),
        place: format!("PCR 5 ({})", facts.bank()),
        expected: "Exit Boot Services Returned with Success".to_owned(),
        found,
    };
    react(rules.exit_boot_services, reason, outcome);
}

/// Some of the allowed texts, for a reason.
pub(super) fn one_of(texts: &[String]) -> String {
    match texts {
        [] => String::new(),
        [only] => only.clone(),
        [first, rest @ ..] => format!("{first}, or one of {} more", rest.len()),
    }
}
