//! The binary list: where entries begin and end.

use super::entry::Entry;
use super::error::{EntryError, ImaError};
use crate::digest::HashAlgorithm;
use crate::wire::{Reader, WireError};

/// Byte order of the numbers in a list: the kernel's own, unless `ima_canonical_fmt` makes it little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl ByteOrder {
    /// No PCR has an index above 23: in the wrong order, one does (threat i17). PCR 0 reads the same both ways, so the
    /// length of the first template's name, which follows after the digest, decides then.
    pub(super) fn detect(bytes: &[u8], digest: HashAlgorithm) -> Self {
        let first = |order: Self| {
            let mut reader = Reader::new(bytes);
            let pcr = order.u32(&mut reader, "").ok()?;
            reader.take(digest.len(), "").ok()?;
            Some((pcr, order.u32(&mut reader, "").ok()?))
        };
        match (first(Self::Little), first(Self::Big)) {
            (Some(little), Some(big)) if big < little => Self::Big,
            _ => Self::Little,
        }
    }

    pub(super) fn u32(self, reader: &mut Reader<'_>, what: &'static str) -> Result<u32, WireError> {
        match self {
            Self::Little => reader.u32_le(what),
            Self::Big => reader.u32_be(what),
        }
    }

    /// A number of at most four bytes.
    pub(super) fn number(self, bytes: &[u8]) -> Option<u32> {
        let number = |number: u32, byte: &u8| number.checked_mul(256)?.checked_add(u32::from(*byte));
        match self {
            Self::Little => bytes.iter().rev().try_fold(0, number),
            Self::Big => bytes.iter().try_fold(0, number),
        }
    }

    /// A length and as many bytes.
    pub(super) fn sized<'a>(
        self,
        reader: &mut Reader<'a>,
        what: &'static str,
    ) -> Result<&'a [u8], WireError> {
        let len = self.u32(reader, what)?;
        reader.take(usize::try_from(len).unwrap_or(usize::MAX), what)
    }
}

/// A binary measurement list as it arrived: nothing in it is believed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImaList<'a> {
    bytes: &'a [u8],
    digest: HashAlgorithm,
    order: ByteOrder,
}

impl<'a> ImaList<'a> {
    /// The contents of `binary_runtime_measurements`, which has SHA-1 template digests whatever the TPM's banks.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::of_bank(bytes, HashAlgorithm::Sha1)
    }

    /// The contents of `binary_runtime_measurements_HASH`, which newer kernels offer for each bank.
    #[must_use]
    pub fn of_bank(bytes: &'a [u8], digest: HashAlgorithm) -> Self {
        Self { bytes, digest, order: ByteOrder::detect(bytes, digest) }
    }

    /// The byte order, taken from the first entry.
    #[must_use]
    pub const fn byte_order(&self) -> ByteOrder {
        self.order
    }

    /// The hash of the template digests.
    #[must_use]
    pub const fn template_hash(&self) -> HashAlgorithm {
        self.digest
    }

    /// The list's bytes.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The entries, one at a time: memory does not grow with the list.
    ///
    /// Ends after the first error, because where the next entry starts is not known then.
    #[must_use]
    pub fn entries(&self) -> Entries<'a> {
        Entries { reader: Reader::new(self.bytes), digest: self.digest, order: self.order, read: 0 }
    }

    /// The list up to the byte `end`.
    pub(super) fn prefix(&self, end: usize) -> Self {
        Self { bytes: self.bytes.get(..end).unwrap_or_default(), ..*self }
    }
}

/// Iterator over the entries of a list.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    reader: Reader<'a>,
    digest: HashAlgorithm,
    order: ByteOrder,
    read: usize,
}

impl Entries<'_> {
    /// The byte after the entry that was read last.
    pub(super) fn offset(&self) -> usize {
        self.reader.offset()
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, ImaError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        self.read = self.read.saturating_add(1);
        let offset = self.reader.offset();
        let entry = Entry::parse(&mut self.reader, self.digest, self.order, self.read);
        Some(entry.map_err(|error: EntryError| {
            self.reader = Reader::new(&[]);
            ImaError::Entry { entry: self.read, offset, error }
        }))
    }
}
