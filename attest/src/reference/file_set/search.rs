//! Look-ups in a set's bytes: no allocation, and no more than a record's bytes are read at each step.

use std::cmp::Ordering;

use super::{FileKey, FileSet, NUMBER_LEN, Section, size};

impl<B: AsRef<[u8]>> FileSet<B> {
    /// Whether the set has `key` under the very path (threats i12, i14).
    #[must_use]
    pub fn contains(&self, path: &[u8], key: &FileKey<'_>) -> bool {
        self.paths_of(key).any(|known| known == path)
    }

    /// The paths that have `key`, whatever they are.
    pub fn paths_of<'s>(&'s self, key: &FileKey<'s>) -> impl Iterator<Item = &'s [u8]> + use<'s, B> {
        let digest = key.digest;
        let section = self.section(key);
        let mut index = section.map_or(0, |section| self.first_of(section, digest));
        std::iter::from_fn(move || {
            let (found, path) = self.record(section?, index)?;
            index = index.saturating_add(1);
            if found == digest { self.path(path) } else { None }
        })
    }

    /// What the set has for a path: for reports, since all records are looked at.
    pub fn keys_of<'s>(&'s self, path: &[u8]) -> impl Iterator<Item = FileKey<'s>> + use<'s, B> {
        let wanted = self.number_of(path);
        self.sections.iter().flat_map(move |section| {
            (0..section.records).filter_map(move |index| {
                let (digest, path) = self.record(section, index)?;
                let algorithm = std::str::from_utf8(section.algorithm()).ok()?;
                (Some(path) == wanted).then_some(FileKey { kind: section.kind, algorithm, digest })
            })
        })
    }

    /// Whether the set has the path at all.
    #[must_use]
    pub fn has_path(&self, path: &[u8]) -> bool {
        self.number_of(path).is_some()
    }

    fn section(&self, key: &FileKey<'_>) -> Option<&Section> {
        self.sections.iter().find(|section| {
            section.kind == key.kind
                && section.digest_len == key.digest.len()
                && section.algorithm() == key.algorithm.as_bytes()
        })
    }

    /// Number of the first record that is not before `digest`.
    ///
    /// Digests are spread evenly, so that the first bytes tell about where one stands. From there the search takes
    /// steps that double, which ends as fast as halving even if somebody made the digests uneven.
    fn first_of(&self, section: &Section, digest: &[u8]) -> usize {
        let before = |index: usize| {
            self.record(section, index).is_some_and(|(found, _)| found.cmp(digest) == Ordering::Less)
        };
        let guess = about(digest, section.records);
        let (mut low, mut high, mut step) = (0, section.records, 8_usize);
        if before(guess) {
            // The record is after `guess`.
            low = guess.saturating_add(1);
            while let Some(next) = low.checked_add(step).filter(|next| *next < high) {
                if !before(next) {
                    high = next;
                    break;
                }
                low = next.saturating_add(1);
                step = step.saturating_mul(2);
            }
        } else {
            high = guess;
            while let Some(next) = high.checked_sub(step) {
                if before(next) {
                    low = next.saturating_add(1);
                    break;
                }
                high = next;
                step = step.saturating_mul(2);
            }
        }
        while low < high {
            let middle = low.midpoint(high);
            if before(middle) { low = middle.saturating_add(1) } else { high = middle }
        }
        low
    }

    fn number_of(&self, path: &[u8]) -> Option<u32> {
        let (mut low, mut high) = (0, self.paths);
        while low < high {
            let middle = low.midpoint(high);
            match self.path(middle)?.cmp(path) {
                Ordering::Less => low = middle.saturating_add(1),
                Ordering::Equal => return Some(middle),
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// Digest and path number of a record.
    pub(super) fn record(&self, section: &Section, index: usize) -> Option<(&[u8], u32)> {
        if index >= section.records {
            return None;
        }
        let at = index.checked_mul(section.width())?.checked_add(section.at)?;
        let record = self.as_bytes().get(at..at.checked_add(section.width())?)?;
        let (digest, number) = record.split_at_checked(section.digest_len)?;
        Some((digest, u32::from_le_bytes(number.try_into().ok()?)))
    }

    pub(super) fn path(&self, number: u32) -> Option<&[u8]> {
        if number >= self.paths {
            return None;
        }
        let at = size(number).checked_mul(NUMBER_LEN)?.checked_add(self.starts_at)?;
        let (start, rest) = self.as_bytes().get(at..self.paths_at)?.split_first_chunk::<NUMBER_LEN>()?;
        let (end, _) = rest.split_first_chunk::<NUMBER_LEN>()?;
        let start = self.paths_at.checked_add(size(u32::from_le_bytes(*start)))?;
        let end = self.paths_at.checked_add(size(u32::from_le_bytes(*end)))?;
        let limit = self.sections.first().map_or(self.as_bytes().len(), |section| section.at);
        self.as_bytes().get(start..end.min(limit))
    }
}

/// Where in `records` evenly spread digests this one would stand.
fn about(digest: &[u8], records: usize) -> usize {
    let head = digest.first_chunk::<4>().map_or(0, |head| u64::from(u32::from_be_bytes(*head)));
    let records = u64::try_from(records).unwrap_or(0);
    // A set has at most 2^32 records.
    usize::try_from(head.saturating_mul(records) >> 32).unwrap_or(0)
}
