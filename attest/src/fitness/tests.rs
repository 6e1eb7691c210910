use super::*;
use crate::eventlog::tests::builder::{LogBuilder, good_boot};
use crate::eventlog::{EventType, Guid};

const BANK: HashAlgorithm = HashAlgorithm::Sha256;

type Pcrs = BTreeMap<(HashAlgorithm, PcrIndex), Digest>;

/// What a TPM holds after the boot that `log` tells of; PCRs that nobody extended are at their start.
fn pcrs_of(log: &[u8], banks: &[HashAlgorithm]) -> Pcrs {
    let replayed = EventLog::parse(log).unwrap().replay();
    banks
        .iter()
        .flat_map(|bank| PcrIndex::all().map(move |pcr| (*bank, pcr)))
        .map(|(bank, pcr)| ((bank, pcr), replayed.get(bank, pcr).copied().unwrap_or(pcr.start(bank))))
        .collect()
}

fn ids(pcrs: &Pcrs, event_log: Option<&[u8]>) -> Vec<String> {
    let firmware = FirmwareVersion::new(0, 0);
    let event_log = event_log.map_or(LogAtHand::Missing, LogAtHand::Found);
    let platform = Platform { manufacturer: "IBM", firmware, pcrs, event_log, has_ima_list: false };
    assess(&platform).into_iter().map(|finding| finding.id).collect()
}

fn good() -> Vec<u8> {
    good_boot(LogBuilder::agile(&[BANK])).bytes
}

#[test]
fn a_good_machine_has_no_finding() {
    assert_eq!(ids(&pcrs_of(&good(), &[BANK]), Some(&good())), Vec::<String>::new());
}

#[test]
fn q14_a_bank_that_the_firmware_never_extended_is_found() {
    let mut pcrs = pcrs_of(&good(), &[BANK]);
    let other = HashAlgorithm::Sha384;
    pcrs.extend(PcrIndex::all().map(|pcr| ((other, pcr), pcr.start(other))));
    // What the operating system extends later does not make it a bank of the firmware.
    pcrs.insert((other, PcrIndex::IMA), Digest::ones(other));
    let found = ids(&pcrs, Some(&good()));
    assert_eq!(found, ["bank-never-extended", "bank-not-in-log", "ima-list-missing"]);
}

#[test]
fn e15_a_missing_and_an_empty_log_are_told_apart() {
    let pcrs = pcrs_of(&good(), &[BANK]);
    assert_eq!(ids(&pcrs, None), ["log-missing"]);
    assert_eq!(ids(&pcrs, Some(&[])), ["log-empty"]);
    assert_eq!(ids(&pcrs, Some(&good()[..100])), ["log-malformed"]);
}

#[test]
fn e12_a_tpm_with_sha1_alone_is_not_fit() {
    let log = good_boot(LogBuilder::sha1()).bytes;
    assert_eq!(ids(&pcrs_of(&log, &[HashAlgorithm::Sha1]), Some(&log)), ["sha1-only"]);
}

#[test]
fn e01_pcrs_that_the_log_does_not_lead_to_are_named() {
    let mut pcrs = pcrs_of(&good(), &[BANK]);
    pcrs.insert((BANK, PcrIndex::FIRMWARE), BANK.digest(b"other"));
    assert_eq!(ids(&pcrs, Some(&good())), ["log-differs"]);
}

#[test]
fn e09_setup_mode_and_secure_boot_off_are_found() {
    let boot = |secure_boot: u8, key: &[u8]| {
        let mut log = LogBuilder::agile(&[BANK]);
        log.event(0, EventType::SCrtmVersion, b"1.0\0")
            .config(Guid::GLOBAL, "SecureBoot", &[secure_boot])
            .config(Guid::GLOBAL, "PK", key);
        for pcr in 0..8 {
            log.separator(pcr);
        }
        log.event(5, EventType::EfiAction, b"Exit Boot Services Invocation");
        log.bytes
    };
    let found = |log: Vec<u8>| ids(&pcrs_of(&log, &[BANK]), Some(&log));
    assert_eq!(found(boot(1, b"")), ["setup-mode"]);
    assert_eq!(found(boot(0, b"key")), ["secure-boot-off"]);
    assert!(found(boot(1, b"key")).is_empty());
}

#[test]
fn e04_a_startup_at_another_locality_is_told() {
    let mut log = LogBuilder::agile(&[BANK]);
    log.startup_locality(3);
    let log = good_boot(log).bytes;
    assert_eq!(ids(&pcrs_of(&log, &[BANK]), Some(&log)), ["startup-locality"]);
}

#[test]
fn q12_weak_tpm_firmware_is_found() {
    let pcrs = pcrs_of(&good(), &[BANK]);
    let firmware = FirmwareVersion::new(0x0005_003D, 0);
    let log = good();
    let event_log = LogAtHand::Found(&log);
    let platform = Platform { manufacturer: "IFX", firmware, pcrs: &pcrs, event_log, has_ima_list: true };
    let findings = assess(&platform);
    assert_eq!(findings.len(), 1);
    assert!(findings[0].what.contains("CVE-2017-15361"), "{:?}", findings[0]);
    assert!(findings[0].fix.contains("5.62"));
}
