//! A recorded boot against reference values that were recorded from it, predicted, and changed.

use jiff::SignedDuration;

use super::*;
use crate::challenge::{Challenge, Nonce};
use crate::eventlog::{EventLog, measured_boot};
use crate::ima::Sightings;
use crate::key::{AttestationKey, ENDORSEMENT, PublicArea};
use crate::quote::tpm2_tools::read_pcr_file;
use crate::quote::{Quote, VerifyingKey};
use crate::reference::{Golden, TrustedWithdrawal, Withdrawal, record, trusted};

fn file(name: &str) -> Vec<u8> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../tpm-sim-tests/vectors/q35-secureboot-uki");
    std::fs::read(format!("{root}/{name}")).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// The recorded quote, and reference values recorded from it.
fn recorded() -> (VerifiedQuote, ReferenceValues) {
    let key = PublicArea::parse_tpm2b(&file("quote/ak.pub")).unwrap();
    let parent = PublicArea::parse_tpm2b(&file("quote/ek.pub")).unwrap();
    let nonce = hex::decode(String::from_utf8(file("quote/nonce.hex")).unwrap().trim()).unwrap();
    let nonce = Nonce::new(&nonce).unwrap();
    let message = file("quote/quote.msg");
    let pcrs = file("quote/quote.pcrs");
    let values: Vec<Vec<u8>> =
        read_pcr_file(&pcrs, &message).unwrap().into_iter().map(<[u8]>::to_vec).collect();
    let signature = file("quote/quote.sig");
    let quote = Quote { message: &message, signature: &signature };
    let signed =
        quote.verify_signed(&nonce, &VerifyingKey::bare(key.key().clone()).unwrap(), &values).unwrap();
    let golden = Golden {
        product: "gateway".to_owned(),
        release: "1.0".to_owned(),
        issued: at(0),
        starts: None,
        expires: None,
        bank: HashAlgorithm::Sha256,
    };
    let log = file("eventlog.bin");
    let logs = EventLog::parse(&log).unwrap().into();
    let reference = record(golden, &signed, Some(logs), None, &[]).unwrap();
    let attestation = AttestationKey::new(key.clone(), key.key()).unwrap();
    let attestation = attestation.with_parent(&parent.qualified_name(&ENDORSEMENT));
    let challenge = Challenge::new(nonce, at(0), SignedDuration::from_mins(5));
    (quote.verify(challenge, at(0), &attestation, &values).unwrap(), reference)
}

fn by_events(values: &ReferenceValues, pcrs: &[u32]) -> ReferenceValues {
    let mut values = values.clone();
    for pcr in pcrs.iter().filter_map(|pcr| PcrIndex::new(*pcr)) {
        values.pcrs.remove(&pcr);
        values.by_events.push(pcr);
        // A predictor knows nothing of the firmware's steps.
        let steps = Steps::of(values.bank, pcr);
        values.events.retain(|event| event.pcr != pcr || !steps.contains(&event.digest));
    }
    values
}

fn trust(values: ReferenceValues) -> TrustedReference {
    let json = values.to_json().unwrap();
    TrustedReference::of(ReferenceValues::parse(&json).unwrap(), "key".to_owned(), at(0)).unwrap()
}

fn policy() -> Policy {
    Policy::parse(
        "version = 1\nname = \"gateway\"\n[trust]\ndevice_roots = [\"r\"]\nreference_keys = [\"k\"]\n\
         [quote]\npcrs = [0, 4, 7, 9, 11]\n[boot]\nreferences = [\"g\"]\n",
    )
    .unwrap()
}

fn ask(policy: &Policy, references: &[TrustedReference], now: i64) -> (Vec<String>, Outcome) {
    ask_with(policy, references, Record::none(at(now)))
}

fn ask_with(policy: &Policy, references: &[TrustedReference], record: Record<'_>) -> (Vec<String>, Outcome) {
    let (quote, _) = recorded();
    let log = file("eventlog.bin");
    let log = EventLog::parse(&log).unwrap();
    let boot = measured_boot(&log, |bank, pcr| quote.value(bank, pcr).copied());
    let judged = Judged::new(policy, &policy.quote.pcrs, &quote, Some(&boot));
    let mut outcome = Outcome::default();
    let found = find(policy, references, &judged, record, &mut outcome);
    (found.matching().iter().map(|reference| reference.values().title()).collect(), outcome)
}

fn reasons(outcome: &Outcome) -> Vec<String> {
    outcome.reasons.iter().map(|reason| format!("{}: {}", reason.place, reason.what)).collect()
}

#[test]
fn a_boot_matches_by_values_and_by_events() {
    let (_, golden) = recorded();
    let predicted = ReferenceValues { release: "1.0p".to_owned(), ..by_events(&golden, &[4, 7, 9, 11]) };
    let (found, outcome) = ask(&policy(), &[trust(golden), trust(predicted)], 1);
    assert_eq!(found, ["gateway 1.0", "gateway 1.0p"]);
    assert_eq!(reasons(&outcome), Vec::<String>::new());
}

#[test]
fn a_tolerated_pcr_needs_no_reference_but_one_that_it_has_counts() {
    let (_, golden) = recorded();
    let tolerant = Policy::parse(
        "version = 1\nname = \"gateway\"\n[trust]\ndevice_roots = [\"r\"]\nreference_keys = [\"k\"]\n\
         [quote]\npcrs = [0, 4, 7, 9, 11]\ntolerate = [0]\n[boot]\nreferences = [\"g\"]\n",
    )
    .unwrap();
    let mut without = golden.clone();
    without.pcrs.remove(&PcrIndex::FIRMWARE);
    assert_eq!(ask(&tolerant, &[trust(without.clone())], 1).0, ["gateway 1.0"]);
    assert!(ask(&policy(), &[trust(without)], 1).0.is_empty());
    let mut other = golden;
    other.pcrs.insert(PcrIndex::FIRMWARE, HashAlgorithm::Sha256.digest(b"another"));
    assert!(ask(&tolerant, &[trust(other)], 1).0.is_empty());
}

#[test]
fn what_changed_is_said_in_words() {
    let (_, golden) = recorded();
    for (pcr, role, words) in [
        (9, "initrd", "PCR 9 (sha256): initrd changed, compared with gateway 1.0"),
        (9, "command line", "PCR 9 (sha256): command line changed, compared with gateway 1.0"),
        (11, "kernel", "PCR 11 (sha256): kernel changed, compared with gateway 1.0"),
        (4, "boot loader", "PCR 4 (sha256): boot loader changed, compared with gateway 1.0"),
        (7, "dbx", "PCR 7 (sha256): dbx changed, compared with gateway 1.0"),
        (0, "firmware", "PCR 0 (sha256): firmware changed, compared with gateway 1.0"),
    ] {
        for predicted in [true, false] {
            let mut values = if predicted && pcr != 0 { by_events(&golden, &[pcr]) } else { golden.clone() };
            let event = values.events.iter_mut().rfind(|event| {
                event.pcr.get() == u8::try_from(pcr).unwrap() && event.role.as_deref() == Some(role)
            });
            event.unwrap().digest = HashAlgorithm::Sha256.digest(b"another");
            if let Some(value) = values.pcrs.get_mut(&PcrIndex::new(pcr).unwrap()) {
                *value = HashAlgorithm::Sha256.digest(b"another");
            }
            let (found, outcome) = ask(&policy(), &[trust(values)], 1);
            assert!(found.is_empty());
            assert_eq!(reasons(&outcome), [words], "{role} {predicted}");
        }
    }
}

#[test]
fn e15_a_pcr_that_a_reference_does_not_have_matches_nothing() {
    let (_, mut golden) = recorded();
    golden.pcrs.remove(&PcrIndex::new(4).unwrap());
    let (found, outcome) = ask(&policy(), &[trust(golden)], 1);
    assert!(found.is_empty());
    assert_eq!(outcome.reasons[0].expected, "no recorded value");
}

#[test]
fn a_release_out_of_its_time_is_refused_and_told() {
    let (_, golden) = recorded();
    let later = ReferenceValues { starts: Some(at(10)), ..golden.clone() };
    let (found, outcome) = ask(&policy(), &[trust(later.clone())], 5);
    assert!(found.is_empty());
    assert_eq!(
        reasons(&outcome),
        ["reference values: the device runs gateway 1.0, which does not count yet"]
    );
    assert_eq!(ask(&policy(), &[trust(later)], 10).0, ["gateway 1.0"]);
    let ended = ReferenceValues { expires: Some(at(10)), ..golden };
    let (found, outcome) = ask(&policy(), &[trust(ended)], 10);
    assert!(found.is_empty() && reasons(&outcome)[0].contains("have ended"), "{:?}", reasons(&outcome));
}

#[test]
fn a_withdrawn_release_is_refused_unless_the_policy_only_reports_it() {
    let (_, golden) = recorded();
    let references = [trust(golden).withdrawn_by(&withdrawal(10))];
    let mut policy = policy();
    let (found, outcome) = ask(&policy, &references, 9);
    assert_eq!(found, ["gateway 1.0"]);
    assert!(outcome.notes[0].contains("will be withdrawn at"), "{:?}", outcome.notes);
    let (found, outcome) = ask(&policy, &references, 10);
    assert!(found.is_empty() && reasons(&outcome)[0].contains("CVE-2026-0001"));
    policy.boot.withdrawn_release = Reaction::Report;
    let (found, outcome) = ask(&policy, &references, 10);
    assert_eq!((found.len(), outcome.reasons.len(), outcome.notes.len()), (1, 0, 1));
}

#[test]
fn i18_a_boot_that_a_withdrawn_release_has_too_is_told() {
    let (_, golden) = recorded();
    let next = ReferenceValues { release: "1.1".to_owned(), ..golden.clone() };
    let references = [trust(golden).withdrawn_by(&withdrawal(10)), trust(next)];
    let (found, outcome) = ask(&policy(), &references, 10);
    assert_eq!((found, outcome.reasons.len()), (vec!["gateway 1.1".to_owned()], 0));
    let note = "[i18] gateway 1.0 was withdrawn, and has the same boot as gateway 1.1";
    assert!(outcome.notes.iter().any(|told| told.starts_with(note)), "{:?}", outcome.notes);
    let (_, outcome) = ask(&policy(), &references, 9);
    assert!(!outcome.notes.iter().any(|told| told.contains("same boot")), "not yet");
}

#[test]
fn i18_a_boot_that_was_seen_before_its_release_lapsed_is_told_apart() {
    let (_, golden) = recorded();
    let seen = |since| Sightings {
        since: at(since),
        last: at(20),
        clock_ms: 0,
        restart_count: 0,
        marks: Vec::new(),
    };
    let ended = [trust(ReferenceValues { expires: Some(at(10)), ..golden.clone() })];
    let ask = |policy: &Policy, references: &[TrustedReference], since| {
        let seen = seen(since);
        let (found, outcome) = ask_with(policy, references, Record::seen(&seen, at(30)));
        let booted = outcome.claims.lapsed[0].booted.unwrap();
        (found.len(), reasons(&outcome).len(), outcome.notes.len(), booted)
    };
    let mut policy = policy();
    assert_eq!(ask(&policy, &ended, 9), (1, 0, 1, When::Before));
    assert_eq!(ask(&policy, &ended, 10), (0, 1, 0, When::After));
    policy.boot.ended_before = Tolerance::Refuse;
    assert_eq!(ask(&policy, &ended, 9), (0, 1, 0, When::Before));
    policy.boot.ended_before = Tolerance::Allow;
    assert_eq!(ask(&policy, &ended, 9), (1, 0, 0, When::Before));

    let withdrawn = [trust(golden).withdrawn_by(&withdrawal(10))];
    assert_eq!(ask(&policy, &withdrawn, 9), (0, 1, 0, When::Before));
    policy.boot.withdrawn_before = Reaction::Report;
    assert_eq!(ask(&policy, &withdrawn, 9), (1, 0, 1, When::Before));
    assert_eq!(ask(&policy, &withdrawn, 10), (0, 1, 0, When::After));
    policy.boot.withdrawn_release = Reaction::Report;
    assert_eq!(ask(&policy, &withdrawn, 10), (1, 0, 1, When::After));
}

fn withdrawal(second: i64) -> TrustedWithdrawal {
    trusted(Withdrawal {
        version: 1,
        product: "gateway".to_owned(),
        release: "1.0".to_owned(),
        issued: at(0),
        at: at(second),
        reason: "CVE-2026-0001".to_owned(),
    })
}

#[test]
fn e15_a_reference_whose_events_are_separators_alone_is_refused() {
    let (_, golden) = recorded();
    let mut values = by_events(&golden, &[4]);
    for event in values.events.iter_mut().filter(|event| event.pcr.get() == 4) {
        event.digest = values.bank.digest(&[0; 4]);
    }
    let error = ReferenceValues::parse(&values.to_json().unwrap()).unwrap_err();
    assert!(error.to_string().contains("none but separators"), "{error}");
}
