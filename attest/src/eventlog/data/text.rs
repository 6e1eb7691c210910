//! Text out of foreign bytes, bounded and without control characters, so that a report can't be forged by what it shows.

use std::fmt::Write as _;

use crate::eventlog::error::EventDataError;
use crate::wire::Reader;

/// The most characters of foreign text that a description shows.
pub(super) const SHOWN: usize = 160;

/// `text` with control characters and bidirectional marks escaped, cut after [`SHOWN`] characters.
pub(crate) fn escaped(text: impl Iterator<Item = char>) -> String {
    let mut shown = String::with_capacity(SHOWN);
    for (nth, c) in text.enumerate() {
        if nth == SHOWN {
            shown.push('…');
            break;
        }
        let invisible = matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}');
        if c.is_control() || invisible {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Bytes as text where they are UTF-8, escaped where not.
pub(in crate::eventlog) fn escaped_bytes(bytes: &[u8]) -> String {
    // Four bytes make one character at most, so that no more than the shown part is looked at.
    let head = bytes.get(..SHOWN.saturating_mul(4)).unwrap_or(bytes);
    match std::str::from_utf8(head) {
        Ok(text) => escaped(text.chars()),
        Err(_) => escaped(head.iter().flat_map(|b| std::ascii::escape_default(*b)).map(char::from)),
    }
}

/// Without the NULs at the end: most firmware writes one, some none, and coreboot fills a slot of one size with them.
pub(in crate::eventlog) fn without_nuls(bytes: &[u8]) -> &[u8] {
    let len = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
    bytes.get(..len).unwrap_or_default()
}

/// The first bytes in hexadecimal.
pub(in crate::eventlog) fn hex_head(bytes: &[u8]) -> String {
    let mut shown = String::new();
    for byte in bytes.iter().take(16) {
        let _ = write!(shown, "{byte:02x}");
    }
    if bytes.len() > 16 {
        let _ = write!(shown, "… ({} bytes)", bytes.len());
    }
    shown
}

/// UTF-16LE text, borrowed: an even number of bytes, not necessarily valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Utf16<'a>(&'a [u8]);

impl<'a> Utf16<'a> {
    /// # Errors
    /// [`EventDataError::OddUtf16`] for an odd number of bytes (threat e13).
    pub(in crate::eventlog) fn new(
        bytes: &'a [u8],
        what: &'static str,
        offset: usize,
    ) -> Result<Self, EventDataError> {
        if bytes.len().is_multiple_of(2) {
            Ok(Self(bytes))
        } else {
            Err(EventDataError::OddUtf16 { offset, what, len: bytes.len() })
        }
    }

    /// Reads up to a NUL, which is consumed and is no part of the text.
    ///
    /// # Errors
    /// [`EventDataError::Unterminated`] when there is none.
    pub(super) fn read_terminated(r: &mut Reader<'a>, what: &'static str) -> Result<Self, EventDataError> {
        let offset = r.offset();
        let end = r.rest().chunks_exact(2).position(|unit| unit == [0, 0]);
        let len = end.and_then(|units| units.checked_mul(2));
        let text = r.take(len.ok_or(EventDataError::Unterminated { offset, what })?, what)?;
        r.take(2, what)?;
        Ok(Self(text))
    }

    /// The bytes, little-endian.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The code units.
    pub(super) fn units(self) -> impl Iterator<Item = u16> + use<'a> {
        self.0
            .chunks_exact(2)
            .filter_map(|pair| pair.first_chunk::<2>().map(|pair| u16::from_le_bytes(*pair)))
    }

    /// The characters up to the first NUL; what is no UTF-16 becomes U+FFFD.
    pub fn chars(&self) -> impl Iterator<Item = char> + use<'a> {
        char::decode_utf16(self.units().take_while(|unit| *unit != 0))
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// Whether the text is exactly `text`, with no NUL and nothing invalid.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        self.units().eq(text.encode_utf16())
    }

    /// Whether it is printable text and one NUL at the end: what loaders log.
    pub(in crate::eventlog) fn is_terminated_text(self) -> bool {
        let mut units = self.units();
        let text_ends = units.by_ref().find(|unit| *unit < 0x20 && *unit != 9 && *unit != 10);
        text_ends == Some(0) && units.next().is_none() && self.0.len() > 2
    }
}
