use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use attest::HashAlgorithm;
use attest::fitness::{Finding, Severity};

use super::*;
use crate::specimen::now;

struct Place {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        Self { _folder: folder, path }
    }

    fn open(&self) -> Ledger {
        Ledger::open(&self.path).unwrap()
    }

    fn text(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap()
    }

    fn push(&self, bytes: &[u8]) {
        fs::OpenOptions::new().append(true).open(&self.path).unwrap().write_all(bytes).unwrap();
    }
}

fn size(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap()
}

fn id(text: &str) -> DeviceId {
    DeviceId::new(text).unwrap()
}

fn ek(text: &str) -> Digest {
    HashAlgorithm::Sha256.digest(text.as_bytes())
}

fn enrolled_with_key(device: &str, tpm: &str, iak: &str, certificate: &str) -> Record {
    let certificates = vec![CertificateRecord { serial: certificate.to_owned(), sha256: ek(certificate) }];
    let enrolment = Enrolment {
        ek_certificate: ek(tpm),
        iak_name: iak.to_owned(),
        idevid_name: None,
        certificates,
        findings: Vec::new(),
    };
    Record::new(now(), id(device), Event::Enrolled(enrolment), "hallmark 0.1.0").unwrap()
}

fn enrolled(device: &str, tpm: &str, certificate: &str) -> Record {
    enrolled_with_key(device, tpm, &format!("iak of {tpm}"), certificate)
}

fn revoked(device: &str) -> Record {
    let event = Event::Revoked(Revocation { reason: "board was scrapped".to_owned() });
    Record::new(now(), id(device), event, "hallmark 0.1.0").unwrap()
}

#[test]
fn what_is_appended_is_found_again() {
    let place = Place::new();
    let mut ledger = place.open();
    ledger.append(enrolled("gw-1", "tpm-1", "c1")).unwrap();
    ledger.append(enrolled("gw-2", "tpm-2", "c2")).unwrap();
    let again = place.open();
    assert_eq!(again.records(), ledger.records());
    assert_eq!(again.find(&id("gw-2")), Some(&again.records()[1]));
    assert_eq!(again.find_by_ek(&ek("tpm-1")), Some(&again.records()[0]));
    assert_eq!(again.find(&id("gw-3")), None);
    assert_eq!(again.torn(), None);
}

#[test]
fn p05_same_device_id_from_another_tpm_is_refused_until_revoked() {
    let place = Place::new();
    let mut ledger = place.open();
    ledger.append(enrolled("gw-1", "tpm-1", "c1")).unwrap();
    let before = place.text();
    let error = ledger.append(enrolled("gw-1", "tpm-2", "c2")).unwrap_err();
    assert!(matches!(error, LedgerError::OtherTpm { .. }));
    assert_eq!(error.threat(), "p05");
    assert!(ledger.standing(&id("gw-1"), &ek("tpm-2")).is_err());
    assert_eq!(place.text(), before);
    ledger.append(revoked("gw-1")).unwrap();
    assert_eq!(ledger.standing(&id("gw-1"), &ek("tpm-2")).unwrap(), Standing::New);
    ledger.append(enrolled("gw-1", "tpm-2", "c2")).unwrap();
}

#[test]
fn p05_one_tpm_never_gets_two_identities() {
    let place = Place::new();
    let mut ledger = place.open();
    ledger.append(enrolled("gw-1", "tpm-1", "c1")).unwrap();
    assert!(matches!(
        ledger.append(enrolled("gw-2", "tpm-1", "c2")),
        Err(LedgerError::OtherDevice { ref enrolled, .. }) if enrolled.as_str() == "gw-1"
    ));
    // The same TPM by another of its EK certificates: its keys give it away, in either place.
    let same_tpm = enrolled_with_key("gw-2", "tpm-1 by its ECC certificate", "iak of tpm-1", "c2");
    let error = ledger.append(same_tpm.clone()).unwrap_err();
    assert!(matches!(error, LedgerError::KeyTwice { ref enrolled, .. } if enrolled.as_str() == "gw-1"));
    assert_eq!(error.threat(), "p05");
    ledger.append(revoked("gw-1")).unwrap();
    ledger.append(same_tpm).unwrap();
}

#[test]
fn p05_a_key_of_another_device_is_refused_in_every_line_and_free_after_its_revocation() {
    let place = Place::new();
    let mut ledger = place.open();
    let with_idevid = |device: &str, tpm: &str, idevid: Option<&str>, certificate: &str| {
        let certificates =
            vec![CertificateRecord { serial: certificate.to_owned(), sha256: ek(certificate) }];
        let (iak_name, idevid_name) = (format!("iak of {tpm}"), idevid.map(str::to_owned));
        let enrolment =
            Enrolment { ek_certificate: ek(tpm), iak_name, idevid_name, certificates, findings: Vec::new() };
        Record::new(now(), id(device), Event::Enrolled(enrolment), "hallmark 0.1.0").unwrap()
    };
    ledger.append(with_idevid("gw-1", "tpm-1", Some("key-1"), "c1")).unwrap();
    ledger.append(with_idevid("gw-2", "tpm-2", Some("key-2"), "c2")).unwrap();
    // Also in a line that finishes an earlier run.
    for (device, tpm) in [("gw-2", "tpm-2"), ("gw-3", "tpm-3")] {
        let error = ledger.append(with_idevid(device, tpm, Some("key-1"), "c3")).unwrap_err();
        assert!(matches!(error, LedgerError::KeyTwice { ref enrolled, .. } if enrolled.as_str() == "gw-1"));
    }
    // A device whose IDevID changed holds none of its keys after its end.
    ledger.append(with_idevid("gw-1", "tpm-1", Some("key-4"), "c4")).unwrap();
    ledger.append(revoked("gw-1")).unwrap();
    assert!(ledger.is_revoked(&id("gw-1")) && !ledger.is_revoked(&id("gw-2")));
    ledger.append(with_idevid("gw-3", "tpm-3", Some("key-1"), "c5")).unwrap();
    ledger.append(with_idevid("gw-5", "tpm-5", Some("key-4"), "c6")).unwrap();
    assert_eq!(place.open().records(), ledger.records());
}

#[test]
fn p05_revoking_twice_or_a_stranger_is_refused() {
    let place = Place::new();
    let mut ledger = place.open();
    assert!(matches!(ledger.append(revoked("gw-1")), Err(LedgerError::NotEnrolled { .. })));
    ledger.append(enrolled("gw-1", "tpm-1", "c1")).unwrap();
    ledger.append(revoked("gw-1")).unwrap();
    assert!(matches!(ledger.append(revoked("gw-1")), Err(LedgerError::NotEnrolled { .. })));
    assert_eq!(ledger.find(&id("gw-1")), None);
}

#[test]
fn p05_another_process_that_enrolled_meanwhile_is_seen() {
    let place = Place::new();
    let (mut first, mut second) = (place.open(), place.open());
    first.append(enrolled("gw-1", "tpm-1", "c1")).unwrap();
    assert!(matches!(second.append(enrolled("gw-1", "tpm-2", "c2")), Err(LedgerError::OtherTpm { .. })));
    second.append(enrolled("gw-2", "tpm-2", "c2")).unwrap();
    first.append(enrolled("gw-3", "tpm-3", "c3")).unwrap();
    assert_eq!(first.records().len(), 3);
    assert_eq!(place.open().records(), first.records());
}

#[test]
fn p11_the_same_device_and_tpm_again_is_already_provisioned_and_may_finish() {
    let place = Place::new();
    let mut ledger = place.open();
    assert_eq!(ledger.standing(&id("gw-1"), &ek("tpm-1")).unwrap(), Standing::New);
    let first = enrolled("gw-1", "tpm-1", "c1");
    ledger.append(first.clone()).unwrap();
    let standing = ledger.standing(&id("gw-1"), &ek("tpm-1")).unwrap();
    assert_eq!(standing, Standing::AlreadyProvisioned(Box::new(first)));
    ledger.append(enrolled("gw-1", "tpm-1", "c2")).unwrap();
    assert!(matches!(
        ledger.append(enrolled_with_key("gw-1", "tpm-1", "other iak", "c3")),
        Err(LedgerError::OtherKey { .. })
    ));
}

#[test]
fn p11_a_certificate_is_recorded_once_and_no_enrolment_is_without_one() {
    let place = Place::new();
    let mut ledger = place.open();
    ledger.append(enrolled("gw-1", "tpm-1", "c1")).unwrap();
    assert!(matches!(
        ledger.append(enrolled("gw-2", "tpm-2", "c1")),
        Err(LedgerError::CertificateTwice { .. })
    ));
    let bare = Enrolment {
        ek_certificate: ek("tpm"),
        iak_name: "n".to_owned(),
        idevid_name: None,
        certificates: Vec::new(),
        findings: Vec::new(),
    };
    let outcome = Record::new(now(), id("gw-3"), Event::Enrolled(bare), "hallmark 0.1.0");
    assert_eq!(outcome.unwrap_err(), RecordError::NoCertificate);
}

#[test]
fn p11_power_cut_at_every_byte_of_a_line_loses_nothing_but_that_line() {
    let place = Place::new();
    place.open().append(enrolled("gw-1", "tpm-1", "c1")).unwrap();
    let whole = place.text();
    let line = {
        let other = Place::new();
        other.open().append(enrolled("gw-2", "tpm-2", "c2")).unwrap();
        other.text()
    };
    for cut in 1..line.len() {
        fs::write(&place.path, [whole.as_slice(), &line[..cut]].concat()).unwrap();
        let mut ledger = place.open();
        let complete = cut == line.len() - 1;
        assert_eq!(ledger.records().len(), if complete { 2 } else { 1 }, "cut at {cut}");
        match ledger.torn().unwrap() {
            Torn::Completed { offset } => assert!(complete && offset == size(&whole)),
            Torn::Cut { offset, len } => {
                assert!(!complete && offset == size(&whole) && len == size(&line[..cut]));
            }
        }
        ledger.append(enrolled("gw-3", "tpm-3", "c3")).unwrap();
        assert_eq!(ledger.torn(), None);
        let again = place.open();
        assert_eq!(again.records(), ledger.records(), "cut at {cut}");
        assert_eq!(again.records().len(), if complete { 3 } else { 2 });
        assert!(place.text().starts_with(&whole));
    }
}

#[test]
fn p11_torn_line_seen_by_two_processes_counts_once() {
    let place = Place::new();
    place.open().append(enrolled("gw-1", "tpm-1", "c1")).unwrap();
    let mut text = place.text();
    assert_eq!(text.pop(), Some(b'\n'));
    fs::write(&place.path, &text).unwrap();
    let (mut first, mut second) = (place.open(), place.open());
    first.append(enrolled("gw-2", "tpm-2", "c2")).unwrap();
    second.append(enrolled("gw-3", "tpm-3", "c3")).unwrap();
    assert_eq!(second.records().len(), 3);
    assert_eq!(place.open().records().len(), 3);
}

#[test]
fn p11_zeros_after_a_power_cut_are_cut_off_and_a_large_tail_is_not() {
    let place = Place::new();
    place.open().append(enrolled("gw-1", "tpm-1", "c1")).unwrap();
    place.push(&[0; 300]);
    let mut ledger = place.open();
    assert!(matches!(ledger.torn(), Some(Torn::Cut { len: 300, .. })));
    ledger.append(enrolled("gw-2", "tpm-2", "c2")).unwrap();
    assert!(!place.text().contains(&0));
    place.push(&[0; 20 * 1024]);
    assert!(matches!(Ledger::open(&place.path), Err(LedgerError::Line { line: 3, .. })));
}

#[test]
fn an_edited_ledger_is_refused_with_the_line() {
    let place = Place::new();
    let mut ledger = place.open();
    for number in 1..=3 {
        ledger
            .append(enrolled(&format!("gw-{number}"), &format!("t{number}"), &format!("c{number}")))
            .unwrap();
    }
    let text = String::from_utf8(place.text()).unwrap();
    for (from, to) in [
        ("\"device_id\":\"gw-2\"", "\"device_id\":\"gw/2\""),
        ("\"device_id\":\"gw-2\"", "\"device_id\":\"gw-2\",\"device_id\":\"gw-9\""),
        ("\"device_id\":\"gw-2\"", "\"device_id\":\"gw-2\",\"note\":\"x\""),
        ("hallmark-ledger/1\",\"time\":\"2026-06-01T12:00:00Z\",\"device_id\":\"gw-2\"", "x\""),
    ] {
        let edited = text.replacen(from, to, 1);
        assert_ne!(edited, text);
        fs::write(&place.path, edited).unwrap();
        let error = Ledger::open(&place.path).unwrap_err();
        assert!(matches!(error, LedgerError::Line { line: 2, .. }), "{error}");
    }
}

#[test]
fn records_hold_no_control_characters() {
    for bad in ["", "a\nb", "a\0", &"x".repeat(201)] {
        let event = Event::Revoked(Revocation { reason: bad.to_owned() });
        assert!(Record::new(now(), id("gw-1"), event, "hallmark 0.1.0").is_err());
        assert!(Record::new(now(), id("gw-1"), revoked("gw-1").event().clone(), bad).is_err());
    }
}

#[test]
fn a_ledger_in_a_missing_folder_is_an_error_and_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing").join("ledger.jsonl");
    assert!(matches!(Ledger::open(Path::new(&path)), Err(LedgerError::Io { .. })));
    assert!(!folder.path().join("missing").exists());
}

#[test]
fn many_devices_are_found_at_once() {
    let place = Place::new();
    let lines: Vec<u8> = (0..3000)
        .flat_map(|n| {
            let (tpm, certificate) = (format!("t{n}"), format!("c{n:05}"));
            enrolled(&format!("gw-{n}"), &tpm, &certificate).to_line().unwrap()
        })
        .collect();
    fs::write(&place.path, lines).unwrap();
    let mut ledger = place.open();
    assert_eq!(ledger.records().len(), 3000);
    assert_eq!(ledger.find_by_ek(&ek("t2999")).unwrap().device_id(), &id("gw-2999"));
    ledger.append(revoked("gw-7")).unwrap();
    ledger.append(enrolled("gw-7", "new tpm", "c03000")).unwrap();
    assert_eq!(ledger.find_by_ek(&ek("t7")), None);
    assert_eq!(ledger.find_by_ek(&ek("new tpm")).unwrap().device_id(), &id("gw-7"));
}

#[test]
fn an_unrecorded_history_is_refused() {
    // A file that was not written by these rules: the second line would give one TPM two identities.
    let place = Place::new();
    let lines = [enrolled("gw-1", "tpm-1", "c1"), enrolled("gw-2", "tpm-1", "c2")]
        .map(|record| record.to_line().unwrap())
        .concat();
    fs::write(&place.path, lines).unwrap();
    assert!(matches!(Ledger::open(&place.path), Err(LedgerError::Line { line: 2, .. })));
}

#[test]
fn p14_all_certificates_of_a_revoked_device_are_revoked_and_its_next_ones_are_not() {
    let place = Place::new();
    let mut ledger = place.open();
    for record in [
        enrolled("gw-1", "tpm-1", "c1"),
        enrolled("gw-2", "tpm-2", "c2"),
        enrolled("gw-1", "tpm-1", "c3"),
        revoked("gw-1"),
        enrolled("gw-1", "tpm-3", "c4"),
    ] {
        ledger.append(record).unwrap();
    }
    assert_eq!(ledger.revoked_serials(), ["c1", "c3"]);
}

#[test]
fn p11_a_file_that_is_no_ledger_is_left_alone() {
    let place = Place::new();
    std::fs::write(&place.path, "important").unwrap();
    assert!(matches!(Ledger::open(&place.path), Err(LedgerError::Line { line: 1, .. })));
    assert_eq!(std::fs::read_to_string(&place.path).unwrap(), "important");
}

#[test]
fn p05_of_many_stations_that_enrol_one_device_id_at_once_one_wins() {
    let place = Place::new();
    let path = &place.path;
    let wins = std::thread::scope(|scope| {
        let stations: Vec<_> = (0..6)
            .map(|station| {
                scope.spawn(move || {
                    let record = enrolled("gw-1", &format!("tpm-{station}"), &format!("c{station}"));
                    Ledger::open(path).unwrap().append(record).is_ok()
                })
            })
            .collect();
        stations.into_iter().map(|station| station.join().unwrap()).filter(|won| *won).count()
    });
    assert_eq!(wins, 1);
    assert_eq!(place.open().records().len(), 1);
}

#[test]
fn what_is_known_against_a_machine_stays_with_its_record_and_within_its_line() {
    let finding = |id: &str| Finding {
        id: id.to_owned(),
        severity: Severity::Weak,
        what: "x\n".repeat(5_000),
        fix: "y".repeat(5_000),
    };
    let bare = Enrolment {
        ek_certificate: ek("tpm"),
        iak_name: "00".to_owned(),
        idevid_name: None,
        certificates: vec![CertificateRecord { serial: "01".to_owned(), sha256: ek("certificate") }],
        findings: Vec::new(),
    };
    let enrolment = bare.with_findings((0..100).map(|_| finding("setup-mode")).collect());
    let device_id = DeviceId::new("gw-1").unwrap();
    let record = Record::new(now(), device_id, Event::Enrolled(enrolment), "t").unwrap();
    let line = record.to_line().unwrap();
    let read = Record::from_line(&line[..line.len() - 1]).unwrap();
    assert_eq!(read, record);
    assert_eq!(read.enrolment().unwrap().findings[15].id, "setup-mode");
}
