//! What changed between two boots, in words.
//!
//! Digests say that something changed; types and data say what, as far as one believes them. A difference is for people
//! to read, and no judgement hangs on it.

mod sequence;
mod words;

#[cfg(test)]
mod tests;

use serde::Serialize;

use super::role::Role;
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::replay::logged::Logged;
use crate::eventlog::replay::logs::{BootLogs, LogSource};
use crate::pcr::PcrIndex;

/// What changed from one boot to another, in one bank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BootDiff {
    /// The changes by what they are about, in the order of PCRs and events.
    pub changes: Vec<Change>,
    /// The PCRs whose values changed.
    pub pcrs: Vec<ChangedPcr>,
    /// How many events both boots have in common.
    pub common_events: u32,
}

/// Something that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What it is about.
    pub role: Role,
    /// The PCRs that it was measured into.
    pub pcrs: Vec<PcrIndex>,
    /// What happened, in words: `command line changed: -quiet +debug`.
    pub what: Vec<String>,
    /// Its events in the first boot that the second lacks.
    pub before: Vec<ChangedEvent>,
    /// Its events in the second boot that the first lacks.
    pub after: Vec<ChangedEvent>,
}

/// An event that only one of the boots has, or has in another place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangedEvent {
    /// The PCR.
    pub pcr: PcrIndex,
    /// The log.
    pub source: LogSource,
    /// The event's number in it, from 0.
    pub event: u32,
    /// What it says; a claim.
    pub says: String,
    /// Its digest.
    pub digest: Digest,
}

/// A PCR with two values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangedPcr {
    /// The PCR.
    pub pcr: PcrIndex,
    /// Its value in the first boot.
    pub before: Digest,
    /// Its value in the second.
    pub after: Digest,
}

/// The events of one role that differ.
struct Group<'m, 'a> {
    role: Role,
    before: Vec<(PcrIndex, Logged<'m, 'a>)>,
    after: Vec<(PcrIndex, Logged<'m, 'a>)>,
}

/// What changed from `before` to `after`, by the digests of `bank`.
#[must_use]
pub fn diff(before: &BootLogs<'_>, after: &BootLogs<'_>, bank: HashAlgorithm) -> BootDiff {
    let mut groups: Vec<Group<'_, '_>> = Vec::new();
    let mut common_events = 0_u32;
    for pcr in PcrIndex::all() {
        let (old, new) = (events(before, bank, pcr), events(after, bank, pcr));
        let digests = |events: &[(Logged<'_, '_>, Digest)]| -> Vec<Digest> {
            events.iter().map(|(_, digest)| *digest).collect()
        };
        let (kept_old, kept_new) = sequence::common(&digests(&old), &digests(&new));
        let count = kept_old.iter().filter(|kept| **kept).count();
        common_events = common_events.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        for ((event, _), _) in old.into_iter().zip(kept_old).filter(|(_, kept)| !kept) {
            group(&mut groups, event.role()).before.push((pcr, event));
        }
        for ((event, _), _) in new.into_iter().zip(kept_new).filter(|(_, kept)| !kept) {
            group(&mut groups, event.role()).after.push((pcr, event));
        }
    }
    let changes = groups.iter().map(|group| group.change(bank)).collect();
    BootDiff { changes, pcrs: changed_pcrs(before, after, bank), common_events }
}

fn events<'m, 'a>(
    logs: &'m BootLogs<'a>,
    bank: HashAlgorithm,
    pcr: PcrIndex,
) -> Vec<(Logged<'m, 'a>, Digest)> {
    Logged::all(logs, pcr)
        .into_iter()
        .filter_map(|item| {
            let digest = item.digest(bank)?;
            Some((item, digest))
        })
        .collect()
}

/// The group of a role; there are at most as many as roles.
fn group<'g, 'm, 'a>(groups: &'g mut Vec<Group<'m, 'a>>, role: Role) -> &'g mut Group<'m, 'a> {
    let place = groups.iter().position(|group| group.role == role).unwrap_or_else(|| {
        groups.push(Group { role, before: Vec::new(), after: Vec::new() });
        groups.len().saturating_sub(1)
    });
    // The place was found or made above.
    #[expect(clippy::indexing_slicing, reason = "the place was found or made just above")]
    &mut groups[place]
}

fn changed_pcrs(before: &BootLogs<'_>, after: &BootLogs<'_>, bank: HashAlgorithm) -> Vec<ChangedPcr> {
    let (old, new) = (before.replay(), after.replay());
    let value = |values: &crate::ReplayedPcrs, pcr: PcrIndex| {
        values.get(bank, pcr).copied().unwrap_or_else(|| pcr.start(bank))
    };
    PcrIndex::all()
        .map(|pcr| ChangedPcr { pcr, before: value(&old, pcr), after: value(&new, pcr) })
        .filter(|changed| changed.before != changed.after)
        .collect()
}

impl Group<'_, '_> {
    fn change(&self, bank: HashAlgorithm) -> Change {
        let changed = |events: &[(PcrIndex, Logged<'_, '_>)]| -> Vec<ChangedEvent> {
            events.iter().filter_map(|(pcr, event)| ChangedEvent::of(*pcr, event, bank)).collect()
        };
        let (before, after) = (changed(&self.before), changed(&self.after));
        let mut pcrs: Vec<_> = before.iter().chain(&after).map(|event| event.pcr).collect();
        pcrs.sort_unstable();
        pcrs.dedup();
        Change { role: self.role, pcrs, what: words::of(self, &before, &after), before, after }
    }
}

impl ChangedEvent {
    fn of(pcr: PcrIndex, event: &Logged<'_, '_>, bank: HashAlgorithm) -> Option<Self> {
        let (place, digest) = (event.place(), event.digest(bank)?);
        Some(Self { pcr, source: place.source, event: place.event, says: place.says, digest })
    }
}
