//! Signatures of files, and the keyrings that they are held against.

use std::sync::Arc;

use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use proptest::prelude::RngExt as _;
use proptest::test_runner::{RngAlgorithm, TestRng};

use super::build::*;
use crate::digest::Digest;
use crate::ima::{
    Entry, ImaKeyring, ImaList, ImaSignature, ImaSignatureError, KeyringError, SignatureKind, SignerKeyrings,
    verify_signature,
};

/// Made for these tests, with the subject key identifier 01..10aabbccdd.
const CERTIFICATE: &str = include_str!("ima-signer.pem");
const PRIVATE: &str = "ea17c740b82b774f96daf2eeb3982652a35cdfe732ea21a915ff42057987605f";
const IDENTIFIER: [u8; 4] = [0xAA, 0xBB, 0xCC, 0xDD];

fn signer() -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(&hex::decode(PRIVATE).unwrap()).unwrap()
}

fn keyring() -> ImaKeyring {
    ImaKeyring::from_pem("vendor", CERTIFICATE).unwrap()
}

/// `security.ima` over a digest that is ready.
fn attribute(kind: u8, version: u8, hash: u8, key_id: [u8; 4], digest: &Digest) -> Vec<u8> {
    let signature: p256::ecdsa::Signature = signer().sign_prehash(digest.as_bytes()).unwrap();
    let der = signature.to_der();
    let length = u16::try_from(der.as_bytes().len()).unwrap().to_be_bytes();
    [&[kind, version, hash], &key_id[..], &length, der.as_bytes()].concat()
}

fn signed(template: &str, prefix: &str, digest: &Digest, attribute: &[u8]) -> Vec<u8> {
    entry(10, template, &[&d_ng(prefix, digest.as_bytes()), &name(b"/opt/a"), attribute])
}

fn verify(list: &[u8], keyring: &ImaKeyring) -> Result<String, ImaSignatureError> {
    let list = ImaList::new(list);
    let entry = list.entries().next().unwrap().unwrap();
    verify_entry(&entry, keyring, false)
}

fn verify_entry(
    entry: &Entry<'_>,
    keyring: &ImaKeyring,
    allow_sha1: bool,
) -> Result<String, ImaSignatureError> {
    let contents = [Arc::new(keyring.clone())];
    let keyrings = SignerKeyrings { contents: &contents, evm: &[], allow_sha1 };
    verify_signature(entry, &keyrings).map(|signer| signer.keyring.to_owned())
}

fn recorded_signed(vector: &str) -> (Vec<u8>, ImaKeyring) {
    let (bytes, _) = recorded(vector);
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tpm-sim-tests/vectors").join(vector);
    let pem = std::fs::read_to_string(folder.join("ima-key.pub.pem")).unwrap();
    (bytes, ImaKeyring::from_pem("recorded", &pem).unwrap())
}

#[test]
fn i07_recorded_signatures_hold_and_no_changed_one_does() {
    for vector in ["q35-sha256", "q35-multibank", "q35-secureboot-uki"] {
        let (bytes, keyring) = recorded_signed(vector);
        let list = ImaList::new(&bytes);
        let signed: Vec<Entry<'_>> =
            list.entries().map(Result::unwrap).filter(|entry| entry.signature().is_some()).collect();
        assert_eq!(signed.len(), 2, "{vector}");
        for entry in &signed {
            assert_eq!(verify_entry(entry, &keyring, false).as_deref(), Ok("recorded"), "{vector}");
        }
        let fields: Vec<&[u8]> = signed[0].fields().map(|(_, field)| field).collect();
        for byte in [9, 100, 264] {
            let mut attribute = fields[2].to_vec();
            attribute[byte] ^= 1;
            let error =
                verify(&super::build::entry(10, "ima-sig", &[fields[0], fields[1], &attribute]), &keyring);
            assert!(matches!(error, Err(ImaSignatureError::Mismatch { .. })), "{error:?}");
        }
        let mut digest = fields[0].to_vec();
        digest[20] ^= 1;
        let error = verify(&super::build::entry(10, "ima-sig", &[&digest, fields[1], fields[2]]), &keyring);
        assert!(matches!(error, Err(ImaSignatureError::Mismatch { .. })), "{error:?}");
    }
}

#[test]
fn a_certificates_key_is_named_by_its_identifier_and_by_its_bits() {
    let digest = SHA256.digest(b"file");
    let attribute_by = |id| attribute(3, 2, 4, id, &digest);
    assert_eq!(
        verify(&signed("ima-sig", "sha256", &digest, &attribute_by(IDENTIFIER)), &keyring()),
        Ok("vendor".into())
    );
    let point = signer().verifying_key().to_encoded_point(false);
    let id: [u8; 4] = *SHA1.digest(point.as_bytes()).as_bytes().last_chunk().unwrap();
    assert_eq!(
        verify(&signed("ima-sig", "sha256", &digest, &attribute_by(id)), &keyring()),
        Ok("vendor".into())
    );
    let error = verify(&signed("ima-sig", "sha256", &digest, &attribute_by([1, 2, 3, 4])), &keyring());
    let error = error.unwrap_err();
    assert_eq!(error.threat(), "i07");
    assert_eq!(
        error.to_string(),
        "its signature is by key 01020304, which is in none of the named ima.keyrings (vendor)"
    );
}

#[test]
fn i07_version_3_signs_the_kind_with_the_digest() {
    let digest = SHA256.digest(b"file");
    let id = |kind: u8, hash: u8| SHA256.digest_parts(&[&[kind, hash], digest.as_bytes()]);
    let verity = signed("ima-sigv2", "verity:sha256", &digest, &attribute(6, 3, 4, IDENTIFIER, &id(6, 4)));
    assert_eq!(verify(&verity, &keyring()), Ok("vendor".into()));
    let contents = signed("ima-sigv2", "ima:sha256", &digest, &attribute(3, 3, 4, IDENTIFIER, &id(3, 4)));
    assert_eq!(verify(&contents, &keyring()), Ok("vendor".into()));
    // Signed as a digest of contents, and offered as one of fs-verity.
    for other in [id(3, 4), digest, id(6, 6)] {
        let list = signed("ima-sigv2", "verity:sha256", &digest, &attribute(6, 3, 4, IDENTIFIER, &other));
        assert!(matches!(verify(&list, &keyring()), Err(ImaSignatureError::Mismatch { .. })));
    }
}

#[test]
fn i07_a_signature_over_another_kind_or_hash_of_digest_is_told_apart() {
    let digest = SHA256.digest(b"file");
    let id = SHA256.digest_parts(&[&[6, 4], digest.as_bytes()]);
    for (template, prefix, attribute) in [
        ("ima-sig", "sha256", attribute(6, 3, 4, IDENTIFIER, &id)),
        ("ima-sigv2", "verity:sha256", attribute(3, 2, 4, IDENTIFIER, &digest)),
        ("ima-sig", "sha256", attribute(3, 2, 6, IDENTIFIER, &digest)),
    ] {
        let error = verify(&signed(template, prefix, &digest, &attribute), &keyring());
        assert!(matches!(error, Err(ImaSignatureError::OtherDigest { .. })), "{error:?}");
    }
}

#[test]
fn i14_a_signature_over_sha1_counts_by_name_only() {
    let digest = SHA1.digest(b"file");
    // A digest of 20 bytes: p256 takes at least half of the field's width.
    let bytes = signed("ima-sig", "sha1", &digest, &attribute(3, 2, 2, IDENTIFIER, &digest));
    assert_eq!(verify(&bytes, &keyring()), Err(ImaSignatureError::Weak));
    let entry = ImaList::new(&bytes).entries().next().unwrap().unwrap();
    assert_eq!(verify_entry(&entry, &keyring(), true).as_deref(), Ok("vendor"));
}

#[test]
fn i15_an_unparsable_signature_is_never_no_signature() {
    let digest = SHA256.digest(b"file");
    let good = attribute(3, 2, 4, IDENTIFIER, &digest);
    let missing = verify(&signed("ima-sig", "sha256", &digest, b""), &keyring());
    assert_eq!(missing, Err(ImaSignatureError::Missing));
    for len in 1..good.len() {
        let error = verify(&signed("ima-sig", "sha256", &digest, &good[..len]), &keyring()).unwrap_err();
        assert!(matches!(error, ImaSignatureError::Wire(_)), "{len}: {error}");
        assert_eq!(error.threat(), "i15");
    }
    let longer = [good.as_slice(), &[0]].concat();
    let error = verify(&signed("ima-sig", "sha256", &digest, &longer), &keyring()).unwrap_err();
    assert!(matches!(error, ImaSignatureError::Wire(_)), "{error}");
    for (at, value) in [(0, 4), (0, 0), (1, 1), (1, 4), (2, 1), (2, 99)] {
        let mut changed = good.clone();
        changed[at] = value;
        let error = verify(&signed("ima-sig", "sha256", &digest, &changed), &keyring()).unwrap_err();
        assert!(matches!(error, ImaSignatureError::Unknown { .. }), "{at} {value}: {error}");
    }
}

#[test]
fn i07_what_is_not_verified_counts_for_nothing_and_says_so() {
    let digest = SHA256.digest(b"file");
    let portable = signed("ima-sig", "sha256", &digest, &attribute(5, 2, 4, IDENTIFIER, &digest));
    let d = d_ng("sha256", digest.as_bytes());
    let modsig = entry(10, "d-ng|n-ng|modsig", &[&d, &name(b"/m.ko"), &[0x30; 90]]);
    let evm = entry(10, "d-ng|n-ng|evmsig", &[&d, &name(b"/a"), &[5; 90]]);
    for (bytes, word) in
        [(portable, "template evm-sig"), (modsig, "template ima-modsig"), (evm, "template evm-sig")]
    {
        let error = verify(&bytes, &keyring()).unwrap_err();
        assert!(matches!(error, ImaSignatureError::NotVerified { .. }), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn i15_a_revoked_key_signs_nothing() {
    let digest = SHA256.digest(b"file");
    let bytes = signed("ima-sig", "sha256", &digest, &attribute(3, 2, 4, IDENTIFIER, &digest));
    let revoked = keyring().without(&keyring());
    let error = verify(&bytes, &revoked).unwrap_err();
    assert_eq!(error, ImaSignatureError::Revoked { key_id: "aabbccdd".to_owned() });
    assert_eq!(error.threat(), "i15");
    let block = |ring: &ImaKeyring| {
        let (_, der) = x509_cert::der::pem::decode_vec(CERTIFICATE.as_bytes()).unwrap();
        ring.has_der(&der)
    };
    assert!(block(&keyring()) && !block(&revoked));
}

#[test]
fn keyrings_are_certificates_and_public_keys_and_nothing_else() {
    let (_, recorded) = recorded_signed("q35-sha256");
    assert_eq!(recorded.key_ids().collect::<Vec<_>>(), ["fde8d972"]);
    let both = keyring().and(recorded);
    assert_eq!(both.key_ids().count(), 2);
    let twice = format!("# comment\n{CERTIFICATE}\n{CERTIFICATE}");
    assert_eq!(ImaKeyring::from_pem("twice", &twice).unwrap().key_ids().count(), 2);
    assert_eq!(ImaKeyring::from_pem("none", "nothing").unwrap_err(), KeyringError::Empty);
    let private = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert!(matches!(ImaKeyring::from_pem("private", private), Err(KeyringError::Key { number: 1, .. })));
    let cut: String = CERTIFICATE.chars().take(300).collect();
    assert!(ImaKeyring::from_pem("cut", &cut).is_err());
}

#[test]
fn i15_a_hundred_thousand_mutated_signatures_never_panic_nor_hold() {
    let digest = SHA256.digest(b"file");
    let good = attribute(3, 2, 4, IDENTIFIER, &digest);
    let mut random = TestRng::deterministic_rng(RngAlgorithm::XorShift);
    let mut next = |below: usize| random.random_range(0..below);
    for round in 0..100_000 {
        let mut changed = good.clone();
        for _ in 0..=next(3) {
            let at = next(changed.len());
            match next(4) {
                0 => changed.truncate(at + 1),
                1 => changed.insert(at, u8::try_from(next(256)).unwrap()),
                2 if changed.len() > 1 => drop(changed.remove(at)),
                _ => changed[at] = u8::try_from(next(256)).unwrap(),
            }
        }
        let parsed = ImaSignature::parse(&changed);
        if let Ok(signature) = parsed {
            assert_eq!(9 + signature.signature.len(), changed.len());
            // Verifying is slow, so that only some are tried.
            if round % 256 == 0 && signature.kind == SignatureKind::Contents && changed != good {
                let bytes = signed("ima-sig", "sha256", &digest, &changed);
                assert!(verify(&bytes, &keyring()).is_err(), "{}", hex::encode(&changed));
            }
        }
    }
}
