//! Files of releases that were withdrawn or have ended, measured before and after by the verifier's record.

use super::*;
use crate::ima::{KeptValue, Mark};
use crate::reference::{Measured, ReferenceValues, Withdrawal, path_text, trusted};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn release(name: &str, expires: Option<i64>, files: &[(&str, &[u8])]) -> TrustedReference {
    let file =
        |(path, content): &(&str, &[u8])| ((*path).to_owned(), vec![SHA256.digest(content).to_string()]);
    let values = ReferenceValues {
        version: 1,
        product: "gw".to_owned(),
        release: name.to_owned(),
        issued: at(0),
        starts: None,
        expires: expires.map(at),
        bank: SHA256,
        pcrs: [].into(),
        by_events: Vec::new(),
        events: Vec::new(),
        files: files.iter().map(file).collect(),
        file_sets: Vec::new(),
    };
    TrustedReference::of(values, "key".to_owned(), at(0)).unwrap()
}

fn withdrawn(reference: TrustedReference, second: i64) -> TrustedReference {
    let (product, release) = (reference.values().product.clone(), reference.values().release.clone());
    reference.withdrawn_by(&trusted(Withdrawal {
        version: 1,
        product,
        release,
        issued: at(0),
        at: at(second),
        reason: "CVE-2026-0001".to_owned(),
    }))
}

/// The boot aggregate and the first file were seen at second 50, the second file at second 150.
fn seen() -> Sightings {
    let mark = |second, entries| Mark {
        at: at(second),
        entries,
        values: vec![KeptValue { pcr: PcrIndex::IMA, value: SHA256.digest(b"") }],
    };
    let marks = vec![mark(50, 2), mark(150, 3)];
    Sightings { since: at(50), last: at(150), clock_ms: 0, restart_count: 0, marks }
}

/// Two files of `references` and what becomes of them at second 200.
fn outcome(
    text: &str,
    keyrings: Vec<ImaKeyring>,
    references: &[TrustedReference],
    seen: Option<&Sightings>,
) -> Outcome {
    let files = [file("/bin/a", b"a"), file("/bin/b", b"b")];
    let releases = Releases::only(references, at(200));
    judged_with(&rules(text), keyrings, &files, &releases, seen)
}

fn ids(outcome: &Outcome) -> Vec<String> {
    outcome.reasons.iter().map(|reason| format!("{} {}", reason.id, reason.place)).collect()
}

const FILES: [(&str, &[u8]); 2] = [("/bin/a", b"a"), ("/bin/b", b"b")];

#[test]
fn i18_files_of_a_withdrawn_release_are_told_apart_by_the_verifiers_record() {
    let references = [withdrawn(release("1", None, &FILES), 100)];
    let judged = outcome("", Vec::new(), &references, Some(&seen()));
    assert_eq!(ids(&judged), ["i18 IMA list, entry 3"]);
    assert!(
        judged.reasons[0].what.contains("/bin/b is of gw 1, which was withdrawn"),
        "{:?}",
        judged.reasons
    );
    assert!(judged.reasons[0].what.contains("CVE-2026-0001"), "{:?}", judged.reasons);
    assert!(judged.notes.len() == 1 && judged.notes[0].contains("/bin/a"), "{:?}", judged.notes);
    let claims = judged.claims.ima.unwrap();
    assert_eq!((claims.withdrawn_before, claims.withdrawn_after, claims.unknown_files), (1, 1, 0));
    let lapsed = &judged.claims.lapsed[0];
    assert_eq!((lapsed.files_before, lapsed.files_after, lapsed.booted), (1, 1, None));
    assert!(lapsed.withdrawn && lapsed.at == at(100) && lapsed.why.as_deref() == Some("CVE-2026-0001"));
}

#[test]
fn i18_without_a_record_every_file_of_a_withdrawn_release_counts_as_measured_after() {
    let references = [withdrawn(release("1", None, &FILES), 100)];
    let judged = outcome("", Vec::new(), &references, None);
    assert_eq!(ids(&judged), ["i18 IMA list, entry 2", "i18 IMA list, entry 3"]);
    assert!(judged.reasons[0].what.contains("no earlier record has it"), "{:?}", judged.reasons);
}

#[test]
fn i18_the_policy_says_what_becomes_of_each() {
    let references = [withdrawn(release("1", None, &FILES), 100)];
    let judge = |text: &str| {
        let judged = outcome(text, Vec::new(), &references, Some(&seen()));
        (ids(&judged).len(), judged.notes.len())
    };
    assert_eq!(judge("withdrawn_before = \"allow\""), (1, 0));
    assert_eq!(judge("withdrawn_before = \"refuse\""), (2, 0));
    assert_eq!(judge("withdrawn_after = \"report\""), (0, 2));
    // A withdrawn file is not merely an unknown one.
    assert_eq!(judge("unknown_files = \"report\""), (1, 1));
}

#[test]
fn i18_a_withdrawal_to_come_changes_nothing_yet() {
    let references = [withdrawn(release("1", None, &FILES), 201)];
    let judged = outcome("", Vec::new(), &references, None);
    assert!(judged.reasons.is_empty() && judged.claims.lapsed.is_empty(), "{:?}", judged.reasons);
}

#[test]
fn i18_files_of_an_ended_release_count_where_they_were_measured_before_its_end() {
    let references = [release("1", Some(100), &FILES)];
    let judged = outcome("", Vec::new(), &references, Some(&seen()));
    assert_eq!(ids(&judged), ["i12 IMA list, entry 3"]);
    assert!(judged.reasons[0].what.contains("which ended at"), "{:?}", judged.reasons);
    assert_eq!(judged.claims.ima.as_ref().unwrap().ended_before, 1);
    assert_eq!(judged.claims.lapsed[0].files_before, 1);
    let strict = outcome("ended_before = \"refuse\"", Vec::new(), &references, Some(&seen()));
    assert_eq!(ids(&strict), ["i18 IMA list, entry 2", "i12 IMA list, entry 3"]);
    assert_eq!(ids(&outcome("", Vec::new(), &references, None)).len(), 2);
}

#[test]
fn i18_a_signature_does_not_outweigh_a_withdrawal_and_the_policys_own_digest_does() {
    let program = recorded_signed().remove(0);
    let entry = ImaList::new(&program).entries().next().unwrap().unwrap();
    let digest = entry.file_digest().to_string();
    let mut values = release("1", None, &[]).values().clone();
    values.files.insert(path_text(entry.path()), vec![digest.clone()]);
    let reference = TrustedReference::of(values, "key".to_owned(), at(0)).unwrap();
    let references = [withdrawn(reference, 100)];
    let releases = Releases::only(&references, at(200));
    let signed = "keyrings = { v = [\"a\"] }\n[[rules]]\npaths = [\"/usr/bin/*\"]\nsigned_by = [\"v\"]\n";
    let judge = |text: &str| {
        let rules = rules(text);
        judged_with(&rules, vec![keyring("v")], std::slice::from_ref(&program), &releases, None)
    };
    assert_eq!(ids(&judge(signed)), ["i18 IMA list, entry 2"]);
    let named = format!("{signed}digests = [\"{digest}\"]\n");
    assert!(judge(&named).reasons.is_empty());
}

#[test]
fn i18_only_the_first_files_are_named_and_all_are_counted() {
    let names: Vec<String> = (0..25).map(|number| format!("/opt/{number}")).collect();
    let known: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    let references = [withdrawn(release("1", None, &known), 100)];
    let files: Vec<_> = names.iter().map(|name| file(name, b"x")).collect();
    let releases = Releases::only(&references, at(200));
    let judged = judged_with(&rules(""), Vec::new(), &files, &releases, None);
    assert_eq!(judged.reasons.len(), NAMED_FILES);
    assert!(
        judged.notes.iter().any(|note| note.starts_with("15 more files of withdrawn")),
        "{:?}",
        judged.notes
    );
    assert_eq!(judged.claims.lapsed[0].files_after, 25);
}

#[test]
fn i18_a_part_after_a_release_lapsed_needs_the_whole_list() {
    let seen = seen();
    let asked = |text: &str, reference: TrustedReference, seen: Option<&Sightings>| {
        let references = [reference];
        let record = seen.map_or(Record::none(at(200)), |seen| Record::seen(seen, at(200)));
        record.lapsed_since(&rules(text), &references).map(|(release, _)| release)
    };
    let gw = || Some("gw 1".to_owned());
    let withdrawn = |second| withdrawn(release("1", None, &FILES), second);
    // Since the last quote at second 150.
    assert_eq!(asked("", withdrawn(160), Some(&seen)), gw());
    assert_eq!(asked("withdrawn_before = \"allow\"", withdrawn(160), Some(&seen)), None);
    assert_eq!(asked("", withdrawn(150), Some(&seen)), None);
    assert_eq!(asked("", withdrawn(201), Some(&seen)), None);
    assert_eq!(asked("", release("1", Some(160), &FILES), Some(&seen)), None);
    assert_eq!(asked("ended_before = \"report\"", release("1", Some(160), &FILES), Some(&seen)), gw());
    // When the earlier part was judged is not known.
    assert_eq!(asked("withdrawn_before = \"allow\"", withdrawn(20), None), gw());
    assert_eq!(asked("", release("1", None, &FILES), None), None);
}

#[test]
fn what_was_measured_is_said_in_one_word() {
    assert_eq!(serde_json::to_value(Measured::Before).unwrap(), "before");
}
