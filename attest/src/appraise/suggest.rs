//! From a refusal to the rule that would allow it, for a person to judge. Nothing here changes a policy.

mod by_hand;
mod changes;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Appraiser;
use crate::appraisal::{Reason, Verdict};
use crate::challenge::Challenge;
use crate::pcr::PcrIndex;
use crate::policy::Policy;
use by_hand::by_hand;
use changes::{Change, changes};

/// One way to allow what was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// Id of the reasons that it is about.
    pub id: &'static str,
    /// What they say; one reason stands for all that one change would answer.
    pub reason: String,
    /// The line of the policy or the command that would allow it; `None` where nothing should.
    pub change: Option<String>,
    /// What would be judged less, or what to do instead.
    pub weakens: String,
    /// The verdict with this change alone; `None` where that can't be tried without a new file.
    pub verdict: Option<Verdict>,
}

/// Most reasons that are looked at.
const MAX_REASONS: usize = 128;
/// Most changes that are tried: more than a policy has fields that answer a boot. Each is a whole judgement, and the device has
/// a say in how many reasons there are (threat v03).
const MAX_TRIES: usize = 64;

impl Appraiser<'_> {
    /// Ways to allow recorded evidence that this policy refuses; empty when it does not. `challenge` makes the challenge that the
    /// evidence answered, once for each try.
    ///
    /// A change is tried once, however many reasons it may answer; at most 128 reasons are looked at and 64 changes tried.
    #[must_use]
    pub fn suggest(
        &self,
        evidence: &[u8],
        challenge: &dyn Fn() -> Challenge,
        at: Timestamp,
    ) -> Vec<Suggestion> {
        let refusal = self.rehearse(evidence, challenge(), at);
        let judge = |policy: &Policy| {
            let rehearsal = Appraiser { policy, ..*self }.rehearse(evidence, challenge(), at);
            (rehearsal.verdict(), rehearsal.reasons().to_vec())
        };
        suggestions(self.policy, refusal.reasons(), &judge)
    }
}

/// What became of a change that was tried.
struct Tried {
    verdict: Verdict,
    /// Which of the reasons it leaves standing, by their places among them.
    standing: BTreeSet<usize>,
}

fn suggestions(
    policy: &Policy,
    reasons: &[Reason],
    judge: &dyn Fn(&Policy) -> (Verdict, Vec<Reason>),
) -> Vec<Suggestion> {
    let mut suggestions: Vec<Suggestion> = Vec::new();
    let mut tried: BTreeMap<String, Tried> = BTreeMap::new();
    let mut untried = BTreeSet::new();
    let mut suggest = |reason: &Reason, mut suggestion: Suggestion| {
        let known = |other: &Suggestion| {
            other.id == suggestion.id && other.change == suggestion.change && other.change.is_some()
        };
        if !suggestions.iter().any(known) {
            suggestion.reason = reason.to_string();
            suggestions.push(suggestion);
        }
    };
    for (place, reason) in reasons.iter().enumerate().take(MAX_REASONS) {
        by_hand(reason).into_iter().for_each(|suggestion| suggest(reason, suggestion));
        for Change { line, weakens, policy } in changes(policy, reason) {
            if !tried.contains_key(&line) && tried.len() >= MAX_TRIES {
                untried.insert(line);
                continue;
            }
            // A change is its line: the same line on the same policy is the same try.
            let Tried { verdict, standing } = tried.entry(line.clone()).or_insert_with(|| {
                let (verdict, left) = judge(&policy);
                let stands = |(_, reason): &(usize, &Reason)| left.contains(reason);
                let looked_at = reasons.iter().enumerate().take(MAX_REASONS);
                let standing = looked_at.filter(stands).map(|(place, _)| place).collect();
                Tried { verdict, standing }
            });
            // What leaves the reason standing is no answer to it.
            if !standing.contains(&place) {
                let (change, verdict) = (Some(line), Some(*verdict));
                suggest(
                    reason,
                    Suggestion { id: reason.id, reason: String::new(), change, weakens, verdict },
                );
            }
        }
    }
    suggestions.extend(not_looked_at(reasons.len().saturating_sub(MAX_REASONS), untried.len()));
    suggestions
}

/// What was left out, so that nobody takes the suggestions for all that there are.
fn not_looked_at(reasons: usize, changes: usize) -> Option<Suggestion> {
    let left = match (reasons, changes) {
        (0, 0) => return None,
        (reasons, 0) => format!("{reasons} more reasons were not looked at"),
        (0, changes) => format!("{changes} more changes were not tried"),
        (reasons, changes) => {
            format!("{reasons} more reasons were not looked at, and {changes} more changes not tried")
        }
    };
    Some(Suggestion {
        id: "v03",
        reason: left,
        change: None,
        weakens: "no rule: answer the reasons above first, then ask again".to_owned(),
        verdict: None,
    })
}

/// The PCR that a reason names as its place: `PCR 9 (sha256)`.
fn named_pcr(reason: &Reason) -> Option<PcrIndex> {
    let index = reason.place.strip_prefix("PCR ")?.split(' ').next()?;
    PcrIndex::new(index.parse().ok()?)
}

#[cfg(test)]
mod tests;
