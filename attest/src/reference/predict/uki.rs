//! A unified kernel image: the sections that systemd-stub takes and measures into PCR 11.
//!
//! Order and choice of the sections are those of systemd-measure(1) and systemd-stub(7); each is measured as its name with
//! a NUL, then its content. Versions differ in the sections that they know, so that the stub's own version is asked.

use super::pe::PeImage;
use super::{PredictError, Predicted};
use crate::eventlog::Role;

/// Measured sections in their order, and the first version of systemd-stub that measures each. `.dtbauto` and `.efifw`
/// would follow: the stub chooses among them by the machine.
const SECTIONS: [(&str, u32); 12] = [
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
    (".profile", PROFILES),
    (".hwids", 257),
];

/// Sections that the stub measures where they fit the machine, with the first version that does.
const CHOSEN: [(&str, u32); 2] = [(".dtbauto", 257), (".efifw", 258)];

/// The first version that measures into PCR 11.
const FIRST: u32 = 252;

/// The first version that knows profiles.
const PROFILES: u32 = 257;

/// A unified kernel image, seen through one of its profiles.
#[derive(Debug, Clone)]
pub struct Uki<'a> {
    image: PeImage<'a>,
    version: u32,
    /// Sections before this place are shared by all profiles.
    shared: usize,
    /// The places of the profile's own sections: start and end.
    own: (usize, usize),
}

impl<'a> Uki<'a> {
    /// Finds stub, kernel and profile in an image. Profile 0 is the one that starts where none is named; an image without
    /// profiles has no other.
    ///
    /// # Errors
    /// [`PredictError`]: no PE image, no systemd-stub, a version before 252, no such profile, no kernel.
    pub fn parse(bytes: &'a [u8], profile: u32) -> Result<Self, PredictError> {
        let image = PeImage::parse(bytes)?;
        let magic = image.first_section(.., ".sdmagic")?.ok_or(PredictError::NoStub)?;
        let version = component_version(magic, "systemd-stub ").ok_or(PredictError::NoStub)?;
        if version < FIRST {
            return Err(PredictError::StubVersion { version, first: FIRST });
        }
        let starts = if version < PROFILES { Vec::new() } else { image.places(".profile") };
        let number = usize::try_from(profile).unwrap_or(usize::MAX);
        let own = match (starts.get(number), starts.get(number.saturating_add(1))) {
            (Some(start), end) => (*start, end.copied().unwrap_or(usize::MAX)),
            (None, _) if profile == 0 => (0, 0),
            (None, _) => return Err(PredictError::NoProfile { profile, profiles: starts.len().max(1) }),
        };
        let uki = Self { image, version, shared: starts.first().copied().unwrap_or(usize::MAX), own };
        if uki.section(".linux")?.is_none() {
            return Err(PredictError::NoKernel);
        }
        Ok(uki)
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

    /// A section as the stub takes it: the profile's own goes before the shared one, and an empty one is none.
    ///
    /// # Errors
    /// [`PredictError`] for a section that is not in the file, and before version 257 for two of one name.
    pub(super) fn section(&self, name: &str) -> Result<Option<&'a [u8]>, PredictError> {
        let found = if self.version < PROFILES {
            self.image.section(name)?
        } else {
            match self.image.first_section(self.own.0..self.own.1, name)? {
                Some(own) => Some(own),
                None => self.image.first_section(..self.shared, name)?,
            }
        };
        Ok(found.filter(|content| !content.is_empty()))
    }

    /// The section, if the image has it, by which the stub's measurements of PCR 11 depend on the machine.
    pub(super) fn chosen_by_machine(&self) -> Option<&'static str> {
        let has = |name| !self.image.places(name).is_empty();
        CHOSEN.into_iter().find(|(name, since)| self.version >= *since && has(name)).map(|(name, _)| name)
    }

    /// The events of PCR 11.
    ///
    /// # Errors
    /// As [`section`](Self::section).
    pub(super) fn sections(&self, to: &mut Predicted) -> Result<(), PredictError> {
        for (name, _) in SECTIONS.into_iter().filter(|(_, since)| self.version >= *since) {
            let Some(content) = self.section(name)? else { continue };
            let role = Role::of_section(name);
            to.hashed(11, "EV_IPL", role, &format!("{name}, its name"), &[name.as_bytes(), &[0]]);
            to.hashed(11, "EV_IPL", role, &format!("{name}, its content"), &[content]);
        }
        Ok(())
    }
}

/// The version in `#### LoaderInfo: systemd-stub 252.39-1 ####`, for a component with a space behind its name.
pub(super) fn component_version(magic: &[u8], component: &str) -> Option<u32> {
    let text = magic.get(..magic.len().min(256))?;
    let text = std::str::from_utf8(text).ok()?;
    let (_, version) = text.split_once(component)?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).take(6).collect();
    digits.parse().ok()
}
