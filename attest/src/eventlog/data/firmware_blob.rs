//! UEFI_PLATFORM_FIRMWARE_BLOB and its form with a description (PFP 1.06 §10.2.7): where firmware code was in memory.
//!
//! The digest is of the code, which the log does not carry: everything here is a hint.

use crate::eventlog::error::EventDataError;
use crate::wire::Reader;

/// Where a blob was, and what it is said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirmwareBlob<'a> {
    description: Option<&'a [u8]>,
    base: u64,
    len: u64,
}

impl<'a> FirmwareBlob<'a> {
    /// Reads UEFI_PLATFORM_FIRMWARE_BLOB, which must fill `data`.
    ///
    /// # Errors
    /// [`EventDataError`] for another size than 16 bytes.
    pub fn parse(data: &'a [u8]) -> Result<Self, EventDataError> {
        Self::read(Reader::new(data), None)
    }

    /// Reads UEFI_PLATFORM_FIRMWARE_BLOB2, which must fill `data`.
    ///
    /// # Errors
    /// [`EventDataError`] for a description past the end, and for bytes missing or left after the blob.
    pub fn parse_described(data: &'a [u8]) -> Result<Self, EventDataError> {
        let mut r = Reader::new(data);
        let len = r.u8("BlobDescriptionSize")?;
        let description = r.take(usize::from(len), "BlobDescription")?;
        Self::read(r, Some(description))
    }

    fn read(mut r: Reader<'a>, description: Option<&'a [u8]>) -> Result<Self, EventDataError> {
        let (base, len) = (r.u64_le("BlobBase")?, r.u64_le("BlobLength")?);
        r.finish("UEFI_PLATFORM_FIRMWARE_BLOB")?;
        Ok(Self { description, base, len })
    }

    /// What the firmware calls it, mostly ASCII; `None` in the form without description.
    #[must_use]
    pub const fn description(&self) -> Option<&'a [u8]> {
        self.description
    }

    /// Its physical address.
    #[must_use]
    pub const fn base(&self) -> u64 {
        self.base
    }

    /// Its length in bytes.
    #[must_use]
    pub const fn blob_len(&self) -> u64 {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e18_a_description_that_lies_about_its_size_is_refused() {
        let mut data = vec![2, b'F', b'V'];
        data.extend(0x80_0000_u64.to_le_bytes());
        data.extend(0x1000_u64.to_le_bytes());
        let blob = FirmwareBlob::parse_described(&data).unwrap();
        assert_eq!((blob.description(), blob.base(), blob.blob_len()), (Some(&b"FV"[..]), 0x80_0000, 0x1000));
        for lie in [0, 1, 3, 18, 0xFF] {
            data[0] = lie;
            assert!(FirmwareBlob::parse_described(&data).is_err(), "{lie}");
        }
        for len in [0, 15, 17] {
            assert!(FirmwareBlob::parse(&vec![0; len]).is_err(), "{len}");
        }
    }
}
