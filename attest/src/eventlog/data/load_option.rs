//! EFI_LOAD_OPTION and the boot order (UEFI 2.10 §3.1.3, §3.3): what the firmware was told to start.

use super::device_path::{DevicePath, DevicePaths};
use super::text::Utf16;
use crate::eventlog::error::EventDataError;
use crate::wire::Reader;

/// The content of Boot####, Driver#### and SysPrep####.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadOption<'a> {
    attributes: u32,
    description: Utf16<'a>,
    paths: DevicePaths<'a>,
    optional_data: &'a [u8],
}

impl<'a> LoadOption<'a> {
    /// LOAD_OPTION_ACTIVE.
    pub const ACTIVE: u32 = 1;
    /// LOAD_OPTION_HIDDEN.
    pub const HIDDEN: u32 = 8;

    /// Reads a load option. Everything after the device paths is optional data, whatever its size.
    ///
    /// # Errors
    /// [`EventDataError`]: a description without its NUL, device paths past the end, or ones that
    /// [`DevicePath::parse`] refuses.
    pub fn parse(content: &'a [u8]) -> Result<Self, EventDataError> {
        let mut r = Reader::new(content);
        let attributes = r.u32_le("Attributes")?;
        let paths_len = r.u16_le("FilePathListLength")?;
        let description = Utf16::read_terminated(&mut r, "Description")?;
        let paths = DevicePaths::parse(r.take(usize::from(paths_len), "FilePathList")?)?;
        Ok(Self { attributes, description, paths, optional_data: r.rest() })
    }

    /// Attributes, of which [`ACTIVE`](Self::ACTIVE) says that the option is tried.
    #[must_use]
    pub const fn attributes(&self) -> u32 {
        self.attributes
    }

    /// Whether the firmware tries it.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.attributes & Self::ACTIVE != 0
    }

    /// What a boot menu shows.
    #[must_use]
    pub const fn description(&self) -> Utf16<'a> {
        self.description
    }

    /// Where the image is: the first device path of the list.
    #[must_use]
    pub fn path(&self) -> Option<DevicePath<'a>> {
        self.paths.iter().next()
    }

    /// All device paths; what follows the first is the option's own business.
    #[must_use]
    pub const fn paths(&self) -> DevicePaths<'a> {
        self.paths
    }

    /// What is handed to the image: arguments, or anything.
    #[must_use]
    pub const fn optional_data(&self) -> &'a [u8] {
        self.optional_data
    }
}

/// The numbers of load options: BootOrder, DriverOrder, BootNext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadOrder<'a>(&'a [u8]);

impl<'a> LoadOrder<'a> {
    /// Reads 16-bit numbers that must fill `content`.
    ///
    /// # Errors
    /// [`EventDataError::LoadOrder`] for an odd number of bytes.
    pub const fn parse(content: &'a [u8]) -> Result<Self, EventDataError> {
        if content.len().is_multiple_of(2) {
            Ok(Self(content))
        } else {
            Err(EventDataError::LoadOrder { len: content.len() })
        }
    }

    /// The numbers, first choice first.
    pub fn numbers(&self) -> impl Iterator<Item = u16> + use<'a> {
        self.0
            .chunks_exact(2)
            .filter_map(|pair| pair.first_chunk::<2>().map(|pair| u16::from_le_bytes(*pair)))
    }
}

/// `Boot0001` and its kin: a name that ends in four upper-case hexadecimal digits.
pub(super) fn is_load_option(name: Utf16<'_>) -> bool {
    // No name of this kind has more than 20 characters.
    if name.as_bytes().len() > 40 {
        return false;
    }
    let name: String = name.chars().collect();
    ["Boot", "Driver", "SysPrep", "PlatformRecovery", "OsRecovery"].iter().any(|kind| {
        name.strip_prefix(kind).is_some_and(|number| {
            number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventlog::tests::builder::utf16;

    fn option() -> Vec<u8> {
        let mut content = 1_u32.to_le_bytes().to_vec();
        let path = [1, 1, 6, 0, 0, 3, 0x7F, 0xFF, 4, 0];
        content.extend(u16::try_from(path.len()).unwrap().to_le_bytes());
        content.extend(utf16("disk\0"));
        content.extend(path);
        content.extend(b"quiet");
        content
    }

    #[test]
    fn a_load_option_is_read_to_its_optional_data() {
        let content = option();
        let option = LoadOption::parse(&content).unwrap();
        assert!(option.is_active() && option.description().is("disk"));
        assert_eq!(option.path().unwrap().to_text(), "Pci(0x3,0x0)");
        assert_eq!((option.paths().iter().count(), option.optional_data()), (1, &b"quiet"[..]));
    }

    #[test]
    fn e18_a_load_option_cut_or_with_lying_lengths_is_refused() {
        let content = option();
        for end in 0..content.len() - 5 {
            assert!(LoadOption::parse(&content[..end]).is_err(), "cut at {end}");
        }
        for len in [1, 5, 6, 9, 11, u16::MAX] {
            let mut lie = content.clone();
            lie[4..6].copy_from_slice(&len.to_le_bytes());
            assert!(LoadOption::parse(&lie).is_err(), "{len}");
        }
        let mut endless = content;
        for pair in endless[6..].chunks_exact_mut(2) {
            pair.fill(0x41);
        }
        assert!(LoadOption::parse(&endless).is_err());
    }

    #[test]
    fn the_boot_order_is_16_bit_numbers() {
        let order = LoadOrder::parse(&[1, 0, 0, 0x20]).unwrap();
        assert_eq!(order.numbers().collect::<Vec<_>>(), [1, 0x2000]);
        assert_eq!(LoadOrder::parse(&[1]), Err(EventDataError::LoadOrder { len: 1 }));
    }

    #[test]
    fn names_of_load_options_end_in_four_digits() {
        for (name, is) in [
            ("Boot0001", true),
            ("BootOrder", false),
            ("SysPrep00AF", true),
            ("Boot00af", false),
            ("Boot00001", false),
        ] {
            let bytes = utf16(name);
            assert_eq!(is_load_option(Utf16::new(&bytes, "name", 0).unwrap()), is, "{name}");
        }
    }
}
