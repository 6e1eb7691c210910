//! UEFI_IMAGE_LOAD_EVENT (PFP 1.06 §10.2.3): an image that was loaded.
//!
//! The digest is of the image (Authenticode for PE), which the log does not carry: everything here is a hint.

use super::device_path::DevicePath;
use crate::eventlog::error::EventDataError;
use crate::wire::Reader;

/// Where an image was in memory and where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageLoad<'a> {
    location: u64,
    len: u64,
    path: DevicePath<'a>,
}

impl<'a> ImageLoad<'a> {
    /// Reads the event's data. GRUB and shim log images with left-over bytes after the path, or without a path: as all
    /// of it is a hint, those bytes are let through.
    ///
    /// # Errors
    /// [`EventDataError`] for a path past the end or one that [`DevicePath::parse`] refuses.
    pub fn parse(data: &'a [u8]) -> Result<Self, EventDataError> {
        let mut r = Reader::new(data);
        let location = r.u64_le("ImageLocationInMemory")?;
        let len = r.u64_le("ImageLengthInMemory")?;
        r.u64_le("ImageLinkTimeAddress")?;
        let claimed = r.u64_le("LengthOfDevicePath")?;
        let left = r.rest().len();
        let path_len = usize::try_from(claimed).map_err(|_| EventDataError::TooLong {
            what: "LengthOfDevicePath",
            claimed,
            left,
        })?;
        let path = DevicePath::parse(r.take(path_len, "DevicePath")?)?;
        Ok(Self { location, len, path })
    }

    /// The image's address in memory.
    #[must_use]
    pub const fn location(&self) -> u64 {
        self.location
    }

    /// The image's length in memory in bytes.
    #[must_use]
    pub const fn image_len(&self) -> u64 {
        self.len
    }

    /// Where it was loaded from.
    #[must_use]
    pub const fn path(&self) -> DevicePath<'a> {
        self.path
    }
}
