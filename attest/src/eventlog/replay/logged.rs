//! What extended a PCR, whichever log it stands in: an event of the firmware's or a record of the operating system's.

use super::logs::{BootLogs, LogSource};
use crate::cel::{self, Record, RecordBinding};
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::binding::{Binding, Hint, Portion};
use crate::eventlog::event::Event;
use crate::eventlog::event_type::EventType;
use crate::eventlog::report::describe::describe;
use crate::eventlog::report::diagnosis::EventPlace;
use crate::eventlog::report::role::Role;
use crate::pcr::PcrIndex;

/// An event of the PCR, from whichever log.
pub(in crate::eventlog) enum Logged<'m, 'a> {
    Event { source: LogSource, event: Event<'a> },
    Record { log: usize, index: usize, record: &'m Record<'a> },
}

impl<'m, 'a> Logged<'m, 'a> {
    /// What the logs say was extended into `pcr`, in order.
    pub(in crate::eventlog) fn all(logs: &'m BootLogs<'a>, pcr: PcrIndex) -> Vec<Self> {
        let events = logs.events().filter(|event| event.is_extended() && event.pcr() == Some(pcr));
        let events = events.map(|event| Self::Event { source: logs.source_of(&event), event });
        let records = logs.records().into_iter().filter(|place| place.record.pcr() == Some(pcr));
        let records =
            records.map(|place| Self::Record { log: place.log, index: place.index, record: place.record });
        events.chain(records).collect()
    }

    pub(in crate::eventlog) fn digest(&self, bank: HashAlgorithm) -> Option<Digest> {
        match self {
            Self::Event { event, .. } => event.digest(bank),
            Self::Record { record, .. } => record.digest(bank).copied(),
        }
    }

    pub(in crate::eventlog) fn place(&self) -> EventPlace {
        let (source, event) = match self {
            Self::Event { source, event } => (*source, event.index()),
            Self::Record { log, index, .. } => {
                (LogSource::Measurements(*log), u32::try_from(*index).unwrap_or(u32::MAX))
            }
        };
        EventPlace { source, event, says: self.says() }
    }

    /// Whether the type asks for a digest of the data, and the digest is another.
    pub(in crate::eventlog) fn contradicts(&self, bank: HashAlgorithm) -> bool {
        // These may be the name of something that is hashed itself: a file, OVMF's "ACPI DATA", coreboot's "CBFS: …"
        // and all that it writes into its slots.
        let named = |event: &Event<'_>| match event.event_type() {
            EventType::Ipl
            | EventType::EventTag
            | EventType::Action
            | EventType::PlatformConfigFlags
            | EventType::TableOfDevices
            | EventType::NonhostInfo => true,
            EventType::Separator => event.data().len() > 4,
            _ => false,
        };
        match self {
            Self::Event { event, .. } => {
                !named(event) && event.binding(bank) == Binding::Hint(Hint::DigestDiffers)
            }
            Self::Record { .. } => false,
        }
    }

    /// What the digest would be if it were of the data, by the rules of the types.
    pub(in crate::eventlog) fn recomputed(&self, bank: HashAlgorithm) -> Vec<Digest> {
        match self {
            Self::Event { event, .. } => {
                let data = event.data();
                let text = data.strip_suffix(&[0]).unwrap_or(data);
                let content = match event.typed() {
                    Ok(crate::eventlog::EventData::Variable(variable)) => variable.content(),
                    _ => data,
                };
                let mut candidates: Vec<_> = [data, text, content].map(|bytes| bank.digest(bytes)).into();
                candidates.dedup();
                candidates
            }
            Self::Record { record, .. } => {
                record.text().map(|text| bank.digest(text.as_bytes())).into_iter().collect()
            }
        }
    }

    /// What it says, for people: at most some 250 characters, and no more than a claim.
    pub(super) fn says(&self) -> String {
        match self {
            Self::Event { event, .. } => format!("{}: {}", event.event_type(), describe(event)),
            Self::Record { record, .. } => cel::describe(record),
        }
    }

    /// What it is about.
    pub(in crate::eventlog) fn role(&self) -> Role {
        match self {
            Self::Event { event, .. } => Role::of(event),
            Self::Record { record, .. } => Role::of_record(record),
        }
    }

    /// `bound`, `bound in part` or `hint`: whether the digest of `bank` covers what it says.
    pub(in crate::eventlog) fn binding(&self, bank: HashAlgorithm) -> &'static str {
        match self {
            Self::Event { event, .. } => match event.binding(bank) {
                Binding::Bound(Portion::Whole) => "bound",
                Binding::Bound(_) => "bound in part",
                Binding::Hint(_) => "hint",
            },
            Self::Record { record, .. } => match record.binding(bank) {
                RecordBinding::Bound => "bound",
                RecordBinding::Hint => "hint",
            },
        }
    }
}
