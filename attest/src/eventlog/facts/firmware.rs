//! What PCR 0, 2 and 7 say of the firmware itself.

use serde::Serialize;

use super::Place;
use super::seen::Seen;
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::data::EventData;
use crate::eventlog::data::guid::Guid;
use crate::eventlog::data::text::Utf16;
use crate::eventlog::event_type::EventType;
use crate::eventlog::replay::separators::{SeparatorDigests, SeparatorState};

/// Longer than any version; blobs that are no version would fill a report.
const MAX_VERSION: usize = 128;

/// The version that the firmware reported of its root of trust: EV_S_CRTM_VERSION of PCR 0, before the separator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "firmware-version")]
pub enum FirmwareVersion<'a> {
    /// PCR 0 does not match, has no single separator, or has no such event before it.
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
    /// Two events with different versions: there is none to believe.
    Contradicted {
        /// The second.
        place: Place,
    },
}

impl FirmwareVersion<'_> {
    /// A bound version as text: ASCII or UTF-16 as it is, a GUID in its usual form, anything else as `hex:…`.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let Self::Bound { data, .. } = *self else { return None };
        let ascii = data.strip_suffix(&[0]).unwrap_or(data);
        if !ascii.is_empty() && ascii.iter().all(|b| (0x20..0x7F).contains(b)) {
            return Some(ascii.iter().copied().map(char::from).collect());
        }
        // OVMF has an empty text: a NUL in UTF-16.
        if data == [0, 0] {
            return Some(String::new());
        }
        match Utf16::new(data, "EV_S_CRTM_VERSION", 0) {
            Ok(text) if text.is_terminated_text() => return Some(text.chars().collect()),
            _ => {}
        }
        Some(<[u8; 16]>::try_from(data).map_or_else(
            |_| format!("hex:{}", hex::encode(data.get(..MAX_VERSION).unwrap_or(data))),
            |guid| Guid::new(guid).to_string(),
        ))
    }
}

fn as_hex<S: serde::Serializer>(data: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(data))
}

/// PCR 0: the version, and how the log begins.
#[derive(Debug)]
pub(super) struct FirmwareEvents<'a> {
    separator: Option<u32>,
    version: FirmwareVersion<'a>,
    first: Option<(Place, EventType)>,
}

impl<'a> FirmwareEvents<'a> {
    pub(super) fn new(separator: Option<SeparatorState>) -> Self {
        let separator = match separator {
            Some(SeparatorState::Once { event }) => Some(event),
            _ => None,
        };
        Self { separator, version: FirmwareVersion::Unknown, first: None }
    }

    pub(super) fn see(&mut self, seen: &Seen<'a>) {
        self.first.get_or_insert((seen.place(), seen.kind()));
        // Whoever runs later can extend a version too: only what stands before the line is the firmware's.
        let before = self.separator.is_some_and(|line| seen.event().index() < line);
        if !before || seen.kind() != EventType::SCrtmVersion {
            return;
        }
        let place = seen.place();
        self.version = match (self.version, seen.data()) {
            (FirmwareVersion::Unknown | FirmwareVersion::Hint { .. }, Some(EventData::Version(data))) => {
                FirmwareVersion::Bound { data, place }
            }
            (FirmwareVersion::Bound { data: known, .. }, Some(EventData::Version(data))) if data != known => {
                FirmwareVersion::Contradicted { place }
            }
            (FirmwareVersion::Unknown, _) => FirmwareVersion::Hint { place },
            (known, _) => known,
        };
    }

    pub(super) const fn version(&self) -> FirmwareVersion<'a> {
        self.version
    }

    /// The first event of PCR 0, unless it is one that a root of trust begins with (PFP 1.06 §3.3.4.1): then `None`.
    pub(super) fn odd_first(&self) -> Option<(Place, EventType)> {
        self.first.filter(|(_, kind)| !begins(*kind))
    }
}

/// Types with which firmware begins PCR 0.
const fn begins(kind: EventType) -> bool {
    matches!(
        kind,
        // coreboot's type for all that it measures.
        EventType::Action
            | EventType::SCrtmVersion
            | EventType::SCrtmContents
            | EventType::EfiHcrtmEvent
            | EventType::PostCode
            | EventType::PostCode2
            | EventType::CpuMicrocode
            | EventType::NonhostCode
            | EventType::NonhostInfo
            | EventType::EfiPlatformFirmwareBlob
            | EventType::EfiPlatformFirmwareBlob2
    )
}

/// PCR 2: what was loaded from cards. As with images, everything counts that is neither a separator nor a bound action,
/// whatever the log calls it (threat e11).
pub(super) fn option_rom(separators: &SeparatorDigests, seen: &Seen<'_>) -> Option<Digest> {
    let line = separators.recognise(seen.digest()).is_some();
    (!line && seen.action().is_none()).then(|| *seen.digest())
}

/// Actions of PCR 7 that speak against a machine, known by their digests: no other name in the log hides them (e11).
#[derive(Debug, Clone, Copy)]
pub(super) struct Alarms {
    debugger: [Digest; 2],
    dma: [Digest; 2],
    /// The firmware's debugger is enabled (PFP 1.06 §3.3.4.8).
    pub(super) debugger_enabled: Option<Place>,
    /// The firmware leaves memory open to devices.
    pub(super) dma_protection_disabled: Option<Place>,
}

impl Alarms {
    pub(super) fn new(bank: HashAlgorithm) -> Self {
        // Firmware hashes an action's text with its NUL or without.
        let both = |text: &[u8]| [bank.digest(text), bank.digest_parts(&[text, &[0]])];
        Self {
            debugger: both(b"UEFI Debug Mode"),
            dma: both(b"DMA Protection Disabled"),
            debugger_enabled: None,
            dma_protection_disabled: None,
        }
    }

    pub(super) fn see(&mut self, seen: &Seen<'_>) {
        if self.debugger.contains(seen.digest()) {
            self.debugger_enabled.get_or_insert(seen.place());
        }
        if self.dma.contains(seen.digest()) {
            self.dma_protection_disabled.get_or_insert(seen.place());
        }
    }
}
