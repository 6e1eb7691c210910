//! A device with a certified attestation key, and what it sends.

use attest::challenge::Nonce;
use attest::evidence::{Evidence, ImaPart, Log, QuoteEvidence, VERSION};
use attest::key::{ENDORSEMENT, PublicArea};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_bytes::ByteBuf;
use sha2::{Digest as _, Sha256};

/// A signature with what it is over and the key's point.
pub(crate) struct Signed {
    pub(crate) message: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) point: Vec<u8>,
}

pub(crate) struct Device {
    key: EcdsaKeyPair,
    pub(crate) public: PublicArea,
    pub(crate) chain: [Vec<u8>; 2],
    pub(crate) root_pem: String,
    /// The signatures of the chain, ASN.1.
    pub(crate) certified: [Signed; 2],
}

impl Device {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let (root_params, root_key) = (authority("Example root", 1), KeyPair::generate().unwrap());
        let root = root_params.self_signed(&root_key).unwrap();
        let (ca_params, ca_key) = (authority("Example devices", 0), KeyPair::generate().unwrap());
        let ca = ca_params.signed_by(&ca_key, &Issuer::from_params(&root_params, &root_key)).unwrap();
        let leaf = attestation_key().signed_by(&key, &Issuer::from_params(&ca_params, &ca_key)).unwrap();
        let (leaf, ca) = (leaf.der().to_vec(), ca.der().to_vec());
        let certified = [signed(&leaf, &ca_key), signed(&ca, &root_key)];
        let pair = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &key.serialize_der(),
            &SystemRandom::new(),
        );
        let pair = pair.unwrap();
        let public = public_area(pair.public_key().as_ref());
        Self { key: pair, public, chain: [leaf, ca], root_pem: root.pem(), certified }
    }

    /// A quote of PCR 0 to 10 of the SHA-256 bank, with the signature as ring takes it.
    pub(crate) fn quote(&self, nonce: &Nonce, values: &[[u8; 32]; 11]) -> (QuoteEvidence, Signed) {
        let signer = self.public.qualified_name(&ENDORSEMENT);
        let message = [
            &[0xFF, 0x54, 0x43, 0x47, 0x80, 0x18][..],
            &sized(&signer),
            &sized(nonce.as_bytes()),
            &[0; 8],
            &[0, 0, 0, 7, 0, 0, 0, 0, 1],
            &[0; 8],
            &[0, 0, 0, 1, 0, 0x0B, 3, 0xFF, 0x07, 0],
            &sized(&Sha256::digest(values.concat())),
        ]
        .concat();
        let signature = self.key.sign(&SystemRandom::new(), &message).unwrap().as_ref().to_vec();
        let (r, s) = signature.split_at(32);
        let quote = QuoteEvidence {
            message: ByteBuf::from(message.clone()),
            signature: ByteBuf::from([&[0, 0x18, 0, 0x0B][..], &sized(r), &sized(s)].concat()),
            pcr_values: values.iter().map(|value| ByteBuf::from(value.to_vec())).collect(),
        };
        (quote, Signed { message, signature, point: self.key.public_key().as_ref().to_vec() })
    }

    pub(crate) fn evidence(&self, quote: QuoteEvidence, event_log: Log, ima: Option<Log>) -> Vec<u8> {
        let evidence = Evidence {
            version: VERSION,
            quote,
            attestation_key: ByteBuf::from(self.public.as_bytes().to_vec()),
            certificates: self.chain.iter().map(|der| ByteBuf::from(der.clone())).collect(),
            event_log: Some(event_log),
            final_events: None,
            measurement_logs: Vec::new(),
            ima: ima.map(ImaPart::whole),
        };
        evidence.to_bytes().unwrap()
    }
}

/// TPMT_PUBLIC of a restricted signing key on P-256, as the template of an IAK has it.
fn public_area(point: &[u8]) -> PublicArea {
    let (x, y) = point.split_at(1).1.split_at(32);
    let attributes = (1 << 1) | (1 << 4) | (1 << 5) | (1 << 6) | (1 << 7) | (1 << 16) | (1_u32 << 18);
    let head = [&[0, 0x23, 0, 0x0B][..], &attributes.to_be_bytes(), &sized(&[5; 32])].concat();
    let scheme = [0, 0x10, 0, 0x18, 0, 0x0B, 0, 3, 0, 0x10];
    PublicArea::parse(&[&head[..], &scheme, &sized(x), &sized(y)].concat()).unwrap()
}

fn authority(name: &str, below: u8) -> CertificateParams {
    let mut params = named(&[(DnType::OrganizationName, "Example"), (DnType::CommonName, name)]);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// As an authority issues it for an attestation key, with the EK certificate's digest and the TCG's policies.
fn attestation_key() -> CertificateParams {
    let serial = DnType::CustomDnType(vec![2, 5, 4, 5]);
    let mut params = named(&[
        (DnType::OrganizationName, "Example"),
        (DnType::CommonName, "device-1"),
        (serial, "device-1"),
    ]);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(vec![2, 23, 133, 8, 3])];
    // SEQUENCE { otherName { id-on-hardwareModuleName, { tcg-sv-tpm20, digest } } }, RFC 4108 §5.
    let module = [&hex::decode("30290605678105010204 20".replace(' ', "")).unwrap()[..], &[9; 32]].concat();
    let name = [&hex::decode("06082b06010505070804a02b").unwrap()[..], &module].concat();
    let names = [&[0x30, 0x39, 0xA0, 0x37][..], &name].concat();
    params.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 17], names)];
    params
}

fn named(names: &[(DnType, &str)]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    names.iter().for_each(|(kind, text)| params.distinguished_name.push(kind.clone(), *text));
    params
}

/// What stands in a certificate, and who signed it.
fn signed(der: &[u8], issuer: &KeyPair) -> Signed {
    use der::{Decode as _, Encode as _};
    let certificate = x509_cert::Certificate::from_der(der).unwrap();
    Signed {
        message: certificate.tbs_certificate.to_der().unwrap(),
        signature: certificate.signature.raw_bytes().to_vec(),
        point: issuer.public_key_raw().to_vec(),
    }
}

/// TPM2B.
pub(crate) fn sized(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}
