//! What a record carries beside its digests (CEL 1.0 §4.3).

use std::borrow::Cow;

use crate::eventlog::EventType;

/// A record's content, as logged. Whether its digest covers it, [`Record::binding`](super::Record::binding) says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content<'a> {
    /// `systemd`: an object in JSON, the measured text in TLV and CBOR.
    Systemd(Systemd<'a>),
    /// `pcclient_std`: an event of the firmware's kind.
    PcClient {
        /// The event's type.
        event_type: EventType,
        /// The event's data.
        data: Cow<'a, [u8]>,
    },
    /// `ima_template`: an entry of an IMA list; the digest is of the data.
    ImaTemplate {
        /// The template's name.
        name: Cow<'a, [u8]>,
        /// The template's data.
        data: Cow<'a, [u8]>,
    },
    /// `hallmark`: an event of our own; the digest is of the text.
    Hallmark {
        /// What happened.
        text: Cow<'a, str>,
        /// Microseconds since the boot, without those in suspend; not measured.
        timestamp: Option<u64>,
    },
    /// Another type, unread.
    Other {
        /// Its name, or its number in the binary encodings.
        content_type: Cow<'a, str>,
    },
}

/// What systemd writes beside the digests (systemd, "TPM2 PCR Measurements Made by systemd").
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Systemd<'a> {
    /// The text that was measured, with C's escapes for what is not printable.
    pub string: Option<Cow<'a, str>>,
    /// What kind of event it says that it is. Not measured.
    pub event_type: Option<Cow<'a, str>>,
    /// The kernel's boot id. Not measured.
    pub boot_id: Option<Cow<'a, str>>,
    /// CLOCK_BOOTTIME in microseconds. Not measured.
    pub timestamp: Option<u64>,
    /// The name of the NV index that serves as a PCR. Not measured.
    pub nv_index_name: Option<Cow<'a, str>>,
}

impl Content<'_> {
    /// The content's type by its name in the format, e.g. `systemd`.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::Systemd(_) => "systemd",
            Self::PcClient { .. } => "pcclient_std",
            Self::ImaTemplate { .. } => "ima_template",
            Self::Hallmark { .. } => "hallmark",
            Self::Other { content_type } => content_type,
        }
    }

    /// When the record says that it was made: microseconds since the boot. Not measured; good for an order to try.
    #[must_use]
    pub const fn timestamp(&self) -> Option<u64> {
        match self {
            Self::Systemd(systemd) => systemd.timestamp,
            Self::Hallmark { timestamp, .. } => *timestamp,
            _ => None,
        }
    }
}
