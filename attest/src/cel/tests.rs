//! Canonical event logs: what is read, what is refused, and what a boot is with them.

use proptest::prelude::RngExt as _;
use proptest::test_runner::{RngAlgorithm, TestRng};

use super::*;
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::tests::builder::{LogBuilder, good_boot, image_load};
use crate::eventlog::{BootLogs, EventLog, EventType, PcrVerdict, measured_logs};
use crate::pcr::{PcrIndex, ReplayedPcrs};

const BANK: HashAlgorithm = HashAlgorithm::Sha256;

fn pcr(index: u32) -> PcrIndex {
    PcrIndex::new(index).unwrap()
}

/// A record as systemd writes it, of the time `at`.
fn systemd(pcr: u32, text: &str, at: u64) -> String {
    record(pcr, text, &BANK.digest(text.as_bytes()), at)
}

fn record(pcr: u32, text: &str, digest: &Digest, at: u64) -> String {
    format!(
        "\x1e{{\"pcr\":{pcr},\"digests\":[{{\"hashAlg\":\"sha256\",\"digest\":\"{}\"}}],\"content_type\":\"systemd\",\
         \"content\":{{\"string\":\"{text}\",\"bootId\":\"0f\",\"timestamp\":{at},\"eventType\":\"phase\"}}}}\n",
        digest.to_hex()
    )
}

const MACHINE: &str = "machine-id:0123456789abcdef0123456789abcdef";

fn user_space() -> String {
    [
        systemd(9, "nvpcr-separator", 1),
        systemd(11, "enter-initrd", 2),
        systemd(11, "leave-initrd", 3),
        systemd(15, MACHINE, 4),
        systemd(11, "sysinit", 5),
    ]
    .concat()
}

fn values(log: &EventLog<'_>, records: &[&Log<'_>]) -> ReplayedPcrs {
    let mut values = log.replay();
    for record in records.iter().flat_map(|log| log.records()) {
        record.digests().iter().for_each(|digest| values.extend(record.pcr().unwrap(), digest));
    }
    values
}

fn parse(text: &str) -> Log<'_> {
    Log::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn e15_pcrs_that_systemd_extends_are_explained_by_both_logs_together() {
    let firmware = good_boot(LogBuilder::agile(&[BANK]));
    let firmware = EventLog::parse(&firmware.bytes).unwrap();
    let text = user_space();
    let log = parse(&text);
    let values = values(&firmware, &[&log]);
    let quoted = |bank, pcr: PcrIndex| values.get(bank, pcr).copied();
    // Without systemd's log PCR 9 does not replay, and 11 and 15 are unexplained.
    let alone = measured_logs(BootLogs::from(firmware), quoted);
    assert!(matches!(alone.verdict(BANK, pcr(9)), Some(PcrVerdict::Differs { .. })));
    assert!(matches!(alone.verdict(BANK, pcr(15)), Some(PcrVerdict::Unexplained { .. })));
    let boot = measured_logs(BootLogs::from(firmware).with_measurements(log), quoted);
    for (bank, index, verdict) in boot.verdicts() {
        assert!(matches!(verdict, PcrVerdict::Matches { .. }), "{bank} {index} {verdict:?}");
        assert_eq!(boot.diagnose(bank, index), None);
    }
    let Some(PcrVerdict::Matches { logs, events: 2, .. }) = boot.verdict(BANK, pcr(9)) else { panic!() };
    assert_eq!((logs.firmware, logs.measurements, logs.not_covered), (1, 1, 0));
    // Texts are facts as far as their digest covers them.
    let phases: Vec<_> = boot.records_of(BANK, pcr(11)).unwrap();
    let phases: Vec<_> = phases.iter().filter_map(|record| record.bound()?.systemd_event()).collect();
    assert_eq!(phases[2], SystemdEvent::Phase { phase: "sysinit" });
    let machine = boot.records_of(BANK, pcr(15)).unwrap();
    assert_eq!(machine[0].bound().unwrap().text(), Some(MACHINE));
    assert_eq!(boot.unverified_logs().replay(), values);
}

#[test]
fn e02_records_after_the_quote_are_counted_and_not_handed_out() {
    let text = user_space();
    let log = parse(&text);
    let two = [&log.records()[1], &log.records()[2]];
    let digests = two.map(|record| *record.digest(BANK).unwrap());
    let value = digests.iter().fold(Digest::zero(BANK), |value, digest| value.extend(digest).unwrap());
    let logs = BootLogs::default().with_measurements(log);
    let boot = measured_logs(logs.clone(), |bank, index| (bank == BANK && index == pcr(11)).then_some(value));
    let Some(PcrVerdict::Matches { logs: counts, .. }) = boot.verdict(BANK, pcr(11)) else { panic!() };
    assert_eq!((counts.measurements, counts.not_covered), (2, 1));
    assert_eq!(boot.records_of(BANK, pcr(11)).unwrap().len(), 2);
    assert!(boot.records_of(BANK, pcr(15)).is_none());
    // A register that still holds its start value is not "covered so far": the records are of another boot.
    let zero = |bank, index| (bank == BANK && index == pcr(11)).then(|| Digest::zero(BANK));
    let boot = measured_logs(logs, zero);
    assert!(matches!(boot.verdict(BANK, pcr(11)), Some(PcrVerdict::Differs { .. })));
}

#[test]
fn e21_records_of_two_logs_replay_by_time_and_not_in_any_order() {
    let (one, two) = (systemd(15, "first", 10) + &systemd(15, "third", 30), systemd(15, "second", 20));
    let order = ["first", "second", "third"].map(|text| BANK.digest(text.as_bytes()));
    let value = order.iter().fold(Digest::zero(BANK), |value, digest| value.extend(digest).unwrap());
    let logs = |one: &str, two: &str| {
        let boot = BootLogs::default().with_measurements(parse(one)).with_measurements(parse(two));
        let boot = measured_logs(boot, |bank, index| (bank == BANK && index == pcr(15)).then_some(value));
        boot.verdict(BANK, pcr(15)).copied()
    };
    assert!(matches!(logs(&one, &two), Some(PcrVerdict::Matches { events: 3, .. })));
    assert!(matches!(logs(&two, &one), Some(PcrVerdict::Matches { events: 3, .. })));
    let late = systemd(15, "second", 40);
    assert!(matches!(logs(&one, &late), Some(PcrVerdict::Differs { .. })));
}

#[test]
fn e21_events_reordered_across_pcrs_replay_and_within_one_do_not() {
    let build = |order: [(u32, &[u8]); 3]| {
        let mut log = LogBuilder::agile(&[BANK]);
        for (pcr, image) in order {
            log.hashed(pcr, EventType::EfiBootServicesApplication, image, &image_load("\\x.efi"));
        }
        log.bytes
    };
    let truth = build([(4, b"a"), (2, b"b"), (4, b"c")]);
    let values = EventLog::parse(&truth).unwrap().replay();
    let matches = |bytes: &[u8]| {
        let logs = BootLogs::from(EventLog::parse(bytes).unwrap());
        let boot = measured_logs(logs, |bank, pcr| values.get(bank, pcr).copied());
        boot.verdicts().all(|(_, _, verdict)| matches!(verdict, PcrVerdict::Matches { .. }))
    };
    assert!(matches(&build([(2, b"b"), (4, b"a"), (4, b"c")])));
    assert!(!matches(&build([(4, b"c"), (2, b"b"), (4, b"a")])));
}

#[test]
fn e11_a_firmware_event_moved_into_another_log_hides_nothing() {
    let mut real = good_boot(LogBuilder::agile(&[BANK]));
    let innocent = real.bytes.clone();
    real.hashed(4, EventType::EfiBootServicesApplication, b"evil", &image_load("\\evil.efi"));
    let values = EventLog::parse(&real.bytes).unwrap().replay();
    let moved = record(4, "ready", &BANK.digest(b"evil"), 1);
    let logs = BootLogs::from(EventLog::parse(&innocent).unwrap()).with_measurements(parse(&moved));
    let boot = measured_logs(logs, |bank, pcr| values.get(bank, pcr).copied());
    assert!(boot.matches(BANK, pcr(4)));
    assert!(boot.images(BANK).is_none(), "the list would lack the last image");
    assert!(boot.records_of(BANK, pcr(4)).unwrap()[0].bound().is_none());
    // A bound text is no way around: this one is a firmware's action.
    let mut real = good_boot(LogBuilder::agile(&[BANK]));
    let action = "Exit Boot Services Returned with Failure";
    let innocent = real.bytes.clone();
    real.event(5, EventType::EfiAction, action.as_bytes());
    let values = EventLog::parse(&real.bytes).unwrap().replay();
    let moved = systemd(5, action, 1);
    let logs = BootLogs::from(EventLog::parse(&innocent).unwrap()).with_measurements(parse(&moved));
    let boot = measured_logs(logs, |bank, pcr| values.get(bank, pcr).copied());
    assert!(boot.matches(BANK, pcr(5)));
    let exit = boot.facts(BANK).exit_boot_services();
    assert!(!matches!(exit, crate::eventlog::ExitBootServices::Succeeded { .. }), "{exit:?}");
}

#[test]
fn e03_content_that_the_digest_does_not_cover_is_a_hint() {
    // A volume key is measured as an HMAC: the text names it and proves nothing.
    let text = record(15, "cryptsetup:root:uuid", &BANK.digest(b"a secret's HMAC"), 1);
    assert_eq!(parse(&text).records()[0].binding(BANK), RecordBinding::Hint);
    assert_eq!(parse(&text).records()[0].binding(HashAlgorithm::Sha384), RecordBinding::Hint);
    // systemd logs what is not printable with C's escapes; the digest is of the bytes.
    let text = record(
        15,
        r"file-system:/:ext4:u:l\\303\\244:p:t:n",
        &BANK.digest("file-system:/:ext4:u:lä:p:t:n".as_bytes()),
        1,
    );
    assert_eq!(parse(&text).records()[0].binding(BANK), RecordBinding::Bound);
}

#[test]
fn an_nv_index_is_no_pcr() {
    let text = systemd(9, "x", 1).replace("\"pcr\":9", "\"nv_index\":30474752");
    let log = parse(&text);
    assert_eq!(log.records()[0].register(), Register::NvIndex(0x1D1_0200));
    assert_eq!(BootLogs::default().with_measurements(log).replay(), ReplayedPcrs::new());
}

#[test]
fn arrays_lines_and_empty_logs_are_read() {
    let text = user_space();
    let array = format!("[{}]", text.replace("}\n\x1e", "},").trim_start_matches('\x1e').trim_end());
    let lines = text.replace('\x1e', "");
    assert_eq!(parse(&array).encoding(), Encoding::Json);
    let texts = |log: &Log<'_>| -> Vec<_> {
        log.records().iter().map(|record| (record.pcr(), record.text().map(str::to_owned))).collect()
    };
    assert_eq!(texts(&parse(&array)), texts(&parse(&text)));
    assert_eq!(texts(&parse(&lines)), texts(&parse(&text)));
    assert!(Log::parse(b"").unwrap().records().is_empty());
}

#[test]
fn e06_e07_malformed_and_boundless_logs_are_refused() {
    let good = systemd(11, "ready", 1);
    for (from, to) in [
        ("\"pcr\":11", "\"pcr\":24"),
        ("\"pcr\":11", "\"pcr\":11,\"nv_index\":5"),
        ("\"pcr\":11,", ""),
        ("\"pcr\":11", "\"pcr\":11,\"pcr\":11"),
        ("\"string\":", "\"string\":\"a\",\"string\":"),
        ("sha256", "sha384"),
        ("\"digest\":\"", "\"digest\":\"0"),
        ("}\n", ""),
        ("}\n", "}}\n"),
    ] {
        let text = good.replace(from, to);
        assert!(Log::parse(text.as_bytes()).is_err(), "{text}");
    }
    let digest = good.split("[{").nth(1).unwrap().split('}').next().unwrap();
    let twice = good.replace(digest, &format!("{digest}}},{{{digest}"));
    assert!(matches!(Log::parse(twice.as_bytes()), Err(CelError::Digest { what: "repeated", .. })));
    let many = good.repeat(MAX_RECORDS + 1);
    assert!(matches!(Log::parse(many.as_bytes()), Err(CelError::TooManyRecords | CelError::TooLarge { .. })));
    assert!(matches!(Log::parse(&vec![b' '; MAX_LOG + 1]), Err(CelError::TooLarge { .. })));
    let deep = format!("\x1e{{\"content\":{}", "[".repeat(100_000));
    assert!(matches!(Log::parse(deep.as_bytes()), Err(CelError::Json { .. })));
    assert_eq!(Log::parse(&[0x7F]), Err(CelError::Encoding { found: 0x7F }));
    let event = "[{\"pcr\":0,\"digests\":[{\"hashAlg\":\"sha1\",\"digest\":\"0101010101010101010101010101010101010101\"}],\
                 \"content_type\":\"pcclient_std\",\"content\":{\"event_type\":\"EV_NO_ACTION\",\"event_data\":\"\"}}]";
    assert_eq!(Log::parse(event.as_bytes()), Err(CelError::NoActionDigest { record: 0 }));
}

/// The records of [`user_space`] in the other encodings.
fn tlv(log: &Log<'_>) -> Vec<u8> {
    let field = |kind: u8, value: &[u8]| {
        [&[kind][..], &u32::try_from(value.len()).unwrap().to_be_bytes(), value].concat()
    };
    let records = log.records().iter().zip(0_u32..).map(|(record, number)| {
        let digest = field(0x0B, record.digest(BANK).unwrap().as_bytes());
        [
            field(0, &number.to_be_bytes()),
            field(1, &[record.pcr().unwrap().get()]),
            field(3, &digest),
            field(9, record.text().unwrap().as_bytes()),
        ]
        .concat()
    });
    records.collect::<Vec<_>>().concat()
}

fn cbor(log: &Log<'_>) -> Vec<u8> {
    let records = log.records().iter().zip(0_u8..).map(|(record, number)| {
        let text = record.text().unwrap().as_bytes();
        let mut bytes =
            vec![0xA5, 0, number, 1, record.pcr().unwrap().get(), 3, 0x81, 0xA2, 0, 0x0B, 1, 0x58, 32];
        bytes.extend(record.digest(BANK).unwrap().as_bytes());
        bytes.extend([9, 9, 10, 0x58, u8::try_from(text.len()).unwrap()]);
        [bytes, text.to_vec()].concat()
    });
    records.collect::<Vec<_>>().concat()
}

fn bound_texts(log: &Log<'_>) -> Vec<String> {
    log.records()
        .iter()
        .filter(|record| record.binding(BANK) == RecordBinding::Bound)
        .map(|record| format!("{} {}", record.pcr().unwrap(), record.text().unwrap()))
        .collect()
}

#[test]
fn every_encoding_says_the_same() {
    let text = user_space();
    let log = parse(&text);
    let (tlv, cbor) = (tlv(&log), cbor(&log));
    let array = [&[0x85][..], &cbor].concat();
    for (bytes, encoding) in [(&tlv, Encoding::Tlv), (&cbor, Encoding::Cbor), (&array, Encoding::Cbor)] {
        let read = Log::parse(bytes).unwrap();
        assert_eq!((read.encoding(), bound_texts(&read)), (encoding, bound_texts(&log)));
    }
    // A firmware's event in CBOR and TLV: EV_SEPARATOR of PCR 7, content type 5.
    let digest = BANK.digest(&[0; 4]);
    let head = [0xA5, 0, 0, 1, 7, 3, 0x81, 0xA2, 0, 0x0B, 1, 0x58, 32];
    let event = [&head[..], digest.as_bytes(), &[9, 5, 10, 0xA2, 0, 4, 1, 0x44, 0, 0, 0, 0]].concat();
    assert_eq!(Log::parse(&event).unwrap().records()[0].binding(BANK), RecordBinding::Bound);
}

#[test]
fn e06_lengths_and_depths_of_the_binary_encodings_are_bounded() {
    let text = user_space();
    let log = parse(&text);
    for bytes in [tlv(&log), cbor(&log)] {
        let whole = Log::parse(&bytes).unwrap().records().len();
        for len in 0..bytes.len() {
            // A cut between records leaves the records before it.
            assert!(!Log::parse(&bytes[..len]).is_ok_and(|log| log.records().len() == whole), "{len}");
        }
    }
    // 2^64 records, a digest of 4 GiB, an endless nest, an indefinite length.
    let mut nest = vec![0xA1, 0x18, 99];
    nest.extend(vec![0x81; 100_000]);
    let boundless: [&[u8]; 4] = [
        &[0x9B, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
        &[0, 0xFF, 0xFF, 0xFF, 0xFF, 1],
        &nest,
        &[0x9F],
    ];
    for bytes in boundless {
        assert!(Log::parse(bytes).is_err());
    }
}

#[test]
fn e06_a_hundred_thousand_mutations_of_measurement_logs_never_panic() {
    let text = user_space();
    let log = parse(&text);
    let seeds = [text.clone().into_bytes(), tlv(&log), cbor(&log)];
    let mut random = TestRng::deterministic_rng(RngAlgorithm::XorShift);
    let mut next = |end: usize| random.random_range(0..end);
    for round in 0..100_002 {
        let mut bytes = seeds[round % 3].clone();
        for _ in 0..=next(3) {
            let at = next(bytes.len());
            match next(4) {
                0 => bytes[at] ^= 1 << next(8),
                1 => bytes[at] = [0, 0xFF, 0x7F, 0x1E, b'"', b'}'][next(6)],
                2 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, bytes[at]),
            }
        }
        let Ok(changed) = Log::parse(&bytes) else { continue };
        for (record, original) in changed.records().iter().zip(log.records()) {
            let _ = (describe(record), record.systemd_event());
            // What is bound is the text of its digest: it never changes without it.
            if record.binding(BANK) == RecordBinding::Bound && record.digest(BANK) == original.digest(BANK) {
                assert_eq!(record.text(), original.text(), "round {round}");
            }
        }
        if round % 50 == 0 {
            let logs = BootLogs::default().with_measurements(changed);
            let _ = crate::eventlog::diagnose(&logs, pcr(11), &BANK.digest(b"unrelated"));
        }
    }
}
