use attest::HashAlgorithm;
use attest::evidence::{ImaStart, StartValue};
use attest::ima::{Attesting, ImaList, ImaState, ListPosition, replay};
use serde_bytes::ByteBuf;

/// What a verifier keeps of a device's list, and where the device cuts it: a state in JSON, or a position, a line feed and a list.
/// A state is written as it was read and carries on from itself; a list is cut at an entry or not at all (threats i11, i17).
pub fn ima_state(data: &[u8]) {
    if let Ok(state) = ImaState::parse(data) {
        let json = state.to_json().expect("what was read can be written");
        assert_eq!(ImaState::parse(&json).as_ref(), Ok(&state));
        carries_on(&state);
    }
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    if let (Some(position), Some(list)) = (parts.next(), parts.next())
        && let Ok(text) = std::str::from_utf8(position)
        && let Ok(position) = text.parse::<ListPosition>()
    {
        assert_eq!(position.to_string().parse(), Ok(position));
        cut(position, list);
    }
}

fn carries_on(state: &ImaState) {
    let policy = state.policy;
    let attesting = Attesting { attester: &state.attester, reset_count: state.reset_count, policy: &policy };
    let value = |kept: &attest::ima::KeptValue| {
        let bytes = ByteBuf::from(kept.value.as_bytes());
        StartValue(kept.value.algorithm().tpm_id(), kept.pcr.get(), bytes)
    };
    let mut start = ImaStart {
        offset: state.offset,
        entries: state.entries,
        values: state.values.iter().map(value).collect(),
    };
    let twice = state.values.iter().enumerate().any(|(at, kept)| {
        let same = |other: &attest::ima::KeptValue| {
            other.pcr == kept.pcr && other.value.algorithm() == kept.value.algorithm()
        };
        state.values[..at].iter().any(same)
    });
    assert!(twice || ImaState::carries_on(Some(state), attesting, &start).is_ok());
    if let Some(value) = start.values.first_mut() {
        value.2[0] ^= 1;
        assert!(ImaState::carries_on(Some(state), attesting, &start).is_err());
        value_is_missed(state, attesting, &start);
    }
    let other = Attesting { reset_count: state.reset_count.wrapping_add(1), ..attesting };
    assert!(ImaState::carries_on(Some(state), other, &start).is_err());
}

/// Without its value a register counts only where nothing was measured into it.
fn value_is_missed(state: &ImaState, attesting: Attesting<'_>, start: &ImaStart) {
    let start = ImaStart { values: Vec::new(), ..start.clone() };
    let touched = state.values.iter().any(|kept| kept.value != kept.pcr.start(kept.value.algorithm()));
    assert_eq!(ImaState::carries_on(Some(state), attesting, &start).is_err(), touched);
}

fn cut(position: ListPosition, bytes: &[u8]) {
    let bank = HashAlgorithm::Sha256;
    let Ok((start, rest)) = ImaList::new(bytes).cut(position, &[bank]) else { return };
    let before = &bytes[..bytes.len() - rest.len()];
    assert_eq!(u64::try_from(before.len()), Ok(position.offset));
    assert_eq!((start.offset, start.entries), (position.offset, position.entries));
    let whole = ImaList::new(before);
    assert_eq!(u64::try_from(whole.entries().count()), Ok(position.entries));
    let pcrs = replay(&whole, &[bank.into()]).expect("entries that were read");
    for StartValue(algorithm, pcr, value) in &start.values {
        assert_eq!(*algorithm, bank.tpm_id());
        let pcr = attest::PcrIndex::new(u32::from(*pcr)).expect("a PCR");
        assert_eq!(pcrs.get(bank, pcr).map(|value| value.as_bytes()), Some(value.as_slice()));
    }
}
