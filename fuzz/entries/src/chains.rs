use std::sync::OnceLock;

use der::asn1::BitString;
use der::{Any, Encode, Reader, SliceReader, Tag};
use jiff::Timestamp;
use pki::certificate::CertificateView;
use pki::chain::{DeviceChain, DeviceRoots, Purpose, RevokedCertificates};
use pki::ek::{GenuineTpm, TpmMakerRoots};
use pki::{EARLIEST, MAX_PATH};

use crate::device::split;
use crate::signer::Signer;

/// A recorded root; here it has the key of these entries.
const ROOT: &[u8] = include_bytes!("../../seeds/certificate/root.der");
/// AlgorithmIdentifier of ECDSA with SHA-256 (RFC 5758 §3.2).
const ECDSA_SHA256: &[u8] = &[0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02];
/// An EK's attributes: fixedTPM, fixedParent, sensitiveDataOrigin, adminWithPolicy, restricted, decrypt.
const ENDORSEMENT_KEY: u32 = 0x0003_00B2;
/// AES with 128 bits in CFB mode, and no scheme.
const AES: &[u8] = &[0x00, 0x06, 0x00, 0x80, 0x00, 0x43];
const NO_SCHEME: &[u8] = &[0x00, 0x10];

/// The roots that are trusted, for devices and for TPM makers.
struct Trust {
    signer: Signer,
    devices: DeviceRoots,
    makers: TpmMakerRoots,
    now: Timestamp,
}

fn trust() -> &'static Trust {
    static TRUST: OnceLock<Trust> = OnceLock::new();
    TRUST.get_or_init(|| {
        let signer = issuer();
        let root = sign(&signer, &with_key(&signer, signed_part(ROOT).expect("a certificate")));
        let pem = der::pem::encode_string("CERTIFICATE", der::pem::LineEnding::LF, &root).expect("text");
        Trust {
            devices: DeviceRoots::from_pem(&pem).expect("a root"),
            makers: TpmMakerRoots::from_pem(&pem).expect("a root"),
            now: "2027-05-01T00:00:00Z".parse().expect("a time"),
            signer,
        }
    })
}

fn issuer() -> Signer {
    Signer::named("certificates")
}

/// Chains of hostile certificates with good signatures: the signed parts of a leaf and of what is above it. A chain that is believed
/// keeps the rules: it is of one purpose, in time, under CAs only, and revoking any of its certificates ends it.
pub fn chain(data: &[u8]) {
    let trust = trust();
    let parts = split(data);
    if parts.len() > MAX_PATH + 1 {
        return;
    }
    let certificates: Vec<_> = parts.iter().map(|part| sign(&trust.signer, part)).collect();
    for (purpose, other) in
        [(Purpose::AttestationKey, Purpose::DeviceId), (Purpose::DeviceId, Purpose::AttestationKey)]
    {
        if let Ok(chain) = DeviceChain::verify(&certificates, &trust.devices, purpose, trust.now) {
            check_device(trust, &certificates, &chain);
            assert!(DeviceChain::verify(&certificates, &trust.devices, other, trust.now).is_err());
        }
    }
    let ek = trust.signer.public_area(ENDORSEMENT_KEY, &[0x83; 32], AES, NO_SCHEME);
    let [leaf, above @ ..] = certificates.as_slice() else { return };
    if let Ok(tpm) = GenuineTpm::verify(leaf, above, &trust.makers, &ek, trust.now) {
        assert_eq!((tpm.certificate_der(), tpm.ek()), (leaf.as_slice(), &ek));
        let view = CertificateView::from_der(leaf).expect("it was read");
        assert!(view.not_before <= trust.now && trust.now <= view.not_after);
        assert!(!view.ca, "a CA is no TPM");
        let words = [&tpm.model().manufacturer, &tpm.model().model, &tpm.model().version];
        assert!(words.into_iter().flatten().all(|word| !word.chars().any(char::is_control)));
        let padded = [leaf.as_slice(), &[0xFF; 7]].concat();
        assert!(GenuineTpm::verify(&padded, above, &trust.makers, &ek, trust.now).is_ok());
    }
}

fn check_device(trust: &Trust, certificates: &[Vec<u8>], chain: &DeviceChain) {
    let views: Vec<_> =
        certificates.iter().map(|der| CertificateView::from_der(der).expect("it was read")).collect();
    assert!(!chain.device_id().as_str().chars().any(char::is_control));
    assert!(views.iter().all(|view| view.not_before <= trust.now && trust.now <= view.not_after));
    assert!(!views[0].ca && views[1..].iter().all(|view| view.ca));
    assert_eq!(chain.not_after(), views[0].not_after);
    let purpose = chain.purpose();
    for view in &views {
        let revoked = RevokedCertificates::from_serials([&view.serial]).expect("a serial number");
        let roots = trust.devices.clone().with_revoked(revoked);
        assert!(DeviceChain::verify(certificates, &roots, purpose, trust.now).is_err());
    }
    let early = EARLIEST.checked_sub(jiff::SignedDuration::from_secs(1)).expect("a time");
    assert!(DeviceChain::verify(certificates, &trust.devices, purpose, early).is_err());
    let other = [certificates, &[certificates[0].clone()]].concat();
    assert!(DeviceChain::verify(&other, &trust.devices, purpose, trust.now).is_err());
}

/// The certificate of a signed part, whatever it is.
fn sign(signer: &Signer, part: &[u8]) -> Vec<u8> {
    let signature = BitString::from_bytes(&signer.asn1_signature(part)).and_then(|bits| bits.to_der());
    let content = [part, ECDSA_SHA256, &signature.expect("a short signature")].concat();
    Any::new(Tag::Sequence, content).and_then(|any| any.to_der()).expect("a short certificate")
}

/// The signed part of a certificate.
pub fn signed_part(certificate: &[u8]) -> Option<&[u8]> {
    let mut reader = SliceReader::new(certificate).ok()?;
    reader
        .sequence(|inner| {
            let part = inner.tlv_bytes()?;
            inner.tlv_bytes()?;
            inner.tlv_bytes()?;
            Ok(part)
        })
        .ok()
}

/// A certificate's signed part with the key that signs here, in place of its own on P-256.
fn with_key(signer: &Signer, part: &[u8]) -> Vec<u8> {
    /// BIT STRING of 65 bytes that begin with 4: an uncompressed point.
    const POINT: &[u8] = &[0x03, 0x42, 0x00, 0x04];
    let mut changed = part.to_vec();
    if let Some(at) = part.windows(POINT.len()).position(|window| window == POINT) {
        changed[at + 3..at + 68].copy_from_slice(signer.point());
    }
    changed
}

/// For making seeds: a recorded certificate's signed part with the key that signs here.
#[must_use]
pub fn reissued(certificate: &[u8]) -> Option<Vec<u8>> {
    signed_part(certificate).map(|part| with_key(&issuer(), part))
}

/// For making seeds: the key that signs here, PKCS#8 in PEM.
#[must_use]
pub fn issuer_key() -> String {
    issuer().pem().to_owned()
}
