//! Threats of single entries: paths, templates, fields, digests.

use super::build::*;
use crate::ima::{DigestKind, Entry, EntryError, Field, FileDigest, ImaError, ImaList, ascii_to_binary};
use crate::wire::WireError;

fn only(bytes: &[u8]) -> Result<Entry<'_>, ImaError> {
    let mut entries = ImaList::new(bytes).entries();
    let first = entries.next().unwrap();
    assert!(entries.next().is_none());
    first
}

#[test]
fn i06_paths_are_exact_bytes() {
    let long = [b"/".as_slice(), &[b'x'; 4095]].concat();
    let paths: [&[u8]; 7] =
        [b"/a b", b"/a\nb", b"/\x01\x1B[2J", b"/srv/../bin/a", b"/\xFF\xFE", &long, b"/a\n10 00"];
    for path in paths {
        let bytes = list(&[file(path)]);
        let measured = Quoted::after(&bytes, &[SHA256.into()]);
        let measured = measured.measure_sha256(&bytes).unwrap();
        assert_eq!(measured.files().next().unwrap().path(), path);
    }
}

#[test]
fn i06_a_line_feed_in_a_path_breaks_an_ascii_line_and_is_refused() {
    let text =
        b"10 0000000000000000000000000000000000000000 ima 0000000000000000000000000000000000000000 /a\nb\n";
    let error = ascii_to_binary(text, SHA1).unwrap_err();
    let (number, offset, _) = refused_entry(error);
    assert_eq!((number, offset), (2, text.len() - 2));
}

#[test]
fn i06_a_name_with_a_zero_inside_or_none_at_its_end_is_refused() {
    let digest = d_ng("sha256", &[1; 32]);
    for path in [b"/a\0b\0".as_slice(), b"/a", b"", b"/a\0\0"] {
        let bytes = entry(10, "ima-ng", &[&digest, path]);
        let (_, _, error) = refused_entry(only(&bytes).unwrap_err());
        assert_eq!(error, EntryError::NameForm { field: Field::NameNg });
    }
    // In the old template a name and the same name with zeros after it have one hash.
    let (_, _, error) = refused_entry(only(&legacy(&[1; 20], b"/a\0")).unwrap_err());
    assert_eq!(error, EntryError::NameForm { field: Field::Name });
    let long = raw(10, &[1; 20], b"ima", &[[1; 20].as_slice(), &sized(&[b'x'; 256])].concat());
    let (_, _, error) = refused_entry(only(&long).unwrap_err());
    assert_eq!(error, EntryError::Length { field: Field::Name, found: 256, expected: 255 });
}

#[test]
fn i08_unknown_templates_and_fields_are_refused_with_number_and_offset() {
    let names = [
        "ima-ng2",
        "",
        "IMA-NG",
        "ima-sig\0",
        "d-ng|n-ng|",
        "|d-ng|n-ng",
        "d-ng|n-ng|siq",
        "d-ng,n-ng",
        "\u{e9}",
    ];
    for template in names {
        let first = file(b"/bin/a");
        let second = entry(10, template, &[&d_ng("sha256", &[1; 32]), &name(b"/bin/b"), b""]);
        let bytes = [first.clone(), second].concat();
        let error = ImaList::new(&bytes).entries().nth(1).unwrap().unwrap_err();
        assert_eq!(error.threat(), "i08");
        let (number, offset, error) = refused_entry(error);
        assert_eq!((number, offset), (2, first.len()));
        assert!(matches!(error, EntryError::Template { .. }), "{template:?}: {error}");
    }
}

#[test]
fn i08_a_custom_template_has_one_digest_and_one_name() {
    let shapes =
        [("d-ng", 1, 0), ("n-ng", 0, 1), ("d|d-ng|n-ng", 2, 1), ("d-ng|n|n-ng", 1, 2), ("sig", 0, 0)];
    for (template, digests, names) in shapes {
        let (_, _, error) =
            refused_entry(only(&raw(10, &[1; 20], template.as_bytes(), &sized(b""))).unwrap_err());
        assert_eq!(error, EntryError::TemplateShape { name: template.to_owned(), digests, names });
    }
    let many = format!("d-ng|n-ng{}", "|sig".repeat(14));
    let (_, _, error) = refused_entry(only(&raw(10, &[1; 20], many.as_bytes(), &sized(b""))).unwrap_err());
    assert!(matches!(error, EntryError::Template { .. }), "{error}");
}

#[test]
fn i08_unknown_hashes_and_digests_of_other_lengths_are_refused() {
    let digests: [&[u8]; 9] = [
        b"sha257:\0",
        b":\0",
        b"sha256\0",
        b"sha256:",
        b"",
        b"\0",
        b"sha256:\0short",
        b"ima:sha256:\0",
        b"SHA256:\0",
    ];
    for digest in digests {
        let bytes = entry(10, "ima-ng", &[digest, &name(b"/bin/a")]);
        let error = only(&bytes).unwrap_err();
        assert_eq!(error.threat(), "i08", "{error}");
    }
    for digest in [d_ng("sha256", &[1; 32]), d_ng("evm:sha256", &[1; 32]), d_ng("ima:", &[1; 32])] {
        let error = only(&entry(10, "ima-ngv2", &[&digest, &name(b"/bin/a")]).clone()).unwrap_err();
        assert_eq!(error.threat(), "i08", "{error}");
    }
}

#[test]
fn i08_every_length_past_the_end_is_refused() {
    let good = file(b"/bin/a");
    // Lengths of: template name, template data, d-ng, n-ng, sig.
    for at in [24, 35, 39, 83, 94] {
        for length in [u32::MAX, 0x7FFF_FFFF, 1000] {
            let mut bytes = good.clone();
            bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
            let (_, _, error) = refused_entry(only(&bytes).unwrap_err());
            assert!(matches!(error, EntryError::Wire(WireError::Short { .. })), "{at}: {error}");
        }
    }
    for end in 1..good.len() {
        assert_eq!(only(&good[..end]).unwrap_err().threat(), "i08");
    }
    let more = [sized(&d_ng("sha256", &[1; 32])), sized(&name(b"/bin/a")), sized(b""), vec![0]].concat();
    let (_, _, error) = refused_entry(only(&raw(10, &[1; 20], b"ima-sig", &sized(&more))).unwrap_err());
    assert!(matches!(error, EntryError::Wire(WireError::Trailing { left: 1, .. })), "{error}");
}

#[test]
fn i08_a_pcr_that_does_not_exist_is_refused() {
    let bytes = [file(b"/bin/a"), entry(24, "ima-ng", &[&d_ng("md5", &[1; 16]), &name(b"/x")])].concat();
    let (number, _, error) = refused_entry(ImaList::new(&bytes).entries().nth(1).unwrap().unwrap_err());
    assert_eq!((number, error), (2, EntryError::Pcr { pcr: 24 }));
}

#[test]
fn i08_after_an_error_there_are_no_more_entries() {
    let bytes = [file(b"/bin/a"), entry(10, "nonsense", &[]), file(b"/bin/b")].concat();
    assert_eq!(ImaList::new(&bytes).entries().count(), 2);
}

#[test]
fn i08_ascii_lines_that_say_too_little_or_too_much_are_refused() {
    let hash = "00".repeat(20);
    let lines = [
        String::new(),
        "10".to_owned(),
        format!("x {hash} ima {hash} /a"),
        format!("+1 {hash} ima {hash} /a"),
        format!("24 {hash} ima {hash} /a"),
        format!("10 {hash}00 ima {hash} /a"),
        format!("10 {hash} ima {hash}"),
        format!("10 {hash} ima {hash} /a b"),
        format!("10 {hash} ima-ng {hash} /a"),
        format!("10 {hash} ima-ng sha1:{hash}0 /a"),
        format!("10 {hash} ima-sig sha1:{hash} /a xyz"),
    ];
    for line in lines {
        let error = ascii_to_binary(format!("{line}\n").as_bytes(), SHA1).unwrap_err();
        assert_eq!(error.threat(), "i08", "{line}");
    }
    assert!(ascii_to_binary(b"", SHA1).unwrap().is_empty());
}

#[test]
fn i14_a_file_digest_is_kind_algorithm_and_bytes_in_one() {
    let same = [7_u8; 32];
    let forms = [
        ("ima-ng", "sha256", DigestKind::Unstated, Some(SHA256)),
        ("ima-ng", "sm3", DigestKind::Unstated, Some(crate::HashAlgorithm::Sm3)),
        ("ima-ng", "sha3-256", DigestKind::Unstated, Some(crate::HashAlgorithm::Sha3With256)),
        ("ima-ng", "streebog256", DigestKind::Unstated, None),
        ("ima-ngv2", "ima:sha256", DigestKind::Ima, Some(SHA256)),
        ("ima-ngv2", "verity:sha256", DigestKind::Verity, Some(SHA256)),
    ];
    let lists =
        forms.map(|(template, prefix, ..)| entry(10, template, &[&d_ng(prefix, &same), &name(b"/a")]));
    let digests: Vec<FileDigest<'_>> = lists.iter().map(|bytes| only(bytes).unwrap().file_digest()).collect();
    for (digest, (_, prefix, kind, algorithm)) in digests.iter().zip(forms) {
        assert_eq!((digest.kind(), digest.algorithm(), digest.bytes()), (kind, algorithm, same.as_slice()));
        assert_eq!(digest.to_string(), format!("{prefix}:{}", hex::encode(same)));
        assert_eq!(digests.iter().filter(|other| *other == digest).count(), 1);
    }
}

#[test]
fn i14_weak_hashes_are_told_by_name() {
    let md5 = entry(10, "ima-ng", &[&d_ng("md5", &[1; 16]), &name(b"/a")]);
    let digest = only(&md5).unwrap().file_digest();
    assert_eq!((digest.algorithm_name(), digest.algorithm(), digest.digest()), ("md5", None, None));
    let bare = entry(10, "d|n", &[&[1; 16], &name(b"/a")]);
    assert_eq!(only(&bare).unwrap().file_digest(), digest);
    let old = legacy(&[1; 20], b"/a");
    assert_eq!(only(&old).unwrap().file_digest().algorithm(), Some(SHA1));
}

#[test]
fn every_template_gives_its_fields() {
    let digest = d_ng("sha256", &[1; 32]);
    let path = name(b"/a");
    let buf = entry(10, "ima-buf", &[&digest, &name(b".ima"), b"key"]);
    assert_eq!(only(&buf).unwrap().buffer(), Some(b"key".as_slice()));
    let modsig = entry(10, "ima-modsig", &[&digest, &path, b"s", &d_ng("sha1", &[2; 20]), b"pkcs7"]);
    let modsig = only(&modsig).unwrap();
    assert_eq!(modsig.field(Field::Modsig), Some(b"pkcs7".as_slice()));
    assert_eq!(modsig.signature(), Some(b"s".as_slice()));
    let plain = entry(10, "ima-modsig", &[&digest, &path, b"", b"", b""]);
    assert_eq!(only(&plain).unwrap().fields().count(), 5);
    let evm: [&[u8]; 9] =
        [&digest, &path, b"s", b"security.ima\0", &[4, 0, 0, 0], b"\x01abc", &[0; 4], &[0; 4], &[0xED, 0x81]];
    let bytes = entry(10, "evm-sig", &evm);
    let fields: Vec<&[u8]> = only(&bytes).unwrap().fields().map(|(_, bytes)| bytes).collect();
    assert_eq!(fields, evm);
    let custom = entry(10, "d-ng|n-ng|sig", &[&digest, &path, b"s"]);
    let custom = only(&custom).unwrap();
    assert_eq!(
        (custom.path(), custom.signature(), custom.template()),
        (b"/a".as_slice(), Some(b"s".as_slice()), "d-ng|n-ng|sig")
    );
    let old = legacy(&[1; 20], b"/a");
    let fields: Vec<_> = only(&old).unwrap().fields().collect();
    assert_eq!(fields, [(Field::Digest, [1; 20].as_slice()), (Field::Name, b"/a")]);
}

#[test]
fn inode_numbers_have_their_length() {
    let digest = d_ng("sha256", &[1; 32]);
    for (field, length) in [("iuid", 2), ("igid", 8), ("imode", 4)] {
        let bytes = entry(10, &format!("d-ng|n-ng|{field}"), &[&digest, &name(b"/a"), &vec![0; length]]);
        let (_, _, error) = refused_entry(only(&bytes).unwrap_err());
        assert!(matches!(error, EntryError::Length { found, .. } if found == length), "{error}");
    }
}
