//! How much work the signatures of one list are: an equal one is checked once, and there is an end to checking (threat i20).
//!
//! Replaying an entry is a microsecond, checking its signature a hundred and more. A kernel measures a file again only after it
//! has changed, so that honest lists hardly repeat one; a list that repeats one a million times packs into a few kilobytes.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::entry::Entry;
use super::list::ByteOrder;
use super::signature::ImaSignatureError;
use super::verify::{SignatureForm, Signer, SignerKeyrings, verify_counted};
use crate::digest::HashAlgorithm;

/// Most checks of signatures with a key, in one list or part of a list. Signatures that were found before, and those by unknown keys, take none.
pub const MAX_SIGNATURE_CHECKS: u32 = 65_536;
/// Signatures that are remembered: 100 bytes for each.
const REMEMBERED: usize = 1024;
/// Fields of a template, at most 15.
const MAX_FIELDS: usize = 15;
/// What is hashed of a field: lengths, identifier, value.
const PARTS: usize = 3;

/// What was found of a signature: its form, and the weakest hash that was signed.
pub(crate) type Found<E = ImaSignatureError> = Result<(SignatureForm, HashAlgorithm), E>;

/// The signature checks of one list.
#[derive(Debug)]
pub(crate) struct SignatureChecks {
    left: u32,
    /// Errors in boxes: good lists have none.
    found: BTreeMap<[u8; 32], Found<Box<ImaSignatureError>>>,
    not_checked: usize,
}

impl Default for SignatureChecks {
    fn default() -> Self {
        Self::at_most(MAX_SIGNATURE_CHECKS)
    }
}

impl SignatureChecks {
    pub(crate) const fn at_most(checks: u32) -> Self {
        Self { left: checks, found: BTreeMap::new(), not_checked: 0 }
    }

    /// [`verify_signature`](super::verify_signature) by keyrings that have a `number` in this list; `None` when no more checks are made.
    pub(crate) fn verify(
        &mut self,
        entry: &Entry<'_>,
        number: usize,
        keyrings: &SignerKeyrings<'_>,
    ) -> Option<Found> {
        if !has_more_than_digest_and_name(entry) {
            return Some(Err(ImaSignatureError::Missing));
        }
        let key = key(entry, number);
        if let Some(found) = key.as_ref().and_then(|key| self.found.get(key)) {
            return Some(found.clone().map_err(|error| *error));
        }
        if self.left == 0 {
            self.not_checked = self.not_checked.saturating_add(1);
            return None;
        }
        let checks = Cell::new(0);
        let found = verify_counted(entry, keyrings, &checks);
        let found = found.map(|Signer { form, hash, .. }| (form, hash));
        self.left = self.left.saturating_sub(checks.get());
        if checks.get() > 0
            && self.found.len() < REMEMBERED
            && let Some(key) = key
        {
            self.found.insert(key, found.clone().map_err(Box::new));
        }
        Some(found)
    }

    /// Makes no more checks: the list is refused whatever they would say.
    pub(crate) const fn end(&mut self) {
        self.left = 0;
    }

    /// Signatures that are remembered.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.found.len()
    }

    /// Entries whose signatures were not checked.
    pub(crate) const fn not_checked(&self) -> usize {
        self.not_checked
    }
}

fn has_more_than_digest_and_name(entry: &Entry<'_>) -> bool {
    entry.fields().any(|(field, value)| !field.is_name() && !field.is_digest() && !value.is_empty())
}

/// SHA-256 over all that decides about a signature: the keyrings, and every field in its order but the name. Two entries with one key have
/// the same signature over the same, and a digest that is weaker, such as the template's SHA-1, would let them differ.
fn key(entry: &Entry<'_>, number: usize) -> Option<[u8; 32]> {
    let mut lengths = [[[0; 8]; 2]; MAX_FIELDS];
    for (lengths, (field, value)) in lengths.iter_mut().zip(entry.fields()) {
        let length = if field.is_name() { 0 } else { value.len() };
        *lengths = [to_bytes(field.id().len())?, to_bytes(length)?];
    }
    let number = to_bytes(number)?;
    let order: &[u8] = match entry.byte_order() {
        None => b"-",
        Some(ByteOrder::Little) => b"l",
        Some(ByteOrder::Big) => b"b",
    };
    let mut parts: [&[u8]; 2 + MAX_FIELDS * PARTS] = [&[]; 2 + MAX_FIELDS * PARTS];
    let mut room = parts.iter_mut();
    *room.next()? = &number;
    *room.next()? = order;
    let mut known = lengths.iter();
    for (field, value) in entry.fields() {
        let value = if field.is_name() { &[] } else { value };
        // A template with more fields than there can be is not remembered.
        for part in [known.next()?.as_flattened(), field.id().as_bytes(), value] {
            *room.next()? = part;
        }
    }
    HashAlgorithm::Sha256.digest_parts(&parts).as_bytes().try_into().ok()
}

fn to_bytes(number: usize) -> Option<[u8; 8]> {
    u64::try_from(number).ok().map(u64::to_le_bytes)
}
