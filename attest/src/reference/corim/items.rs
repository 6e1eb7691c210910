//! The items of a CoRIM's CBOR, one after another: definite lengths, nothing that is not asked for is kept.
//!
//! Everything that is announced takes at least a byte, so the document's length bounds all work.

use super::error::CorimError;
use crate::cbor::{self, ARRAY, BYTES, HeadError, MAP, NEGATIVE};
pub(super) use crate::cbor::{TAG, TEXT, UNSIGNED};
use crate::wire::Reader;

/// A key that no map of the draft has.
const LARGEST_KEY: u64 = 63;

/// A position in a document, or in a document within it.
pub(super) struct Items<'a> {
    bytes: &'a [u8],
    r: Reader<'a>,
    /// Where `bytes` start in the whole document.
    base: usize,
}

/// The keys that a map had.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys(u64);

impl Keys {
    pub(super) fn has(self, key: u64) -> bool {
        key <= LARGEST_KEY && self.0 >> key & 1 == 1
    }
}

impl<'a> Items<'a> {
    pub(super) fn new(bytes: &'a [u8], base: usize) -> Self {
        Self { bytes, r: Reader::new(bytes), base }
    }

    /// Where the next item starts in the whole document.
    pub(super) fn at(&self) -> usize {
        self.base.saturating_add(self.r.offset())
    }

    pub(super) fn wrong(at: usize, expected: &'static str, found: impl ToString) -> CorimError {
        CorimError::Form { offset: at, expected, found: found.to_string() }
    }

    /// Nothing may follow.
    pub(super) fn finish(self) -> Result<(), CorimError> {
        let base = self.base;
        self.r.finish("document").map_err(|source| CorimError::Cut { base, source })
    }

    /// Offsets of the reader count within this document; those of a [`CorimError`] from the start of the whole one.
    fn told(&self, error: HeadError) -> CorimError {
        match error {
            HeadError::Short(source) => CorimError::Cut { base: self.base, source },
            HeadError::Indefinite { offset, .. } => {
                Self::wrong(self.base.saturating_add(offset), "a definite length", "an indefinite one")
            }
        }
    }

    /// The head of an item: its major type and its number.
    pub(super) fn head(&mut self) -> Result<(u8, u64), CorimError> {
        cbor::head(&mut self.r).map_err(|error| self.told(error))
    }

    /// The head of the next item, which stays where it is.
    pub(super) fn peek(&self) -> Result<(u8, u64), CorimError> {
        let rest = self.bytes.get(self.r.offset()..).unwrap_or_default();
        Items::new(rest, self.at()).head()
    }

    pub(super) fn expect(&mut self, major: u8, what: &'static str) -> Result<u64, CorimError> {
        let at = self.at();
        match self.head()? {
            (found, number) if found == major => Ok(number),
            (found, _) => Err(Self::wrong(at, what, name(found))),
        }
    }

    fn take(&mut self, len: u64, what: &'static str) -> Result<&'a [u8], CorimError> {
        cbor::take(&mut self.r, len, what).map_err(|error| self.told(error.into()))
    }

    pub(super) fn bytes(&mut self, what: &'static str) -> Result<&'a [u8], CorimError> {
        let len = self.expect(BYTES, what)?;
        self.take(len, what)
    }

    pub(super) fn text(&mut self, what: &'static str) -> Result<&'a str, CorimError> {
        let at = self.at();
        let len = self.expect(TEXT, what)?;
        std::str::from_utf8(self.take(len, what)?).map_err(|_| Self::wrong(at, what, "no UTF-8"))
    }

    pub(super) fn integer(&mut self, what: &'static str) -> Result<i64, CorimError> {
        let at = self.at();
        let wide = || Self::wrong(at, what, "a number of more than 63 bits");
        match self.head()? {
            (UNSIGNED, number) => i64::try_from(number).map_err(|_| wide()),
            (NEGATIVE, number) => i64::try_from(number).map(|number| !number).map_err(|_| wide()),
            (found, _) => Err(Self::wrong(at, what, name(found))),
        }
    }

    /// Every entry of a list that is not empty.
    pub(super) fn list(
        &mut self,
        what: &'static str,
        mut each: impl FnMut(&mut Self) -> Result<(), CorimError>,
    ) -> Result<(), CorimError> {
        let at = self.at();
        let count = self.expect(ARRAY, what)?;
        if count == 0 {
            return Err(Self::wrong(at, what, "an empty list"));
        }
        for _ in 0..count {
            each(self)?;
        }
        Ok(())
    }

    /// A list of exactly `count` entries, which the caller reads.
    pub(super) fn tuple(&mut self, count: u64, what: &'static str) -> Result<(), CorimError> {
        let at = self.at();
        match self.expect(ARRAY, what)? {
            found if found == count => Ok(()),
            found => Err(Self::wrong(at, what, format!("a list of {found}"))),
        }
    }

    /// Every entry of a map, each key once. `each` reads the value.
    pub(super) fn map(
        &mut self,
        what: &'static str,
        mut each: impl FnMut(&mut Self, u64) -> Result<(), CorimError>,
    ) -> Result<Keys, CorimError> {
        let count = self.expect(MAP, what)?;
        let mut seen = 0_u64;
        for _ in 0..count {
            let at = self.at();
            let key = match self.head()? {
                (UNSIGNED, key @ 0..=LARGEST_KEY) => key,
                (UNSIGNED, key) => return Err(CorimError::extension(what, key)),
                (NEGATIVE, key) => return Err(CorimError::extension(what, format!("-{key} - 1"))),
                (found, _) => return Err(Self::wrong(at, "a number as a key", name(found))),
            };
            if Keys(seen).has(key) {
                return Err(Self::wrong(at, "each key once", format!("key {key} of {what} twice")));
            }
            seen |= 1 << key;
            each(self, key)?;
        }
        Ok(Keys(seen))
    }

    /// Passes over one item with all that is in it, and returns its bytes.
    pub(super) fn raw(&mut self) -> Result<&'a [u8], CorimError> {
        let start = self.r.offset();
        cbor::skip(&mut self.r).map_err(|error| self.told(error))?;
        Ok(self.bytes.get(start..self.r.offset()).unwrap_or_default())
    }
}

const fn name(major: u8) -> &'static str {
    match major {
        UNSIGNED => "a number",
        NEGATIVE => "a negative number",
        BYTES => "bytes",
        TEXT => "text",
        ARRAY => "a list",
        MAP => "a map",
        TAG => "a tag",
        _ => "a simple value",
    }
}
