//! Which release a device booted: the references against its PCRs and their events.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::facts::react;
use super::record::Record;
use crate::appraisal::{LapsedClaim, Outcome, Reason};
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::{MeasuredBoot, MeasuredRecord, Role};
use crate::pcr::PcrIndex;
use crate::policy::{Policy, QuoteRules, Reaction, ReleaseScope, Tolerance};
use crate::quote::VerifiedQuote;
use crate::reference::expectation::{Measured, Steps, differences, only_steps, same};
use crate::reference::{
    FileKey, Knowledge, Lapsed, Measured as When, ReferenceValues, Standing, TrustedReference, knowledge,
};

/// The references of a policy, and those of them whose boot the device shows.
#[derive(Debug)]
pub(super) struct Releases<'r> {
    all: &'r [TrustedReference],
    matching: Vec<&'r TrustedReference>,
    now: Timestamp,
}

impl<'r> Releases<'r> {
    /// No release at all: what counts then, the policy says.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self { all: &[], matching: Vec::new(), now: Timestamp::UNIX_EPOCH }
    }

    /// Releases of a test, none of which was booted.
    #[cfg(test)]
    pub(super) const fn only(all: &'r [TrustedReference], now: Timestamp) -> Self {
        Self { all, matching: Vec::new(), now }
    }

    /// All references of the policy.
    pub(super) const fn all(&self) -> &'r [TrustedReference] {
        self.all
    }

    /// The references that the boot matches; empty when the boot was refused.
    pub(super) fn matching(&self) -> &[&'r TrustedReference] {
        &self.matching
    }

    /// What the releases that the policy lets count know of a file, which the verifier saw measured at `seen` first.
    ///
    /// That a release was booted before it was withdrawn does not make its files count that are started afterwards.
    pub(super) fn knowledge(
        &self,
        scope: ReleaseScope,
        path: &[u8],
        key: &FileKey<'_>,
        seen: Option<Timestamp>,
    ) -> Knowledge<'r> {
        match (knowledge(self.matching.iter().copied(), path, key, self.now, seen), scope) {
            (Knowledge::Known, _) => Knowledge::Known,
            (found, ReleaseScope::Matching) => found,
            // Those that match are among all.
            (_, ReleaseScope::Valid) => knowledge(self.all, path, key, self.now, seen),
        }
    }

    /// What is known of a path, for a report: the contents that some release has under it.
    pub(super) fn expected(&self, scope: ReleaseScope, path: &[u8]) -> Vec<String> {
        let matching = self.matching.iter().copied();
        let all = self.all.iter().filter(|_| scope == ReleaseScope::Valid);
        let mut keys = Vec::new();
        for key in matching.chain(all).flat_map(|reference| reference.files().keys_of(path)) {
            let text = key.to_string();
            if !keys.contains(&text) {
                keys.push(text);
            }
        }
        keys
    }
}

/// What is judged of a boot.
pub(super) struct Judged<'j, 'a> {
    pub(super) bank: HashAlgorithm,
    pub(super) pcrs: &'j [PcrIndex],
    /// Those that the policy tolerates: no reference need have one whose log does not replay.
    pub(super) tolerated: &'j [PcrIndex],
    pub(super) quote: &'j VerifiedQuote,
    pub(super) boot: Option<&'j MeasuredBoot<'a>>,
    /// What was measured into the judged PCRs that the logs explain. It is read once, for the first reference that tells its
    /// events, so that a long log costs no more with many references.
    measured: OnceCell<BTreeMap<PcrIndex, Vec<Measured>>>,
}

impl<'j, 'a> Judged<'j, 'a> {
    /// The PCRs `pcrs` of the policy's bank.
    pub(super) const fn new(
        policy: &'j Policy,
        pcrs: &'j [PcrIndex],
        quote: &'j VerifiedQuote,
        boot: Option<&'j MeasuredBoot<'a>>,
    ) -> Self {
        let QuoteRules { bank, tolerate, .. } = &policy.quote;
        Self { bank: *bank, pcrs, tolerated: tolerate.as_slice(), quote, boot, measured: OnceCell::new() }
    }

    /// Whether a PCR is as the values say. PCRs that they do not have are not.
    pub(super) fn fits(&self, values: &ReferenceValues, pcr: PcrIndex) -> bool {
        if values.bank != self.bank {
            return false;
        }
        let steps = || Steps::of(self.bank, pcr);
        if values.by_events.contains(&pcr) {
            let steps = steps();
            return self.measured(pcr).is_some_and(|measured| same(values.events_of(pcr), measured, &steps));
        }
        let Some(value) = values.pcrs.get(&pcr) else { return false };
        // Where nothing may be measured, a step may be: systemd's separator is in PCR 12 and 13 before anything else.
        let untouched = || {
            *value == pcr.start(self.bank)
                && self.measured(pcr).is_some_and(|measured| only_steps(measured, &steps()))
        };
        Some(value) == self.quote.value(self.bank, pcr) || untouched()
    }

    fn differing(&self, values: &ReferenceValues) -> Vec<PcrIndex> {
        let unrecorded = |pcr: &PcrIndex| {
            let known = values.pcrs.contains_key(pcr) || values.by_events.contains(pcr);
            self.tolerated.contains(pcr) && !known
        };
        self.pcrs.iter().copied().filter(|pcr| !self.fits(values, *pcr) && !unrecorded(pcr)).collect()
    }

    /// What was measured into a PCR, by all logs; `None` when they do not explain it.
    fn measured(&self, pcr: PcrIndex) -> Option<&[Measured]> {
        self.measured.get_or_init(|| self.read()).get(&pcr).map(Vec::as_slice)
    }

    fn read(&self) -> BTreeMap<PcrIndex, Vec<Measured>> {
        let Some(boot) = self.boot else { return BTreeMap::new() };
        let explained = self.pcrs.iter().filter(|pcr| boot.matches(self.bank, **pcr));
        let mut measured: BTreeMap<_, Vec<_>> = explained.map(|pcr| (*pcr, Vec::new())).collect();
        for (pcr, event) in boot.covered_events(self.bank) {
            let role = || Role::of(event.event()).to_string();
            let of_pcr = measured.get_mut(&pcr);
            of_pcr.into_iter().for_each(|all| all.push(Measured { digest: *event.digest(), role: role() }));
        }
        for (pcr, all) in &mut measured {
            let records = boot.records_of(self.bank, *pcr).unwrap_or_default();
            let measured = |record: &MeasuredRecord<'_, '_>| Measured {
                digest: *record.digest(),
                role: Role::of_record(record.record()).to_string(),
            };
            all.extend(records.iter().map(measured));
        }
        measured
    }
}

/// Finds the releases that the device shows. Without one that counts, the nearest is told apart from the device.
pub(super) fn find<'r>(
    policy: &Policy,
    references: &'r [TrustedReference],
    judged: &Judged<'_, '_>,
    record: Record<'_>,
    outcome: &mut Outcome,
) -> Releases<'r> {
    let now = record.now();
    let fitting: Vec<_> =
        references.iter().filter(|reference| judged.differing(reference.values()).is_empty()).collect();
    let mut matching: Vec<_> =
        fitting.iter().copied().filter(|reference| reference.standing(now) == Standing::Valid).collect();
    if matching.is_empty() {
        matching = judge_standing(policy, &fitting, record, outcome);
    } else {
        tell_withdrawn_twins(&fitting, &matching, now, outcome);
    }
    tell_coming_withdrawals(&matching, now, outcome);
    if !matching.is_empty() {
        let names: Vec<_> = matching.iter().map(|reference| reference.values().title()).collect();
        outcome.claims.release = Some(names.join(" or "));
    } else if fitting.is_empty() {
        tell_nearest(references, judged, outcome);
    }
    Releases { all: references, matching, now }
}

/// The device shows releases that do not count now: says why, and lets those count that the policy allows or only wants reported.
fn judge_standing<'r>(
    policy: &Policy,
    fitting: &[&'r TrustedReference],
    record: Record<'_>,
    outcome: &mut Outcome,
) -> Vec<&'r TrustedReference> {
    let mut allowed = Vec::new();
    let mut reasons = Vec::new();
    for reference in fitting.iter().copied() {
        if let Some(lapsed) = Lapsed::of(reference, record.now(), record.booted()) {
            outcome.claims.lapsed.push(LapsedClaim::of(&lapsed));
            let before = lapsed.measured == When::Before;
            let tolerance = match (lapsed.withdrawn, before) {
                (true, true) if policy.boot.withdrawn_before == Reaction::Report => Tolerance::Report,
                (true, _) if policy.boot.withdrawn_release == Reaction::Report => Tolerance::Report,
                (false, true) => policy.boot.ended_before,
                _ => Tolerance::Refuse,
            };
            let reason = lapsed_boot(&lapsed, record);
            if tolerance == Tolerance::Refuse {
                reasons.push(reason);
            } else {
                react(tolerance, reason, outcome);
                allowed.push(reference);
            }
        } else if let Standing::NotYet { starts } = reference.standing(record.now()) {
            let title = reference.values().title();
            reasons.push(Reason {
                id: "reference",
                what: format!("the device runs {title}, which does not count yet"),
                place: "reference values".to_owned(),
                expected: format!("not before {starts}"),
                found: record.now().to_string(),
            });
        }
    }
    if allowed.is_empty() {
        outcome.reasons.append(&mut reasons);
    }
    allowed
}

/// A booted release that counts no more, with what the verifier's record says of when it was booted (threat i18).
fn lapsed_boot(lapsed: &Lapsed<'_>, record: Record<'_>) -> Reason {
    let title = lapsed.reference.values().title();
    let at = lapsed.at;
    let seen = match (lapsed.measured, record.booted()) {
        (When::Before, Some(since)) => format!("; it booted before that, seen at {since}"),
        (When::After, Some(since)) => format!("; this boot was seen first at {since}"),
        (_, None) => "; no earlier record shows that it booted before".to_owned(),
    };
    let (what, expected) = match lapsed.reference.withdrawn().filter(|_| lapsed.withdrawn) {
        Some(withdrawn) => (
            format!("the device runs {title}, which was withdrawn at {at}: {}{seen}", withdrawn.reason),
            "a release that is not withdrawn".to_owned(),
        ),
        None => (
            format!("the device runs {title}, whose reference values have ended at {at}{seen}"),
            format!("before {at}"),
        ),
    };
    let found = if lapsed.withdrawn { title } else { record.now().to_string() };
    Reason { id: "reference", what, place: "reference values".to_owned(), expected, found }
}

/// A release that counts may have the boot of one that was withdrawn, e.g. where it was made with that as its base. Then the judged
/// registers do not tell them apart, only files that one of them lacks (threat i18).
fn tell_withdrawn_twins(
    fitting: &[&TrustedReference],
    matching: &[&TrustedReference],
    now: Timestamp,
    outcome: &mut Outcome,
) {
    for twin in
        fitting.iter().filter(|reference| matches!(reference.standing(now), Standing::Withdrawn { .. }))
    {
        let titles: Vec<_> = matching.iter().map(|reference| reference.values().title()).collect();
        outcome.report_as(
            "i18",
            format!(
                "[i18] {} was withdrawn, and has the same boot as {}: the judged PCRs do not tell which of them runs",
                twin.values().title(),
                titles.join(" and ")
            ),
        );
    }
}

/// Withdrawals that are signed and dated ahead: whoever runs the device has until then.
fn tell_coming_withdrawals(matching: &[&TrustedReference], now: Timestamp, outcome: &mut Outcome) {
    for reference in matching {
        if let Some(withdrawn) = reference.withdrawn().filter(|withdrawn| withdrawn.at > now) {
            let (title, at, why) = (reference.values().title(), withdrawn.at, &withdrawn.reason);
            outcome.notes.push(format!("{title} will be withdrawn at {at}: {why}"));
        }
    }
}

fn tell_nearest(references: &[TrustedReference], judged: &Judged<'_, '_>, outcome: &mut Outcome) {
    let nearest = references
        .iter()
        .map(TrustedReference::values)
        .filter(|values| values.bank == judged.bank)
        .min_by_key(|values| judged.differing(values).len());
    let Some(nearest) = nearest else {
        let bank = judged.bank;
        outcome.reasons.push(Reason {
            id: "reference",
            what: "there are no reference values for the judged bank".to_owned(),
            place: "policy".to_owned(),
            expected: format!("reference values of bank {bank}"),
            found: "none".to_owned(),
        });
        return;
    };
    for pcr in judged.differing(nearest) {
        outcome.reasons.push(difference(nearest, judged, pcr));
    }
}

fn difference(nearest: &ReferenceValues, judged: &Judged<'_, '_>, pcr: PcrIndex) -> Reason {
    let title = nearest.title();
    let words = judged.measured(pcr).filter(|_| nearest.events_of(pcr).next().is_some()).map(|measured| {
        differences(nearest.events_of(pcr), measured, &Steps::of(judged.bank, pcr)).join(", ")
    });
    let by_events = nearest.by_events.contains(&pcr);
    Reason {
        id: "reference",
        what: match words.filter(|words| !words.is_empty()) {
            Some(words) => format!("{words}, compared with {title}"),
            None => format!("no reference has its value; the nearest is {title}"),
        },
        place: format!("PCR {pcr} ({})", judged.bank),
        expected: match nearest.pcrs.get(&pcr) {
            Some(value) => value.to_hex(),
            None if by_events => format!("the events of {title}"),
            None => "no recorded value".to_owned(),
        },
        found: judged.quote.value(judged.bank, pcr).map_or_else(String::new, Digest::to_hex),
    }
}

#[cfg(test)]
mod tests;
