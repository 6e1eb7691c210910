//! The IMA list against the policy and the reference that the boot matched.

mod kexec;
mod lapsed;
mod refusal;
mod rules;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

pub use rules::ImaRuleSet;

use super::record::Record;
use super::release::Releases;
use crate::appraisal::{ImaClaims, Outcome, PcrStanding, Reason};
use crate::eventlog::MeasuredBoot;
use crate::evidence::ImaStart;
use crate::ima::{
    Attesting, Bank, Entry, ImaError, ImaList, ImaOptions, ImaState, Mark, MeasuredFiles, ResumeError,
    Sightings, SignatureChecks, SignatureForm, measure_rest, measure_seen,
};
use crate::pcr::PcrIndex;
use crate::policy::{Demand, ImaRules, Policy, Reaction};
use crate::quote::VerifiedQuote;
use crate::reference::{FileKey, Knowledge, TrustedReference};
use lapsed::LapsedFiles;
use refusal::{not_checked, refused_entry, weak_file};
use rules::RuleVerdict;

/// Hashes for which nobody can make other contents with the same digest; all others are weak, 160 bits included (threat i14).
const STRONG: [&str; 14] = [
    "sha256",
    "sha384",
    "sha512",
    "sha3-256",
    "sha3-384",
    "sha3-512",
    "sha224",
    "sha3-224",
    "sm3",
    "sm3-256",
    "streebog256",
    "streebog512",
    "blake2b-512",
    "wp512",
];

/// How many files a report names; the rest is counted.
const NAMED_FILES: usize = 10;

/// Judges the list, where the policy asks for one.
pub(super) fn judge(
    policy: &Policy,
    compiled: &ImaRuleSet,
    releases: &Releases<'_>,
    quote: &VerifiedQuote,
    part: Part<'_>,
    outcome: &mut Outcome,
) {
    let (Some(rules), Some(list)) = (&policy.ima, part.list) else {
        // Of releases that were withdrawn or have ended it matters when a boot was seen, with its files or without (threat i18).
        let seeing = part.record.seeing(part.record.sightings(), &[]);
        outcome.ima_state = Some(ImaState::without_list(part.attesting, part.state, seeing));
        return refuse_without_list(policy, quote, outcome);
    };
    match measured(policy, rules, releases, quote, list, &part, outcome) {
        Ok((files, seen)) => {
            let known = Known { rules, compiled, releases, seen: seen.as_ref(), earlier: part.earlier() };
            judge_files(known, &files, policy, outcome);
            count_earlier_parts(&part, outcome);
        }
        Err(error) => outcome.reasons.push(Reason {
            id: error.threat(),
            what: error.to_string().trim_start_matches("IMA list: ").to_owned(),
            place: "IMA list".to_owned(),
            expected: String::new(),
            found: String::new(),
        }),
    }
}

/// The covered part of the list, and what was seen of it before. A bank of padded SHA-1 digests is taken where the policy says so (threat i10).
fn measured<'a>(
    policy: &Policy,
    rules: &ImaRules,
    releases: &Releases<'_>,
    quote: &VerifiedQuote,
    list: &'a [u8],
    part: &Part<'_>,
    outcome: &mut Outcome,
) -> Result<(MeasuredFiles<'a>, Option<Sightings>), ImaError> {
    if part.start.is_some()
        && let Some((release, at)) = part.record.lapsed_since(rules, releases.all())
    {
        return Err(ResumeError::Lapsed { release, at }.into());
    }
    // Before they were counted they were unknown files, which are only in a state where the policy lets them pass.
    let uncounted = part.earlier().is_some_and(|state| state.kexecs.is_none());
    if uncounted && rules.unknown_files == Reaction::Report {
        return Err(ResumeError::KexecsNotCounted.into());
    }
    let options = ImaOptions { other_pcrs: rules.other_pcrs.clone(), ..ImaOptions::new(policy.quote.bank) };
    let (files, options) = match part.measure(list, &options, quote) {
        Err(ImaError::ExtendedOtherwise { bank, found, .. }) if rules.padded_sha1 == Reaction::Report => {
            outcome.report_as("i10", format!("[i10] bank {bank} holds {found}: it is as weak as SHA-1"));
            let bank = Bank { extend: found, ..options.bank };
            let options = ImaOptions { bank, ..options };
            (part.measure(list, &options, quote)?, options)
        }
        other => (other?, options),
    };
    let bank = options.bank.algorithm;
    let before = part.earlier();
    let value = |pcr| quote.value(bank, pcr).copied();
    let seen = part.seen(&options);
    let cuts: Vec<_> = releases.all().iter().filter_map(TrustedReference::counts_until).collect();
    let seeing = part.record.seeing(seen.as_ref(), &cuts);
    outcome.ima_state = ImaState::after(part.attesting, &options, &files, before, seeing, value);
    Ok((files, seen))
}

/// A list, or its next part, and what is kept of what was before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) list: Option<&'a [u8]>,
    /// The boot that the list goes on from.
    pub(super) boot: Option<&'a MeasuredBoot<'a>>,
    pub(super) start: Option<&'a ImaStart>,
    pub(super) state: Option<&'a ImaState>,
    pub(super) attesting: Attesting<'a>,
    pub(super) record: Record<'a>,
}

impl Part<'_> {
    /// What was seen of the list in this boot, as far as a list can be held against it now.
    fn seen(&self, options: &ImaOptions) -> Option<Sightings> {
        self.record.sightings().map(|seen| seen.clone().comparable(options))
    }

    /// What is kept of the list before the part.
    fn earlier(&self) -> Option<&ImaState> {
        self.start.and(self.state)
    }

    fn measure<'l>(
        &self,
        list: &'l [u8],
        options: &ImaOptions,
        quote: &VerifiedQuote,
    ) -> Result<MeasuredFiles<'l>, ImaError> {
        let list = ImaList::new(list);
        let quoted = |bank, pcr| {
            let taken_over = self.boot.and_then(|boot| boot.value_when_taken_over(bank, pcr));
            taken_over.or_else(|| quote.value(bank, pcr).copied())
        };
        let Some(start) = self.start else {
            let seen = self.seen(options);
            let marks: &[Mark] = seen.as_ref().map_or(&[], |seen| &seen.marks);
            return measure_seen(&list, options, quoted, marks);
        };
        let state = ImaState::carries_on(self.state, self.attesting, start)?;
        measure_rest(&list, options, state, quoted)
    }
}

/// The quote covers the earlier parts as well: a rule that counts violations sees those of all parts (threat i05).
fn count_earlier_parts(part: &Part<'_>, outcome: &mut Outcome) {
    if let (Some(earlier), Some(claims)) = (part.earlier(), outcome.claims.ima.as_mut()) {
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        claims.attested = claims.attested.saturating_add(count(earlier.entries));
        claims.violations = claims.violations.saturating_add(count(earlier.violations));
    }
}

/// What a policy with rules for files makes of evidence without a list.
fn refuse_without_list(policy: &Policy, quote: &VerifiedQuote, outcome: &mut Outcome) {
    let Some(rules) = &policy.ima else { return };
    outcome.reasons.extend(unexplained_without_list(policy, quote));
    if rules.list == Demand::Require {
        outcome.reasons.push(Reason {
            id: "ima-list",
            what: "the policy requires an IMA list".to_owned(),
            place: "IMA list".to_owned(),
            expected: "a list".to_owned(),
            found: "none".to_owned(),
        });
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

/// By what files are known.
#[derive(Clone, Copy)]
struct Known<'k> {
    rules: &'k ImaRules,
    compiled: &'k ImaRuleSet,
    releases: &'k Releases<'k>,
    /// What the verifier saw before.
    seen: Option<&'k Sightings>,
    /// What is kept of the list before the entries that are judged.
    earlier: Option<&'k ImaState>,
}

impl<'k> Known<'k> {
    /// When an entry was seen first.
    fn seen(&self, entry: &Entry<'_>) -> Option<Timestamp> {
        let number = u64::try_from(entry.number()).ok()?;
        self.seen?.covered(self.earlier.map_or(0, |state| state.entries).checked_add(number)?)
    }

    fn knowledge(&self, entry: &Entry<'_>, key: &FileKey<'_>) -> Knowledge<'k> {
        self.releases.knowledge(self.rules.releases, entry.path(), key, self.seen(entry))
    }
}

fn judge_files(known: Known<'_>, files: &MeasuredFiles<'_>, policy: &Policy, outcome: &mut Outcome) {
    let rules = known.rules;
    let mut tally = Tally::default();
    for entry in files.files() {
        tally.judge(known, &entry, outcome);
    }
    let mut claims = ImaClaims {
        attested: files.attested(),
        not_yet_attested: files.not_yet_attested(),
        violations: files.violations(),
        unknown_files: tally.unknown,
        signed_files: tally.signed.all,
        verity_signed_files: tally.signed.verity,
        evm_signed_files: tally.signed.portable,
        modsig_signed_files: tally.signed.appended,
        excluded_files: tally.excluded,
        ..ImaClaims::default()
    };
    tally.lapsed.finish(&mut claims, &mut outcome.notes);
    tally.tell_not_checked(rules, outcome);
    kexec::judge(rules, files, known.earlier, &mut claims, outcome);
    outcome.claims.ima = Some(claims);
    for claim in &mut outcome.claims.pcrs {
        let extended = claim.pcr == PcrIndex::IMA || rules.other_pcrs.contains(&claim.pcr);
        // The list explains the PCRs that it was found to lead to.
        if extended && claim.bank == policy.quote.bank {
            claim.standing = PcrStanding::Explained;
        }
    }
    for (count, what) in
        [(tally.unknown, "that no reference knows"), (tally.weak, "that count by a weak digest")]
    {
        if let Some(more) = count.checked_sub(NAMED_FILES).filter(|more| *more > 0) {
            outcome.notes.push(format!("{more} more files {what}"));
        }
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

/// Files that count by their signature, by its form.
#[derive(Debug, Default)]
struct SignedFiles {
    all: usize,
    verity: usize,
    portable: usize,
    appended: usize,
}

impl SignedFiles {
    fn count(&mut self, form: SignatureForm) {
        self.all = self.all.saturating_add(1);
        let of_form = match form {
            SignatureForm::Contents => return,
            SignatureForm::Verity => &mut self.verity,
            SignatureForm::Portable => &mut self.portable,
            SignatureForm::Appended => &mut self.appended,
        };
        *of_form = of_form.saturating_add(1);
    }
}

/// What was found of the files so far. Only the first ones of a kind are named.
#[derive(Debug, Default)]
struct Tally {
    unknown: usize,
    weak: usize,
    signed: SignedFiles,
    excluded: usize,
    lapsed: LapsedFiles,
    checks: SignatureChecks,
}

impl Tally {
    fn judge(&mut self, known_by: Known<'_>, entry: &Entry<'_>, outcome: &mut Outcome) {
        let rules = known_by.rules;
        // A file is known when a release that counts has its digest, kind and algorithm under its very path (i12, i14).
        let key_of = entry.file_digest();
        let verdict = match known_by.knowledge(entry, &FileKey::from(&key_of)) {
            Knowledge::Known => RuleVerdict::Allowed,
            Knowledge::Unknown => known_by.compiled.judge(entry, &mut self.checks),
            Knowledge::Lapsed(release) => {
                let verdict = known_by.compiled.judge(entry, &mut self.checks);
                if lapsed::decides(&release, &verdict) {
                    self.lapsed.judge(rules, &release, entry, known_by.seen(entry), outcome);
                    return self.tell_weak(rules, entry, outcome);
                }
                verdict
            }
        };
        match verdict {
            RuleVerdict::Excluded => self.excluded = self.excluded.saturating_add(1),
            RuleVerdict::Allowed => self.tell_weak(rules, entry, outcome),
            RuleVerdict::Signed(form, hash) => {
                self.signed.count(form);
                if STRONG.contains(&hash.name()) {
                    self.tell_weak(rules, entry, outcome);
                } else {
                    self.count_weak(rules, entry, outcome);
                }
            }
            // Counted by the checks.
            RuleVerdict::NotChecked => {}
            refused => {
                self.unknown = self.unknown.saturating_add(1);
                if self.is_refused(rules) {
                    self.checks.end();
                }
                if self.unknown <= NAMED_FILES {
                    report(rules.unknown_files, refused_entry(known_by, entry, &refused), outcome);
                }
            }
        }
    }

    /// Whether the list is refused for its files whatever comes, and all that are named are known (threat i20).
    fn is_refused(&self, rules: &ImaRules) -> bool {
        rules.unknown_files == Reaction::Refuse && self.unknown >= NAMED_FILES
    }

    fn tell_not_checked(&self, rules: &ImaRules, outcome: &mut Outcome) {
        match self.checks.not_checked() {
            0 => {}
            more if self.is_refused(rules) => outcome.notes.push(format!(
                "the signatures of {more} more files were not checked, as the list is refused without them"
            )),
            more => outcome.reasons.push(not_checked(more)),
        }
    }

    /// A file that counts, and whose digest nobody should go by (threat i14).
    fn tell_weak(&mut self, rules: &ImaRules, entry: &Entry<'_>, outcome: &mut Outcome) {
        if STRONG.contains(&entry.file_digest().algorithm_name()) {
            return;
        }
        self.count_weak(rules, entry, outcome);
    }

    fn count_weak(&mut self, rules: &ImaRules, entry: &Entry<'_>, outcome: &mut Outcome) {
        self.weak = self.weak.saturating_add(1);
        if self.weak <= NAMED_FILES {
            report(rules.weak_digests, weak_file(entry), outcome);
        }
    }
}

fn report(reaction: Reaction, reason: Reason, outcome: &mut Outcome) {
    match reaction {
        Reaction::Refuse => outcome.reasons.push(reason),
        Reaction::Report => outcome.report(&reason),
    }
}
