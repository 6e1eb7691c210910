//! The replay of the quoted registers: one pass over each log, nothing allocated for an event.

use super::logs::{BootLogs, LogRecord};
use super::measured::{Counts, PcrVerdict};
use super::separators::{SeparatorDigests, SeparatorState};
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::event::Event;
use crate::pcr::PcrIndex;

/// What became of all quoted registers, in the banks that are quoted: at most 4.
#[derive(Debug, Clone, Default)]
pub(super) struct Registers(Vec<Bank<Replayed>>);

/// The registers of a bank, by PCR; `None` for those that are not quoted.
#[derive(Debug, Clone)]
struct Bank<R> {
    algorithm: HashAlgorithm,
    separators: SeparatorDigests,
    registers: [Option<R>; 24],
}

/// A register after its replay.
#[derive(Debug, Clone)]
struct Replayed {
    verdict: PcrVerdict,
    separator: SeparatorState,
}

/// A quoted register while it is replayed.
struct Register {
    quoted: Digest,
    value: Digest,
    counts: Counts,
    separator: SeparatorState,
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
        let banks = HashAlgorithm::ALL.into_iter().filter_map(|bank| Bank::quoted(bank, logs, &quoted));
        let mut banks: Vec<_> = banks.collect();
        for event in logs.firmware().into_iter().flat_map(|log| log.events()) {
            banks.iter_mut().for_each(|bank| bank.extend(&event, |counts| &mut counts.firmware));
        }
        for event in logs.final_events().into_iter().flat_map(|last| last.events()) {
            banks.iter_mut().for_each(|bank| bank.extend(&event, |counts| &mut counts.final_events));
        }
        if !logs.measurements().is_empty() {
            let records = logs.records();
            banks.iter_mut().for_each(|bank| bank.record(&records));
        }
        Self(banks.into_iter().map(Bank::finish).collect())
    }

    pub(super) fn verdict(&self, bank: HashAlgorithm, pcr: PcrIndex) -> Option<&PcrVerdict> {
        self.get(bank, pcr).map(|replayed| &replayed.verdict)
    }

    pub(super) fn separator(&self, bank: HashAlgorithm, pcr: PcrIndex) -> Option<SeparatorState> {
        self.get(bank, pcr).map(|replayed| replayed.separator)
    }

    pub(super) fn verdicts(&self) -> impl Iterator<Item = (HashAlgorithm, PcrIndex, &PcrVerdict)> {
        self.0.iter().flat_map(|bank| {
            let registers = PcrIndex::all().zip(&bank.registers);
            registers.filter_map(|(pcr, register)| Some((bank.algorithm, pcr, &register.as_ref()?.verdict)))
        })
    }

    fn get(&self, bank: HashAlgorithm, pcr: PcrIndex) -> Option<&Replayed> {
        let bank = self.0.iter().find(|known| known.algorithm == bank)?;
        bank.registers.get(usize::from(pcr.get()))?.as_ref()
    }
}

impl Bank<Register> {
    /// The quoted registers at their start values; `None` where none is quoted.
    fn quoted(
        algorithm: HashAlgorithm,
        logs: &BootLogs<'_>,
        quoted: impl Fn(HashAlgorithm, PcrIndex) -> Option<Digest>,
    ) -> Option<Self> {
        let mut registers = [const { None }; 24];
        for (pcr, register) in PcrIndex::all().zip(&mut registers) {
            // A value of another bank is not believed, whoever hands it in.
            let value = quoted(algorithm, pcr).filter(|value| value.algorithm() == algorithm);
            *register = value.map(|quoted| Register::new(quoted, logs.start(algorithm, pcr)));
        }
        let any = registers.iter().any(Option::is_some);
        any.then(|| Self { algorithm, separators: SeparatorDigests::of(algorithm), registers })
    }

    fn finish(self) -> Bank<Replayed> {
        let Self { algorithm, separators, registers } = self;
        Bank { algorithm, separators, registers: registers.map(|register| register.map(Register::finish)) }
    }

    fn get_mut(&mut self, pcr: PcrIndex) -> Option<&mut Register> {
        self.registers.get_mut(usize::from(pcr.get()))?.as_mut()
    }

    /// Extends an event of the firmware's.
    fn extend(&mut self, event: &Event<'_>, count: impl Fn(&mut Counts) -> &mut u32) {
        let Some(pcr) = event.pcr().filter(|_| event.is_extended()) else { return };
        let Some(digest) = event.digest(self.algorithm) else { return };
        let separator = self.separators.recognise(&digest);
        let Some(register) = self.get_mut(pcr) else { return };
        register.extend(&digest);
        if let Some(separator) = separator {
            register.separator = register.separator.and(event.index(), separator);
        }
        let count = count(&mut register.counts);
        *count = count.saturating_add(1);
    }

    /// Extends the operating system's records, and keeps how many of them the quoted value covers.
    fn record(&mut self, records: &[LogRecord<'_, '_>]) {
        self.registers.iter_mut().flatten().for_each(Register::meet);
        for LogRecord { record, .. } in records {
            let Some(digest) = record.digest(self.algorithm) else { continue };
            let Some(register) = record.pcr().and_then(|pcr| self.get_mut(pcr)) else { continue };
            register.extend(digest);
            register.records = register.records.saturating_add(1);
            register.meet();
        }
    }
}

impl Register {
    fn new(quoted: Digest, start: Digest) -> Self {
        Self {
            quoted,
            value: start,
            counts: Counts::default(),
            separator: SeparatorState::Missing,
            records: 0,
            covered: None,
        }
    }

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

    fn finish(self) -> Replayed {
        Replayed { verdict: self.verdict(), separator: self.separator }
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
