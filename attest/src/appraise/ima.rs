//! The IMA list against the policy and the reference that the boot matched.

use crate::appraisal::{ImaClaims, Outcome, PcrStanding, Reason};
use crate::ima::{Entry, ImaList, ImaOptions, MeasuredFiles};
use crate::pcr::PcrIndex;
use crate::policy::{Demand, ImaRules, Policy, Reaction};
use crate::quote::VerifiedQuote;
use crate::reference::{ReferenceValues, path_text};

/// How many files a report names; the rest is counted.
const NAMED_FILES: usize = 10;

/// Judges the list, where the policy asks for one.
pub(super) fn judge(
    policy: &Policy,
    matching: &[&ReferenceValues],
    quote: &VerifiedQuote,
    list: Option<&[u8]>,
    outcome: &mut Outcome,
) {
    let Some(rules) = &policy.ima else { return };
    let Some(list) = list else {
        if let Some(reason) = unexplained_without_list(policy, quote) {
            outcome.reasons.push(reason);
        }
        if rules.list == Demand::Require {
            outcome.reasons.push(Reason {
                id: "ima-list",
                what: "the policy requires an IMA list".to_owned(),
                place: "IMA list".to_owned(),
                expected: "a list".to_owned(),
                found: "none".to_owned(),
            });
        }
        return;
    };
    let options = ImaOptions::new(policy.quote.bank);
    match ImaList::new(list).measured(quote, &options) {
        Ok(files) => judge_files(rules, matching, &files, policy, outcome),
        Err(error) => outcome.reasons.push(Reason {
            id: error.threat(),
            what: error.to_string().trim_start_matches("IMA list: ").to_owned(),
            place: "IMA list".to_owned(),
            expected: String::new(),
            found: String::new(),
        }),
    }
}

/// Leaving the list out must not hide what was measured: a judged PCR 10 that is not at its start value needs one (e15).
fn unexplained_without_list(policy: &Policy, quote: &VerifiedQuote) -> Option<Reason> {
    let bank = policy.quote.bank;
    let start = PcrIndex::IMA.start(bank);
    let quoted = quote.value(bank, PcrIndex::IMA).filter(|quoted| **quoted != start)?;
    policy.quote.pcrs.contains(&PcrIndex::IMA).then(|| Reason {
        id: "e15",
        what: "there is no IMA list to explain its value".to_owned(),
        place: format!("PCR {} ({bank})", PcrIndex::IMA),
        expected: start.to_hex(),
        found: quoted.to_hex(),
    })
}

fn judge_files(
    rules: &ImaRules,
    matching: &[&ReferenceValues],
    files: &MeasuredFiles<'_>,
    policy: &Policy,
    outcome: &mut Outcome,
) {
    let unknown: Vec<_> = files.files().filter(|entry| !is_known(entry, matching)).collect();
    outcome.claims.ima = Some(ImaClaims {
        attested: files.attested(),
        not_yet_attested: files.not_yet_attested(),
        violations: files.violations(),
        unknown_files: unknown.len(),
    });
    for claim in &mut outcome.claims.pcrs {
        // The list explains the PCR that it was found to lead to.
        if claim.pcr == PcrIndex::IMA && claim.bank == policy.quote.bank {
            claim.standing = PcrStanding::Explained;
        }
    }
    for entry in unknown.iter().take(NAMED_FILES) {
        report(rules.unknown_files, unknown_file(entry, matching), outcome);
    }
    if let Some(more) = unknown.len().checked_sub(NAMED_FILES).filter(|more| *more > 0) {
        outcome.notes.push(format!("{more} more files that no reference knows"));
    }
    if files.violations() > 0 {
        let reason = Reason {
            id: "i05",
            what: format!(
                "{} files changed while they were measured, so what was used is not known",
                files.violations()
            ),
            place: "IMA list".to_owned(),
            expected: "no violation".to_owned(),
            found: String::new(),
        };
        report(rules.violations, reason, outcome);
    }
}

/// A file is known when a matching reference has its digest, kind and algorithm under its very path (threats i12, i14).
/// Releases that share a boot are told apart by nothing but their files, so all that match the boot count together.
fn is_known(entry: &Entry<'_>, matching: &[&ReferenceValues]) -> bool {
    let path = path_text(entry.path());
    let digest = entry.file_digest().to_string();
    matching
        .iter()
        .filter_map(|reference| reference.files.get(&path))
        .any(|digests| digests.contains(&digest))
}

fn unknown_file(entry: &Entry<'_>, matching: &[&ReferenceValues]) -> Reason {
    let path = path_text(entry.path());
    let known = matching.iter().find_map(|reference| reference.files.get(&path));
    Reason {
        id: "i12",
        what: match known {
            Some(_) => format!("{path} has another content than in any reference"),
            None => format!("{path} is a file that no reference knows"),
        },
        place: format!("IMA list, entry {}", entry.number()),
        expected: known.map_or_else(String::new, |digests| digests.join(" or ")),
        found: entry.file_digest().to_string(),
    }
}

fn report(reaction: Reaction, reason: Reason, outcome: &mut Outcome) {
    match reaction {
        Reaction::Refuse => outcome.reasons.push(reason),
        Reaction::Report => outcome.notes.push(reason.to_string()),
    }
}
