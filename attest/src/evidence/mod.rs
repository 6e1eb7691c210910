//! Evidence as it travels: one CBOR map with everything that a verifier needs (docs/schemas/evidence.cddl).
//!
//! Parsing believes nothing and inflates nothing. It only makes sure that the pieces are there and that none is larger
//! than it may be, compressed or not (threat e22).

mod boot_logs;
mod log;
mod parts;
#[cfg(test)]
mod tests;
mod zstd;

use serde::{Deserialize, Deserializer, Serialize};
use serde_bytes::ByteBuf;
use thiserror::Error;

pub use boot_logs::{BootLogBytes, BootLogsError};
pub use log::{Log, LogReader};
pub use parts::{ImaPart, ImaStart, MAX_START_VALUES, MeasurementKind, MeasurementLog, StartValue};
pub use zstd::{LogError, MAX_WINDOW};

/// The format's version. Version 1, which no release has written, is refused.
pub const VERSION: u32 = 2;
/// Largest evidence as it travels, in bytes: an IMA list of a long-lived machine, and room beside it.
pub const MAX_EVIDENCE: usize = 64 * 1024 * 1024;
/// Largest event log, in plain bytes; firmware reserves 64 KiB to 1 MiB for it.
pub const MAX_EVENT_LOG: usize = 4 * 1024 * 1024;
/// Largest table of final events, in plain bytes.
pub const MAX_FINAL_EVENTS: usize = 1024 * 1024;
/// Largest measurement log, in plain bytes.
pub const MAX_MEASUREMENT_LOG: usize = 4 * 1024 * 1024;
/// Largest IMA list, in plain bytes: almost two million entries.
pub const MAX_IMA_LIST: usize = 256 * 1024 * 1024;
/// Most measurement logs.
pub const MAX_MEASUREMENT_LOGS: usize = 4;
/// Most certificates in a chain.
pub const MAX_CERTIFICATES: usize = 8;
/// Most PCR values: 24 in each of four banks.
pub const MAX_PCR_VALUES: usize = 96;

/// Why bytes are no evidence.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EvidenceError {
    /// Larger than the limit.
    #[error("evidence: {what} has {found} bytes or entries, expected at most {most}")]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// Its size.
        found: usize,
        /// The limit.
        most: usize,
    },
    /// Not the CBOR map of the format.
    #[error("evidence: malformed: {0}; expected what `hallmark attest` writes")]
    Malformed(String),
    /// Bytes after the map.
    #[error("evidence: {found} bytes after its end")]
    Trailing {
        /// How many.
        found: usize,
    },
    /// Another version.
    #[error(
        "evidence: version {found}, expected {VERSION}; collect it with `hallmark attest` of this release"
    )]
    Version {
        /// The version.
        found: u32,
    },
    /// A log that announces more than is read.
    #[error("evidence: {what}: {error}")]
    Log {
        /// Which log.
        what: &'static str,
        /// What is wrong.
        error: LogError,
    },
}

impl EvidenceError {
    /// The row of threats.md.
    #[must_use]
    pub fn threat(&self) -> &'static str {
        match self {
            Self::Log { error, .. } => error.threat(),
            _ => "q08",
        }
    }
}

/// A quote and the PCR values that it covers, in the order of its selection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuoteEvidence {
    /// TPMS_ATTEST.
    pub message: ByteBuf,
    /// TPMT_SIGNATURE.
    pub signature: ByteBuf,
    /// PCR values. They carry no names: the signed selection names them (threat q13).
    #[serde(deserialize_with = "crate::bounded::list::<MAX_PCR_VALUES, _, _>")]
    pub pcr_values: Vec<ByteBuf>,
}

/// Evidence, unverified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// [`VERSION`].
    pub version: u32,
    /// The quote.
    pub quote: QuoteEvidence,
    /// The attestation key's TPMT_PUBLIC.
    pub attestation_key: ByteBuf,
    /// The attestation key's certificate chain, DER, leaf first, without the root.
    #[serde(deserialize_with = "crate::bounded::list::<MAX_CERTIFICATES, _, _>")]
    pub certificates: Vec<ByteBuf>,
    /// The firmware's event log; absent where there is none.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub event_log: Option<Log>,
    /// The table of events that followed the log's first reading (TCG EFI Protocol 1.00 Rev 0.13 §7); absent where the
    /// event log has them, as Linux's has.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub final_events: Option<Log>,
    /// Logs of user space, in the order in which they were extended after the firmware's.
    #[serde(
        default,
        deserialize_with = "crate::bounded::list::<MAX_MEASUREMENT_LOGS, _, _>",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub measurement_logs: Vec<MeasurementLog>,
    /// The kernel's IMA list; absent where there is none.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub ima: Option<ImaPart>,
}

impl Evidence {
    /// Parses evidence of at most [`MAX_EVIDENCE`] bytes. No log is inflated.
    ///
    /// # Errors
    /// [`EvidenceError`]; nothing is allocated beyond the size of `bytes` and the entries of its short lists.
    pub fn parse(bytes: &[u8]) -> Result<Self, EvidenceError> {
        limit("evidence", bytes.len(), MAX_EVIDENCE)?;
        let mut rest = bytes;
        let evidence: Self = ciborium::from_reader(&mut rest)
            .map_err(|error| other_version(bytes).unwrap_or_else(|| malformed(&error)))?;
        if !rest.is_empty() {
            return Err(EvidenceError::Trailing { found: rest.len() });
        }
        if evidence.version != VERSION {
            return Err(EvidenceError::Version { found: evidence.version });
        }
        evidence.check_logs()?;
        Ok(evidence)
    }

    /// The CBOR form.
    ///
    /// # Errors
    /// [`EvidenceError::TooLarge`] or [`EvidenceError::Log`] when a verifier would refuse it for its size.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EvidenceError> {
        self.check_logs()?;
        let mut bytes = Vec::new();
        ciborium::into_writer(self, &mut bytes)
            .map_err(|error| EvidenceError::Malformed(error.to_string()))?;
        limit("evidence", bytes.len(), MAX_EVIDENCE)?;
        Ok(bytes)
    }

    /// What every log announces is held against its limit before any of them is inflated.
    fn check_logs(&self) -> Result<(), EvidenceError> {
        let kernel = [
            ("event log", self.event_log.as_ref(), MAX_EVENT_LOG),
            ("final events", self.final_events.as_ref(), MAX_FINAL_EVENTS),
            ("IMA list", self.ima.as_ref().map(|ima| &ima.list), MAX_IMA_LIST),
        ];
        let user = self
            .measurement_logs
            .iter()
            .map(|part| ("measurement log", Some(&part.log), MAX_MEASUREMENT_LOG));
        kernel.into_iter().chain(user).try_for_each(|(what, log, most)| {
            log.map_or(Ok(()), |log| log.check_size(most)).map_err(|error| EvidenceError::Log { what, error })
        })
    }
}

/// Reads a value that is there: an absent field is left out, and null is no second way to say so.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Evidence of another version has other fields, and those are not what a person has to hear about.
fn other_version(bytes: &[u8]) -> Option<EvidenceError> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let Version { version: found } = ciborium::from_reader(bytes).ok()?;
    (found != VERSION).then_some(EvidenceError::Version { found })
}

fn limit(what: &'static str, found: usize, most: usize) -> Result<(), EvidenceError> {
    if found > most { Err(EvidenceError::TooLarge { what, found, most }) } else { Ok(()) }
}

fn malformed(error: &ciborium::de::Error<std::io::Error>) -> EvidenceError {
    EvidenceError::Malformed(match error {
        ciborium::de::Error::Io(_) => "ends early".to_owned(),
        ciborium::de::Error::Syntax(offset) => format!("no CBOR at byte {offset}"),
        ciborium::de::Error::Semantic(Some(offset), text) => format!("{text} at byte {offset}"),
        ciborium::de::Error::Semantic(None, text) => text.clone(),
        ciborium::de::Error::RecursionLimitExceeded => "nested too deeply".to_owned(),
    })
}
