//! What a set finds, and what it never finds.

use super::*;

fn digest(text: &str) -> Digest {
    HashAlgorithm::Sha256.digest(text.as_bytes())
}

fn many(count: usize) -> Vec<u8> {
    let mut builder = FileSetBuilder::new();
    for nth in 0..count {
        builder
            .add(format!("/usr/bin/{nth}").as_bytes(), &FileKey::contents(&digest(&nth.to_string())))
            .unwrap();
    }
    builder.finish().unwrap()
}

#[test]
fn every_file_is_found_and_no_other() {
    for count in [0, 1, 2, 3, 17, 2000] {
        let bytes = many(count);
        let set = FileSet::open(bytes.as_slice()).unwrap();
        assert_eq!(set.len(), count);
        let set = FileSet::open_named(bytes.as_slice(), &set.name()).unwrap();
        for nth in 0..count {
            let key = digest(&nth.to_string());
            let path = format!("/usr/bin/{nth}");
            assert!(set.contains(path.as_bytes(), &FileKey::contents(&key)), "{nth} of {count}");
            assert!(!set.contains(b"/usr/bin/other", &FileKey::contents(&key)));
            assert_eq!(set.keys_of(path.as_bytes()).collect::<Vec<_>>(), [FileKey::contents(&key)]);
            let wrong = digest(&format!("not {nth}"));
            assert!(!set.contains(path.as_bytes(), &FileKey::contents(&wrong)));
        }
        assert_eq!(set.iter().count(), count);
        assert!(!set.has_path(b"/usr/bin"));
    }
}

#[test]
fn digests_that_somebody_made_uneven_are_found() {
    let mut builder = FileSetBuilder::new();
    let digests: Vec<Digest> = (0..500_u16)
        .map(|nth| {
            let mut bytes = [if nth % 3 == 0 { 0 } else { 0xFF }; 32];
            bytes[30..].copy_from_slice(&nth.to_be_bytes());
            Digest::new(HashAlgorithm::Sha256, &bytes).unwrap()
        })
        .collect();
    digests.iter().for_each(|digest| builder.add(b"/x", &FileKey::contents(digest)).unwrap());
    let bytes = builder.finish().unwrap();
    let set = FileSet::open(bytes.as_slice()).unwrap();
    assert!(digests.iter().all(|digest| set.contains(b"/x", &FileKey::contents(digest))));
}

#[test]
fn one_content_under_many_paths() {
    let mut builder = FileSetBuilder::new();
    let key = digest("same");
    for nth in 0..50 {
        builder.add(format!("/{nth}").as_bytes(), &FileKey::contents(&key)).unwrap();
    }
    let bytes = builder.finish().unwrap();
    let set = FileSet::open(bytes.as_slice()).unwrap();
    assert_eq!(set.paths_of(&FileKey::contents(&key)).count(), 50);
    assert!(set.contains(b"/49", &FileKey::contents(&key)));
}

#[test]
fn i14_kind_hash_and_digest_are_one_value() {
    let contents = digest("x");
    let mut builder = FileSetBuilder::new();
    builder.add(b"/x", &FileKey::contents(&contents)).unwrap();
    let bytes = builder.finish().unwrap();
    let set = FileSet::open(bytes.as_slice()).unwrap();
    let key = FileKey::contents(&contents);
    assert!(set.contains(b"/x", &key));
    assert!(!set.contains(b"/x", &FileKey { kind: FileKind::Verity, ..key }));
    assert!(!set.contains(b"/x", &FileKey { algorithm: "sm3", ..key }));
    assert!(!set.contains(b"/x", &FileKey { digest: &contents.as_bytes()[..20], ..key }));
    assert!(builder.add(b"/x", &FileKey { algorithm: "sha1", ..key }).is_err());
}

#[test]
fn a_set_is_what_its_name_says() {
    let bytes = many(20);
    let name = FileSet::open(bytes.as_slice()).unwrap().name();
    let mut other = bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    assert!(matches!(FileSet::open_named(other.as_slice(), &name), Err(FileSetError::Name { .. })));
    // A set that its maker did not sort is told, even though its name fits.
    let at = bytes.len() - 2 * 36;
    let mut swapped = bytes.clone();
    swapped[at..].rotate_left(36);
    let name = FileSet::open(swapped.as_slice()).unwrap().name();
    assert!(matches!(FileSet::open_named(swapped.as_slice(), &name), Err(FileSetError::Order { .. })));
}

#[test]
fn every_changed_byte_is_an_error_or_a_set_that_answers() {
    let bytes = many(5);
    let key = digest("3");
    for at in 0..bytes.len() {
        assert!(FileSet::open(&bytes[..at]).is_err(), "cut at {at}");
        for value in [0, 1, 0x7F, 0xFF] {
            let mut changed = bytes.clone();
            changed[at] = value;
            if let Ok(set) = FileSet::open(changed.as_slice()) {
                let _ = (set.contains(b"/usr/bin/3", &FileKey::contents(&key)), set.iter().count());
                let _ = (set.keys_of(b"/usr/bin/3").count(), set.check_order());
            }
        }
    }
}
