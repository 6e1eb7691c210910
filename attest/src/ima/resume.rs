//! Lists in parts: what a verifier keeps of a device, and whether the next part carries on from it (threats i11, i17).
//!
//! Both sides say where they are: the evidence has the offset and the PCR values that its part starts from, and the
//! verifier has those that it believed last. A part counts only when the two agree.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::cut::ListPosition;
use super::measured::{ImaOptions, MeasuredFiles};
use super::sightings::{Sight, Sightings};
use crate::digest::Digest;
use crate::evidence::ImaStart;
use crate::pcr::PcrIndex;

/// What a verifier keeps of a device whose list it has believed as far as a quote covers it.
///
/// It is made after a pass only: who was refused sends the whole list again, so that no later part hides an earlier one.
///
/// Version 1 had no times; what it says of the list still holds, and nothing is known of when. Version 2 has `seen`, version 3
/// `kexecs` as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ImaState {
    /// The format's version, 1 to 3.
    #[serde(default = "first_version")]
    pub version: u32,
    /// The attestation key's Name, in hex.
    pub attester: String,
    /// The TPM's reset count: a list begins anew with each boot.
    pub reset_count: u32,
    /// The policy that the files were judged by, as `sha256:HEX`.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub policy: Digest,
    /// Bytes of the list so far.
    pub offset: u64,
    /// Entries of it.
    pub entries: u64,
    /// Violations among them.
    pub violations: u64,
    /// Kernels that kexec started among them. Since version 3: before, such an entry was a file that no rule knew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kexecs: Option<u64>,
    /// The PCR values that they lead to, which a quote had.
    pub values: Vec<KeptValue>,
    /// When how much of the list was seen. Since version 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Sightings>,
}

const fn first_version() -> u32 {
    1
}

/// Why kept state can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StateError {
    /// Not the format.
    #[error("no IMA state: {0}")]
    Malformed(String),
    /// A version that this program does not know, or one without what it is to have.
    #[error(
        "IMA state of version {found}, expected 1, 2 with `seen`, or 3 with `kexecs` too; remove the file, and have the device send its whole list"
    )]
    Version {
        /// The version found.
        found: u32,
    },
    /// The times of the marks do not rise, or a mark is of more than was seen (threat i19).
    #[error(
        "IMA state: mark {index} ({entries} entries at {at}) does not follow the one before it or is outside of what was seen; it was not written by a verifier, remove it"
    )]
    Mark {
        /// Which, from 0.
        index: usize,
        /// Its time.
        at: Timestamp,
        /// Its entries.
        entries: u64,
    },
    /// It ends before it begins (threat i19).
    #[error(
        "IMA state: seen first at {since}, last at {last}, which is before; it was not written by a verifier, remove it"
    )]
    Times {
        /// Seen first.
        since: Timestamp,
        /// Seen last.
        last: Timestamp,
    },
}

/// The one field that every version has.
#[derive(Deserialize)]
struct Versioned {
    #[serde(default = "first_version")]
    version: u32,
}

/// A PCR value that a quote had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeptValue {
    /// The PCR.
    #[cfg_attr(feature = "schema", schemars(with = "u8"))]
    pub pcr: PcrIndex,
    /// Its value, with the bank.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub value: Digest,
}

/// Why a part does not carry on from what is kept, and what to send instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ResumeError {
    /// Nothing is kept of the device.
    #[error(
        "the list starts at entry {entries}, and nothing is kept of what was before; send the whole list"
    )]
    Nothing {
        /// Entries before the part.
        entries: u64,
    },
    /// The state is another device's.
    #[error("what is kept is of key {kept}, the evidence is by {found}; send the whole list")]
    OtherAttester {
        /// The key's Name in the state.
        kept: String,
        /// The evidence's.
        found: String,
    },
    /// The device was started anew.
    #[error(
        "the TPM was reset since (count {kept}, now {found}), so the list began anew; send the whole list"
    )]
    Rebooted {
        /// The kept reset count.
        kept: u32,
        /// The quoted one.
        found: u32,
    },
    /// The earlier part was judged by another policy.
    #[error("what was before was judged by another policy; send the whole list")]
    OtherPolicy,
    /// The part starts elsewhere than where the last one ended.
    #[error(
        "the list starts at byte {found} after {found_entries} entries, expected byte {kept} after {kept_entries}; send it from there, or the whole list"
    )]
    Offset {
        /// The kept offset.
        kept: u64,
        /// The kept number of entries.
        kept_entries: u64,
        /// The part's offset.
        found: u64,
        /// The part's number of entries before it.
        found_entries: u64,
    },
    /// The two sides come to different PCR values for the same part (rewritten, or counted differently).
    #[error(
        "PCR {pcr} is {kept} after {entries} entries, the evidence says {found}: the earlier part is another one; send the whole list"
    )]
    Value {
        /// The PCR.
        pcr: PcrIndex,
        /// The kept value.
        kept: Digest,
        /// The evidence's, in hex, or nothing.
        found: String,
        /// Entries so far.
        entries: u64,
    },
    /// What was before holds files that have to be judged anew (threat i18).
    #[error(
        "{release} no longer counts since {at}, and what was before was judged without that; send the whole list"
    )]
    Lapsed {
        /// The release.
        release: String,
        /// When it ended or was withdrawn.
        at: Timestamp,
    },
    /// What is kept does not say whether kexec started kernels, and the policy only reported files that it did not know (threat i04).
    #[error("what is kept does not say how many kernels kexec started; send the whole list")]
    KexecsNotCounted,
    /// A PCR that is judged now, and of which nothing is kept.
    #[error("nothing is kept of PCR {pcr} in the judged bank; send the whole list")]
    NotKept {
        /// The PCR.
        pcr: PcrIndex,
    },
}

/// Whose list a part is said to carry on: from verified evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attesting<'a> {
    /// The attestation key's Name, in hex.
    pub attester: &'a str,
    /// The quoted reset count.
    pub reset_count: u32,
    /// The policy that judges.
    pub policy: &'a Digest,
}

/// What is seen of a boot now, and what is believed of earlier sights of it.
#[derive(Debug, Clone, Copy)]
pub struct Seeing<'a> {
    /// The verified quote that covers the list.
    pub sight: Sight,
    /// Earlier sights that [may go on](Sightings::go_on_with) with this one.
    pub before: Option<&'a Sightings>,
    /// The times that matter: when releases were withdrawn or ended.
    pub cuts: &'a [Timestamp],
}

impl ImaState {
    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    /// [`StateError`], with what to do.
    pub fn parse(bytes: &[u8]) -> Result<Self, StateError> {
        let malformed = |error: serde_json::Error| StateError::Malformed(error.to_string());
        // The version first: what a later one has is unknown here, which would only be told as an unknown field.
        let Versioned { version } = serde_json::from_slice(bytes).map_err(malformed)?;
        if !(1..=3).contains(&version) {
            return Err(StateError::Version { found: version });
        }
        let state: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        match (&state.seen, state.kexecs) {
            (Some(seen), Some(_)) if version == 3 => seen.check(state.entries)?,
            (Some(seen), None) if version == 2 => seen.check(state.entries)?,
            (None, None) if version == 1 => {}
            _ => return Err(StateError::Version { found: version }),
        }
        Ok(state)
    }

    /// The JSON form.
    ///
    /// # Errors
    /// [`StateError::Malformed`], which no state causes.
    pub fn to_json(&self) -> Result<Vec<u8>, StateError> {
        serde_json::to_vec_pretty(self).map_err(|error| StateError::Malformed(error.to_string()))
    }

    /// The state after `files`, which were believed and passed; `before` is the state that they carried on from, and `seen` what
    /// is believed of earlier sights of this boot.
    ///
    /// `quoted` gives the values of the quote that covers them; `None` when it lacks one that `options` name.
    #[must_use]
    pub fn after<Q>(
        attesting: Attesting<'_>,
        options: &ImaOptions,
        files: &MeasuredFiles<'_>,
        before: Option<&Self>,
        seen: Seeing<'_>,
        quoted: Q,
    ) -> Option<Self>
    where
        Q: Fn(PcrIndex) -> Option<Digest>,
    {
        let pcrs = std::iter::once(options.pcr).chain(options.other_pcrs.iter().copied());
        let values =
            pcrs.map(|pcr| Some(KeptValue { pcr, value: quoted(pcr)? })).collect::<Option<Vec<_>>>()?;
        let number = |count: usize| u64::try_from(count).ok();
        let sum = |earlier: fn(&Self) -> u64, more| before.map_or(0, earlier).checked_add(number(more)?);
        let entries = sum(|state| state.entries, files.attested())?;
        Some(Self {
            version: 3,
            seen: Some(Sightings::after(seen.before, seen.sight, entries, &values, seen.cuts)),
            attester: attesting.attester.to_owned(),
            reset_count: attesting.reset_count,
            policy: *attesting.policy,
            offset: sum(|state| state.offset, files.covered_bytes())?,
            entries,
            violations: sum(|state| state.violations, files.violations())?,
            kexecs: Some(sum(|state| state.kexecs.unwrap_or(0), files.kexecs().count())?),
            values,
        })
    }

    /// The state after evidence whose list was not looked at, or that has none: when the boot was seen. What was seen of the list
    /// before stays, and the list is not carried on: until now releases may have ended, and nobody has asked of their files (threat i18).
    ///
    /// `before` is of this key and boot, or nothing of it is in `seen`.
    #[must_use]
    pub fn without_list(attesting: Attesting<'_>, before: Option<&Self>, seen: Seeing<'_>) -> Self {
        let sightings = Some(Sightings::again(seen.before, seen.sight));
        match before.filter(|_| seen.before.is_some()) {
            Some(before) => Self { seen: sightings, values: Vec::new(), ..before.clone() },
            None => Self {
                version: 3,
                attester: attesting.attester.to_owned(),
                reset_count: attesting.reset_count,
                policy: *attesting.policy,
                offset: 0,
                entries: 0,
                violations: 0,
                kexecs: Some(0),
                values: Vec::new(),
                seen: sightings,
            },
        }
    }

    /// Holds the start of a part against what is kept.
    ///
    /// # Errors
    /// [`ResumeError`] with what to send: threat i11.
    pub fn carries_on<'k>(
        kept: Option<&'k Self>,
        attesting: Attesting<'_>,
        start: &ImaStart,
    ) -> Result<&'k Self, ResumeError> {
        let kept = kept.ok_or(ResumeError::Nothing { entries: start.entries })?;
        if kept.attester != attesting.attester {
            let found = attesting.attester.to_owned();
            return Err(ResumeError::OtherAttester { kept: kept.attester.clone(), found });
        }
        if kept.reset_count != attesting.reset_count {
            return Err(ResumeError::Rebooted { kept: kept.reset_count, found: attesting.reset_count });
        }
        if kept.policy != *attesting.policy {
            return Err(ResumeError::OtherPolicy);
        }
        if (kept.offset, kept.entries) != (start.offset, start.entries) {
            return Err(ResumeError::Offset {
                kept: kept.offset,
                kept_entries: kept.entries,
                found: start.offset,
                found_entries: start.entries,
            });
        }
        for KeptValue { pcr, value } in &kept.values {
            let said =
                start.values.iter().find(|said| said.0 == value.algorithm().tpm_id() && said.1 == pcr.get());
            // A list tells nothing of a PCR that none of its entries extended.
            let untouched = *value == pcr.start(value.algorithm());
            if said.map_or(!untouched, |said| said.2.as_slice() != value.as_bytes()) {
                let found = said.map_or_else(|| "nothing".to_owned(), |said| hex::encode(&said.2));
                return Err(ResumeError::Value { pcr: *pcr, kept: *value, found, entries: kept.entries });
            }
        }
        Ok(kept)
    }

    /// Where the next part starts.
    #[must_use]
    pub const fn position(&self) -> ListPosition {
        ListPosition { offset: self.offset, entries: self.entries }
    }

    /// The value that a PCR had, in the bank of `options`.
    pub(super) fn value(&self, options: &ImaOptions, pcr: PcrIndex) -> Result<Digest, ResumeError> {
        let bank = options.bank.algorithm;
        let found = self.values.iter().find(|kept| kept.pcr == pcr && kept.value.algorithm() == bank);
        found.map(|kept| kept.value).ok_or(ResumeError::NotKept { pcr })
    }
}
