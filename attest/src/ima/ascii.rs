//! The ascii list: the same entries in lines, brought back to the binary form.

use super::error::{EntryError, ImaError, shown};
use super::template::{Field, Template};
use crate::digest::HashAlgorithm;
use crate::pcr::PcrIndex;

/// Brings `ascii_runtime_measurements` into the binary form, which all else works on.
///
/// The ascii form says less than the binary one: a path with a line feed in it can't be told from the next line, and is
/// refused. `hash` is that of the template digests: SHA-1, but for the per-bank files of newer kernels. What comes out is
/// at most five times as long as what went in, and its numbers are little-endian.
///
/// # Errors
/// [`ImaError::Entry`] with the line's number and its first byte (threat i08).
pub fn ascii_to_binary(text: &[u8], hash: HashAlgorithm) -> Result<Vec<u8>, ImaError> {
    let mut list = Vec::new();
    let mut offset = 0_usize;
    let lines = text.strip_suffix(b"\n").unwrap_or(text);
    if text.is_empty() {
        return Ok(list);
    }
    for (index, line) in lines.split(|byte| *byte == b'\n').enumerate() {
        let entry = index.saturating_add(1);
        write_line(line, hash, &mut list).map_err(|error| ImaError::Entry { entry, offset, error })?;
        offset = offset.saturating_add(line.len()).saturating_add(1);
    }
    Ok(list)
}

fn write_line(line: &[u8], hash: HashAlgorithm, list: &mut Vec<u8>) -> Result<(), EntryError> {
    // The kernel pads the PCR to two characters.
    let line = line.strip_prefix(b" ").unwrap_or(line);
    let mut words = line.split(|byte| *byte == b' ');
    let mut word = |what: &'static str| {
        words.next().ok_or(EntryError::Word { what, found: "the end of the line".to_owned() })
    };
    let pcr = decimal(word("PCR index")?, "PCR index")?;
    let pcr = PcrIndex::new(pcr).ok_or(EntryError::Pcr { pcr })?;
    let digest = hexadecimal(word("template digest")?, "template digest")?;
    if digest.len() != hash.len() {
        return Err(EntryError::Word { what: "template digest", found: hex::encode(digest) });
    }
    let template = Template::named(word("template name")?)?;
    let mut data = Vec::new();
    for field in template.fields() {
        write_field(field, word(field.id())?, template.is_legacy(), &mut data)?;
    }
    if let Some(more) = words.next() {
        return Err(EntryError::Word { what: "what follows the last field", found: shown(more) });
    }
    list.extend(u32::from(pcr).to_le_bytes());
    list.extend(digest);
    write_sized(template.name.as_bytes(), list)?;
    if template.is_legacy() {
        list.extend(data);
        return Ok(());
    }
    write_sized(&data, list)
}

fn write_field(field: Field, word: &[u8], legacy: bool, data: &mut Vec<u8>) -> Result<(), EntryError> {
    let mut value = match field {
        Field::Digest if legacy => {
            data.extend(hexadecimal(word, field.id())?);
            return Ok(());
        }
        Field::Name if legacy => return write_sized(word, data),
        Field::Name | Field::NameNg => word.to_vec(),
        Field::XattrNames => word.to_vec(),
        Field::DigestNg | Field::DigestNgV2 | Field::ModsigDigest => named_digest(field, word)?,
        Field::InodeUid | Field::InodeGid if !word.is_empty() => {
            decimal(word, field.id())?.to_le_bytes().to_vec()
        }
        Field::InodeMode if !word.is_empty() => {
            let mode = u16::try_from(decimal(word, field.id())?);
            mode.map_err(|_| bad(field.id(), word))?.to_le_bytes().to_vec()
        }
        _ => hexadecimal(word, field.id())?,
    };
    if field.is_name() || (field == Field::XattrNames && !word.is_empty()) {
        value.push(0);
    }
    write_sized(&value, data)
}

/// `hash:HEX` or `kind:hash:HEX`.
fn named_digest(field: Field, word: &[u8]) -> Result<Vec<u8>, EntryError> {
    if word.is_empty() && field == Field::ModsigDigest {
        return Ok(Vec::new());
    }
    let colon =
        word.iter().rposition(|byte| *byte == b':').ok_or_else(|| bad("digest with its hash", word))?;
    let (name, digest) = word.split_at_checked(colon).ok_or_else(|| bad("digest with its hash", word))?;
    let mut value = name.to_vec();
    value.extend(b":\0");
    value.extend(hexadecimal(digest.get(1..).unwrap_or_default(), field.id())?);
    Ok(value)
}

fn write_sized(bytes: &[u8], to: &mut Vec<u8>) -> Result<(), EntryError> {
    let len = u32::try_from(bytes.len()).map_err(|_| bad("a field below 4 GiB", bytes))?;
    to.extend(len.to_le_bytes());
    to.extend(bytes);
    Ok(())
}

fn decimal(word: &[u8], what: &'static str) -> Result<u32, EntryError> {
    let digits = word.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(word).ok().filter(|_| digits);
    text.and_then(|text| text.parse().ok()).ok_or_else(|| bad(what, word))
}

fn hexadecimal(word: &[u8], what: &'static str) -> Result<Vec<u8>, EntryError> {
    hex::decode(word).map_err(|_| bad(what, word))
}

fn bad(what: &'static str, word: &[u8]) -> EntryError {
    EntryError::Word { what, found: shown(word) }
}
