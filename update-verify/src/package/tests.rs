use std::io::{self, Read};

use serde_json::{Value, json};

use super::*;
use crate::bundle::{BundleError, sign_managed};
use crate::digest::Sha256;
use crate::fixture::{
    FILES, assemble, drain, key, manifest, new_key, package, payload, policy, policy_at, refusal, signed,
    time,
};
use crate::floor::{Floor, FloorRefusal};
use crate::manifest::CHUNK_SIZE;

const CHUNK: usize = 1 << 20;

/// Gives `head`, and fails the test when anything behind it is asked for.
struct Untouchable<'a> {
    head: &'a [u8],
}

impl Read for Untouchable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        assert!(!self.head.is_empty() || buffer.is_empty(), "the payload was touched");
        self.head.read(buffer)
    }
}

fn manifest_bytes() -> Vec<u8> {
    serde_json::to_vec(&manifest(FILES, 7)).unwrap()
}

/// Verifies manifest and bundle with a payload that must not be touched.
fn untouched(manifest: &[u8], bundle: &[u8]) -> Result<VerifiedManifest, PackageError> {
    let head = assemble(manifest, bundle, b"");
    PackageReader::open(Untouchable { head: &head })?.verify(&policy()).map(|(verified, _)| verified)
}

#[test]
fn a_right_package_gives_all_its_bytes() {
    let (out, result) = drain(&package(7), &policy());
    result.unwrap();
    assert_eq!(out, payload(FILES));
    let verified = untouched(&manifest_bytes(), &sign_managed(&manifest_bytes(), key()).unwrap()).unwrap();
    assert_eq!(verified.bytes(), manifest_bytes());
    assert_eq!(verified.digest(), Sha256::of(&manifest_bytes()));
    assert_eq!(verified.signed_by().key(), key().public_key().id());
}

#[test]
fn an_empty_file_is_one_empty_chunk() {
    let bytes = package(7);
    let (_, mut payload) = PackageReader::open(bytes.as_slice()).unwrap().verify(&policy()).unwrap();
    let mut seen = Vec::new();
    while let Some(chunk) = payload.next_chunk().unwrap() {
        seen.push((chunk.file(), chunk.offset(), chunk.bytes().len(), chunk.is_last()));
    }
    assert_eq!(seen, [(0, 0, 17, true), (1, 0, 0, true), (2, 0, 5, true)]);
    assert!(payload.next_chunk().unwrap().is_none());
}

#[test]
fn u01_an_unsigned_package_is_refused_before_its_payload_is_read() {
    let error = untouched(&manifest_bytes(), b"").unwrap_err();
    assert!(matches!(error, PackageError::Signature(BundleError::Unsigned)));
    assert!(error.is_refusal());
    assert_eq!(error.threat(), Some("u01"));
}

#[test]
fn u01_somebody_elses_signature_is_refused_before_the_payload_is_read() {
    let stranger = new_key();
    let theirs = sign_managed(&manifest_bytes(), &stranger).unwrap();
    let error = untouched(&manifest_bytes(), &theirs).unwrap_err();
    assert!(matches!(error, PackageError::Signature(BundleError::UnknownKey { .. })));
    // The stranger signs and says that it was the vendor.
    let text = String::from_utf8(theirs).unwrap();
    let posing = text.replace(&stranger.public_key().id().to_string(), &key().public_key().id().to_string());
    let error = untouched(&manifest_bytes(), posing.as_bytes()).unwrap_err();
    assert!(matches!(error, PackageError::Signature(BundleError::WrongSignature { .. })));
    assert_eq!(error.threat(), Some("u01"));
}

#[test]
fn u01_a_wrong_signature_is_refused_before_the_payload_is_read() {
    // A right signature by the right key, of another manifest; its digest is set to this one's.
    let other = serde_json::to_vec(&manifest(FILES, 8)).unwrap();
    let mut bundle: Value = serde_json::from_slice(&sign_managed(&other, key()).unwrap()).unwrap();
    let mine: Value = serde_json::from_slice(&sign_managed(&manifest_bytes(), key()).unwrap()).unwrap();
    bundle["messageSignature"]["messageDigest"] = mine["messageSignature"]["messageDigest"].clone();
    let error = untouched(&manifest_bytes(), &serde_json::to_vec(&bundle).unwrap()).unwrap_err();
    assert!(matches!(error, PackageError::Signature(BundleError::WrongSignature { .. })));
}

#[test]
fn u02_every_flipped_byte_of_a_package_is_refused() {
    let good = package(7);
    let content = payload(FILES);
    for index in 0..good.len() {
        for mask in [0x01, 0x20, 0x80, 0xFF] {
            let mut bad = good.clone();
            bad[index] ^= mask;
            let (out, result) = drain(&bad, &policy());
            let error = result.expect_err(&format!("byte {index} ^ {mask:#x}"));
            assert!(error.is_refusal(), "byte {index}: {error}");
            assert!(content.starts_with(&out), "byte {index}: unverified bytes came out");
        }
    }
}

#[test]
fn u02_a_package_cut_off_anywhere_is_refused() {
    let good = package(7);
    for len in 0..good.len() {
        let (out, result) = drain(&good[..len], &policy());
        assert!(result.unwrap_err().is_refusal(), "{len}");
        assert!(payload(FILES).starts_with(&out));
    }
}

#[test]
fn u02_appended_bytes_are_refused() {
    let bad = [package(7), vec![0]].concat();
    let error = refusal(&bad, &policy());
    assert!(matches!(error, PackageError::TrailingBytes));
    assert_eq!(error.threat(), Some("u02"));
}

fn large() -> Vec<u8> {
    (0..3 * CHUNK + 100).map(|n| u8::try_from(n / 1000 % 251).unwrap()).collect()
}

#[test]
fn u02_swapped_chunks_are_refused_at_the_first_and_only_it_is_missing() {
    let bytes = large();
    let files = [("big", bytes.as_slice(), false)];
    drain(&signed(&manifest(&files, 7), &bytes), &policy()).1.unwrap();
    let mut swapped = bytes.clone();
    swapped[CHUNK..3 * CHUNK].rotate_left(CHUNK);
    let (out, result) = drain(&signed(&manifest(&files, 7), &swapped), &policy());
    assert!(matches!(result, Err(PackageError::Chunk { chunk: 1, .. })));
    assert_eq!(out, bytes[..CHUNK]);
}

#[test]
fn u02_a_flipped_bit_in_the_last_chunk_lets_the_good_ones_out_only() {
    let bytes = large();
    let mut bad = bytes.clone();
    *bad.last_mut().unwrap() ^= 1;
    let files = [("big", bytes.as_slice(), false)];
    let (out, result) = drain(&signed(&manifest(&files, 7), &bad), &policy());
    assert!(matches!(result, Err(PackageError::Chunk { chunk: 3, .. })));
    assert_eq!(out, bytes[..3 * CHUNK]);
}

#[test]
fn u02_nothing_comes_after_a_refused_chunk() {
    let mut bad = package(7);
    let first = bad.len() - payload(FILES).len();
    bad[first] ^= 1;
    let (_, mut payload) = PackageReader::open(bad.as_slice()).unwrap().verify(&policy()).unwrap();
    assert!(matches!(payload.next_chunk(), Err(PackageError::Chunk { chunk: 0, .. })));
    assert!(matches!(payload.next_chunk(), Err(PackageError::AlreadyRefused)));
    assert!(matches!(payload.next_chunk(), Err(PackageError::AlreadyRefused)));
}

#[test]
fn u17_a_signed_manifest_whose_digests_disagree_is_refused_before_the_last_chunk() {
    let bytes = large();
    let files = [("big", bytes.as_slice(), false)];
    let mut lying = manifest(&files, 7);
    lying["files"][0]["sha256"] = json!(Sha256::of(b"other").to_hex());
    let (out, result) = drain(&signed(&lying, &bytes), &policy());
    assert!(matches!(result, Err(PackageError::File { .. })));
    assert_eq!(out, bytes[..3 * CHUNK]);
}

#[test]
fn u03_the_same_manifest_written_differently_is_refused() {
    let value = manifest(FILES, 7);
    let bundle = sign_managed(&serde_json::to_vec(&value).unwrap(), key()).unwrap();
    let pretty = serde_json::to_vec_pretty(&value).unwrap();
    let error = refusal(&assemble(&pretty, &bundle, &payload(FILES)), &policy());
    assert!(matches!(error, PackageError::Signature(BundleError::OtherArtifact)));
}

#[test]
fn u03_signed_bytes_that_are_no_strict_manifest_are_refused() {
    let text = String::from_utf8(manifest_bytes()).unwrap();
    let twice = text.replacen(r#""release":7"#, r#""release":7,"release":9"#, 1);
    let bundle = sign_managed(twice.as_bytes(), key()).unwrap();
    let error = untouched(twice.as_bytes(), &bundle).unwrap_err();
    assert!(matches!(error, PackageError::Manifest(_)));
    assert_eq!(error.threat(), Some("u03"));
}

#[test]
fn u04_the_floor_refuses_older_other_and_far_releases() {
    let digest = Sha256::of(&serde_json::to_vec(&manifest(FILES, 7)).unwrap());
    let at = |release, manifest_digest| policy().at_floor(Floor { release, manifest_digest });
    let ours = Some(*digest.as_bytes());
    for (policy, expected) in [
        (at(8, None), FloorRefusal::Older { release: 7, floor: 8 }),
        (at(7, Some([0; 32])), FloorRefusal::OtherContent { release: 7, found: digest }),
        (at(7, None), FloorRefusal::Unrecorded { release: 7 }),
    ] {
        let error = refusal(&package(7), &policy);
        assert!(matches!(&error, PackageError::Rollback(found) if *found == expected), "{error}");
        assert_eq!(error.threat(), Some("u04"));
    }
    let far = refusal(&package(1001), &at(0, None));
    assert!(matches!(far, PackageError::Rollback(FloorRefusal::TooFar { release: 1001, floor: 0 })));
    drain(&package(7), &at(7, ours)).1.unwrap();
    drain(&package(7), &at(6, ours)).1.unwrap();
}

fn expiring() -> Vec<u8> {
    let mut value = manifest(FILES, 7);
    value["expires"] = json!("2026-07-01T00:00:00Z");
    signed(&value, &payload(FILES))
}

#[test]
fn u05_an_expired_package_is_refused() {
    drain(&expiring(), &policy_at("2026-06-30T23:59:59Z")).1.unwrap();
    let error = refusal(&expiring(), &policy_at("2026-07-01T00:00:00Z"));
    assert!(matches!(error, PackageError::Expired { .. }));
    assert_eq!(error.threat(), Some("u05"));
}

#[test]
fn u05_a_clock_that_is_not_set_is_told_apart_from_expiry() {
    for now in ["1970-01-01T00:00:00Z", "2025-12-31T23:59:59Z"] {
        for bytes in [expiring(), package(7)] {
            let error = refusal(&bytes, &policy_at(now));
            let floor = time("2026-01-01T00:00:00Z");
            assert!(
                matches!(error, PackageError::ClockBeforeBuild { floor: f, .. } if f == floor),
                "{error}"
            );
            assert_eq!(error.threat(), Some("u05"));
        }
    }
}

#[test]
fn u05_a_clock_turned_back_before_the_package_was_made_can_not_revive_it() {
    let error = refusal(&expiring(), &policy_at("2026-04-01T00:00:00Z"));
    assert!(matches!(error, PackageError::ClockBeforeBuild { .. }));
    // Without an end nothing depends on the clock.
    drain(&package(7), &policy_at("2026-04-01T00:00:00Z")).1.unwrap();
}

#[test]
fn u06_packages_for_another_product_or_hardware_are_refused() {
    let mut value = manifest(FILES, 7);
    value["product"] = json!("other");
    let error = refusal(&signed(&value, &payload(FILES)), &policy());
    assert!(matches!(error, PackageError::OtherProduct { .. }));
    let mut value = manifest(FILES, 7);
    value["hardware"] = json!(["ws-1", "ws-20"]);
    let error = refusal(&signed(&value, &payload(FILES)), &policy());
    assert!(matches!(error, PackageError::OtherHardware { .. }));
    assert_eq!(error.threat(), Some("u06"));
}

#[test]
fn u06_parts_of_two_releases_do_not_mix() {
    let newer: &[(&str, &[u8], bool)] = &[
        ("bin/app", b"#!/bin/sh\nexit 1\n", true),
        ("etc/empty", b"", false),
        ("etc/note", b"note\n", false),
    ];
    let error = refusal(&signed(&manifest(FILES, 7), &payload(newer)), &policy());
    assert!(matches!(error, PackageError::Chunk { chunk: 0, .. }));
}

#[test]
fn u09_an_endless_stream_is_left_at_the_first_byte_too_many() {
    let bytes = package(7);
    let endless = bytes.as_slice().chain(io::repeat(0));
    let (_, mut payload) = PackageReader::open(endless).unwrap().verify(&policy()).unwrap();
    let end = loop {
        match payload.next_chunk() {
            Ok(Some(_)) => {}
            other => break other.map(|_| ()),
        }
    };
    assert!(matches!(end, Err(PackageError::TrailingBytes)));
    assert!(matches!(PackageReader::open(io::repeat(0)), Err(PackageError::NotAPackage)));
}

#[test]
fn u09_announced_lengths_take_no_memory_before_the_bytes_are_there() {
    for (len, tail) in [(8 << 20, 10), (8 << 20, 0)] {
        let header = Header { manifest_len: len, bundle_len: 1 << 20 }.to_bytes();
        let bytes = [header, vec![b'{'; tail]].concat();
        assert!(matches!(
            PackageReader::open(bytes.as_slice()),
            Err(PackageError::Truncated { what: "manifest" })
        ));
    }
    // A file of 8 TiB with nothing behind it: the chunk list alone exceeds the manifest's limit.
    let mut value = manifest(FILES, 7);
    value["files"][0]["size"] = json!(1_u64 << 43);
    assert!(matches!(refusal(&signed(&value, b""), &policy()), PackageError::Manifest(_)));
}

#[test]
fn a_failing_reader_is_no_refusal() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("cable"))
        }
    }
    let bytes = package(7);
    let head = bytes.len() - payload(FILES).len();
    let reader = bytes[..head].chain(Failing);
    let (_, mut payload) = PackageReader::open(reader).unwrap().verify(&policy()).unwrap();
    let error = payload.next_chunk().unwrap_err();
    assert!(!error.is_refusal());
    assert_eq!(error.threat(), None);
    assert_eq!(u64::try_from(CHUNK).unwrap(), CHUNK_SIZE);
}
