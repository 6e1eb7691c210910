//! The entry that ties a list to its boot.

use super::build::*;
use crate::ima::{Bank, Entry, ImaError, ImaOptions};
use crate::pcr::PcrIndex;

#[test]
fn i04_the_kernels_ways_to_hash_the_boot_pcrs_are_accepted() {
    for (bank, count) in [(SHA1, 8), (SHA256, 10), (SHA256, 8), (SHA384, 10)] {
        let bytes = [boot_aggregate(bank, count), file(b"/bin/a")].concat();
        let quoted = Quoted::after(&bytes, &[SHA256.into()]);
        let measured = quoted.measure_sha256(&bytes).unwrap();
        assert_eq!(measured.boot_aggregate().unwrap().algorithm(), bank);
    }
}

#[test]
fn i04_a_recorded_old_template_has_the_sha1_banks_aggregate() {
    let (bytes, quoted) = recorded("q35-ima");
    for bank in [SHA1, SHA256] {
        let measured = quoted.measure(&bytes, &ImaOptions::new(bank)).unwrap();
        assert_eq!(measured.boot_aggregate().unwrap().algorithm(), SHA1);
        assert_eq!((measured.attested(), measured.violations()), (84, 2));
    }
}

#[test]
fn i04_a_sha1_aggregate_of_pcr_0_to_9_is_refused() {
    let bytes = boot_aggregate(SHA1, 10);
    let quoted = Quoted::after(&bytes, &[SHA256.into()]);
    let error = quoted.measure_sha256(&bytes).unwrap_err();
    assert!(matches!(error, ImaError::BootAggregate { .. }), "{error}");
}

#[test]
fn i04_a_list_that_does_not_start_with_the_aggregate_is_refused() {
    let aggregate = boot_aggregate(SHA256, 10);
    for bytes in [file(b"/bin/a"), [file(b"/bin/a"), aggregate].concat(), file(b"/boot_aggregate")] {
        let quoted = Quoted::after(&bytes, &[SHA256.into()]);
        let error = quoted.measure_sha256(&bytes).unwrap_err();
        assert!(matches!(error, ImaError::BootAggregateMissing { .. }), "{error}");
        assert_eq!(error.threat(), "i04");
    }
    let bytes = violation(b"boot_aggregate");
    let error = Quoted::after(&bytes, &[SHA256.into()]).measure_sha256(&bytes).unwrap_err();
    assert!(matches!(error, ImaError::BootAggregateMissing { .. }), "{error}");
}

#[test]
fn i04_the_aggregate_of_another_boot_is_refused() {
    let bytes = list(&[file(b"/bin/a")]);
    for index in 0..10 {
        let mut quoted = Quoted::after(&bytes, &[SHA256.into()]);
        quoted.0.insert((SHA256, pcr(index)), SHA256.digest(b"another boot"));
        let error = quoted.measure_sha256(&bytes).unwrap_err();
        assert!(matches!(error, ImaError::BootAggregate { .. }), "{error}");
    }
}

#[test]
fn i04_an_aggregate_that_can_not_be_checked_says_what_to_quote() {
    let bytes = list(&[]);
    let quoted = Quoted::after(&bytes, &[SHA256.into()]).without(SHA256, 8).without(SHA256, 9);
    let error = quoted.measure_sha256(&bytes).unwrap_err();
    let missing = vec![pcr(8), pcr(9)];
    assert_eq!(error, ImaError::BootAggregateNotQuoted { bank: SHA256, missing });
    let old = [boot_aggregate(SHA256, 8)].concat();
    let quoted = Quoted::after(&old, &[SHA256.into()]).without(SHA256, 8).without(SHA256, 9);
    assert_eq!(quoted.measure_sha256(&old).unwrap().attested(), 1);
}

#[test]
fn i04_an_aggregate_of_zeros_or_of_an_unknown_hash_is_refused() {
    for (algorithm, length) in [("sha256", 32), ("sha1", 20), ("sm3", 32)] {
        let digest = d_ng(algorithm, &vec![0; length]);
        let bytes = entry(10, "ima-sig", &[&digest, &name(b"boot_aggregate"), b""]);
        let error = Quoted::after(&bytes, &[SHA256.into()]).measure_sha256(&bytes).unwrap_err();
        assert_eq!(error.threat(), "i04", "{error}");
    }
}

#[test]
fn i04_a_pcr_that_was_never_extended_attests_nothing() {
    let bytes = list(&[file(b"/bin/a")]);
    for bank in [SHA1, SHA256] {
        let mut quoted = Quoted::after(&bytes, &[Bank::from(bank)]);
        quoted.0.insert((bank, PcrIndex::IMA), crate::Digest::zero(bank));
        let error = quoted.measure(&bytes, &ImaOptions::new(bank)).unwrap_err();
        assert_eq!(error, ImaError::NothingMeasured { bank, pcr: PcrIndex::IMA });
    }
}

fn paths<'a>(entries: impl Iterator<Item = Entry<'a>>) -> Vec<&'a [u8]> {
    entries.map(|entry| entry.path()).collect()
}

#[test]
fn i04_a_kernel_that_kexec_started_is_told_by_the_boot_aggregate_that_it_writes() {
    // Another kernel takes the bank and the number of PCRs that it likes.
    for (bank, count) in [(SHA256, 10), (SHA256, 8), (SHA1, 8), (SHA384, 10)] {
        let bytes = list(&[file(b"/bin/a"), boot_aggregate(bank, count), file(b"/bin/b")]);
        let measured = Quoted::after(&bytes, &[SHA256.into()]).measure_sha256(&bytes).unwrap();
        assert_eq!(measured.kexecs().map(|entry| entry.number()).collect::<Vec<_>>(), [3]);
        assert_eq!(paths(measured.files()), [b"/bin/a", b"/bin/b"]);
        assert_eq!(measured.attested(), 4);
    }
    let bytes = list(&[boot_aggregate(SHA1, 10)]);
    let measured = Quoted::after(&bytes, &[SHA256.into()]).measure_sha256(&bytes).unwrap();
    assert_eq!((measured.kexecs().count(), measured.files().count()), (0, 1), "no kernel hashes these");
}

#[test]
fn i04_what_the_quote_does_not_cover_is_no_kexec_yet() {
    let covered = list(&[file(b"/bin/a")]);
    let bytes = [covered.clone(), boot_aggregate(SHA256, 10)].concat();
    let measured = Quoted::after(&covered, &[SHA256.into()]).measure_sha256(&bytes).unwrap();
    assert_eq!((measured.kexecs().count(), measured.not_yet_attested()), (0, 1));
}

#[test]
fn i16_a_file_called_boot_aggregate_later_is_an_ordinary_file() {
    let right = SHA256.digest(
        &(0..10_u32).flat_map(|i| SHA256.digest(&i.to_le_bytes()).as_bytes().to_vec()).collect::<Vec<_>>(),
    );
    let d = d_ng("sha256", right.as_bytes());
    let (verity, contents) = (d_ng("verity:sha256", right.as_bytes()), d_ng("ima:sha256", right.as_bytes()));
    let n = name(b"boot_aggregate");
    let sha512 = d_ng("sha512", &[right.as_bytes(), right.as_bytes()].concat());
    let other = d_ng("sha256", SHA256.digest(b"another boot").as_bytes());
    let further = |template, fields: &[&[u8]]| {
        let bytes = list(&[entry(10, template, fields)]);
        let quoted = Quoted::after(&bytes, &[SHA256.into()]);
        let measured = quoted.measure_sha256(&bytes).unwrap();
        (measured.kexecs().count(), measured.files().count())
    };
    // What other kernels write, and with which templates.
    assert_eq!(further("ima-sig", &[&d, &n, b""]), (1, 0));
    assert_eq!(further("ima-ng", &[&d, &n]), (1, 0));
    assert_eq!(further("ima-sigv2", &[&contents, &n, b""]), (1, 0));
    assert_eq!(further("ima-modsig", &[&d, &n, b"", b"", b""]), (1, 0));
    assert_eq!(further("evm-sig", &[&d, &n, b"", b"", b"", b"", b"", b"", b""]), (1, 0));
    // Another value, kind of digest, hash or name.
    assert_eq!(further("ima-sig", &[&other, &n, b""]), (0, 1));
    assert_eq!(further("ima-sig", &[&sha512, &n, b""]), (0, 1));
    assert_eq!(further("ima-sigv2", &[&verity, &n, b""]), (0, 1));
    assert_eq!(further("ima-sig", &[&d, &name(b"/boot_aggregate"), b""]), (0, 1));
    // A buffer, or a file: it has a signature, attributes, an owner.
    assert_eq!(further("ima-buf", &[&d, &n, b""]), (0, 1));
    assert_eq!(further("ima-sig", &[&d, &n, &[3, 2]]), (0, 1));
    let root = [0; 4];
    assert_eq!(further("evm-sig", &[&d, &n, b"", b"", b"", b"", &root, &root, &[0; 2]]), (0, 1));
}

#[test]
fn i16_no_violation_and_no_aggregate_of_an_unquoted_bank_is_a_kexec() {
    let bytes = list(&[violation(b"boot_aggregate"), boot_aggregate(SHA384, 10)]);
    let quoted = Quoted::after(&bytes, &[SHA256.into()]).without(SHA384, 0);
    let measured = quoted.measure_sha256(&bytes).unwrap();
    assert_eq!((measured.kexecs().count(), measured.violations()), (0, 1));
    assert_eq!(paths(measured.files()), [b"boot_aggregate"]);
}

#[test]
fn i04_big_endian_kernels_kexec_too() {
    let bytes = big_endian(&list(&[file(b"/bin/a"), boot_aggregate(SHA256, 10)]));
    let measured = Quoted::after(&bytes, &[SHA256.into()]).measure_sha256(&bytes).unwrap();
    assert_eq!((measured.kexecs().count(), measured.files().count()), (1, 1));
}

/// What two kernels measured of which the first started the second, as a kernel that hands its list over has it.
#[test]
fn i04_a_recorded_kexec_changes_no_boot_pcr_and_is_told() {
    let (bytes, quoted) = recorded("q35-kexec");
    let measured = quoted.measure_sha256(&bytes).unwrap();
    assert_eq!(measured.kexecs().map(|entry| entry.number()).collect::<Vec<_>>(), [7]);
    assert_eq!((measured.attested(), measured.files().count()), (13, 11));
    assert!(paths(measured.files()).iter().all(|path| path.starts_with(b"/")));
}

#[test]
fn i03_the_list_of_a_second_kernel_alone_is_refused() {
    let (_, quoted) = recorded("q35-kexec");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tpm-sim-tests/vectors/q35-kexec");
    let second = std::fs::read(folder.join("ima-second.bin")).unwrap();
    let error = quoted.measure_sha256(&second).unwrap_err();
    assert!(matches!(error, ImaError::NotCovered { .. }) && error.threat() == "i03", "{error}");
}
