//! The final events: what the firmware measured after somebody had read its log (TCG EFI Protocol 1.00 §7,
//! EFI_TCG2_FINAL_EVENTS_TABLE). Linux appends them to the log that it shows; who reads the log before
//! ExitBootServices lacks the last events of PCR 4 and 5 without them.

use crate::eventlog::error::EventLogError;
use crate::eventlog::event::Event;
use crate::eventlog::{EventLog, header, padding_of};
use crate::wire::Reader;

/// The version of the table that there is.
const VERSION: u64 = 1;

/// The events of the table that the log does not have yet.
#[derive(Debug, Clone, Copy)]
pub struct FinalEvents<'a> {
    log: EventLog<'a>,
    records: &'a [u8],
    offset: usize,
    /// How many events of the table stand in the log already.
    repeated: u32,
    count: u32,
}

impl<'a> FinalEvents<'a> {
    /// Reads the table that belongs to `log`: version and number of events, 8 bytes each, and TCG_PCR_EVENT2 records.
    /// Zero or 0xFF bytes after them are padding.
    ///
    /// The table begins with the first event after the first reading of the log, and the log may have been read again
    /// since: events at the log's end that stand at the table's beginning, byte for byte, are the same and count once.
    ///
    /// # Errors
    /// [`EventLogError`]: an empty table, another version, a SHA-1-only log (the table's digests have no sizes then), events that are
    /// malformed or cut off, a StartupLocality.
    pub fn parse(log: &EventLog<'a>, table: &'a [u8]) -> Result<Self, EventLogError> {
        if table.is_empty() {
            return Err(EventLogError::FinalEventsEmpty);
        }
        let mut r = Reader::new(table);
        let cut = |source| EventLogError::Cut { index: log.count, source };
        let version = r.u64_le("Version").map_err(cut)?;
        if version != VERSION {
            return Err(EventLogError::FinalEventsVersion { version, expected: VERSION });
        }
        if log.header.is_none() {
            return Err(EventLogError::FinalEventsOfSha1Log);
        }
        let announced = r.u64_le("NumberOfEvents").map_err(cut)?;
        let mut events = Self { log: *log, records: r.rest(), offset: r.offset(), repeated: 0, count: 0 };
        events.walk(r, announced)?;
        events.repeated = events.overlap();
        Ok(events)
    }

    fn walk(&mut self, mut r: Reader<'a>, announced: u64) -> Result<(), EventLogError> {
        let (mut startup, mut banks) = (self.log.startup, self.log.logged_banks);
        while u64::from(self.count) < announced {
            let index = self.log.count.saturating_add(self.count);
            let event = self.log.read(&mut r, index)?;
            event.check(self.log.header, &mut banks)?;
            if !event.is_extended() && event.data.starts_with(header::AGILE) {
                return Err(EventLogError::RepeatedHeader { index, offset: event.offset });
            }
            startup.see(&event)?;
            self.count = self.count.checked_add(1).ok_or(EventLogError::TooManyEvents)?;
        }
        if startup.locality() != self.log.startup.locality() {
            let index = self.log.count;
            return Err(EventLogError::StartupLocalityLate { index, extended: index });
        }
        let left = r.rest();
        if padding_of(left) != left.len() {
            let source =
                crate::WireError::Trailing { offset: r.offset(), what: "final events", left: left.len() };
            return Err(EventLogError::Cut { index: self.log.count.saturating_add(self.count), source });
        }
        let used = self.records.len().saturating_sub(left.len());
        self.records = self.records.get(..used).unwrap_or_default();
        Ok(())
    }

    /// How many events the longest beginning of the table has that is the log's end (Knuth, Morris and Pratt, over
    /// whole records, so that a log of equal events takes linear time).
    fn overlap(&self) -> u32 {
        let table = slices(self.records, self.offset, self.all());
        let log = slices(self.log.records, self.log.records_offset, self.log.events().skip(1));
        let fallback = borders(&table);
        let mut matched = 0_usize;
        for event in log {
            matched = next_border(&table, &fallback, matched, event);
        }
        u32::try_from(matched).unwrap_or(u32::MAX)
    }

    /// All events of the table, numbered on after the log's.
    fn all(&self) -> impl Iterator<Item = Event<'a>> + use<'a> {
        let log = self.log;
        let mut r = Reader::at(self.records, self.offset);
        let mut next = log.count;
        std::iter::from_fn(move || {
            if r.is_empty() {
                return None;
            }
            let index = next;
            next = next.checked_add(1)?;
            log.read(&mut r, index).ok()
        })
    }

    /// The events that the log lacks, numbered on after the log's; offsets count from the table's beginning.
    pub fn events(&self) -> impl Iterator<Item = Event<'a>> + use<'a> {
        let repeated = self.repeated;
        self.all()
            .skip(usize::try_from(repeated).unwrap_or(usize::MAX))
            .map(move |event| Event { index: event.index.saturating_sub(repeated), ..event })
    }

    /// How many events of the table stand in the log already.
    #[must_use]
    pub const fn repeated(&self) -> u32 {
        self.repeated
    }

    /// How many events the table adds to the log.
    #[must_use]
    pub const fn added(&self) -> u32 {
        self.count.saturating_sub(self.repeated)
    }
}

/// The bytes of each event, of which `records` has nothing else.
fn slices<'a>(records: &'a [u8], offset: usize, events: impl Iterator<Item = Event<'a>>) -> Vec<&'a [u8]> {
    let starts: Vec<_> = events.map(|event| event.offset.saturating_sub(offset)).collect();
    let ends = starts.iter().skip(1).copied().chain([records.len()]);
    starts.iter().zip(ends).map(|(start, end)| records.get(*start..end).unwrap_or_default()).collect()
}

/// For each beginning of `pattern`, the length of its longest proper beginning that is also its end.
fn borders(pattern: &[&[u8]]) -> Vec<usize> {
    let mut borders: Vec<usize> = Vec::with_capacity(pattern.len());
    for (at, event) in pattern.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|last| borders.get(last)).copied().unwrap_or(0);
        let length = if at == 0 { 0 } else { next_border(pattern, &borders, before, event) };
        borders.push(length);
    }
    borders
}

/// The matched length after one more event.
fn next_border(pattern: &[&[u8]], borders: &[usize], mut matched: usize, event: &[u8]) -> usize {
    loop {
        if pattern.get(matched) == Some(&event) {
            return matched.saturating_add(1);
        }
        let Some(shorter) = matched.checked_sub(1).and_then(|last| borders.get(last)) else { return 0 };
        matched = *shorter;
    }
}
