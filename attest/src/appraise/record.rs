//! What the verifier's own record proves of the boot that is judged: since when it has run, and what was measured by when.

use jiff::Timestamp;

use crate::appraisal::{Outcome, Reason, RecordClaim};
use crate::ima::{Attesting, ImaState, Lapse, Seeing, Sight, Sightings};
use crate::policy::{ImaRules, Tolerance};
use crate::reference::{Lapsed, TrustedReference};

/// The sights of this boot that are believed; none where nothing is kept, or where what is kept is of another run (threat i19).
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    seen: Option<&'a Sightings>,
    sight: Sight,
}

impl<'a> Record<'a> {
    /// Holds what is kept against the quote, and says why it is not believed.
    pub(super) fn of(
        kept: Option<&'a ImaState>,
        attesting: Attesting<'_>,
        sight: Sight,
        outcome: &mut Outcome,
    ) -> Self {
        let (seen, missing) = match believed(kept, attesting, sight) {
            Ok(seen) => (Some(seen), None),
            Err(Missing::Ordinary(why)) => (None, Some(why.to_owned())),
            Err(Missing::Lapse(lapse)) => {
                tell(&lapse, sight, outcome);
                (None, Some(lapse.to_string()))
            }
        };
        outcome.claims.record = Some(RecordClaim {
            since: seen.map(|seen| seen.since),
            last: seen.map(|seen| seen.last),
            missing,
        });
        Self { seen, sight }
    }

    /// No record, and a time.
    #[cfg(test)]
    pub(super) const fn none(now: Timestamp) -> Self {
        Self { seen: None, sight: Sight { now, clock_ms: 0, restart_count: 0 } }
    }

    /// The record of a test.
    #[cfg(test)]
    pub(super) const fn seen(seen: &'a Sightings, now: Timestamp) -> Self {
        Self { seen: Some(seen), sight: Sight { now, clock_ms: 0, restart_count: 0 } }
    }

    /// The verifier's time.
    pub(super) const fn now(&self) -> Timestamp {
        self.sight.now
    }

    /// When the boot was seen first: it began before.
    pub(super) fn booted(&self) -> Option<Timestamp> {
        self.seen.map(|seen| seen.since)
    }

    /// The sights that are believed.
    pub(super) const fn sightings(&self) -> Option<&'a Sightings> {
        self.seen
    }

    /// For the state that is kept after a pass.
    pub(super) const fn seeing<'s>(
        &self,
        before: Option<&'s Sightings>,
        cuts: &'s [Timestamp],
    ) -> Seeing<'s> {
        Seeing { sight: self.sight, before, cuts }
    }

    /// The release that has to be judged anew in what was judged before: it ceased to count since, and the policy wants to know of
    /// its files. Only the device's whole list shows them, so that a list sent in parts hides none (threat i18).
    pub(super) fn lapsed_since(
        &self,
        rules: &ImaRules,
        references: &'a [TrustedReference],
    ) -> Option<(String, Timestamp)> {
        references.iter().find_map(|reference| {
            let lapsed = Lapsed::of(reference, self.now(), None)?;
            let until = reference.counts_until()?;
            let wanted = match self.seen {
                // What was judged at or after that time was judged so.
                Some(seen) if until <= seen.last => false,
                Some(_) if lapsed.withdrawn => rules.withdrawn_before != Tolerance::Allow,
                Some(_) => rules.ended_before != Tolerance::Allow,
                None => true,
            };
            wanted.then(|| (reference.values().title(), lapsed.at))
        })
    }
}

/// Why there is no record to go by.
enum Missing {
    /// As it is with a new device, or after a boot.
    Ordinary(&'static str),
    /// A record of this boot by its counters, which contradicts what is seen.
    Lapse(Lapse),
}

fn believed<'a>(
    kept: Option<&'a ImaState>,
    attesting: Attesting<'_>,
    sight: Sight,
) -> Result<&'a Sightings, Missing> {
    let kept = kept.ok_or(Missing::Ordinary("no earlier record was given"))?;
    if kept.attester != attesting.attester {
        return Err(Missing::Ordinary("the record is of another attestation key"));
    }
    let seen = kept.seen.as_ref().ok_or(Missing::Ordinary("the record has no times; it is of version 1"))?;
    match seen.go_on_with(sight) {
        // The verifier's clock is one for all boots.
        Err(lapse @ Lapse::VerifierBehind { .. }) => Err(Missing::Lapse(lapse)),
        _ if kept.reset_count != attesting.reset_count => {
            Err(Missing::Ordinary("the record is of another boot"))
        }
        Err(lapse) => Err(Missing::Lapse(lapse)),
        Ok(()) => Ok(seen),
    }
}

/// With a clock that is known to be wrong nothing can be said of times, and so of no release. Else only the record is lost.
fn tell(lapse: &Lapse, sight: Sight, outcome: &mut Outcome) {
    let reason = Reason {
        id: "i19",
        what: lapse.to_string(),
        place: "verifier's record".to_owned(),
        expected: String::new(),
        found: sight.now.to_string(),
    };
    match lapse {
        Lapse::VerifierBehind { .. } => outcome.doubts.push(reason),
        Lapse::Restarted { .. } | Lapse::TpmBehind { .. } | Lapse::ClocksDisagree { .. } => {
            outcome.notes.push(reason.to_string());
        }
    }
}
