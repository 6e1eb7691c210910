//! What is kept of a boot's sights, and when it is not believed.

use super::*;
use crate::digest::HashAlgorithm;
use crate::ima::ImaState;
use crate::pcr::PcrIndex;

const DAY: i64 = 86_400;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// A sight `second`s after the first, by a TPM whose clock is right.
fn sight(second: i64) -> Sight {
    Sight { now: at(second), clock_ms: u64::try_from(second * 1000 + 5_000).unwrap(), restart_count: 2 }
}

fn values(entries: u64) -> [KeptValue; 1] {
    [KeptValue { pcr: PcrIndex::IMA, value: HashAlgorithm::Sha256.digest(&entries.to_be_bytes()) }]
}

fn go_on(before: Option<&Sightings>, second: i64, entries: u64, cuts: &[Timestamp]) -> Sightings {
    Sightings::after(before, sight(second), entries, &values(entries), cuts)
}

/// Sights of so many entries at these seconds.
fn seen(sights: &[(i64, u64)]) -> Sightings {
    let mut seen = None;
    for (second, entries) in sights {
        seen = Some(go_on(seen.as_ref(), *second, *entries, &[]));
    }
    seen.unwrap()
}

#[test]
fn i18_an_entry_was_measured_before_the_first_quote_that_covers_it() {
    let seen = seen(&[(0, 10), (100, 10), (200, 15), (300, 15)]);
    assert_eq!(seen.covered(1), Some(at(0)));
    assert_eq!(seen.covered(10), Some(at(0)));
    assert_eq!(seen.covered(11), Some(at(200)));
    assert_eq!(seen.covered(15), Some(at(200)));
    assert_eq!(seen.covered(16), None);
    assert_eq!((seen.since, seen.last, seen.marks.len()), (at(0), at(300), 2));
}

#[test]
fn i18_marks_are_bounded_and_thinning_them_out_only_makes_entries_look_later() {
    let mut kept = None;
    let mut truth = Vec::new();
    for step in 0..2_000_i64 {
        let entries = u64::try_from(step).unwrap() + 1;
        truth.push(at(step * 300));
        kept = Some(go_on(kept.as_ref(), step * 300, entries, &[]));
        let kept = kept.as_ref().unwrap();
        assert!(kept.marks.len() <= MAX_MARKS);
        kept.check(entries).unwrap();
    }
    let kept = kept.unwrap();
    for (entry, true_time) in (1..).zip(&truth) {
        let told = kept.covered(entry).unwrap();
        assert!(told >= *true_time, "{entry}: {told} {true_time}");
        // And not much later, in proportion to how long ago it was.
        let (late, age) = (told.duration_since(*true_time), kept.last.duration_since(*true_time));
        assert!(late.as_secs() * 5 <= age.as_secs().max(2_000), "{entry}: {late:?} of {age:?}");
    }
}

#[test]
fn i18_the_mark_before_a_withdrawal_outlives_those_that_tell_nothing() {
    let cut = [at(1_001)];
    let mut kept = go_on(None, 0, 1, &cut);
    for step in 1..20_000_i64 {
        kept = go_on(Some(&kept), step * 100, u64::try_from(step).unwrap() + 1, &cut);
    }
    // Entry 11 was covered at second 1000, entry 12 at second 1100; three weeks later that is still known.
    assert!(kept.covered(11).unwrap() < cut[0], "{:?}", kept.covered(11));
    assert!(kept.covered(12).unwrap() >= cut[0]);
    assert!(kept.marks.len() <= MAX_MARKS);
}

#[test]
fn i18_who_has_many_quotes_made_at_once_spoils_no_earlier_mark() {
    let mut kept = seen(&[(0, 10), (DAY, 20), (2 * DAY, 30)]);
    let early = [kept.covered(10), kept.covered(20), kept.covered(30)];
    for quote in 0..1_000_i64 {
        let entries = 31 + u64::try_from(quote).unwrap();
        kept = go_on(Some(&kept), 2 * DAY + 60 + quote, entries, &[]);
    }
    assert_eq!([kept.covered(10), kept.covered(20), kept.covered(30)], early);
}

#[test]
fn i18_more_cuts_than_marks_do_not_fill_the_memory() {
    let cuts: Vec<_> = (0..500).map(|cut| at(cut * 10)).collect();
    let mut kept = go_on(None, 0, 1, &cuts);
    for step in 1..500_i64 {
        kept = go_on(Some(&kept), step * 10, u64::try_from(step).unwrap() + 1, &cuts);
    }
    assert_eq!(kept.marks.len(), MAX_MARKS);
    assert_eq!(kept.marks.last().unwrap().entries, 500);
}

#[test]
fn i19_a_record_of_another_run_or_with_another_clock_is_not_believed() {
    let kept = seen(&[(0, 10), (DAY, 20)]);
    assert_eq!(kept.go_on_with(sight(2 * DAY)), Ok(()));
    assert_eq!(kept.go_on_with(sight(DAY)), Ok(()));
    let of = |change: fn(&mut Sight)| {
        let mut sight = sight(2 * DAY);
        change(&mut sight);
        kept.go_on_with(sight).unwrap_err()
    };
    assert_eq!(of(|sight| sight.restart_count = 3), Lapse::Restarted { kept: 2, found: 3 });
    assert!(matches!(of(|sight| sight.clock_ms = 10), Lapse::TpmBehind { found: 10, .. }));
    // The verifier's clock was moved back, to before its own record and to after it.
    assert!(matches!(of(|sight| sight.now = at(DAY - 61)), Lapse::VerifierBehind { .. }));
    assert!(matches!(of(|sight| sight.now = at(DAY + 3600)), Lapse::ClocksDisagree { .. }));
    // It was behind when the record was made.
    assert!(matches!(of(|sight| sight.now = at(9 * DAY)), Lapse::ClocksDisagree { .. }));
    // A TPM's clock need not be good.
    for clock in [170_000_000, 210_000_000] {
        assert_eq!(kept.go_on_with(Sight { clock_ms: clock, ..sight(2 * DAY) }), Ok(()), "{clock}");
    }
    for (now, clock) in [(i64::MAX, 0), (i64::MIN, u64::MAX), (0, u64::MAX)] {
        let now =
            Timestamp::from_second(now).unwrap_or(if now > 0 { Timestamp::MAX } else { Timestamp::MIN });
        kept.go_on_with(Sight { now, clock_ms: clock, restart_count: 2 }).unwrap_err();
    }
}

#[test]
fn i19_a_clock_a_little_behind_makes_no_entry_look_earlier() {
    let kept = seen(&[(0, 10), (100, 20)]);
    let next = go_on(Some(&kept), 70, 30, &[]);
    assert_eq!((next.last, next.covered(25)), (at(100), Some(at(100))));
    next.check(30).unwrap();
}

#[test]
fn i19_marks_that_do_not_rise_or_lie_outside_are_refused() {
    let good = seen(&[(0, 10), (100, 20), (200, 30)]);
    good.check(30).unwrap();
    let spoilt = |spoil: fn(&mut Sightings)| {
        let mut seen = good.clone();
        spoil(&mut seen);
        seen.check(30).unwrap_err()
    };
    spoilt(|seen| seen.marks.swap(0, 1));
    spoilt(|seen| seen.marks[1].at = at(0));
    spoilt(|seen| seen.marks[1].entries = 10);
    spoilt(|seen| seen.marks[2].entries = 31);
    spoilt(|seen| seen.marks[0].at = at(-1));
    spoilt(|seen| seen.marks[2].at = at(201));
    let error = spoilt(|seen| {
        seen.marks.clear();
        seen.last = at(-1);
    });
    assert!(matches!(error, StateError::Times { .. }));
}

fn state() -> ImaState {
    ImaState {
        version: 3,
        attester: "000b01".to_owned(),
        reset_count: 7,
        policy: HashAlgorithm::Sha256.digest(b"policy"),
        offset: 1234,
        entries: 30,
        violations: 0,
        kexecs: Some(1),
        values: values(30).to_vec(),
        seen: Some(seen(&[(0, 10), (100, 30)])),
    }
}

#[test]
fn i19_states_of_all_versions_are_read_and_others_refused() {
    let state = state();
    assert_eq!(ImaState::parse(&state.to_json().unwrap()).unwrap(), state);
    let json = serde_json::to_value(&state).unwrap();
    let with = |change: fn(&mut serde_json::Map<String, serde_json::Value>)| {
        let mut json = json.clone();
        change(json.as_object_mut().unwrap());
        ImaState::parse(json.to_string().as_bytes())
    };
    // Version 1 had no number.
    let old = with(|json| {
        json.remove("version");
        json.remove("seen");
        json.remove("kexecs");
    });
    assert_eq!(old.unwrap(), ImaState { version: 1, seen: None, kexecs: None, ..state.clone() });
    let second = with(|json| {
        json.insert("version".to_owned(), 2.into());
        json.remove("kexecs");
    });
    assert_eq!(second.unwrap(), ImaState { version: 2, kexecs: None, ..state });
    let later = with(|json| {
        json.insert("version".to_owned(), 4.into());
        json.insert("something".to_owned(), 1.into());
    });
    assert_eq!(later.unwrap_err(), StateError::Version { found: 4 });
    // A count left out would let kexec be forgotten (threat i04), and one in an older version was written by nobody.
    for field in ["seen", "kexecs"] {
        let mut json = json.clone();
        json.as_object_mut().unwrap().remove(field);
        let error = ImaState::parse(json.to_string().as_bytes()).unwrap_err();
        assert_eq!(error, StateError::Version { found: 3 }, "{field}");
    }
    let counted = with(|json| drop(json.insert("version".to_owned(), 2.into())));
    assert_eq!(counted.unwrap_err(), StateError::Version { found: 2 });
    assert!(with(|json| drop(json.remove("version"))).is_err());
    assert!(with(|json| json["seen"]["marks"][1]["at"] = "2020-01-01T00:00:00Z".into()).is_err());
    let many: fn(&mut serde_json::Map<String, serde_json::Value>) = |json| {
        let mark = json["seen"]["marks"][0].clone();
        json["seen"]["marks"] = vec![mark; MAX_MARKS + 1].into();
    };
    assert!(with(many).unwrap_err().to_string().contains("more than 64"));
}
