use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{CertificateParams, DnType, KeyPair, SanType};

use super::store::{self, StoreError};
use super::*;
use crate::certificate::CertificateView;
use crate::device_id::DeviceId;
use crate::specimen::{Factory, Maker, SoftTpm, now, serial};

fn names() -> AuthorityNames {
    AuthorityNames::new("Example Devices", "Devices").unwrap()
}

fn init(dir: &Path) -> Result<(), StoreError> {
    store::init(dir, &names(), KeyAlgorithm::EcdsaP256, [serial(1), serial(2)], now())
}

fn issue(authority: &CertificateAuthority) -> IssuedCertificate {
    let key = SoftTpm::new().resident(&Maker::new());
    authority.issue_iak(&key, &DeviceId::new("gw-1").unwrap(), serial(9), now()).unwrap()
}

#[test]
fn profiles_are_as_documented() {
    let factory = Factory::new();
    let [root, intermediate] = factory.authority.views();
    assert_eq!(root.subject, "CN=Devices Root,O=Example Devices");
    assert_eq!((root.ca, root.path_len), (true, Some(1)));
    assert_eq!((intermediate.ca, intermediate.path_len), (true, Some(0)));
    assert_eq!(intermediate.key_usage, ["keyCertSign", "cRLSign"]);
    let iak = CertificateView::from_der(factory.iak_certificate("gw-1").der()).unwrap();
    assert_eq!(iak.subject, "SERIALNUMBER=gw-1,CN=gw-1,O=Example Devices");
    assert_eq!(iak.issuer, intermediate.subject);
    assert_eq!(iak.key_usage, ["digitalSignature"]);
    assert_eq!(iak.extended_key_usage, ["2.23.133.8.3"]);
    assert_eq!(iak.policies, ["2.23.133.11.1.1", "2.23.133.11.1.2", "2.23.133.11.1.3"]);
    assert_eq!(iak.subject_alt_names, ["other:1.3.6.1.5.5.7.8.4"]);
    assert_eq!(iak.not_after, intermediate.not_after);
    assert!(!iak.ca);
    let idevid = CertificateView::from_der(factory.device_id_certificate("gw-1").der()).unwrap();
    assert_eq!(idevid.extended_key_usage, [""; 0]);
    assert_eq!(idevid.policies, ["2.23.133.11.1.1", "2.23.133.11.1.2"]);
    assert_eq!(idevid.serial, "44040404040404040404040404040404");
}

#[test]
fn a_stored_authority_issues_without_the_roots_key() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ca");
    init(&dir).unwrap();
    let mode = |file: &str| fs::metadata(dir.join(file)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("root.key"), mode("intermediate.key")), (0o600, 0o600));
    fs::remove_file(dir.join("root.key")).unwrap();
    let issued = issue(&store::load(&dir).unwrap());
    assert_eq!(issued.serial(), serial(9));
    assert!(issued.pem().starts_with("-----BEGIN CERTIFICATE-----"));
}

#[test]
fn p384_authorities_issue_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ca");
    store::init(&dir, &names(), KeyAlgorithm::EcdsaP384, [serial(1), serial(2)], now()).unwrap();
    let authority = store::load(&dir).unwrap();
    assert_eq!(authority.views()[1].key.kind, "ECDSA P-384");
    issue(&authority);
}

#[test]
fn p10_keys_that_others_can_read_are_refused_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ca");
    init(&dir).unwrap();
    let key = dir.join("intermediate.key");
    for mode in [0o640, 0o604, 0o644, 0o660, 0o601] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let error = store::load(&dir).unwrap_err();
        assert!(matches!(error, StoreError::KeyReadable { .. }));
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
    store::load(&dir).unwrap();
}

#[test]
fn p10_another_authoritys_key_or_no_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, other) = (folder.path().join("ca"), folder.path().join("other"));
    init(&dir).unwrap();
    init(&other).unwrap();
    fs::copy(other.join("intermediate.key"), dir.join("intermediate.key")).unwrap();
    let error = store::load(&dir).unwrap_err();
    assert!(error.to_string().contains("does not belong to"), "{error}");
    assert_eq!(error.threat(), Some("p10"));
    fs::write(dir.join("intermediate.key"), "secret rubbish").unwrap();
    let error = store::load(&dir).unwrap_err();
    assert!(matches!(error, StoreError::Key { .. }));
    assert!(!error.to_string().contains("rubbish"));
    fs::remove_file(dir.join("intermediate.key")).unwrap();
    assert!(matches!(store::load(&dir), Err(StoreError::Missing { file: "intermediate.key", .. })));
}

#[test]
fn replaced_certificates_and_damaged_records_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, other) = (folder.path().join("ca"), folder.path().join("other"));
    init(&dir).unwrap();
    init(&other).unwrap();
    let original = fs::read(dir.join("root.pem")).unwrap();
    fs::copy(other.join("root.pem"), dir.join("root.pem")).unwrap();
    assert!(matches!(store::load(&dir), Err(StoreError::Replaced { .. })));
    fs::write(dir.join("root.pem"), original).unwrap();
    let record = fs::read_to_string(dir.join("ca.json")).unwrap();
    for (from, to) in [
        ("hallmark-ca/1", "hallmark-ca/2"),
        ("\"names\"", "\"extra\": 1, \"names\""),
        ("Example Devices", "Example\\nDevices"),
        ("}", ""),
    ] {
        fs::write(dir.join("ca.json"), record.replace(from, to)).unwrap();
        assert!(matches!(store::load(&dir), Err(StoreError::Record { .. })), "{to}");
    }
    fs::remove_file(dir.join("ca.json")).unwrap();
    let error = store::load(&dir).unwrap_err();
    assert!(error.to_string().contains("hallmark ca init"), "{error}");
}

#[test]
fn p11_an_existing_authority_is_never_touched() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ca");
    init(&dir).unwrap();
    let before = fs::read(dir.join("root.key")).unwrap();
    assert!(matches!(init(&dir), Err(StoreError::Exists { .. })));
    assert_eq!(fs::read(dir.join("root.key")).unwrap(), before);
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["ca"]);
    let occupied = folder.path().join("occupied");
    fs::create_dir(&occupied).unwrap();
    fs::write(occupied.join("diary.txt"), "dear").unwrap();
    assert!(matches!(init(&occupied), Err(StoreError::Exists { .. })));
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    init(&empty).unwrap();
}

#[test]
fn p11_a_killed_init_runs_again_and_a_running_one_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ca");
    let staging = folder.path().join(".ca.init");
    fs::create_dir(&staging).unwrap();
    fs::write(staging.join("root.key"), "half a k").unwrap();
    let running = fs::File::open(&staging).unwrap();
    rustix::fs::flock(&running, rustix::fs::FlockOperation::LockExclusive).unwrap();
    assert!(matches!(init(&dir), Err(StoreError::Busy { .. })));
    drop(running);
    init(&dir).unwrap();
    assert!(!staging.exists());
    store::load(&dir).unwrap();
}

#[test]
fn p14_no_certificate_is_made_with_a_clock_that_is_not_set_or_after_the_issuers_end() {
    let early = "1970-01-01T00:01:00Z".parse().unwrap();
    let outcome = NewAuthority::generate(&names(), KeyAlgorithm::EcdsaP256, [serial(1), serial(2)], early);
    assert_eq!(outcome.unwrap_err().threat(), "p14");
    let factory = Factory::new();
    let key = SoftTpm::new().resident(&Maker::new());
    let device = DeviceId::new("gw-1").unwrap();
    for time in ["1970-01-01T00:01:00Z", "2025-12-31T00:00:00Z", "2066-06-02T00:00:00Z"] {
        let error = factory.authority.issue_iak(&key, &device, serial(3), time.parse().unwrap()).unwrap_err();
        assert_eq!(error.threat(), "p14", "{time}");
    }
}

fn request(params: &CertificateParams) -> Vec<u8> {
    let key = KeyPair::generate().unwrap();
    params.serialize_request(&key).unwrap().der().to_vec()
}

#[test]
fn p06_names_come_from_the_operator_and_never_from_the_request() {
    let factory = Factory::new();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "*.evil.example\nO=Example Devices");
    params.subject_alt_names = vec![SanType::DnsName("*.evil.example".try_into().unwrap())];
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let request = CertificateRequest::from_der(&request(&params)).unwrap();
    let profile = RequestProfile::TlsServer { name: DnsName::new("verifier.example.org").unwrap() };
    let month = jiff::SignedDuration::from_hours(24 * 30);
    let issued = factory.authority.issue_for_request(&request, &profile, serial(5), now(), month).unwrap();
    let view = CertificateView::from_der(issued.der()).unwrap();
    assert_eq!(view.subject, "CN=verifier.example.org,O=Example Devices");
    assert_eq!(view.subject_alt_names, ["DNS:verifier.example.org"]);
    assert_eq!(view.extended_key_usage, ["1.3.6.1.5.5.7.3.1"]);
    assert!(!view.ca);
    assert_eq!(view.not_after, now() + month);
}

#[test]
fn p06_request_without_proof_of_possession_is_refused() {
    let good = request(&CertificateParams::default());
    CertificateRequest::from_der(&good).unwrap();
    let mut forged = good.clone();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    assert!(matches!(CertificateRequest::from_der(&forged), Err(RequestError::Possession(_))));
    // Another key under the signature: the key's bytes start after their algorithm.
    let mut swapped = good.clone();
    let other = request(&CertificateParams::default());
    let point = |der: &[u8]| der.windows(4).position(|w| w == [0x03, 0x42, 0x00, 0x04]).unwrap() + 4;
    let (at, from) = (point(&good), point(&other));
    swapped[at..at + 64].copy_from_slice(&other[from..from + 64]);
    assert!(matches!(CertificateRequest::from_der(&swapped), Err(RequestError::Possession(_))));
}

#[test]
fn p06_oversized_trailing_and_malformed_requests_are_refused() {
    let good = request(&CertificateParams::default());
    assert!(matches!(
        CertificateRequest::from_der(&vec![0x30; 64 * 1024]),
        Err(RequestError::TooLong { found: 65_536 })
    ));
    assert!(matches!(
        CertificateRequest::from_der(&[good.as_slice(), &[0]].concat()),
        Err(RequestError::Der(_))
    ));
    for cut in [0, 1, 10, good.len() - 1] {
        assert!(matches!(CertificateRequest::from_der(&good[..cut]), Err(RequestError::Der(_))));
    }
    assert!(matches!(CertificateRequest::from_pem("hello"), Err(RequestError::Pem(_))));
    let pem = crate::specimen::pem(&good);
    assert!(matches!(CertificateRequest::from_pem(&pem), Err(RequestError::Pem(_))));
}

#[test]
fn p07_requested_certificates_never_outlive_the_issuer() {
    let factory = Factory::new();
    let request = CertificateRequest::from_der(&request(&CertificateParams::default())).unwrap();
    let profile = RequestProfile::ManifestSigner { name: DeviceId::new("release-2026").unwrap() };
    let forever = jiff::SignedDuration::MAX;
    let issued = factory.authority.issue_for_request(&request, &profile, serial(5), now(), forever).unwrap();
    assert_eq!(issued.not_after(), factory.authority.views()[1].not_after);
}

/// A signer whose session is gone, as an HSM's after a power cut.
struct LostSession(KeyPair);

impl rcgen::PublicKeyData for LostSession {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl rcgen::SigningKey for LostSession {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Err(rcgen::Error::RemoteKeyError)
    }
}

#[test]
fn p10_signer_that_fails_or_signs_wrongly_gives_no_certificate() {
    let new =
        NewAuthority::generate(&names(), KeyAlgorithm::EcdsaP256, [serial(1), serial(2)], now()).unwrap();
    let (root, intermediate) = (new.root_der.clone(), new.intermediate_der.clone());
    let authority =
        CertificateAuthority::new(&root, &intermediate, Box::new(LostSession(new.intermediate_key))).unwrap();
    let key = SoftTpm::new().resident(&Maker::new());
    let device = DeviceId::new("gw-1").unwrap();
    let error = authority.issue_iak(&key, &device, serial(3), now()).unwrap_err();
    assert!(matches!(error, IssueError::Sign { .. }));
    assert_eq!(error.threat(), "p10");

    /// Claims the intermediate's key and signs with another.
    struct Impostor(rcgen::KeyPair, Vec<u8>);
    impl rcgen::PublicKeyData for Impostor {
        fn der_bytes(&self) -> &[u8] {
            &self.1
        }
        fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
            &rcgen::PKCS_ECDSA_P256_SHA256
        }
    }
    impl rcgen::SigningKey for Impostor {
        fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
            self.0.sign(message)
        }
    }
    let claimed = CertificateView::from_der(&intermediate).unwrap();
    assert_eq!(claimed.key.kind, "ECDSA P-256");
    let point = intermediate.windows(4).position(|w| w == [0x03, 0x42, 0x00, 0x04]).unwrap() + 3;
    let impostor = Impostor(KeyPair::generate().unwrap(), intermediate[point..point + 65].to_vec());
    let authority = CertificateAuthority::new(&root, &intermediate, Box::new(impostor)).unwrap();
    let error = authority.issue_iak(&key, &device, serial(3), now()).unwrap_err();
    assert!(matches!(error, IssueError::Path(crate::PathError::Signature { .. })), "{error}");
}
