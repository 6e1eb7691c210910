//! Authorities: a TPM maker's, a factory's, and one whose certificates are bent in one place.

use attest::key::{PublicArea, PublicKey};
use der::asn1::BitString;
use der::{Any, Encode, Reader, SliceReader, Tag};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SerialNumber, SigningKey,
};
use time::OffsetDateTime;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::{SoftTpm, now};
use crate::ca::{AuthorityNames, CertificateAuthority, IssuedCertificate, KeyAlgorithm, NewAuthority};
use crate::chain::DeviceRoots;
use crate::device_id::DeviceId;
use crate::ek::{EkError, GenuineTpm, TpmMakerRoots};

/// An RSA key for rcgen.
pub(crate) struct RsaPoint(pub(crate) Vec<u8>);

impl RsaPoint {
    pub(crate) fn new(public: &PublicArea) -> Self {
        let der = public.key().to_spki_der().unwrap();
        let spki = spki::SubjectPublicKeyInfoRef::try_from(der.as_slice()).unwrap();
        Self(spki.subject_public_key.raw_bytes().to_vec())
    }
}

impl PublicKeyData for RsaPoint {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

/// A key pair with the parameters of its certificate.
pub(crate) struct Ca {
    pub(crate) params: CertificateParams,
    pub(crate) key: KeyPair,
    pub(crate) der: Vec<u8>,
}

impl Ca {
    pub(crate) fn root(name: &str) -> Self {
        Self::root_with(ca_params(name))
    }

    pub(crate) fn root_with(params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { params, key, der }
    }

    pub(crate) fn below(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let der = self.issue(&params, &key);
        Self { params, key, der }
    }

    pub(crate) fn issue(&self, params: &CertificateParams, key: &impl PublicKeyData) -> Vec<u8> {
        params.signed_by(key, &Issuer::from_params(&self.params, &self.key)).unwrap().der().to_vec()
    }

    pub(crate) fn pem(&self) -> String {
        pem(&self.der)
    }

    /// A certificate of this CA with `from` replaced by `to` wherever it stands, signed again. Both are of one length.
    pub(crate) fn resign(&self, certificate: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
        assert_eq!(from.len(), to.len());
        let mut changed = certificate.to_vec();
        let mut at = 0;
        while let Some(found) = changed[at..].windows(from.len()).position(|window| window == from) {
            at += found + to.len();
            changed[at - to.len()..at].copy_from_slice(to);
        }
        assert_ne!(changed, certificate);
        let mut reader = SliceReader::new(&changed).unwrap();
        let (tbs, algorithm) = reader
            .sequence(|r| Ok((r.tlv_bytes()?, r.tlv_bytes()?, r.tlv_bytes()?)))
            .map(|t| (t.0, t.1))
            .unwrap();
        let signature = BitString::from_bytes(&self.key.sign(tbs).unwrap()).unwrap().to_der().unwrap();
        let content = [tbs, algorithm, &signature].concat();
        Any::new(Tag::Sequence, content).unwrap().to_der().unwrap()
    }
}

pub(crate) fn pem(der: &[u8]) -> String {
    der::Document::try_from(der).unwrap().to_pem("CERTIFICATE", der::pem::LineEnding::LF).unwrap()
}

/// A factory's authority, its root in PEM, and one device with both certificates.
pub(crate) struct Factory {
    pub(crate) authority: CertificateAuthority,
    pub(crate) root_pem: String,
}

pub(crate) fn serial(number: u8) -> crate::ca::SerialNumber {
    crate::ca::SerialNumber::new([number; 16])
}

impl Factory {
    pub(crate) fn new() -> Self {
        let names = AuthorityNames::new("Example Devices", "Devices").unwrap();
        let new =
            NewAuthority::generate(&names, KeyAlgorithm::EcdsaP256, [serial(1), serial(2)], now()).unwrap();
        let root_pem = pem(new.root_der());
        Self { authority: new.into_authority().unwrap(), root_pem }
    }

    pub(crate) fn roots(&self) -> DeviceRoots {
        DeviceRoots::from_pem(&self.root_pem).unwrap()
    }

    pub(crate) fn iak_certificate(&self, device: &str) -> IssuedCertificate {
        let key = SoftTpm::new().resident(&Maker::new());
        self.authority.issue_iak(&key, &DeviceId::new(device).unwrap(), serial(3), now()).unwrap()
    }

    pub(crate) fn device_id_certificate(&self, device: &str) -> IssuedCertificate {
        let mut tpm = SoftTpm::new();
        let key = tpm.resident(&Maker::new());
        let (info, signature) = tpm.certify(&[5; 32]);
        let key = key.certify_device_id(tpm.idevid_public.clone(), &info, &signature, &[5; 32]).unwrap();
        self.authority.issue_device_id(&key, &DeviceId::new(device).unwrap(), serial(4), now()).unwrap()
    }
}

fn time(text: &str) -> OffsetDateTime {
    let time: Timestamp = text.parse().unwrap();
    OffsetDateTime::from_unix_timestamp(time.as_second()).unwrap()
}

pub(crate) fn validity(params: &mut CertificateParams, from: &str, to: &str) {
    params.not_before = time(from);
    params.not_after = time(to);
}

pub(crate) fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from(7));
    validity(&mut params, "2025-01-01T00:00:00Z", "2045-01-01T00:00:00Z");
    params
}

pub(crate) fn ca_params(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

/// An EK certificate as makers ship them: empty subject, critical directory name, no end.
pub(crate) fn ek_params() -> CertificateParams {
    let mut params = named("x");
    params.distinguished_name = DistinguishedName::new();
    validity(&mut params, "2025-01-01T00:00:00Z", "9999-12-30T00:00:00Z");
    params.not_after = OffsetDateTime::from_unix_timestamp(253_402_300_799).unwrap();
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::KeyAgreement];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(vec![2, 23, 133, 8, 1])];
    params.custom_extensions = vec![tpm_directory_name()];
    params
}

fn tpm_directory_name() -> CustomExtension {
    let name: x509_cert::name::Name =
        "2.23.133.2.3=#0c0b69643a3031303230333034,2.23.133.2.2=#0c07534c4239363730,2.23.133.2.1=#0c0b69643a3439343635383030"
            .parse()
            .unwrap();
    let content = SubjectAltName(vec![GeneralName::DirectoryName(name)]).to_der().unwrap();
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 17], content);
    extension.set_criticality(true);
    extension
}

/// A public key for rcgen, from a public area or a point.
pub(crate) struct Point(pub(crate) Vec<u8>);

impl Point {
    pub(crate) fn of(public: &PublicArea) -> Self {
        match public.key() {
            PublicKey::Ecc { x, y, .. } => Self([&[4], x.as_slice(), y].concat()),
            PublicKey::Rsa { .. } => panic!("P-256 expected"),
        }
    }
}

impl PublicKeyData for Point {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

/// A TPM maker: root, intermediate, and EK certificates.
pub(crate) struct Maker {
    pub(crate) root: Ca,
    pub(crate) intermediate: Ca,
}

impl Maker {
    pub(crate) fn new() -> Self {
        let root = Ca::root("Maker Root");
        let intermediate = root.below(ca_params("Maker TPM CA"));
        Self { root, intermediate }
    }

    pub(crate) fn roots(&self) -> TpmMakerRoots {
        TpmMakerRoots::from_pem(&self.root.pem()).unwrap()
    }

    pub(crate) fn ek_certificate(&self, tpm: &SoftTpm) -> Vec<u8> {
        self.intermediate.issue(&ek_params(), &Point::of(&tpm.ek_public))
    }

    pub(crate) fn verify(&self, tpm: &SoftTpm) -> Result<GenuineTpm, EkError> {
        let nv = self.ek_certificate(tpm);
        GenuineTpm::verify(
            &nv,
            std::slice::from_ref(&self.intermediate.der),
            &self.roots(),
            &tpm.ek_public,
            now(),
        )
    }
}
