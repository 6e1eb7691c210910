//! Keys of these entries alone: whatever they sign, a fuzzer can write. Everybody can compute them.

use attest::HashAlgorithm;
use attest::key::{PublicArea, PublicKey};
use der::pem::LineEnding;
use p256::ecdsa::SigningKey;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};

/// An attestation key's attributes: fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, adminWithPolicy, restricted, sign.
const ATTESTATION_KEY: u32 = 0x0005_00F2;

/// A key on P-256 whose private half is the hash of its name.
pub(crate) struct Signer {
    pem: String,
    point: Vec<u8>,
    fixed: EcdsaKeyPair,
    asn1: EcdsaKeyPair,
}

impl Signer {
    pub(crate) fn named(name: &str) -> Self {
        let private = HashAlgorithm::Sha256.digest(name.as_bytes());
        let key = SigningKey::from_slice(private.as_bytes()).expect("a number below the order");
        let point = key.verifying_key().to_encoded_point(false).as_bytes().to_vec();
        // RFC 5208 and RFC 5915: id-ecPublicKey on prime256v1, the private number, the public point.
        let head = hex(b"308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420");
        let pkcs8 = [&head, private.as_bytes(), &hex(b"a144034200"), &point].concat();
        let random = SystemRandom::new();
        let pair = |algorithm| EcdsaKeyPair::from_pkcs8(algorithm, &pkcs8, &random).expect("a key");
        Self {
            pem: der::pem::encode_string("PRIVATE KEY", LineEnding::LF, &pkcs8).expect("text"),
            fixed: pair(&ECDSA_P256_SHA256_FIXED_SIGNING),
            asn1: pair(&ECDSA_P256_SHA256_ASN1_SIGNING),
            point,
        }
    }

    /// The private key, PKCS#8 in PEM.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// The uncompressed point.
    pub(crate) fn point(&self) -> &[u8] {
        &self.point
    }

    fn coordinates(&self) -> (&[u8], &[u8]) {
        self.point[1..].split_at(32)
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        let (x, y) = self.coordinates();
        PublicKey::ecc(attest::key::EccCurve::P256, x, y).expect("a point")
    }

    /// TPMT_PUBLIC of an attestation key: ECDSA with SHA-256.
    pub(crate) fn attestation_key(&self) -> PublicArea {
        self.public_area(ATTESTATION_KEY, &[], &[0x00, 0x10], &[0x00, 0x18, 0x00, 0x0B])
    }

    /// TPMT_PUBLIC (TPM 2.0 Part 2 §12.2.4) with these attributes, policy, symmetric algorithm and scheme.
    pub(crate) fn public_area(
        &self,
        attributes: u32,
        policy: &[u8],
        symmetric: &[u8],
        scheme: &[u8],
    ) -> PublicArea {
        let (x, y) = self.coordinates();
        let bytes = [
            &[0x00, 0x23, 0x00, 0x0B][..],
            &attributes.to_be_bytes(),
            &sized(policy),
            symmetric,
            scheme,
            &[0x00, 0x03, 0x00, 0x10],
            &sized(x),
            &sized(y),
        ];
        PublicArea::parse(&bytes.concat()).expect("a public area")
    }

    /// TPMT_SIGNATURE: ECDSA with SHA-256.
    pub(crate) fn tpm_signature(&self, message: &[u8]) -> Vec<u8> {
        let signature = self.fixed.sign(&SystemRandom::new(), message).expect("random numbers");
        let (r, s) = signature.as_ref().split_at(32);
        [&[0x00, 0x18, 0x00, 0x0B][..], &sized(r), &sized(s)].concat()
    }

    /// A signature as certificates have it.
    pub(crate) fn asn1_signature(&self, message: &[u8]) -> Vec<u8> {
        self.asn1.sign(&SystemRandom::new(), message).expect("random numbers").as_ref().to_vec()
    }
}

/// A TPM2B: the bytes with their length in front.
pub(crate) fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a short structure");
    [&length.to_be_bytes()[..], bytes].concat()
}

fn hex(text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| u8::try_from((byte as char).to_digit(16).expect("a digit")).expect("a digit");
    text.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}
