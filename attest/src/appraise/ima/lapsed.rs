//! Files of releases that count no more: measured before that by the verifier's own record, or after as far as is known (threat i18).

use jiff::Timestamp;

use super::refusal::shown_path;
use super::rules::RuleVerdict;
use super::{NAMED_FILES, report};
use crate::appraisal::{ImaClaims, LapsedClaim, Outcome, Reason};
use crate::appraise::facts::react;
use crate::ima::Entry;
use crate::policy::ImaRules;
use crate::reference::{Lapsed, Measured};

/// Most releases that the claims name.
const NAMED_RELEASES: usize = 32;

/// Whether a file is judged by what has become of its release, though rules of the policy say `verdict` of it.
///
/// A digest in the policy is the policy's own word on this very file. A signature is its signer's word on whatever he made, and
/// a withdrawal takes back a part of that.
pub(super) fn decides(lapsed: &Lapsed<'_>, verdict: &RuleVerdict) -> bool {
    match verdict {
        RuleVerdict::Excluded | RuleVerdict::Allowed | RuleVerdict::OtherBuffer | RuleVerdict::ForeignKey => {
            false
        }
        RuleVerdict::Signed(..) => lapsed.withdrawn,
        // Of a release that has ended nobody knows a file any more that came in later.
        RuleVerdict::Unknown | RuleVerdict::BadSignature(_) | RuleVerdict::NotChecked => {
            lapsed.withdrawn || lapsed.measured == Measured::Before
        }
    }
}

/// Files of lapsed releases so far.
#[derive(Debug, Default)]
pub(super) struct LapsedFiles {
    withdrawn_before: usize,
    withdrawn_after: usize,
    ended_before: usize,
    unnamed_releases: bool,
}

impl LapsedFiles {
    /// Counts a file of a lapsed release, and says what the policy makes of it. `seen` is when it was seen first.
    pub(super) fn judge(
        &mut self,
        rules: &ImaRules,
        lapsed: &Lapsed<'_>,
        entry: &Entry<'_>,
        seen: Option<Timestamp>,
        outcome: &mut Outcome,
    ) {
        self.claim(lapsed, outcome);
        let count = match (lapsed.withdrawn, lapsed.measured) {
            (true, Measured::Before) => &mut self.withdrawn_before,
            (true, Measured::After) => &mut self.withdrawn_after,
            (false, _) => &mut self.ended_before,
        };
        *count = count.saturating_add(1);
        if *count > NAMED_FILES {
            return;
        }
        let reason = reason(lapsed, entry, seen);
        match (lapsed.withdrawn, lapsed.measured) {
            (true, Measured::Before) => react(rules.withdrawn_before, reason, outcome),
            (true, Measured::After) => report(rules.withdrawn_after, reason, outcome),
            (false, _) => react(rules.ended_before, reason, outcome),
        }
    }

    fn claim(&mut self, lapsed: &Lapsed<'_>, outcome: &mut Outcome) {
        let claims = &mut outcome.claims.lapsed;
        let title = lapsed.reference.values().title();
        if !claims.iter().any(|claim| claim.release == title && claim.withdrawn == lapsed.withdrawn) {
            if claims.len() >= NAMED_RELEASES {
                self.unnamed_releases = true;
                return;
            }
            claims.push(LapsedClaim { booted: None, ..LapsedClaim::of(lapsed) });
        }
        let found =
            claims.iter_mut().find(|claim| claim.release == title && claim.withdrawn == lapsed.withdrawn);
        if let Some(claim) = found {
            let files = match lapsed.measured {
                Measured::Before => &mut claim.files_before,
                Measured::After => &mut claim.files_after,
            };
            *files = files.saturating_add(1);
        }
    }

    /// The counts, and what was counted without being named.
    pub(super) fn finish(&self, claims: &mut ImaClaims, notes: &mut Vec<String>) {
        claims.withdrawn_before = self.withdrawn_before;
        claims.withdrawn_after = self.withdrawn_after;
        claims.ended_before = self.ended_before;
        for (count, what) in [
            (self.withdrawn_before, "of withdrawn releases, measured before"),
            (self.withdrawn_after, "of withdrawn releases that are not proven to have been measured before"),
            (self.ended_before, "of ended releases, measured before"),
        ] {
            if let Some(more) = count.checked_sub(NAMED_FILES).filter(|more| *more > 0) {
                notes.push(format!("{more} more files {what}"));
            }
        }
        if self.unnamed_releases {
            notes.push(format!("files of more than {NAMED_RELEASES} releases that count no more"));
        }
    }
}

fn reason(lapsed: &Lapsed<'_>, entry: &Entry<'_>, seen: Option<Timestamp>) -> Reason {
    let path = shown_path(entry);
    let (title, at) = (lapsed.reference.values().title(), lapsed.at);
    let became = match lapsed.reference.withdrawn().filter(|_| lapsed.withdrawn) {
        Some(withdrawn) => format!("was withdrawn at {at} ({})", withdrawn.reason),
        None => format!("ended at {at}"),
    };
    let measured = match (lapsed.measured, seen) {
        (Measured::Before, Some(seen)) => format!("it was measured before, by a quote of {seen}"),
        (_, Some(seen)) => {
            format!("it was seen first at {seen}, so nothing proves that it was measured before")
        }
        (_, None) => "no earlier record has it, so nothing proves that it was measured before".to_owned(),
    };
    Reason {
        id: "i18",
        what: format!("{path} is of {title}, which {became}; {measured}"),
        place: format!("IMA list, entry {}", entry.number()),
        expected: String::new(),
        found: entry.file_digest().to_string(),
    }
}
