//! Evidence as it travels: one CBOR map with everything that a verifier needs (docs/schemas/evidence.cddl).
//!
//! Parsing believes nothing. It only makes sure that the pieces are there and that none is larger than it may be.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use thiserror::Error;

/// The format's version.
pub const VERSION: u32 = 1;
/// Largest evidence, in bytes: an IMA list of a long-lived machine, and room beside it.
pub const MAX_EVIDENCE: usize = 64 * 1024 * 1024;
/// Largest event log, in bytes; firmware reserves 64 KiB to 1 MiB for it.
pub const MAX_EVENT_LOG: usize = 4 * 1024 * 1024;
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
    #[error("evidence: malformed: {0}")]
    Malformed(String),
    /// Bytes after the map.
    #[error("evidence: {found} bytes after its end")]
    Trailing {
        /// How many.
        found: usize,
    },
    /// Another version.
    #[error("evidence: version {found}, expected {VERSION}")]
    Version {
        /// The version.
        found: u32,
    },
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
    pub event_log: Option<ByteBuf>,
    /// The kernel's IMA list in its binary form; absent where there is none.
    pub ima_list: Option<ByteBuf>,
}

impl Evidence {
    /// Parses evidence of at most [`MAX_EVIDENCE`] bytes.
    ///
    /// # Errors
    /// [`EvidenceError`]; nothing is allocated beyond the size of `bytes` and the entries of its two short lists.
    pub fn parse(bytes: &[u8]) -> Result<Self, EvidenceError> {
        limit("evidence", bytes.len(), MAX_EVIDENCE)?;
        let mut rest = bytes;
        let evidence: Self =
            ciborium::from_reader(&mut rest).map_err(|error| EvidenceError::Malformed(describe(&error)))?;
        if !rest.is_empty() {
            return Err(EvidenceError::Trailing { found: rest.len() });
        }
        if evidence.version != VERSION {
            return Err(EvidenceError::Version { found: evidence.version });
        }
        limit("event log", evidence.event_log.as_ref().map_or(0, |log| log.len()), MAX_EVENT_LOG)?;
        Ok(evidence)
    }

    /// The CBOR form.
    ///
    /// # Errors
    /// [`EvidenceError::TooLarge`] when a verifier would refuse it for its size.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EvidenceError> {
        let mut bytes = Vec::new();
        ciborium::into_writer(self, &mut bytes)
            .map_err(|error| EvidenceError::Malformed(error.to_string()))?;
        limit("evidence", bytes.len(), MAX_EVIDENCE)?;
        Ok(bytes)
    }
}

fn limit(what: &'static str, found: usize, most: usize) -> Result<(), EvidenceError> {
    if found > most { Err(EvidenceError::TooLarge { what, found, most }) } else { Ok(()) }
}

fn describe(error: &ciborium::de::Error<std::io::Error>) -> String {
    match error {
        ciborium::de::Error::Io(_) => "ends early".to_owned(),
        ciborium::de::Error::Syntax(offset) => format!("no CBOR at byte {offset}"),
        ciborium::de::Error::Semantic(Some(offset), text) => format!("{text} at byte {offset}"),
        ciborium::de::Error::Semantic(None, text) => text.clone(),
        ciborium::de::Error::RecursionLimitExceeded => "nested too deeply".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence() -> Evidence {
        Evidence {
            version: VERSION,
            quote: QuoteEvidence {
                message: ByteBuf::from([1, 2]),
                signature: ByteBuf::from([3]),
                pcr_values: vec![ByteBuf::from([0; 32])],
            },
            attestation_key: ByteBuf::from([4]),
            certificates: vec![ByteBuf::from([5])],
            event_log: Some(ByteBuf::from([6; 100])),
            ima_list: None,
        }
    }

    #[test]
    fn evidence_reads_back() {
        assert_eq!(Evidence::parse(&evidence().to_bytes().unwrap()).unwrap(), evidence());
    }

    #[test]
    fn every_truncation_and_every_extension_is_refused() {
        let bytes = evidence().to_bytes().unwrap();
        for len in 0..bytes.len() {
            assert!(Evidence::parse(&bytes[..len]).is_err(), "{len}");
        }
        let longer = [bytes, vec![0]].concat();
        assert_eq!(Evidence::parse(&longer), Err(EvidenceError::Trailing { found: 1 }));
    }

    #[test]
    fn an_announced_size_allocates_nothing() {
        // A map of one entry whose key is a text string of 2^63 bytes, and an array of 2^62 entries.
        for bytes in [
            &[0xA1, 0x7B, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF][..],
            &[0x9B, 0x3F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
        ] {
            assert!(matches!(Evidence::parse(bytes), Err(EvidenceError::Malformed(_))));
        }
    }

    #[test]
    fn lists_end_at_their_limits() {
        let with = |certificates, values| {
            let mut evidence = evidence();
            evidence.certificates = vec![ByteBuf::new(); certificates];
            evidence.quote.pcr_values = vec![ByteBuf::new(); values];
            Evidence::parse(&evidence.to_bytes().unwrap())
        };
        with(8, 96).unwrap();
        for (certificates, values, most) in [(9, 1, "8"), (1_000_000, 1, "8"), (1, 97, "96")] {
            let error = with(certificates, values).unwrap_err().to_string();
            assert!(error.contains(&format!("more than {most} entries")), "{error}");
        }
    }

    #[test]
    fn repeated_and_unknown_keys_are_refused() {
        let mut bytes = evidence().to_bytes().unwrap();
        // The map says six entries; the first key is renamed to a second "quote"-sized unknown word.
        let at = bytes.windows(7).position(|w| w == b"version").unwrap();
        bytes[at..at + 7].copy_from_slice(b"Version");
        assert!(matches!(Evidence::parse(&bytes), Err(EvidenceError::Malformed(_))));
    }
}
