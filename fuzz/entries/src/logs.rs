use attest::cel::{self, RecordBinding, describe};
use attest::eventlog::{BootLogs, EventLog, EventView, FinalEvents, diff, explain, summary_line};
use attest::evidence::Log;
use attest::ima::{Bank, Extend, ImaList, ascii_to_binary, replay};
use attest::{HashAlgorithm, PcrIndex};

/// Event logs: any bytes give a log or an error; a log reads the same every time, replays in every bank it declares, and
/// every event reads as text on one line.
pub fn eventlog(data: &[u8]) {
    let Ok(log) = EventLog::parse(data) else { return };
    assert_eq!(u32::try_from(log.events().count()), Ok(log.event_count()));
    assert!(log.padding() < data.len());
    let replayed = log.replay();
    assert!(replayed.banks().all(|bank| log.banks().any(|declared| declared == bank)));
    for event in log.events() {
        let _ = (event.typed(), EventView::unverified(&event));
        for bank in log.banks() {
            assert!(!event.is_extended() || event.digest(bank).is_some());
            assert!(!event.binding(bank).is_bound() || event.is_extended());
            let line = summary_line(&event, bank);
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }
}

/// Measurement lists: any bytes give entries or an error, and what is accepted keeps the format's rules. The first byte
/// chooses the hash of the template digests.
pub fn ima(data: &[u8]) {
    let Some((choice, list)) = data.split_first() else { return };
    let hash = HashAlgorithm::ALL[usize::from(choice % 8)];
    read_ima(list, hash);
    if let Ok(binary) = ascii_to_binary(list, hash) {
        assert!(binary.len() <= list.len().saturating_mul(5).saturating_add(16));
        read_ima(&binary, hash);
    }
    // Recorded lists have no such byte in front.
    read_ima(data, HashAlgorithm::Sha1);
}

fn read_ima(bytes: &[u8], hash: HashAlgorithm) {
    let list = ImaList::of_bank(bytes, hash);
    let mut end = 0;
    for (index, entry) in list.entries().enumerate() {
        let Ok(entry) = entry else { break };
        assert_eq!(entry.number(), index + 1);
        assert!(entry.offset() >= end);
        assert!(!entry.path().contains(&0));
        assert!(entry.fields().count() >= 2);
        assert_eq!(entry.template_digest().is_zero(), entry.is_violation());
        end = entry.offset() + 1;
    }
    let banks = Extend::ALL.map(|extend| Bank { algorithm: HashAlgorithm::Sha256, extend });
    if let Ok(pcrs) = replay(&list, &banks) {
        assert_eq!(pcrs.iter().next().is_none(), bytes.is_empty());
        assert!(pcrs.iter().all(|(pcr, _)| pcr <= PcrIndex::all().last().unwrap_or(pcr)));
    }
}

/// Canonical event logs: any bytes give a log or an error, and what is believed of a record reads on one line.
pub fn cel(data: &[u8]) {
    let Ok(log) = cel::Log::parse(data) else { return };
    assert!(log.records().len() <= cel::MAX_RECORDS);
    for record in log.records() {
        for bank in HashAlgorithm::ALL {
            let bound = record.binding(bank) == RecordBinding::Bound;
            assert!(!bound || record.digest(bank).is_some(), "a digest that is not there binds nothing");
        }
        assert!(!describe(record).chars().any(char::is_control));
        let _ = (record.systemd_event(), record.event());
    }
}

/// Logs that travel as a zstd frame: three bytes with the announced size, and the frame. Exactly the announced size comes out or an
/// error, never more than is allowed, and the same at once and piece by piece (threat e22).
pub fn inflate(data: &[u8]) {
    let [a, b, c, frame @ ..] = data else { return };
    let size = u64::from(u32::from_le_bytes([*a, *b, *c, 0]));
    let log = Log::Zstd { zstd: frame.to_vec(), size };
    assert_eq!(log.size(), size);
    const MOST: usize = 1 << 20;
    let whole = log.bytes(MOST);
    if let Ok(bytes) = &whole {
        assert!(bytes.len() <= MOST);
        assert_eq!(u64::try_from(bytes.len()), Ok(size));
    }
    let Ok(mut reader) = log.reader(MOST) else {
        assert!(whole.is_err());
        return;
    };
    let mut pieces = Vec::new();
    let mut buffer = [0; 777];
    let ended = loop {
        match reader.read_some(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(read) => pieces.extend_from_slice(&buffer[..read]),
            Err(error) => break Err(error),
        }
        assert!(u64::try_from(pieces.len()).is_ok_and(|read| read <= size));
    };
    assert_eq!(ended.map(|()| pieces.as_slice()), whole.as_deref().map_err(Clone::clone));
}

/// A log with nothing but its header (PFP 1.06 §10.4.5.1), of SHA-1 and SHA-256.
const HEADER_ONLY: &[u8] = b"\0\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x25\0\0\0\
Spec ID Event03\0\0\0\0\0\0\x02\0\x02\x02\0\0\0\x04\0\x14\0\x0b\0\x20\0\0";

/// Final events: any bytes give a table or an error; what is read replays, and is explained and compared.
pub fn final_events(data: &[u8]) {
    let log = EventLog::parse(HEADER_ONLY).expect("a log");
    let Ok(table) = FinalEvents::parse(&log, data) else { return };
    let before = BootLogs::from(log);
    let after = BootLogs::from(log).with_final_events(table);
    assert_eq!(after.events().count(), before.events().count() + table.events().count());
    for pcr in PcrIndex::all() {
        let explanation = explain(&after, HashAlgorithm::Sha256, pcr, None);
        assert!(explanation.steps.len() <= table.events().count());
    }
    let _ = diff(&before, &after, HashAlgorithm::Sha256);
}
