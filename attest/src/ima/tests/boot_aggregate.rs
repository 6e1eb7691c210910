//! The entry that ties a list to its boot.

use super::build::*;
use crate::digest::HashAlgorithm;
use crate::ima::{Bank, ImaError, ImaOptions};
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

#[test]
fn i16_a_file_called_boot_aggregate_later_is_an_ordinary_file() {
    let second = entry(10, "ima-sig", &[&d_ng("sha256", &[1; 32]), &name(b"boot_aggregate"), b""]);
    let bytes = list(&[file(b"/bin/a"), second, boot_aggregate(HashAlgorithm::Sha256, 10)]);
    let measured = Quoted::after(&bytes, &[SHA256.into()]).measure_sha256(&bytes).unwrap();
    let paths: Vec<&[u8]> = measured.files().map(|entry| entry.path()).collect();
    assert_eq!(paths, [b"/bin/a".as_slice(), b"boot_aggregate", b"boot_aggregate"]);
}
