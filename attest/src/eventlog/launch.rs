//! A dynamic launch (SENTER of Intel TXT, SKINIT of AMD) in a log: PCR 17 to 22 begin anew in it, at zeros (TPM 2.0 Part 1
//! §34 "H-CRTM and DRTM"; PC Client Platform TPM Profile §4.6.2).

use serde::Serialize;

use super::event::Event;
use super::event_type::EventType;
use crate::digest::{Digest, HashAlgorithm};
use crate::pcr::PcrIndex;

/// What Intel's SINIT module says of the PCRs that it uses (MLE Developer's Guide, appendix on TPM event logs): it stands
/// under no PCR, and is not extended.
pub(super) const PCR_MAPPING: u32 = 0x401;

/// The index of events that belong to no PCR in the logs of TXT.
pub(super) const NO_PCR_OF_TXT: u32 = 0xFF;

/// By which means a dynamic launch happened, as the types of the log say. They are not measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DynamicLaunch {
    /// Intel TXT: event types 0x400 to 0x4FF.
    Txt,
    /// Linux's or Xen's Secure Launch, and AMD's SKINIT with it: event types 0x502 to 0x504, without any of TXT.
    SecureLaunch,
    /// Another: PCR 17 was extended, which no software can without a dynamic launch.
    Other,
}

impl DynamicLaunch {
    /// What one event says; `None` for one of another PCR.
    ///
    /// PCR 18 to 22 do not count by themselves: whoever launched extends 17 first. Without a launch they begin at ones.
    pub(super) fn of(event: &Event<'_>) -> Option<Self> {
        let pcr = event.pcr.filter(|pcr| pcr.starts_at_ones() && event.is_extended())?;
        match event.kind {
            EventType::Other(0x400..=0x4FF) => Some(Self::Txt),
            EventType::Other(0x502..=0x504) => Some(Self::SecureLaunch),
            _ => (pcr == PcrIndex::LAUNCH).then_some(Self::Other),
        }
    }

    /// With one more event: TXT's own types also stand in the log of a Secure Launch on Intel.
    pub(super) const fn and(self, more: Self) -> Self {
        match (self, more) {
            (Self::Txt, _) | (_, Self::Txt) => Self::Txt,
            (Self::SecureLaunch, _) | (_, Self::SecureLaunch) => Self::SecureLaunch,
            (Self::Other, Self::Other) => Self::Other,
        }
    }

    /// Its name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Txt => "Intel TXT",
            Self::SecureLaunch => "Secure Launch",
            Self::Other => "of unknown kind",
        }
    }
}

/// Where PCR 17 to 22 begin after a launch. The TPM alone can set them so: no software resets PCR 17 to zeros.
pub(super) fn start_value(
    launch: Option<DynamicLaunch>,
    bank: HashAlgorithm,
    pcr: PcrIndex,
) -> Option<Digest> {
    (launch.is_some() && pcr.starts_at_ones()).then(|| Digest::zero(bank))
}
