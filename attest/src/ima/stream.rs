//! A list that arrives in pieces: memory depends on the longest entry, not on the list's length.

use super::entry::Entry;
use super::error::{EntryError, ImaError};
use super::list::ByteOrder;
use super::replay::{Bank, Registers};
use super::template::{LEGACY, LEGACY_DIGEST};
use crate::digest::HashAlgorithm;
use crate::pcr::ReplayedPcrs;
use crate::wire::{Reader, WireError};

/// Longest entry that is read from a stream, in bytes. The kernel's longest ones hold a measured buffer: a key, a command
/// line, a few kilobytes of an appended signature.
pub const MAX_ENTRY: usize = 4 * 1024 * 1024;

/// Cuts a binary list into its entries while it arrives.
///
/// ```
/// # fn f(pieces: &[&[u8]]) -> Result<(), attest::ima::ImaError> {
/// use attest::ima::EntryStream;
/// let mut stream = EntryStream::new(attest::HashAlgorithm::Sha1);
/// for piece in pieces {
///     stream.push(piece, |entry| {
///         println!("{}", entry.path().escape_ascii());
///         Ok(())
///     })?;
/// }
/// stream.finish()?;
/// # Ok(())
/// # }
/// # f(&[]).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct EntryStream {
    digest: HashAlgorithm,
    order: Option<ByteOrder>,
    /// The beginning of an entry whose end has not arrived.
    pending: Vec<u8>,
    offset: usize,
    entries: usize,
}

impl EntryStream {
    /// A stream of a list whose template digests are of the hash `digest`; see [`ImaList::of_bank`](super::ImaList::of_bank).
    #[must_use]
    pub const fn new(digest: HashAlgorithm) -> Self {
        Self { digest, order: None, pending: Vec::new(), offset: 0, entries: 0 }
    }

    /// Takes the next bytes of the list and calls `each` for every entry that they complete.
    ///
    /// # Errors
    /// [`ImaError::Entry`] for a malformed entry (threat i08), or what `each` returns. The stream is of no use then.
    pub fn push<F>(&mut self, bytes: &[u8], mut each: F) -> Result<(), ImaError>
    where
        F: FnMut(&Entry<'_>) -> Result<(), ImaError>,
    {
        let Some(mut rest) = self.fill_pending(bytes)? else { return Ok(()) };
        if !self.pending.is_empty() {
            let mut pending = std::mem::take(&mut self.pending);
            self.parse(&pending, &mut each)?;
            pending.clear();
            self.pending = pending;
        }
        while let Some(len) = self.length_of(rest)? {
            let Some((entry, after)) = rest.split_at_checked(len) else { break };
            self.parse(entry, &mut each)?;
            rest = after;
        }
        self.pending.extend_from_slice(rest);
        Ok(())
    }

    /// Ends the list and returns how many entries it had.
    ///
    /// # Errors
    /// [`ImaError::Entry`] when it ends within an entry.
    pub fn finish(mut self) -> Result<usize, ImaError> {
        let entries = self.entries;
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            // Too short by what it was cut by, so this is an error; an entry that nobody was shown is none either.
            self.parse(&pending, &mut |_| Ok(()))?;
            let error = WireError::Short { offset: self.offset, what: "entry", needed: 1, left: 0 };
            return Err(self.refused(error.into()));
        }
        Ok(entries)
    }

    /// Entries so far.
    #[must_use]
    pub const fn entries(&self) -> usize {
        self.entries
    }

    /// The byte after the last of them.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Completes the entry that is waiting for its end and returns what follows it; `None` when its end is not here either.
    fn fill_pending<'a>(&mut self, mut bytes: &'a [u8]) -> Result<Option<&'a [u8]>, ImaError> {
        while !self.pending.is_empty() {
            // Without its lengths, one byte more may bring them.
            let len = self.length_of(&self.pending)?.unwrap_or(self.pending.len().saturating_add(1));
            let missing = len.saturating_sub(self.pending.len());
            if missing == 0 {
                break;
            }
            let (head, tail) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
            if head.is_empty() {
                return Ok(None);
            }
            self.pending.extend_from_slice(head);
            bytes = tail;
        }
        Ok(Some(bytes))
    }

    /// The length of the entry at the start of `bytes`; `None` while its lengths have not all arrived.
    fn length_of(&self, bytes: &[u8]) -> Result<Option<usize>, ImaError> {
        let order = self.order.unwrap_or_else(|| ByteOrder::detect(bytes, self.digest));
        match frame(bytes, self.digest, order) {
            Some(found) if found > MAX_ENTRY => Err(ImaError::Entry {
                entry: self.entries.saturating_add(1),
                offset: self.offset,
                error: EntryError::TooLong { found, most: MAX_ENTRY },
            }),
            len => Ok(len),
        }
    }

    fn parse<F>(&mut self, bytes: &[u8], each: &mut F) -> Result<(), ImaError>
    where
        F: FnMut(&Entry<'_>) -> Result<(), ImaError>,
    {
        let order = *self.order.get_or_insert_with(|| ByteOrder::detect(bytes, self.digest));
        let mut reader = Reader::at(bytes, self.offset);
        let number = self.entries.saturating_add(1);
        let entry = Entry::parse(&mut reader, self.digest, order, number);
        let entry = entry.map_err(|error| self.refused(error))?;
        self.entries = number;
        self.offset = reader.offset();
        each(&entry)
    }

    fn refused(&self, error: EntryError) -> ImaError {
        ImaError::Entry { entry: self.entries.saturating_add(1), offset: self.offset, error }
    }
}

/// How long an entry says that it is.
fn frame(bytes: &[u8], digest: HashAlgorithm, order: ByteOrder) -> Option<usize> {
    let mut reader = Reader::new(bytes);
    let mut length = |skip: usize| {
        reader.take(skip, "").ok()?;
        usize::try_from(order.u32(&mut reader, "").ok()?).ok()
    };
    let name = length(digest.len().saturating_add(4))?;
    if name > MAX_ENTRY {
        return Some(name);
    }
    let start = digest.len().saturating_add(8);
    let legacy = bytes.get(start..start.saturating_add(name))? == LEGACY.as_bytes();
    let before = if legacy { name.saturating_add(LEGACY_DIGEST) } else { name };
    let data = length(before)?;
    Some(start.saturating_add(before).saturating_add(4).saturating_add(data))
}

/// Replays a list that arrives in pieces.
#[derive(Debug, Clone)]
pub struct Replayer {
    stream: EntryStream,
    registers: Registers,
    violations: usize,
}

impl Replayer {
    /// Replays a list with template digests of the hash `digest` into `banks`.
    #[must_use]
    pub fn new(digest: HashAlgorithm, banks: &[Bank]) -> Self {
        Self { stream: EntryStream::new(digest), registers: Registers::new(banks), violations: 0 }
    }

    /// Takes the next bytes of the list.
    ///
    /// # Errors
    /// [`ImaError::Entry`] when an entry is malformed or its template hash does not hold (threats i01, i08).
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), ImaError> {
        let Self { stream, registers, violations } = self;
        stream.push(bytes, |entry| {
            *violations = violations.saturating_add(usize::from(entry.is_violation()));
            registers.extend(entry)
        })
    }

    /// Ends the list: the values that its PCRs have if every entry of it was extended and nothing else.
    ///
    /// # Errors
    /// [`ImaError::Entry`] when it ends within an entry.
    pub fn finish(self) -> Result<Replayed, ImaError> {
        let entries = self.stream.finish()?;
        Ok(Replayed { pcrs: self.registers.into_pcrs(), entries, violations: self.violations })
    }
}

/// What a list leads to. Nothing of it is believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The PCR values.
    pub pcrs: ReplayedPcrs,
    /// How many entries there were.
    pub entries: usize,
    /// How many of them are violations (threat i05).
    pub violations: usize,
}
