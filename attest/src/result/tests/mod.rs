//! Results: made of appraisals, read back, refused when anything is changed.

mod attacks;
mod mapping;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    KeyPair,
};

use super::*;
use crate::appraisal::{Appraisal, Attester, Bound, Outcome, Reason};
use crate::challenge::Nonce;
use crate::digest::HashAlgorithm;
use crate::key::{EccCurve, PublicArea, PublicKey};

const DEVICE: &str = "gw-1";
const LIFETIME: SignedDuration = SignedDuration::from_secs(300);

fn random() -> SystemRandom {
    SystemRandom::new()
}

fn now() -> Timestamp {
    "2026-11-25T01:00:00Z".parse().unwrap()
}

fn nonce() -> Nonce {
    Nonce::new(&[7; 32]).unwrap()
}

fn policy() -> crate::digest::Digest {
    HashAlgorithm::Sha256.digest(b"policy")
}

/// A verifier's key pair: the signer, and the public half in PEM.
fn pair(curve: EccCurve) -> (ResultSigner, String) {
    let signing: &EcdsaSigningAlgorithm = match curve {
        EccCurve::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
        EccCurve::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
    };
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(signing, &random()).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(signing, pkcs8.as_ref(), &random()).unwrap();
    let (x, y) = key.public_key().as_ref()[1..].split_at(curve.coordinate_len());
    let public = PublicKey::ecc(curve, x, y).unwrap().to_pem().unwrap();
    let private = der::pem::encode_string("PRIVATE KEY", der::pem::LineEnding::LF, pkcs8.as_ref()).unwrap();
    (ResultSigner::from_pem(&private, &random()).unwrap(), public)
}

fn signer() -> ResultSigner {
    pair(EccCurve::P256).0
}

fn device_key() -> PublicArea {
    let mut public = vec![0x00, 0x23, 0x00, 0x0B, 0x00, 0x05, 0x00, 0x72, 0x00, 0x00];
    public.extend([0x00, 0x10, 0x00, 0x18, 0x00, 0x0B, 0x00, 0x03, 0x00, 0x10]);
    for coordinate in [1, 2] {
        public.extend([0x00, 0x20]);
        public.extend([coordinate; 32]);
    }
    PublicArea::parse(&public).unwrap()
}

/// An outcome that got as far as the device's key.
fn identified() -> Outcome {
    let public = device_key();
    let attester =
        Attester { device_id: DEVICE.into(), key: public.name(), reset_count: 7, restart_count: 2 };
    let mut outcome =
        Outcome { attester: Some(attester), key: Some(public.key().clone()), ..Outcome::default() };
    outcome.claims.device_id = Some(DEVICE.into());
    outcome
}

fn appraisal(outcome: Outcome) -> Appraisal {
    let bound = Bound { nonce: nonce(), evidence: HashAlgorithm::Sha256.digest(b"evidence") };
    Appraisal::new(outcome, policy(), bound, now(), LIFETIME)
}

fn verifier() -> VerifierId {
    VerifierId { developer: "hallmark".into(), build: "hallmark 0.1.0".into() }
}

fn result(outcome: Outcome) -> AttestationResult {
    AttestationResult::new(&appraisal(outcome), verifier())
}

fn reason(id: &'static str) -> Reason {
    Reason {
        id,
        what: "w".repeat(1000),
        place: "PCR 4".into(),
        expected: String::new(),
        found: String::new(),
    }
}

/// Both forms of a result.
fn tokens(result: &AttestationResult, signer: &ResultSigner) -> [Vec<u8>; 2] {
    [result.to_jwt(signer, &random()).unwrap().into_bytes(), result.to_cwt(signer, &random()).unwrap()]
}

#[test]
fn both_forms_say_what_the_appraisal_says_with_both_algorithms() {
    for curve in [EccCurve::P256, EccCurve::P384] {
        let (signer, public) = pair(curve);
        let key = ResultKey::from_pem(&public).unwrap();
        assert_eq!(&key, signer.public());
        let made = result(identified());
        let expected = Expected { device: Some(DEVICE), nonce: Some(&nonce()), policy: Some(&policy()) };
        for token in tokens(&made, &signer) {
            let read = verify(&token, &key, &expected, now()).unwrap();
            assert_eq!(read.claims(), made.claims());
            assert_eq!(read.status(), Tier::Affirming);
            assert_eq!(unverified(&token).unwrap(), *made.claims());
            let bound = read.claims().key.as_ref().unwrap();
            assert_eq!((bound.key(), bound.name()), (device_key().key(), device_key().name().as_bytes()));
        }
    }
}

#[test]
fn an_rsa_key_of_a_device_is_bound_as_well() {
    let mut outcome = identified();
    outcome.key = Some(PublicKey::rsa(&[0xC3; 256], 65537));
    let (made, signer) = (result(outcome), signer());
    for token in tokens(&made, &signer) {
        let read = verify(&token, signer.public(), &Expected::default(), now()).unwrap();
        assert_eq!(read.claims(), made.claims());
    }
}

#[test]
fn a_refusal_is_a_result_with_the_first_reasons_and_short_texts() {
    let mut outcome = identified();
    outcome.reasons = vec![reason("e01"); 100];
    let (made, signer) = (result(outcome), signer());
    for token in tokens(&made, &signer) {
        assert!(token.len() < MAX_RESULT / 4, "{} bytes", token.len());
        let read = verify(&token, signer.public(), &Expected::default(), now()).unwrap();
        assert_eq!(read.status(), Tier::Contraindicated);
        let reasons = &read.claims().facts.reasons;
        assert_eq!((reasons.len(), reasons[0].id.as_str(), reasons[0].what.len()), (16, "e01", 200));
    }
}

#[test]
fn evidence_that_nobody_signed_gives_no_name_and_no_key() {
    // The certificate said a name, the quote was not good.
    let mut outcome = Outcome { reasons: vec![reason("q04")], ..Outcome::default() };
    outcome.claims.device_id = Some(DEVICE.into());
    let made = result(outcome);
    assert_eq!((made.claims().device.as_str(), &made.claims().key), (UNIDENTIFIED, &None));
    let signer = signer();
    for token in tokens(&made, &signer) {
        verify(&token, signer.public(), &Expected::default(), now()).unwrap();
        let expected = Expected { device: Some(UNIDENTIFIED), ..Expected::default() };
        assert!(verify(&token, signer.public(), &expected, now()).is_err(), "nobody has that name");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_is_signed_reads_back(
        device in "[ -~]{1,40}",
        nonce in prop::collection::vec(any::<u8>(), 16..=64),
        reasons in prop::collection::vec("\\PC{0,300}", 0..20),
        boot in any::<(u32, u32)>(),
        lifetime in 1_i64..=86_400,
        secure_boot in any::<Option<bool>>(),
    ) {
        let mut outcome = identified();
        outcome.attester = outcome.attester.map(|attester| Attester {
            device_id: device,
            reset_count: boot.0,
            restart_count: boot.1,
            ..attester
        });
        outcome.claims.secure_boot = secure_boot;
        outcome.reasons =
            reasons.into_iter().map(|what| Reason { place: what.clone(), what, ..reason("e01") }).collect();
        let bound = Bound { nonce: Nonce::new(&nonce).unwrap(), evidence: policy() };
        let lifetime = SignedDuration::from_secs(lifetime);
        let appraisal = Appraisal::new(outcome, policy(), bound, now(), lifetime);
        let (made, signer) = (AttestationResult::new(&appraisal, verifier()), signer());
        for token in tokens(&made, &signer) {
            let read = verify(&token, signer.public(), &Expected::default(), now()).unwrap();
            prop_assert_eq!(read.claims(), made.claims());
        }
    }
}
