//! sigstore's cryptography on ring, so that the device links one library for it.
//!
//! One call is missing in ring: verifying ECDSA over a digest that was computed before, which sigstore-verify needs to
//! judge an artifact that it streams. It is done with the `p256` crate, for P-256 with SHA-256 only: that is what
//! sigstore's own clients sign with. Packages and other documents signed with a managed key never come here: they are
//! held in memory and verified by ring alone.

use std::sync::OnceLock;

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use ring::signature as alg;
use sigstore_crypto::{CryptoProvider, Error, HashContext, Result, SigningScheme};
use sigstore_types::HashAlgorithm;

use super::BundleError;

/// Not zero-sized: a zero-sized static may share its address, by which it is recognised, with others.
#[derive(Debug)]
struct RingProvider {
    _address: u8,
}

static RING: RingProvider = RingProvider { _address: 1 };

/// Makes ring the provider of sigstore-crypto, which has one for the whole process.
///
/// # Errors
/// [`BundleError::ForeignProvider`] when another one was installed before: whoever decides what a valid signature is
/// has to be this crate.
pub(super) fn ensure_installed() -> std::result::Result<(), BundleError> {
    static IS_OURS: OnceLock<bool> = OnceLock::new();
    let is_ours = IS_OURS.get_or_init(|| match sigstore_crypto::install_default_provider(&RING) {
        Ok(()) => true,
        Err(_) => sigstore_crypto::try_default_provider()
            .is_some_and(|installed| std::ptr::addr_eq(std::ptr::from_ref(installed), &raw const RING)),
    });
    if *is_ours { Ok(()) } else { Err(BundleError::ForeignProvider) }
}

struct RingHash(ring::digest::Context);

impl HashContext for RingHash {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self: Box<Self>) -> Vec<u8> {
        self.0.finish().as_ref().to_vec()
    }
}

fn unsupported(scheme: SigningScheme) -> Error {
    Error::UnsupportedAlgorithm(format!("{} is not supported", scheme.name()))
}

fn invalid(scheme: SigningScheme) -> Error {
    Error::Verification(format!("{} signature invalid", scheme.name()))
}

fn algorithm(scheme: SigningScheme) -> Result<&'static dyn alg::VerificationAlgorithm> {
    Ok(match scheme {
        SigningScheme::EcdsaP256Sha256 => &alg::ECDSA_P256_SHA256_ASN1,
        SigningScheme::EcdsaP256Sha384 => &alg::ECDSA_P256_SHA384_ASN1,
        SigningScheme::EcdsaP384Sha256 => &alg::ECDSA_P384_SHA256_ASN1,
        SigningScheme::EcdsaP384Sha384 => &alg::ECDSA_P384_SHA384_ASN1,
        SigningScheme::Ed25519 => &alg::ED25519,
        SigningScheme::RsaPssSha256 => &alg::RSA_PSS_2048_8192_SHA256,
        SigningScheme::RsaPssSha384 => &alg::RSA_PSS_2048_8192_SHA384,
        SigningScheme::RsaPssSha512 => &alg::RSA_PSS_2048_8192_SHA512,
        SigningScheme::RsaPkcs1Sha256 => &alg::RSA_PKCS1_2048_8192_SHA256,
        SigningScheme::RsaPkcs1Sha384 => &alg::RSA_PKCS1_2048_8192_SHA384,
        SigningScheme::RsaPkcs1Sha512 => &alg::RSA_PKCS1_2048_8192_SHA512,
        other => return Err(unsupported(other)),
    })
}

impl CryptoProvider for RingProvider {
    fn hash(&self, algorithm: HashAlgorithm) -> Result<Box<dyn HashContext>> {
        let backend = match algorithm {
            HashAlgorithm::Sha2256 => &ring::digest::SHA256,
            HashAlgorithm::Sha2384 => &ring::digest::SHA384,
            HashAlgorithm::Sha2512 => &ring::digest::SHA512,
            other => return Err(Error::UnsupportedAlgorithm(format!("{other} is not supported"))),
        };
        Ok(Box::new(RingHash(ring::digest::Context::new(backend))))
    }

    fn verify_raw(&self, scheme: SigningScheme, key: &[u8], data: &[u8], signature: &[u8]) -> Result<()> {
        alg::UnparsedPublicKey::new(algorithm(scheme)?, key)
            .verify(data, signature)
            .map_err(|_| invalid(scheme))
    }

    fn verify_prehashed(
        &self,
        scheme: SigningScheme,
        key: &[u8],
        digest: &[u8],
        signature: &[u8],
    ) -> Result<()> {
        if scheme != SigningScheme::EcdsaP256Sha256 || digest.len() != 32 {
            return Err(unsupported(scheme));
        }
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key).map_err(|_| invalid(scheme))?;
        let signature = p256::ecdsa::Signature::from_der(signature).map_err(|_| invalid(scheme))?;
        key.verify_prehash(digest, &signature).map_err(|_| invalid(scheme))
    }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

    use super::*;
    use crate::digest::Sha256;

    #[test]
    fn a_digest_computed_before_verifies_like_the_message_itself() {
        let rng = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &rng).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &rng).unwrap();
        let scheme = SigningScheme::EcdsaP256Sha256;
        let key = pair.public_key().as_ref();
        // Many signatures: both halves of the range of s, and r and s with leading zeros, come up.
        for round in 0..200_u32 {
            let message = round.to_be_bytes();
            let signature = pair.sign(&rng, &message).unwrap();
            let digest = Sha256::of(&message);
            RING.verify_raw(scheme, key, &message, signature.as_ref()).unwrap();
            RING.verify_prehashed(scheme, key, digest.as_bytes(), signature.as_ref()).unwrap();
            let other = Sha256::of(b"other");
            assert!(RING.verify_prehashed(scheme, key, other.as_bytes(), signature.as_ref()).is_err());
        }
    }

    #[test]
    fn u07_schemes_that_are_not_built_in_are_refused() {
        let digest = [0; 48];
        for scheme in [SigningScheme::EcdsaP384Sha384, SigningScheme::MlDsa65, SigningScheme::RsaPkcs1Sha256]
        {
            assert!(RING.verify_prehashed(scheme, &[4; 97], &digest, &[]).is_err());
        }
        assert!(RING.verify_raw(SigningScheme::MlDsa65, &[], &[], &[]).is_err());
    }
}
