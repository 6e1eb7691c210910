//! What a verifier saw of one boot, and when (threats i18, i19).
//!
//! A device's own word on when it measured a file is worth nothing. But a quote over a fresh nonce that was judged at a time
//! covers only what was measured before: so the verifier's own record proves of a file that it was measured *before* a time,
//! and nothing ever proves that one was measured after.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::measured::ImaOptions;
use super::resume::{KeptValue, StateError};

/// Most marks that are kept of a boot.
///
/// Each quote adds one at most, and only with a verifier's fresh nonce. With 64 of them, thinned out by their age, a year of
/// quotes every five minutes leaves marks that are about a fifth of their age apart.
pub const MAX_MARKS: usize = 64;
/// Most PCRs that IMA may extend: all that there are.
const MAX_VALUES: usize = 24;
/// How far a verifier's clock may be behind the record: clocks of several verifiers, and small corrections.
const SKEW: SignedDuration = SignedDuration::from_secs(60);
/// How far the clocks of TPM and verifier may be apart on top of their rates.
const SLACK: SignedDuration = SignedDuration::from_mins(5);

/// A quote that was verified: the verifier's time, and what the TPM said of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// The verifier's time, at which the evidence is judged: what the quote covers was measured before.
    pub now: Timestamp,
    /// The TPM's clock in milliseconds, as quoted.
    pub clock_ms: u64,
    /// The quoted restart count.
    pub restart_count: u32,
}

/// That a quote covered a list so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Mark {
    /// The verifier's time: these entries were measured before it.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub at: Timestamp,
    /// Entries of the list from its beginning.
    pub entries: u64,
    /// The PCR values that they lead to, which the quote had.
    #[serde(deserialize_with = "crate::bounded::list::<MAX_VALUES, _, _>")]
    pub values: Vec<KeptValue>,
}

/// What a verifier saw of one boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Sightings {
    /// When the boot was seen first: it has run since then at least.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub since: Timestamp,
    /// When it was seen last.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub last: Timestamp,
    /// The TPM's clock in milliseconds, when it was seen last.
    pub clock_ms: u64,
    /// The TPM's restart count of this run.
    pub restart_count: u32,
    /// How far the list went at which time, both rising.
    #[serde(deserialize_with = "crate::bounded::list::<MAX_MARKS, _, _>")]
    pub marks: Vec<Mark>,
}

/// Why a record is not believed to be of the run that is judged, or its times not to be right.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Lapse {
    /// The verifier's clock is behind its own record.
    #[error(
        "this verifier's clock says {now}, and its own record is of {kept}; set the clock, or remove the record if that is wrong"
    )]
    VerifierBehind {
        /// The last time of the record.
        kept: Timestamp,
        /// The verifier's time.
        now: Timestamp,
    },
    /// A restart may have reset the PCRs under the same reset count, after which the same list begins anew.
    #[error(
        "the TPM was suspended or restarted since (restart count {kept}, now {found}), so what was seen before may be another run's"
    )]
    Restarted {
        /// The kept restart count.
        kept: u32,
        /// The quoted one.
        found: u32,
    },
    /// In a TPM only TPM2_Clear does that under the same reset count (TPM 2.0 Part 2, TPMS_CLOCK_INFO).
    #[error(
        "the TPM's clock went back from {kept} ms to {found} ms: it was cleared since, or this evidence is older than what was judged before"
    )]
    TpmBehind {
        /// The kept clock.
        kept: u64,
        /// The quoted one.
        found: u64,
    },
    /// One of the clocks was set, or stood still.
    #[error(
        "since the record the verifier's clock went on by {verifier} s and the TPM's by {tpm} s; one of them was set or stood still"
    )]
    ClocksDisagree {
        /// Seconds by the verifier's clock.
        verifier: i64,
        /// Seconds by the TPM's clock.
        tpm: i64,
    },
}

impl Sightings {
    /// Whether a record may go on with what is seen now.
    ///
    /// A TPM's clock may be off by 15 % and be adjusted by as much; from half as fast to half as fast again is taken. It does not
    /// stand still unless the TPM is suspended, which its restart count tells.
    ///
    /// # Errors
    /// [`Lapse`]: the record must not be used (threat i19).
    pub fn go_on_with(&self, sight: Sight) -> Result<(), Lapse> {
        if self.last.duration_since(sight.now) > SKEW {
            return Err(Lapse::VerifierBehind { kept: self.last, now: sight.now });
        }
        if self.restart_count != sight.restart_count {
            return Err(Lapse::Restarted { kept: self.restart_count, found: sight.restart_count });
        }
        let Some(ticked) = sight.clock_ms.checked_sub(self.clock_ms) else {
            return Err(Lapse::TpmBehind { kept: self.clock_ms, found: sight.clock_ms });
        };
        let tpm = i128::from(ticked);
        let verifier = sight.now.duration_since(self.last).as_millis();
        let slack = SLACK.as_millis();
        // In halves: whole numbers only.
        let too_fast = tpm.saturating_sub(slack).saturating_mul(2) > verifier.saturating_mul(3);
        let too_slow = tpm.saturating_add(slack).saturating_mul(2) < verifier;
        if too_fast || too_slow {
            let seconds = |ms: i128| i64::try_from(ms / 1000).unwrap_or(i64::MAX);
            return Err(Lapse::ClocksDisagree { verifier: seconds(verifier), tpm: seconds(tpm) });
        }
        Ok(())
    }

    /// The time at which an entry was covered first, as far as is known: it was measured before. Entries count from 1.
    #[must_use]
    pub fn covered(&self, entry: u64) -> Option<Timestamp> {
        let later = self.marks.partition_point(|mark| mark.entries < entry);
        self.marks.get(later).map(|mark| mark.at)
    }

    /// The same without the marks that a list can't be held against: those of another bank, or without a PCR that is replayed now.
    #[must_use]
    pub fn comparable(mut self, options: &ImaOptions) -> Self {
        self.marks.retain(|mark| mark.is_comparable(options));
        self
    }

    /// What is known after one more quote, which covers `entries` that lead to `values`. `cuts` are the times that matter: when
    /// releases were withdrawn or ended.
    #[must_use]
    pub(super) fn after(
        before: Option<&Self>,
        sight: Sight,
        entries: u64,
        values: &[KeptValue],
        cuts: &[Timestamp],
    ) -> Self {
        let Sight { now, clock_ms, restart_count } = sight;
        // A clock that is a little behind must not make a later entry look earlier than one before it.
        let last = before.map_or(now, |before| before.last.max(now));
        let mut marks = before.map(|before| before.marks.clone()).unwrap_or_default();
        // What was covered already was measured before the earlier mark: that one says more.
        if marks.last().is_none_or(|mark| mark.entries < entries) {
            // Two quotes at one time: the later list covers both.
            if marks.last().is_some_and(|mark| mark.at == last) {
                marks.pop();
            }
            marks.push(Mark { at: last, entries, values: values.to_vec() });
        }
        let since = before.map_or(now, |before| before.since);
        while marks.len() > MAX_MARKS && thin_out(&mut marks, since, last, cuts) {}
        Self { since, last, clock_ms, restart_count, marks }
    }

    /// What is known after one more quote whose list was not looked at: that the boot still runs, and nothing more of its files.
    pub(super) fn again(before: Option<&Self>, sight: Sight) -> Self {
        let Sight { now, clock_ms, restart_count } = sight;
        let (since, last) = before.map_or((now, now), |before| (before.since, before.last.max(now)));
        let marks = before.map(|before| before.marks.clone()).unwrap_or_default();
        Self { since, last, clock_ms, restart_count, marks }
    }

    /// Whether the record agrees with itself and with a list of `entries`.
    pub(super) fn check(&self, entries: u64) -> Result<(), StateError> {
        let mut before: Option<&Mark> = None;
        for (index, mark) in self.marks.iter().enumerate() {
            let rises = before.is_none_or(|before| before.at < mark.at && before.entries < mark.entries);
            if !rises || mark.at < self.since || mark.at > self.last || mark.entries > entries {
                return Err(StateError::Mark { index, at: mark.at, entries: mark.entries });
            }
            before = Some(mark);
        }
        if self.since > self.last {
            return Err(StateError::Times { since: self.since, last: self.last });
        }
        Ok(())
    }
}

impl Mark {
    fn is_comparable(&self, options: &ImaOptions) -> bool {
        let has = |pcr| self.value(options, pcr).is_some();
        has(options.pcr) && options.other_pcrs.iter().all(|pcr| has(*pcr))
    }

    /// The value that a PCR had, in the bank of `options`.
    pub(super) fn value(&self, options: &ImaOptions, pcr: crate::pcr::PcrIndex) -> Option<&KeptValue> {
        let bank = options.bank.algorithm;
        self.values.iter().find(|kept| kept.pcr == pcr && kept.value.algorithm() == bank)
    }
}

/// Takes out the mark that is missed least, and never the last one. What it covered counts as covered by the next one, so as later
/// than it was: whoever makes a verifier thin out can only make his own files look later.
///
/// A mark is missed least when those around it are near each other, in proportion to their age: what it covered was measured after
/// the one before. One that is the last before a cut is kept as long as there are others: it is what tells before from after.
fn thin_out(marks: &mut Vec<Mark>, since: Timestamp, now: Timestamp, cuts: &[Timestamp]) -> bool {
    let mut before = since;
    let mut least: Option<(usize, (bool, Option<i128>))> = None;
    for (index, pair) in marks.windows(2).enumerate() {
        let [mark, next] = pair else { continue };
        let parts = cuts.iter().any(|cut| mark.at < *cut && *cut <= next.at);
        let gap = next.at.duration_since(before).as_millis().max(1);
        let age = now.duration_since(mark.at).as_millis().max(1);
        // In millionths, as whole numbers order without surprises.
        let missed = (parts, gap.saturating_mul(1_000_000).checked_div(age));
        if least.is_none_or(|(_, least)| missed < least) {
            least = Some((index, missed));
        }
        before = mark.at;
    }
    let Some((index, _)) = least else { return false };
    marks.remove(index);
    true
}

#[cfg(test)]
mod tests;
