//! Logs whose digests fit again after a mutation: what a machine writes that is hostile before it measures. Without this a
//! mutation almost always makes data a hint, and judging what is bound would never be tried.

use attest::HashAlgorithm;
use attest::eventlog::{Binding, Event, EventLog, EventType, Hint, Ipl};

/// Where a slice of `whole` begins in it.
fn place_of(whole: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr() - whole.as_ptr().addr()
}

/// The bytes that the firmware and GRUB hash for such data; `None` where a loader hashes something that the log lacks.
fn hashed<'a>(event: &Event<'a>) -> Option<&'a [u8]> {
    match event.event_type() {
        EventType::EventTag => None,
        EventType::Ipl => match Ipl::read(event.data()) {
            Ipl::Labelled { text, .. } => Some(text),
            _ => None,
        },
        _ => Some(event.data()),
    }
}

/// The log with digests of its data wherever a type's data is hashed and the digest does not fit.
pub(crate) fn event_log(bytes: &[u8]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    let Ok(log) = EventLog::parse(bytes) else { return changed };
    let Some(spec) = log.spec_id() else { return changed };
    let len_of = |id: u16| spec.algorithms().find(|(known, _)| *known == id).map(|(_, len)| usize::from(len));
    for event in log.events().skip(1).filter(Event::is_extended) {
        // PCR, type and count, then an algorithm before each digest (PFP 1.06 §10.2.2).
        let mut at = event.offset() + 12;
        for digest in event.digests() {
            let bank = digest.algorithm();
            while let [a, b] = changed[at..at + 2] {
                let id = u16::from_le_bytes([a, b]);
                at += 2;
                if id == bank.tpm_id() {
                    break;
                }
                at += len_of(id).expect("a declared algorithm");
            }
            let end = at + bank.len();
            let differs = event.binding(bank) == Binding::Hint(Hint::DigestDiffers);
            if let Some(data) = hashed(&event).filter(|_| differs) {
                changed[at..end].copy_from_slice(bank.digest(data).as_bytes());
            }
            at = end;
        }
    }
    changed
}

/// The log with other data in every event whose data its digest does not bind in `bank`; what it proves is the same.
pub(crate) fn without_hints(bytes: &[u8], log: &EventLog<'_>, bank: HashAlgorithm) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    for event in log.events().skip(1).filter(|event| event.is_extended() && !event.binding(bank).is_bound()) {
        let at = place_of(bytes, event.data());
        changed[at..at + event.data().len()].fill(0x5A);
    }
    changed
}

/// The measurement list with right template hashes: PCR, hash, name and data with their lengths, in little-endian.
pub(crate) fn ima_list(bytes: &[u8]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    let mut at = 0;
    while let Some(end) = entry_end(&mut changed, at) {
        at = end;
    }
    changed
}

/// Sets the hash of the entry that begins at `at`; where it ends, if it is whole.
fn entry_end(list: &mut [u8], at: usize) -> Option<usize> {
    let number = |list: &[u8], at: usize| {
        let bytes = *list.get(at..)?.first_chunk()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    let hash = at + 4..at + 24;
    let name = number(list, hash.end)?;
    let data = hash.end.checked_add(4)?.checked_add(name)?;
    let len = number(list, data)?;
    let end = data.checked_add(4)?.checked_add(len)?;
    let digest = HashAlgorithm::Sha1.digest(list.get(data + 4..end)?);
    // Zeros stand for a violation.
    let place = list.get_mut(hash)?;
    if place.iter().any(|byte| *byte != 0) {
        place.copy_from_slice(digest.as_bytes());
    }
    Some(end)
}
