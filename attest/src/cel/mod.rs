//! Canonical event logs (TCG Canonical Event Log Format, CEL, 1.0 and 1.1): what the operating system says that it
//! measured after the firmware had handed over.
//!
//! A log is a claim, as a firmware's log is: it counts where a quoted PCR equals its replay
//! ([`MeasuredBoot`](crate::eventlog::MeasuredBoot) replays it after the firmware's events), and its content as far as
//! the digest covers it ([`Record::binding`]). Three encodings are read: JSON, as an array or as systemd writes it (a
//! JSON text sequence, RFC 7464), CBOR, as an array or a sequence, and TLV. Our own events are written by [`Writer`].
//!
//! ```
//! use attest::cel::{Log, Register};
//!
//! let bytes = br#"[{"pcr": 11, "digests": [], "content_type": "systemd", "content": {"string": "sysinit"}}]"#;
//! let log = Log::parse(bytes)?;
//! assert!(matches!(log.records()[0].register(), Register::Pcr(pcr) if pcr.get() == 11));
//! # Ok::<(), attest::cel::CelError>(())
//! ```

mod cbor;
mod content;
mod error;
mod json;
#[cfg(test)]
mod properties;
mod record;
mod systemd;
#[cfg(test)]
mod tests;
mod tlv;
mod view;
mod writer;

pub use content::{Content, Systemd};
pub use error::CelError;
pub use record::{Record, RecordBinding, Register, describe};
pub use systemd::{FileSystem, SystemdEvent};
pub use view::{RecordView, register_name, summary_line};
pub use writer::{Writer, WrittenRecord};

/// Largest log, in bytes. systemd's has some dozens of records of 300 bytes.
pub const MAX_LOG: usize = 4 * 1024 * 1024;
/// Most records of a log.
pub const MAX_RECORDS: usize = 16_384;
/// Most digests of a record: TPMs have at most this many banks.
pub(crate) const MAX_DIGESTS: usize = 16;

/// How a log is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// One JSON array (CEL 1.0 §5, JSON).
    Json,
    /// JSON texts, each after a record separator (RFC 7464) or on a line: systemd's log, ours.
    JsonSequence,
    /// CBOR: one array, or items one after another (RFC 8742).
    Cbor,
    /// Type, length, value.
    Tlv,
}

/// A parsed log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log<'a> {
    encoding: Encoding,
    records: Vec<Record<'a>>,
}

/// What every text begins with that Hallmark measures: no loader measures such a text.
pub const HALLMARK_PREFIX: &str = "hallmark:";

/// RFC 7464's record separator.
pub(crate) const RECORD_SEPARATOR: u8 = 0x1E;

impl<'a> Log<'a> {
    /// Reads a log of any of the encodings; its first byte tells which. No bytes are a log without records: systemd
    /// makes the file before it measures.
    ///
    /// # Errors
    /// [`CelError`]: a log beyond the limits, malformed, or with records that contradict themselves.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, CelError> {
        if bytes.len() > MAX_LOG {
            return Err(CelError::TooLarge { found: bytes.len(), most: MAX_LOG });
        }
        let (encoding, records) = match bytes.first() {
            None => (Encoding::JsonSequence, Vec::new()),
            Some(&RECORD_SEPARATOR) => (Encoding::JsonSequence, json::sequence(bytes)?),
            Some(0x00) => (Encoding::Tlv, tlv::records(bytes)?),
            Some(0x80..=0xBF) => (Encoding::Cbor, cbor::records(bytes)?),
            Some(b'{') => (Encoding::JsonSequence, json::lines(bytes)?),
            Some(b'[' | b' ' | b'\t' | b'\n' | b'\r') => (Encoding::Json, json::array(bytes)?),
            Some(byte) => return Err(CelError::Encoding { found: *byte }),
        };
        for (index, record) in records.iter().enumerate() {
            record.check(index)?;
        }
        Ok(Self { encoding, records })
    }

    /// How it is written.
    #[must_use]
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The records, in order. Nothing in them is proven.
    #[must_use]
    pub fn records(&self) -> &[Record<'a>] {
        &self.records
    }
}
