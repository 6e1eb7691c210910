//! Reference values that a trusted key has signed.

use std::sync::Arc;

use jiff::Timestamp;

use super::file_set::FileSetName;
use super::index::{FileIndex, FileSets};
use super::set::{ReferenceSet, SET_TYPE};
use super::standing::{Standing, Withdrawn};
use super::values::{ReferenceError, ReferenceValues};
use super::withdrawal::TrustedWithdrawal;
use crate::dsse::{self, DocumentKey};

/// Type of the DSSE payload.
pub const PAYLOAD_TYPE: &str = "application/vnd.hallmark.reference+json";

/// Reference values whose signature was checked. Only [`TrustedReference::verify`] makes them:
/// ```compile_fail,E0451
/// # fn f(values: attest::reference::ReferenceValues) -> attest::reference::TrustedReference {
/// attest::reference::TrustedReference { values, key_id: String::new(), files: Default::default(), withdrawn: None }
/// # }
/// ```
///
/// Cloning one copies no file: what it knows of files is shared.
#[derive(Debug, Clone)]
pub struct TrustedReference {
    values: Arc<ReferenceValues>,
    key_id: String,
    files: FileIndex,
    withdrawn: Option<Withdrawn>,
}

impl TrustedReference {
    /// Verifies a DSSE envelope with reference values against the keys of a policy, and compiles what it knows of files.
    /// File sets that it names have to be [attached](Self::with_file_sets); until then their files are unknown.
    ///
    /// `since` is the earliest time for which they may count: the present for a verifier that keeps nothing, else the
    /// boot of the oldest device that it judges.
    ///
    /// # Errors
    /// [`ReferenceError`] for foreign signatures, malformed values, and values that ended before `since`.
    pub fn verify(envelope: &[u8], keys: &[DocumentKey], since: Timestamp) -> Result<Self, ReferenceError> {
        let payload = dsse::verify(envelope, PAYLOAD_TYPE, keys)?;
        Self::of(ReferenceValues::parse(payload.bytes())?, payload.key_id().to_owned(), since)
    }

    /// Verifies an envelope with the values of one release, or with a [set](super::ReferenceSet) of several.
    ///
    /// # Errors
    /// As [`verify`](Self::verify), for any of the releases.
    pub fn verify_all(
        envelope: &[u8],
        keys: &[DocumentKey],
        since: Timestamp,
    ) -> Result<Vec<Self>, ReferenceError> {
        if dsse::unverified_type(envelope)? != SET_TYPE {
            return Self::verify(envelope, keys, since).map(|reference| vec![reference]);
        }
        let payload = dsse::verify(envelope, SET_TYPE, keys)?;
        let set = ReferenceSet::parse(payload.bytes())?;
        let releases = set.releases.into_iter();
        releases.map(|release| Self::of(release.values, payload.key_id().to_owned(), since)).collect()
    }

    pub(crate) fn of(
        values: ReferenceValues,
        key_id: String,
        since: Timestamp,
    ) -> Result<Self, ReferenceError> {
        if let Some(expires) = values.expires.filter(|expires| *expires <= since) {
            let (product, release) = (values.product, values.release);
            return Err(ReferenceError::Expired { product, release, expires, now: since });
        }
        let files = FileIndex::compile(&values.files).map_err(ReferenceError::Malformed)?;
        Ok(Self { values: Arc::new(values), key_id, files, withdrawn: None })
    }

    /// Attaches the file sets that the values name.
    ///
    /// # Errors
    /// [`ReferenceError::FileSetMissing`] for one that is not among `sets`.
    pub fn with_file_sets(mut self, sets: &FileSets) -> Result<Self, ReferenceError> {
        for FileSetName { digest, .. } in &self.values.file_sets {
            let set = sets.get(digest).ok_or_else(|| ReferenceError::FileSetMissing {
                product: self.values.product.clone(),
                release: self.values.release.clone(),
                digest: digest.to_string(),
            })?;
            self.files.attach(set);
        }
        Ok(self)
    }

    /// Takes the release back where `withdrawal` is about it; of several withdrawals the earliest counts, so that none can be put off
    /// by a later one. It is about the name: values that were issued anew under it are taken back as well.
    #[must_use]
    pub fn withdrawn_by(mut self, withdrawal: &TrustedWithdrawal) -> Self {
        if let Some(new) = withdrawal.of(&self.values.product, &self.values.release)
            && self.withdrawn.as_ref().is_none_or(|old| new.at < old.at)
        {
            self.withdrawn = Some(new);
        }
        self
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

    /// The files that the release knows, ready to be looked up.
    #[must_use]
    pub fn files(&self) -> &FileIndex {
        &self.files
    }

    /// The withdrawal, if there was one.
    #[must_use]
    pub fn withdrawn(&self) -> Option<&Withdrawn> {
        self.withdrawn.as_ref()
    }

    /// Whether the values count at a time.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        let withdrawn = self.withdrawn.as_ref().map(|withdrawn| withdrawn.at);
        Standing::of(self.values.starts, self.values.expires, withdrawn, now)
    }

    /// When they cease to count: their end or their withdrawal, whichever is first. One that was withdrawn after its end did not
    /// count in between.
    #[must_use]
    pub fn counts_until(&self) -> Option<Timestamp> {
        let withdrawn = self.withdrawn.as_ref().map(|withdrawn| withdrawn.at);
        withdrawn.into_iter().chain(self.values.expires).min()
    }
}
