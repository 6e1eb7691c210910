//! From a refusal to the rule that would allow it, for a person to judge. Nothing here changes a policy.

mod by_hand;
mod changes;

use jiff::Timestamp;

use super::Appraiser;
use crate::appraisal::{Reason, Verdict};
use crate::challenge::Challenge;
use crate::pcr::PcrIndex;
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

impl Appraiser<'_> {
    /// Ways to allow recorded evidence that this policy refuses; empty when it does not. `challenge` makes the challenge that the
    /// evidence answered, once for each try.
    #[must_use]
    pub fn suggest(
        &self,
        evidence: &[u8],
        challenge: &dyn Fn() -> Challenge,
        at: Timestamp,
    ) -> Vec<Suggestion> {
        let refusal = self.rehearse(evidence, challenge(), at);
        let mut suggestions: Vec<Suggestion> = Vec::new();
        for reason in refusal.reasons() {
            for mut suggestion in self.answers(reason, evidence, challenge, at) {
                suggestion.reason = reason.to_string();
                let known = |other: &Suggestion| {
                    other.id == suggestion.id && other.change == suggestion.change && other.change.is_some()
                };
                if !suggestions.iter().any(known) {
                    suggestions.push(suggestion);
                }
            }
        }
        suggestions
    }

    fn answers(
        &self,
        reason: &Reason,
        evidence: &[u8],
        challenge: &dyn Fn() -> Challenge,
        at: Timestamp,
    ) -> Vec<Suggestion> {
        let mut answers: Vec<_> = by_hand(reason).into_iter().collect();
        for Change { line, weakens, policy } in changes(self.policy, reason) {
            let tried = Appraiser { policy: &policy, ..*self }.rehearse(evidence, challenge(), at);
            // What leaves the reason standing is no answer to it.
            if tried.reasons().contains(reason) {
                continue;
            }
            answers.push(Suggestion {
                id: reason.id,
                reason: String::new(),
                change: Some(line),
                weakens,
                verdict: Some(tried.verdict()),
            });
        }
        answers
    }
}

/// The PCR that a reason names as its place: `PCR 9 (sha256)`.
fn named_pcr(reason: &Reason) -> Option<PcrIndex> {
    let index = reason.place.strip_prefix("PCR ")?.split(' ').next()?;
    PcrIndex::new(index.parse().ok()?)
}

#[cfg(test)]
mod tests;
