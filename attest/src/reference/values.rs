//! Reference values as they are written.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::expectation::Steps;
use super::file_set::{FileSetError, FileSetName};
use crate::digest::{Digest, HashAlgorithm};
use crate::dsse::DsseError;
use crate::pcr::PcrIndex;

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
    /// A file set that they name.
    #[error(transparent)]
    FileSet(#[from] FileSetError),
    /// A file set that they name and nobody gave.
    #[error("reference values of {product} {release} name the file set {digest}, which is not there")]
    FileSetMissing {
        /// The product.
        product: String,
        /// The release.
        release: String,
        /// The set's digest.
        digest: String,
    },
}

/// One measured event: what a PCR is made of, so that a difference can be told in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceEvent {
    /// Where it is measured.
    pub pcr: PcrIndex,
    /// Type by its name in the profile.
    pub kind: String,
    /// Digest in the bank.
    pub digest: Digest,
    /// What it is about, for people.
    pub description: String,
    /// Its role in one or two words: `kernel`, `dbx`. Since version 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// Reference values of one release.
///
/// Version 1 has PCR values only. Version 2 adds what is marked so; it is written where one of its fields is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceValues {
    /// The format's version, 1 or 2.
    pub version: u32,
    /// The product, e.g. `gateway`.
    pub product: String,
    /// The release that the golden device ran.
    pub release: String,
    /// When they were recorded.
    pub issued: Timestamp,
    /// From when on they count; at once, if absent. Since version 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<Timestamp>,
    /// When they end; never, if absent.
    pub expires: Option<Timestamp>,
    /// The bank.
    pub bank: HashAlgorithm,
    /// PCR values of that bank.
    pub pcrs: BTreeMap<PcrIndex, Digest>,
    /// PCRs that are judged by their events instead of their value: those of `events`, in their order and no other,
    /// separators and boot steps aside. For what is predicted without a device. Since version 2.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_events: Vec<PcrIndex>,
    /// The events.
    pub events: Vec<ReferenceEvent>,
    /// Digests of measured files, by path, each with its kind and algorithm (threat i14): `sha256:HEX`, `verity:sha256:HEX`.
    /// Control characters, backslashes and bytes that are no UTF-8 stand as `\xNN` in a path.
    pub files: BTreeMap<String, Vec<String>>,
    /// Sets of files, by their digest. Since version 2.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub file_sets: Vec<FileSetName>,
}

impl ReferenceValues {
    /// Parses unsigned reference values: for showing and signing, never for judging.
    ///
    /// # Errors
    /// [`ReferenceError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ReferenceError> {
        let values: Self =
            serde_json::from_slice(bytes).map_err(|error| ReferenceError::Malformed(json_fault(&error)))?;
        values.check()?;
        Ok(values)
    }

    /// The JSON form.
    ///
    /// # Errors
    /// [`ReferenceError::Malformed`], which values that were parsed never cause.
    pub fn to_json(&self) -> Result<Vec<u8>, ReferenceError> {
        serde_json::to_vec_pretty(self).map_err(|error| ReferenceError::Malformed(error.to_string()))
    }

    /// The version that the fields in use need.
    #[must_use]
    pub fn needed_version(&self) -> u32 {
        let plain = self.by_events.is_empty()
            && self.starts.is_none()
            && self.file_sets.is_empty()
            && self.events.iter().all(|event| event.role.is_none());
        if plain { 1 } else { 2 }
    }

    /// `PRODUCT RELEASE`.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {}", self.product, self.release)
    }

    /// The events of a PCR.
    pub fn events_of(&self, pcr: PcrIndex) -> impl Iterator<Item = &ReferenceEvent> {
        self.events.iter().filter(move |event| event.pcr == pcr)
    }

    pub(in crate::reference) fn check(&self) -> Result<(), ReferenceError> {
        let wrong = |message: String| Err(ReferenceError::Malformed(message));
        if !(1..=2).contains(&self.version) {
            return wrong(format!("version {}, expected 1 or 2", self.version));
        }
        if self.version < self.needed_version() {
            return wrong("version 1 with fields of version 2".to_owned());
        }
        let values = self.pcrs.iter().map(|(pcr, digest)| (*pcr, digest));
        let events = self.events.iter().map(|event| (event.pcr, &event.digest));
        if let Some((pcr, digest)) = values.chain(events).find(|(_, digest)| digest.algorithm() != self.bank)
        {
            return wrong(format!("PCR {pcr} has {digest}, expected bank {}", self.bank));
        }
        if let Some(pcr) = self.by_events.iter().find(|pcr| self.pcrs.contains_key(pcr)) {
            return wrong(format!("PCR {pcr} has a value and is judged by its events, expected one of both"));
        }
        // Without an event every device that skips the measurement would match.
        let empty = |pcr: &PcrIndex| {
            let steps = Steps::of(self.bank, *pcr);
            self.events_of(*pcr).all(|event| steps.contains(&event.digest))
        };
        if let Some(pcr) = self.by_events.iter().find(|pcr| empty(pcr)) {
            return wrong(format!(
                "PCR {pcr} is judged by its events, of which there are none but separators and boot steps"
            ));
        }
        if let (Some(starts), Some(expires)) = (self.starts, self.expires)
            && starts >= expires
        {
            return wrong(format!("they start at {starts}, after their end at {expires}"));
        }
        Ok(())
    }
}

/// Says that a file is of another kind altogether, where it is.
fn json_fault(error: &serde_json::Error) -> String {
    let kind = if error.is_data() { "" } else { "no JSON: " };
    format!("{kind}{error}")
}
