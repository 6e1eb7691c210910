//! Logs of a dynamic launch, made by the rules of Intel's MLE Developer's Guide and of the Secure Launch loaders: a log of
//! their own, or events behind the firmware's.

use super::builder::{LogBuilder, good_boot};
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::replay::measured::measured_boot;
use crate::eventlog::{
    BootLogs, DynamicLaunch, EventLog, EventLogError, EventType as E, PcrVerdict, SecureBoot, explain,
};
use crate::pcr::PcrIndex;

const BANK: HashAlgorithm = HashAlgorithm::Sha256;

fn pcr(index: u32) -> PcrIndex {
    PcrIndex::new(index).unwrap()
}

/// What a TPM holds that began at `start` and took these digests.
fn extended(start: Digest, hashed: &[&[u8]]) -> Digest {
    hashed.iter().fold(start, |value, bytes| value.extend(&BANK.digest(bytes)).unwrap())
}

/// SINIT's mapping under no PCR, its own hash, the environment, and what the loader measures.
fn txt() -> LogBuilder {
    let mut log = LogBuilder::agile(&[HashAlgorithm::Sha1, BANK]);
    log.hashed(0xFF, E::Other(0x401), b"", &[1, 0, 0, 0])
        .hashed(17, E::Other(0x402), b"sinit", b"")
        .hashed(17, E::Other(0x40B), b"scrtm", &[0; 4])
        .hashed(17, E::Other(0x404), b"mle", b"")
        .hashed(18, E::Other(0x410), b"key", b"")
        .hashed(18, E::Other(0x502), b"zero page", b"Measured boot parameters");
    log
}

/// AMD's loader: the header carries its pointer as the vendor's bytes, and one type serves for all.
fn skinit() -> Vec<u8> {
    let mut log = LogBuilder::agile(&[HashAlgorithm::Sha1, BANK]);
    log.hashed(17, E::Other(0x502), b"skl", b"SKINIT")
        .hashed(17, E::Other(0x502), b"kernel", b"Measured Kernel")
        .hashed(18, E::Other(0x502), b"initrd", b"Measured initrd");
    let head = LogBuilder::agile(&[HashAlgorithm::Sha1, BANK]).bytes.len();
    let mut bytes = log.bytes;
    let vendor = [7; 20];
    bytes[head - 1] = 20;
    bytes.splice(head..head, vendor);
    let size = u32::from_le_bytes(bytes[28..32].try_into().unwrap()) + 20;
    bytes[28..32].copy_from_slice(&size.to_le_bytes());
    bytes
}

#[test]
fn q15_a_dynamic_launch_replays_from_zeros_and_is_told() {
    let zero = Digest::zero(BANK);
    let (txt, skinit) = (txt().bytes, skinit());
    let expected = [
        (&txt, DynamicLaunch::Txt, [&[b"sinit".as_slice(), b"scrtm", b"mle"][..], &[b"key", b"zero page"]]),
        (&skinit, DynamicLaunch::SecureLaunch, [&[b"skl".as_slice(), b"kernel"], &[b"initrd"]]),
    ];
    for (bytes, launch, registers) in expected {
        let log = EventLog::parse(bytes).unwrap();
        assert_eq!(log.dynamic_launch(), Some(launch));
        let tpm = |_, index: PcrIndex| match index.get() {
            17 => Some(extended(zero, registers[0])),
            18 => Some(extended(zero, registers[1])),
            19..=22 => Some(zero),
            _ => None,
        };
        let boot = measured_boot(&log, tpm);
        assert!(boot.matches(BANK, pcr(17)) && boot.matches(BANK, pcr(18)), "{launch:?}");
        assert!(matches!(boot.verdict(BANK, pcr(20)), Some(PcrVerdict::Untouched { .. })));
        // It says nothing of the boot before.
        let facts = boot.facts(BANK);
        assert!(matches!(facts.secure_boot(), SecureBoot::Unknown { .. }));
        assert_eq!(facts.images(), None);
        assert_eq!(facts.option_roms(), None);
        let logs = BootLogs::new(Some(log));
        let told = explain(&logs, BANK, pcr(17), tpm(BANK, pcr(17)));
        assert_eq!((told.start, told.diagnosis), (zero, None));
        assert!(told.start_reason.contains(launch.name()), "{}", told.start_reason);
    }
}

/// The value of a register that was never reset by a launch can't be explained by a log that tells of one, and the other
/// way round.
#[test]
fn q15_events_of_a_launch_that_never_happened_explain_nothing() {
    let log = txt().bytes;
    let log = EventLog::parse(&log).unwrap();
    let hashed: [&[u8]; 3] = [b"sinit", b"scrtm", b"mle"];
    let never =
        measured_boot(&log, |_, index| (index == pcr(17)).then(|| extended(Digest::ones(BANK), &hashed)));
    assert!(matches!(never.verdict(BANK, pcr(17)), Some(PcrVerdict::Differs { .. })));
    // Nor does a register at ones, which says that no launch happened.
    let ones = measured_boot(&log, |_, index| (index.get() >= 17).then(|| Digest::ones(BANK)));
    assert!(!ones.matches(BANK, pcr(17)));
    assert!(matches!(ones.verdict(BANK, pcr(22)), Some(PcrVerdict::Unexplained { .. })));
    // A log without a launch: PCR 22 begins at ones, as an application of locality 2 finds it.
    let mut log = good_boot(LogBuilder::agile(&[BANK]));
    log.hashed(22, E::EventTag, b"x", b"x");
    let log = EventLog::parse(&log.bytes).unwrap();
    assert_eq!(log.dynamic_launch(), None);
    let boot =
        measured_boot(&log, |_, index| (index == pcr(22)).then(|| extended(Digest::ones(BANK), &[b"x"])));
    assert!(boot.matches(BANK, pcr(22)));
    // An event in PCR 17 is one, whatever it calls itself.
    let mut log = good_boot(LogBuilder::agile(&[BANK]));
    log.event(17, E::EventTag, b"x");
    assert_eq!(EventLog::parse(&log.bytes).unwrap().dynamic_launch(), Some(DynamicLaunch::Other));
}

/// A launch behind the firmware's events leaves all that they prove as it was.
#[test]
fn q15_a_launch_changes_no_fact_of_the_boot() {
    let head = LogBuilder::agile(&[HashAlgorithm::Sha1, BANK]).bytes.len();
    let plain = good_boot(LogBuilder::agile(&[HashAlgorithm::Sha1, BANK])).bytes;
    let both = [&plain, &txt().bytes[head..]].concat();
    let (plain, both) = (EventLog::parse(&plain).unwrap(), EventLog::parse(&both).unwrap());
    let (before, after) = (plain.replay(), both.replay());
    for index in 0..17 {
        assert_eq!(before.get(BANK, pcr(index)), after.get(BANK, pcr(index)));
    }
    let boot = measured_boot(&both, |bank, index| after.get(bank, index).copied());
    assert!(matches!(boot.facts(BANK).secure_boot(), SecureBoot::On { .. }));
    assert!(boot.facts(BANK).faults().is_empty());
}

#[test]
fn e13_only_what_txt_never_extends_stands_under_index_255() {
    let log = txt().bytes;
    let mapping = EventLog::parse(&log).unwrap().events().nth(1).unwrap();
    assert_eq!((mapping.pcr(), mapping.is_extended()), (None, false));
    for (index, kind) in [(0xFF, E::Other(0x402)), (0xFF, E::Separator), (0xFE, E::Other(0x401))] {
        let mut log = LogBuilder::agile(&[BANK]);
        log.event(index, kind, b"x");
        let refused = EventLog::parse(&log.bytes).unwrap_err();
        assert!(matches!(refused, EventLogError::NoSuchPcr { pcr, .. } if pcr == index), "{refused}");
    }
    // Nor does a digest there become one of a PCR.
    let pcrs = EventLog::parse(&log).unwrap().replay();
    assert!((0..17).all(|index| pcrs.get(BANK, pcr(index)).is_none()));
}
