//! UEFI_HANDOFF_TABLE_POINTERS and its form with a description (PFP 1.06 §10.2.8): ACPI, SMBIOS and other tables.
//!
//! The digest is of the tables, which the log does not carry: everything here is a hint.

use super::guid::Guid;
use crate::eventlog::error::EventDataError;
use crate::wire::Reader;

/// The tables that were measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandoffTables<'a> {
    description: Option<&'a [u8]>,
    entry_size: usize,
    entries: &'a [u8],
}

impl<'a> HandoffTables<'a> {
    /// Reads count and entries, which must fill `data`; 32-bit firmware has shorter ones.
    ///
    /// # Errors
    /// [`EventDataError::HandoffTables`] when the count is not that of the entries (threat e06).
    pub fn parse(data: &'a [u8]) -> Result<Self, EventDataError> {
        Self::read(data, None)
    }

    /// The same behind a description.
    ///
    /// # Errors
    /// [`EventDataError`] as [`parse`](Self::parse), and for a description past the end.
    pub fn parse_described(data: &'a [u8]) -> Result<Self, EventDataError> {
        let mut r = Reader::new(data);
        let len = r.u8("TableDescriptionSize")?;
        let description = r.take(usize::from(len), "TableDescription")?;
        Self::read(r.rest(), Some(description))
    }

    fn read(data: &'a [u8], description: Option<&'a [u8]>) -> Result<Self, EventDataError> {
        let mut long = Reader::new(data);
        let mut short = Reader::new(data);
        let narrow = u64::from(short.u32_le("NumberOfTables")?);
        for (count, entries, entry_size) in
            [(long.u64_le("NumberOfTables").ok(), long.rest(), 24), (Some(narrow), short.rest(), 20)]
        {
            let count = count.and_then(|count| usize::try_from(count).ok());
            if count.and_then(|count| count.checked_mul(entry_size)) == Some(entries.len()) {
                return Ok(Self { description, entry_size, entries });
            }
        }
        Err(EventDataError::HandoffTables { count: narrow, len: data.len() })
    }

    /// What the firmware calls them; `None` in the form without description.
    #[must_use]
    pub const fn description(&self) -> Option<&'a [u8]> {
        self.description
    }

    /// Which tables, in order.
    pub fn tables(&self) -> impl Iterator<Item = Guid> + use<'a> {
        self.entries
            .chunks_exact(self.entry_size)
            .filter_map(|entry| entry.first_chunk::<16>().map(|guid| Guid::new(*guid)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(count: u64, guids: usize) -> Vec<u8> {
        let mut data = count.to_le_bytes().to_vec();
        for _ in 0..guids {
            data.extend(Guid::SHIM.as_bytes());
            data.extend([0xAB; 8]);
        }
        data
    }

    #[test]
    fn tables_of_64_and_of_32_bit_firmware_are_read() {
        let long = tables(2, 2);
        assert_eq!(HandoffTables::parse(&long).unwrap().tables().collect::<Vec<_>>(), [Guid::SHIM; 2]);
        let short = [&[1, 0, 0, 0][..], Guid::SHIM.as_bytes(), &[1; 4]].concat();
        assert_eq!(HandoffTables::parse(&short).unwrap().tables().collect::<Vec<_>>(), [Guid::SHIM]);
        let described = [&[2, b'H', b'I'][..], &long].concat();
        assert_eq!(HandoffTables::parse_described(&described).unwrap().description(), Some(&b"HI"[..]));
    }

    #[test]
    fn e06_a_count_of_tables_that_is_not_theirs_is_refused() {
        for count in [0, 1, 3, u64::MAX, 1 << 61, u64::MAX / 24 + 1] {
            assert!(HandoffTables::parse(&tables(count, 2)).is_err(), "{count}");
        }
        for lie in [0, 1, 3, 0xFF] {
            let described = [&[lie, b'H', b'I'][..], &tables(2, 2)].concat();
            assert!(HandoffTables::parse_described(&described).is_err(), "{lie}");
        }
    }
}
