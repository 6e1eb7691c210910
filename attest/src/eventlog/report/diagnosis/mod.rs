//! Why a PCR does not replay: how far it matched, which event can't be right, and what usually causes it.
//!
//! A diagnosis believes nothing. It tries small changes to what the logs say, and names the first after which they lead
//! to the quoted value: such a change is what happened, short of a collision of the hash. It is sought only for a PCR
//! that has failed already, with at most [`MAX_HASHES`] hashes, and changes no verdict.

mod cause;
mod search;

#[cfg(test)]
mod tests;

use serde::Serialize;

pub use cause::Cause;

use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::replay::logged::Logged;
use crate::eventlog::replay::logs::{BootLogs, LogSource};
use crate::eventlog::replay::measured::{MeasuredBoot, PcrVerdict};
use crate::pcr::PcrIndex;
use search::Search;

/// The most extends that one diagnosis computes, so that an endless log costs no more than some hundredths of a second.
pub const MAX_HASHES: u32 = 65_536;

/// An event that a diagnosis names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventPlace {
    /// The log.
    pub source: LogSource,
    /// The event's number in it, from 0; final events are numbered on after the log's.
    pub event: u32,
    /// What it says, for people: at most some 250 characters, and no more than a claim.
    pub says: String,
}

impl std::fmt::Display for EventPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { source, event, says } = self;
        write!(f, "event {event} of the {source} ({says})")
    }
}

/// What became of the search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// How many events the logs have for the PCR in this bank.
    pub events: u32,
    /// What was found.
    #[serde(flatten)]
    pub cause: Cause,
    /// The first event whose digest is not that of its data, though its type says that it should be: it was altered, or
    /// its firmware is odd.
    pub contradiction: Option<EventPlace>,
    /// The search ended at its limit, so that a cause that is sought late may have been missed.
    pub ended_early: bool,
}

impl std::fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.cause)?;
        match (&self.contradiction, &self.cause) {
            (Some(event), Cause::Unknown { .. }) => {
                write!(f, "; the digest of {event} is not that of its data")
            }
            _ => Ok(()),
        }
    }
}

/// Looks for the reason why `logs` do not lead to `quoted` in a PCR; `None` when they do.
///
/// `quoted` may come from anywhere: nothing is verified here, so nothing is proven.
#[must_use]
pub fn diagnose(logs: &BootLogs<'_>, pcr: PcrIndex, quoted: &Digest) -> Option<Diagnosis> {
    let bank = quoted.algorithm();
    let items = Logged::all(logs, pcr);
    let mut search = Search::new(logs, pcr, quoted, &items);
    if search.replays() {
        return None;
    }
    let cause = search.cause();
    let events = items.iter().filter(|item| item.digest(bank).is_some()).count();
    Some(Diagnosis {
        events: u32::try_from(events).unwrap_or(u32::MAX),
        cause,
        contradiction: items.iter().find(|item| item.contradicts(bank)).map(Logged::place),
        ended_early: search.is_exhausted(),
    })
}

impl MeasuredBoot<'_> {
    /// Looks for the reason why a PCR does not replay; `None` for one that is explained or not quoted.
    #[must_use]
    pub fn diagnose(&self, bank: HashAlgorithm, pcr: PcrIndex) -> Option<Diagnosis> {
        match self.verdict(bank, pcr)? {
            PcrVerdict::Differs { quoted, .. } | PcrVerdict::Unexplained { quoted } => {
                diagnose(self.unverified_logs(), pcr, quoted)
            }
            PcrVerdict::Matches { .. } | PcrVerdict::Untouched { .. } => None,
        }
    }

    /// The first event of a PCR whose digest `is_known` does not know, whether the PCR replays or not: where a device
    /// leaves the way of a reference.
    #[must_use]
    pub fn first_unknown(
        &self,
        bank: HashAlgorithm,
        pcr: PcrIndex,
        is_known: impl Fn(&Digest) -> bool,
    ) -> Option<EventPlace> {
        let items = Logged::all(self.unverified_logs(), pcr);
        let unknown = |item: &&Logged<'_, '_>| item.digest(bank).is_some_and(|digest| !is_known(&digest));
        items.iter().find(unknown).map(Logged::place)
    }
}
