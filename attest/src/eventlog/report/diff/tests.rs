//! Recorded and made boots, and what is said of their differences.

use super::*;
use crate::cel;
use crate::eventlog::tests::builder::{LogBuilder, good_boot, image_load, variable};
use crate::eventlog::{EventLog, EventType, Guid};

const BANK: HashAlgorithm = HashAlgorithm::Sha256;

fn recorded(name: &str) -> Vec<u8> {
    let path = format!("{}/../tpm-sim-tests/vectors/{name}/eventlog.bin", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn logs(bytes: &[u8]) -> BootLogs<'_> {
    BootLogs::from(EventLog::parse(bytes).unwrap())
}

fn words(before: &[u8], after: &[u8]) -> Vec<String> {
    let told = diff(&logs(before), &logs(after), BANK);
    told.changes.into_iter().flat_map(|change| change.what).collect()
}

fn agile() -> LogBuilder {
    LogBuilder::agile(&[BANK])
}

#[test]
fn a_boot_does_not_differ_from_itself() {
    let log = recorded("q35-secureboot-uki");
    let told = diff(&logs(&log), &logs(&log), BANK);
    assert!(told.changes.is_empty() && told.pcrs.is_empty() && told.common_events == 45, "{told:?}");
}

#[test]
fn another_command_line_of_the_recorded_boots_is_told() {
    let (before, after) = (recorded("q35-sha256"), recorded("q35-cmdline"));
    assert_eq!(words(&before, &after), ["command line changed"]);
    let told = diff(&logs(&before), &logs(&after), BANK);
    assert_eq!(told.pcrs.iter().map(|changed| changed.pcr.get()).collect::<Vec<_>>(), [9]);
}

#[test]
fn secure_boot_and_a_unified_kernel_image_are_told() {
    let told = words(&recorded("q35-sha256"), &recorded("q35-secureboot-uki"));
    for expected in
        ["secure boot: off -> on", "image authority added", "partition table added", "boot loader added"]
    {
        assert!(told.iter().any(|word| word == expected), "{expected}: {told:#?}");
    }
}

#[test]
fn the_words_of_a_command_line_are_told() {
    let build = |text: &str| {
        let mut log = agile();
        log.hashed(8, EventType::Ipl, text.as_bytes(), format!("kernel_cmdline: {text}\0").as_bytes());
        log.bytes
    };
    let told = words(&build("/vmlinuz ro quiet splash"), &build("/vmlinuz ro splash debug"));
    assert_eq!(told, ["command line changed: -quiet +debug"]);
}

#[test]
fn more_entries_of_dbx_are_counted() {
    let list = |count: u8| {
        let mut list = vec![0x26, 0x16, 0xC4, 0xC1, 0x4C, 0x50, 0x92, 0x40];
        list.extend([0xAC, 0xA9, 0x41, 0xF9, 0x36, 0x93, 0x43, 0x28]);
        list.extend((28 + 48 * u32::from(count)).to_le_bytes());
        list.extend([0; 4]);
        list.extend(48_u32.to_le_bytes());
        (0..count).for_each(|entry| list.extend([entry; 48]));
        list
    };
    let build = |count| {
        let mut log = agile();
        log.config(Guid::IMAGE_SECURITY, "dbx", &list(count));
        log.bytes
    };
    assert_eq!(words(&build(2), &build(5)), ["dbx has 3 more entries (5 in all)"]);
    assert_eq!(words(&build(2), &build(1)), ["dbx has 1 entry less (1 in all)"]);
}

#[test]
fn a_boot_order_a_firmware_version_and_a_card_are_told() {
    let order = |numbers: &[u8]| {
        let mut log = agile();
        log.hashed(1, EventType::EfiVariableBoot, numbers, &variable(Guid::GLOBAL, "BootOrder", numbers));
        log.bytes
    };
    assert_eq!(
        words(&order(&[1, 0, 2, 0]), &order(&[2, 0, 1, 0])),
        ["boot order changed: 0001,0002 -> 0002,0001"]
    );
    let version = |text: &[u8]| {
        let mut log = agile();
        log.event(0, EventType::SCrtmVersion, text);
        log.bytes
    };
    assert_eq!(
        words(&version(b"1.0\0"), &version(b"1.1\0")),
        ["firmware changed: version 1.0 -> version 1.1"]
    );
    let mut card = agile();
    card.hashed(2, EventType::EfiBootServicesDriver, b"rom", &image_load("rom"));
    assert_eq!(words(&agile().bytes, &card.bytes), ["a driver from a card was added"]);
}

#[test]
fn another_order_within_a_pcr_is_told_as_such() {
    let build = |order: [&[u8]; 2]| {
        let mut log = agile();
        order.iter().for_each(|image| {
            log.hashed(4, EventType::EfiBootServicesApplication, image, &image_load("\\grubx64.efi"));
        });
        log.bytes
    };
    assert_eq!(
        words(&build([b"a", b"b"]), &build([b"b", b"a"])),
        ["boot loader: same events in another order"]
    );
}

#[test]
fn what_systemd_measured_is_told_by_its_text() {
    let log = good_boot(agile()).bytes;
    let text = "\x1e{\"pcr\":11,\"digests\":[{\"hashAlg\":\"sha256\",\"digest\":\"DIGEST\"}],\
                \"content_type\":\"systemd\",\"content\":{\"string\":\"sysinit\"}}\n";
    let text = text.replace("DIGEST", &BANK.digest(b"sysinit").to_hex());
    let after = logs(&log).with_measurements(cel::Log::parse(text.as_bytes()).unwrap());
    let told = diff(&logs(&log), &after, BANK);
    assert_eq!(told.changes[0].what, ["+ systemd: sysinit"]);
}
