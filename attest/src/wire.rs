//! A bounded reader over borrowed bytes: every parser of foreign data in this crate reads through it.
//!
//! It never allocates, never reads past the end, and every failure carries the byte offset at which it happened.

use thiserror::Error;

/// Bytes that end before what they announce, or carry more than they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WireError {
    /// A field reaches past the end of its container.
    #[error("at byte {offset}: {what} needs {needed} bytes, {left} are left")]
    Short {
        /// Offset of the field from the start of the outermost structure.
        offset: usize,
        /// The field's name in its specification.
        what: &'static str,
        /// Bytes that the field announces.
        needed: usize,
        /// Bytes that are there.
        left: usize,
    },
    /// Bytes remain after a structure that must fill its container.
    #[error("at byte {offset}: {left} bytes after the end of {what}")]
    Trailing {
        /// Offset of the first byte too many.
        offset: usize,
        /// The structure that ended.
        what: &'static str,
        /// How many bytes remain.
        left: usize,
    },
}

/// A cursor over `&[u8]`; offsets in errors count from the start of the outermost slice.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset: 0 }
    }

    /// A reader whose errors count from `offset`: for a structure inside another that was cut out before.
    pub(crate) fn at(bytes: &'a [u8], offset: usize) -> Self {
        Self { rest: bytes, offset }
    }

    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], WireError> {
        let Some((head, tail)) = self.rest.split_at_checked(len) else {
            return Err(WireError::Short { offset: self.offset, what, needed: len, left: self.rest.len() });
        };
        self.rest = tail;
        // `len` is at most the length of a slice that exists, so the sum of all of them is too.
        self.offset = self.offset.saturating_add(len);
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], WireError> {
        let start = self.offset;
        let short = WireError::Short { offset: start, what, needed: N, left: self.rest.len() };
        self.take(N, what)?.try_into().map_err(|_| short)
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, WireError> {
        self.array::<1>(what).map(|[b]| b)
    }

    pub(crate) fn u16_be(&mut self, what: &'static str) -> Result<u16, WireError> {
        self.array(what).map(u16::from_be_bytes)
    }

    pub(crate) fn u32_be(&mut self, what: &'static str) -> Result<u32, WireError> {
        self.array(what).map(u32::from_be_bytes)
    }

    pub(crate) fn u64_be(&mut self, what: &'static str) -> Result<u64, WireError> {
        self.array(what).map(u64::from_be_bytes)
    }

    pub(crate) fn u16_le(&mut self, what: &'static str) -> Result<u16, WireError> {
        self.array(what).map(u16::from_le_bytes)
    }

    pub(crate) fn u32_le(&mut self, what: &'static str) -> Result<u32, WireError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(crate) fn u64_le(&mut self, what: &'static str) -> Result<u64, WireError> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A TPM2B: a big-endian 16-bit size and that many bytes (TPM 2.0 Part 2 §10.4).
    pub(crate) fn tpm2b(&mut self, what: &'static str) -> Result<&'a [u8], WireError> {
        let len = self.u16_be(what)?;
        self.take(usize::from(len), what)
    }

    /// A field with a little-endian 32-bit size before it (TCG event logs, IMA lists).
    pub(crate) fn sized_u32_le(&mut self, what: &'static str) -> Result<&'a [u8], WireError> {
        let start = self.offset;
        let len = self.u32_le(what)?;
        // A size that does not even fit the address space is past the end of every slice.
        let len = usize::try_from(len).map_err(|_| WireError::Short {
            offset: start,
            what,
            needed: usize::MAX,
            left: self.rest.len(),
        })?;
        self.take(len, what)
    }

    /// Ends the structure `what`.
    ///
    /// # Errors
    /// [`WireError::Trailing`] when bytes are left.
    pub(crate) fn finish(self, what: &'static str) -> Result<(), WireError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(WireError::Trailing { offset: self.offset, what, left: self.rest.len() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_past_the_end_is_an_error_with_its_place() {
        let mut r = Reader::new(&[0, 9, 1, 2]);
        assert_eq!(
            r.tpm2b("extraData"),
            Err(WireError::Short { offset: 2, what: "extraData", needed: 9, left: 2 })
        );
    }

    #[test]
    fn a_four_gibibyte_size_allocates_nothing() {
        let mut r = Reader::new(&[0xFF, 0xFF, 0xFF, 0xFF, 0]);
        assert!(matches!(r.sized_u32_le("event"), Err(WireError::Short { left: 1, .. })));
    }

    #[test]
    fn bytes_after_the_end_are_told() {
        let mut r = Reader::at(&[1, 2], 40);
        r.u8("x").unwrap();
        assert_eq!(
            r.finish("TPMS_ATTEST"),
            Err(WireError::Trailing { offset: 41, what: "TPMS_ATTEST", left: 1 })
        );
    }
}
