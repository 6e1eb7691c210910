//! One made log for each diagnosis.

use super::*;
use crate::cel;
use crate::eventlog::tests::builder::{LogBuilder, good_boot, image_load};
use crate::eventlog::{EventLog, EventType, FinalEvents, measured_logs};

const BANK: HashAlgorithm = HashAlgorithm::Sha256;

fn pcr(index: u32) -> PcrIndex {
    PcrIndex::new(index).unwrap()
}

fn agile() -> LogBuilder {
    LogBuilder::agile(&[BANK])
}

/// What is said of `log` when the TPM holds what `truth` leads to.
fn said_of(log: &LogBuilder, truth: &LogBuilder, index: u32) -> Cause {
    let quoted = EventLog::parse(&truth.bytes).unwrap().replay().get(BANK, pcr(index)).copied();
    let logs = BootLogs::from(EventLog::parse(&log.bytes).unwrap());
    let quoted = quoted.unwrap_or_else(|| pcr(index).start(BANK));
    let boot = measured_logs(logs.clone(), |bank, at| (bank == BANK && at == pcr(index)).then_some(quoted));
    let diagnosis = boot.diagnose(BANK, pcr(index)).unwrap();
    assert_eq!(Some(&diagnosis), diagnose(&logs, pcr(index), &quoted).as_ref());
    assert!(diagnosis.to_string().len() < 800, "{diagnosis}");
    diagnosis.cause
}

fn four_images(order: [&[u8]; 4]) -> LogBuilder {
    let mut log = agile();
    for image in order {
        log.hashed(4, EventType::EfiBootServicesApplication, image, &image_load("\\EFI\\BOOT\\BOOTX64.EFI"));
    }
    log
}

#[test]
fn a_log_that_replays_has_no_diagnosis() {
    let log = good_boot(agile());
    let logs = BootLogs::from(EventLog::parse(&log.bytes).unwrap());
    let values = logs.replay();
    for (index, value) in values.iter() {
        assert_eq!(diagnose(&logs, index, value), None);
    }
}

#[test]
fn e01_a_pcr_that_was_reset_or_belongs_to_another_boot_is_told() {
    assert_eq!(said_of(&good_boot(agile()), &agile(), 4), Cause::NothingExtended);
}

#[test]
fn e15_a_pcr_without_an_event_is_told_as_such() {
    let mut truth = agile();
    truth.event(12, EventType::Ipl, b"x");
    assert_eq!(said_of(&agile(), &truth, 12), Cause::NoEvents);
}

#[test]
fn e01_events_that_were_never_extended_at_the_end_are_named() {
    let truth = good_boot(agile());
    let mut log = good_boot(agile());
    log.hashed(4, EventType::EfiBootServicesApplication, b"later", &image_load("\\x.efi"));
    let cause = said_of(&log, &truth, 4);
    assert!(matches!(&cause, Cause::LogHasMore { matched: 3, first } if first.event == 22), "{cause:?}");
}

#[test]
fn e07_a_log_that_was_read_before_the_end_of_the_firmware_is_told() {
    let truth = good_boot(agile());
    // The last two events are the hand-over's, in PCR 5.
    let offsets: Vec<_> =
        EventLog::parse(&truth.bytes).unwrap().events().map(|event| event.offset()).collect();
    let mut log = truth.clone();
    log.bytes.truncate(offsets[offsets.len() - 2]);
    let missing = vec!["Exit Boot Services Invocation", "Exit Boot Services Returned with Success"];
    assert_eq!(said_of(&log, &truth, 5), Cause::ReadTooEarly { missing });
    // Before the separators already: those are missing too.
    let separator =
        EventLog::parse(&truth.bytes).unwrap().events().find(|event| event.pcr() == Some(pcr(5))).unwrap();
    log.bytes.truncate(separator.offset());
    let cause = said_of(&log, &truth, 5);
    assert!(matches!(&cause, Cause::ReadTooEarly { missing } if missing.len() == 3), "{cause:?}");
}

#[test]
fn e04_a_missing_or_wrong_startup_locality_is_told() {
    for (logged, real) in [(None, 3_u8), (Some(0), 4), (Some(3), 0), (Some(4), 3)] {
        let build = |locality: Option<u8>| {
            let mut log = agile();
            if let Some(locality) = locality {
                log.startup_locality(locality);
            }
            log.event(0, EventType::SCrtmVersion, b"1\0").separator(0);
            log
        };
        assert_eq!(
            said_of(&build(logged), &build(Some(real)), 0),
            Cause::OtherLocality { logged, locality: real }
        );
    }
}

#[test]
fn e01_an_event_that_was_added_is_named() {
    let truth = four_images([b"a", b"b", b"c", b"d"]);
    let mut log = agile();
    for image in [&b"a"[..], b"b", b"evil", b"c", b"d"] {
        log.hashed(4, EventType::EfiBootServicesApplication, image, &image_load("\\x.efi"));
    }
    let cause = said_of(&log, &truth, 4);
    assert!(matches!(&cause, Cause::EventAdded { event } if event.event == 3), "{cause:?}");
}

#[test]
fn e21_events_swapped_within_a_pcr_are_named() {
    let cause = said_of(&four_images([b"a", b"c", b"b", b"d"]), &four_images([b"a", b"b", b"c", b"d"]), 4);
    assert!(
        matches!(&cause, Cause::EventsSwapped { first, second } if (first.event, second.event) == (2, 3)),
        "{cause:?}"
    );
}

#[test]
fn e01_an_event_that_was_removed_once_is_named() {
    let mut log = agile();
    log.event(7, EventType::EfiVariableAuthority, b"twice").separator(7);
    let mut truth = agile();
    truth.event(7, EventType::EfiVariableAuthority, b"twice");
    truth.event(7, EventType::EfiVariableAuthority, b"twice").separator(7);
    let cause = said_of(&log, &truth, 7);
    assert!(matches!(&cause, Cause::ExtendedTwice { event } if event.event == 1), "{cause:?}");
}

#[test]
fn e03_a_digest_that_was_altered_is_named() {
    let build = |digest: &[u8]| {
        let mut log = agile();
        log.event(5, EventType::EfiAction, b"first").hashed(5, EventType::EfiAction, digest, b"second");
        log.event(5, EventType::EfiAction, b"third");
        log
    };
    let log = build(b"another");
    let cause = said_of(&log, &build(b"second"), 5);
    assert!(matches!(&cause, Cause::DigestAltered { event } if event.event == 2), "{cause:?}");
}

#[test]
fn e03_data_that_was_altered_contradicts_its_digest_and_is_named() {
    let mut log = agile();
    log.hashed(5, EventType::EfiAction, b"what was", b"what is said").event(5, EventType::EfiAction, b"x");
    let logs = BootLogs::from(EventLog::parse(&log.bytes).unwrap());
    let diagnosis = diagnose(&logs, pcr(5), &BANK.digest(b"unrelated")).unwrap();
    assert!(matches!(diagnosis.cause, Cause::Unknown { .. }));
    assert_eq!(diagnosis.contradiction.as_ref().map(|event| event.event), Some(1));
    assert!(diagnosis.to_string().contains("what is said"), "{diagnosis}");
}

#[test]
fn i10_a_bank_of_padded_sha1_digests_is_told() {
    let mut log = LogBuilder::agile(&[HashAlgorithm::Sha1, BANK]);
    log.event(8, EventType::Ipl, b"one").event(8, EventType::Ipl, b"two");
    let mut value = Digest::zero(BANK);
    for data in [b"one", b"two"] {
        let mut bytes = HashAlgorithm::Sha1.digest(data).as_bytes().to_vec();
        bytes.resize(32, 0);
        value = value.extend(&Digest::new(BANK, &bytes).unwrap()).unwrap();
    }
    let logs = BootLogs::from(EventLog::parse(&log.bytes).unwrap());
    assert_eq!(diagnose(&logs, pcr(8), &value).unwrap().cause, Cause::PaddedSha1);
}

#[test]
fn e06_a_search_ends_at_its_limit() {
    let mut log = agile();
    for _ in 0..20_000_u32 {
        log.event(5, EventType::EfiAction, b"x");
    }
    let logs = BootLogs::from(EventLog::parse(&log.bytes).unwrap());
    let diagnosis = diagnose(&logs, pcr(5), &BANK.digest(b"unrelated")).unwrap();
    assert!(diagnosis.ended_early && matches!(diagnosis.cause, Cause::Unknown { .. }));
}

#[test]
fn the_first_event_that_a_reference_does_not_know_is_named() {
    let log = four_images([b"a", b"b", b"c", b"d"]);
    let logs = BootLogs::from(EventLog::parse(&log.bytes).unwrap());
    let boot = measured_logs(logs, |_, _| None);
    let known = [BANK.digest(b"a"), BANK.digest(b"b"), BANK.digest(b"d")];
    let event = boot.first_unknown(BANK, pcr(4), |digest| known.contains(digest)).unwrap();
    assert_eq!(event.event, 3);
    assert_eq!(boot.first_unknown(BANK, pcr(4), |_| true), None);
}

#[test]
fn a_record_of_the_operating_system_can_be_the_odd_one() {
    let record = |text: &str| {
        let digest = BANK.digest(text.as_bytes()).to_hex();
        format!(
            "\x1e{{\"pcr\":11,\"digests\":[{{\"hashAlg\":\"sha256\",\"digest\":\"{digest}\"}}],\
             \"content_type\":\"systemd\",\"content\":{{\"string\":\"{text}\"}}}}\n"
        )
    };
    let bytes = ["enter-initrd", "evil", "leave-initrd"].map(record).concat();
    let logs = BootLogs::default().with_measurements(cel::Log::parse(bytes.as_bytes()).unwrap());
    let digest = |text: &str| BANK.digest(text.as_bytes());
    let zero = Digest::zero(BANK);
    let quoted = zero.extend(&digest("enter-initrd")).unwrap().extend(&digest("leave-initrd")).unwrap();
    let diagnosis = diagnose(&logs, pcr(11), &quoted).unwrap();
    assert!(matches!(&diagnosis.cause, Cause::EventAdded { event } if event.event == 1), "{diagnosis:?}");
    assert!(diagnosis.to_string().contains("systemd: evil"), "{diagnosis}");
}

#[test]
fn e07_final_events_complete_a_log_that_was_read_early() {
    let truth = good_boot(agile());
    let whole = EventLog::parse(&truth.bytes).unwrap();
    let offsets: Vec<_> = whole.events().map(|event| event.offset()).collect();
    let values = whole.replay();
    for cut in offsets.len() - 6..offsets.len() {
        let mut early = truth.bytes.clone();
        early.truncate(offsets.get(cut).copied().unwrap_or(early.len()));
        let early = EventLog::parse(&early).unwrap();
        // The table begins two events before the cut at the latest: those stand in both.
        for begin in cut.saturating_sub(2)..=cut {
            let table = [
                &1_u64.to_le_bytes()[..],
                &u64::try_from(offsets.len() - begin).unwrap().to_le_bytes(),
                &truth.bytes[offsets[begin]..],
                &[0; 40],
            ]
            .concat();
            let last = FinalEvents::parse(&early, &table).unwrap();
            assert_eq!(usize::try_from(last.repeated()).unwrap(), cut - begin);
            assert_eq!(usize::try_from(last.added()).unwrap(), offsets.len() - cut);
            let logs = BootLogs::from(early).with_final_events(last);
            assert_eq!(logs.replay(), values);
            let boot = measured_logs(logs, |bank, pcr| values.get(bank, pcr).copied());
            for (_, index, verdict) in boot.verdicts() {
                assert!(matches!(verdict, PcrVerdict::Matches { .. }), "{index} {verdict:?}");
            }
            let numbers: Vec<_> = boot.unverified_logs().events().map(|event| event.index()).collect();
            assert_eq!(numbers, (0..u32::try_from(offsets.len()).unwrap()).collect::<Vec<_>>());
        }
    }
}
