use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose,
};

use super::*;
use crate::certificate::SignatureError;
use crate::specimen::{
    AES_128_CFB, Ca, EK_ATTRIBUTES, Maker, Point, RsaPoint, SoftTpm, ca_params, ek_params, ek_public,
    modulus, now, pem, rsa_ek_public, validity,
};

/// Verifies an EK certificate made with `params`, under the maker's intermediate.
fn verify_leaf(maker: &Maker, params: &CertificateParams) -> Result<GenuineTpm, EkError> {
    let tpm = SoftTpm::new();
    let nv = maker.intermediate.issue(params, &Point::of(&tpm.ek_public));
    GenuineTpm::verify(
        &nv,
        std::slice::from_ref(&maker.intermediate.der),
        &maker.roots(),
        &tpm.ek_public,
        now(),
    )
}

/// Verifies an EK certificate whose issuers are given, nearest first; the last is trusted.
fn verify_under(issuers: &[&Ca], now: Timestamp) -> Result<GenuineTpm, EkError> {
    let tpm = SoftTpm::new();
    let nv = issuers[0].issue(&ek_params(), &Point::of(&tpm.ek_public));
    let roots = TpmMakerRoots::from_pem(&issuers.last().unwrap().pem()).unwrap();
    let intermediates: Vec<_> = issuers[..issuers.len() - 1].iter().map(|ca| ca.der.clone()).collect();
    GenuineTpm::verify(&nv, &intermediates, &roots, &tpm.ek_public, now)
}

#[test]
fn a_genuine_tpm_tells_its_maker() {
    let maker = Maker::new();
    let tpm = maker.verify(&SoftTpm::new()).unwrap();
    assert_eq!(tpm.model().manufacturer.as_deref(), Some("id:49465800"));
    assert_eq!(tpm.model().vendor().as_deref(), Some("IFX"));
    assert_eq!(tpm.model().model.as_deref(), Some("SLB9670"));
    assert_eq!(tpm.model().version.as_deref(), Some("id:01020304"));
    assert_eq!(tpm.root(), attest::HashAlgorithm::Sha256.digest(&maker.root.der));
}

#[test]
fn p01_certificate_of_another_maker_or_of_an_unnamed_simulator_is_refused() {
    let (maker, other) = (Maker::new(), Maker::new());
    let tpm = SoftTpm::new();
    let nv = maker.ek_certificate(&tpm);
    // The other maker's root has the same name, and is not the one that signed.
    let error = GenuineTpm::verify(
        &nv,
        std::slice::from_ref(&maker.intermediate.der),
        &other.roots(),
        &tpm.ek_public,
        now(),
    )
    .unwrap_err();
    assert!(matches!(error, EkError::Path(PathError::Signature { error: SignatureError::Mismatch, .. })));
    assert_eq!(error.threat(), "p01");
    let simulator = TpmMakerRoots::from_pem(&Ca::root("simulator").pem()).unwrap();
    let error = GenuineTpm::verify(
        &nv,
        std::slice::from_ref(&maker.intermediate.der),
        &simulator,
        &tpm.ek_public,
        now(),
    );
    assert!(matches!(error, Err(EkError::Path(PathError::NoTrustedRoot { .. }))));
}

#[test]
fn p01_missing_intermediate_and_intermediate_offered_as_its_own_root_are_refused() {
    let maker = Maker::new();
    let tpm = SoftTpm::new();
    let nv = maker.ek_certificate(&tpm);
    let verify = |intermediates: &[Vec<u8>]| {
        GenuineTpm::verify(&nv, intermediates, &maker.roots(), &tpm.ek_public, now())
    };
    assert!(matches!(verify(&[]), Err(EkError::Path(PathError::NoTrustedRoot { .. }))));
    let impostor = Ca::root("Maker TPM CA");
    assert!(matches!(verify(&[impostor.der]), Err(EkError::Path(PathError::Signature { .. }))));
}

#[test]
fn p01_any_flipped_bit_of_the_certificate_is_refused() {
    let maker = Maker::new();
    let tpm = SoftTpm::new();
    let nv = maker.ek_certificate(&tpm);
    let (roots, intermediates) = (maker.roots(), [maker.intermediate.der.clone()]);
    for position in (0..nv.len()).step_by(7) {
        let mut changed = nv.clone();
        changed[position] ^= 0x04;
        let outcome = GenuineTpm::verify(&changed, &intermediates, &roots, &tpm.ek_public, now());
        assert!(outcome.is_err(), "byte {position}");
    }
}

#[test]
fn p02_certificate_for_another_key_is_refused() {
    let maker = Maker::new();
    let (tpm, other) = (SoftTpm::new(), SoftTpm::new());
    let error = GenuineTpm::verify(
        &maker.ek_certificate(&other),
        std::slice::from_ref(&maker.intermediate.der),
        &maker.roots(),
        &tpm.ek_public,
        now(),
    )
    .unwrap_err();
    assert_eq!(error.threat(), "p02");
}

#[test]
fn p04_endorsement_key_that_is_not_bound_to_its_tpm_is_refused() {
    let maker = Maker::new();
    let point = Point::of(&SoftTpm::new().ek_public);
    let nv = maker.intermediate.issue(&ek_params(), &point);
    let verify = |attributes, symmetric: &[u8]| {
        let ek = ek_public(attributes, symmetric, &point.0);
        GenuineTpm::verify(&nv, std::slice::from_ref(&maker.intermediate.der), &maker.roots(), &ek, now())
    };
    verify(EK_ATTRIBUTES, &AES_128_CFB).unwrap();
    for bit in [1_u32, 4, 5, 16, 17, 18] {
        let error = verify(EK_ATTRIBUTES ^ (1 << bit), &AES_128_CFB).unwrap_err();
        assert!(matches!(error, EkError::Attribute { .. }), "bit {bit}: {error}");
    }
    assert!(matches!(verify(EK_ATTRIBUTES, &[0x00, 0x10]), Err(EkError::Symmetric { .. })));
    assert!(matches!(
        verify(EK_ATTRIBUTES, &[0x00, 0x06, 0x00, 0x80, 0x00, 0x44]),
        Err(EkError::Symmetric { .. })
    ));
}

#[test]
fn p07_leaf_that_is_a_ca_or_has_another_usage_is_refused() {
    let maker = Maker::new();
    let mut params = ek_params();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    assert!(matches!(verify_leaf(&maker, &params), Err(EkError::Path(PathError::LeafIsCa { .. }))));
    let mut params = ek_params();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    assert!(matches!(verify_leaf(&maker, &params), Err(EkError::ExtendedKeyUsage { .. })));
    let mut params = ek_params();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    assert!(matches!(verify_leaf(&maker, &params), Err(EkError::KeyUsage { .. })));
    let mut params = ek_params();
    params.key_usages = Vec::new();
    params.extended_key_usages = Vec::new();
    verify_leaf(&maker, &params).unwrap();
}

#[test]
fn p07_unknown_critical_extension_and_name_constraints_are_refused() {
    let maker = Maker::new();
    let mut unknown = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
    let mut params = ek_params();
    params.custom_extensions.push(unknown.clone());
    verify_leaf(&maker, &params).unwrap();
    unknown.set_criticality(true);
    let mut params = ek_params();
    params.custom_extensions.push(unknown);
    assert!(matches!(
        verify_leaf(&maker, &params),
        Err(EkError::Path(PathError::UnknownCritical { ref oid, .. })) if oid == "1.2.3.4"
    ));
    let mut params = ca_params("constrained");
    params.name_constraints = Some(rcgen::NameConstraints {
        permitted_subtrees: vec![rcgen::GeneralSubtree::DnsName("example.org".to_owned())],
        excluded_subtrees: Vec::new(),
    });
    let root = Ca::root_with(params);
    assert!(matches!(verify_under(&[&root], now()), Err(EkError::Path(PathError::NameConstraints { .. }))));
}

#[test]
fn p07_issuer_that_is_no_ca_or_may_not_sign_certificates_is_refused() {
    let root = Ca::root("root");
    let mut params = ca_params("leaf used as CA");
    params.is_ca = IsCa::ExplicitNoCa;
    let leaf = root.below(params);
    assert!(matches!(verify_under(&[&leaf, &root], now()), Err(EkError::Path(PathError::NotCa { .. }))));
    let mut params = ca_params("no keyCertSign");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let ca = root.below(params);
    assert!(matches!(verify_under(&[&ca, &root], now()), Err(EkError::Path(PathError::NoCertSign { .. }))));
}

#[test]
fn p07_path_length_is_enforced() {
    let mut params = ca_params("root");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let root = Ca::root_with(params);
    let intermediate = root.below(ca_params("one too many"));
    verify_under(&[&root], now()).unwrap();
    assert!(matches!(
        verify_under(&[&intermediate, &root], now()),
        Err(EkError::Path(PathError::PathLength { allowed: 0, found: 1, .. }))
    ));
}

#[test]
fn p08_padding_after_the_certificate_is_cut_and_other_bytes_are_refused() {
    let maker = Maker::new();
    let tpm = SoftTpm::new();
    let certificate = maker.ek_certificate(&tpm);
    let verify = |tail: &[u8]| {
        let nv = [certificate.as_slice(), tail].concat();
        GenuineTpm::verify(
            &nv,
            std::slice::from_ref(&maker.intermediate.der),
            &maker.roots(),
            &tpm.ek_public,
            now(),
        )
    };
    assert_eq!(verify(&[0; 600]).unwrap().certificate_der(), certificate);
    assert_eq!(verify(&[0xFF; 600]).unwrap().certificate_der(), certificate);
    assert!(matches!(verify(&[0, 0, 7]), Err(EkError::Padding { found: 7, .. })));
    assert!(matches!(verify(&[0xFF, 0]), Err(EkError::Padding { found: 0, .. })));
    for cut in [0, 1, 3, 200, certificate.len() - 1] {
        let outcome = GenuineTpm::verify(&certificate[..cut], &[], &maker.roots(), &tpm.ek_public, now());
        assert!(matches!(outcome, Err(EkError::Certificate(_))), "{cut} bytes");
    }
}

#[test]
fn p08_certificate_without_end_is_good_under_a_ca_that_ends() {
    let maker = Maker::new();
    maker.verify(&SoftTpm::new()).unwrap();
}

#[test]
fn p14_expired_not_yet_valid_and_an_unset_clock_are_told_apart() {
    let root = Ca::root("root");
    let at = |time: &str| verify_under(&[&root], time.parse().unwrap()).unwrap_err();
    assert!(matches!(at("1970-01-01T00:00:05Z"), EkError::Path(PathError::ClockNotSet { .. })));
    assert!(matches!(at("2024-06-01T00:00:00Z"), EkError::Path(PathError::NotYetValid { .. })));
    assert!(matches!(at("2045-06-01T00:00:00Z"), EkError::Path(PathError::Expired { .. })));
    assert_eq!(at("2045-06-01T00:00:00Z").threat(), "p14");
    let mut params = ca_params("expired intermediate");
    validity(&mut params, "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
    let expired = root.below(params);
    assert!(matches!(
        verify_under(&[&expired, &root], now()),
        Err(EkError::Path(PathError::Expired { ref subject, .. })) if subject.contains("expired intermediate")
    ));
}

#[test]
fn cross_signed_intermediates_find_the_path_that_holds() {
    let (dead, live) = (Ca::root("dead"), Ca::root("live"));
    let mut params = ca_params("crossed");
    let ca = live.below(params.clone());
    validity(&mut params, "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
    let expired = dead.issue(&params, &ca.key);
    let tpm = SoftTpm::new();
    let nv = ca.issue(&ek_params(), &Point::of(&tpm.ek_public));
    let both = TpmMakerRoots::from_pem(&(dead.pem() + &live.pem())).unwrap();
    for intermediates in [[expired.clone(), ca.der.clone()], [ca.der.clone(), expired.clone()]] {
        GenuineTpm::verify(&nv, &intermediates, &both, &tpm.ek_public, now()).unwrap();
    }
    assert!(GenuineTpm::verify(&nv, &[expired], &both, &tpm.ek_public, now()).is_err());
}

#[test]
fn a_heap_of_intermediates_is_bounded() {
    let maker = Maker::new();
    let tpm = SoftTpm::new();
    let nv = maker.ek_certificate(&tpm);
    let verify = |intermediates: &[Vec<u8>]| {
        GenuineTpm::verify(&nv, intermediates, &maker.roots(), &tpm.ek_public, now())
    };
    let many = vec![maker.intermediate.der.clone(); MAX_INTERMEDIATES + 1];
    assert!(matches!(verify(&many), Err(EkError::TooManyIntermediates { found: 17 })));
    // A ring of CAs that sign each other never ends at a root.
    let (a, b) = (Ca::root("a"), Ca::root("b"));
    let a_by_b = b.issue(&a.params, &a.key);
    let b_by_a = a.issue(&b.params, &b.key);
    let nv = a.issue(&ek_params(), &Point::of(&tpm.ek_public));
    let outcome = GenuineTpm::verify(&nv, &[a_by_b, b_by_a], &maker.roots(), &tpm.ek_public, now());
    assert!(outcome.is_err());
}

#[test]
fn roots_that_are_empty_or_no_ca_are_refused() {
    assert_eq!(TpmMakerRoots::from_pem("").unwrap_err(), RootsError::Empty);
    assert_eq!(TpmMakerRoots::from_pem("hello\n").unwrap_err(), RootsError::Empty);
    let maker = Maker::new();
    let leaf = pem(&maker.ek_certificate(&SoftTpm::new()));
    assert!(matches!(TpmMakerRoots::from_pem(&leaf), Err(RootsError::NotCa { .. })));
    let key = maker.root.pem().replace("CERTIFICATE", "PRIVATE KEY");
    assert!(matches!(TpmMakerRoots::from_pem(&key), Err(RootsError::Certificate(_))));
    assert_eq!(maker.roots().views().len(), 1);
}

/// An RSA EK and its certificate, with bytes of the certificate replaced.
fn verify_rsa(exponent: u32, from: &[u8], to: &[u8]) -> Result<GenuineTpm, EkError> {
    let maker = Maker::new();
    let ek = rsa_ek_public(&modulus(), exponent);
    let mut params = ek_params();
    params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    let nv = maker.intermediate.issue(&params, &RsaPoint::new(&ek));
    let nv = maker.intermediate.resign(&nv, from, to);
    GenuineTpm::verify(&nv, std::slice::from_ref(&maker.intermediate.der), &maker.roots(), &ek, now())
}

const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const RSAES_OAEP: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07];
const RSA_MD5: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04];

#[test]
fn p08_rsa_key_marked_for_oaep_is_accepted() {
    let tpm = verify_rsa(65537, RSA_ENCRYPTION, RSAES_OAEP).unwrap();
    // Its credentials are as those of any other RSA key.
    let iak = SoftTpm::new().iak_public;
    let random = ring::rand::SystemRandom::new();
    let minute = jiff::SignedDuration::from_mins(1);
    let (_, credential) =
        crate::activation::ActivationChallenge::new(&tpm, &iak, &random, now(), minute).unwrap();
    assert_eq!(credential.encrypted_secret.len(), 256);
    assert!(matches!(verify_rsa(65537, RSA_ENCRYPTION, RSA_MD5), Err(EkError::Key(_))));
}

#[test]
fn p17_rsa_exponent_other_than_65537_is_refused() {
    let error = verify_rsa(3, RSA_ENCRYPTION, RSAES_OAEP).unwrap_err();
    assert_eq!(error.threat(), "p17");
}

#[test]
fn two_signature_algorithms_in_one_certificate_are_refused() {
    let maker = Maker::new();
    let tpm = SoftTpm::new();
    let nv = maker.ek_certificate(&tpm);
    // The last of the two: ecdsa-with-SHA256 becomes ecdsa-with-SHA384.
    let oid = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    let last = nv.windows(8).rposition(|window| window == oid).unwrap();
    let mut changed = nv;
    changed[last + 7] = 0x03;
    let outcome = GenuineTpm::verify(&changed, &[], &maker.roots(), &tpm.ek_public, now());
    assert!(matches!(outcome, Err(EkError::Certificate(CertificateError::TwoAlgorithms { .. }))));
}

#[test]
fn p07_extension_given_twice_is_refused() {
    let maker = Maker::new();
    let mut params = ek_params();
    let repeated = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
    params.custom_extensions.extend([repeated.clone(), repeated]);
    let outcome = verify_leaf(&maker, &params);
    assert!(matches!(outcome, Err(EkError::Certificate(CertificateError::DuplicateExtension { .. }))));
}
