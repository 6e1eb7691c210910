//! Kernels that kexec started, against what the policy lets be.

use super::*;

fn kexecs(maximum: &str, files: &[Vec<u8>]) -> Outcome {
    judged(&rules(maximum), Vec::new(), files)
}

fn reasons(outcome: &Outcome) -> Vec<(&'static str, &str)> {
    outcome.reasons.iter().map(|reason| (reason.id, reason.place.as_str())).collect()
}

#[test]
fn i04_a_kexec_is_refused_by_that_name_and_counted() {
    let outcome = kexecs("", &[boot_aggregate()]);
    assert_eq!(reasons(&outcome), [("i04", "IMA list, boot_aggregate in entry 2")]);
    let text = outcome.reasons[0].to_string();
    assert!(
        text.contains("kexec") && text.ends_with("expected at most 0 (ima.kexec_maximum); found 1"),
        "{text}"
    );
    let claims = outcome.claims.ima.unwrap();
    assert_eq!((claims.kexecs, claims.unknown_files), (1, 0));
    assert_eq!(claims.kexec_entries, [2]);
}

#[test]
fn i04_as_many_kexecs_as_the_policy_says_are_told_and_one_more_is_refused() {
    let files = [boot_aggregate(), file("/bin/a", b"a"), boot_aggregate()];
    let rules = |maximum| format!("unknown_files = \"report\"\nkexec_maximum = {maximum}");
    let outcome = kexecs(&rules(2), &files);
    assert_eq!(reasons(&outcome), []);
    assert!(
        outcome.notes[1].contains("[i04] IMA list, boot_aggregate in entries 2, 4: kexec"),
        "{:?}",
        outcome.notes
    );
    assert_eq!(outcome.claims.ima.unwrap().kexec_entries, [2, 4]);
    let outcome = kexecs(&rules(1), &files);
    assert_eq!(reasons(&outcome), [("i04", "IMA list, boot_aggregate in entries 2, 4")]);
    // No kexec, no word of it.
    let outcome = kexecs(&rules(1), &[]);
    assert!(outcome.notes.is_empty() && outcome.claims.ima.unwrap().kexecs == 0);
}

#[test]
fn i16_a_file_called_boot_aggregate_is_unknown_however_many_kexecs_may_be() {
    let other = entry("ima-sig", &SHA256.digest(b"other"), b"boot_aggregate", b"");
    let outcome = kexecs("kexec_maximum = 9", &[other]);
    assert_eq!(reasons(&outcome), [("i12", "IMA list, entry 2")]);
    assert!(
        outcome.reasons[0].what.contains("not the hash of the quoted boot PCRs"),
        "{}",
        outcome.reasons[0]
    );
    assert_eq!(outcome.claims.ima.unwrap().kexecs, 0);
}

/// What is kept of thirty entries, among them the boot aggregates of `kexecs` kernels.
fn kept(kexecs: Option<u64>) -> ImaState {
    let version = if kexecs.is_some() { 3 } else { 1 };
    let policy = SHA256.digest(b"policy");
    let attester = "000b01".to_owned();
    let (offset, entries, violations, reset_count) = (1000, 30, 0, 7);
    ImaState {
        version,
        attester,
        reset_count,
        policy,
        offset,
        entries,
        violations,
        kexecs,
        values: Vec::new(),
        seen: None,
    }
}

#[test]
fn i04_kexecs_of_earlier_parts_count_too() {
    let judge = |kexecs, files: &[Vec<u8>]| {
        let rules = rules("kexec_maximum = 2");
        judged_after(Some(&kept(kexecs)), &rules, Vec::new(), files, &Releases::none(), None)
    };
    let outcome = judge(Some(1), &[boot_aggregate()]);
    let claims = outcome.claims.ima.as_ref().unwrap();
    assert_eq!((claims.kexecs, claims.kexec_entries.as_slice()), (2, &[32][..]));
    assert_eq!(reasons(&outcome), []);
    let outcome = judge(Some(2), &[boot_aggregate()]);
    assert_eq!(reasons(&outcome), [("i04", "IMA list, boot_aggregate in entry 32")]);
    assert_eq!(outcome.reasons[0].found, "3");
    // A part without any: the note stays.
    let outcome = judge(Some(2), &[]);
    assert!(outcome.notes[0].contains("IMA list, earlier parts: kexec"), "{:?}", outcome.notes);
    // A record from before they were counted.
    assert_eq!(judge(None, &[boot_aggregate()]).claims.ima.unwrap().kexecs, 1);
}
