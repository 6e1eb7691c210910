//! The IMA list against the policy and the reference that the boot matched.

use super::release::Releases;
use crate::appraisal::{ImaClaims, Outcome, PcrStanding, Reason};
use crate::ima::{Entry, ImaList, ImaOptions, MeasuredFiles};
use crate::pcr::PcrIndex;
use crate::policy::{Demand, ImaRules, Policy, Reaction};
use crate::quote::VerifiedQuote;
use crate::reference::{FileKey, Knowledge, path_text};

/// How many files a report names; the rest is counted.
const NAMED_FILES: usize = 10;

/// Judges the list, where the policy asks for one.
pub(super) fn judge(
    policy: &Policy,
    releases: &Releases<'_>,
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
        Ok(files) => judge_files(rules, releases, &files, policy, outcome),
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
    releases: &Releases<'_>,
    files: &MeasuredFiles<'_>,
    policy: &Policy,
    outcome: &mut Outcome,
) {
    let unknown: Vec<_> = files.files().filter(|entry| !is_known(rules, entry, releases)).collect();
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
        report(rules.unknown_files, unknown_file(rules, entry, releases), outcome);
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

/// A file is known when a release that counts has its digest, kind and algorithm under its very path (threats i12, i14).
fn is_known(rules: &ImaRules, entry: &Entry<'_>, releases: &Releases<'_>) -> bool {
    let known = releases.knowledge(rules.releases, entry.path(), &FileKey::from(&entry.file_digest()));
    known == Knowledge::Known
}

fn unknown_file(rules: &ImaRules, entry: &Entry<'_>, releases: &Releases<'_>) -> Reason {
    let path = path_text(entry.path());
    let digest = entry.file_digest();
    let known = releases.expected(rules.releases, entry.path());
    Reason {
        id: "i12",
        what: match releases.knowledge(rules.releases, entry.path(), &FileKey::from(&digest)) {
            Knowledge::Withdrawn { at } => format!("{path} is of a release that was withdrawn at {at}"),
            Knowledge::Expired { at } => format!("{path} is of a release that ended at {at}"),
            Knowledge::Known | Knowledge::Unknown if !known.is_empty() => {
                format!("{path} has another content than in any reference")
            }
            Knowledge::Known | Knowledge::Unknown => format!("{path} is a file that no reference knows"),
        },
        place: format!("IMA list, entry {}", entry.number()),
        expected: known.join(" or "),
        found: digest.to_string(),
    }
}

fn report(reaction: Reaction, reason: Reason, outcome: &mut Outcome) {
    match reaction {
        Reaction::Refuse => outcome.reasons.push(reason),
        Reaction::Report => outcome.notes.push(reason.to_string()),
    }
}
