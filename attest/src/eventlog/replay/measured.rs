//! The logs against a quote: per PCR, whether their events explain the quoted value (threats e01, e02, e15).

use std::borrow::Cow;

use serde::Serialize;

use super::logs::{BootLogs, LogSource};
use super::registers::Registers;
use super::separators::SeparatorState;
use crate::cel::{Record, RecordBinding};
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::EventLog;
use crate::eventlog::binding::{Binding, Portion};
use crate::eventlog::data::EventData;
use crate::eventlog::data::variable::UefiVariable;
use crate::eventlog::event::Event;
use crate::eventlog::event_type::EventType;
use crate::pcr::PcrIndex;

/// How a quoted PCR stands against the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum PcrVerdict {
    /// The events replay to the quoted value.
    Matches {
        /// The value.
        value: Digest,
        /// How many events extended it.
        events: u32,
        /// From which logs.
        logs: Counts,
    },
    /// They replay to another value: the log lies, lacks events, or something else extended the PCR (threat e01).
    /// [`MeasuredBoot::diagnose`] looks for the cause.
    Differs {
        /// What the TPM quoted.
        quoted: Digest,
        /// What the logs replay to.
        replayed: Digest,
        /// How many events the logs have for it.
        events: u32,
    },
    /// The PCR was extended, and no log has an event of it in this bank (threat e15).
    Unexplained {
        /// What the TPM quoted.
        quoted: Digest,
    },
    /// No event, and the PCR holds its start value.
    Untouched {
        /// The start value.
        value: Digest,
    },
}

/// How many of a PCR's events come from which log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counts {
    /// The firmware's log.
    pub firmware: u32,
    /// The final events that it lacks.
    pub final_events: u32,
    /// The operating system's logs.
    pub measurements: u32,
    /// Further records of those that the quoted value does not cover: measured after the quote, so not yet attested.
    pub not_covered: u32,
}

impl Counts {
    /// All events that the quoted value covers.
    #[must_use]
    pub const fn covered(&self) -> u32 {
        self.firmware.saturating_add(self.final_events).saturating_add(self.measurements)
    }
}

/// The logs of a boot as far as a verified quote covers them.
///
/// Only this crate makes one, from a [`VerifiedQuote`](crate::VerifiedQuote):
///
/// ```compile_fail,E0451
/// let forged = attest::eventlog::MeasuredBoot { logs: todo!(), registers: Default::default() };
/// ```
#[derive(Debug, Clone)]
pub struct MeasuredBoot<'a> {
    logs: BootLogs<'a>,
    registers: Registers,
}

/// Judges logs by the values of a verified quote; `quoted` gives the value of a PCR that the quote covers.
///
/// Every bank stands for itself (threat q16): a PCR that matches in one bank says nothing about another bank's digests.
/// PCRs that are not quoted have no verdict, and their events are not to be had (threat e02).
///
/// The events of each PCR are replayed in one row: the firmware's, its final events, the operating system's. The
/// operating system measures on after the quote, so its records may go on after the quoted value was reached; what
/// comes after is not covered. The firmware's may not: it is done, and a log with more than was extended lies.
pub(crate) fn measured_logs<'a>(
    logs: BootLogs<'a>,
    quoted: impl Fn(HashAlgorithm, PcrIndex) -> Option<Digest>,
) -> MeasuredBoot<'a> {
    let registers = Registers::replay(&logs, quoted);
    MeasuredBoot { logs, registers }
}

/// As [`measured_logs`], for a boot of which there is nothing but the firmware's log.
pub(crate) fn measured_boot<'a>(
    log: &EventLog<'a>,
    quoted: impl Fn(HashAlgorithm, PcrIndex) -> Option<Digest>,
) -> MeasuredBoot<'a> {
    measured_logs(BootLogs::from(*log), quoted)
}

impl<'a> MeasuredBoot<'a> {
    /// The verdict on a PCR; `None` when the quote does not cover it.
    #[must_use]
    pub fn verdict(&self, bank: HashAlgorithm, pcr: PcrIndex) -> Option<&PcrVerdict> {
        self.registers.verdict(bank, pcr)
    }

    /// All verdicts, by bank and PCR.
    pub fn verdicts(&self) -> impl Iterator<Item = (HashAlgorithm, PcrIndex, &PcrVerdict)> {
        self.registers.verdicts()
    }

    /// The logs themselves, for showing: nothing that comes from them is verified.
    #[must_use]
    pub const fn unverified_logs(&self) -> &BootLogs<'a> {
        &self.logs
    }

    /// Whether the log explains the quoted value of a PCR.
    #[must_use]
    pub fn matches(&self, bank: HashAlgorithm, pcr: PcrIndex) -> bool {
        matches!(self.verdict(bank, pcr), Some(PcrVerdict::Matches { .. }))
    }

    /// The extended events of a PCR from the firmware's log and its final events, in order, with the digests of `bank`.
    /// What the operating system extended after them is in [`records_of`](Self::records_of).
    ///
    /// `None` unless that PCR matches in that bank: events that no quote covers are not to be had here.
    #[must_use]
    pub fn events_of(
        &self,
        bank: HashAlgorithm,
        pcr: PcrIndex,
    ) -> Option<impl Iterator<Item = MeasuredEvent<'a>> + use<'a>> {
        self.matches(bank, pcr).then(|| {
            self.logs
                .events()
                .filter(move |event| event.is_extended() && event.pcr() == Some(pcr))
                .filter_map(move |event| MeasuredEvent::new(event, bank))
        })
    }

    /// The records of a PCR from the operating system's logs, in the order that replays, with the digests of `bank`;
    /// only those that the quoted value covers.
    ///
    /// `None` unless that PCR matches in that bank.
    #[must_use]
    pub fn records_of(&self, bank: HashAlgorithm, pcr: PcrIndex) -> Option<Vec<MeasuredRecord<'_, 'a>>> {
        let Some(PcrVerdict::Matches { logs, .. }) = self.verdict(bank, pcr) else { return None };
        let records = self.logs.records().into_iter().filter(|place| place.record.pcr() == Some(pcr));
        let measured = records.filter_map(|place| {
            let (source, digest) = (LogSource::Measurements(place.log), *place.record.digest(bank)?);
            Some(MeasuredRecord { source, index: place.index, record: place.record, digest })
        });
        Some(measured.take(usize::try_from(logs.measurements).unwrap_or(usize::MAX)).collect())
    }

    /// The separators of a PCR that matches, whatever type the log gives them.
    pub(in crate::eventlog) fn separator(
        &self,
        bank: HashAlgorithm,
        pcr: PcrIndex,
    ) -> Option<SeparatorState> {
        self.registers.separator(bank, pcr).filter(|_| self.matches(bank, pcr))
    }

    /// The events of every PCR that matches in `bank`, in the log's order: one walk for all that is asked about several PCRs.
    pub(crate) fn covered_events(
        &self,
        bank: HashAlgorithm,
    ) -> impl Iterator<Item = (PcrIndex, MeasuredEvent<'a>)> {
        self.logs.events().filter(Event::is_extended).filter_map(move |event| {
            let pcr = event.pcr().filter(|pcr| self.matches(bank, *pcr))?;
            Some((pcr, MeasuredEvent::new(event, bank)?))
        })
    }

    /// The value of a PCR when the kernel had taken over and nothing of the operating system had extended it yet: what IMA's
    /// boot aggregate is made of. `None` where that is the quoted value, and where the logs don't prove another.
    ///
    /// systemd extends PCR 0 to 7 and 9, too (`os-separator`, `nvpcr-init`, since 259). Only texts of its own are taken off: any
    /// other record may be one of the firmware's events (threat i04).
    pub(crate) fn value_when_taken_over(&self, bank: HashAlgorithm, pcr: PcrIndex) -> Option<Digest> {
        let Some(PcrVerdict::Matches { logs, .. }) = self.verdict(bank, pcr) else { return None };
        if logs.measurements == 0 || !self.is_whole(bank, pcr) {
            return None;
        }
        let mut events = self.events_of(bank, pcr)?;
        events.try_fold(self.logs.start(bank, pcr), |value, event| value.extend(event.digest()))
    }

    /// Whether the events of a matching PCR, as the firmware's log and its final events have them, are all that it took
    /// before the system ran. Whoever writes logs can hand an event over from one log to the other: an operating
    /// system's record whose content nothing covers may be the firmware's last event (threat e11).
    pub(in crate::eventlog) fn is_whole(&self, bank: HashAlgorithm, pcr: PcrIndex) -> bool {
        match self.verdict(bank, pcr) {
            Some(PcrVerdict::Matches { logs, .. }) if logs.measurements == 0 => true,
            // Where systemd goes on after the firmware: a text that is bound and of systemd's own form is no image, no
            // table and no action of the firmware's. Any other text might be one (a command line, "Exit Boot Services
            // Returned with Failure").
            Some(PcrVerdict::Matches { .. }) => self
                .records_of(bank, pcr)
                .is_some_and(|records| records.iter().all(MeasuredRecord::is_user_space)),
            _ => false,
        }
    }
}

/// An event whose digest a quote covers, in one bank.
///
/// ```compile_fail,E0451
/// let forged = attest::eventlog::MeasuredEvent { event: todo!(), digest: todo!() };
/// ```
#[derive(Debug, Clone, Copy)]
pub struct MeasuredEvent<'a> {
    event: Event<'a>,
    digest: Digest,
}

impl<'a> MeasuredEvent<'a> {
    fn new(event: Event<'a>, bank: HashAlgorithm) -> Option<Self> {
        Some(Self { event, digest: event.digest(bank)? })
    }

    /// The event as logged. Its place and its digest are proven; its type and data only as [`binding`](Self::binding)
    /// and [`data`](Self::data) say.
    #[must_use]
    pub const fn event(&self) -> &Event<'a> {
        &self.event
    }

    /// The digest that was extended.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Which portion of the data the digest covers.
    #[must_use]
    pub fn binding(&self) -> Binding {
        self.event.binding(self.digest.algorithm())
    }

    /// The data read as the type says, where the digest covers every byte that is read; `None` otherwise.
    #[must_use]
    pub fn data(&self) -> Option<EventData<'a>> {
        self.data_as(self.binding())
    }

    /// As [`data`](Self::data), where the binding is known already.
    pub(in crate::eventlog) fn data_as(&self, binding: Binding) -> Option<EventData<'a>> {
        match binding {
            Binding::Bound(Portion::Whole) => self.event.typed().ok(),
            Binding::Bound(Portion::WithoutLastByte) => {
                // Parsed without that byte, so that it can't be the end of a content which nothing covers.
                let (_, covered) = self.event.data().split_last()?;
                UefiVariable::of(self.event.event_type(), covered).ok().map(EventData::Variable)
            }
            // An action's text is read without its NUL.
            Binding::Bound(Portion::Text) if !matches!(self.event.event_type(), EventType::Ipl) => {
                self.event.typed().ok()
            }
            _ => None,
        }
    }
}

/// A record of the operating system's logs whose digest a quote covers, in one bank.
///
/// ```compile_fail,E0451
/// let forged = attest::eventlog::MeasuredRecord { source: todo!(), index: 0, record: todo!(), digest: todo!() };
/// ```
#[derive(Debug, Clone, Copy)]
pub struct MeasuredRecord<'m, 'a> {
    source: LogSource,
    index: usize,
    record: &'m Record<'a>,
    digest: Digest,
}

impl<'m, 'a> MeasuredRecord<'m, 'a> {
    /// Which log it stands in.
    #[must_use]
    pub const fn source(&self) -> LogSource {
        self.source
    }

    /// Its number in that log, from 0.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index
    }

    /// The digest that was extended.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The record, for showing: its content is proven only as [`bound`](Self::bound) says.
    #[must_use]
    pub const fn record(&self) -> &'m Record<'a> {
        self.record
    }

    /// Whether it is proven that the operating system measured it: its digest covers a text of a form that only systemd
    /// or Hallmark measures.
    fn is_user_space(&self) -> bool {
        self.record.is_user_space(&self.digest)
    }

    /// The text of systemd or Hallmark that was measured, without the escapes that a log adds; `None` where the digest
    /// covers none.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'m, str>> {
        self.record.bound_text(&self.digest)
    }

    /// The record, where its digest covers the content: the text, the event's data, the template's data. What stands
    /// beside them (a kind, a time, a boot id, a label) is covered by nothing.
    #[must_use]
    pub fn bound(&self) -> Option<&'m Record<'a>> {
        (self.record.binding(self.digest.algorithm()) == RecordBinding::Bound).then_some(self.record)
    }
}
