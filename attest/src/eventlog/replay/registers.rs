//! The replay of the quoted registers: one pass over each log, nothing allocated for an event.

use super::logs::BootLogs;
use super::measured::{Counts, PcrVerdict};
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::event::Event;
use crate::pcr::PcrIndex;

/// The verdicts of all quoted registers.
#[derive(Debug, Clone, Default)]
pub(super) struct Registers {
    /// At most 4 banks of 24 PCRs, by bank and PCR.
    verdicts: Vec<(HashAlgorithm, PcrIndex, PcrVerdict)>,
    places: Places,
}

/// Per bank and PCR its place in a list, plus 1; 0 for one that is not there.
type Places = [[u8; 24]; HashAlgorithm::ALL.len()];

/// A quoted register while it is replayed.
struct Register {
    bank: HashAlgorithm,
    pcr: PcrIndex,
    quoted: Digest,
    value: Digest,
    counts: Counts,
    /// The operating system's records so far, covered or not, and whether the quoted value was met among them.
    records: u32,
    covered: Option<u32>,
}

impl Registers {
    /// Replays the logs into every register that `quoted` has a value for.
    pub(super) fn replay(
        logs: &BootLogs<'_>,
        quoted: impl Fn(HashAlgorithm, PcrIndex) -> Option<Digest>,
    ) -> Self {
        let (mut registers, places) = registers(logs, quoted);
        if let Some(firmware) = logs.firmware() {
            firmware.events().for_each(|event| {
                extend(&mut registers, &places, &event, |counts| &mut counts.firmware);
            });
        }
        if let Some(last) = logs.final_events() {
            last.events().for_each(|event| {
                extend(&mut registers, &places, &event, |counts| &mut counts.final_events);
            });
        }
        if !logs.measurements().is_empty() {
            record(&mut registers, &places, logs);
        }
        let verdicts = registers.iter().map(|register| (register.bank, register.pcr, register.verdict()));
        Self { verdicts: verdicts.collect(), places }
    }

    pub(super) fn verdict(&self, bank: HashAlgorithm, pcr: PcrIndex) -> Option<&PcrVerdict> {
        let place = place(&self.places, bank, pcr)?;
        self.verdicts.get(place).map(|(_, _, verdict)| verdict)
    }

    pub(super) fn verdicts(&self) -> impl Iterator<Item = (HashAlgorithm, PcrIndex, &PcrVerdict)> {
        self.verdicts.iter().map(|(bank, pcr, verdict)| (*bank, *pcr, verdict))
    }
}

const fn row(bank: HashAlgorithm) -> usize {
    match bank {
        HashAlgorithm::Sha1 => 0,
        HashAlgorithm::Sha256 => 1,
        HashAlgorithm::Sha384 => 2,
        HashAlgorithm::Sha512 => 3,
    }
}

fn place(places: &Places, bank: HashAlgorithm, pcr: PcrIndex) -> Option<usize> {
    let place = *places.get(row(bank))?.get(usize::from(pcr.get()))?;
    usize::from(place).checked_sub(1)
}

/// The quoted registers at their start values.
fn registers(
    logs: &BootLogs<'_>,
    quoted: impl Fn(HashAlgorithm, PcrIndex) -> Option<Digest>,
) -> (Vec<Register>, Places) {
    let (mut registers, mut places) = (Vec::new(), Places::default());
    for (bank, places) in HashAlgorithm::ALL.into_iter().zip(&mut places) {
        for (pcr, place) in PcrIndex::all().zip(places) {
            // A value of another bank is not believed, whoever hands it in.
            let Some(quoted) = quoted(bank, pcr).filter(|value| value.algorithm() == bank) else { continue };
            let (value, counts) = (logs.start(bank, pcr), Counts::default());
            registers.push(Register { bank, pcr, quoted, value, counts, records: 0, covered: None });
            *place = u8::try_from(registers.len()).unwrap_or(0);
        }
    }
    (registers, places)
}

/// Extends an event of the firmware's into the quoted registers of its PCR.
fn extend(
    registers: &mut [Register],
    places: &Places,
    event: &Event<'_>,
    count: impl Fn(&mut Counts) -> &mut u32,
) {
    let Some(pcr) = event.pcr().filter(|_| event.is_extended()) else { return };
    for digest in event.digests() {
        let Some(place) = place(places, digest.algorithm(), pcr) else { continue };
        let Some(register) = registers.get_mut(place) else { continue };
        register.extend(&digest);
        let count = count(&mut register.counts);
        *count = count.saturating_add(1);
    }
}

/// Extends the operating system's records, and keeps how many of them the quoted value covers.
fn record(registers: &mut [Register], places: &Places, logs: &BootLogs<'_>) {
    registers.iter_mut().for_each(Register::meet);
    for found in logs.records() {
        let Some(pcr) = found.record.pcr() else { continue };
        for digest in found.record.digests() {
            let Some(place) = place(places, digest.algorithm(), pcr) else { continue };
            let Some(register) = registers.get_mut(place) else { continue };
            register.extend(digest);
            register.records = register.records.saturating_add(1);
            register.meet();
        }
    }
}

impl Register {
    fn extend(&mut self, digest: &Digest) {
        // Both digests are of the same bank by construction.
        if let Some(value) = self.value.extend(digest) {
            self.value = value;
        }
    }

    /// Notes the place where the quoted value is reached.
    fn meet(&mut self) {
        if self.covered.is_none() && self.value == self.quoted {
            self.covered = Some(self.records);
        }
    }

    fn verdict(&self) -> PcrVerdict {
        let (quoted, replayed) = (self.quoted, self.value);
        let firmware = self.counts.covered();
        let all = firmware.saturating_add(self.records);
        // Without measurement logs nobody has looked where the value was met.
        let covered = self.covered.or((quoted == replayed).then_some(self.records));
        match covered {
            Some(_) if all == 0 => PcrVerdict::Untouched { value: quoted },
            // Records of a register that still holds its start value: they are of another boot (threat e01).
            Some(covered) if firmware == 0 && covered == 0 => {
                PcrVerdict::Differs { quoted, replayed, events: all }
            }
            Some(measurements) => {
                let not_covered = self.records.saturating_sub(measurements);
                let logs = Counts { measurements, not_covered, ..self.counts };
                PcrVerdict::Matches { value: quoted, events: logs.covered(), logs }
            }
            None if all == 0 => PcrVerdict::Unexplained { quoted },
            None => PcrVerdict::Differs { quoted, replayed, events: all },
        }
    }
}
