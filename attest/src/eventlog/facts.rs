//! What a measured boot proves, in one bank.

use std::collections::BTreeMap;

use serde::Serialize;

use super::action;
use super::command_line::{CommandLine, command_line};
use super::data::EventData;
use super::event::Event;
use super::event_type::EventType;
use super::measured::MeasuredBoot;
use super::secure_boot::{SecureBoot, secure_boot};
use super::separator::{self, BootFault, SeparatorState};
use crate::digest::HashAlgorithm;
use crate::pcr::PcrIndex;

/// Where in the log something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The event's number, from 0.
    pub event: u32,
    /// Its first byte.
    pub offset: usize,
}

impl Place {
    pub(super) const fn of(event: &Event<'_>) -> Self {
        Self { event: event.index(), offset: event.offset() }
    }
}

/// How the firmware handed over to the operating system (threat e14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "exit-boot-services")]
pub enum ExitBootServices {
    /// PCR 5 does not match in this bank.
    Unverified,
    /// No event of it: the firmware still runs, or does not measure it.
    Missing,
    /// Invoked, and no return measured.
    Invoked {
        /// The invocation.
        place: Place,
    },
    /// Returned with success.
    Succeeded {
        /// The last return.
        place: Place,
    },
    /// The last return was a failure.
    Failed {
        /// The last return.
        place: Place,
    },
}

/// The version that the firmware reported of its root of trust: the first EV_S_CRTM_VERSION of PCR 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "firmware-version")]
pub enum FirmwareVersion<'a> {
    /// PCR 0 does not match, or has no such event.
    Unknown,
    /// The digest covers it.
    Bound {
        /// The bytes: text in ASCII or UTF-16, or a GUID, as the vendor likes.
        #[serde(serialize_with = "as_hex")]
        data: &'a [u8],
        /// Where.
        place: Place,
    },
    /// The digest does not cover it: for reports only.
    Hint {
        /// Where.
        place: Place,
    },
}

/// What a boot proves in one bank. Every fact comes from a PCR that matches a verified quote, and from data that a
/// digest covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Facts<'a> {
    bank: HashAlgorithm,
    secure_boot: SecureBoot,
    separators: BTreeMap<PcrIndex, SeparatorState>,
    faults: Vec<BootFault>,
    exit_boot_services: ExitBootServices,
    firmware_version: FirmwareVersion<'a>,
    command_line: CommandLine<'a>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(boot: &MeasuredBoot<'a>, bank: HashAlgorithm) -> Self {
        let separators = separator::states(boot, bank);
        Self {
            bank,
            secure_boot: secure_boot(boot, bank, &separators),
            faults: separator::faults(boot, bank, &separators),
            separators,
            exit_boot_services: exit_boot_services(boot, bank),
            firmware_version: firmware_version(boot, bank),
            command_line: command_line(boot, bank),
        }
    }

    /// The bank that proves them.
    #[must_use]
    pub const fn bank(&self) -> HashAlgorithm {
        self.bank
    }

    /// Whether secure boot was on.
    #[must_use]
    pub const fn secure_boot(&self) -> SecureBoot {
        self.secure_boot
    }

    /// The separators of those of PCR 0 to 7 that match.
    #[must_use]
    pub const fn separators(&self) -> &BTreeMap<PcrIndex, SeparatorState> {
        &self.separators
    }

    /// What the profile forbids, in those of PCR 0 to 7 that match. An appraisal refuses each in a judged PCR.
    #[must_use]
    pub fn faults(&self) -> &[BootFault] {
        &self.faults
    }

    /// How the firmware handed over.
    #[must_use]
    pub const fn exit_boot_services(&self) -> ExitBootServices {
        self.exit_boot_services
    }

    /// The firmware's version.
    #[must_use]
    pub const fn firmware_version(&self) -> FirmwareVersion<'a> {
        self.firmware_version
    }

    /// The kernel's command line.
    #[must_use]
    pub const fn command_line(&self) -> CommandLine<'a> {
        self.command_line
    }
}

fn as_hex<S: serde::Serializer>(data: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(data))
}

fn exit_boot_services(boot: &MeasuredBoot<'_>, bank: HashAlgorithm) -> ExitBootServices {
    let Some(events) = PcrIndex::new(5).and_then(|pcr| boot.events_of(bank, pcr)) else {
        return ExitBootServices::Unverified;
    };
    events.fold(ExitBootServices::Missing, |state, measured| {
        let place = Place::of(measured.event());
        match measured.data() {
            Some(EventData::Action(action::EXIT_INVOKED)) => ExitBootServices::Invoked { place },
            Some(EventData::Action(action::EXIT_SUCCEEDED)) => ExitBootServices::Succeeded { place },
            Some(EventData::Action(action::EXIT_FAILED)) => ExitBootServices::Failed { place },
            _ => state,
        }
    })
}

fn firmware_version<'a>(boot: &MeasuredBoot<'a>, bank: HashAlgorithm) -> FirmwareVersion<'a> {
    let version = boot
        .events_of(bank, PcrIndex::FIRMWARE)
        .and_then(|mut events| events.find(|e| e.event().event_type() == EventType::SCrtmVersion));
    match version {
        None => FirmwareVersion::Unknown,
        Some(measured) => {
            let place = Place::of(measured.event());
            match measured.data() {
                Some(EventData::Version(data)) => FirmwareVersion::Bound { data, place },
                _ => FirmwareVersion::Hint { place },
            }
        }
    }
}
