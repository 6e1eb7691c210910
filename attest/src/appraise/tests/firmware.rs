//! The firmware: version, debugger, drivers from cards, hand-over, event types; and PCRs that are tolerated.

use super::{BANK, agile, boot, claims, good, judge, reasons};
use crate::eventlog::tests::builder::image_load;
use crate::eventlog::{EventLog, EventType as E, measured_boot};
use crate::pcr::PcrIndex;

#[test]
fn a_debugger_and_open_memory_are_known_by_their_digests() {
    for (text, rule, id) in [
        ("UEFI Debug Mode", "debugger = \"refuse\"", "debugger"),
        ("UEFI Debug Mode\0", "", "debugger"),
        ("DMA Protection Disabled", "dma_protection = \"refuse\"", "dma-protection"),
    ] {
        // e11: under its own type or any other, with its own text or any other.
        for (kind, shown) in [(E::EfiAction, text.as_bytes()), (E::EfiAction, b"nothing"), (E::Other(5), b"")]
        {
            let mut log = good();
            log.hashed(7, kind, text.as_bytes(), shown);
            assert!(reasons(rule, &log).contains(&id), "{text} {kind}");
        }
        assert!(!reasons(rule, &good()).contains(&id));
    }
    let claims = claims(&boot(&good()), BANK).firmware;
    assert_eq!((claims.debugger, claims.dma_protection_disabled), (Some(false), Some(false)));
}

#[test]
fn e11_a_firmware_version_is_the_firmwares_own() {
    let rule = "firmware_versions = [\"2.0\", \"1.0\"]";
    assert_eq!(reasons(rule, &good()), Vec::<&str>::new());
    assert_eq!(reasons("firmware_versions = [\"2.0\"]", &good()), ["firmware-version"]);
    let rule = "firmware_versions = [\"9\"]";
    // The true version is hidden, and a newer one extended after the separator, or written beside a digest of the old.
    let mut late = agile();
    late.hashed(0, E::SCrtmContents, b"1.0\0", b"").separator(0).event(0, E::SCrtmVersion, b"9\0");
    assert!(reasons(rule, &late).contains(&"firmware-version"));
    let mut hint = agile();
    hint.hashed(0, E::SCrtmVersion, b"1.0\0", b"9\0").separator(0);
    assert!(reasons(rule, &hint).contains(&"firmware-version"));
    let mut two = agile();
    two.event(0, E::SCrtmVersion, b"9\0").event(0, E::SCrtmVersion, b"1.0\0").separator(0);
    assert!(reasons(rule, &two).contains(&"firmware-version"));
}

#[test]
fn e11_drivers_from_cards_are_counted_under_every_name() {
    for kind in [E::EfiBootServicesDriver, E::EfiAction, E::Separator, E::PostCode] {
        let mut log = agile();
        log.event(0, E::SCrtmVersion, b"1\0").hashed(2, kind, b"rom", &image_load("\\rom"));
        for pcr in 0..8 {
            log.separator(pcr);
        }
        assert!(reasons("option_roms = \"refuse\"", &log).contains(&"option-roms"), "{kind}");
        assert!(!reasons("option_roms = \"allow\"", &log).contains(&"option-roms"));
        let roms = claims(&boot(&log), BANK).firmware.option_roms.unwrap();
        assert_eq!(roms, [BANK.digest(b"rom")], "{kind}");
    }
    assert!(!reasons("option_roms = \"refuse\"", &good()).contains(&"option-roms"));
}

#[test]
fn e14_a_hand_over_that_failed_or_is_missing_is_judged_by_the_policy() {
    let mut failed = good();
    failed.event(5, E::EfiAction, b"Exit Boot Services Returned with Failure");
    let mut missing = agile();
    missing.event(0, E::SCrtmVersion, b"1\0");
    for pcr in 0..8 {
        missing.separator(pcr);
    }
    // A success that no digest covers is a hint.
    let mut hint = missing.clone();
    hint.hashed(5, E::EfiAction, b"x", b"Exit Boot Services Returned with Success");
    for log in [&failed, &missing, &hint] {
        assert!(reasons("exit_boot_services = \"refuse\"", log).contains(&"e14"));
        let (reasons, notes) = judge("", "", log);
        assert!(!reasons.contains(&"e14") && notes.iter().any(|note| note.contains("[e14]")), "{notes:?}");
    }
    assert_eq!(reasons("exit_boot_services = \"refuse\"", &good()), Vec::<&str>::new());
}

#[test]
fn e16_types_that_the_profile_does_not_allow_are_reported_and_refused_by_name() {
    for (pcr, kind) in [(0, E::EfiGptEvent), (1, E::Ipl), (3, E::Other(0x1234)), (6, E::SCrtmVersion)] {
        let mut log = agile();
        log.event(0, E::SCrtmVersion, b"1\0").event(pcr, kind, b"x");
        for pcr in 0..8 {
            log.separator(pcr);
        }
        let (found, notes) = judge("", "", &log);
        assert!(
            !found.contains(&"e16") && notes.iter().any(|note| note.contains("[e16]")),
            "{kind} {notes:?}"
        );
        assert!(reasons("event_placement = \"refuse\"", &log).contains(&"e16"), "{kind}");
        assert_eq!(claims(&boot(&log), BANK).misplaced_events.len(), 1);
    }
    assert_eq!(reasons("event_placement = \"refuse\"", &good()), Vec::<&str>::new());
}

#[test]
fn a_tolerated_pcr_is_told_and_does_not_refuse() {
    let mut log = good();
    log.separator(0);
    assert_eq!(reasons("", &log), ["e08"]);
    let (reasons, notes) = judge("tolerate = [0]", "", &log);
    assert_eq!(reasons, Vec::<&str>::new());
    assert!(notes.iter().any(|note| note.contains("tolerated") && note.contains("[e08] PCR 0")), "{notes:?}");
    // Another PCR's faults are not.
    assert_eq!(judge("tolerate = [1]", "", &log).0, ["e08"]);
}

#[test]
fn e11_a_tolerated_pcr_7_with_a_broken_log_hides_no_debugger() {
    let log = good();
    let parsed = EventLog::parse(&log.bytes).unwrap();
    let values = parsed.replay();
    let boot = measured_boot(&parsed, |bank, index| match index {
        PcrIndex::SECURE_BOOT => Some(BANK.digest(b"with the debugger")).filter(|_| bank == BANK),
        index => values.get(bank, index).copied().or((bank == BANK).then(|| index.start(bank))),
    });
    let ids = |rules: &str| -> Vec<&str> {
        let outcome = super::judge_boot(&super::policy("tolerate = [7]", rules), &boot);
        outcome.reasons.iter().map(|reason| reason.id).collect()
    };
    assert_eq!(ids(""), ["debugger"]);
    assert_eq!(ids("debugger = \"report\""), Vec::<&str>::new());
}
