//! The PCR files of `tpm2_quote -o`: the values beside a quote, in the two forms that tpm2-tools 4 and 5 write.
//!
//! What such a file says about names and order of its values is unsigned. It is only compared with the signed selection
//! (CVE-2024-29039, threat q13).

use thiserror::Error;

use super::structure::{Attest, AttestError};
use crate::digest::HashAlgorithm;
use crate::pcr::PcrIndex;
use crate::wire::{Reader, WireError};

/// `sizeof(TPML_PCR_SELECTION)`: a count and 16 selections of 8 bytes.
const SELECTIONS: usize = 16;
/// `sizeof(TPML_DIGEST)`: a count and 8 sized buffers of 64 bytes.
const DIGESTS: u32 = 8;
/// A TPM with every bank and PCR selected needs 16 × 24 values; more lists than that are nonsense.
const MAX_LISTS: u32 = 48;

/// Why a PCR file can't be used with its quote.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PcrFileError {
    /// The quote beside it is malformed.
    #[error(transparent)]
    Attest(#[from] AttestError),
    /// Ends early or goes on too long.
    #[error("PCR file: {0}")]
    Wire(#[from] WireError),
    /// Announces more than a TPM can hold.
    #[error("PCR file: {what} is {found}, expected at most {most}")]
    Count {
        /// Which number.
        what: &'static str,
        /// Its value.
        found: u32,
        /// The largest value that makes sense.
        most: u32,
    },
    /// Lists other PCRs than the quote covers (threat q07).
    #[error("PCR file: lists {found}, the quote covers {expected}")]
    Selection {
        /// PCRs in the file.
        found: String,
        /// PCRs in the signed selection.
        expected: String,
    },
}

/// Reads the PCR values for the quote in `message` out of a PCR file in its serialized or values form.
///
/// Returns them in the order of the quote's signed selection, ready for [`Quote::verify`](super::Quote::verify).
///
/// # Errors
/// [`PcrFileError`] when the file fits neither form, or lists other PCRs than the quote.
pub fn read_pcr_file<'a>(file: &'a [u8], message: &[u8]) -> Result<Vec<&'a [u8]>, PcrFileError> {
    let quote = Attest::parse_quote(message)?;
    let selected: Vec<_> = quote.attested.selection.iter().collect();
    let values_len: usize = selected.iter().map(|(bank, _)| bank.len()).sum();
    if file.len() == values_len {
        return values_form(file, &selected);
    }
    serialized_form(file, &selected)
}

fn values_form<'a>(
    file: &'a [u8],
    selected: &[(HashAlgorithm, PcrIndex)],
) -> Result<Vec<&'a [u8]>, PcrFileError> {
    let mut r = Reader::new(file);
    Ok(selected.iter().map(|(bank, _)| r.take(bank.len(), "PCR value")).collect::<Result<_, _>>()?)
}

fn serialized_form<'a>(
    file: &'a [u8],
    selected: &[(HashAlgorithm, PcrIndex)],
) -> Result<Vec<&'a [u8]>, PcrFileError> {
    let mut r = Reader::new(file);
    let listed = read_selections(&mut r)?;
    if listed != selected {
        return Err(PcrFileError::Selection { found: describe(&listed), expected: describe(selected) });
    }
    let lists = bounded(r.u32_le("number of digest lists")?, "number of digest lists", MAX_LISTS)?;
    let mut values = Vec::new();
    for _ in 0..lists {
        let count = bounded(r.u32_le("digests in a list")?, "digests in a list", DIGESTS)?;
        for slot in 0..DIGESTS {
            let size = r.u16_le("digest size")?;
            let buffer = r.take(64, "digest")?;
            let most = 64;
            let value = buffer.get(..usize::from(size)).ok_or(PcrFileError::Count {
                what: "digest size",
                found: size.into(),
                most,
            })?;
            if slot < count {
                values.push(value);
            }
        }
    }
    r.finish("PCR file")?;
    Ok(values)
}

fn read_selections(r: &mut Reader<'_>) -> Result<Vec<(HashAlgorithm, PcrIndex)>, PcrFileError> {
    let count = bounded(r.u32_le("number of banks")?, "number of banks", 16)?;
    let mut listed = Vec::new();
    for slot in 0..SELECTIONS {
        let bank = r.u16_le("bank")?;
        let size = usize::from(r.u8("size of selection")?);
        let bitmap = r.array::<4>("selection")?;
        r.u8("padding")?;
        if usize::try_from(count).is_ok_and(|count| slot >= count) {
            continue;
        }
        let Some(bank) = HashAlgorithm::from_tpm_id(bank) else { continue };
        let bits = u32::from_le_bytes(bitmap);
        listed.extend(
            PcrIndex::all()
                .filter(|pcr| usize::from(pcr.get() / 8) < size && bits & (1 << pcr.get()) != 0)
                .map(|pcr| (bank, pcr)),
        );
    }
    Ok(listed)
}

fn bounded(found: u32, what: &'static str, most: u32) -> Result<u32, PcrFileError> {
    if found > most { Err(PcrFileError::Count { what, found, most }) } else { Ok(found) }
}

fn describe(pcrs: &[(HashAlgorithm, PcrIndex)]) -> String {
    let names: Vec<_> = pcrs.iter().map(|(bank, index)| format!("{bank}:{index}")).collect();
    if names.is_empty() { "no PCR".to_owned() } else { names.join(" ") }
}

/// Writes PCR values in the serialized form, for `tpm2_checkquote -f`.
///
/// `values` are in the order of the selection: for each bank of `banks`, the PCRs of `pcrs` (rising).
///
/// # Errors
/// [`PcrFileError::Count`] when there are more than the form holds.
pub fn write_pcr_file(
    banks: &[HashAlgorithm],
    pcrs: &[PcrIndex],
    values: &[Vec<u8>],
) -> Result<Vec<u8>, PcrFileError> {
    let too_many = |what, found: usize, most| PcrFileError::Count {
        what,
        found: u32::try_from(found).unwrap_or(u32::MAX),
        most,
    };
    let count = u32::try_from(banks.len()).ok().filter(|count| *count <= 16);
    let mut file = count.ok_or_else(|| too_many("number of banks", banks.len(), 16))?.to_le_bytes().to_vec();
    let bitmap = pcrs.iter().fold(0_u32, |bits, pcr| bits | 1 << pcr.get());
    let [low, middle, high, _] = bitmap.to_le_bytes();
    for bank in banks {
        let [id_low, id_high] = bank.tpm_id().to_le_bytes();
        file.extend_from_slice(&[id_low, id_high, 3, low, middle, high, 0, 0]);
    }
    file.resize(4 + SELECTIONS * 8, 0);
    let lists: Vec<_> = values.chunks(8).collect();
    let count = u32::try_from(lists.len()).ok().filter(|count| *count <= MAX_LISTS);
    file.extend_from_slice(
        &count.ok_or_else(|| too_many("number of digest lists", lists.len(), MAX_LISTS))?.to_le_bytes(),
    );
    for list in lists {
        file.extend_from_slice(&u32::try_from(list.len()).unwrap_or(DIGESTS).to_le_bytes());
        let end = file.len() + 8 * 66;
        for value in list {
            let size = u16::try_from(value.len()).ok().filter(|size| *size <= 64);
            file.extend_from_slice(
                &size.ok_or_else(|| too_many("digest size", value.len(), 64))?.to_le_bytes(),
            );
            file.extend_from_slice(value);
            file.resize(file.len() + 64 - value.len(), 0);
        }
        file.resize(end, 0);
    }
    Ok(file)
}
