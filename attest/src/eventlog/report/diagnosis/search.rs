//! The bounded search: cheap changes first, each with what is left of the hashes.

use super::{Cause, MAX_HASHES};
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::data::action;
use crate::eventlog::replay::logged::Logged;
use crate::eventlog::replay::logs::BootLogs;
use crate::pcr::PcrIndex;

/// Events that firmware measures last, and that a log which is read early lacks.
const LAST: [(&str, &[u8]); 7] = [
    (action::EXIT_INVOKED, action::EXIT_INVOKED.as_bytes()),
    (action::EXIT_SUCCEEDED, action::EXIT_SUCCEEDED.as_bytes()),
    (action::EXIT_FAILED, action::EXIT_FAILED.as_bytes()),
    ("separator", &[0; 4]),
    ("separator of 0xFFFFFFFF", &[0xFF; 4]),
    ("Calling EFI Application from Boot Option", b"Calling EFI Application from Boot Option"),
    ("Returning from EFI Application from Boot Option", b"Returning from EFI Application from Boot Option"),
];
/// How many of them are tried one after another.
const MOST_MISSING: usize = 4;

/// A search for one PCR in one bank.
pub(super) struct Search<'s, 'm, 'a> {
    logs: &'s BootLogs<'a>,
    pcr: PcrIndex,
    quoted: &'s Digest,
    bank: HashAlgorithm,
    /// Events of this bank only.
    items: Vec<(&'s Logged<'m, 'a>, Digest)>,
    all: &'s [Logged<'m, 'a>],
    /// The value after 0, 1, … of the items.
    values: Vec<Digest>,
    /// What is left of this stage's hashes, and whether a stage has used up its own.
    hashes: u32,
    exhausted: bool,
}

/// Each of the five stages that hash has its share, so that a long one does not starve the others.
const SHARE: u32 = MAX_HASHES / 5;

impl<'s, 'm, 'a> Search<'s, 'm, 'a> {
    pub(super) fn new(
        logs: &'s BootLogs<'a>,
        pcr: PcrIndex,
        quoted: &'s Digest,
        all: &'s [Logged<'m, 'a>],
    ) -> Self {
        let bank = quoted.algorithm();
        let items: Vec<_> = all.iter().filter_map(|item| Some((item, item.digest(bank)?))).collect();
        let mut value = logs.start(bank, pcr);
        let mut values = vec![value];
        for (_, digest) in &items {
            value = value.extend(digest).unwrap_or(value);
            values.push(value);
        }
        Self { logs, pcr, quoted, bank, items, all, values, hashes: SHARE, exhausted: false }
    }

    /// Whether there is nothing to look for. Records after the quoted value are no fault; see
    /// [`measured_logs`](crate::eventlog::replay::measured::measured_logs).
    pub(super) fn replays(&self) -> bool {
        let firmware = self.items.iter().filter(|(item, _)| matches!(item, Logged::Event { .. })).count();
        let matched = self.values.iter().position(|value| value == self.quoted);
        matched.is_some_and(|at| at == self.items.len() || (at >= firmware && at > 0))
    }

    pub(super) const fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    pub(super) fn cause(&mut self) -> Cause {
        let found = self
            .nothing_extended()
            .or_else(|| self.log_has_more())
            .or_else(|| self.read_too_early())
            .or_else(|| self.other_locality())
            .or_else(|| self.padded_sha1())
            .or_else(|| self.digest_altered())
            .or_else(|| self.event_added())
            .or_else(|| self.events_swapped())
            .or_else(|| self.extended_twice());
        let last = || self.items.last().map(|(item, _)| item.place());
        found.unwrap_or_else(|| last().map_or(Cause::NoEvents, |last| Cause::Unknown { last }))
    }

    fn nothing_extended(&self) -> Option<Cause> {
        let untouched = *self.quoted == self.pcr.start(self.bank) && !self.items.is_empty();
        untouched.then_some(Cause::NothingExtended)
    }

    fn log_has_more(&self) -> Option<Cause> {
        let matched = self.values.iter().position(|value| value == self.quoted)?;
        let first = self.items.get(matched)?.0.place();
        Some(Cause::LogHasMore { matched: u32::try_from(matched).ok()?, first })
    }

    /// Well-known last events appended, shorter rows first.
    fn read_too_early(&mut self) -> Option<Cause> {
        if self.pcr.get() > 7 {
            return None;
        }
        let digests = LAST.map(|(name, bytes)| (name, self.bank.digest(bytes)));
        let mut rows = vec![(*self.values.last()?, Vec::new())];
        for _ in 0..MOST_MISSING {
            let mut longer = Vec::with_capacity(rows.len().saturating_mul(digests.len()));
            for (value, names) in &rows {
                for (name, digest) in &digests {
                    let value = self.extend(value, digest)?;
                    let missing: Vec<_> = names.iter().copied().chain([*name]).collect();
                    if value == *self.quoted {
                        return Some(Cause::ReadTooEarly { missing });
                    }
                    longer.push((value, missing));
                }
            }
            rows = longer;
        }
        None
    }

    fn other_locality(&mut self) -> Option<Cause> {
        if self.pcr != PcrIndex::FIRMWARE {
            return None;
        }
        let logged = self.logs.firmware().and_then(crate::eventlog::EventLog::startup_locality);
        for locality in [0, 3, 4].into_iter().filter(|locality| *locality != logged.unwrap_or(0)) {
            let mut bytes = vec![0; self.bank.len()];
            *bytes.last_mut()? = locality;
            if self.leads_to_quoted(Digest::new(self.bank, &bytes)?, 0, None) {
                return Some(Cause::OtherLocality { logged, locality });
            }
        }
        None
    }

    fn padded_sha1(&mut self) -> Option<Cause> {
        if self.bank == HashAlgorithm::Sha1 {
            return None;
        }
        let mut value = *self.values.first()?;
        let mut padded = false;
        for item in self.all {
            let sha1 = item.digest(HashAlgorithm::Sha1)?;
            let mut bytes = sha1.as_bytes().to_vec();
            bytes.resize(self.bank.len(), 0);
            value = self.extend(&value, &Digest::new(self.bank, &bytes)?)?;
            padded = true;
        }
        (padded && value == *self.quoted).then_some(Cause::PaddedSha1)
    }

    /// From the last event on: what is near the end costs least.
    fn digest_altered(&mut self) -> Option<Cause> {
        self.hashes = SHARE;
        for at in (0..self.items.len()).rev() {
            let (item, digest) = *self.items.get(at)?;
            for candidate in item.recomputed(self.bank) {
                if candidate != digest && self.leads_to_quoted(*self.values.get(at)?, at, Some(&[candidate]))
                {
                    return Some(Cause::DigestAltered { event: item.place() });
                }
            }
        }
        None
    }

    fn event_added(&mut self) -> Option<Cause> {
        self.hashes = SHARE;
        for at in (0..self.items.len()).rev() {
            if self.leads_to_quoted(*self.values.get(at)?, at, Some(&[])) {
                return Some(Cause::EventAdded { event: self.items.get(at)?.0.place() });
            }
        }
        None
    }

    fn events_swapped(&mut self) -> Option<Cause> {
        self.hashes = SHARE;
        for at in (1..self.items.len()).rev() {
            let before = at.checked_sub(1)?;
            let ((first, one), (second, two)) = (*self.items.get(before)?, *self.items.get(at)?);
            let value = *self.values.get(before)?;
            let Some(start) = self.extend(&value, &two) else { break };
            if self.leads_to_quoted(start, at, Some(&[one])) {
                return Some(Cause::EventsSwapped { first: first.place(), second: second.place() });
            }
        }
        None
    }

    fn extended_twice(&mut self) -> Option<Cause> {
        self.hashes = SHARE;
        for at in (0..self.items.len()).rev() {
            let (item, digest) = *self.items.get(at)?;
            if self.leads_to_quoted(*self.values.get(at)?, at, Some(&[digest, digest])) {
                return Some(Cause::ExtendedTwice { event: item.place() });
            }
        }
        None
    }

    /// Whether the items from `at` on lead from `value` to the quoted one; `instead` stands for the first of them.
    fn leads_to_quoted(&mut self, mut value: Digest, at: usize, instead: Option<&[Digest]>) -> bool {
        let skipped = at.saturating_add(usize::from(instead.is_some()));
        for digest in instead.unwrap_or_default() {
            let Some(next) = self.extend(&value, digest) else { return false };
            value = next;
        }
        for place in skipped..self.items.len() {
            let Some(digest) = self.items.get(place).map(|(_, digest)| *digest) else { return false };
            let Some(next) = self.extend(&value, &digest) else { return false };
            value = next;
        }
        value == *self.quoted
    }

    /// One extend, as long as there are hashes left.
    fn extend(&mut self, value: &Digest, digest: &Digest) -> Option<Digest> {
        match self.hashes.checked_sub(1) {
            Some(left) => self.hashes = left,
            None => {
                self.exhausted = true;
                return None;
            }
        }
        value.extend(digest)
    }
}
