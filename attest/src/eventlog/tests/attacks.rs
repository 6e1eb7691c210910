//! Attacks on a log's form and on its replay, by their ids.

use super::builder::{LogBuilder, good_boot};
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::replay::measured::measured_boot;
use crate::eventlog::{EventLog, EventLogError, EventType, PcrVerdict};
use crate::pcr::PcrIndex;

const BANK: HashAlgorithm = HashAlgorithm::Sha256;

fn agile() -> LogBuilder {
    LogBuilder::agile(&[BANK])
}

fn refused(bytes: &[u8]) -> EventLogError {
    EventLog::parse(bytes).unwrap_err()
}

fn pcr(index: u32) -> PcrIndex {
    PcrIndex::new(index).unwrap()
}

#[test]
fn an_empty_log_is_an_error_of_its_own() {
    for empty in [&[][..], &[0; 100], &[0xFF; 100], &[0]] {
        assert_eq!(refused(empty), EventLogError::Empty);
    }
}

#[test]
fn e01_a_replay_that_differs_from_the_quote_is_told_with_both_values() {
    let log = good_boot(agile());
    let log = EventLog::parse(&log.bytes).unwrap();
    let quoted = BANK.digest(b"another value");
    let boot = measured_boot(&log, |bank, index| (bank == BANK && index == pcr(4)).then_some(quoted));
    let replayed = *log.replay().get(BANK, pcr(4)).unwrap();
    let events = 3;
    assert_eq!(boot.verdict(BANK, pcr(4)), Some(&PcrVerdict::Differs { quoted, replayed, events }));
    assert!(boot.events_of(BANK, pcr(4)).is_none());
    assert!(boot.images(BANK).is_none());
}

#[test]
fn e02_events_of_a_pcr_that_is_not_quoted_are_not_to_be_had() {
    let log = good_boot(agile());
    let log = EventLog::parse(&log.bytes).unwrap();
    let values = log.replay();
    let boot =
        measured_boot(&log, |bank, index| values.get(bank, index).copied().filter(|_| index == pcr(0)));
    assert!(boot.events_of(BANK, pcr(0)).is_some());
    for index in (1..24).map(pcr) {
        assert!(boot.verdict(BANK, index).is_none() && boot.events_of(BANK, index).is_none());
    }
    assert!(boot.views().all(|view| {
        let json = serde_json::to_value(&view).unwrap();
        let verified = !json["verified"].as_array().unwrap().is_empty();
        verified == (json["pcr"] == 0 && json["type"] != "EV_NO_ACTION")
    }));
}

#[test]
fn e02_one_bank_never_vouches_for_another() {
    let mut log = LogBuilder::agile(&[HashAlgorithm::Sha1, BANK]);
    log.event(0, EventType::SCrtmVersion, b"1");
    let log = EventLog::parse(&log.bytes).unwrap();
    let values = log.replay();
    let boot = measured_boot(&log, |bank, index| values.get(bank, index).copied().filter(|_| bank != BANK));
    assert!(boot.events_of(HashAlgorithm::Sha1, pcr(0)).is_some());
    assert!(boot.events_of(BANK, pcr(0)).is_none());
    // A closure that answers with another bank's value is not believed.
    let boot = measured_boot(&log, |_, index| values.get(HashAlgorithm::Sha1, index).copied());
    assert!(boot.verdict(BANK, pcr(0)).is_none());
}

#[test]
fn e04_a_no_action_event_with_a_digest_is_refused_and_without_is_never_extended() {
    let mut log = agile();
    log.event(0, EventType::SCrtmVersion, b"1").no_action(b"for information");
    let with = EventLog::parse(&log.bytes).unwrap().replay();
    let mut expected = crate::ReplayedPcrs::new();
    expected.extend(pcr(0), &BANK.digest(b"1"));
    assert_eq!(with, expected);
    for log in [agile(), LogBuilder::sha1()] {
        let mut log = log;
        log.event(0, EventType::SCrtmVersion, b"1").event(0, EventType::NoAction, b"measured, really");
        assert!(matches!(refused(&log.bytes), EventLogError::NoActionDigest { .. }));
    }
}

#[test]
fn e04_startup_locality_sets_pcr_0s_start_value() {
    for (locality, last) in [(0, 0), (3, 3), (4, 4)] {
        let mut log = agile();
        log.startup_locality(locality).event(0, EventType::SCrtmVersion, b"1").event(
            1,
            EventType::Action,
            b"1",
        );
        let log = EventLog::parse(&log.bytes).unwrap();
        assert_eq!(log.startup_locality(), Some(locality));
        let mut start = [0; 32];
        start[31] = last;
        let expected = Digest::new(BANK, &start).unwrap().extend(&BANK.digest(b"1")).unwrap();
        assert_eq!(log.replay().get(BANK, pcr(0)), Some(&expected));
        assert_eq!(log.replay().get(BANK, pcr(1)), Digest::zero(BANK).extend(&BANK.digest(b"1")).as_ref());
    }
}

#[test]
fn e04_startup_locality_twice_late_malformed_or_elsewhere_is_refused() {
    let mut twice = agile();
    twice.startup_locality(3).startup_locality(3);
    assert_eq!(refused(&twice.bytes), EventLogError::StartupLocalityTwice { index: 2, first: 1 });

    let mut late = agile();
    late.event(0, EventType::SCrtmVersion, b"1").startup_locality(3);
    assert_eq!(refused(&late.bytes), EventLogError::StartupLocalityLate { index: 2, extended: 1 });

    for bad in [&[1][..], &[2], &[5], &[0xFF], &[], &[3, 1], &[3, 0, 3], &[0, 3]] {
        let mut log = agile();
        log.no_action(&[b"StartupLocality\0", bad].concat());
        assert!(matches!(refused(&log.bytes), EventLogError::StartupLocality { index: 1, .. }), "{bad:?}");
    }
    let mut elsewhere = agile();
    elsewhere.event_with(1, EventType::NoAction, &[vec![0; 32]], b"StartupLocality\0\x03");
    assert!(matches!(refused(&elsewhere.bytes), EventLogError::StartupLocality { .. }));
}

#[test]
fn e04_an_hcrtm_starts_pcr_0_at_locality_4_and_contradictions_are_refused() {
    let mut log = agile();
    log.hashed(0, EventType::EfiHcrtmEvent, b"hcrtm", b"HCRTM");
    let parsed = EventLog::parse(&log.bytes).unwrap();
    let mut start = [0; 32];
    start[31] = 4;
    let expected = Digest::new(BANK, &start).unwrap().extend(&BANK.digest(b"hcrtm")).unwrap();
    assert_eq!(parsed.replay().get(BANK, pcr(0)), Some(&expected));

    let mut low = agile();
    low.startup_locality(3).hashed(0, EventType::EfiHcrtmEvent, b"hcrtm", b"HCRTM");
    assert_eq!(refused(&low.bytes), EventLogError::HcrtmContradiction { index: 2, other: 1 });
    let mut late = agile();
    late.event(0, EventType::SCrtmVersion, b"1").hashed(0, EventType::EfiHcrtmEvent, b"hcrtm", b"HCRTM");
    assert_eq!(refused(&late.bytes), EventLogError::HcrtmContradiction { index: 2, other: 1 });
    let mut elsewhere = agile();
    elsewhere.hashed(1, EventType::EfiHcrtmEvent, b"hcrtm", b"HCRTM");
    assert_eq!(refused(&elsewhere.bytes), EventLogError::HcrtmContradiction { index: 1, other: 1 });
}

/// A Spec ID event with the given signature, major version, algorithms and tail.
fn header(signature: &[u8; 16], major: u8, count: u32, algorithms: &[(u16, u16)], tail: &[u8]) -> Vec<u8> {
    let mut spec = [&signature[..], &[0, 0, 0, 0, 0, major, 0, 2], &count.to_le_bytes()].concat();
    for (id, size) in algorithms {
        spec.extend([id.to_le_bytes(), size.to_le_bytes()].concat());
    }
    spec.extend(tail);
    let mut log = LogBuilder::sha1();
    log.no_action(&spec);
    log.bytes
}

const SIGNATURE: &[u8; 16] = b"Spec ID Event03\0";

#[test]
fn e05_a_header_that_contradicts_itself_is_refused() {
    let sha256 = (0x000B, 32);
    assert!(EventLog::parse(&header(SIGNATURE, 2, 1, &[sha256], &[0])).is_ok());
    assert!(matches!(
        refused(&header(b"Spec ID Event04\0", 2, 1, &[sha256], &[0])),
        EventLogError::UnknownSignature { .. }
    ));
    assert_eq!(
        refused(&header(SIGNATURE, 3, 1, &[sha256], &[0])),
        EventLogError::UnsupportedVersion { major: 3 }
    );
    for (algorithm, declared) in
        [(0x000B, 20), (0x000B, 0), (0x0004, 32), (0x000C, 47), (0x0012, 0), (0x0012, 65)]
    {
        let bytes = header(SIGNATURE, 2, 1, &[(algorithm, declared)], &[0]);
        assert!(
            matches!(refused(&bytes), EventLogError::AlgorithmSize { algorithm: a, declared: d, .. } if (a, d) == (algorithm, declared))
        );
    }
    assert_eq!(
        refused(&header(SIGNATURE, 2, 2, &[sha256, sha256], &[0])),
        EventLogError::RepeatedAlgorithm { index: 0, algorithm: 0x000B }
    );
    for tail in [&[][..], &[1], &[0, 0], &[2, 7]] {
        assert!(matches!(
            refused(&header(SIGNATURE, 2, 1, &[sha256], tail)),
            EventLogError::Cut { index: 0, .. }
        ));
    }
    let mut again = agile();
    again.no_action(SIGNATURE);
    assert!(matches!(refused(&again.bytes), EventLogError::RepeatedHeader { index: 1, .. }));
}

#[test]
fn e05_an_unknown_algorithm_is_skipped_by_its_declared_size() {
    let mut bytes = header(SIGNATURE, 2, 2, &[(0x0030, 32), (0x000B, 32)], &[0]);
    let digest = BANK.digest(b"1");
    bytes.extend([0, 0, 0, 0, 8, 0, 0, 0, 2, 0, 0, 0, 0x30, 0]);
    bytes.extend([7; 32]);
    bytes.extend([0x0B, 0]);
    bytes.extend(digest.as_bytes());
    bytes.extend([1, 0, 0, 0, b'1']);
    let log = EventLog::parse(&bytes).unwrap();
    assert_eq!(log.banks().collect::<Vec<_>>(), [BANK]);
    let event = log.events().nth(1).unwrap();
    assert_eq!((event.digests().collect::<Vec<_>>(), event.data()), (vec![digest], &b"1"[..]));
}

#[test]
fn e05_events_whose_digests_are_not_the_declared_ones_are_refused() {
    let two = [HashAlgorithm::Sha1, BANK];
    let mut missing = LogBuilder::agile(&two);
    missing.event(0, EventType::SCrtmVersion, b"1").event_with(0, EventType::PostCode, &[vec![1; 20]], b"1");
    assert!(matches!(
        refused(&missing.bytes),
        EventLogError::MissingDigest { index: 2, algorithm: 0x000B, .. }
    ));
    let mut late = LogBuilder::agile(&two);
    late.event_with(0, EventType::SCrtmVersion, &[vec![1; 20]], b"1").event(0, EventType::PostCode, b"1");
    assert!(matches!(refused(&late.bytes), EventLogError::MissingDigest { index: 2, algorithm: 0x000B, .. }));
    let mut none = LogBuilder::agile(&two);
    none.event_with(0, EventType::SCrtmVersion, &[], b"1");
    assert!(matches!(refused(&none.bytes), EventLogError::MissingDigest { index: 1, algorithm: 0x0004, .. }));
    let mut log = LogBuilder::agile(&two);
    let start = log.bytes.len();
    log.event(0, EventType::SCrtmVersion, b"1");
    let mut undeclared = log.bytes.clone();
    undeclared[start + 12] = 0x0C;
    assert!(matches!(
        refused(&undeclared),
        EventLogError::UndeclaredAlgorithm { index: 1, algorithm: 0x000C, .. }
    ));
    let mut repeated = log.bytes.clone();
    repeated[start + 12 + 22] = 0x04;
    assert_eq!(refused(&repeated), EventLogError::RepeatedAlgorithm { index: 1, algorithm: 0x0004 });
}

#[test]
fn e06_sizes_and_counts_beyond_the_data_are_refused_at_once() {
    let mut log = agile();
    let start = log.bytes.len();
    log.event(0, EventType::SCrtmVersion, b"1");
    let with = |at: usize, value: u32| {
        let mut bytes = log.bytes.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        refused(&bytes)
    };
    for count in [2, 17, u32::MAX] {
        assert!(
            matches!(with(start + 8, count), EventLogError::DigestCount { index: 1, count: c, .. } if c == count)
        );
    }
    for size in [2, u32::MAX] {
        assert!(matches!(with(start + 46, size), EventLogError::Cut { index: 1, .. }));
    }
    // In the header: the number of algorithms, and the size of the event.
    for count in [0, 17, u32::MAX] {
        assert_eq!(with(32 + 24, count), EventLogError::AlgorithmCount { count, max: 16 });
    }
    assert!(matches!(with(28, u32::MAX), EventLogError::Cut { index: 0, .. }));
}

#[test]
fn e06_a_parsed_log_takes_no_memory_that_grows_with_it() {
    assert!(size_of::<EventLog<'_>>() < 400);
}

#[test]
fn e07_every_truncation_is_refused_or_is_the_log_without_the_cut_event() {
    for log in [good_boot(agile()), good_boot(LogBuilder::sha1())] {
        let whole = EventLog::parse(&log.bytes).unwrap();
        let edges: Vec<_> = whole.events().map(|event| event.offset()).collect();
        for cut in 1..log.bytes.len() {
            let edge = edges.iter().rfind(|edge| **edge <= cut).unwrap();
            match EventLog::parse(&log.bytes[..cut]) {
                Err(EventLogError::Cut { .. } | EventLogError::Empty) => {}
                Err(other) => panic!("{cut}: {other}"),
                Ok(shorter) => {
                    // Zero bytes of a cut PCR number look like padding; the event is gone either way.
                    assert!(log.bytes[*edge..cut].iter().all(|b| *b == 0), "{cut}");
                    assert_eq!(shorter.padding(), cut - edge);
                }
            }
        }
    }
}

#[test]
fn e07_padding_is_zeros_or_ff_to_the_end() {
    for seed in [good_boot(agile()), good_boot(LogBuilder::sha1())] {
        let whole = EventLog::parse(&seed.bytes).unwrap();
        for (byte, len) in [(0, 1), (0, 15), (0, 4096), (0xFF, 1), (0xFF, 16), (0xFF, 4096)] {
            let padded = [&seed.bytes[..], &vec![byte; len]].concat();
            let log = EventLog::parse(&padded).unwrap();
            assert_eq!((log.padding(), log.event_count()), (len, whole.event_count()));
            assert_eq!(log.replay(), whole.replay());
        }
        for tail in [&[0, 0, 0xFF][..], &[0xFF, 0], &[1]] {
            assert!(EventLog::parse(&[&seed.bytes[..], tail].concat()).is_err());
        }
    }
    // In a crypto-agile log nothing can hide behind zeros.
    let mut hidden = agile();
    hidden.bytes.extend([0; 64]);
    hidden.event(0, EventType::SCrtmVersion, b"1");
    assert!(EventLog::parse(&hidden.bytes).is_err());
}

#[test]
fn e13_a_pcr_above_23_is_refused() {
    for index in [24, 0x0100_0000, u32::MAX] {
        let mut log = agile();
        log.event(index, EventType::SCrtmVersion, b"1");
        assert!(
            matches!(refused(&log.bytes), EventLogError::NoSuchPcr { index: 1, pcr, .. } if pcr == index)
        );
    }
    // Windows logs information under no PCR at all.
    let mut log = agile();
    log.event_with(u32::MAX, EventType::NoAction, &[vec![0; 32]], b"trust point");
    assert_eq!(EventLog::parse(&log.bytes).unwrap().events().nth(1).unwrap().pcr(), None);
}

#[test]
fn e15_a_pcr_that_no_event_explains_has_a_verdict_of_its_own() {
    let log = good_boot(agile());
    let log = EventLog::parse(&log.bytes).unwrap();
    let extended = BANK.digest(b"by somebody");
    let boot = measured_boot(&log, |bank, index| match index.get() {
        11 => Some(extended).filter(|_| bank == BANK),
        17 => Some(Digest::ones(bank)),
        _ => Some(Digest::zero(bank)),
    });
    assert_eq!(boot.verdict(BANK, pcr(11)), Some(&PcrVerdict::Unexplained { quoted: extended }));
    assert!(boot.events_of(BANK, pcr(11)).is_none());
    let value = Digest::zero(BANK);
    assert_eq!(boot.verdict(BANK, pcr(12)), Some(&PcrVerdict::Untouched { value }));
    assert!(matches!(boot.verdict(BANK, pcr(17)), Some(PcrVerdict::Untouched { .. })));
    assert!(matches!(boot.verdict(BANK, pcr(0)), Some(PcrVerdict::Differs { .. })));
    // A bank that the log does not have at all.
    let sha384 = HashAlgorithm::Sha384;
    assert!(matches!(boot.verdict(sha384, pcr(0)), Some(PcrVerdict::Untouched { .. })));
}

#[test]
fn e17_old_and_odd_logs_are_read_rightly() {
    // A first event shorter than a Spec ID header, of each kind.
    for (kind, data) in [
        (EventType::NoAction, &b""[..]),
        (EventType::NoAction, b"short"),
        (EventType::PostCode, b"POST CODE"),
    ] {
        let mut log = LogBuilder::sha1();
        let hashed = if kind == EventType::NoAction { vec![0; 20] } else { vec![7; 20] };
        log.event_with(0, kind, &[hashed], data).event(0, EventType::SCrtmVersion, b"1");
        let parsed = EventLog::parse(&log.bytes).unwrap();
        assert_eq!(parsed.banks().collect::<Vec<_>>(), [HashAlgorithm::Sha1]);
        assert_eq!(parsed.event_count(), 2);
        assert_eq!(parsed.events().next().unwrap().data(), data);
    }
    // OEM types and several SP800-155 events.
    let mut log = agile();
    log.no_action(b"SP800-155 Event\0one")
        .no_action(b"SP800-155 Event\0two")
        .no_action(b"SP800-155 Event2\0");
    log.event(6, EventType::Other(0xA000_0001), b"oem");
    let parsed = EventLog::parse(&log.bytes).unwrap();
    assert_eq!(parsed.events().last().unwrap().event_type(), EventType::Other(0xA000_0001));
    assert_eq!(parsed.replay().get(BANK, pcr(0)), None);
    // The header of a TPM 1.2 log.
    let mut old = LogBuilder::sha1();
    old.no_action(b"Spec ID Event02\0\0\0\0\0\x01\x02\0\x02\0").event(0, EventType::SCrtmVersion, b"1");
    assert!(EventLog::parse(&old.bytes).unwrap().spec_id().is_none());
}
