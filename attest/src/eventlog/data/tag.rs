//! EV_EVENT_TAG: TCG_PCClientTaggedEvent (PFP 1.06 §10.4.2.1): an identifier, a size, and content.
//!
//! systemd hashes the content. Linux's EFI stub hashes the load options and the initrd, and logs only what it was.

use super::sipa::SipaEvents;
use crate::digest::Digest;
use crate::eventlog::binding::{Binding, Hint, Portion, first_match};
use crate::eventlog::error::EventDataError;
use crate::wire::Reader;

/// A tagged event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaggedEvent<'a> {
    id: u32,
    content: &'a [u8],
}

impl<'a> TaggedEvent<'a> {
    /// Linux's EFI stub: the initrd.
    pub const LINUX_INITRD: u32 = 0x8F3B_22EC;
    /// Linux's EFI stub: the load options, which carry the command line.
    pub const LINUX_LOAD_OPTIONS: u32 = 0x8F3B_22ED;

    /// systemd-boot: loader.conf.
    pub const SYSTEMD_LOADER_CONF: u32 = 0xF5BC_582A;
    /// systemd-stub: an addon's device tree.
    pub const SYSTEMD_DEVICETREE_ADDON: u32 = 0x6C46_F751;
    /// systemd-stub: an addon's initrd.
    pub const SYSTEMD_INITRD_ADDON: u32 = 0x49DF_FE0F;
    /// systemd-stub: an addon's microcode.
    pub const SYSTEMD_UCODE_ADDON: u32 = 0xDAC0_8E1A;

    /// systemd-stub: the number of the profile that was started, where it is not the first.
    pub const SYSTEMD_UKI_PROFILE: u32 = 0x13AE_D6DB;

    /// What its loader measures under the identifier; `None` for one that this crate does not know.
    #[must_use]
    pub const fn name(&self) -> Option<&'static str> {
        Some(match self.id {
            Self::LINUX_INITRD => "Linux initrd",
            Self::LINUX_LOAD_OPTIONS => "Linux load options",
            Self::SYSTEMD_LOADER_CONF => "systemd-boot loader.conf",
            Self::SYSTEMD_DEVICETREE_ADDON => "systemd-stub device tree addon",
            Self::SYSTEMD_INITRD_ADDON => "systemd-stub initrd addon",
            Self::SYSTEMD_UCODE_ADDON => "systemd-stub microcode addon",
            Self::SYSTEMD_UKI_PROFILE => "systemd-stub profile",
            _ => return None,
        })
    }

    /// Reads one tagged event that fills `data`; it is not followed into a nested one (threat e18).
    ///
    /// # Errors
    /// [`EventDataError`] for a size past the end, or bytes after the content.
    pub fn parse(data: &'a [u8]) -> Result<Self, EventDataError> {
        let mut r = Reader::new(data);
        let tag = Self::read(&mut r)?;
        r.finish("TCG_PCClientTaggedEvent")?;
        Ok(tag)
    }

    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, EventDataError> {
        Ok(Self { id: r.u32_le("taggedEventID")?, content: r.sized_u32_le("taggedEventData")? })
    }

    /// The identifier.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// The content.
    #[must_use]
    pub const fn content(&self) -> &'a [u8] {
        self.content
    }
}

/// The content, or all of it as the profile has it; Windows hashes all of it.
pub(in crate::eventlog) fn binding(data: &[u8], digest: &Digest) -> Binding {
    if SipaEvents::is_sipa(data) {
        return match SipaEvents::parse(data) {
            Err(_) => Binding::Hint(Hint::Malformed),
            Ok(_) => first_match(digest, [(Portion::Whole, [data, &[]])]),
        };
    }
    match TaggedEvent::parse(data) {
        Err(_) => Binding::Hint(Hint::Malformed),
        Ok(tag) => {
            first_match(digest, [(Portion::Whole, [data, &[]]), (Portion::TagContent, [tag.content, &[]])])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e18_a_tag_that_lies_about_its_size_is_refused() {
        let tag = [1, 0, 0, 0, 2, 0, 0, 0, 8, 9];
        assert_eq!(TaggedEvent::parse(&tag).unwrap().content(), [8, 9]);
        for lie in [0, 1, 3, u32::MAX] {
            let mut tag = tag;
            tag[4..8].copy_from_slice(&lie.to_le_bytes());
            assert!(TaggedEvent::parse(&tag).is_err(), "{lie}");
        }
    }
}
