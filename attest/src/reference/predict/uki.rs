//! What systemd-stub measures of a unified kernel image: PCR 11, the sections; PCR 12, a command line given to it.
//!
//! Order and choice of the sections are those of systemd-measure(1) and systemd-stub(7); each is measured as its name with
//! a NUL, then its content. Versions differ in the sections that they know, so that the stub's own version is asked.

use super::pe::PeImage;
use super::{PredictError, Predicted};
use crate::eventlog::Role;

/// Measured sections in their order, and the first version of systemd-stub that measures each.
const SECTIONS: [(&str, u32); 10] = [
    (".linux", 252),
    (".osrel", 252),
    (".cmdline", 252),
    (".initrd", 252),
    (".ucode", 256),
    (".splash", 252),
    (".dtb", 252),
    (".uname", 254),
    (".sbat", 254),
    (".pcrpkey", 252),
];

/// Sections out of which the stub chooses by the machine, or which change what the others mean, with the first version.
const CHOSEN: [(&str, u32); 4] = [(".profile", 257), (".dtbauto", 257), (".hwids", 257), (".efifw", 258)];

/// The first version that measures into PCR 11.
const FIRST: u32 = 252;

/// Since this version the stub adds files of its own to the initrd.
const EXTENDS_INITRD: u32 = 257;

/// A unified kernel image.
#[derive(Debug, Clone)]
pub struct Uki<'a> {
    image: PeImage<'a>,
    version: u32,
}

impl<'a> Uki<'a> {
    /// Finds stub and kernel in an image.
    ///
    /// # Errors
    /// [`PredictError`]: no PE image, no systemd-stub, a version before 252, no kernel, or sections that the stub chooses
    /// by the machine.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PredictError> {
        let image = PeImage::parse(bytes)?;
        let magic = image.section(".sdmagic")?.ok_or(PredictError::NoStub)?;
        let version = stub_version(magic).ok_or(PredictError::NoStub)?;
        if version < FIRST {
            return Err(PredictError::StubVersion { version, first: FIRST });
        }
        if image.section(".linux")?.is_none() {
            return Err(PredictError::NoKernel);
        }
        for (name, since) in CHOSEN {
            if version >= since && image.section(name)?.is_some() {
                return Err(PredictError::ChosenByMachine { section: name });
            }
        }
        Ok(Self { image, version })
    }

    /// The image as a whole.
    #[must_use]
    pub const fn image(&self) -> &PeImage<'a> {
        &self.image
    }

    /// The version of its systemd-stub, e.g. 252.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// The events of PCR 11.
    ///
    /// # Errors
    /// [`PredictError`] for sections that are repeated or not in the file.
    pub(super) fn sections(&self, to: &mut Predicted) -> Result<(), PredictError> {
        for (name, since) in SECTIONS {
            let Some(content) = self.image.section(name)?.filter(|_| self.version >= since) else { continue };
            if content.is_empty() {
                continue;
            }
            let role = Role::of_section(name);
            to.hashed(11, "EV_IPL", role, &format!("{name}, its name"), &[name.as_bytes(), &[0]]);
            to.hashed(11, "EV_IPL", role, &format!("{name}, its content"), &[content]);
        }
        Ok(())
    }

    /// The command line of the image, where all versions of the stub hand it on alike: printable, without white space
    /// at its ends.
    ///
    /// # Errors
    /// [`PredictError`] for a section that is repeated or not in the file.
    pub(super) fn command_line(&self) -> Result<Option<&'a str>, PredictError> {
        let Some(bytes) = self.image.section(".cmdline")? else { return Ok(None) };
        let text = std::str::from_utf8(bytes.strip_suffix(&[0]).unwrap_or(bytes)).ok();
        Ok(text
            .filter(|text| !text.is_empty() && text.trim() == *text && !text.chars().any(char::is_control)))
    }

    /// The initrd that the kernel gets, where it is the section alone.
    ///
    /// # Errors
    /// [`PredictError`] for a section that is repeated or not in the file.
    pub(super) fn initrd(&self) -> Result<Option<&'a [u8]>, PredictError> {
        for name in [".pcrsig", ".pcrpkey", ".ucode"] {
            if self.image.section(name)?.is_some() {
                return Ok(None);
            }
        }
        if self.version >= EXTENDS_INITRD {
            return Ok(None);
        }
        Ok(self.image.section(".initrd")?)
    }
}

/// `#### LoaderInfo: systemd-stub 252.39-1 ####`
fn stub_version(magic: &[u8]) -> Option<u32> {
    let text = magic.get(..magic.len().min(256))?;
    let text = std::str::from_utf8(text).ok()?;
    let (_, version) = text.split_once("systemd-stub ")?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).take(6).collect();
    digits.parse().ok()
}
