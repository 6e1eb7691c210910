//! EV_ACTION and EV_EFI_ACTION: what the firmware did, as text (PFP 1.06 §10.4.3, §10.4.4).

use super::text::without_nuls;
use crate::digest::Digest;
use crate::eventlog::binding::{Binding, Hint, Portion, first_match};
use crate::eventlog::error::EventDataError;

/// Longer than every text of the profile. The bound matters: a digest that some other type made must not find, as an
/// action's text, the bytes that it hashes (an image renamed to an action would vanish from the list of images).
const MAX: usize = 256;

/// The firmware is about to hand over.
pub(in crate::eventlog) const EXIT_INVOKED: &str = "Exit Boot Services Invocation";
/// It did.
pub(in crate::eventlog) const EXIT_SUCCEEDED: &str = "Exit Boot Services Returned with Success";
/// It did not.
pub(in crate::eventlog) const EXIT_FAILED: &str = "Exit Boot Services Returned with Failure";

/// The text without the NULs at its end.
pub(super) fn text(data: &[u8]) -> Result<&str, EventDataError> {
    let text = without_nuls(data);
    let short = data.len() <= MAX.saturating_add(1) && text.len() <= MAX;
    let printable = !text.is_empty() && short && text.iter().all(|b| (0x20..0x7F).contains(b));
    std::str::from_utf8(text)
        .ok()
        .filter(|_| printable)
        .ok_or(EventDataError::NotText { len: data.len(), max: MAX })
}

/// The digest is of the text; firmware that logs a NUL hashes it or not.
pub(in crate::eventlog) fn binding(data: &[u8], digest: &Digest) -> Binding {
    match text(data) {
        Err(_) => Binding::Hint(Hint::Malformed),
        Ok(text) => {
            first_match(digest, [(Portion::Whole, [data, &[]]), (Portion::Text, [text.as_bytes(), &[]])])
        }
    }
}
