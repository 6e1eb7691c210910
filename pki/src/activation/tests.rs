use jiff::{SignedDuration, Timestamp};
use ring::rand::SystemRandom;
use ring::signature::KeyPair as _;

use super::*;
use crate::specimen::{
    AES_128_CFB, EK_ATTRIBUTES, IAK_ATTRIBUTES, IDEVID_ATTRIBUTES, Maker, Point, SoftTpm, certify_info,
    ek_params, ek_public, now, signing_key, signing_public,
};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const QUALIFYING: &[u8] = b"0123456789abcdef";

fn challenge(maker: &Maker, tpm: &SoftTpm) -> (PendingActivation, Credential) {
    let genuine = maker.verify(tpm).unwrap();
    ActivationChallenge::new(&genuine, &tpm.iak_public, &SystemRandom::new(), now(), MINUTE).unwrap()
}

fn later(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

#[test]
fn the_right_tpm_and_key_answer() {
    let maker = Maker::new();
    let mut tpm = SoftTpm::new();
    let genuine = maker.verify(&tpm).unwrap();
    let (pending, credential) =
        ActivationChallenge::new(&genuine, &tpm.iak_public, &SystemRandom::new(), now(), MINUTE).unwrap();
    let secret = tpm.activate(&credential, &tpm.iak_public.name()).unwrap();
    assert_eq!(secret.len(), 32);
    let resident = pending.answer(&secret, later(59)).unwrap();
    assert_eq!(resident.name(), tpm.iak_public.name());
    assert_eq!(resident.tpm().ek_certificate(), genuine.fingerprint());
    assert_eq!(resident.tpm().model().vendor().as_deref(), Some("IFX"));
}

#[test]
fn p03_wrong_short_long_and_empty_answers_are_refused() {
    let maker = Maker::new();
    for change in 0..5 {
        let mut tpm = SoftTpm::new();
        let (pending, credential) = challenge(&maker, &tpm);
        let mut secret = tpm.activate(&credential, &tpm.iak_public.name()).unwrap();
        match change {
            0 => secret[31] ^= 1,
            1 => secret.truncate(31),
            2 => secret.push(0),
            3 => secret.clear(),
            _ => secret.fill(0),
        }
        assert!(matches!(pending.answer(&secret, now()), Err(ActivationError::WrongAnswer { .. })));
    }
}

#[test]
fn p03_late_answer_and_answer_before_the_challenge_are_refused() {
    let maker = Maker::new();
    for (seconds, late) in [(60, true), (3600, true), (-1, false)] {
        let mut tpm = SoftTpm::new();
        let (pending, credential) = challenge(&maker, &tpm);
        let secret = tpm.activate(&credential, &tpm.iak_public.name()).unwrap();
        match pending.answer(&secret, later(seconds)) {
            Err(ActivationError::Expired { .. }) => assert!(late),
            Err(ActivationError::ClockWentBack { .. }) => assert!(!late),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn p03_credential_for_another_name_or_another_tpm_does_not_open() {
    let maker = Maker::new();
    let mut tpm = SoftTpm::new();
    let (_, credential) = challenge(&maker, &tpm);
    let other_name = SoftTpm::new().iak_public.name();
    assert_eq!(tpm.activate(&credential, &other_name), None);
    let mut other = SoftTpm::new();
    let name = other.iak_public.name();
    assert_eq!(other.activate(&credential, &name), None);
}

#[test]
fn p03_lifetimes_are_short() {
    let tpm = SoftTpm::new();
    let genuine = Maker::new().verify(&tpm).unwrap();
    for seconds in [-1, 0, 601, i64::MAX] {
        let lifetime = SignedDuration::from_secs(seconds);
        let outcome =
            ActivationChallenge::new(&genuine, &tpm.iak_public, &SystemRandom::new(), now(), lifetime);
        assert!(matches!(outcome, Err(ActivationError::Lifetime { .. })), "{seconds}");
    }
}

#[test]
fn p03_two_challenges_share_nothing() {
    let maker = Maker::new();
    let tpm = SoftTpm::new();
    let ((_, first), (_, second)) = (challenge(&maker, &tpm), challenge(&maker, &tpm));
    assert_ne!(first.id_object, second.id_object);
    assert_ne!(first.encrypted_secret, second.encrypted_secret);
}

#[test]
fn p04_keys_that_are_no_attestation_key_are_refused() {
    let tpm = SoftTpm::new();
    let genuine = Maker::new().verify(&tpm).unwrap();
    let point = Point::of(&tpm.iak_public).0;
    let new = |attributes| {
        let key = signing_public(attributes, &point);
        ActivationChallenge::new(&genuine, &key, &SystemRandom::new(), now(), MINUTE).map(|_| ())
    };
    new(IAK_ATTRIBUTES).unwrap();
    // fixedTPM, fixedParent, sensitiveDataOrigin, restricted, sign cleared; decrypt set.
    for bit in [1_u32, 4, 5, 16, 18, 17] {
        assert!(matches!(new(IAK_ATTRIBUTES ^ (1 << bit)), Err(ActivationError::Key(_))), "bit {bit}");
    }
    // An attestation key, but not of the template: no policy for its ADMIN role.
    assert!(matches!(new(IAK_ATTRIBUTES ^ (1 << 7)), Err(ActivationError::Template { .. })));
}

#[test]
fn p17_endorsement_key_off_its_curve_is_refused() {
    let maker = Maker::new();
    let tpm = SoftTpm::new();
    let mut point = Point::of(&tpm.ek_public);
    point.0[64] ^= 1;
    let ek = ek_public(EK_ATTRIBUTES, &AES_128_CFB, &point.0);
    let nv = maker.intermediate.issue(&ek_params(), &point);
    let genuine = crate::ek::GenuineTpm::verify(
        &nv,
        std::slice::from_ref(&maker.intermediate.der),
        &maker.roots(),
        &ek,
        now(),
    )
    .unwrap();
    let error = ActivationChallenge::new(&genuine, &tpm.iak_public, &SystemRandom::new(), now(), MINUTE)
        .map(|_| ())
        .unwrap_err();
    assert_eq!(error.threat(), "p17");
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let maker = Maker::new();
    let mut tpm = SoftTpm::new();
    let (pending, credential) = challenge(&maker, &tpm);
    let secret = tpm.activate(&credential, &tpm.iak_public.name()).unwrap();
    let shown = format!("{pending:?}");
    assert!(!shown.contains(&hex::encode(&secret)) && !shown.contains(&format!("{secret:?}")));
}

#[test]
fn the_tpm2_tools_file_has_its_header() {
    let credential = Credential { id_object: vec![1, 2], encrypted_secret: vec![3] };
    assert_eq!(credential.to_tpm2_tools(), [0xBA, 0xDC, 0xC0, 0xDE, 0, 0, 0, 1, 0, 2, 1, 2, 0, 1, 3]);
}

#[test]
fn a_device_id_certified_by_the_iak_is_believed() {
    let mut tpm = SoftTpm::new();
    let resident = tpm.resident(&Maker::new());
    let (info, signature) = tpm.certify(QUALIFYING);
    let id = resident.certify_device_id(tpm.idevid_public.clone(), &info, &signature, QUALIFYING).unwrap();
    assert_eq!(id.name(), tpm.idevid_public.name());
    assert_eq!(id.tpm(), resident.tpm());
}

#[test]
fn p04_device_id_not_fixed_to_the_tpm_or_certified_by_another_key_is_refused() {
    let maker = Maker::new();
    let mut tpm = SoftTpm::new();
    let resident = tpm.resident(&maker);
    for bit in [1_u32, 4, 5, 7, 16, 17, 18] {
        let key = signing_public(IDEVID_ATTRIBUTES ^ (1 << bit), signing_key().public_key().as_ref());
        let info = certify_info(&tpm.iak_public, &key, QUALIFYING);
        let outcome = resident.certify_device_id(key, &info, &tpm.sign(&info), QUALIFYING);
        assert!(matches!(outcome, Err(DeviceIdError::Template { .. })), "bit {bit}");
    }
    let other = SoftTpm::new();
    let (info, _) = tpm.certify(QUALIFYING);
    let outcome =
        resident.certify_device_id(tpm.idevid_public.clone(), &info, &other.sign(&info), QUALIFYING);
    assert!(matches!(outcome, Err(DeviceIdError::Signature(_))));
}

#[test]
fn p16_certification_of_another_kind_key_request_or_signer_is_refused() {
    let mut tpm = SoftTpm::new();
    let resident = tpm.resident(&Maker::new());
    let verify = |info: &[u8]| {
        resident
            .certify_device_id(tpm.idevid_public.clone(), info, &tpm.sign(info), QUALIFYING)
            .map(|_| ())
            .unwrap_err()
    };
    let (good, _) = tpm.certify(QUALIFYING);
    let changed = |position: usize, byte: u8| {
        let mut info = good.clone();
        info[position] = byte;
        info
    };
    assert!(matches!(verify(&changed(0, 0)), DeviceIdError::Attest(_)));
    // TPM_ST_ATTEST_QUOTE, TPM_ST_ATTEST_CREATION.
    assert!(matches!(verify(&changed(5, 0x18)), DeviceIdError::Attest(_)));
    assert!(matches!(verify(&changed(5, 0x1A)), DeviceIdError::Attest(_)));
    assert!(matches!(verify(&[good.as_slice(), &[0]].concat()), DeviceIdError::Attest(_)));
    assert!(matches!(verify(&good[..good.len() - 1]), DeviceIdError::Attest(_)));
    let other = SoftTpm::new();
    let iak = &tpm.iak_public;
    let info = certify_info(iak, &tpm.idevid_public, b"0123456789abcdeX");
    assert!(matches!(verify(&info), DeviceIdError::Qualifying { .. }));
    let info = certify_info(iak, &tpm.idevid_public, b"0123456789abcdef0");
    assert!(matches!(verify(&info), DeviceIdError::Qualifying { .. }));
    // The wanted Name stands in the structure, but not where the certified key's Name belongs.
    let info = certify_info(iak, &other.idevid_public, QUALIFYING);
    assert!(matches!(verify(&info), DeviceIdError::Name { .. }));
    let info = certify_info(&other.iak_public, &tpm.idevid_public, QUALIFYING);
    assert!(matches!(verify(&info), DeviceIdError::QualifiedName { which: "signer", .. }));
    let outcome = resident.certify_device_id(tpm.idevid_public.clone(), &good, &tpm.sign(&good), b"short");
    assert!(matches!(outcome, Err(DeviceIdError::ShortQualifying { found: 5 })));
}

#[test]
fn p15_public_area_that_differs_from_the_key_in_the_tpm_does_not_open() {
    let maker = Maker::new();
    let mut tpm = SoftTpm::new();
    let loaded = tpm.iak_public.name();
    // Same key, one attribute more (noDA): another Name, computed here and not asked of the sender.
    let point = Point::of(&tpm.iak_public).0;
    let claimed = signing_public(IAK_ATTRIBUTES | 1 << 10, &point);
    assert_eq!(claimed.key(), tpm.iak_public.key());
    let genuine = maker.verify(&tpm).unwrap();
    let (_, credential) =
        ActivationChallenge::new(&genuine, &claimed, &SystemRandom::new(), now(), MINUTE).unwrap();
    assert_eq!(tpm.activate(&credential, &loaded), None);
}
