//! CEL-TLV: type (one byte), length (four, big-endian), value; records one after another (CEL 1.0 §5, TLV).

use std::borrow::Cow;

use super::content::{Content, Systemd};
use super::error::CelError;
use super::record::{Draft, Record};
use super::{MAX_DIGESTS, MAX_RECORDS};
use crate::digest::HashAlgorithm;
use crate::eventlog::EventType;
use crate::wire::Reader;

const RECNUM: u8 = 0;
const PCR: u8 = 1;
const NV_INDEX: u8 = 2;
const DIGESTS: u8 = 3;
/// Content types, in TLV as in CBOR.
pub(super) const PCCLIENT_STD: u64 = 5;
pub(super) const IMA_TEMPLATE: u64 = 7;
pub(super) const SYSTEMD: u64 = 9;

/// A reader of one record's fields, which knows the record's number for its errors.
struct Fields<'a> {
    r: Reader<'a>,
    record: usize,
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<(u8, &'a [u8], usize), CelError> {
        let record = self.record;
        let cut = |source| CelError::Cut { record, source };
        let kind = self.r.u8("type").map_err(cut)?;
        let len = self.r.u32_be("length").map_err(cut)?;
        let at = self.r.offset();
        // A length beyond the address space is past the end of every log.
        let value = self.r.take(usize::try_from(len).unwrap_or(usize::MAX), "value").map_err(cut)?;
        Ok((kind, value, at))
    }

    fn inner(&self, value: &'a [u8], at: usize) -> Self {
        Self { r: Reader::at(value, at), record: self.record }
    }
}

pub(super) fn records(bytes: &[u8]) -> Result<Vec<Record<'_>>, CelError> {
    let mut fields = Fields { r: Reader::new(bytes), record: 0 };
    let mut records = Vec::new();
    while !fields.r.is_empty() {
        if records.len() == MAX_RECORDS {
            return Err(CelError::TooManyRecords);
        }
        fields.record = records.len();
        records.push(record(&mut fields)?);
    }
    Ok(records)
}

fn record<'a>(fields: &mut Fields<'a>) -> Result<Record<'a>, CelError> {
    let mut draft = Draft::new(fields.record, fields.r.offset());
    let index = draft.index;
    let field = |offset, expected, found: u64| CelError::Field { record: index, offset, expected, found };
    let (kind, value, at) = fields.next()?;
    let recnum = number(value).filter(|_| kind == RECNUM);
    draft.number = Some(recnum.ok_or_else(|| field(at, "recnum", u64::from(kind)))?);
    let (kind, value, at) = fields.next()?;
    let register = number(value).ok_or_else(|| field(at, "a number of at most 8 bytes", u64::from(kind)))?;
    match kind {
        PCR => draft.pcr = Some(register),
        NV_INDEX => {
            let handle = u32::try_from(register).map_err(|_| field(at, "an NV index of 32 bits", register));
            draft.nv_index = Some(handle?);
        }
        other => return Err(field(at, "pcr or nv_index", u64::from(other))),
    }
    let (kind, value, at) = fields.next()?;
    if kind != DIGESTS {
        return Err(field(at, "digests", u64::from(kind)));
    }
    digests(&mut draft, fields.inner(value, at))?;
    let (kind, value, at) = fields.next()?;
    draft.content = content(u64::from(kind), value, fields.inner(value, at))?;
    draft.finish()
}

fn digests(draft: &mut Draft<'_>, mut fields: Fields<'_>) -> Result<(), CelError> {
    let mut count = 0_usize;
    while !fields.r.is_empty() {
        if count == MAX_DIGESTS {
            return Err(CelError::DigestCount { record: draft.index });
        }
        count = count.saturating_add(1);
        let (algorithm, bytes, _) = fields.next()?;
        let known = HashAlgorithm::from_tpm_id(u16::from(algorithm));
        draft.add_digest(known, || format!("0x{algorithm:02x}"), Some(bytes))?;
    }
    Ok(())
}

fn content<'a>(kind: u64, value: &'a [u8], fields: Fields<'a>) -> Result<Content<'a>, CelError> {
    match kind {
        PCCLIENT_STD => {
            let (code, data) = pair(fields)?;
            Ok(match number(code).and_then(|code| u32::try_from(code).ok()) {
                Some(code) => {
                    Content::PcClient { event_type: EventType::from_code(code), data: Cow::Borrowed(data) }
                }
                None => other(kind),
            })
        }
        IMA_TEMPLATE => {
            let (name, data) = pair(fields)?;
            Ok(Content::ImaTemplate { name: Cow::Borrowed(name), data: Cow::Borrowed(data) })
        }
        SYSTEMD => Ok(systemd(value)),
        kind => Ok(other(kind)),
    }
}

/// What systemd measured, as text.
pub(super) fn systemd(value: &[u8]) -> Content<'_> {
    let text = std::str::from_utf8(value).ok().map(Cow::Borrowed);
    text.map_or_else(
        || other(SYSTEMD),
        |text| Content::Systemd(Systemd { string: Some(text), ..Systemd::default() }),
    )
}

pub(super) fn other<'a>(kind: u64) -> Content<'a> {
    Content::Other { content_type: Cow::Owned(kind.to_string()) }
}

/// The fields 0 and 1, in either order.
fn pair<'a>(mut fields: Fields<'a>) -> Result<(&'a [u8], &'a [u8]), CelError> {
    let (one, two) = (fields.next()?, fields.next()?);
    let record = fields.record;
    let finished = fields.r.finish("content");
    finished.map_err(|source| CelError::Cut { record, source })?;
    match (one, two) {
        ((0, first, _), (1, second, _)) | ((1, second, _), (0, first, _)) => Ok((first, second)),
        (_, (kind, _, offset)) => {
            Err(CelError::Field { record, offset, expected: "fields 0 and 1", found: u64::from(kind) })
        }
    }
}

/// A big-endian number of 1 to 8 bytes.
fn number(value: &[u8]) -> Option<u64> {
    let mut bytes = [0; 8];
    let start = bytes.len().checked_sub(value.len()).filter(|_| !value.is_empty())?;
    bytes.get_mut(start..)?.copy_from_slice(value);
    Some(u64::from_be_bytes(bytes))
}
