//! Lists in parts over several quotes.

use jiff::Timestamp;

use super::build::*;
use crate::digest::Digest;
use crate::evidence::{ImaStart, StartValue};
use crate::ima::{
    Attesting, ImaError, ImaList, ImaOptions, ImaState, KeptValue, Mark, MeasuredFiles, ResumeError, Seeing,
    Sight, Sightings, measure_rest, measure_seen,
};
use crate::pcr::PcrIndex;

fn policy() -> Digest {
    SHA256.digest(b"policy")
}

fn attesting(policy: &Digest) -> Attesting<'_> {
    Attesting { attester: "000b01", reset_count: 7, policy }
}

fn ten(quoted: &Quoted) -> Digest {
    quoted.0[&(SHA256, PcrIndex::IMA)]
}

fn state(files: &MeasuredFiles<'_>, before: Option<&ImaState>, quoted: &Quoted) -> ImaState {
    let options = ImaOptions::new(SHA256);
    let value = |pcr| quoted.0.get(&(SHA256, pcr)).copied();
    let sight = Sight { now: Timestamp::UNIX_EPOCH, clock_ms: 0, restart_count: 0 };
    let seeing = Seeing { sight, before: before.and_then(|before| before.seen.as_ref()), cuts: &[] };
    ImaState::after(attesting(&policy()), &options, files, before, seeing, value).unwrap()
}

fn start(state: &ImaState) -> ImaStart {
    let values = state.values.iter().map(|kept| {
        StartValue(kept.value.algorithm().tpm_id(), kept.pcr.get(), kept.value.as_bytes().to_vec().into())
    });
    ImaStart { offset: state.offset, entries: state.entries, values: values.collect() }
}

fn rest<'a>(bytes: &'a [u8], state: &ImaState, quoted: &Quoted) -> Result<MeasuredFiles<'a>, ImaError> {
    let options = ImaOptions::new(SHA256);
    measure_rest(&ImaList::new(bytes), &options, state, |bank, pcr| quoted.0.get(&(bank, pcr)).copied())
}

/// A list, the state after its first three entries, and the quote after all of them.
fn parts() -> (Vec<u8>, ImaState, Quoted) {
    let first = list(&[file(b"/bin/a"), violation(b"/v")]);
    let whole = [first.clone(), file(b"/bin/b"), file(b"/bin/c")].concat();
    let earlier = Quoted::after(&first, &[SHA256.into()]);
    let state = state(&earlier.measure_sha256(&first).unwrap(), None, &earlier);
    (whole.clone(), state, Quoted::after(&whole, &[SHA256.into()]))
}

#[test]
fn i11_the_rest_of_a_list_is_believed_from_where_the_last_quote_ended() {
    let (whole, state, quoted) = parts();
    assert_eq!((state.entries, state.violations), (3, 1));
    let part = &whole[usize::try_from(state.offset).unwrap()..];
    ImaState::carries_on(Some(&state), attesting(&policy()), &start(&state)).unwrap();
    let files = rest(part, &state, &quoted).unwrap();
    assert_eq!((files.attested(), files.not_yet_attested()), (2, 0));
    assert_eq!(files.files().map(|entry| entry.path().to_vec()).collect::<Vec<_>>(), [b"/bin/b", b"/bin/c"]);
    assert_eq!(files.boot_aggregate(), None);
    let next = super::resume::state(&files, Some(&state), &quoted);
    assert_eq!(usize::try_from(next.offset).unwrap(), whole.len());
    assert_eq!((next.entries, next.violations, next.values[0].value), (5, 1, ten(&quoted)));
    // Nothing was measured since: an empty part, and one that has grown since the quote.
    assert_eq!(rest(&[], &next, &quoted).unwrap().attested(), 0);
    assert_eq!(rest(&file(b"/bin/d"), &next, &quoted).unwrap().not_yet_attested(), 1);
    assert_eq!(ImaState::parse(&next.to_json().unwrap()).unwrap(), next);
}

#[test]
fn i11_a_part_with_an_entry_dropped_doubled_or_rewritten_is_refused() {
    let (whole, state, quoted) = parts();
    let lines = split(&whole);
    for part in [
        lines[4].clone(),
        lines[3].clone(),
        [&lines[4], &lines[3]].map(Vec::as_slice).concat(),
        [&lines[2], &lines[3], &lines[4]].map(Vec::as_slice).concat(),
        [file(b"/bin/x"), lines[4].clone()].concat(),
        Vec::new(),
    ] {
        let error = rest(&part, &state, &quoted).unwrap_err();
        assert!(matches!(error, ImaError::NotCovered { .. }), "{error}");
    }
}

#[test]
fn i11_a_register_that_no_entry_extended_is_at_its_start_and_needs_no_word() {
    let (_, mut state, _) = parts();
    let said = start(&state);
    let pcr = PcrIndex::new(13).unwrap();
    state.values.push(KeptValue { pcr, value: pcr.start(SHA256) });
    ImaState::carries_on(Some(&state), attesting(&policy()), &said).unwrap();
    state.values[1].value = SHA256.digest(b"extended");
    let error = ImaState::carries_on(Some(&state), attesting(&policy()), &said).unwrap_err();
    assert!(matches!(error, ResumeError::Value { .. }), "{error}");
}

#[test]
fn i11_both_sides_must_agree_on_where_a_part_starts() {
    let (_, state, _) = parts();
    let policy = policy();
    let said = start(&state);
    let refused = |kept, attesting, start: &ImaStart| {
        let error = ImaState::carries_on(kept, attesting, start).unwrap_err();
        assert!(error.to_string().contains("send"), "{error}");
        assert_eq!(ImaError::from(error.clone()).threat(), "i11");
        error
    };
    let kept = Some(&state);
    assert!(matches!(refused(None, attesting(&policy), &said), ResumeError::Nothing { entries: 3 }));
    // The offset past the end, before it, and entries that were counted otherwise.
    for (offset, entries) in [(1, 0), (0, 1), (u64::MAX, 0), (0, u64::MAX)] {
        let mut other = said.clone();
        other.offset = other.offset.wrapping_add(offset);
        other.entries = other.entries.wrapping_add(entries);
        assert!(matches!(refused(kept, attesting(&policy), &other), ResumeError::Offset { .. }));
    }
    let mut other = said.clone();
    other.values[0].2[5] ^= 1;
    assert!(matches!(refused(kept, attesting(&policy), &other), ResumeError::Value { .. }));
    other.values.clear();
    assert!(matches!(refused(kept, attesting(&policy), &other), ResumeError::Value { .. }));
    let mut sha1 = said.clone();
    sha1.values[0].0 = SHA1.tpm_id();
    assert!(matches!(refused(kept, attesting(&policy), &sha1), ResumeError::Value { .. }));
}

#[test]
fn i11_after_a_reboot_or_for_another_key_or_policy_the_list_starts_again() {
    let (_, state, _) = parts();
    let policy = policy();
    let said = start(&state);
    let rebooted = Attesting { reset_count: 8, ..attesting(&policy) };
    let error = ImaState::carries_on(Some(&state), rebooted, &said).unwrap_err();
    assert_eq!(error, ResumeError::Rebooted { kept: 7, found: 8 });
    let foreign = Attesting { attester: "000b02", ..attesting(&policy) };
    let error = ImaState::carries_on(Some(&state), foreign, &said).unwrap_err();
    assert!(matches!(error, ResumeError::OtherAttester { .. }));
    let other = SHA256.digest(b"another policy");
    let error = ImaState::carries_on(Some(&state), attesting(&other), &said).unwrap_err();
    assert_eq!(error, ResumeError::OtherPolicy);
}

#[test]
fn i04_kexecs_are_counted_over_all_parts_of_a_list() {
    let first = list(&[file(b"/bin/a"), boot_aggregate(SHA256, 10)]);
    let whole = [first.clone(), boot_aggregate(SHA256, 8), file(b"/bin/b")].concat();
    let earlier = Quoted::after(&first, &[SHA256.into()]);
    let state = state(&earlier.measure_sha256(&first).unwrap(), None, &earlier);
    assert_eq!(state.kexecs, Some(1));
    let quoted = Quoted::after(&whole, &[SHA256.into()]);
    // A part has no first aggregate: the first that it begins with is a further one.
    let files = rest(&whole[first.len()..], &state, &quoted).unwrap();
    assert_eq!((files.kexecs().count(), files.files().count()), (1, 1));
    assert_eq!(super::resume::state(&files, Some(&state), &quoted).kexecs, Some(2));
    let old = ImaState { kexecs: None, ..state };
    assert_eq!(super::resume::state(&files, Some(&old), &quoted).kexecs, Some(1));
}

#[test]
fn i18_no_list_is_carried_on_from_a_sight_without_one() {
    let (whole, state, quoted) = parts();
    let sight = Sight { now: Timestamp::from_second(9).unwrap(), clock_ms: 9000, restart_count: 0 };
    let policy = policy();
    let seeing = |before| Seeing { sight, before, cuts: &[] };
    let seen = ImaState::without_list(attesting(&policy), Some(&state), seeing(state.seen.as_ref()));
    let (before, after) = (state.seen.as_ref().unwrap(), seen.seen.as_ref().unwrap());
    assert_eq!((&after.marks, after.since, after.last), (&before.marks, before.since, sight.now));
    assert_eq!(ImaState::parse(&seen.to_json().unwrap()).unwrap(), seen);
    let begin = start(&state);
    let kept = ImaState::carries_on(Some(&seen), attesting(&policy), &begin).unwrap();
    let error = rest(&whole[usize::try_from(state.offset).unwrap()..], kept, &quoted).unwrap_err();
    assert_eq!(error, ResumeError::NotKept { pcr: PcrIndex::IMA }.into());
    // Of a record that is not believed, nothing stays.
    let anew = ImaState::without_list(attesting(&policy), Some(&state), seeing(None));
    assert_eq!((anew.entries, anew.seen.unwrap().marks), (0, Vec::new()));
}

#[test]
fn i17_a_list_that_the_kernel_has_trimmed_carries_on_from_the_state_or_says_what_is_missing() {
    let (whole, state, quoted) = parts();
    let trimmed = &whole[usize::try_from(state.offset).unwrap()..];
    assert_eq!(rest(trimmed, &state, &quoted).unwrap().attested(), 2);
    let error = quoted.measure_sha256(trimmed).unwrap_err();
    assert!(matches!(error, ImaError::NotCovered { .. }), "{error}");
    // Trimmed, and staged as a list of its own whose first entry a quote could cover.
    let alone = Quoted::after(trimmed, &[SHA256.into()]);
    let error = alone.measure_sha256(trimmed).unwrap_err();
    assert!(error.to_string().contains("trimmed"), "{error}");
}

#[test]
fn i17_a_part_of_a_big_endian_list_carries_on_too() {
    let first = big_endian(&list(&[file(b"/bin/a")]));
    let whole = [first.clone(), big_endian(&file(b"/bin/b"))].concat();
    let earlier = Quoted::after(&first, &[SHA256.into()]);
    let state = state(&earlier.measure_sha256(&first).unwrap(), None, &earlier);
    let quoted = Quoted::after(&whole, &[SHA256.into()]);
    let files = rest(&whole[first.len()..], &state, &quoted).unwrap();
    assert_eq!(files.files().next().unwrap().path(), b"/bin/b");
}

#[test]
fn i08_a_part_that_starts_within_an_entry_is_refused() {
    let (whole, state, quoted) = parts();
    let from = usize::try_from(state.offset).unwrap();
    for shift in 1..40 {
        let error = rest(&whole[from + shift..], &state, &quoted).unwrap_err();
        assert!(["i01", "i08", "i03", "i09"].contains(&error.threat()), "{error}");
    }
}

#[test]
fn i11_a_list_is_cut_where_the_verifier_stopped_and_nowhere_else() {
    use crate::ima::{CutError, ListPosition};
    let (whole, state, quoted) = parts();
    let cut = |bytes: &[u8], offset, entries| {
        ImaList::new(bytes)
            .cut(ListPosition { offset, entries }, &[SHA256])
            .map(|(start, rest)| (start, rest.to_vec()))
    };
    let (begin, part) = cut(&whole, state.offset, state.entries).unwrap();
    assert_eq!(begin, start(&state));
    ImaState::carries_on(Some(&state), attesting(&policy()), &begin).unwrap();
    assert_eq!(rest(&part, &state, &quoted).unwrap().attested(), 2);
    assert_eq!(state.position().to_string().parse::<ListPosition>(), Ok(state.position()));

    let length = u64::try_from(whole.len()).unwrap();
    let shorter = cut(&whole, length + 1, 5).unwrap_err();
    assert!(
        matches!(shorter, CutError::Shorter { .. }) && shorter.to_string().ends_with("send the whole list")
    );
    for (offset, entries) in [(state.offset + 1, 3), (state.offset, 2), (state.offset, 4), (length, 6)] {
        let elsewhere = cut(&whole, offset, entries).unwrap_err();
        assert!(matches!(elsewhere, CutError::Elsewhere { .. }), "{elsewhere}");
    }
    // Another list of the same length: its own values go with it, and the verifier refuses them.
    let other = [list(&[file(b"/bin/z"), violation(b"/v")]), file(b"/bin/b"), file(b"/bin/c")].concat();
    let (begin, _) = cut(&other, state.offset, state.entries).unwrap();
    let refused = ImaState::carries_on(Some(&state), attesting(&policy()), &begin).unwrap_err();
    assert!(matches!(refused, ResumeError::Value { .. }), "{refused}");
    for text in ["", "1", ":", "1:", "+1:2", "1:2:3", "-1:0", "0x1:1"] {
        assert!(text.parse::<ListPosition>().is_err(), "{text}");
    }
}

/// A list of three entries with what was seen of it, the whole of five, and the quote after it.
fn seen_parts() -> (Vec<u8>, Vec<u8>, Vec<Mark>, Quoted) {
    let first = list(&[file(b"/bin/a"), violation(b"/v")]);
    let whole = [first.clone(), file(b"/bin/b"), file(b"/bin/c")].concat();
    let mark = |bytes: &[u8], second, entries| {
        let value = ten(&Quoted::after(bytes, &[SHA256.into()]));
        Mark {
            at: Timestamp::from_second(second).unwrap(),
            entries,
            values: vec![KeptValue { pcr: PcrIndex::IMA, value }],
        }
    };
    let marks = vec![mark(&first, 1, 3), mark(&whole, 2, 5)];
    let quoted = Quoted::after(&whole, &[SHA256.into()]);
    (first, whole, marks, quoted)
}

fn through<'a>(bytes: &'a [u8], quoted: &Quoted, marks: &[Mark]) -> Result<MeasuredFiles<'a>, ImaError> {
    let options = ImaOptions::new(SHA256);
    measure_seen(&ImaList::new(bytes), &options, |bank, pcr| quoted.0.get(&(bank, pcr)).copied(), marks)
}

#[test]
fn i19_a_whole_list_leads_through_all_that_was_seen_of_it() {
    let (first, whole, marks, quoted) = seen_parts();
    assert_eq!(through(&whole, &quoted, &marks).unwrap().attested(), 5);
    // The list began anew under the same counters: shorter than what was seen, or with other entries.
    let anew = Quoted::after(&first, &[SHA256.into()]);
    let error = through(&first, &anew, &marks).unwrap_err();
    assert!(matches!(error, ImaError::OtherRun { entries: 5, .. }) && error.threat() == "i19", "{error}");
    let other =
        [list(&[file(b"/bin/x"), violation(b"/v")]), file(b"/bin/b"), file(b"/bin/c"), file(b"/bin/d")]
            .concat();
    let anew = Quoted::after(&other, &[SHA256.into()]);
    let error = through(&other, &anew, &marks).unwrap_err();
    assert!(matches!(error, ImaError::OtherRun { entries: 3, .. }), "{error}");
}

#[test]
fn i19_marks_of_another_bank_or_without_a_pcr_are_left_aside() {
    let (_, _, marks, _) = seen_parts();
    let last = marks[1].at;
    let seen = Sightings { since: marks[0].at, last, clock_ms: 0, restart_count: 0, marks };
    assert_eq!(seen.clone().comparable(&ImaOptions::new(SHA256)).marks.len(), 2);
    assert_eq!(seen.clone().comparable(&ImaOptions::new(SHA1)).marks.len(), 0);
    let two = ImaOptions { other_pcrs: vec![PcrIndex::new(11).unwrap()], ..ImaOptions::new(SHA256) };
    assert_eq!(seen.comparable(&two).marks.len(), 0);
}
