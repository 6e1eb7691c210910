//! The trustworthiness vector: which value for what.

use super::*;
use crate::appraisal::{ImaClaims, PcrClaim, PcrStanding};
use crate::pcr::PcrIndex;

fn claim(pcr: u32, standing: PcrStanding) -> PcrClaim {
    let bank = HashAlgorithm::Sha256;
    PcrClaim { bank, pcr: PcrIndex::new(pcr).unwrap(), value: policy(), standing, judged: true }
}

fn vector(outcome: Outcome) -> (Tier, Vec<(&'static str, i8)>) {
    let result = result(outcome);
    (result.claims().status, result.claims().vector.values().collect())
}

fn with(claims: Vec<PcrClaim>, unknown_files: Option<usize>) -> Outcome {
    let mut outcome = identified();
    outcome.claims.pcrs = claims;
    outcome.claims.ima =
        unknown_files.map(|unknown_files| ImaClaims { unknown_files, ..ImaClaims::default() });
    outcome
}

#[test]
fn only_what_was_judged_makes_a_claim() {
    use PcrStanding::Known;
    assert_eq!(vector(identified()), (Tier::Affirming, vec![("instance-identity", 2)]));
    let boot = vec![claim(0, Known), claim(4, Known), claim(7, Known)];
    let all = [("instance-identity", 2), ("configuration", 2), ("executables", 3), ("hardware", 2)];
    assert_eq!(vector(with(boot.clone(), None)), (Tier::Affirming, all.to_vec()));
    let mut not_judged = boot;
    not_judged[0].judged = false;
    assert_eq!(vector(with(not_judged, None)), (Tier::Affirming, all[..3].to_vec()));
}

#[test]
fn files_make_the_runtime_known_or_a_warning() {
    let boot = vec![claim(4, PcrStanding::Known)];
    let (status, values) = vector(with(boot.clone(), Some(0)));
    assert_eq!(status, Tier::Affirming);
    assert_eq!(values, [("instance-identity", 2), ("executables", 2), ("file-system", 2)]);
    // The policy only wants unknown files reported: a pass, but with a warning.
    let (status, values) = vector(with(boot, Some(3)));
    assert_eq!(status, Tier::Warning);
    assert_eq!(values, [("instance-identity", 2), ("executables", 33), ("file-system", 32)]);
}

#[test]
fn what_is_wrong_is_said_of_the_aspect_that_it_is_wrong_with() {
    let refused = |pcr, standing| {
        let mut outcome = with(vec![claim(pcr, standing)], None);
        outcome.reasons = vec![reason("e01")];
        let (status, values) = vector(outcome);
        assert_eq!(status, Tier::Contraindicated);
        values[1]
    };
    assert_eq!(refused(0, PcrStanding::Explained), ("hardware", 97));
    assert_eq!(refused(7, PcrStanding::Explained), ("configuration", 96));
    assert_eq!(refused(4, PcrStanding::Unexplained), ("executables", 33));
    assert_eq!(refused(4, PcrStanding::Differs), ("executables", 99));
}

#[test]
fn what_a_pass_tolerates_is_a_warning() {
    for standing in [PcrStanding::Explained, PcrStanding::Differs] {
        for (pcr, expected) in [(0, ("hardware", 32)), (7, ("configuration", 32)), (4, ("executables", 33))] {
            let (status, values) = vector(with(vec![claim(pcr, standing)], None));
            assert_eq!((status, values[1]), (Tier::Warning, expected));
        }
    }
}

#[test]
fn nobody_and_somebody_who_lies_are_told_apart() {
    let refused = || Outcome { reasons: vec![reason("p01")], ..Outcome::default() };
    assert_eq!(vector(refused()), (Tier::Contraindicated, vec![("instance-identity", 97)]));
    let mut named = refused();
    named.claims.device_id = Some(DEVICE.into());
    assert_eq!(vector(named), (Tier::Contraindicated, vec![("instance-identity", 99)]));
    let doubt = Outcome { doubts: vec![reason("p14")], ..Outcome::default() };
    assert_eq!(vector(doubt), (Tier::None, vec![]));
}

#[test]
fn a_doubt_is_never_an_affirmation() {
    let mut outcome = with(vec![claim(4, PcrStanding::Known)], None);
    outcome.doubts = vec![reason("p14")];
    assert_eq!(vector(outcome).0, Tier::None);
}

#[test]
fn values_belong_to_the_tiers_of_the_draft() {
    for (value, tier) in [
        (-1, Tier::None),
        (0, Tier::None),
        (1, Tier::None),
        (2, Tier::Affirming),
        (31, Tier::Affirming),
        (32, Tier::Warning),
        (95, Tier::Warning),
        (96, Tier::Contraindicated),
        (99, Tier::Contraindicated),
        (127, Tier::Contraindicated),
    ] {
        assert_eq!(Tier::of_value(value), tier, "{value}");
    }
}

#[test]
fn i05_what_the_policy_only_wants_reported_leaves_no_aspect_affirming() {
    let boot = || {
        let known = [0, 4, 7].map(|pcr| claim(pcr, PcrStanding::Known));
        with(known.to_vec(), Some(0))
    };
    let value = |values: &[(&str, i8)], aspect| {
        values.iter().find(|(name, _)| *name == aspect).map(|(_, value)| *value)
    };
    let of = |values: &[(&str, i8)]| {
        ["configuration", "executables", "file-system", "hardware"]
            .map(|aspect| value(values, aspect).unwrap())
    };
    for (id, reported, refused) in [
        ("i05", [2, 33, 32, 2], [2, 96, 96, 2]),
        ("i14", [2, 33, 32, 2], [2, 96, 96, 2]),
        ("i04", [2, 33, 2, 2], [2, 96, 2, 2]),
        ("setup-mode", [32, 2, 2, 2], [96, 2, 2, 2]),
        ("secure-boot", [32, 2, 2, 2], [96, 2, 2, 2]),
        ("e10", [32, 2, 2, 2], [96, 2, 2, 2]),
        ("q11", [32, 2, 2, 2], [96, 2, 2, 2]),
        // No rule of today: told nonetheless.
        ("e99", [32, 2, 2, 2], [2, 2, 2, 2]),
    ] {
        let mut outcome = boot();
        outcome.report(&reason(id));
        let (status, values) = vector(outcome);
        assert_eq!((status, of(&values)), (Tier::Warning, reported), "{id}");
        let mut outcome = boot();
        outcome.reasons.push(reason(id));
        let (status, values) = vector(outcome);
        assert_eq!((status, of(&values)), (Tier::Contraindicated, refused), "{id}");
    }
    for (pcr, expected) in [(0, [2, 2, 2, 32]), (4, [2, 33, 2, 2]), (7, [32, 2, 2, 2])] {
        let mut outcome = boot();
        outcome.tolerate(PcrIndex::new(pcr).unwrap(), &reason("e11"));
        let (status, values) = vector(outcome);
        assert_eq!((status, of(&values)), (Tier::Warning, expected), "PCR {pcr}");
    }
}
