//! What a pass has all the same since the policy wants it reported only: no result may say that it is as it should be.

use super::{Outcome, Reason};
use crate::pcr::PcrIndex;

/// What a note of the policy's own reaction is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reported {
    /// A rule, by the id that its refusal would have.
    Rule(&'static str),
    /// A register that the policy tolerates by name.
    Tolerated(PcrIndex),
}

impl Outcome {
    /// A note instead of a refusal: the policy wants it reported.
    pub(crate) fn report(&mut self, reason: &Reason) {
        self.report_as(reason.id, reason.to_string());
    }

    /// The same in other words.
    pub(crate) fn report_as(&mut self, id: &'static str, text: String) {
        self.reported.insert(Reported::Rule(id));
        self.notes.push(text);
    }

    /// A note instead of a refusal: the policy tolerates what differs in this register.
    pub(crate) fn tolerate(&mut self, pcr: PcrIndex, reason: &Reason) {
        self.reported.insert(Reported::Tolerated(pcr));
        self.notes.push(format!("tolerated by the policy: {reason}"));
    }
}
