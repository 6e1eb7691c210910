//! EV_SEPARATOR: the line in PCR 0 to 7 between what the firmware measured and what came after (PFP 1.06 §3.3.4, §10.4.2).

use std::collections::BTreeMap;

use serde::Serialize;
use thiserror::Error;

use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::error::EventDataError;
use crate::eventlog::event_type::EventType;
use crate::eventlog::replay::measured::{MeasuredBoot, PcrVerdict};
use crate::pcr::PcrIndex;

/// The value of a separator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Separator {
    /// 0x00000000 or 0xFFFFFFFF: all went well.
    Normal,
    /// 0x00000001: the firmware met an error while measuring.
    Error,
    /// A value that the profile does not know.
    Unknown(u32),
}

impl Separator {
    /// Reads the 4 bytes of a separator.
    ///
    /// # Errors
    /// [`EventDataError::SeparatorSize`] for another size.
    pub fn parse(data: &[u8]) -> Result<Self, EventDataError> {
        let bytes =
            <[u8; 4]>::try_from(data).map_err(|_| EventDataError::SeparatorSize { len: data.len() })?;
        Ok(match u32::from_le_bytes(bytes) {
            0 | u32::MAX => Self::Normal,
            1 => Self::Error,
            other => Self::Unknown(other),
        })
    }
}

/// The digests of a bank that mean "separator", whatever type the log gives the event.
///
/// The type is not measured. An attacker who renames the firmware's separator could measure on, add a separator of his
/// own, and have what he measured taken for the firmware's (threats e08, e09, e11).
#[derive(Debug, Clone, Copy)]
pub(in crate::eventlog) struct SeparatorDigests([(Digest, Separator); 3]);

impl SeparatorDigests {
    pub(in crate::eventlog) fn of(bank: HashAlgorithm) -> Self {
        Self([
            (bank.digest(&[0; 4]), Separator::Normal),
            (bank.digest(&[0xFF; 4]), Separator::Normal),
            (bank.digest(&[1, 0, 0, 0]), Separator::Error),
        ])
    }

    pub(super) fn recognise(&self, digest: &Digest) -> Option<Separator> {
        self.0.iter().find(|(known, _)| known == digest).map(|(_, separator)| *separator)
    }
}

/// How a PCR's separator stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum SeparatorState {
    /// One, and not the error value.
    Once {
        /// Its event.
        event: u32,
    },
    /// None.
    Missing,
    /// More than one.
    Repeated {
        /// The first's event.
        first: u32,
        /// The second's event.
        second: u32,
    },
    /// One with the error value.
    Error {
        /// Its event.
        event: u32,
    },
}

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
pub(super) type States = BTreeMap<PcrIndex, SeparatorState>;

/// The state of those of PCR 0 to 7 that match the quote in `bank`.
pub(super) fn states(boot: &MeasuredBoot<'_>, bank: HashAlgorithm) -> States {
    let digests = SeparatorDigests::of(bank);
    let mut states: States = firmware_pcrs()
        .filter(|pcr| boot.matches(bank, *pcr))
        .map(|pcr| (pcr, SeparatorState::Missing))
        .collect();
    for (pcr, measured) in boot.covered_events(bank) {
        let (Some(state), Some(separator)) = (states.get_mut(&pcr), digests.recognise(measured.digest()))
        else {
            continue;
        };
        *state = state.and(measured.event().index(), separator);
    }
    states
}

fn firmware_pcrs() -> impl Iterator<Item = PcrIndex> {
    (0..8).filter_map(PcrIndex::new)
}

impl SeparatorState {
    /// The state after one more separator.
    const fn and(self, event: u32, separator: Separator) -> Self {
        match (self, separator) {
            (Self::Missing, Separator::Normal) => Self::Once { event },
            (Self::Missing, _) => Self::Error { event },
            (Self::Once { event: first } | Self::Error { event: first }, _) => {
                Self::Repeated { first, second: event }
            }
            (Self::Repeated { .. }, _) => self,
        }
    }
}

/// Every fault of PCR 0 to 7 in `bank`, at most one per PCR.
pub(super) fn faults(boot: &MeasuredBoot<'_>, bank: HashAlgorithm, states: &States) -> Vec<BootFault> {
    let late = late_events(boot, bank, states);
    let foreign = |pcr: &PcrIndex| of_operating_system(boot, bank, *pcr);
    let worst = |(pcr, state): (&PcrIndex, &SeparatorState)| {
        fault(*pcr, *state).or_else(|| foreign(pcr)).or_else(|| late.get(pcr).copied())
    };
    states.iter().filter_map(worst).collect()
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

const fn fault(pcr: PcrIndex, state: SeparatorState) -> Option<BootFault> {
    match state {
        SeparatorState::Once { .. } => None,
        SeparatorState::Missing => Some(BootFault::SeparatorMissing { pcr }),
        SeparatorState::Repeated { first, second } => {
            Some(BootFault::SeparatorRepeated { pcr, first, second })
        }
        SeparatorState::Error { event } => Some(BootFault::SeparatorError { pcr, event }),
    }
}

/// Per PCR, what comes after its separator and may not.
fn late_events(
    boot: &MeasuredBoot<'_>,
    bank: HashAlgorithm,
    states: &States,
) -> BTreeMap<PcrIndex, BootFault> {
    let mut late = BTreeMap::new();
    for (pcr, measured) in boot.covered_events(bank) {
        let (event, kind) = (measured.event().index(), measured.event().event_type());
        match states.get(&pcr) {
            Some(SeparatorState::Once { event: line }) if event > *line && !may_follow(pcr, kind) => {}
            _ => continue,
        }
        let first = BootFault::AfterSeparator { pcr, event, kind, count: 0 };
        if let BootFault::AfterSeparator { count, .. } = late.entry(pcr).or_insert(first) {
            *count = count.saturating_add(1);
        }
    }
    late
}

/// What the profile lets a PCR take after its separator (PFP 1.06 §3.3.4).
fn may_follow(pcr: PcrIndex, kind: EventType) -> bool {
    match pcr.get() {
        // Firmware in the field measures Boot#### of the option it is about to try after the separators.
        1 => matches!(kind, EventType::EfiVariableBoot | EventType::EfiVariableBoot2),
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
