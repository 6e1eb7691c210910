//! What the profile forbids in PCR 0 to 7: separators that are missing, repeated or errors, and measurements on the wrong side
//! of one (PFP 1.06 §3.3.4; threat e08).

use std::collections::BTreeMap;

use serde::Serialize;
use thiserror::Error;

use crate::digest::HashAlgorithm;
use crate::eventlog::event::Event;
use crate::eventlog::event_type::EventType;
use crate::eventlog::replay::measured::{MeasuredBoot, PcrVerdict};
use crate::eventlog::replay::separators::SeparatorState;
use crate::pcr::PcrIndex;

/// What the profile forbids in PCR 0 to 7. An appraisal refuses each, unless its policy names it (threat e08).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error, Serialize)]
#[serde(rename_all = "kebab-case", tag = "fault")]
pub enum BootFault {
    /// No separator.
    #[error("PCR {pcr} has no separator")]
    SeparatorMissing {
        /// The PCR.
        pcr: PcrIndex,
    },
    /// Two separators: whoever can add one can move the line.
    #[error("PCR {pcr} has two separators, events {first} and {second}")]
    SeparatorRepeated {
        /// The PCR.
        pcr: PcrIndex,
        /// The first's event.
        first: u32,
        /// The second's event.
        second: u32,
    },
    /// The firmware reported an error.
    #[error("PCR {pcr} has the error separator, event {event}: the firmware failed to measure")]
    SeparatorError {
        /// The PCR.
        pcr: PcrIndex,
        /// Its event.
        event: u32,
    },
    /// The operating system's log claims measurements of a PCR that the firmware alone extends: they may be the firmware's
    /// own last events, taken out of its log.
    #[error("PCR {pcr}: {count} records of the operating system's log where the firmware alone measures")]
    OfOperatingSystem {
        /// The PCR.
        pcr: PcrIndex,
        /// How many.
        count: u32,
    },
    /// An event that belongs before the separator comes after it.
    #[error("PCR {pcr}: event {event} of type {kind} after the separator, {count} such events")]
    AfterSeparator {
        /// The PCR.
        pcr: PcrIndex,
        /// The first such event.
        event: u32,
        /// Its type.
        kind: EventType,
        /// How many there are.
        count: u32,
    },
}

impl BootFault {
    /// The PCR that it is in.
    #[must_use]
    pub const fn pcr(&self) -> PcrIndex {
        match self {
            Self::SeparatorMissing { pcr }
            | Self::SeparatorRepeated { pcr, .. }
            | Self::SeparatorError { pcr, .. }
            | Self::OfOperatingSystem { pcr, .. }
            | Self::AfterSeparator { pcr, .. } => *pcr,
        }
    }
}

/// The separators of PCR 0 to 7.
pub(super) type Separators = BTreeMap<PcrIndex, SeparatorState>;

/// The state of those of PCR 0 to 7 that match the quote in `bank`.
pub(super) fn separators(boot: &MeasuredBoot<'_>, bank: HashAlgorithm) -> Separators {
    (0..8).filter_map(PcrIndex::new).filter_map(|pcr| Some((pcr, boot.separator(bank, pcr)?))).collect()
}

/// Reads the PCRs that match, for what comes after their separators and may not.
#[derive(Debug, Default)]
pub(super) struct LateEvents(BTreeMap<PcrIndex, BootFault>);

impl LateEvents {
    pub(super) fn see(&mut self, pcr: PcrIndex, event: &Event<'_>, separators: &Separators) {
        let Some(SeparatorState::Once { event: line }) = separators.get(&pcr) else { return };
        let (event, kind) = (event.index(), event.event_type());
        if event <= *line || may_follow(pcr, kind) {
            return;
        }
        let first = BootFault::AfterSeparator { pcr, event, kind, count: 0 };
        if let BootFault::AfterSeparator { count, .. } = self.0.entry(pcr).or_insert(first) {
            *count = count.saturating_add(1);
        }
    }

    /// Every fault of PCR 0 to 7 in `bank`, at most one per PCR.
    pub(super) fn conclude(
        &self,
        boot: &MeasuredBoot<'_>,
        bank: HashAlgorithm,
        separators: &Separators,
    ) -> Vec<BootFault> {
        let worst = |(pcr, state): (&PcrIndex, &SeparatorState)| {
            of_separator(*pcr, *state)
                .or_else(|| of_operating_system(boot, bank, *pcr))
                .or_else(|| self.0.get(pcr).copied())
        };
        separators.iter().filter_map(worst).collect()
    }
}

/// Nothing but the firmware and systemd's own texts belongs into PCR 0 to 7.
fn of_operating_system(boot: &MeasuredBoot<'_>, bank: HashAlgorithm, pcr: PcrIndex) -> Option<BootFault> {
    match boot.verdict(bank, pcr) {
        Some(PcrVerdict::Matches { logs, .. }) if logs.measurements > 0 && !boot.is_whole(bank, pcr) => {
            Some(BootFault::OfOperatingSystem { pcr, count: logs.measurements })
        }
        _ => None,
    }
}

const fn of_separator(pcr: PcrIndex, state: SeparatorState) -> Option<BootFault> {
    match state {
        SeparatorState::Once { .. } => None,
        SeparatorState::Missing => Some(BootFault::SeparatorMissing { pcr }),
        SeparatorState::Repeated { first, second } => {
            Some(BootFault::SeparatorRepeated { pcr, first, second })
        }
        SeparatorState::Error { event } => Some(BootFault::SeparatorError { pcr, event }),
    }
}

/// What the profile lets a PCR take after its separator (PFP 1.06 §3.3.4).
fn may_follow(pcr: PcrIndex, kind: EventType) -> bool {
    match pcr.get() {
        // Firmware in the field measures Boot#### of the option it is about to try after the separators; AMI's, as on
        // Dell's machines, also the modes of secure boot and SMBIOS; systemd-boot and its stub tag SMBIOS tables there (since
        // 261 or 262). No fact comes from there, and a reference sees them.
        1 => matches!(
            kind,
            EventType::EfiVariableBoot
                | EventType::EfiVariableBoot2
                | EventType::EfiVariableDriverConfig
                | EventType::EfiHandoffTables
                | EventType::EfiHandoffTables2
                | EventType::EventTag
        ),
        4 => matches!(
            kind,
            EventType::EfiBootServicesApplication
                | EventType::EfiBootServicesDriver
                | EventType::EfiAction
                | EventType::Action
                | EventType::Ipl
                | EventType::CompactHash
        ),
        5 => matches!(
            kind,
            EventType::EfiGptEvent
                | EventType::EfiGptEvent2
                | EventType::EfiAction
                | EventType::Action
                | EventType::Ipl
                | EventType::IplPartitionData
                | EventType::EventTag
        ),
        7 => matches!(
            kind,
            EventType::EfiVariableAuthority | EventType::EfiSpdmDeviceAuthority | EventType::EfiAction
        ),
        _ => false,
    }
}
