//! Concise reference integrity manifests: draft-ietf-rats-corim-10.
//!
//! What is taken: the digests of reference triples whose measured element is a PCR (a number, or a number of the integrity
//! registers) or a file (an absolute path). A CoRIM says much more than that. Whatever would narrow what its author accepts
//! is refused by name and never dropped; what only describes (entities, language) is passed over.

mod error;
mod items;
mod measurement;
mod sign;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use error::CorimError;
use items::{Items, TAG, TEXT};

use super::file_set::{FileKey, FileSetBuilder, FileSetError};
use crate::digest::{Digest, HashAlgorithm};
use crate::pcr::PcrIndex;
use crate::result::ResultKey;

/// Tags of the draft, §4 and §11: the unsigned document, CoSWID, CoMID, CoTL.
const UNSIGNED_CORIM: u64 = 501;
const COSWID: u64 = 505;
const COMID: u64 = 506;
const COTL: u64 = 508;
/// Tags of RFC 8949 §3.4 and RFC 9090: seconds since 1970, URI, OID.
const EPOCH_TIME: u64 = 1;
const URI: u64 = 32;
const OID: u64 = 111;

/// What the caller expects of a document.
#[derive(Debug, Clone, Copy, Default)]
pub struct CorimExpected<'a> {
    /// The key of the signer, for a signed document.
    pub key: Option<&'a ResultKey>,
    /// The profile whose meaning the caller knows: a URI, or an OID as `oid:HEX`. Another one is refused.
    pub profile: Option<&'a str>,
}

/// What a CoRIM says of one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corim {
    id: String,
    signed: bool,
    starts: Option<Timestamp>,
    expires: Option<Timestamp>,
    environment: String,
    pcrs: BTreeMap<PcrIndex, Vec<Digest>>,
    files: Vec<(Vec<u8>, Digest)>,
}

impl Corim {
    /// Reads a document: tag 501, or a COSE_Sign1 (tag 18) whose signature is verified with the expected key.
    ///
    /// # Errors
    /// [`CorimError`] with the part that can't be taken.
    pub fn parse(bytes: &[u8], expected: &CorimExpected<'_>) -> Result<Self, CorimError> {
        match (sign::open(bytes, expected.key)?, expected.key) {
            (Some(signed), _) => {
                let mut corim = Self::unsigned(&signed.payload, expected)?;
                corim.signed = true;
                corim.narrow(signed.starts, signed.expires);
                Ok(corim)
            }
            (None, Some(_)) => Err(CorimError::Unsigned),
            (None, None) => Self::unsigned(bytes, expected),
        }
    }

    fn unsigned(bytes: &[u8], expected: &CorimExpected<'_>) -> Result<Self, CorimError> {
        let mut items = Items::new(bytes, 0);
        match items.expect(TAG, "tag 501, an unsigned CoRIM")? {
            UNSIGNED_CORIM => {}
            other => return Err(Items::wrong(0, "tag 501, an unsigned CoRIM", format!("tag {other}"))),
        }
        let mut corim = Self {
            id: String::new(),
            signed: false,
            starts: None,
            expires: None,
            environment: String::new(),
            pcrs: BTreeMap::new(),
            files: Vec::new(),
        };
        let mut environment = None;
        let mut profile = None;
        let keys = items.map("the CoRIM", |items, key| match key {
            0 => {
                corim.id = identifier(items, "the CoRIM's id")?;
                Ok(())
            }
            1 => items.list("the CoRIM's tags", |items| corim.tag(items, &mut environment)),
            2 => Err(CorimError::not_taken("dependent RIMs", "the document counts only with others")),
            3 => {
                profile = Some(read_profile(items)?);
                Ok(())
            }
            4 => {
                let (starts, expires) = validity(items)?;
                corim.narrow(starts, expires);
                Ok(())
            }
            // Who made it: for people.
            5 => items.raw().map(drop),
            _ => Err(CorimError::extension("the CoRIM", key)),
        })?;
        if !keys.has(0) || !keys.has(1) {
            return Err(Items::wrong(0, "a CoRIM with id and tags", "one without"));
        }
        items.finish()?;
        // A profile may give every field another meaning.
        match (&profile, expected.profile) {
            (Some(found), expected) if expected != Some(found.as_str()) => Err(CorimError::not_taken(
                format!("profile {found}"),
                "may give the values another meaning; name it if you know that it does not",
            )),
            (None, Some(_)) => Err(CorimError::not_taken("profile", "there is none, but one was expected")),
            _ => Ok(corim),
        }
    }

    fn tag<'a>(
        &mut self,
        items: &mut Items<'a>,
        environment: &mut Option<&'a [u8]>,
    ) -> Result<(), CorimError> {
        let at = items.at();
        match items.expect(TAG, "a tag: a CoMID (506)")? {
            COMID => {}
            COSWID => return Err(CorimError::not_taken("CoSWID tag", "software inventories are not taken")),
            COTL => return Err(CorimError::not_taken("CoTL tag", "lists of other tags are not taken")),
            other => return Err(Items::wrong(at, "a CoMID (tag 506)", format!("tag {other}"))),
        }
        let bytes = items.bytes("a CoMID in bytes")?;
        let mut comid = Items::new(bytes, items.at().saturating_sub(bytes.len()));
        self.comid(&mut comid, environment)?;
        comid.finish()
    }

    /// The later start and the earlier end.
    fn narrow(&mut self, starts: Option<Timestamp>, expires: Option<Timestamp>) {
        self.starts = self.starts.max(starts);
        self.expires = self.expires.into_iter().chain(expires).min();
    }

    /// Its identifier, for people.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether its signature was verified.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.signed
    }

    /// What its values are of, for people: vendor and model, if it has them.
    #[must_use]
    pub fn environment(&self) -> &str {
        &self.environment
    }

    /// From when on it counts.
    #[must_use]
    pub fn starts(&self) -> Option<Timestamp> {
        self.starts
    }

    /// When it ends.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// The PCR values of a bank.
    ///
    /// # Errors
    /// [`CorimError::NotInBank`] when a PCR has values in other banks only.
    pub fn pcrs(&self, bank: HashAlgorithm) -> Result<BTreeMap<PcrIndex, Digest>, CorimError> {
        let value = |(pcr, digests): (&PcrIndex, &Vec<Digest>)| {
            let found = digests.iter().find(|digest| digest.algorithm() == bank);
            let missing = CorimError::NotInBank { pcr: *pcr, bank: bank.name() };
            found.map(|digest| (*pcr, *digest)).ok_or(missing)
        };
        self.pcrs.iter().map(value).collect()
    }

    /// Adds the files to `builder` and returns how many there were.
    ///
    /// # Errors
    /// [`FileSetError`] as [`FileSetBuilder::add`].
    pub fn add_files(&self, builder: &mut FileSetBuilder) -> Result<usize, FileSetError> {
        for (path, digest) in &self.files {
            builder.add(path, &FileKey::contents(digest))?;
        }
        Ok(self.files.len())
    }
}

/// Text, or a UUID of 16 bytes.
fn identifier(items: &mut Items<'_>, what: &'static str) -> Result<String, CorimError> {
    let at = items.at();
    if items.peek()?.0 == TEXT {
        return Ok(shown(items.text(what)?));
    }
    let bytes = items.bytes(what)?;
    match bytes.len() {
        16 => Ok(hex::encode(bytes)),
        other => Err(Items::wrong(at, "text or a UUID of 16 bytes", format!("{other} bytes"))),
    }
}

fn read_profile(items: &mut Items<'_>) -> Result<String, CorimError> {
    let at = items.at();
    match items.expect(TAG, "a profile: a URI (tag 32) or an OID (tag 111)")? {
        URI => Ok(shown(items.text("a URI")?)),
        OID => {
            let oid = items.bytes("an OID")?;
            Ok(format!("oid:{}", hex::encode(oid)))
        }
        other => Err(Items::wrong(at, "a URI (tag 32) or an OID (tag 111)", format!("tag {other}"))),
    }
}

/// A validity-map: its start and its end.
fn validity(items: &mut Items<'_>) -> Result<(Option<Timestamp>, Option<Timestamp>), CorimError> {
    let (mut starts, mut expires) = (None, None);
    let at = items.at();
    let keys = items.map("a validity", |items, key| {
        match key {
            0 => starts = Some(time(items)?),
            1 => expires = Some(time(items)?),
            _ => return Err(CorimError::extension("a validity", key)),
        }
        Ok(())
    })?;
    if !keys.has(1) {
        return Err(Items::wrong(at, "a validity with an end", "one without"));
    }
    Ok((starts, expires))
}

fn time(items: &mut Items<'_>) -> Result<Timestamp, CorimError> {
    let at = items.at();
    match items.expect(TAG, "a time (tag 1)")? {
        EPOCH_TIME => {}
        other => return Err(Items::wrong(at, "a time (tag 1)", format!("tag {other}"))),
    }
    let seconds = items.integer("a time in whole seconds")?;
    Timestamp::from_second(seconds).map_err(|_| Items::wrong(at, "a time", format!("second {seconds}")))
}

/// Foreign text for a report: printable, and not without end.
fn shown(text: &str) -> String {
    text.chars().take(200).map(|char| if char.is_control() { '\u{FFFD}' } else { char }).collect()
}
