//! The pipeline against the real thing: a simulated TPM whose EK certificates were made by its own CA, and the standard
//! tools on the device's side.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    missing_docs
)]

mod simulator;

use attest::key::PublicArea;
use jiff::{SignedDuration, Timestamp};
use pki::DeviceId;
use pki::activation::{ActivationChallenge, DeviceIdError, ResidentKey};
use pki::ca::{AuthorityNames, KeyAlgorithm, NewAuthority, SerialNumber};
use pki::certificate::CertificateView;
use pki::chain::{DeviceChain, DeviceRoots, Purpose};
use pki::ek::{EkError, GenuineTpm, TpmMakerRoots};
use ring::rand::SystemRandom;

use simulator::{Ek, Simulator};

fn genuine(simulator: &Simulator, ek: Ek) -> GenuineTpm {
    let nv = simulator.ek_certificate(ek);
    let public = simulator.ek_public(ek);
    GenuineTpm::verify(&nv, &[simulator.issuer_der()], &simulator.roots(), &public, Timestamp::now()).unwrap()
}

fn resident(simulator: &Simulator, ek: Ek, iak: &PublicArea) -> ResidentKey {
    let now = Timestamp::now();
    let tpm = genuine(simulator, ek);
    let minute = SignedDuration::from_mins(1);
    let (pending, credential) =
        ActivationChallenge::new(&tpm, iak, &SystemRandom::new(), now, minute).unwrap();
    let secret = simulator.activate(ek, &credential.to_tpm2_tools()).expect("the TPM opens the credential");
    pending.answer(&secret, now).unwrap()
}

#[test]
fn p08_simulators_certificates_are_good_for_both_eks() {
    let simulator = Simulator::start();
    for ek in [Ek::Rsa2048, Ek::EccP384] {
        let tpm = genuine(&simulator, ek);
        assert_eq!(tpm.model().manufacturer.as_deref(), Some("id:00001014"));
        assert_eq!(tpm.model().model.as_deref(), Some("swtpm"));
        assert_eq!(tpm.root(), simulator.root_fingerprint());
    }
}

#[test]
fn p01_simulator_is_not_trusted_unless_its_root_is_named() {
    let simulator = Simulator::start();
    let names = AuthorityNames::new("TPM maker", "TPM").unwrap();
    let serials = [SerialNumber::new([1; 16]), SerialNumber::new([2; 16])];
    let maker = NewAuthority::generate(&names, KeyAlgorithm::EcdsaP256, serials, Timestamp::now()).unwrap();
    let roots = TpmMakerRoots::from_pem(&simulator::pem(maker.root_der())).unwrap();
    let nv = simulator.ek_certificate(Ek::Rsa2048);
    let ek = simulator.ek_public(Ek::Rsa2048);
    let error =
        GenuineTpm::verify(&nv, &[simulator.issuer_der()], &roots, &ek, Timestamp::now()).unwrap_err();
    assert_eq!(error.threat(), "p01");
    // The certificate of one EK does not vouch for the other (p02).
    let error = GenuineTpm::verify(
        &nv,
        &[simulator.issuer_der()],
        &simulator.roots(),
        &simulator.ek_public(Ek::EccP384),
        Timestamp::now(),
    )
    .unwrap_err();
    assert!(matches!(error, EkError::OtherKey { .. }));
}

#[test]
fn a_real_tpm_opens_credentials_for_its_rsa_and_its_ecc_ek() {
    let simulator = Simulator::start();
    let iak = simulator.create_iak();
    for ek in [Ek::Rsa2048, Ek::EccP384] {
        let key = resident(&simulator, ek, &iak);
        assert_eq!(key.name(), iak.name());
    }
}

#[test]
fn p03_a_real_tpm_refuses_a_credential_for_another_name() {
    let simulator = Simulator::start();
    let iak = simulator.create_iak();
    let tpm = genuine(&simulator, Ek::Rsa2048);
    let mut other = iak.as_bytes().to_vec();
    let last = other.len() - 1;
    other[last] ^= 1;
    let other = PublicArea::parse(&other).unwrap();
    let (_, credential) = ActivationChallenge::new(
        &tpm,
        &other,
        &SystemRandom::new(),
        Timestamp::now(),
        SignedDuration::from_mins(1),
    )
    .unwrap();
    assert_eq!(simulator.activate(Ek::Rsa2048, &credential.to_tpm2_tools()), None);
}

#[test]
fn from_the_ek_certificate_to_a_verified_chain_of_both_device_keys() {
    let simulator = Simulator::start();
    let iak = simulator.create_iak();
    let resident = resident(&simulator, Ek::Rsa2048, &iak);
    let idevid = simulator.create_idevid();
    let qualifying = [7; 32];
    let (info, signature) = simulator.certify(&qualifying);
    let device_key = resident.certify_device_id(idevid.clone(), &info, &signature, &qualifying).unwrap();
    let replayed = resident.certify_device_id(idevid, &info, &signature, &[8; 32]);
    assert!(matches!(replayed, Err(DeviceIdError::Qualifying { .. })));

    let now = Timestamp::now();
    let names = AuthorityNames::new("Example Devices", "Devices").unwrap();
    let serials = [SerialNumber::new([1; 16]), SerialNumber::new([2; 16])];
    let new = NewAuthority::generate(&names, KeyAlgorithm::EcdsaP256, serials, now).unwrap();
    let roots = DeviceRoots::from_pem(&simulator::pem(new.root_der())).unwrap();
    let authority = new.into_authority().unwrap();
    let device = DeviceId::new("gw-0001").unwrap();
    let iak_certificate = authority.issue_iak(&resident, &device, SerialNumber::new([3; 16]), now).unwrap();
    let idevid_certificate =
        authority.issue_device_id(&device_key, &device, SerialNumber::new([4; 16]), now).unwrap();

    for (certificate, purpose, key) in [
        (&iak_certificate, Purpose::AttestationKey, resident.public()),
        (&idevid_certificate, Purpose::DeviceId, device_key.public()),
    ] {
        let chain = [certificate.der(), authority.intermediate_der()];
        let chain = DeviceChain::verify(&chain, &roots, purpose, now).unwrap();
        assert_eq!(chain.device_id(), &device);
        assert_eq!(chain.public_key(), key.key());
        assert_eq!(chain.ek_certificate(), Some(resident.tpm().ek_certificate()));
    }
    let view = CertificateView::from_der(iak_certificate.der()).unwrap();
    assert_eq!(view.key.kind, "ECDSA P-256");
}
