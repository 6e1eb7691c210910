//! Several releases in one signed document, each with where it came from.

use serde::{Deserialize, Serialize};

use super::values::{ReferenceError, ReferenceValues};
use crate::digest::{Digest, HashAlgorithm};

/// Type of the DSSE payload of a set.
pub const SET_TYPE: &str = "application/vnd.hallmark.reference-set+json";
/// Most releases of a set.
pub const MAX_RELEASES: usize = 256;

/// Where a release's values came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// SHA-256 of the document that was merged, without its signature.
    pub digest: Digest,
    /// Id of the key that had signed it; absent for an unsigned one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
}

/// One release of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Where it came from.
    pub source: Source,
    /// Its values.
    pub values: ReferenceValues,
}

/// Several releases. A device must match one of them as a whole; its files may be of any that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceSet {
    /// The format's version, 1.
    pub version: u32,
    /// The releases.
    #[serde(deserialize_with = "crate::bounded::list::<MAX_RELEASES, _, _>")]
    pub releases: Vec<Release>,
}

impl ReferenceSet {
    /// Merges documents: bytes of unsigned values, and the id of the key that had signed them. A document that is a set
    /// itself gives its releases with their sources; one that stands twice is taken once.
    ///
    /// # Errors
    /// [`ReferenceError::Malformed`]: a document that is none, two different ones of one release, or too many.
    pub fn merge<'d>(
        documents: impl IntoIterator<Item = (&'d [u8], Option<String>)>,
    ) -> Result<Self, ReferenceError> {
        let mut set = Self { version: 1, releases: Vec::new() };
        for (bytes, key_id) in documents {
            match Self::parse(bytes) {
                Ok(other) => other.releases.into_iter().try_for_each(|release| set.add(release))?,
                Err(_) => {
                    let source = Source { digest: HashAlgorithm::Sha256.digest(bytes), key_id };
                    set.add(Release { source, values: ReferenceValues::parse(bytes)? })?;
                }
            }
        }
        set.check()?;
        Ok(set)
    }

    fn add(&mut self, release: Release) -> Result<(), ReferenceError> {
        let same = |other: &&Release| {
            let (a, b) = (&other.values, &release.values);
            (&a.product, &a.release, a.bank) == (&b.product, &b.release, b.bank)
        };
        match self.releases.iter().find(same) {
            None => self.releases.push(release),
            Some(other) if other.values == release.values => {}
            Some(other) => {
                return Err(ReferenceError::Malformed(format!(
                    "two different documents of {} for bank {}; give one of them another release",
                    other.values.title(),
                    other.values.bank
                )));
            }
        }
        Ok(())
    }

    /// Parses an unsigned set: for showing and signing, never for judging.
    ///
    /// # Errors
    /// [`ReferenceError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ReferenceError> {
        let set: Self =
            serde_json::from_slice(bytes).map_err(|error| ReferenceError::Malformed(error.to_string()))?;
        set.check()?;
        Ok(set)
    }

    fn check(&self) -> Result<(), ReferenceError> {
        let wrong = |message| Err(ReferenceError::Malformed(message));
        if self.version != 1 {
            return wrong(format!("set of version {}, expected 1", self.version));
        }
        if self.releases.is_empty() || self.releases.len() > MAX_RELEASES {
            return wrong(format!("set of {} releases, expected 1 to {MAX_RELEASES}", self.releases.len()));
        }
        self.releases.iter().try_for_each(|release| release.values.check())
    }

    /// The JSON form.
    ///
    /// # Errors
    /// [`ReferenceError::Malformed`], which sets that were parsed never cause.
    pub fn to_json(&self) -> Result<Vec<u8>, ReferenceError> {
        serde_json::to_vec_pretty(self).map_err(|error| ReferenceError::Malformed(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(release: &str, pcr: &str) -> Vec<u8> {
        format!(
            r#"{{"version":1,"product":"gateway","release":"{release}","issued":"2026-01-01T00:00:00Z","expires":null,
            "bank":"sha256","pcrs":{{"0":"sha256:{}"}},"events":[],"files":{{}}}}"#,
            pcr.repeat(64)
        )
        .into_bytes()
    }

    #[test]
    fn merged_releases_keep_their_sources() {
        let (old, new) = (document("1.0", "0"), document("1.1", "1"));
        let set = ReferenceSet::merge([(old.as_slice(), Some("key".to_owned())), (&new, None), (&new, None)]);
        let set = set.unwrap();
        let titles: Vec<_> = set.releases.iter().map(|release| release.values.title()).collect();
        assert_eq!(titles, ["gateway 1.0", "gateway 1.1"]);
        assert_eq!(set.releases[0].source.digest, HashAlgorithm::Sha256.digest(&old));
        assert_eq!(set.releases[0].source.key_id.as_deref(), Some("key"));
        let json = set.to_json().unwrap();
        assert_eq!(ReferenceSet::parse(&json).unwrap(), set);
        // A set in a set keeps the sources that it has.
        let third = document("1.2", "2");
        let merged = ReferenceSet::merge([(json.as_slice(), None), (&third, None)]).unwrap();
        assert_eq!(merged.releases[..2], set.releases[..]);
    }

    #[test]
    fn v08_an_empty_set_and_two_values_for_one_release_are_refused() {
        assert!(ReferenceSet::merge([]).is_err());
        let (one, two) = (document("1.0", "0"), document("1.0", "1"));
        let error = ReferenceSet::merge([(one.as_slice(), None), (&two, None)]).unwrap_err();
        assert!(error.to_string().contains("two different documents"), "{error}");
        assert!(ReferenceSet::parse(br#"{"version":1,"releases":[]}"#).is_err());
        assert!(ReferenceSet::parse(br#"{"version":2,"releases":[]}"#).is_err());
    }
}
