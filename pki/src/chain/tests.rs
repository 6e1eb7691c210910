use der::{Decode, Encode};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose,
};
use ring::signature::KeyPair as _;

use super::*;
use crate::specimen::{Ca, Factory, Maker, Point, SoftTpm, ca_params, named, now, signing_key, validity};

/// A hand-made device certificate of the IAK profile.
fn iak_params(device: &str) -> CertificateParams {
    let mut params = named(device);
    validity(&mut params, "2025-06-01T00:00:00Z", "2044-01-01T00:00:00Z");
    params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 5]), device);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(vec![2, 23, 133, 8, 3])];
    params
}

struct Authority {
    root: Ca,
    issuing: Ca,
}

impl Authority {
    fn new() -> Self {
        let root = Ca::root("root");
        let issuing = root.below(ca_params("issuing"));
        Self { root, issuing }
    }

    fn issue(&self, params: &CertificateParams) -> Vec<u8> {
        self.issuing.issue(params, &Point(signing_key().public_key().as_ref().to_vec()))
    }

    fn verify_chain(&self, chain: &[Vec<u8>], purpose: Purpose) -> Result<DeviceChain, ChainError> {
        DeviceChain::verify(chain, &DeviceRoots::from_pem(&self.root.pem()).unwrap(), purpose, now())
    }

    fn verify(&self, params: &CertificateParams) -> Result<DeviceChain, ChainError> {
        self.verify_chain(&[self.issue(params), self.issuing.der.clone()], Purpose::AttestationKey)
    }
}

#[test]
fn an_issued_chain_is_believed_with_and_without_its_root() {
    let factory = Factory::new();
    let issued = factory.iak_certificate("gw-0042");
    let intermediate = factory.authority.intermediate_der();
    for chain in
        [vec![issued.der(), intermediate], vec![issued.der(), intermediate, factory.authority.root_der()]]
    {
        let chain = DeviceChain::verify(&chain, &factory.roots(), Purpose::AttestationKey, now()).unwrap();
        assert_eq!(chain.device_id().as_str(), "gw-0042");
        assert_eq!(chain.leaf_der(), issued.der());
        assert_eq!(chain.leaf_fingerprint(), issued.fingerprint());
        assert_eq!(chain.purpose(), Purpose::AttestationKey);
        assert_eq!(chain.not_after(), issued.not_after());
        assert!(chain.ek_certificate().is_some());
    }
}

#[test]
fn p01_chain_to_another_root_or_without_intermediate_is_refused() {
    let (factory, other) = (Factory::new(), Factory::new());
    let issued = factory.iak_certificate("gw-1");
    let chain = [issued.der(), factory.authority.intermediate_der()];
    let purpose = Purpose::AttestationKey;
    // Same names, other key.
    let error = DeviceChain::verify(&chain, &other.roots(), purpose, now()).unwrap_err();
    assert!(matches!(error, ChainError::Path(PathError::Signature { .. })), "{error}");
    let stranger = Authority::new();
    let roots = DeviceRoots::from_pem(&stranger.root.pem()).unwrap();
    let error = DeviceChain::verify(&chain, &roots, purpose, now()).unwrap_err();
    assert!(matches!(error, ChainError::Path(PathError::NoTrustedRoot { .. })), "{error}");
    let error = DeviceChain::verify(&chain[..1], &factory.roots(), purpose, now()).unwrap_err();
    assert!(matches!(error, ChainError::Path(PathError::NoTrustedRoot { .. })), "{error}");
    let none: [&[u8]; 0] = [];
    let error = DeviceChain::verify(&none, &factory.roots(), purpose, now()).unwrap_err();
    assert_eq!(error, ChainError::Path(PathError::Empty));
}

#[test]
fn p01_certificates_out_of_order_are_refused() {
    let authority = Authority::new();
    let leaf = authority.issue(&iak_params("gw-1"));
    let unrelated = Ca::root("unrelated");
    let chain = [leaf, unrelated.der, authority.issuing.der.clone()];
    let error = authority.verify_chain(&chain, Purpose::AttestationKey).unwrap_err();
    assert!(matches!(error, ChainError::Path(PathError::Order { .. })), "{error}");
}

#[test]
fn p07_attestation_key_and_device_identity_never_pass_for_each_other() {
    let factory = Factory::new();
    let intermediate = factory.authority.intermediate_der();
    let iak = factory.iak_certificate("gw-1");
    let idevid = factory.device_id_certificate("gw-1");
    let verify =
        |leaf: &[u8], purpose| DeviceChain::verify(&[leaf, intermediate], &factory.roots(), purpose, now());
    verify(iak.der(), Purpose::AttestationKey).unwrap();
    verify(idevid.der(), Purpose::DeviceId).unwrap();
    for outcome in [verify(iak.der(), Purpose::DeviceId), verify(idevid.der(), Purpose::AttestationKey)] {
        assert!(matches!(outcome, Err(ChainError::ExtendedKeyUsage { .. })));
    }
}

#[test]
fn p07_certificate_for_a_requested_key_is_no_device() {
    let factory = Factory::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let request = CertificateParams::default().serialize_request(&key).unwrap();
    let request = crate::ca::CertificateRequest::from_der(request.der()).unwrap();
    let name = DeviceId::new("gw-1").unwrap();
    for profile in [
        crate::ca::RequestProfile::TlsClient { name: name.clone() },
        crate::ca::RequestProfile::ManifestSigner { name },
    ] {
        let lifetime = jiff::SignedDuration::from_hours(1);
        let serial = crate::specimen::serial(6);
        let issued =
            factory.authority.issue_for_request(&request, &profile, serial, now(), lifetime).unwrap();
        for purpose in [Purpose::AttestationKey, Purpose::DeviceId] {
            let chain = [issued.der(), factory.authority.intermediate_der()];
            let outcome = DeviceChain::verify(&chain, &factory.roots(), purpose, now());
            assert!(matches!(outcome, Err(ChainError::ExtendedKeyUsage { .. })));
        }
    }
}

#[test]
fn p07_wrong_usages_are_refused() {
    let authority = Authority::new();
    authority.verify(&iak_params("gw-1")).unwrap();
    let mut params = iak_params("gw-1");
    params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    assert!(matches!(authority.verify(&params), Err(ChainError::KeyUsage { .. })));
    params.key_usages = Vec::new();
    assert!(matches!(authority.verify(&params), Err(ChainError::KeyUsage { .. })));
    let mut params = iak_params("gw-1");
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    assert!(matches!(authority.verify(&params), Err(ChainError::ExtendedKeyUsage { .. })));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any];
    assert!(matches!(authority.verify(&params), Err(ChainError::ExtendedKeyUsage { .. })));
}

#[test]
fn p07_leaf_as_ca_and_leaf_below_a_leaf_are_refused() {
    let authority = Authority::new();
    let mut params = iak_params("gw-1");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let outcome = authority.verify(&params);
    assert!(matches!(outcome, Err(ChainError::Path(PathError::LeafIsCa { .. }))));
    let device = authority.issuing.below(iak_params("gw-1"));
    let forged = device.issue(&iak_params("gw-2"), &Point(signing_key().public_key().as_ref().to_vec()));
    let chain = [forged, device.der, authority.issuing.der.clone()];
    let error = authority.verify_chain(&chain, Purpose::AttestationKey).unwrap_err();
    assert!(matches!(error, ChainError::Path(PathError::NotCa { .. })), "{error}");
}

#[test]
fn p07_leaf_that_outlives_its_issuer_is_refused() {
    let authority = Authority::new();
    let mut params = iak_params("gw-1");
    validity(&mut params, "2025-06-01T00:00:00Z", "2045-01-01T00:00:01Z");
    let outcome = authority.verify(&params);
    assert!(matches!(outcome, Err(ChainError::Path(PathError::OutlivesIssuer { .. }))));
    validity(&mut params, "2025-06-01T00:00:00Z", "2045-01-01T00:00:00Z");
    authority.verify(&params).unwrap();
}

#[test]
fn p07_unknown_critical_extension_is_refused() {
    let authority = Authority::new();
    let mut params = iak_params("gw-1");
    let mut unknown = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
    unknown.set_criticality(true);
    params.custom_extensions.push(unknown);
    let outcome = authority.verify(&params);
    assert!(matches!(outcome, Err(ChainError::Path(PathError::UnknownCritical { .. }))));
}

#[test]
fn p14_expired_and_a_clock_that_is_not_set_are_told_apart() {
    let factory = Factory::new();
    let issued = factory.iak_certificate("gw-1");
    let chain = [issued.der(), factory.authority.intermediate_der()];
    let at = |time: &str| {
        let now = time.parse().unwrap();
        DeviceChain::verify(&chain, &factory.roots(), Purpose::AttestationKey, now).unwrap_err()
    };
    let unset = at("1970-01-01T00:00:10Z");
    assert!(matches!(unset, ChainError::Path(PathError::ClockNotSet { .. })));
    assert!(unset.to_string().contains("not set"), "{unset}");
    assert!(matches!(at("2025-01-01T00:00:00Z"), ChainError::Path(PathError::NotYetValid { .. })));
    assert!(matches!(at("2066-06-02T00:00:00Z"), ChainError::Path(PathError::Expired { .. })));
}

#[test]
fn p19_subjects_that_inject_or_name_two_devices_are_refused() {
    let authority = Authority::new();
    for bad in ["../../etc/passwd", "<script>", "a\nb", "a\u{1b}[2J", ""] {
        let outcome = authority.verify(&iak_params(bad));
        assert!(matches!(outcome, Err(ChainError::DeviceId(_))), "{bad:?}: {outcome:?}");
    }
    let mut params = iak_params("gw-1");
    params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 5]), "gw-2");
    assert!(matches!(authority.verify(&params), Err(ChainError::Subject { .. })));
    let mut params = iak_params("gw-1");
    params.distinguished_name.remove(DnType::CustomDnType(vec![2, 5, 4, 5]));
    assert!(matches!(authority.verify(&params), Err(ChainError::Subject { .. })));
}

#[test]
fn too_many_and_too_long_certificates_are_refused_before_parsing() {
    let authority = Authority::new();
    let leaf = authority.issue(&iak_params("gw-1"));
    let many = vec![leaf; 9];
    let error = authority.verify_chain(&many, Purpose::AttestationKey).unwrap_err();
    assert_eq!(error, ChainError::Path(PathError::TooMany { found: 9 }));
    let error = authority.verify_chain(&[vec![0x30; 16 * 1024 + 1]], Purpose::AttestationKey).unwrap_err();
    assert!(error.to_string().contains("16385 bytes"), "{error}");
}

fn issued(factory: &Factory, device: &str, serial: u8) -> Vec<u8> {
    let key = SoftTpm::new().resident(&Maker::new());
    let serial = crate::specimen::serial(serial);
    let issued = factory.authority.issue_iak(&key, &DeviceId::new(device).unwrap(), serial, now());
    issued.unwrap().der().to_vec()
}

fn verify_with_list(factory: &Factory, leaf: &[u8], list: &str) -> Result<DeviceChain, ChainError> {
    let roots = factory.roots().with_revoked(RevokedCertificates::from_text(list).unwrap());
    DeviceChain::verify(&[leaf, factory.authority.intermediate_der()], &roots, Purpose::AttestationKey, now())
}

fn list_of(serials: &[u8]) -> String {
    let serials = serials.iter().map(|serial| crate::specimen::serial(*serial).to_string());
    RevokedCertificates::from_serials(serials).unwrap().to_string()
}

#[test]
fn p14_revoked_certificates_are_refused_wherever_they_stand() {
    let factory = Factory::new();
    let (leaf, other) = (issued(&factory, "gw-1", 11), issued(&factory, "gw-2", 12));
    verify_with_list(&factory, &leaf, "").unwrap();
    verify_with_list(&factory, &other, &list_of(&[11])).unwrap();
    let error = verify_with_list(&factory, &leaf, &list_of(&[12, 11])).unwrap_err();
    assert!(matches!(error, ChainError::Revoked { .. }));
    assert_eq!(error.threat(), "p14");
    // 2 is the intermediate's.
    assert!(matches!(verify_with_list(&factory, &other, &list_of(&[2])), Err(ChainError::Revoked { .. })));
}

/// The order of P-256's group (SP 800-186 §3.2.1.3).
const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

/// The same certificate with the other signature that verifies: (r, order - s).
fn twin(certificate: &[u8]) -> Vec<u8> {
    let mut changed = x509_cert::Certificate::from_der(certificate).unwrap();
    let pair = Vec::<der::asn1::Uint>::from_der(changed.signature.raw_bytes()).unwrap();
    let mut s = [0; 32];
    s[32 - pair[1].as_bytes().len()..].copy_from_slice(pair[1].as_bytes());
    let (order, mut borrow) = (hex::decode(ORDER).unwrap(), 0);
    for at in (0..32).rev() {
        let (difference, under) = order[at].overflowing_sub(s[at]);
        let (difference, under_again) = difference.overflowing_sub(borrow);
        (s[at], borrow) = (difference, u8::from(under || under_again));
    }
    let pair = vec![pair[0].clone(), der::asn1::Uint::new(&s).unwrap()];
    changed.signature = der::asn1::BitString::from_bytes(&pair.to_der().unwrap()).unwrap();
    changed.to_der().unwrap()
}

#[test]
fn p14_a_revoked_certificate_with_its_other_signature_stays_revoked() {
    let factory = Factory::new();
    let leaf = issued(&factory, "gw-1", 11);
    let twin = twin(&leaf);
    assert_ne!(twin, leaf);
    verify_with_list(&factory, &twin, "").unwrap();
    assert!(matches!(verify_with_list(&factory, &twin, &list_of(&[11])), Err(ChainError::Revoked { .. })));
}

#[test]
fn p14_list_of_revoked_certificates_is_read_whole_or_not_at_all() {
    let line = format!("serial:{}\n", "ab".repeat(16));
    assert_eq!(RevokedCertificates::from_text(&line).unwrap().count(), 1);
    assert_eq!(RevokedCertificates::from_text("").unwrap().count(), 0);
    // With the zero that DER puts first, or without it, and in either case of letters: one number.
    let same = format!("{line}serial:00{}\n", "AB".repeat(16));
    assert_eq!(RevokedCertificates::from_text(&same).unwrap().to_string(), line);
    let other = RevokedCertificates::from_text("serial:07\r\n").unwrap();
    let both = RevokedCertificates::from_text(&line).unwrap().and(other);
    assert!(both.count() == 2 && both.contains(&[0, 7]) && both.contains(&[0xAB; 16]));
    for bad in [
        "\n",
        "serial:\n",
        "serial:00\n",
        "serial:abc\n",
        "# note\n",
        "serial:abab",
        " serial:ab\n",
        "ab\n",
        &line.replace("serial", "sha256"),
        &format!("serial:{}\n", "ab".repeat(21)),
        &format!("serial:00{}\n", "ab".repeat(21)),
    ] {
        let error = RevokedCertificates::from_text(&format!("{line}{bad}")).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
