//! UEFI_GPT_DATA (PFP 1.06 §10.2.5; UEFI 2.10 §5.3): the header of the disk's partition table and its used entries.

use super::guid::Guid;
use super::text::Utf16;
use crate::eventlog::error::EventDataError;
use crate::wire::Reader;

/// Size of UEFI_PARTITION_TABLE_HEADER in bytes.
const HEADER: u32 = 92;

/// The partition table that was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gpt<'a> {
    disk: Guid,
    entry_size: usize,
    entries: &'a [u8],
}

/// One partition of a [`Gpt`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition<'a> {
    /// PartitionTypeGUID.
    pub kind: Guid,
    /// UniquePartitionGUID.
    pub id: Guid,
    /// StartingLBA and EndingLBA, both inclusive.
    pub blocks: (u64, u64),
    /// The name, 36 code units.
    pub name: Utf16<'a>,
}

impl<'a> Gpt<'a> {
    /// Reads header, count and entries, which must fill `data`.
    ///
    /// # Errors
    /// [`EventDataError`]: no "EFI PART", an entry size that is not 128 to 4096, a count that is not the number of
    /// entries that follow (threat e13: a huge count is refused without walking it).
    pub fn parse(data: &'a [u8]) -> Result<Self, EventDataError> {
        let mut r = Reader::new(data);
        let signature = r.u64_le("Signature")?;
        expect("Signature", signature, signature == u64::from_le_bytes(*b"EFI PART"))?;
        r.take(4, "Revision")?;
        let header_size = r.u32_le("HeaderSize")?;
        expect("HeaderSize", header_size.into(), header_size == HEADER)?;
        r.take(40, "CRC and LBAs")?;
        let disk = Guid::new(r.array("DiskGUID")?);
        r.take(12, "PartitionEntryLBA and NumberOfPartitionEntries")?;
        let size = r.u32_le("SizeOfPartitionEntry")?;
        r.take(4, "PartitionEntryArrayCRC32")?;
        expect("SizeOfPartitionEntry", size.into(), (128..=4096).contains(&size) && size % 8 == 0)?;
        let count = r.u64_le("NumberOfPartitions")?;
        let entry_size = usize::try_from(size).unwrap_or(usize::MAX);
        let fits = usize::try_from(count).ok().and_then(|n| n.checked_mul(entry_size));
        expect("NumberOfPartitions", count, fits == Some(r.rest().len()))?;
        Ok(Self { disk, entry_size, entries: r.rest() })
    }

    /// The disk's GUID; zeros in EV_EFI_GPT_EVENT2.
    #[must_use]
    pub const fn disk(&self) -> Guid {
        self.disk
    }

    /// The used partitions, in the table's order.
    pub fn partitions(&self) -> impl Iterator<Item = Partition<'a>> + use<'a> {
        self.entries.chunks_exact(self.entry_size).filter_map(|entry| Self::partition(entry).ok())
    }

    fn partition(entry: &'a [u8]) -> Result<Partition<'a>, EventDataError> {
        let mut r = Reader::new(entry);
        Ok(Partition {
            kind: Guid::new(r.array("PartitionTypeGUID")?),
            id: Guid::new(r.array("UniquePartitionGUID")?),
            blocks: (r.u64_le("StartingLBA")?, r.u64_le("EndingLBA")?),
            name: {
                r.take(8, "Attributes")?;
                Utf16::new(r.take(72, "PartitionName")?, "PartitionName", 56)?
            },
        })
    }
}

fn expect(what: &'static str, found: u64, right: bool) -> Result<(), EventDataError> {
    if right { Ok(()) } else { Err(EventDataError::Gpt { what, found }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn gpt(count: u64, entries: usize) -> Vec<u8> {
        let mut data = b"EFI PART\0\0\x01\0\x5c\0\0\0".to_vec();
        data.resize(84, 0);
        data.extend(128_u32.to_le_bytes());
        data.extend([0; 4]);
        data.extend(count.to_le_bytes());
        data.resize(100 + entries * 128, 7);
        data
    }

    #[test]
    fn e13_a_gpt_with_a_huge_entry_count_is_refused() {
        assert_eq!(Gpt::parse(&gpt(3, 3)).unwrap().partitions().count(), 3);
        for count in [2, 4, u64::MAX, u64::MAX / 128 + 1, 1 << 57] {
            let refused = Gpt::parse(&gpt(count, 3)).unwrap_err();
            assert_eq!(refused, EventDataError::Gpt { what: "NumberOfPartitions", found: count });
        }
    }
}
