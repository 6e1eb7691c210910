//! The changes of single fields that may answer a reason. Whether one does is found by trying it.

use super::named_pcr;
use crate::appraisal::Reason;
use crate::pcr::PcrIndex;
use crate::policy::{BootRules, Demand, ImaRules, Policy, QuoteRules, Reaction, Tolerance, weakens};

/// A change to a policy that can be tried.
pub(super) struct Change {
    pub(super) line: String,
    pub(super) weakens: String,
    pub(super) policy: Policy,
}

/// All that may answer a reason, from the smallest on.
pub(super) fn changes(policy: &Policy, reason: &Reason) -> Vec<Change> {
    let mut changes = match reason.id {
        "q11" => quote(policy),
        "reference" => lapsed(policy),
        "command-line" | "firmware-version" => texts(policy, reason),
        "dbx" | "e20" | "sbat" => minima(policy),
        id if is_of_files(id) => ima(policy, reason),
        id => boot(policy, id),
    };
    if matches!(reason.id, "reference" | "e01" | "e08" | "e15" | "e16" | "q05" | "q14") {
        changes.extend(tolerated(policy, reason));
        changes.extend(unjudged(policy, reason));
    }
    changes.retain(|change| change.policy != *policy);
    changes
}

fn is_of_files(id: &str) -> bool {
    id == "ima-list" || (id.starts_with('i') && id.len() == 3)
}

/// One field with another value. `value` is as it stands in TOML; none takes the field out.
fn change(policy: &Policy, field: &str, value: Option<&str>, set: impl FnOnce(&mut Policy)) -> Change {
    let mut policy = policy.clone();
    set(&mut policy);
    let line = value.map_or_else(|| format!("take out {field}"), |value| format!("{field} = {value}"));
    Change { line, weakens: weakens(field).to_owned(), policy }
}

fn quote(policy: &Policy) -> Vec<Change> {
    let report = Some("\"report\"");
    vec![
        change(policy, "quote.unsafe_clock", report, |policy| policy.quote.unsafe_clock = Reaction::Report),
        change(policy, "quote.restarts", report, |policy| policy.quote.restarts = Reaction::Report),
    ]
}

fn lapsed(policy: &Policy) -> Vec<Change> {
    let report = Some("\"report\"");
    vec![
        change(policy, "boot.ended_before", report, |policy| policy.boot.ended_before = Tolerance::Report),
        change(policy, "boot.withdrawn_before", report, |policy| {
            policy.boot.withdrawn_before = Reaction::Report;
        }),
        change(policy, "boot.withdrawn_release", report, |policy| {
            policy.boot.withdrawn_release = Reaction::Report;
        }),
    ]
}

/// A rule of the measured boot that has no list.
fn boot(policy: &Policy, id: &str) -> Vec<Change> {
    let rule = |field: &str, value: &str, set: fn(&mut BootRules)| {
        vec![change(policy, field, Some(value), |policy| set(&mut policy.boot))]
    };
    let report = "\"report\"";
    match id {
        "secure-boot" => {
            rule("boot.secure_boot", "\"optional\"", |rules| rules.secure_boot = Demand::Optional)
        }
        "setup-mode" => rule("boot.setup_mode", report, |rules| rules.setup_mode = Tolerance::Report),
        "authorities" => {
            vec![change(policy, "boot.authorities", None, |policy| policy.boot.authorities.clear())]
        }
        "e10" => rule("boot.revoked", report, |rules| rules.revoked = Reaction::Report),
        "option-roms" => rule("boot.option_roms", report, |rules| rules.option_roms = Tolerance::Report),
        "debugger" => rule("boot.debugger", report, |rules| rules.debugger = Tolerance::Report),
        "dma-protection" => {
            rule("boot.dma_protection", report, |rules| rules.dma_protection = Tolerance::Report)
        }
        "e14" => {
            rule("boot.exit_boot_services", report, |rules| rules.exit_boot_services = Tolerance::Report)
        }
        "e16" => rule("boot.event_placement", report, |rules| rules.event_placement = Tolerance::Report),
        _ => Vec::new(),
    }
}

/// What was found, added to the texts that may be; else the rule taken out.
fn texts(policy: &Policy, reason: &Reason) -> Vec<Change> {
    let found = &reason.found;
    let added = |known: &[String]| {
        let texts: Vec<_> = known.iter().chain([found]).map(|text| format!("{text:?}")).collect();
        format!("[{}]", texts.join(", "))
    };
    let BootRules { command_line, firmware_versions, .. } = &policy.boot;
    if reason.id == "command-line" {
        let field = "boot.command_line";
        return vec![
            change(policy, field, Some(&added(command_line)), |policy| {
                policy.boot.command_line.push(found.clone());
            }),
            change(policy, field, None, |policy| policy.boot.command_line.clear()),
        ];
    }
    let field = "boot.firmware_versions";
    vec![
        change(policy, field, Some(&added(firmware_versions)), |policy| {
            policy.boot.firmware_versions.push(found.clone());
        }),
        change(policy, field, None, |policy| policy.boot.firmware_versions.clear()),
    ]
}

/// What dbx and shim's SBAT level must have at least.
fn minima(policy: &Policy) -> Vec<Change> {
    vec![
        change(policy, "boot.dbx_minimum", None, |policy| policy.boot.dbx_minimum = None),
        change(policy, "boot.dbx_contains", None, |policy| policy.boot.dbx_contains.clear()),
        change(policy, "boot.sbat_minimum", None, |policy| policy.boot.sbat_minimum.clear()),
        change(policy, "boot.sbat_date", None, |policy| policy.boot.sbat_date = None),
    ]
}

fn ima(policy: &Policy, reason: &Reason) -> Vec<Change> {
    let rule = |field: &str, value: &str, set: fn(&mut ImaRules)| {
        vec![change(policy, field, Some(value), |policy| policy.ima.iter_mut().for_each(set))]
    };
    let report = "\"report\"";
    // Of what i04 is about only kexec counts anything; for the rest there is no rule.
    if let ("i04", Ok(count)) = (reason.id, reason.found.parse::<u32>()) {
        let set = |policy: &mut Policy| policy.ima.iter_mut().for_each(|rules| rules.kexec_maximum = count);
        return vec![change(policy, "ima.kexec_maximum", Some(&reason.found), set)];
    }
    match reason.id {
        "ima-list" => rule("ima.list", "\"optional\"", |rules| rules.list = Demand::Optional),
        "i18" => lapsed_files(policy),
        "i05" => rule("ima.violations", report, |rules| rules.violations = Reaction::Report),
        "i10" => rule("ima.padded_sha1", report, |rules| rules.padded_sha1 = Reaction::Report),
        "i14" => rule("ima.weak_digests", report, |rules| rules.weak_digests = Reaction::Report),
        _ => rule("ima.unknown_files", report, |rules| rules.unknown_files = Reaction::Report),
    }
}

/// Files of releases that count no more.
fn lapsed_files(policy: &Policy) -> Vec<Change> {
    let report = Some("\"report\"");
    let rules = |set: fn(&mut ImaRules)| move |policy: &mut Policy| policy.ima.iter_mut().for_each(set);
    let mut after = change(
        policy,
        "ima.withdrawn_after",
        report,
        rules(|rules| {
            rules.withdrawn_after = Reaction::Report;
            if rules.withdrawn_before == Tolerance::Refuse {
                rules.withdrawn_before = Tolerance::Report;
            }
        }),
    );
    // A file must not be worse for having been measured earlier: the policy's own check asks for both (threat v08).
    if policy.ima.as_ref().is_some_and(|rules| rules.withdrawn_before == Tolerance::Refuse) {
        after.line.push_str(", ima.withdrawn_before = \"report\"");
    }
    let ended = rules(|rules| rules.ended_before = Tolerance::Report);
    let before = rules(|rules| rules.withdrawn_before = Tolerance::Report);
    vec![
        change(policy, "ima.ended_before", report, ended),
        change(policy, "ima.withdrawn_before", report, before),
        after,
    ]
}

/// The PCR's log need not lead to its value.
fn tolerated(policy: &Policy, reason: &Reason) -> Option<Change> {
    let pcr = named_pcr(reason)?;
    let QuoteRules { pcrs, tolerate, .. } = &policy.quote;
    let mut more = tolerate.clone();
    more.push(pcr);
    // As the policy's own check: one PCR of the boot stays, and IMA's is not among them (threat v08).
    let rest = pcrs.iter().any(|pcr| *pcr != PcrIndex::IMA && !more.contains(pcr));
    if !rest || pcr == PcrIndex::IMA || tolerate.contains(&pcr) || !pcrs.contains(&pcr) {
        return None;
    }
    let value = list(&more);
    Some(change(policy, "quote.tolerate", Some(&value), |policy| policy.quote.tolerate = more))
}

/// The PCR is not judged.
fn unjudged(policy: &Policy, reason: &Reason) -> Option<Change> {
    let pcr = named_pcr(reason)?;
    let without = |pcrs: &[PcrIndex]| pcrs.iter().copied().filter(|other| *other != pcr).collect::<Vec<_>>();
    let (rest, tolerate) = (without(&policy.quote.pcrs), without(&policy.quote.tolerate));
    // A policy that judges nothing does not exist (threat v08).
    if rest.iter().all(|pcr| *pcr == PcrIndex::IMA || tolerate.contains(pcr)) {
        return None;
    }
    let value = list(&rest);
    let change = change(policy, "quote.pcrs", Some(&value), |policy| {
        policy.quote.pcrs = rest;
        policy.quote.tolerate = tolerate;
    });
    let weakens = format!("PCR {pcr} is no longer judged on any device: {}", meaning(pcr));
    Some(Change { weakens, ..change })
}

fn list(pcrs: &[PcrIndex]) -> String {
    let texts: Vec<_> = pcrs.iter().map(ToString::to_string).collect();
    format!("[{}]", texts.join(", "))
}

/// What a PCR is about (TCG PC Client PFP 1.06 §3.3.4; 8 to 15 by custom).
const fn meaning(pcr: PcrIndex) -> &'static str {
    match pcr.get() {
        0 => "the firmware's code",
        1 => "the firmware's settings",
        2 => "drivers from cards",
        3 => "settings of drivers from cards",
        4 => "boot loader and kernel image",
        5 => "partition table and boot attempts",
        6 => "what the maker uses it for",
        7 => "secure boot: its state and keys",
        8 => "the boot loader's commands",
        9 => "files that the boot loader read, the kernel's command line and initrd",
        10 => "files that ran after the boot",
        11..=13 => "the unified kernel image, its parameters and extensions",
        14 => "shim's own keys",
        _ => "what the operating system uses it for",
    }
}
