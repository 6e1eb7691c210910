//! Logs that depart from the profile as firmware of the field does: read rightly, with nothing believed that isn't so.

use super::builder::{LogBuilder, good_boot, image_load, tag, utf16, variable};
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::replay::measured::measured_boot;
use crate::eventlog::{
    BootFault, CommandLine, EventLog, EventLogError, EventType as E, FinalEvents, Guid, MeasuredBoot,
    Placement, SecureBoot, SeparatorState, describe, diagnose,
};
use crate::eventlog::{BootLogs, Cause};
use crate::pcr::PcrIndex;

const BANK: HashAlgorithm = HashAlgorithm::Sha256;

fn pcr(index: u32) -> PcrIndex {
    PcrIndex::new(index).unwrap()
}

fn boot<'a>(log: &EventLog<'a>) -> MeasuredBoot<'a> {
    let values = log.replay();
    measured_boot(log, |bank, index| values.get(bank, index).copied())
}

fn lines(log: &EventLog<'_>) -> Vec<String> {
    log.events().map(|event| describe(&event)).collect()
}

/// `data` in a slot of 50 bytes, as coreboot writes it.
fn slot(data: &[u8]) -> Vec<u8> {
    let mut slot = data.to_vec();
    slot.resize(50, 0);
    slot
}

/// A header that declares SHA-1 to SHA-512, over a boot that is logged in SHA-1 and SHA-256.
fn half_of_the_declared_banks() -> Vec<u8> {
    let declared = [HashAlgorithm::Sha1, BANK, HashAlgorithm::Sha384, HashAlgorithm::Sha512];
    let active = [HashAlgorithm::Sha1, BANK];
    let boot = good_boot(LogBuilder::agile(&active)).bytes;
    [LogBuilder::agile(&declared).bytes, boot[LogBuilder::agile(&active).bytes.len()..].to_vec()].concat()
}

#[test]
fn e17_a_bank_that_is_declared_and_not_active_is_left_out() {
    let bytes = half_of_the_declared_banks();
    let log = EventLog::parse(&bytes).unwrap();
    assert_eq!(log.banks().collect::<Vec<_>>(), [HashAlgorithm::Sha1, BANK]);
    assert_eq!([0x0004, 0x000B, 0x000C, 0x000D].map(|id| log.has_digests_of(id)), [true, true, false, false]);
    let boot = boot(&log);
    assert!(matches!(boot.facts(BANK).secure_boot(), SecureBoot::On { .. }));
    // Nothing is known of the bank that has no digests, whatever the TPM says of it.
    assert!(!boot.matches(HashAlgorithm::Sha384, pcr(7)));
    assert!(matches!(boot.facts(HashAlgorithm::Sha384).secure_boot(), SecureBoot::Unknown { .. }));
    // Of a header alone nobody knows which banks follow.
    let header = LogBuilder::agile(&[HashAlgorithm::Sha1, HashAlgorithm::Sha384]).bytes;
    assert_eq!(EventLog::parse(&header).unwrap().banks().count(), 2);
}

/// Machines made for China: SM3 beside SHA-256, or alone.
#[test]
fn e05_sm3_and_sha3_banks_replay_and_prove_facts() {
    use HashAlgorithm::{Sha3With256, Sha3With384, Sha3With512, Sm3};
    for banks in [&[BANK, Sm3][..], &[Sm3], &[Sha3With256, Sha3With384, Sha3With512]] {
        let bytes = good_boot(LogBuilder::agile(banks)).bytes;
        let log = EventLog::parse(&bytes).unwrap();
        assert_eq!(log.banks().collect::<Vec<_>>(), banks);
        let boot = boot(&log);
        for bank in banks {
            assert!((0..10).all(|index| index == 3 || boot.matches(*bank, pcr(index)) || index == 6));
            assert!(matches!(boot.facts(*bank).secure_boot(), SecureBoot::On { .. }), "{bank}");
        }
        // A value of another bank with digests as long proves nothing.
        let values = log.replay();
        let swapped = measured_boot(&log, |bank, index| {
            let value = values.get(bank, index)?;
            Digest::new(if bank == Sm3 { Sha3With256 } else { bank }, value.as_bytes())
        });
        assert!(!swapped.matches(Sm3, pcr(7)));
    }
    let sm3 = |size: u16| {
        let mut bytes = LogBuilder::agile(&[Sm3]).bytes;
        let at = bytes.len() - 3;
        bytes[at..at + 2].copy_from_slice(&size.to_le_bytes());
        EventLog::parse(&bytes).map(|_| ())
    };
    assert_eq!(sm3(32), Ok(()));
    assert!(matches!(sm3(20), Err(EventLogError::AlgorithmSize { algorithm: 0x12, declared: 20, .. })));
}

#[test]
fn e07_an_empty_file_of_final_events_is_told_as_that() {
    let bytes = half_of_the_declared_banks();
    let log = EventLog::parse(&bytes).unwrap();
    let error = FinalEvents::parse(&log, &[]).unwrap_err();
    assert_eq!((error.clone(), error.threat()), (EventLogError::FinalEventsEmpty, "e07"));
    assert!(error.to_string().contains("is empty"), "{error}");
}

#[test]
fn e05_final_events_of_other_banks_than_the_logs_are_refused() {
    let bytes = half_of_the_declared_banks();
    let log = EventLog::parse(&bytes).unwrap();
    let mut last = LogBuilder::agile(&[HashAlgorithm::Sha1, BANK]);
    let header = last.bytes.len();
    last.event(5, E::EfiAction, b"Exit Boot Services Invocation");
    let table = |events: &[u8]| [&1_u64.to_le_bytes(), &1_u64.to_le_bytes(), events].concat();
    assert_eq!(FinalEvents::parse(&log, &table(&last.bytes[header..])).unwrap().added(), 1);
    let mut other = LogBuilder::agile(&[BANK]);
    let header = other.bytes.len();
    other.event(5, E::EfiAction, b"Exit Boot Services Invocation");
    assert!(matches!(
        FinalEvents::parse(&log, &table(&other.bytes[header..])),
        Err(EventLogError::MissingDigest { algorithm: 0x0004, .. })
    ));
}

#[test]
fn e05_two_logs_in_one_file_are_told_as_such() {
    for banks in [&[BANK][..], &[HashAlgorithm::Sha1, HashAlgorithm::Sha384]] {
        let log = good_boot(LogBuilder::agile(banks));
        let count = EventLog::parse(&log.bytes).unwrap().event_count();
        assert_eq!(
            EventLog::parse(&[&log.bytes[..], &log.bytes].concat()).unwrap_err(),
            EventLogError::RepeatedHeader { index: count, offset: log.bytes.len() }
        );
    }
}

/// coreboot: EV_ACTION for all, every event in a slot of one size; then a UEFI payload.
fn coreboot() -> LogBuilder {
    let mut log = LogBuilder::agile(&[BANK]);
    log.no_action(&slot(b"StartupLocality\0\x03"))
        .hashed(0, E::Action, b"fmap", &slot(b"FMAP: FMAP"))
        .hashed(2, E::Action, b"ramstage", &slot(b"CBFS: fallback/ramstage"))
        .event(0, E::SCrtmVersion, &utf16("1.0\0"))
        .config(Guid::GLOBAL, "SecureBoot", &[0]);
    for index in 0..8 {
        log.hashed(index, E::Separator, &[0; 4], &slot(&[0; 4]));
    }
    log
}

#[test]
fn e17_coreboots_slots_are_read_without_their_zeros() {
    let log = coreboot();
    let log = EventLog::parse(&log.bytes).unwrap();
    assert_eq!(log.startup_locality(), Some(3));
    let lines = lines(&log);
    assert_eq!(lines[1..4], ["startup locality 3", "FMAP: FMAP", "CBFS: fallback/ramstage"]);
    assert_eq!(lines[6], "separator");
    assert!(log.events().all(|event| event.placement() != Placement::NotInProfile));
    let boot = boot(&log);
    let facts = boot.facts(BANK);
    assert!(facts.separators().values().all(|state| matches!(state, SeparatorState::Once { .. })));
    assert_eq!(facts.faults(), []);
    assert!(matches!(facts.secure_boot(), SecureBoot::Off { .. }));
    assert_eq!(facts.odd_first_event(), None);
    // What is measured under a name counts as code of PCR 2: the name is none of the profile's actions.
    assert_eq!(facts.option_roms().unwrap(), [BANK.digest(b"ramstage")]);
}

#[test]
fn e03_a_name_that_is_no_text_of_its_digest_is_not_called_a_contradiction() {
    let mut log = coreboot();
    log.hashed(1, E::PlatformConfigFlags, b"tables", b"ACPI DATA");
    let log = EventLog::parse(&log.bytes).unwrap();
    for index in [0, 1, 2] {
        let found = diagnose(&BootLogs::from(log), pcr(index), &BANK.digest(b"another value")).unwrap();
        assert!(matches!(found.cause, Cause::Unknown { .. }), "{found:?}");
        assert_eq!(found.contradiction, None, "PCR {index}");
    }
}

#[test]
fn e17_a_conventional_bios_is_read_by_its_own_specification() {
    let mut log = LogBuilder::sha1();
    log.event(0, E::SCrtmVersion, b"1.0\0")
        .event(1, E::EventTag, &tag(1, &[7; 4]))
        .event(2, E::EventTag, &tag(7, &[0, 0, 8, 0]))
        .event(4, E::Action, b"Calling INT 19h");
    for index in 0..8 {
        log.event(index, E::Separator, &[0xFF; 4]);
    }
    log.event(4, E::Action, b"Booting BCV device 80h (HDD)")
        .hashed(4, E::Ipl, b"code", b"MBR")
        .hashed(5, E::IplPartitionData, b"table", b"MBR PARTITION TABLE")
        .hashed(5, E::Ipl, b"config", b"grub.cfg")
        .event(11, E::EventTag, &tag(1, b"x"));
    let log = EventLog::parse(&log.bytes).unwrap();
    let lines = lines(&log);
    assert_eq!(lines[1..3], ["SMBIOS structure: 07070707", "option ROM that runs: 00000800"]);
    assert!(lines.iter().any(|line| line == "MBR PARTITION TABLE"));
    assert_eq!(lines.last().unwrap(), "tag 0x00000001 x");
    assert!(log.events().all(|event| event.placement() != Placement::NotInProfile));
    let boot = boot(&log);
    assert_eq!(boot.facts(HashAlgorithm::Sha1).faults(), []);
    assert!(matches!(boot.facts(HashAlgorithm::Sha1).secure_boot(), SecureBoot::Unknown { .. }));
}

#[test]
fn e17_the_log_of_a_confidential_machine_is_told_from_a_tpms() {
    let sha384 = HashAlgorithm::Sha384;
    let mut log = LogBuilder::agile(&[sha384]);
    // The index of the header's record.
    log.bytes[0] = 1;
    log.event(1, E::EfiVariableDriverConfig, &variable(Guid::GLOBAL, "SecureBoot", &[1])).separator(1);
    let log = EventLog::parse(&log.bytes).unwrap();
    assert!(log.measures_rtmrs());
    assert_eq!(log.banks().collect::<Vec<_>>(), [sha384]);
    assert!(matches!(boot(&log).facts(sha384).secure_boot(), SecureBoot::Unknown { .. }));
    let tpm = good_boot(LogBuilder::agile(&[sha384]));
    assert!(!EventLog::parse(&tpm.bytes).unwrap().measures_rtmrs());
}

#[test]
fn e08_what_firmware_measures_late_into_pcr_1_is_no_fault_and_elsewhere_it_is() {
    let late = |index: u32, kind: E| {
        let mut log = good_boot(LogBuilder::agile(&[BANK]));
        log.event(index, kind, &variable(Guid::GLOBAL, "DeployedMode", &[1]));
        let log = EventLog::parse(&log.bytes).unwrap();
        boot(&log).facts(BANK).faults().to_vec()
    };
    for kind in [E::EfiVariableDriverConfig, E::EfiVariableBoot, E::EfiHandoffTables] {
        assert_eq!(late(1, kind), []);
    }
    for (index, kind) in [
        (1, E::PlatformConfigFlags),
        (3, E::EfiVariableDriverConfig),
        (0, E::EfiHandoffTables),
        (7, E::EfiVariableDriverConfig),
    ] {
        assert!(
            matches!(late(index, kind)[..], [BootFault::AfterSeparator { count: 1, .. }]),
            "{kind} in PCR {index}"
        );
    }
}

#[test]
fn e19_the_text_of_an_old_systemd_boot_in_pcr_8_contradicts_grubs_alone() {
    let text = utf16("quiet splash\0");
    let of = |log: &LogBuilder| {
        let log = EventLog::parse(&log.bytes).unwrap();
        let line = boot(&log).facts(BANK).command_line();
        matches!(line, CommandLine::Contradicted { .. })
    };
    let mut alone = LogBuilder::agile(&[BANK]);
    alone.event(8, E::Ipl, &text);
    assert!(!of(&alone));
    let mut beside = good_boot(LogBuilder::agile(&[BANK]));
    assert!(!of(&beside));
    beside.event(8, E::Ipl, &text);
    assert!(of(&beside));
    let mut unbound = LogBuilder::agile(&[BANK]);
    unbound.hashed(8, E::Ipl, b"something else", &text);
    assert!(of(&unbound));
}

/// UEFI_IMAGE_LOAD_EVENT of a file in a firmware volume.
fn firmware_image() -> Vec<u8> {
    let node = |subtype: u8| [&[4, subtype, 20, 0][..], &[9; 16]].concat();
    let path = [node(7), node(6), vec![0x7F, 0xFF, 4, 0]].concat();
    [&[0; 24][..], &u64::try_from(path.len()).unwrap().to_le_bytes(), &path].concat()
}

#[test]
fn e11_a_program_of_the_firmware_is_not_taken_for_the_boot_loader() {
    let log = |first: &[u8]| {
        let mut log = LogBuilder::agile(&[BANK]);
        log.separator(4).hashed(4, E::EfiBootServicesApplication, b"first", first).hashed(
            4,
            E::EfiBootServicesApplication,
            b"shim",
            &image_load("\\EFI\\BOOT\\BOOTX64.EFI"),
        );
        log.bytes
    };
    let of = |bytes: &[u8]| {
        let log = EventLog::parse(bytes).unwrap();
        let boot = boot(&log);
        let facts = boot.facts(BANK);
        assert_eq!(boot.images(BANK).unwrap().count(), 2);
        facts.boot_loader().map(|image| *image.digest())
    };
    assert_eq!(of(&log(&firmware_image())), None);
    // The path is a hint: it never makes another image the boot loader.
    assert_eq!(of(&log(&image_load("\\EFI\\evil.efi"))), Some(BANK.digest(b"first")));
}

#[test]
fn e17_types_of_a_dynamic_launch_and_windows_own_separator_have_names() {
    let mut log = LogBuilder::agile(&[BANK]);
    log.hashed(17, E::Other(0x402), b"sinit", b"")
        .hashed(18, E::Other(0x404), b"mle", &[1, 2])
        .hashed(17, E::Other(0x502), b"zero page", b"Measured boot parameters")
        .hashed(17, E::Other(0x8FFF), b"?", b"")
        .event(12, E::Separator, b"WBCL");
    let log = EventLog::parse(&log.bytes).unwrap();
    assert_eq!(
        lines(&log)[1..],
        [
            "TXT: start of the hash: (nothing)",
            "TXT: measured launch environment: 0102",
            "Secure Launch: measurement: Measured boot parameters",
            "(nothing)",
            "separator of Windows (WBCL)"
        ]
    );
}
