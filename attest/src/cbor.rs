//! Heads of CBOR items (RFC 8949 §3), for readers that borrow and go item by item. Only definite lengths are read:
//! deterministic CBOR has no others.

use thiserror::Error;

use crate::wire::{Reader, WireError};

pub(crate) const UNSIGNED: u8 = 0;
pub(crate) const NEGATIVE: u8 = 1;
pub(crate) const BYTES: u8 = 2;
pub(crate) const TEXT: u8 = 3;
pub(crate) const ARRAY: u8 = 4;
pub(crate) const MAP: u8 = 5;
pub(crate) const TAG: u8 = 6;

/// Why there is no item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum HeadError {
    /// It ends early.
    #[error(transparent)]
    Short(#[from] WireError),
    /// An indefinite length, or a head that the format reserves.
    #[error("at byte {offset}: 0x{first:02x} has no definite length")]
    Indefinite {
        /// Where the item begins.
        offset: usize,
        /// Its first byte.
        first: u8,
    },
}

/// The head of an item: its major type and its number.
pub(crate) fn head(r: &mut Reader<'_>) -> Result<(u8, u64), HeadError> {
    let offset = r.offset();
    let first = r.u8("item")?;
    let number = match first & 0x1F {
        small @ 0..=23 => u64::from(small),
        24 => u64::from(r.u8("number")?),
        25 => u64::from(r.u16_be("number")?),
        26 => u64::from(r.u32_be("number")?),
        27 => r.u64_be("number")?,
        _ => return Err(HeadError::Indefinite { offset, first }),
    };
    Ok((first >> 5, number))
}

/// The content of a byte string or text whose head was read.
pub(crate) fn take<'a>(r: &mut Reader<'a>, len: u64, what: &'static str) -> Result<&'a [u8], WireError> {
    // A length beyond the address space is past the end of every input.
    r.take(usize::try_from(len).unwrap_or(usize::MAX), what)
}

/// Passes over one item with all that is in it, without recursion. Every item takes at least a byte, so the length of
/// the input bounds this, whatever counts it announces.
pub(crate) fn skip(r: &mut Reader<'_>) -> Result<(), HeadError> {
    let mut left = 1_u64;
    while let Some(fewer) = left.checked_sub(1) {
        left = match head(r)? {
            (BYTES | TEXT, len) => {
                take(r, len, "item")?;
                fewer
            }
            (ARRAY, count) => fewer.saturating_add(count),
            (MAP, count) => fewer.saturating_add(count.saturating_mul(2)),
            (TAG, _) => fewer.saturating_add(1),
            _ => fewer,
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e06_announced_counts_end_with_the_input() {
        // An array of 2^64 - 1, a map of as many, a text of as many bytes, and tags without end.
        for first in [0x9B, 0xBB, 0x7B] {
            let bytes = [&[first][..], &[0xFF; 8]].concat();
            assert!(skip(&mut Reader::new(&bytes)).is_err(), "{first:#x}");
        }
        assert!(skip(&mut Reader::new(&[0xC0; 10_000])).is_err());
        assert!(skip(&mut Reader::new(&[0x81; 10_000])).is_err());
    }

    #[test]
    fn an_item_is_passed_over_whole_and_nothing_after_it() {
        // {1: [h'0203', "x"], 2: 4(5)}, then another item.
        let bytes = [0xA2, 1, 0x82, 0x42, 2, 3, 0x61, b'x', 2, 0xC4, 5, 0x18];
        let mut r = Reader::new(&bytes);
        skip(&mut r).unwrap();
        assert_eq!(r.offset(), bytes.len() - 1);
        let indefinite = HeadError::Indefinite { offset: 0, first: 0x9F };
        assert_eq!(head(&mut Reader::new(&[0x9F, 0xFF])), Err(indefinite));
    }
}
