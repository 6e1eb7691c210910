//! Logs of machines that this project has no recording of, made by the rules of their makers: Windows, option ROMs,
//! SHA-1-only firmware, an H-CRTM.

use super::builder::{LogBuilder, good_boot, image_load, signature_list, tag, variable};
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::replay::measured::measured_boot;
use crate::eventlog::{
    Binding, Event, EventData, EventLog, EventLogError, EventType, EventView, Guid, Placement, Portion,
    SignatureKind, describe, summary_line,
};
use crate::pcr::PcrIndex;

const BANK: HashAlgorithm = HashAlgorithm::Sha256;

fn pcr(index: u32) -> PcrIndex {
    PcrIndex::new(index).unwrap()
}

/// The events of a PCR, described.
fn lines(log: &EventLog<'_>, index: u32) -> Vec<String> {
    log.events().filter(|event| event.pcr() == PcrIndex::new(index)).map(|event| describe(&event)).collect()
}

/// Every event's text and JSON are printable and bounded.
fn check_reports(log: &EventLog<'_>) {
    for event in log.events() {
        for bank in log.banks() {
            let line = summary_line(&event, bank);
            assert!(line.chars().count() < 420 && !line.chars().any(char::is_control), "{line}");
        }
        let json = serde_json::to_string(&EventView::unverified(&event)).unwrap();
        assert!(!json.chars().any(char::is_control), "{json}");
    }
}

/// A Windows boot manager's events: one trust boundary in PCR 12, the modules in PCR 13, the trust point under no PCR.
fn windows() -> LogBuilder {
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let boundary = [tag(0x0002_0002, &[7; 8]), tag(0x0005_0001, &[0]), tag(0x0005_0002, &[1])].concat();
    let module = [
        tag(0x0007_0001, &utf16("\\Windows\\System32\\winload.efi\0")),
        tag(0x0007_0003, &0x800C_u32.to_le_bytes()),
        tag(0x0007_0004, &[0xAB; 32]),
    ]
    .concat();
    let mut log = good_boot(LogBuilder::agile(&[HashAlgorithm::Sha1, BANK]));
    log.event(12, EventType::EventTag, &tag(0x4001_0001, &boundary))
        .event(13, EventType::EventTag, &tag(0x4001_0001, &tag(0x4001_0003, &module)))
        .event(12, EventType::Separator, b"WBCL")
        .event_with(
            u32::MAX,
            EventType::NoAction,
            &[vec![0; 20], vec![0; 32]],
            &tag(0xC001_0004, &tag(0x8008_0001, &[1; 20])),
        );
    log
}

#[test]
fn e17_windows_events_are_walked_named_and_bound_whole() {
    let log = windows();
    let log = EventLog::parse(&log.bytes).unwrap();
    assert_eq!(
        lines(&log, 12)[0],
        "TrustBoundary, 4 events: BootCounter = 0707070707070707, OSKernelDebug = 00, CodeIntegrity = 01"
    );
    assert!(
        lines(&log, 13)[0].contains(r"FilePath = \Windows\System32\winload.efi"),
        "{:?}",
        lines(&log, 13)
    );
    for event in
        log.events().filter(|event| event.event_type() == EventType::EventTag && event.pcr() > Some(pcr(9)))
    {
        assert!(matches!(event.typed(), Ok(EventData::Sipa(_))));
        assert_eq!(event.binding(BANK), Binding::Bound(Portion::Whole));
    }
    let trust_point = log.events().last().unwrap();
    assert_eq!((trust_point.pcr(), trust_point.is_extended()), (None, false));
    assert!(matches!(trust_point.typed(), Ok(EventData::Sipa(_))));
    check_reports(&log);
}

#[test]
fn e17_small_numbers_are_no_text_and_empty_names_are_left_out() {
    let mut log = LogBuilder::agile(&[BANK]);
    let names = [&b"Maker\0"[..], b"\0", b"\0", b"\0"];
    let mut platform = [&b"SP800-155 Event2"[..], &[7, 0, 0, 0], &[0; 16]].concat();
    for name in names {
        platform.push(u8::try_from(name.len()).unwrap());
        platform.extend(name);
    }
    platform.extend([7, 0, 0, 0, 0]);
    log.no_action(&platform)
        .event(13, EventType::EventTag, &tag(0x4001_0003, &tag(0x0007_0003, &0x800C_u32.to_le_bytes())))
        .hashed(1, EventType::EfiHandoffTables, b"", &[0; 8]);
    let log = EventLog::parse(&log.bytes).unwrap();
    assert_eq!(lines(&log, 13), ["LoadedModuleAggregation, 2 events: HashAlgorithmId = 0c800000"]);
    assert_eq!(
        lines(&log, 0)[1],
        "platform Maker, firmware without a name, manifest 00000000-0000-0000-0000-000000000000"
    );
    assert_eq!(lines(&log, 1), ["tables none"]);
    check_reports(&log);
}

/// Windows hands out what it measured since a resume without the firmware's header, and old firmware begins with another
/// event of no action.
#[test]
fn e17_a_log_without_a_header_may_begin_with_any_event_that_informs() {
    let resumed = tag(0xC001_0004, &tag(0x8008_0001, &[1; 40]));
    let platform = [&b"SP800-155 Event\0"[..], &[7; 20]].concat();
    for informs in [&resumed[..], &platform, b"StartupLocality\0\x03"] {
        let mut log = LogBuilder::sha1();
        log.no_action(informs).event(0, EventType::SCrtmVersion, b"1.0\0");
        let log = EventLog::parse(&log.bytes).unwrap();
        assert_eq!((log.event_count(), log.spec_id()), (2, None));
        assert_eq!(lines(&log, 0).last().unwrap(), "version 1.0");
        check_reports(&log);
    }
    let mut log = LogBuilder::sha1();
    log.event(11, EventType::CompactHash, &[0x10, 0, 0, 0]).event(
        12,
        EventType::EventTag,
        &tag(0x4001_0001, b""),
    );
    assert_eq!(EventLog::parse(&log.bytes).unwrap().event_count(), 2);
    for unknown in
        [&b"Spec ID Event9\0\0 and more"[..], b"0123456789abcdef", &tag(0xC001_0004, &[1; 40])[..44]]
    {
        let mut log = LogBuilder::sha1();
        log.no_action(unknown);
        let refused = EventLog::parse(&log.bytes).unwrap_err();
        assert!(matches!(refused, EventLogError::UnknownSignature { .. }), "{refused}");
    }
}

#[test]
fn e11_windows_value_that_was_changed_is_a_hint() {
    let log = windows();
    let parsed = EventLog::parse(&log.bytes).unwrap();
    let event = parsed.events().find(|event| event.pcr() == Some(pcr(12))).unwrap();
    // The last byte of the first event of PCR 12: code integrity on.
    let place = event.data().as_ptr().addr() - log.bytes.as_ptr().addr() + event.data().len() - 1;
    let mut bytes = log.bytes.clone();
    assert_eq!(bytes[place], 1);
    bytes[place] = 0;
    let forged = EventLog::parse(&bytes).unwrap();
    let event = forged.events().find(|event| event.pcr() == Some(pcr(12))).unwrap();
    assert!(!event.binding(BANK).is_bound());
}

#[test]
fn e16_option_roms_are_in_pcr_2_and_elsewhere_they_are_told() {
    let mut log = LogBuilder::agile(&[BANK]);
    log.hashed(2, EventType::EfiBootServicesDriver, b"rom", &image_load("\\rom.efi"))
        .hashed(2, EventType::EfiRuntimeServicesDriver, b"runtime", &image_load(""))
        .hashed(3, EventType::EfiBootServicesDriver, b"rom", &image_load("\\rom.efi"))
        .hashed(2, EventType::Other(0xA000_0000), b"oem", b"oem");
    let log = EventLog::parse(&log.bytes).unwrap();
    let placements: Vec<_> = log.events().skip(1).map(|event| event.placement()).collect();
    assert_eq!(
        placements,
        [Placement::Allowed, Placement::Allowed, Placement::NotInProfile, Placement::UnknownType]
    );
    assert_eq!(lines(&log, 2)[0], r"Pci(0x3,0x0)/\rom.efi");
    let remark = |event: &Event<'_>| summary_line(event, BANK).contains("not in the profile's place");
    assert_eq!(log.events().filter(remark).count(), 1);
    check_reports(&log);
}

#[test]
fn e17_an_hcrtm_with_its_startup_locality_replays_from_4() {
    let mut log = LogBuilder::agile(&[HashAlgorithm::Sha384, BANK]);
    log.startup_locality(4)
        .hashed(0, EventType::EfiHcrtmEvent, b"code of the root", b"HCRTM")
        .event(0, EventType::SCrtmVersion, b"1.0\0")
        .hashed(0, EventType::PostCode, b"post", b"POST CODE")
        .separator(0);
    let log = EventLog::parse(&log.bytes).unwrap();
    let mut start = [0; 32];
    start[31] = 4;
    let mut expected = Digest::new(BANK, &start).unwrap();
    for data in [&b"code of the root"[..], b"1.0\0", b"post", &[0; 4]] {
        expected = expected.extend(&BANK.digest(data)).unwrap();
    }
    assert_eq!(log.replay().get(BANK, pcr(0)), Some(&expected));
    assert_eq!(lines(&log, 0)[2..5], ["HCRTM", "version 1.0", "POST CODE"]);
    assert!(log.events().all(|event| event.placement() == Placement::Allowed));
    check_reports(&log);
}

#[test]
fn e17_post_codes_are_a_text_a_place_or_the_vendors_own() {
    let mut described = vec![2, b'B', b'B'];
    described.extend([0; 16]);
    for (data, text) in [
        (&b"POST CODE"[..], "POST CODE"),
        (b"ACPI DATA\0", "ACPI DATA"),
        (b"\0\0\xE0\xFF\0\0\0\0\0\x10\0\0\0\0\0\0", "blob of 4096 bytes at 0xffe00000"),
        (&described, "BB of 0 bytes at 0x0"),
        (b"\x01\x02\x03", "010203"),
    ] {
        let mut log = LogBuilder::agile(&[BANK]);
        log.hashed(0, EventType::PostCode, b"code", data);
        assert_eq!(lines(&EventLog::parse(&log.bytes).unwrap(), 0)[1], text);
    }
}

#[test]
fn e12_e17_a_sha1_only_boot_is_read_like_any_other() {
    let log = good_boot(LogBuilder::sha1());
    let log = EventLog::parse(&log.bytes).unwrap();
    assert_eq!(log.banks().collect::<Vec<_>>(), [HashAlgorithm::Sha1]);
    let values = log.replay();
    let boot = measured_boot(&log, |bank, index| values.get(bank, index).copied());
    assert!(boot.matches(HashAlgorithm::Sha1, pcr(7)) && !boot.matches(BANK, pcr(7)));
    assert_eq!(lines(&log, 7)[0], "SecureBoot = 01 (on)");
    check_reports(&log);
}

#[test]
fn variables_that_nobody_has_heard_of_are_shown_and_refuse_nothing() {
    let list = signature_list(SignatureKind::Sha256, &[&[1; 32]]);
    let mut log = LogBuilder::agile(&[BANK]);
    log.config(Guid::SHIM, "vendor_db", &list)
        .config(Guid::new([9; 16]), "of\u{202E}\n a vendor", &[1, 2, 3])
        .config(Guid::IMAGE_SECURITY, "db", &list[..30])
        .event(7, EventType::EfiAction, b"DMA Protection Disabled")
        .event(7, EventType::EfiSpdmDevicePolicy, &variable(Guid::SHIM, "devdb", &list));
    let log = EventLog::parse(&log.bytes).unwrap();
    let lines = lines(&log, 7);
    assert_eq!(lines[0], "vendor_db: sha256 01010101010101010101010101010101… (32 bytes)");
    assert_eq!(lines[1], "of\\u{202e}\\n a vendor = 010203");
    assert!(lines[2].starts_with("db is malformed: "), "{}", lines[2]);
    assert_eq!(lines[3], "DMA Protection Disabled");
    assert!(lines[4].starts_with("devdb: sha256 "), "{}", lines[4]);
    assert!(log.events().skip(1).all(|event| event.binding(BANK).is_bound()));
    check_reports(&log);
}
