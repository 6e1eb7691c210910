//! Banks that the firmware did not extend (threats q14, q16).

use super::{BANK, agile, boot, judge_boot, pcr, policy, reasons};
use crate::appraisal::Outcome;
use crate::digest::HashAlgorithm;
use crate::eventlog::tests::builder::{LogBuilder, good_boot};
use crate::eventlog::{EventLog, EventType as E, measured_boot};

#[test]
fn q14_a_pcr_that_the_firmware_never_extended_is_refused() {
    let mut log = agile();
    log.event(0, E::SCrtmVersion, b"1\0").separator(0);
    let found = reasons("", &log);
    assert_eq!(found.iter().filter(|id| **id == "q14").count(), 7, "{found:?}");
    let outcome = judge_boot(&policy("tolerate = [6]", ""), &boot(&log));
    assert_eq!(outcome.reasons.iter().filter(|reason| reason.id == "q14").count(), 6);
    assert!(outcome.notes.iter().any(|note| note.contains("[q14] PCR 6")));
}

#[test]
fn q14_a_log_that_does_not_begin_with_the_firmwares_first_event_is_refused() {
    for (kind, data) in
        [(E::Ipl, &b"x"[..]), (E::EfiBootServicesApplication, b"x"), (E::Other(0xA000_0001), b"x")]
    {
        let mut log = agile();
        log.event(0, kind, data);
        for pcr in 0..8 {
            log.separator(pcr);
        }
        assert!(reasons("", &log).contains(&"q14"), "{kind}");
    }
    let mut only_separators = agile();
    for pcr in 0..8 {
        only_separators.separator(pcr);
    }
    assert!(reasons("", &only_separators).contains(&"q14"));
}

#[test]
fn q14_a_log_that_leaves_an_extended_bank_out_is_refused() {
    let log = good_boot(agile());
    let parsed = EventLog::parse(&log.bytes).unwrap();
    let values = parsed.replay();
    let sha384 = HashAlgorithm::Sha384;
    for (other, refused, noted) in
        [(sha384.digest(b"something"), true, false), (pcr(4).start(sha384), false, true)]
    {
        let boot = measured_boot(&parsed, |bank, index| match bank {
            HashAlgorithm::Sha256 => values.get(bank, index).copied(),
            HashAlgorithm::Sha384 => (index == pcr(4)).then_some(other),
            _ => None,
        });
        let outcome = judge_boot(&policy("", ""), &boot);
        assert_eq!(outcome.reasons.iter().any(|reason| reason.id == "q14"), refused);
        assert_eq!(outcome.notes.iter().any(|note| note.contains("[q14] bank sha384")), noted);
    }
}

#[test]
fn q14_a_log_that_lies_about_another_bank_is_refused() {
    let log = good_boot(LogBuilder::agile(&[BANK, HashAlgorithm::Sha384]));
    let parsed = EventLog::parse(&log.bytes).unwrap();
    let values = parsed.replay();
    let judged = |lie: Option<u32>, rules: &str| {
        let boot = measured_boot(&parsed, |bank, index| {
            let value = values.get(bank, index).copied();
            let told = bank == BANK || lie != Some(u32::from(index.get()));
            if told { value } else { value.map(|_| bank.digest(b"another boot")) }
        });
        judge_boot(&policy(rules, ""), &boot)
    };
    let ids = |outcome: &Outcome| outcome.reasons.iter().map(|reason| reason.id).collect::<Vec<_>>();
    assert_eq!(ids(&judged(None, "")), Vec::<&str>::new());
    let outcome = judged(Some(4), "");
    assert_eq!(ids(&outcome), ["q14"]);
    assert_eq!(outcome.reasons[0].place, "PCR 4 (sha384)");
    assert_eq!(ids(&judged(Some(4), "tolerate = [4]")), Vec::<&str>::new());
}

#[test]
fn q16_each_bank_proves_its_own_facts_alone() {
    let log = good_boot(LogBuilder::agile(&[BANK, HashAlgorithm::Sha384]));
    let parsed = EventLog::parse(&log.bytes).unwrap();
    let values = parsed.replay();
    // The SHA-384 bank matches; what the policy judges, SHA-256, holds something else.
    let boot = measured_boot(&parsed, |bank, index| {
        let value = values.get(bank, index).copied();
        if bank == BANK { value.map(|_| BANK.digest(b"another boot")) } else { value }
    });
    let rules = "secure_boot = \"require\"\nfirmware_versions = [\"1.0\"]\ncommand_line = [\"/vmlinuz ro\"]";
    let found: Vec<_> =
        judge_boot(&policy("", rules), &boot).reasons.iter().map(|reason| reason.id).collect();
    for id in ["secure-boot", "firmware-version", "command-line"] {
        assert!(found.contains(&id), "{found:?}");
    }
    let claims = super::claims(&boot, BANK);
    assert_eq!((claims.authorities, claims.images.loaded, claims.firmware.version), (None, None, None));
    assert!(super::claims(&boot, HashAlgorithm::Sha384).authorities.is_some());
}
