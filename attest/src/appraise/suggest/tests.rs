//! Every reason has an answer, every answer its price, and none leads to a policy that judges nothing.

use std::cell::Cell;

use super::*;

const STRICT: &str = r#"
version = 1
name = "t"
[trust]
device_roots = ["r"]
reference_keys = ["k"]
[quote]
pcrs = [0, 9]
unsafe_clock = "refuse"
restarts = "refuse"
[boot]
references = ["g"]
secure_boot = "require"
setup_mode = "refuse"
authorities = ["sha256:1111111111111111111111111111111111111111111111111111111111111111"]
dbx_contains = ["sha256:2222222222222222222222222222222222222222222222222222222222222222"]
dbx_minimum = 3
sbat_minimum = { shim = 4 }
sbat_date = 2024010900
command_line = ["quiet"]
firmware_versions = ["1.0"]
option_roms = "refuse"
dma_protection = "refuse"
exit_boot_services = "refuse"
event_placement = "refuse"
[ima]
list = "require"
"#;

fn reason(id: &'static str, place: &str) -> Reason {
    let empty = String::new;
    Reason { id, what: empty(), place: place.to_owned(), expected: empty(), found: empty() }
}

fn policy() -> Policy {
    Policy::parse(STRICT).unwrap()
}

/// The lines that answer a reason of PCR 9.
fn lines(id: &'static str) -> Vec<String> {
    changes(&policy(), &reason(id, "PCR 9 (sha256)")).into_iter().map(|change| change.line).collect()
}

#[test]
fn each_rule_has_the_field_that_loosens_it() {
    for (id, field) in [
        ("q11", "quote.unsafe_clock"),
        ("q11", "quote.restarts"),
        ("q05", "quote.pcrs"),
        ("e01", "quote.tolerate"),
        ("q14", "quote.tolerate"),
        ("reference", "boot.withdrawn_release"),
        ("reference", "boot.withdrawn_before"),
        ("secure-boot", "boot.secure_boot"),
        ("setup-mode", "boot.setup_mode"),
        ("authorities", "boot.authorities"),
        ("e10", "boot.revoked"),
        ("e20", "boot.dbx_contains"),
        ("e20", "boot.dbx_minimum"),
        ("e20", "boot.sbat_minimum"),
        ("sbat", "boot.sbat_date"),
        ("command-line", "boot.command_line"),
        ("firmware-version", "boot.firmware_versions"),
        ("option-roms", "boot.option_roms"),
        ("debugger", "boot.debugger"),
        ("dma-protection", "boot.dma_protection"),
        ("e14", "boot.exit_boot_services"),
        ("e16", "boot.event_placement"),
        ("ima-list", "ima.list"),
        ("i05", "ima.violations"),
        ("i10", "ima.padded_sha1"),
        ("i12", "ima.unknown_files"),
        ("i14", "ima.weak_digests"),
        ("i15", "ima.unknown_files"),
        ("i18", "ima.withdrawn_after"),
    ] {
        let named = |line: &String| line.split([' ', '=']).any(|word| word == field);
        assert!(lines(id).iter().any(named), "{id}: {:?}", lines(id));
    }
}

#[test]
fn i04_a_kexec_is_answered_by_the_count_that_was_found_and_nothing_else_of_i04_is() {
    let kexecs = Reason { found: "3".to_owned(), ..reason("i04", "IMA list") };
    let changes = changes(&policy(), &kexecs);
    let [change] = changes.as_slice() else { panic!() };
    assert_eq!(change.line, "ima.kexec_maximum = 3");
    assert!(change.weakens.contains("kernel"), "{}", change.weakens);
    assert_eq!(change.policy.ima.as_ref().unwrap().kexec_maximum, 3);
    assert_eq!(lines("i04"), ["ima.unknown_files = \"report\""]);
}

#[test]
fn every_answer_says_what_it_weakens_and_changes_something() {
    for id in [
        "reference",
        "secure-boot",
        "setup-mode",
        "authorities",
        "e10",
        "dbx",
        "e20",
        "sbat",
        "command-line",
        "firmware-version",
        "option-roms",
        "debugger",
        "dma-protection",
        "e14",
        "e16",
        "e19",
        "ima-list",
        "i01",
        "i03",
        "i05",
        "i07",
        "i09",
        "i10",
        "i11",
        "i12",
        "i14",
        "i15",
        "i18",
        "i19",
        "q02",
        "q05",
        "q11",
        "q14",
        "p01",
        "p14",
        "e01",
        "e08",
        "e15",
        "rego",
        "something-new",
    ] {
        let reason = reason(id, "PCR 9 (sha256)");
        let (hand, changes) = (by_hand(&reason), changes(&policy(), &reason));
        assert!(hand.is_some() || !changes.is_empty(), "{id}");
        assert!(hand.is_none_or(|hand| !hand.weakens.is_empty()), "{id}");
        assert!(changes.iter().all(|change| !change.weakens.is_empty() && change.policy != policy()), "{id}");
    }
}

#[test]
fn v08_no_suggestion_leads_to_a_policy_that_judges_nothing() {
    let of = |policy: &Policy, place: &str| -> Vec<String> {
        changes(policy, &reason("e01", place)).into_iter().map(|change| change.line).collect()
    };
    assert_eq!(of(&policy(), "PCR 9 (sha256)"), ["quote.tolerate = [9]", "quote.pcrs = [0]"]);
    let mut only = policy();
    only.quote.pcrs.retain(|pcr| pcr.get() == 9);
    assert_eq!(of(&only, "PCR 9 (sha256)"), [""; 0]);
    // The other PCR of the boot is tolerated already.
    let mut tolerant = policy();
    tolerant.quote.tolerate = vec![PcrIndex::FIRMWARE];
    assert_eq!(of(&tolerant, "PCR 9 (sha256)"), [""; 0]);
    assert_eq!(of(&tolerant, "PCR 0 (sha256)"), ["quote.pcrs = [9]"]);
}

/// Reasons that differ in what was found, as a device can make any number of them.
fn many(id: &'static str, count: usize) -> Vec<Reason> {
    (0..count).map(|number| Reason { found: number.to_string(), ..reason(id, "PCR 7 (sha256)") }).collect()
}

#[test]
fn v03_a_change_is_tried_once_however_many_reasons_a_device_makes() {
    let tries = Cell::new(0);
    let judge = |_: &Policy| {
        tries.set(tries.get() + 1);
        (Verdict::Trusted, Vec::new())
    };
    let found = suggestions(&policy(), &many("authorities", 36_000), &judge);
    assert_eq!(tries.get(), 1);
    let lines: Vec<_> = found.iter().filter_map(|suggestion| suggestion.change.as_deref()).collect();
    assert!(lines.contains(&"take out boot.authorities"), "{lines:?}");
    assert_eq!(found.len(), lines.len() + 1, "one for each change, and what was left out");
    assert_eq!(found.last().unwrap().reason, "35872 more reasons were not looked at");

    // Changes that hold what was found differ for each reason.
    tries.set(0);
    let found = suggestions(&policy(), &many("command-line", 100), &judge);
    assert_eq!(tries.get(), MAX_TRIES);
    let last = found.last().unwrap();
    assert_eq!((last.id, last.reason.as_str()), ("v03", "37 more changes were not tried"));
    assert_eq!(not_looked_at(0, 0), None);
}

#[test]
fn a_change_answers_each_reason_that_it_takes_away_and_no_other() {
    let (dbx, sbat) = (reason("e20", "dbx"), reason("e20", "SBAT"));
    let both = [dbx.clone(), sbat.clone(), reason("sbat", "SBAT")];
    let judge = |policy: &Policy| {
        let left: Vec<_> = [
            policy.boot.dbx_minimum.is_some().then(|| dbx.clone()),
            policy.boot.sbat_date.is_some().then(|| sbat.clone()),
            policy.boot.sbat_date.is_some().then(|| reason("sbat", "SBAT")),
        ]
        .into_iter()
        .flatten()
        .collect();
        (if left.is_empty() { Verdict::Trusted } else { Verdict::Refused }, left)
    };
    let found = suggestions(&policy(), &both, &judge);
    let found: Vec<_> = found.iter().map(|found| (found.id, found.change.as_deref().unwrap())).collect();
    let expected = [
        ("e20", "take out boot.dbx_minimum"),
        ("e20", "take out boot.sbat_date"),
        ("sbat", "take out boot.sbat_date"),
    ];
    assert_eq!(found, expected);
}
