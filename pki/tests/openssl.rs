//! What openssl says of our certificates, and what we say of those that openssl makes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    missing_docs
)]

mod simulator;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use attest::key::PublicArea;
use jiff::{SignedDuration, Timestamp};
use pki::DeviceId;
use pki::activation::ActivationChallenge;
use pki::ca::{
    AuthorityNames, CertificateAuthority, CertificateRequest, DnsName, KeyAlgorithm, RequestProfile,
    SerialNumber, store,
};
use pki::ek::{EkError, GenuineTpm, TpmMakerRoots};
use ring::rand::SystemRandom;

use simulator::{Ek, Simulator, pem};

fn output(folder: &Path, line: &str) -> Output {
    Command::new("openssl")
        .args(line.split_whitespace())
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("openssl is missing: install the test tools with `make deps`")
}

fn openssl(folder: &Path, line: &str) -> String {
    let output = output(folder, line);
    assert!(output.status.success(), "openssl {line}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn authority(folder: &Path, algorithm: KeyAlgorithm) -> CertificateAuthority {
    let names = AuthorityNames::new("Example Devices", "Devices").unwrap();
    let serials = [SerialNumber::new([1; 16]), SerialNumber::new([2; 16])];
    let dir = folder.join("ca");
    store::init(&dir, &names, algorithm, serials, Timestamp::now()).unwrap();
    store::load(&dir).unwrap()
}

/// The certificates of one device with a simulated TPM, in `folder`.
fn device_certificates(folder: &Path, authority: &CertificateAuthority) {
    let simulator = Simulator::start();
    let now = Timestamp::now();
    let iak = simulator.create_iak();
    let tpm = GenuineTpm::verify(
        &simulator.ek_certificate(Ek::EccP384),
        &[simulator.issuer_der()],
        &simulator.roots(),
        &simulator.ek_public(Ek::EccP384),
        now,
    )
    .unwrap();
    let (pending, credential) =
        ActivationChallenge::new(&tpm, &iak, &SystemRandom::new(), now, SignedDuration::from_mins(1))
            .unwrap();
    let secret = simulator.activate(Ek::EccP384, &credential.to_tpm2_tools()).unwrap();
    let resident = pending.answer(&secret, now).unwrap();
    let idevid = simulator.create_idevid();
    let (info, signature) = simulator.certify(&[7; 32]);
    let device_key = resident.certify_device_id(idevid, &info, &signature, &[7; 32]).unwrap();
    let device = DeviceId::new("gw-0001").unwrap();
    let iak = authority.issue_iak(&resident, &device, SerialNumber::new([3; 16]), now).unwrap();
    let idevid = authority.issue_device_id(&device_key, &device, SerialNumber::new([4; 16]), now).unwrap();
    fs::write(folder.join("iak.pem"), iak.pem()).unwrap();
    fs::write(folder.join("idevid.pem"), idevid.pem()).unwrap();
}

#[test]
fn openssl_accepts_our_chains_and_prints_the_documented_profiles() {
    for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let authority = authority(folder, algorithm);
        device_certificates(folder, &authority);
        for leaf in ["iak.pem", "idevid.pem"] {
            let said = openssl(
                folder,
                &format!(
                    "verify -x509_strict -check_ss_sig -CAfile ca/root.pem -untrusted ca/intermediate.pem {leaf}"
                ),
            );
            assert_eq!(said.trim(), format!("{leaf}: OK"));
        }
        // The verdict above is not openssl's answer to everything: without the intermediate it refuses.
        assert!(!output(folder, "verify -x509_strict -CAfile ca/root.pem iak.pem").status.success());

        let root = openssl(folder, "x509 -in ca/root.pem -noout -text");
        assert!(root.contains("CA:TRUE, pathlen:1") && root.contains("Certificate Sign, CRL Sign"), "{root}");
        let intermediate = openssl(folder, "x509 -in ca/intermediate.pem -noout -text");
        assert!(intermediate.contains("CA:TRUE, pathlen:0"), "{intermediate}");
        let iak = openssl(folder, "x509 -in iak.pem -noout -text");
        for part in [
            "Version: 3 (0x2)",
            "Issuer: O = Example Devices, CN = Devices Issuing",
            "Subject: O = Example Devices, CN = gw-0001, serialNumber = gw-0001",
            "X509v3 Basic Constraints: critical\n                CA:FALSE",
            "X509v3 Key Usage: critical\n                Digital Signature\n",
            "X509v3 Extended Key Usage: \n                2.23.133.8.3",
            "othername: 1.3.6.1.5.5.7.8.4",
            "Policy: 2.23.133.11.1.1",
            "Policy: 2.23.133.11.1.3",
            "X509v3 Authority Key Identifier",
            "X509v3 Subject Key Identifier",
            "43:03:03:03:03:03:03:03:03:03:03:03:03:03:03:03",
        ] {
            assert!(iak.contains(part), "{part} is not in\n{iak}");
        }
        let idevid = openssl(folder, "x509 -in idevid.pem -noout -text");
        assert!(!idevid.contains("Extended Key Usage") && !idevid.contains("2.23.133.11.1.3"), "{idevid}");
        let ends = |file: &str| openssl(folder, &format!("x509 -in {file} -noout -enddate"));
        assert_eq!(ends("idevid.pem"), ends("ca/intermediate.pem"));
    }
}

#[test]
fn p06_requests_of_openssl_become_tls_certificates_with_the_operators_names() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let authority = authority(folder, KeyAlgorithm::EcdsaP256);
    for (number, kind) in
        ["ec -pkeyopt ec_paramgen_curve:P-256", "rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-384"]
            .into_iter()
            .enumerate()
    {
        openssl(
            folder,
            &format!("req -new -newkey {kind} -nodes -keyout key -out csr.pem -subj /CN=*.evil.example"),
        );
        let request =
            CertificateRequest::from_pem(&fs::read_to_string(folder.join("csr.pem")).unwrap()).unwrap();
        let profile = RequestProfile::TlsServer { name: DnsName::new("verifier.example.org").unwrap() };
        let serial = SerialNumber::new([u8::try_from(number).unwrap(); 16]);
        let week = SignedDuration::from_hours(24 * 7);
        let issued = authority.issue_for_request(&request, &profile, serial, Timestamp::now(), week).unwrap();
        fs::write(folder.join("tls.pem"), issued.pem()).unwrap();
        openssl(
            folder,
            "verify -x509_strict -purpose sslserver -verify_hostname verifier.example.org -CAfile ca/root.pem -untrusted ca/intermediate.pem tls.pem",
        );
        assert!(!openssl(folder, "x509 -in tls.pem -noout -text").contains("evil"));
    }
    openssl(folder, "req -new -newkey rsa:1024 -nodes -keyout key -out csr.pem -subj /CN=weak");
    let weak = CertificateRequest::from_pem(&fs::read_to_string(folder.join("csr.pem")).unwrap());
    assert!(weak.unwrap_err().to_string().contains("1024"));
}

/// TPMT_PUBLIC of an RSA EK whose modulus openssl made.
fn rsa_ek(modulus: &[u8]) -> PublicArea {
    let head = hex::decode("0001000b000300b20020").unwrap();
    let rest = hex::decode("0006008000430010080000000000").unwrap();
    PublicArea::parse(&[&head[..], &[0x83; 32], &rest, &[1, 0], modulus].concat()).unwrap()
}

#[test]
fn p09_sha1_and_md5_signatures_are_refused_and_stronger_ones_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(
        folder.join("ca.cnf"),
        "[ca]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n\
         [ek]\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,keyEncipherment\nextendedKeyUsage=2.23.133.8.1\n",
    )
    .unwrap();
    openssl(folder, "req -new -newkey rsa:2048 -nodes -keyout ca.key -out ca.csr -subj /CN=Maker");
    openssl(
        folder,
        "x509 -req -in ca.csr -signkey ca.key -days 30 -extfile ca.cnf -extensions ca -out ca.pem",
    );
    openssl(folder, "req -new -newkey rsa:2048 -nodes -keyout ek.key -out ek.csr -subj /CN=EK");
    let modulus = openssl(folder, "rsa -in ek.key -noout -modulus");
    let modulus = hex::decode(modulus.trim().trim_start_matches("Modulus=")).unwrap();
    let roots = TpmMakerRoots::from_pem(&fs::read_to_string(folder.join("ca.pem")).unwrap()).unwrap();
    for (hash, weak) in
        [("md5", true), ("sha1", true), ("sha256", false), ("sha384", false), ("sha512", false)]
    {
        openssl(
            folder,
            &format!(
                "x509 -req -in ek.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 20 -{hash} -extfile ca.cnf -extensions ek -outform der -out ek.der"
            ),
        );
        let nv = fs::read(folder.join("ek.der")).unwrap();
        let outcome = GenuineTpm::verify(&nv, &[], &roots, &rsa_ek(&modulus), Timestamp::now());
        match outcome {
            Err(error @ EkError::Path(_)) => {
                assert!(weak && error.threat() == "p09", "{hash}: {error}");
            }
            other => assert!(other.is_ok() && !weak, "{hash}: {other:?}"),
        }
    }
    assert!(!pem(&fs::read(folder.join("ek.der")).unwrap()).is_empty());
}
