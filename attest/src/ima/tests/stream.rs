//! Lists in pieces.

use super::build::*;
use crate::ima::{EntryError, EntryStream, ImaList, MAX_ENTRY, Replayer, replay};

fn in_pieces(bytes: &[u8], size: usize) -> Result<crate::ima::Replayed, crate::ima::ImaError> {
    let mut replayer = Replayer::new(SHA1, &[SHA1.into(), SHA256.into()]);
    bytes.chunks(size).try_for_each(|piece| replayer.push(piece))?;
    replayer.finish()
}

#[test]
fn a_list_in_pieces_replays_like_the_whole() {
    for vector in ["q35-sha256", "q35-ima", "q35-ima-ng"] {
        let (bytes, _) = recorded(vector);
        let whole = replay(&ImaList::new(&bytes), &[SHA1.into(), SHA256.into()]).unwrap();
        for size in [1, 2, 3, 7, 64, 100, 4096, bytes.len()] {
            let replayed = in_pieces(&bytes, size).unwrap();
            assert_eq!(replayed.pcrs, whole, "{vector} in pieces of {size}");
            assert_eq!((replayed.entries, replayed.violations), (84, 2), "{vector} in pieces of {size}");
        }
    }
}

#[test]
fn i17_a_big_endian_list_is_detected_in_pieces_too() {
    let (bytes, _) = recorded("q35-sha256");
    let swapped = big_endian(&bytes);
    let whole = replay(&ImaList::new(&swapped), &[SHA1.into(), SHA256.into()]).unwrap();
    for size in [1, 5, 31, 1000] {
        assert_eq!(in_pieces(&swapped, size).unwrap().pcrs, whole, "{size}");
    }
}

#[test]
fn i08_errors_have_the_same_place_in_pieces_as_in_the_whole() {
    let good = list(&[file(b"/bin/a"), file(b"/bin/b"), violation(b"/c")]);
    for at in 0..good.len() {
        let mut changed = good.clone();
        changed[at] ^= 0x41;
        let whole = replay(&ImaList::new(&changed), &[SHA1.into(), SHA256.into()]);
        for size in [1, 50, 1000] {
            match (&whole, in_pieces(&changed, size)) {
                (Ok(whole), Ok(pieces)) => assert_eq!(*whole, pieces.pcrs),
                // A length beyond the list is found at its end or at the limit.
                (Err(_), Err(pieces)) => assert!(["i01", "i08"].contains(&pieces.threat())),
                (whole, pieces) => panic!("byte {at}, pieces of {size}: {whole:?} {pieces:?}"),
            }
        }
    }
}

#[test]
fn i08_a_list_cut_anywhere_is_refused_in_pieces() {
    let good = list(&[file(b"/bin/a"), file(b"/bin/b")]);
    let starts: Vec<usize> = ImaList::new(&good).entries().map(|entry| entry.unwrap().offset()).collect();
    for len in 1..good.len() {
        assert_eq!(in_pieces(&good[..len], 16).is_ok(), starts.contains(&len), "{len}");
    }
}

#[test]
fn i08_an_entry_without_end_is_refused_before_it_is_stored() {
    let mut endless = raw(10, &[7; 20], b"ima-sig", &u32::MAX.to_le_bytes());
    let mut stream = EntryStream::new(SHA1);
    let (_, _, error) = refused_entry(stream.push(&endless, |_| Ok(())).unwrap_err());
    assert!(matches!(error, EntryError::TooLong { most: MAX_ENTRY, .. }), "{error}");
    endless.truncate(24);
    endless.extend([0xFF; 4]);
    let mut stream = EntryStream::new(SHA1);
    let (_, _, error) = refused_entry(stream.push(&endless, |_| Ok(())).unwrap_err());
    assert!(matches!(error, EntryError::TooLong { .. }), "{error}");
}
