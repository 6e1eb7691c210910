//! CEL-CBOR: one array of records, or records one after another (RFC 8742). A record is a map with small numbers as
//! keys (CEL 1.1 §5.2): 0 recnum, 1 pcr or 2 nv_index, 3 digests, 9 content type, 10 content.
//!
//! What is not known is passed over.

use std::borrow::Cow;

use super::content::Content;
use super::error::CelError;
use super::record::{Draft, Record};
use super::tlv::{IMA_TEMPLATE, PCCLIENT_STD, SYSTEMD, other, systemd};
use super::{MAX_DIGESTS, MAX_RECORDS};
use crate::cbor::{self, ARRAY, BYTES, HeadError, MAP, TEXT, UNSIGNED};
use crate::digest::HashAlgorithm;
use crate::eventlog::EventType;
use crate::wire::Reader;

struct Items<'a> {
    r: Reader<'a>,
    record: usize,
}

pub(super) fn records(bytes: &[u8]) -> Result<Vec<Record<'_>>, CelError> {
    let mut items = Items { r: Reader::new(bytes), record: 0 };
    let mut records = Vec::new();
    let announced = match bytes.first() {
        Some(byte) if byte >> 5 == ARRAY => Some(items.head()?.1),
        _ => None,
    };
    let wanted =
        |read: usize| announced.is_none_or(|count| u64::try_from(read).is_ok_and(|read| read < count));
    while wanted(records.len()) && !(announced.is_none() && items.r.is_empty()) {
        if records.len() == MAX_RECORDS {
            return Err(CelError::TooManyRecords);
        }
        items.record = records.len();
        records.push(record(&mut items)?);
    }
    let record = records.len();
    items.r.finish("log").map_err(|source| CelError::Cut { record, source })?;
    Ok(records)
}

fn record<'a>(items: &mut Items<'a>) -> Result<Record<'a>, CelError> {
    let mut draft = Draft::new(items.record, items.r.offset());
    let entries = items.expect(MAP, "a record's map")?;
    let mut content_type = None;
    let mut last = None;
    for _ in 0..entries {
        let at = items.r.offset();
        let key = items.expect(UNSIGNED, "a key")?;
        if last.is_some_and(|last| key <= last) {
            return Err(items.field(at, "keys in order, each once", key));
        }
        last = Some(key);
        match key {
            0 => draft.number = Some(items.expect(UNSIGNED, "recnum")?),
            1 => draft.pcr = Some(items.expect(UNSIGNED, "pcr")?),
            2 => {
                let index = items.expect(UNSIGNED, "nv_index")?;
                let narrow = u32::try_from(index);
                draft.nv_index = Some(narrow.map_err(|_| items.field(at, "an NV index of 32 bits", index))?);
            }
            3 => digests(&mut draft, items)?,
            9 => content_type = Some(items.expect(UNSIGNED, "content type")?),
            10 => draft.content = content(content_type.unwrap_or(u64::MAX), items)?,
            _ => items.skip()?,
        }
    }
    draft.finish()
}

fn digests(draft: &mut Draft<'_>, items: &mut Items<'_>) -> Result<(), CelError> {
    let count = items.expect(ARRAY, "digests")?;
    if usize::try_from(count).map_or(true, |count| count > MAX_DIGESTS) {
        return Err(CelError::DigestCount { record: draft.index });
    }
    for _ in 0..count {
        let at = items.r.offset();
        let (size, zero) = (items.expect(MAP, "a digest's map")?, items.expect(UNSIGNED, "key 0")?);
        let algorithm = items.expect(UNSIGNED, "hashAlg")?;
        let one = items.expect(UNSIGNED, "key 1")?;
        if (size, zero, one) != (2, 0, 1) {
            return Err(items.field(at, "hashAlg and digest", size));
        }
        let bytes = items.bytes(BYTES, "digest")?;
        let known = u16::try_from(algorithm).ok().and_then(HashAlgorithm::from_tpm_id);
        draft.add_digest(known, || format!("0x{algorithm:x}"), Some(bytes))?;
    }
    Ok(())
}

fn content<'a>(content_type: u64, items: &mut Items<'a>) -> Result<Content<'a>, CelError> {
    let at = items.r.offset();
    match content_type {
        PCCLIENT_STD | IMA_TEMPLATE => {
            let (size, zero) = (items.expect(MAP, "content")?, items.expect(UNSIGNED, "key 0")?);
            let event_type = match content_type {
                PCCLIENT_STD => Some(items.expect(UNSIGNED, "event_type")?),
                _ => None,
            };
            let name = if event_type.is_none() { items.bytes(TEXT, "template_name")? } else { &[] };
            let one = items.expect(UNSIGNED, "key 1")?;
            if (size, zero, one) != (2, 0, 1) {
                return Err(items.field(at, "content of two fields", size));
            }
            let data = Cow::Borrowed(items.bytes(BYTES, "data")?);
            match event_type.map(u32::try_from) {
                None => Ok(Content::ImaTemplate { name: Cow::Borrowed(name), data }),
                Some(Ok(code)) => Ok(Content::PcClient { event_type: EventType::from_code(code), data }),
                Some(Err(_)) => Ok(other(content_type)),
            }
        }
        SYSTEMD => Ok(systemd(items.bytes(BYTES, "content")?)),
        _ => {
            items.skip()?;
            Ok(other(content_type))
        }
    }
}

impl<'a> Items<'a> {
    fn field(&self, offset: usize, expected: &'static str, found: u64) -> CelError {
        CelError::Field { record: self.record, offset, expected, found }
    }

    fn told(&self, error: HeadError) -> CelError {
        match error {
            HeadError::Short(source) => CelError::Cut { record: self.record, source },
            HeadError::Indefinite { offset, first } => {
                self.field(offset, "a definite length", u64::from(first))
            }
        }
    }

    fn head(&mut self) -> Result<(u8, u64), CelError> {
        cbor::head(&mut self.r).map_err(|error| self.told(error))
    }

    /// An item of a major type; returns its number.
    fn expect(&mut self, major: u8, what: &'static str) -> Result<u64, CelError> {
        let at = self.r.offset();
        match self.head()? {
            (found, number) if found == major => Ok(number),
            (found, _) => Err(self.field(at, what, u64::from(found))),
        }
    }

    fn bytes(&mut self, major: u8, what: &'static str) -> Result<&'a [u8], CelError> {
        let len = self.expect(major, what)?;
        cbor::take(&mut self.r, len, what).map_err(|error| self.told(error.into()))
    }

    fn skip(&mut self) -> Result<(), CelError> {
        cbor::skip(&mut self.r).map_err(|error| self.told(error))
    }
}
