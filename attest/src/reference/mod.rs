//! Reference values: what a good device of one release looks like (RATS RFC 9334 §8.3), recorded from a golden device.

mod record;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::{Digest, HashAlgorithm};
use crate::dsse::{self, DocumentKey, DsseError};
use crate::pcr::PcrIndex;

pub use record::{Golden, RecordError, record};

/// Type of the DSSE payload.
pub const PAYLOAD_TYPE: &str = "application/vnd.hallmark.reference+json";

/// Why reference values can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReferenceError {
    /// The signature or envelope.
    #[error(transparent)]
    Signature(#[from] DsseError),
    /// Not the format.
    #[error("reference values: {0}")]
    Malformed(String),
    /// Their time is over.
    #[error("reference values of {product} {release} expired at {expires}, it is {now}")]
    Expired {
        /// The product.
        product: String,
        /// The release.
        release: String,
        /// Their end.
        expires: Timestamp,
        /// The time given by the caller.
        now: Timestamp,
    },
}

/// One measured event of the golden device: what its PCRs are made of, so that a difference can be told in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceEvent {
    /// Where it was measured.
    pub pcr: PcrIndex,
    /// Type by its name in the profile.
    pub kind: String,
    /// Digest in the recorded bank.
    pub digest: Digest,
    /// What it is about, for people.
    pub description: String,
}

/// Reference values of one release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceValues {
    /// The format's version, 1.
    pub version: u32,
    /// The product, e.g. `gateway`.
    pub product: String,
    /// The release that the golden device ran.
    pub release: String,
    /// When they were recorded.
    pub issued: Timestamp,
    /// When they end; never, if absent.
    pub expires: Option<Timestamp>,
    /// The recorded bank.
    pub bank: HashAlgorithm,
    /// PCR values of that bank.
    pub pcrs: BTreeMap<PcrIndex, Digest>,
    /// The events behind them.
    pub events: Vec<ReferenceEvent>,
    /// Digests of measured files, by path, each with its kind and algorithm (threat i14): `sha256:HEX`, `verity:sha256:HEX`.
    /// Control characters, backslashes and bytes that are no UTF-8 stand as `\xNN` in a path.
    pub files: BTreeMap<String, Vec<String>>,
}

impl ReferenceValues {
    /// Parses unsigned reference values: for showing and signing, never for judging.
    ///
    /// # Errors
    /// [`ReferenceError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ReferenceError> {
        let values: Self =
            serde_json::from_slice(bytes).map_err(|error| ReferenceError::Malformed(error.to_string()))?;
        if values.version != 1 {
            return Err(ReferenceError::Malformed(format!("version {}, expected 1", values.version)));
        }
        if let Some((pcr, digest)) = values.pcrs.iter().find(|(_, digest)| digest.algorithm() != values.bank)
        {
            return Err(ReferenceError::Malformed(format!(
                "PCR {pcr} is {digest}, expected bank {}",
                values.bank
            )));
        }
        Ok(values)
    }

    /// The JSON form.
    ///
    /// # Errors
    /// [`ReferenceError::Malformed`], which values that were parsed never cause.
    pub fn to_json(&self) -> Result<Vec<u8>, ReferenceError> {
        serde_json::to_vec_pretty(self).map_err(|error| ReferenceError::Malformed(error.to_string()))
    }
}

/// Reference values whose signature and time were checked. Only [`TrustedReference::verify`] makes them:
/// ```compile_fail
/// # fn f(values: attest::reference::ReferenceValues) -> attest::reference::TrustedReference {
/// attest::reference::TrustedReference { values, key_id: String::new() }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedReference {
    values: ReferenceValues,
    key_id: String,
}

impl TrustedReference {
    /// Verifies a DSSE envelope with reference values against the keys of a policy.
    ///
    /// # Errors
    /// [`ReferenceError`] for foreign signatures, malformed values, and values past their end.
    pub fn verify(envelope: &[u8], keys: &[DocumentKey], now: Timestamp) -> Result<Self, ReferenceError> {
        let payload = dsse::verify(envelope, PAYLOAD_TYPE, keys)?;
        let values = ReferenceValues::parse(payload.bytes())?;
        if let Some(expires) = values.expires.filter(|expires| *expires <= now) {
            return Err(ReferenceError::Expired {
                product: values.product,
                release: values.release,
                expires,
                now,
            });
        }
        Ok(Self { values, key_id: payload.key_id().to_owned() })
    }

    /// The values.
    #[must_use]
    pub fn values(&self) -> &ReferenceValues {
        &self.values
    }

    /// Id of the key that signed them.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }
}

/// A path as it stands in reference values: printable UTF-8 as it is, everything else as `\xNN`, one form for each path.
#[must_use]
pub fn path_text(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() || character == '\\' {
                let mut buffer = [0; 4];
                character.encode_utf8(&mut buffer).bytes().for_each(|byte| escape(&mut text, byte));
            } else {
                text.push(character);
            }
        }
        chunk.invalid().iter().for_each(|byte| escape(&mut text, *byte));
    }
    text
}

fn escape(text: &mut String, byte: u8) {
    text.push_str("\\x");
    text.push_str(&hex::encode([byte]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i06_paths_keep_every_byte() {
        assert_eq!(path_text("/usr/bin/ä b".as_bytes()), "/usr/bin/ä b");
        assert_eq!(path_text(b"/a\nb\\\xFF"), "/a\\x0ab\\x5c\\xff");
        assert_ne!(path_text(b"\\x0a"), path_text(b"\n"));
    }
}
