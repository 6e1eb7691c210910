//! Why a canonical event log is refused.

use thiserror::Error;

use super::{MAX_DIGESTS, MAX_RECORDS};
use crate::wire::WireError;

/// Why a canonical event log is refused. Records are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CelError {
    /// Larger than the limit (threat e06).
    #[error("measurement log of {found} bytes, expected at most {most}")]
    TooLarge {
        /// Its size in bytes.
        found: usize,
        /// The limit.
        most: usize,
    },
    /// More records than are read (threat e06).
    #[error("measurement log of more than {MAX_RECORDS} records")]
    TooManyRecords,
    /// The first byte belongs to none of the encodings.
    #[error("byte 0 of the measurement log is 0x{found:02x}, expected JSON, a JSON sequence, CBOR or TLV")]
    Encoding {
        /// The first byte.
        found: u8,
    },
    /// A record that is not the JSON object of the format.
    #[error("record {record} of the measurement log, at byte {offset}: {what}")]
    Json {
        /// The record.
        record: usize,
        /// Where it, or the whole array, begins.
        offset: usize,
        /// What the reader of JSON says.
        what: String,
    },
    /// A record that ends early or goes on after its end (threat e07).
    #[error("record {record} of the measurement log: {source}")]
    Cut {
        /// The record.
        record: usize,
        /// The field and its offset.
        source: WireError,
    },
    /// A field of a binary record that is not what the format has in its place.
    #[error("record {record} of the measurement log, at byte {offset}: expected {expected}, found {found}")]
    Field {
        /// The record.
        record: usize,
        /// Where.
        offset: usize,
        /// What the format has there.
        expected: &'static str,
        /// The type, or the number, that stands there.
        found: u64,
    },
    /// A record of no register, or of a PCR and an NV index at once.
    #[error("record {record} of the measurement log names {} register, expected one", if *.both { "a PCR and an NV" } else { "no" })]
    Register {
        /// The record.
        record: usize,
        /// Whether it names both.
        both: bool,
    },
    /// A PCR that does not exist (threat e13).
    #[error("record {record} of the measurement log: PCR {pcr} does not exist, expected 0 to 23")]
    NoSuchPcr {
        /// The record.
        record: usize,
        /// The PCR that it names.
        pcr: u64,
    },
    /// Two digests of one algorithm, a digest of another length than its algorithm's, or one that is no hexadecimal.
    #[error("record {record} of the measurement log: {what} digest of {algorithm}")]
    Digest {
        /// The record.
        record: usize,
        /// "repeated" or "malformed".
        what: &'static str,
        /// The algorithm, as the log names it.
        algorithm: String,
    },
    /// More digests than a TPM has banks (threat e06).
    #[error("record {record} of the measurement log: more than {MAX_DIGESTS} digests")]
    DigestCount {
        /// The record.
        record: usize,
    },
    /// An EV_NO_ACTION event that claims a digest (threat e04).
    #[error("record {record} of the measurement log: EV_NO_ACTION carries a digest, expected zeros or none")]
    NoActionDigest {
        /// The record.
        record: usize,
    },
}

impl CelError {
    /// The row of threats.md.
    #[must_use]
    pub const fn threat(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::TooManyRecords | Self::DigestCount { .. } => "e06",
            Self::Encoding { .. } | Self::Json { .. } | Self::Cut { .. } | Self::Field { .. } => "e07",
            Self::Register { .. } | Self::NoSuchPcr { .. } => "e13",
            Self::Digest { .. } => "e05",
            Self::NoActionDigest { .. } => "e04",
        }
    }
}
