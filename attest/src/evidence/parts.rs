//! The logs that evidence carries beside the firmware's: measurement logs of user space, and the IMA list.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::Log;

/// Most values at the start of a partial IMA list: PCRs of a few banks.
pub const MAX_START_VALUES: usize = 16;

/// Who wrote a measurement log, or in which encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MeasurementKind {
    /// systemd's tpm2-measure.log: CEL-JSON, one record after the other (RFC 7464 or lines).
    Systemd,
    /// TCG Canonical Event Log 1.0 in JSON.
    CelJson,
    /// TCG Canonical Event Log 1.0 in CBOR.
    CelCbor,
    /// TCG Canonical Event Log 1.0 in TLV.
    CelTlv,
}

impl MeasurementKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Systemd, Self::CelJson, Self::CelCbor, Self::CelTlv];

    /// The kind's name, as in evidence.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::CelJson => "cel-json",
            Self::CelCbor => "cel-cbor",
            Self::CelTlv => "cel-tlv",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A log of what user space has extended after the firmware.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasurementLog {
    /// How to read it.
    pub kind: MeasurementKind,
    /// The log.
    pub log: Log,
}

/// The kernel's IMA list, or its part after what the verifier already has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImaPart {
    /// The list in its binary form, from `start` on.
    pub list: Log,
    /// Where it starts; absent for a whole list.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub start: Option<ImaStart>,
}

impl ImaPart {
    /// A list from its first entry on.
    #[must_use]
    pub fn whole(list: Log) -> Self {
        Self { list, start: None }
    }
}

/// Where a partial list starts, in the attester's words. A verifier compares it with what it has kept itself (threat i11).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImaStart {
    /// Bytes of the list before it.
    pub offset: u64,
    /// Entries before it.
    pub entries: u64,
    /// PCR values that those entries lead to.
    #[serde(deserialize_with = "crate::bounded::list::<MAX_START_VALUES, _, _>")]
    pub values: Vec<StartValue>,
}

/// One PCR value at the start of a partial list; in CBOR an array of three.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartValue(
    /// The bank: TPM_ALG_ID, TPM 2.0 Part 2 clause 6.3.
    pub u16,
    /// The PCR.
    pub u8,
    /// The value.
    pub ByteBuf,
);
