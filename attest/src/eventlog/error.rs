//! Why a log, or one event's data, is refused.

use thiserror::Error;

use crate::digest::HashAlgorithm;
use crate::pcr::PcrIndex;
use crate::wire::WireError;

/// Why an event log is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EventLogError {
    /// No bytes, or nothing but padding: a machine that measures has at least one event.
    #[error(
        "the event log is empty: some clouds hand out an empty file; else look whether the TPM is enabled in the firmware"
    )]
    Empty,
    /// The log ends inside an event, or a size reaches past its end (threats e06, e07).
    #[error("event {index}: {source}")]
    Cut {
        /// The event's number, from 0.
        index: u32,
        /// The field and its offset.
        source: WireError,
    },
    /// A PCR that does not exist (threat e13).
    #[error("event {index} at byte {offset}: PCR {pcr} does not exist, expected 0 to 23")]
    NoSuchPcr {
        /// The event's number, from 0.
        index: u32,
        /// Its first byte.
        offset: usize,
        /// The PCR it names.
        pcr: u32,
    },
    /// The first event is EV_NO_ACTION but no Spec ID event of the profile (threat e05).
    #[error("event 0 is EV_NO_ACTION with an unknown signature {found:?}, expected \"Spec ID Event03\"")]
    UnknownSignature {
        /// The 16 signature bytes, as text with escapes.
        found: String,
    },
    /// A major version of the Spec ID event whose layout this parser does not know.
    #[error("Spec ID event of major version {major}, expected 2")]
    UnsupportedVersion {
        /// specVersionMajor.
        major: u8,
    },
    /// A header that declares no algorithm, or more than a TPM can have banks.
    #[error("Spec ID event declares {count} algorithms, expected 1 to {max}")]
    AlgorithmCount {
        /// numberOfAlgorithms.
        count: u32,
        /// The most that are accepted.
        max: u32,
    },
    /// A known algorithm declared with another size than it has, or an unknown one with size 0 (threat e05).
    #[error("Spec ID event declares {declared} bytes for algorithm 0x{algorithm:04X}, expected {expected}")]
    AlgorithmSize {
        /// TPM_ALG_ID.
        algorithm: u16,
        /// The declared size in bytes.
        declared: u16,
        /// What it has to be: the algorithm's size, or 1 to 64 for unknown ones.
        expected: &'static str,
    },
    /// An algorithm declared twice, or two digests of one algorithm in one event (threat e05).
    #[error("event {index}: algorithm 0x{algorithm:04X} occurs twice")]
    RepeatedAlgorithm {
        /// The event's number, from 0 (the header).
        index: u32,
        /// TPM_ALG_ID.
        algorithm: u16,
    },
    /// A digest of an algorithm that the header does not declare, so that its size is unknown.
    #[error(
        "event {index} at byte {offset}: algorithm 0x{algorithm:04X} is not declared by the Spec ID event"
    )]
    UndeclaredAlgorithm {
        /// The event's number, from 0.
        index: u32,
        /// The algorithm field's first byte.
        offset: usize,
        /// TPM_ALG_ID.
        algorithm: u16,
    },
    /// More digests than algorithms (threat e06: 2^32 digests).
    #[error("event {index} at byte {offset}: {count} digests, expected at most {declared}")]
    DigestCount {
        /// The event's number, from 0.
        index: u32,
        /// The count's first byte.
        offset: usize,
        /// What the event claims.
        count: u32,
        /// How many algorithms the header declares.
        declared: usize,
    },
    /// An extended event without a digest for a declared algorithm that other events have one for, or without any: the
    /// bank can't be replayed (threat e05).
    #[error(
        "event {index} at byte {offset}: some events have a digest of the declared algorithm 0x{algorithm:04X} and \
         some have not"
    )]
    MissingDigest {
        /// The event's number, from 0.
        index: u32,
        /// Its first byte.
        offset: usize,
        /// TPM_ALG_ID.
        algorithm: u16,
    },
    /// An EV_NO_ACTION event that claims a digest, though it is never extended (threat e04).
    #[error("event {index} at byte {offset}: EV_NO_ACTION carries a digest, expected zeros")]
    NoActionDigest {
        /// The event's number, from 0.
        index: u32,
        /// Its first byte.
        offset: usize,
    },
    /// A Spec ID event after the first event.
    #[error(
        "event {index} at byte {offset}: a second Spec ID event, so that these are two logs: give each alone"
    )]
    RepeatedHeader {
        /// The event's number, from 0.
        index: u32,
        /// Its first byte.
        offset: usize,
    },
    /// A StartupLocality event without locality 0, 3 or 4 in its 17th byte, with more than zeros behind it, or not of PCR 0
    /// (threat e04).
    #[error(
        "event {index}: malformed StartupLocality (PCR {pcr:?}, {size} bytes, locality {locality:?}), expected PCR 0 and locality 0, 3 or 4"
    )]
    StartupLocality {
        /// The event's number, from 0.
        index: u32,
        /// The PCR that it names.
        pcr: Option<PcrIndex>,
        /// The size of its data in bytes.
        size: usize,
        /// The locality, when there is one.
        locality: Option<u8>,
    },
    /// A second StartupLocality event (threat e04).
    #[error("event {index}: StartupLocality a second time, first in event {first}")]
    StartupLocalityTwice {
        /// The second's number, from 0.
        index: u32,
        /// The first's number.
        first: u32,
    },
    /// A StartupLocality event after PCR 0 was extended (threat e04).
    #[error("event {index}: StartupLocality after event {extended} has extended PCR 0")]
    StartupLocalityLate {
        /// The event's number, from 0.
        index: u32,
        /// The first event that extended PCR 0.
        extended: u32,
    },
    /// An H-CRTM event contradicts a startup locality other than 4, comes after another measurement, or is outside PCR 0.
    #[error(
        "event {index}: EV_EFI_HCRTM_EVENT contradicts event {other}: it is the first measurement of PCR 0 and starts it at locality 4"
    )]
    HcrtmContradiction {
        /// The H-CRTM event's number, from 0.
        index: u32,
        /// The event that contradicts it (itself, when it is outside PCR 0).
        other: u32,
    },
    /// No bytes where a table of final events was named: its version and count alone take 16.
    #[error(
        "the file of final events is empty: a table has 16 bytes at least; leave the option out where there is none"
    )]
    FinalEventsEmpty,
    /// A table of final events of another version.
    #[error("final events: version {version}, expected {expected}")]
    FinalEventsVersion {
        /// The table's version.
        version: u64,
        /// The version that there is.
        expected: u64,
    },
    /// Final events beside a SHA-1-only log, which does not say how long their digests are.
    #[error("final events belong to a crypto-agile log, this one is SHA-1 only")]
    FinalEventsOfSha1Log,
    /// More events than a 32-bit index counts.
    #[error("more than 4294967295 events")]
    TooManyEvents,
}

impl EventLogError {
    /// The row of threats.md.
    #[must_use]
    pub const fn threat(&self) -> &'static str {
        match self {
            Self::Empty => "e15",
            Self::Cut { .. } | Self::FinalEventsEmpty => "e07",
            Self::NoSuchPcr { .. } => "e13",
            Self::UnknownSignature { .. }
            | Self::UnsupportedVersion { .. }
            | Self::AlgorithmCount { .. }
            | Self::AlgorithmSize { .. }
            | Self::RepeatedAlgorithm { .. }
            | Self::UndeclaredAlgorithm { .. }
            | Self::MissingDigest { .. }
            | Self::FinalEventsVersion { .. }
            | Self::FinalEventsOfSha1Log
            | Self::RepeatedHeader { .. } => "e05",
            Self::DigestCount { .. } | Self::TooManyEvents => "e06",
            Self::NoActionDigest { .. }
            | Self::StartupLocality { .. }
            | Self::StartupLocalityTwice { .. }
            | Self::StartupLocalityLate { .. }
            | Self::HcrtmContradiction { .. } => "e04",
        }
    }
}

/// Why one event's data does not have the form of its type; the event replays, but its data is a hint (threat e03).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EventDataError {
    /// A field past the end, or bytes after it.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// UTF-16 text of an odd number of bytes (threat e13).
    #[error("at byte {offset}: {what} is UTF-16 of {len} bytes, expected an even number")]
    OddUtf16 {
        /// Offset in the event's data.
        offset: usize,
        /// The field.
        what: &'static str,
        /// Its bytes.
        len: usize,
    },
    /// A length that no address space holds (threat e06: 2^64).
    #[error("{what} claims {claimed} units, {left} bytes are left")]
    TooLong {
        /// The field.
        what: &'static str,
        /// What it claims.
        claimed: u64,
        /// What is there.
        left: usize,
    },
    /// A separator of another size than 4 bytes.
    #[error("separator of {len} bytes, expected 4")]
    SeparatorSize {
        /// Its size.
        len: usize,
    },
    /// Text with bytes other than printable ASCII, or longer than the profile's texts.
    #[error("text of {len} bytes is not printable ASCII of at most {max} bytes")]
    NotText {
        /// Its size.
        len: usize,
        /// The most that is accepted.
        max: usize,
    },
    /// A GPT header without "EFI PART", of an impossible size, or with another count of entries than follows (threat e13).
    #[error("GPT: {what} is {found}")]
    Gpt {
        /// The field.
        what: &'static str,
        /// Its value.
        found: u64,
    },
    /// A device path node shorter than its own header: following it would never end (threat e18).
    #[error("device path node at byte {offset} has length {len}, expected at least 4")]
    NodeLength {
        /// Offset in the device path.
        offset: usize,
        /// The claimed length.
        len: u16,
    },
    /// A device path without its end node, or with bytes after it.
    #[error("device path ends at byte {offset} without its end node, or goes on after it")]
    NodeEnd {
        /// Offset in the device path.
        offset: usize,
    },
    /// A signature list whose size is below its header's, or signatures of no size, of another size than their type
    /// has, or that do not fill their list (threat e18).
    #[error("signature list at byte {offset}: {what} is {claimed}, which does not fit the list or its type")]
    SignatureSize {
        /// Offset of the list in the variable.
        offset: usize,
        /// The field.
        what: &'static str,
        /// What it claims.
        claimed: u32,
    },
    /// A variable of on and off with another content.
    #[error("switch of {len} bytes that begin with {value}, expected one byte, 0 or 1")]
    Switch {
        /// Its size.
        len: usize,
        /// Its first byte.
        value: u8,
    },
    /// A boot order of an odd number of bytes.
    #[error("boot order of {len} bytes, expected 16-bit numbers")]
    LoadOrder {
        /// Its size.
        len: usize,
    },
    /// Tagged events inside of each other beyond what anybody nests (threat e18).
    #[error("at byte {offset}: more than {max} containers inside each other")]
    Nested {
        /// Offset in the event's data.
        offset: usize,
        /// How many are followed.
        max: usize,
    },
    /// Hand-off tables of another number than their count says.
    #[error("{len} bytes of hand-off tables do not hold {count} of them")]
    HandoffTables {
        /// The count.
        count: u64,
        /// The bytes that hold count and tables.
        len: usize,
    },
    /// An SPDM event without its signature.
    #[error("an SPDM event begins with \"SPDM Device Sec\" or \"SPDM Device Sec2\"")]
    SpdmSignature,
    /// UTF-16 text that does not end.
    #[error("at byte {offset}: {what} has no NUL at its end")]
    Unterminated {
        /// Offset in the structure.
        offset: usize,
        /// The field.
        what: &'static str,
    },
}

/// An algorithm's size, for [`EventLogError::AlgorithmSize`].
pub(super) const fn expected_size(algorithm: Option<HashAlgorithm>) -> &'static str {
    match algorithm {
        Some(HashAlgorithm::Sha1) => "20",
        Some(HashAlgorithm::Sha256 | HashAlgorithm::Sm3 | HashAlgorithm::Sha3With256) => "32",
        Some(HashAlgorithm::Sha384 | HashAlgorithm::Sha3With384) => "48",
        Some(HashAlgorithm::Sha512 | HashAlgorithm::Sha3With512) => "64",
        None => "1 to 64",
    }
}
