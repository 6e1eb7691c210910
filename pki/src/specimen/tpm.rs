//! A TPM in software: its public areas and the two commands that an enrolment needs.

use aes::cipher::{AsyncStreamCipher, KeyIvInit};
use attest::HashAlgorithm;
use attest::key::{Name, PublicArea};
use jiff::SignedDuration;
use ring::agreement::{self, EphemeralPrivateKey, UnparsedPublicKey};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};

use super::{Maker, now};
use crate::activation::{ActivationChallenge, Credential, ResidentKey};

pub(crate) const EK_ATTRIBUTES: u32 = 0x0003_00b2;
pub(crate) const IAK_ATTRIBUTES: u32 = 0x0005_00f2;
pub(crate) const IDEVID_ATTRIBUTES: u32 = 0x0004_00f2;

fn policy() -> Vec<u8> {
    hex::decode("f7c4c07dacd103ed739d1b1403aa79e3c923cb3aa3bb1708d1180ae3e67476ea").unwrap()
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// TPMT_PUBLIC of a P-256 key; `point` is uncompressed.
fn p256_public(attributes: u32, policy: &[u8], symmetric: &[u8], scheme: &[u8], point: &[u8]) -> PublicArea {
    let (x, y) = point[1..].split_at(32);
    let bytes = [
        &[0x00, 0x23, 0x00, 0x0b][..],
        &attributes.to_be_bytes(),
        &sized(policy),
        symmetric,
        scheme,
        &[0x00, 0x03, 0x00, 0x10],
        &sized(x),
        &sized(y),
    ]
    .concat();
    PublicArea::parse(&bytes).unwrap()
}

pub(crate) fn ek_public(attributes: u32, symmetric: &[u8], point: &[u8]) -> PublicArea {
    p256_public(attributes, &[0x83; 32], symmetric, &[0x00, 0x10], point)
}

/// TPMT_PUBLIC of an RSA 2048 EK.
pub(crate) fn rsa_ek_public(modulus: &[u8], exponent: u32) -> PublicArea {
    let bytes = [
        &[0x00, 0x01, 0x00, 0x0b][..],
        &EK_ATTRIBUTES.to_be_bytes(),
        &sized(&[0x83; 32]),
        &AES_128_CFB,
        &[0x00, 0x10, 0x08, 0x00],
        &exponent.to_be_bytes(),
        &sized(modulus),
    ]
    .concat();
    PublicArea::parse(&bytes).unwrap()
}

/// An odd number of 2048 bits without ROCA's fingerprint; nothing here needs its factors.
pub(crate) fn modulus() -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..256_u32).map(|i| u8::try_from(i * 73 % 251).unwrap()).collect();
    (bytes[0], bytes[255]) = (0xC5, 0x0B);
    bytes
}

pub(crate) const AES_128_CFB: [u8; 6] = [0x00, 0x06, 0x00, 0x80, 0x00, 0x43];

pub(crate) fn signing_public(attributes: u32, point: &[u8]) -> PublicArea {
    p256_public(attributes, &policy(), &[0x00, 0x10], &[0x00, 0x18, 0x00, 0x0b], point)
}

pub(crate) fn signing_key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap()
}

/// A TPM in software, for one activation: its EK, IAK and IDevID.
pub(crate) struct SoftTpm {
    // ring's ECDH keys are good for one agreement.
    ek: Option<EphemeralPrivateKey>,
    pub(crate) ek_public: PublicArea,
    iak: EcdsaKeyPair,
    pub(crate) iak_public: PublicArea,
    pub(crate) idevid_public: PublicArea,
}

impl SoftTpm {
    pub(crate) fn new() -> Self {
        let ek = EphemeralPrivateKey::generate(&agreement::ECDH_P256, &SystemRandom::new()).unwrap();
        let ek_public = ek_public(EK_ATTRIBUTES, &AES_128_CFB, ek.compute_public_key().unwrap().as_ref());
        let iak = signing_key();
        let iak_public = signing_public(IAK_ATTRIBUTES, iak.public_key().as_ref());
        let idevid_public = signing_public(IDEVID_ATTRIBUTES, signing_key().public_key().as_ref());
        Self { ek: Some(ek), ek_public, iak, iak_public, idevid_public }
    }

    /// TPM2_ActivateCredential beside the object called `name`; `None` when the integrity check fails.
    pub(crate) fn activate(&mut self, credential: &Credential, name: &Name) -> Option<Vec<u8>> {
        let (x, y) = credential.encrypted_secret.split_at(34);
        let (integrity, enc_identity) = credential.id_object.split_at(34);
        let ek = self.ek.take().unwrap();
        let own = ek.compute_public_key().unwrap();
        let point = [&[4], &x[2..], &y[2..]].concat();
        let seed =
            agreement::agree_ephemeral(ek, &UnparsedPublicKey::new(&agreement::ECDH_P256, point), |z| {
                let parts = [&[0, 0, 0, 1][..], z, b"IDENTITY\0", &x[2..], &own.as_ref()[1..33]];
                HashAlgorithm::Sha256.digest_parts(&parts).as_bytes().to_vec()
            })
            .unwrap();
        let mac = |key: &[u8], parts: &[&[u8]]| {
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
            ring::hmac::sign(&key, &parts.concat()).as_ref().to_vec()
        };
        let integrity_key = mac(&seed, &[&[0, 0, 0, 1], b"INTEGRITY\0", &[0, 0, 1, 0]]);
        if mac(&integrity_key, &[enc_identity, name.as_bytes()]) != integrity[2..] {
            return None;
        }
        let storage_key = mac(&seed, &[&[0, 0, 0, 1], b"STORAGE\0", name.as_bytes(), &[0, 0, 0, 128]]);
        let mut identity = enc_identity.to_vec();
        cfb_mode::Decryptor::<aes::Aes128>::new_from_slices(&storage_key[..16], &[0; 16])
            .unwrap()
            .decrypt(&mut identity);
        Some(identity[2..].to_vec())
    }

    /// The whole pipeline up to the activated key.
    pub(crate) fn resident(&mut self, maker: &Maker) -> ResidentKey {
        let tpm = maker.verify(self).unwrap();
        let (pending, credential) = ActivationChallenge::new(
            &tpm,
            &self.iak_public,
            &SystemRandom::new(),
            now(),
            SignedDuration::from_secs(60),
        )
        .unwrap();
        let name = self.iak_public.name();
        let secret = self.activate(&credential, &name).unwrap();
        pending.answer(&secret, now()).unwrap()
    }

    /// TPM2_Certify of the IDevID by the IAK.
    pub(crate) fn certify(&self, qualifying: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let attest = certify_info(&self.iak_public, &self.idevid_public, qualifying);
        let signature = self.sign(&attest);
        (attest, signature)
    }

    /// TPMT_SIGNATURE of the IAK.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature = self.iak.sign(&SystemRandom::new(), message).unwrap();
        let (r, s) = signature.as_ref().split_at(32);
        [&[0x00, 0x18, 0x00, 0x0b][..], &sized(r), &sized(s)].concat()
    }
}

pub(crate) fn qualified_name(public: &PublicArea) -> Vec<u8> {
    let name = public.name();
    let parts = [&0x4000_000B_u32.to_be_bytes()[..], name.as_bytes()];
    [&[0x00, 0x0b], HashAlgorithm::Sha256.digest_parts(&parts).as_bytes()].concat()
}

/// TPMS_ATTEST of TPM2_Certify.
pub(crate) fn certify_info(signer: &PublicArea, key: &PublicArea, qualifying: &[u8]) -> Vec<u8> {
    [
        &[0xff, 0x54, 0x43, 0x47, 0x80, 0x17][..],
        &sized(&qualified_name(signer)),
        &sized(qualifying),
        &[0; 16],
        &[1],
        &[0; 8],
        &sized(key.name().as_bytes()),
        &sized(&qualified_name(key)),
    ]
    .concat()
}
