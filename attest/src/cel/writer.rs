//! Our own records: what Hallmark measures, in systemd's form of CEL-JSON (a JSON text sequence), so that one file can be
//! appended to and everybody's tools read it.

use serde_json::json;

use super::{HALLMARK_PREFIX, RECORD_SEPARATOR};
use crate::digest::{Digest, HashAlgorithm};
use crate::pcr::PcrIndex;

/// A record to be extended, and then to be appended to a log.
///
/// ```
/// use attest::cel::{Log, RecordBinding, Writer};
/// use attest::{HashAlgorithm, PcrIndex};
///
/// let pcr = PcrIndex::new(15).ok_or("no such PCR")?;
/// let record = Writer::new(pcr, &[HashAlgorithm::Sha256]).record("release 7 started", 1_000_000);
/// let log = Log::parse(record.bytes())?;
/// assert_eq!(log.records()[0].digests(), record.digests());
/// assert_eq!(log.records()[0].binding(HashAlgorithm::Sha256), RecordBinding::Bound);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    pcr: PcrIndex,
    banks: Vec<HashAlgorithm>,
}

/// A record as it is written, with the digests to extend before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenRecord {
    digests: Vec<Digest>,
    bytes: Vec<u8>,
}

impl Writer {
    /// A writer for `pcr` in the active banks. An algorithm that is named twice counts once.
    #[must_use]
    pub fn new(pcr: PcrIndex, banks: &[HashAlgorithm]) -> Self {
        Self { pcr, banks: HashAlgorithm::ALL.into_iter().filter(|bank| banks.contains(bank)).collect() }
    }

    /// The record of an event. What is measured is `hallmark:` and the text; `timestamp` is CLOCK_BOOTTIME in
    /// microseconds, which nothing measures.
    #[must_use]
    pub fn record(&self, text: &str, timestamp: u64) -> WrittenRecord {
        let text = format!("{HALLMARK_PREFIX}{text}");
        let digests: Vec<_> = self.banks.iter().map(|bank| bank.digest(text.as_bytes())).collect();
        let listed: Vec<_> = digests
            .iter()
            .map(|digest| json!({"hashAlg": digest.algorithm().name(), "digest": digest.to_hex()}))
            .collect();
        let record = json!({
            "pcr": self.pcr.get(),
            "digests": listed,
            "content_type": "hallmark",
            "content": {"string": text, "timestamp": timestamp},
        });
        let mut bytes = vec![RECORD_SEPARATOR];
        bytes.extend(record.to_string().into_bytes());
        bytes.push(b'\n');
        WrittenRecord { digests, bytes }
    }
}

impl WrittenRecord {
    /// What to extend, one digest a bank.
    #[must_use]
    pub fn digests(&self) -> &[Digest] {
        &self.digests
    }

    /// What to append to the log, once the extend has succeeded.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
