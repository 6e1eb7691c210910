//! All logs of one boot, in the order in which they extended the PCRs: the firmware's, its final events, and then what
//! the operating system measured (systemd's log, ours).

use std::fmt;

use serde::Serialize;

use super::final_events::FinalEvents;
use crate::cel;
use crate::digest::HashAlgorithm;
use crate::eventlog::event::Event;
use crate::eventlog::{EventLog, launch};
use crate::pcr::{PcrIndex, ReplayedPcrs};

/// Most logs beside the firmware's.
pub const MAX_MEASUREMENT_LOGS: usize = 16;

/// Which log something stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case", tag = "log", content = "number")]
pub enum LogSource {
    /// The firmware's event log.
    Firmware,
    /// The firmware's table of final events.
    FinalEvents,
    /// A measurement log, by its place among them, from 0.
    Measurements(usize),
}

impl fmt::Display for LogSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Firmware => f.write_str("event log"),
            Self::FinalEvents => f.write_str("final events"),
            Self::Measurements(0) => f.write_str("measurement log"),
            Self::Measurements(number) => write!(f, "measurement log {}", number.saturating_add(1)),
        }
    }
}

/// The logs of a boot, parsed and unverified.
#[derive(Debug, Clone, Default)]
pub struct BootLogs<'a> {
    firmware: Option<EventLog<'a>>,
    final_events: Option<FinalEvents<'a>>,
    measurements: Vec<cel::Log<'a>>,
}

impl<'a> From<EventLog<'a>> for BootLogs<'a> {
    fn from(log: EventLog<'a>) -> Self {
        Self { firmware: Some(log), ..Self::default() }
    }
}

impl<'a> BootLogs<'a> {
    /// The firmware's log alone, or none.
    #[must_use]
    pub fn new(firmware: Option<EventLog<'a>>) -> Self {
        Self { firmware, ..Self::default() }
    }

    /// With the firmware's final events.
    #[must_use]
    pub fn with_final_events(mut self, events: FinalEvents<'a>) -> Self {
        self.final_events = Some(events);
        self
    }

    /// With one more measurement log. Those beyond [`MAX_MEASUREMENT_LOGS`] are left out, so that what they extended
    /// stays unexplained.
    #[must_use]
    pub fn with_measurements(mut self, log: cel::Log<'a>) -> Self {
        if self.measurements.len() < MAX_MEASUREMENT_LOGS {
            self.measurements.push(log);
        }
        self
    }

    /// Whether there is no log at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.firmware.is_none() && self.measurements.is_empty()
    }

    /// The firmware's log.
    #[must_use]
    pub const fn firmware(&self) -> Option<&EventLog<'a>> {
        self.firmware.as_ref()
    }

    /// The firmware's final events.
    #[must_use]
    pub const fn final_events(&self) -> Option<&FinalEvents<'a>> {
        self.final_events.as_ref()
    }

    /// The logs of the operating system.
    #[must_use]
    pub fn measurements(&self) -> &[cel::Log<'a>] {
        &self.measurements
    }

    /// The events of the firmware's log and the final events that it lacks, in order and numbered through.
    pub fn events(&self) -> impl Iterator<Item = Event<'a>> + use<'a> {
        let (firmware, last) = (self.firmware, self.final_events);
        firmware
            .into_iter()
            .flat_map(|log| log.events())
            .chain(last.into_iter().flat_map(|last| last.events()))
    }

    /// Which log an event of [`events`](Self::events) stands in.
    #[must_use]
    pub fn source_of(&self, event: &Event<'_>) -> LogSource {
        match self.firmware {
            Some(log) if event.index() >= log.event_count() => LogSource::FinalEvents,
            _ => LogSource::Firmware,
        }
    }

    /// The records of all measurement logs that extended a PCR, in the order in which they are replayed: log after log,
    /// but by their times where there are several logs and each record says when it was made. A time is not measured;
    /// the replay decides whether the order was right (threat e21).
    pub(super) fn records(&self) -> Vec<LogRecord<'_, 'a>> {
        let mut records: Vec<_> = self
            .measurements
            .iter()
            .enumerate()
            .flat_map(|(log, records)| {
                let place = move |(index, record)| LogRecord { log, index, record };
                records.records().iter().enumerate().map(place)
            })
            .filter(|place| place.record.is_extended() && place.record.pcr().is_some())
            .collect();
        let dated = records.iter().all(|place| place.record.content().timestamp().is_some());
        if self.measurements.len() > 1 && dated {
            records.sort_by_key(|place| place.record.content().timestamp());
        }
        records
    }

    /// The banks that any log has digests for, weakest first.
    #[must_use]
    pub fn banks(&self) -> Vec<HashAlgorithm> {
        let recorded =
            |bank: HashAlgorithm| self.records().iter().any(|place| place.record.digest(bank).is_some());
        let logged = |bank: HashAlgorithm| self.firmware.is_some_and(|log| log.banks().any(|b| b == bank));
        HashAlgorithm::ALL.into_iter().filter(|bank| logged(*bank) || recorded(*bank)).collect()
    }

    /// The values that the logs lead to, in every bank. A claim, as that of one log.
    #[must_use]
    pub fn replay(&self) -> ReplayedPcrs {
        let mut pcrs = self.firmware.map(|log| log.replay()).unwrap_or_default();
        for event in self.final_events.iter().flat_map(FinalEvents::events).filter(Event::is_extended) {
            let Some(pcr) = event.pcr() else { continue };
            event.digests().for_each(|digest| pcrs.extend(pcr, &digest));
        }
        for place in self.records() {
            let Some(pcr) = place.record.pcr() else { continue };
            place.record.digests().iter().for_each(|digest| pcrs.extend(pcr, digest));
        }
        pcrs
    }

    /// Where a PCR begins: at its start value, PCR 0 where the firmware's log says, and PCR 17 to 22 at zeros after the
    /// dynamic launch that it tells of.
    pub(in crate::eventlog) fn start(&self, bank: HashAlgorithm, pcr: PcrIndex) -> crate::Digest {
        let told = self.firmware.filter(|_| pcr == PcrIndex::FIRMWARE);
        let launch = || launch::start_value(self.firmware.and_then(|log| log.launch), bank, pcr);
        told.and_then(|log| log.startup.start_value(bank)).or_else(launch).unwrap_or_else(|| pcr.start(bank))
    }
}

/// A record and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogRecord<'m, 'a> {
    /// The log's place among the measurement logs.
    pub(super) log: usize,
    /// The record's number in it, from 0.
    pub(super) index: usize,
    pub(super) record: &'m cel::Record<'a>,
}
