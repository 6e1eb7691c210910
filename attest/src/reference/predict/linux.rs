//! What Linux's EFI stub measures into PCR 9 before it leaves the firmware: its load options, then its initrd.
//!
//! drivers/firmware/efi/libstub: the load options are hashed as UTF-16 with the NUL at their end, the initrd as it was
//! handed over through LINUX_EFI_INITRD_MEDIA_GUID.

use super::Predicted;
use crate::eventlog::Role;

/// The load options' event.
pub(super) fn load_options(text: &str, to: &mut Predicted) {
    to.hashed(9, "EV_EVENT_TAG", Role::CommandLine, "LOADED_IMAGE::LoadOptions", &[&utf16(text)]);
}

/// The initrd's event.
pub(super) fn initrd(bytes: &[u8], to: &mut Predicted) {
    to.hashed(9, "EV_EVENT_TAG", Role::Initrd, "Linux initrd", &[bytes]);
}

/// UTF-16LE with a NUL.
pub(super) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain(std::iter::once(0)).flat_map(u16::to_le_bytes).collect()
}
