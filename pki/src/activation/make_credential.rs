//! TPM2_MakeCredential without a TPM (TPM 2.0 Part 1 §24, §B.10.3, §C.6.3; docs/decisions/0003).

use aes::cipher::{AsyncStreamCipher, KeyIvInit};
use attest::HashAlgorithm;
use attest::key::{EccCurve, Name, PublicArea, PublicKey};
use ring::rand::SecureRandom;
use ring::{agreement, hmac};
use rsa::rand_core::{self, CryptoRng, RngCore};
use rsa::traits::PublicKeyParts;
use rsa::{BigUint, Oaep, RsaPublicKey};
use zeroize::Zeroizing;

use super::ActivationError;
use super::kdf::{hmac_algorithm, kdfa, kdfe};

const MAGIC: u32 = 0xBADC_C0DE;
const VERSION: u32 = 1;

/// What the device needs to answer a challenge: not secret, and of no use without the TPM that it was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// TPMS_ID_OBJECT, the content of TPM2B_ID_OBJECT (Part 2 §12.4.3).
    pub id_object: Vec<u8>,
    /// The content of TPM2B_ENCRYPTED_SECRET (Part 2 §11.4.3).
    pub encrypted_secret: Vec<u8>,
}

impl Credential {
    /// The file that `tpm2_activatecredential -i` reads.
    #[must_use]
    pub fn to_tpm2_tools(&self) -> Vec<u8> {
        [
            &MAGIC.to_be_bytes()[..],
            &VERSION.to_be_bytes(),
            &sized(&self.id_object),
            &sized(&self.encrypted_secret),
        ]
        .concat()
    }
}

/// Encrypts `secret` to the EK, to be opened only beside the object called `name`.
pub(super) fn make_credential(
    ek: &PublicArea,
    name: &Name,
    secret: &[u8],
    random: &dyn SecureRandom,
) -> Result<Credential, ActivationError> {
    let wrong = |what| ActivationError::Endorsement { name: ek.name().to_string(), what };
    let (seed, encrypted_secret) = match ek.key() {
        PublicKey::Rsa { modulus, exponent } => rsa_seed(ek, modulus, *exponent, random)?,
        PublicKey::Ecc { curve, x, y } => ecc_seed(ek, *curve, x, y, random)?,
    };
    let hash = ek.name_algorithm();
    let hmac =
        hmac_algorithm(hash).ok_or_else(|| wrong("its Name uses a hash that no endorsement key has"))?;
    let key_bits = ek.symmetric().map(|symmetric| symmetric.key_bits);
    let key_len = match key_bits {
        Some(128) => 16,
        Some(192) => 24,
        Some(256) => 32,
        _ => return Err(wrong("its symmetric algorithm is not AES")),
    };
    let storage_key = kdfa(hmac, &seed, b"STORAGE", name.as_bytes(), &[], key_len);
    let mut enc_identity = sized(secret);
    encrypt(&storage_key, &mut enc_identity).ok_or_else(|| wrong("AES key length"))?;
    let integrity_key = kdfa(hmac, &seed, b"INTEGRITY", &[], &[], hash.len());
    let integrity = outer_hmac(hmac, &integrity_key, &enc_identity, name);
    Ok(Credential { id_object: [sized(&integrity), enc_identity].concat(), encrypted_secret })
}

/// A TPM2B of something that is known to be short.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&len.to_be_bytes()[..], bytes].concat()
}

/// AES in CFB mode with a zero IV: the key is used once (Part 1 §24.4). Encrypts in place.
fn encrypt(key: &[u8], data: &mut [u8]) -> Option<()> {
    let iv = [0_u8; 16];
    match key.len() {
        16 => cfb_mode::Encryptor::<aes::Aes128>::new_from_slices(key, &iv).ok()?.encrypt(data),
        24 => cfb_mode::Encryptor::<aes::Aes192>::new_from_slices(key, &iv).ok()?.encrypt(data),
        32 => cfb_mode::Encryptor::<aes::Aes256>::new_from_slices(key, &iv).ok()?.encrypt(data),
        _ => return None,
    }
    Some(())
}

/// Part 1 §24.5: what binds the credential to the object's Name.
fn outer_hmac(hmac: hmac::Algorithm, key: &[u8], enc_identity: &[u8], name: &Name) -> Vec<u8> {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac, key));
    context.update(enc_identity);
    context.update(name.as_bytes());
    context.sign().as_ref().to_vec()
}

type Seed = (Zeroizing<Vec<u8>>, Vec<u8>);

/// §B.10.3: a random seed of the name algorithm's size, encrypted with OAEP and the label "IDENTITY", its zero included.
fn rsa_seed(
    ek: &PublicArea,
    modulus: &[u8],
    exponent: u32,
    random: &dyn SecureRandom,
) -> Result<Seed, ActivationError> {
    const LABEL: &str = "IDENTITY\0";
    let wrong = |what| ActivationError::Endorsement { name: ek.name().to_string(), what };
    let hash = ek.name_algorithm();
    let key = RsaPublicKey::new(BigUint::from_bytes_be(modulus), BigUint::from(exponent))
        .map_err(|_| wrong("RSA key out of range"))?;
    let seed = draw(hash.len(), random)?;
    let padding = match hash {
        HashAlgorithm::Sha256 => Oaep::new_with_label::<sha2::Sha256, _>(LABEL),
        HashAlgorithm::Sha384 => Oaep::new_with_label::<sha2::Sha384, _>(LABEL),
        HashAlgorithm::Sha512 => Oaep::new_with_label::<sha2::Sha512, _>(LABEL),
        _ => return Err(wrong("its Name uses a hash that no endorsement key has")),
    };
    let mut drawn = Drawn { bytes: draw(hash.len(), random)?, used: 0, short: false };
    let encrypted = key.encrypt(&mut drawn, padding, &seed).map_err(|_| wrong("OAEP"))?;
    if drawn.short {
        return Err(ActivationError::Random);
    }
    debug_assert_eq!(encrypted.len(), key.size());
    Ok((seed, encrypted))
}

/// §C.6.3: one-pass ECDH with an ephemeral key; ring refuses an EK point that is not on its curve (threat p17).
fn ecc_seed(
    ek: &PublicArea,
    curve: EccCurve,
    x: &[u8],
    y: &[u8],
    random: &dyn SecureRandom,
) -> Result<Seed, ActivationError> {
    let wrong = |what| ActivationError::Endorsement { name: ek.name().to_string(), what };
    let algorithm = match curve {
        EccCurve::P256 => &agreement::ECDH_P256,
        EccCurve::P384 => &agreement::ECDH_P384,
    };
    let hash = ek.name_algorithm();
    let ephemeral =
        agreement::EphemeralPrivateKey::generate(algorithm, random).map_err(|_| ActivationError::Random)?;
    let public = ephemeral.compute_public_key().map_err(|_| ActivationError::Random)?;
    let point = public.as_ref().get(1..).unwrap_or_default();
    let (own_x, own_y) =
        point.split_at_checked(curve.coordinate_len()).ok_or_else(|| wrong("ephemeral point"))?;
    let peer = agreement::UnparsedPublicKey::new(algorithm, [&[4], x, y].concat());
    let seed =
        agreement::agree_ephemeral(ephemeral, &peer, |z| kdfe(hash, z, b"IDENTITY", own_x, x, hash.len()))
            .map_err(|_| wrong("its point is not on the curve"))?;
    Ok((seed, [sized(own_x), sized(own_y)].concat()))
}

pub(super) fn draw(len: usize, random: &dyn SecureRandom) -> Result<Zeroizing<Vec<u8>>, ActivationError> {
    let mut bytes = Zeroizing::new(vec![0; len]);
    random.fill(&mut bytes).map_err(|_| ActivationError::Random)?;
    Ok(bytes)
}

/// Random bytes drawn beforehand, for an interface that can't report that drawing failed. Asked for more than was drawn,
/// it gives zeros and says so; the caller then throws the result away.
struct Drawn {
    bytes: Zeroizing<Vec<u8>>,
    used: usize,
    short: bool,
}

impl RngCore for Drawn {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_be_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_be_bytes(bytes)
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        let end = self.used.saturating_add(dest.len());
        match self.bytes.get(self.used..end) {
            Some(source) => dest.copy_from_slice(source),
            None => {
                dest.fill(0);
                self.short = true;
            }
        }
        self.used = end;
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

impl CryptoRng for Drawn {}
