//! TPMT_PUBLIC (TPM 2.0 Part 2 §12.2.4): a key's public half with all that the TPM enforces about it.

use std::fmt;

use thiserror::Error;

use super::public_key::{EccCurve, PublicKey, PublicKeyError};
use crate::digest::HashAlgorithm;
use crate::wire::{Reader, WireError};

const ALG_NULL: u16 = 0x0010;
/// Handle of the endorsement hierarchy (TPM_RH_ENDORSEMENT), the parent of its primary keys.
pub const ENDORSEMENT: [u8; 4] = 0x4000_000B_u32.to_be_bytes();
/// Handles of the owner and platform hierarchies.
const OWNER_AND_PLATFORM: [[u8; 4]; 2] = [0x4000_0001_u32.to_be_bytes(), 0x4000_000C_u32.to_be_bytes()];

/// The hierarchies whose primary keys live on across restarts.
pub(super) fn lasting_hierarchies() -> impl Iterator<Item = [u8; 4]> {
    std::iter::once(ENDORSEMENT).chain(OWNER_AND_PLATFORM)
}

/// A key's attributes (TPMA_OBJECT, TPM 2.0 Part 2 §8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectAttributes(u32);

impl ObjectAttributes {
    const NAMED: [(u32, &'static str); 11] = [
        (1 << 1, "fixedTPM"),
        (1 << 2, "stClear"),
        (1 << 4, "fixedParent"),
        (1 << 5, "sensitiveDataOrigin"),
        (1 << 6, "userWithAuth"),
        (1 << 7, "adminWithPolicy"),
        (1 << 10, "noDA"),
        (1 << 11, "encryptedDuplication"),
        (1 << 16, "restricted"),
        (1 << 17, "decrypt"),
        (1 << 18, "sign"),
    ];

    /// Whether the attribute of that name (`fixedTPM`, `restricted`, `sign`, …) is set; `false` for an unknown name.
    #[must_use]
    pub fn has(self, name: &str) -> bool {
        Self::NAMED.iter().any(|(bit, known)| *known == name && self.0 & bit != 0)
    }

    /// The 32 bits as they are.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl fmt::Display for ObjectAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> =
            Self::NAMED.iter().filter(|(bit, _)| self.0 & bit != 0).map(|(_, n)| *n).collect();
        f.write_str(&names.join("|"))
    }
}

/// A symmetric algorithm of a parent or decryption key: AES in CFB mode with this many bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symmetric {
    /// TPM_ALG_ID, 0x0006 for AES.
    pub algorithm: u16,
    /// Key length in bits: 128 or 256.
    pub key_bits: u16,
    /// Mode, TPM_ALG_ID: 0x0043 for CFB.
    pub mode: u16,
}

/// What a key's scheme does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemeKind {
    /// RSASSA-PKCS1-v1_5.
    RsaSsa,
    /// RSASSA-PSS.
    RsaPss,
    /// ECDSA.
    EcDsa,
    /// Another scheme, by its TPM_ALG_ID; nothing here verifies it.
    Other(u16),
}

impl SchemeKind {
    /// From a TPM_ALG_ID.
    #[must_use]
    pub fn from_tpm_id(id: u16) -> Self {
        match id {
            0x0014 => Self::RsaSsa,
            0x0016 => Self::RsaPss,
            0x0018 => Self::EcDsa,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for SchemeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RsaSsa => f.write_str("RSASSA"),
            Self::RsaPss => f.write_str("RSAPSS"),
            Self::EcDsa => f.write_str("ECDSA"),
            Self::Other(id) => write!(f, "scheme 0x{id:04x}"),
        }
    }
}

/// The scheme that a key is bound to, with its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheme {
    /// Which one.
    pub kind: SchemeKind,
    /// Its hash; `None` for schemes without one, and for hashes that this crate does not compute.
    pub hash: Option<HashAlgorithm>,
}

/// A TPM object's Name: the name algorithm's identifier and the hash of its public area (TPM 2.0 Part 1 §16).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Vec<u8>);

impl Name {
    /// The bytes: two of algorithm, then the digest; 34 bytes with SHA-256.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why bytes are no public area that this crate can judge.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PublicAreaError {
    /// Ends early or goes on too long.
    #[error("public area: {0}")]
    Wire(#[from] WireError),
    /// A name algorithm without which no Name can be computed.
    #[error("public area: name algorithm 0x{0:04x} is not supported, expected SHA-256, SHA-384 or SHA-512")]
    NameAlgorithm(u16),
    /// Not an RSA or ECC key.
    #[error("public area: object type 0x{0:04x} is not an RSA or ECC key")]
    Type(u16),
    /// A curve that nothing here verifies.
    #[error("public area: curve 0x{0:04x} is not supported, expected P-256 or P-384")]
    Curve(u16),
    /// A key whose numbers are malformed.
    #[error("public area: {0}")]
    Key(#[from] PublicKeyError),
}

/// A parsed TPMT_PUBLIC, with the bytes that its Name is computed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicArea {
    bytes: Vec<u8>,
    name_algorithm: HashAlgorithm,
    attributes: ObjectAttributes,
    auth_policy: Vec<u8>,
    symmetric: Option<Symmetric>,
    scheme: Option<Scheme>,
    key: PublicKey,
}

impl PublicArea {
    /// Parses the bytes of a TPMT_PUBLIC; at most 64 KiB are ever looked at, since a TPM can't hold more.
    ///
    /// # Errors
    /// [`PublicAreaError`] with the field and the offset.
    pub fn parse(bytes: &[u8]) -> Result<Self, PublicAreaError> {
        let mut r = Reader::new(bytes);
        let object_type = r.u16_be("type")?;
        let name_id = r.u16_be("nameAlg")?;
        let name_algorithm = HashAlgorithm::from_tpm_id(name_id)
            .filter(|alg| {
                matches!(alg, HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512)
            })
            .ok_or(PublicAreaError::NameAlgorithm(name_id))?;
        let attributes = ObjectAttributes(r.u32_be("objectAttributes")?);
        let auth_policy = r.tpm2b("authPolicy")?.to_vec();
        let (symmetric, scheme, key) = match object_type {
            0x0001 => rsa(&mut r)?,
            0x0023 => ecc(&mut r)?,
            other => return Err(PublicAreaError::Type(other)),
        };
        r.finish("TPMT_PUBLIC")?;
        Ok(Self { bytes: bytes.to_vec(), name_algorithm, attributes, auth_policy, symmetric, scheme, key })
    }

    /// Parses a TPM2B_PUBLIC, the form in which tpm2-tools keep it: a size, then the TPMT_PUBLIC.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_tpm2b(bytes: &[u8]) -> Result<Self, PublicAreaError> {
        let mut r = Reader::new(bytes);
        let inner = r.tpm2b("TPM2B_PUBLIC")?;
        r.finish("TPM2B_PUBLIC")?;
        Self::parse(inner)
    }

    /// The Name, always computed here and never taken from whoever sent the key (threat p15).
    #[must_use]
    pub fn name(&self) -> Name {
        let mut name = self.name_algorithm.tpm_id().to_be_bytes().to_vec();
        name.extend_from_slice(self.name_algorithm.digest(&self.bytes).as_bytes());
        Name(name)
    }

    /// The qualified Name: what the TPM calls the key by when it signs (TPM 2.0 Part 1 §16). It is computed over the Name
    /// and that of the parent: a hierarchy's handle ([`ENDORSEMENT`]), or the parent object's own qualified Name.
    #[must_use]
    pub fn qualified_name(&self, parent: &[u8]) -> Vec<u8> {
        let digest = self.name_algorithm.digest_parts(&[parent, self.name().as_bytes()]);
        [&self.name_algorithm.tpm_id().to_be_bytes(), digest.as_bytes()].concat()
    }

    /// The TPMT_PUBLIC as it was read.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The algorithm of the Name, and of what is derived for this key (credential activation).
    #[must_use]
    pub fn name_algorithm(&self) -> HashAlgorithm {
        self.name_algorithm
    }

    /// What the TPM enforces about the key.
    #[must_use]
    pub fn attributes(&self) -> ObjectAttributes {
        self.attributes
    }

    /// The authorization policy's digest; empty when there is none.
    #[must_use]
    pub fn auth_policy(&self) -> &[u8] {
        &self.auth_policy
    }

    /// The symmetric algorithm of a restricted decryption key (EK, SRK).
    #[must_use]
    pub fn symmetric(&self) -> Option<Symmetric> {
        self.symmetric
    }

    /// The scheme that the key is bound to; `None` when the caller of the TPM may choose.
    #[must_use]
    pub fn scheme(&self) -> Option<Scheme> {
        self.scheme
    }

    /// The key's numbers.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }
}

type Parameters = (Option<Symmetric>, Option<Scheme>, PublicKey);

fn rsa(r: &mut Reader<'_>) -> Result<Parameters, PublicAreaError> {
    let symmetric = symmetric(r)?;
    let scheme = scheme(r)?;
    let _key_bits = r.u16_be("keyBits")?;
    // Zero stands for the default exponent (TPM 2.0 Part 2 §12.2.3.5).
    let exponent = match r.u32_be("exponent")? {
        0 => 65537,
        exponent => exponent,
    };
    let modulus = r.tpm2b("unique (modulus)")?;
    // A template has none, a key does.
    if modulus.iter().all(|byte| *byte == 0) {
        return Err(PublicKeyError::Malformed { what: "RSA modulus" }.into());
    }
    Ok((symmetric, scheme, PublicKey::rsa(modulus, exponent)))
}

fn ecc(r: &mut Reader<'_>) -> Result<Parameters, PublicAreaError> {
    let symmetric = symmetric(r)?;
    let scheme = scheme(r)?;
    let curve_id = r.u16_be("curveID")?;
    if r.u16_be("kdf")? != ALG_NULL {
        r.u16_be("kdf hash")?;
    }
    let x = r.tpm2b("unique.x")?;
    let y = r.tpm2b("unique.y")?;
    let curve = EccCurve::from_tpm_id(curve_id).ok_or(PublicAreaError::Curve(curve_id))?;
    Ok((symmetric, scheme, PublicKey::ecc(curve, x, y)?))
}

/// TPMT_SYM_DEF_OBJECT (Part 2 §11.1.7).
fn symmetric(r: &mut Reader<'_>) -> Result<Option<Symmetric>, WireError> {
    match r.u16_be("symmetric")? {
        ALG_NULL => Ok(None),
        algorithm => {
            let key_bits = r.u16_be("symmetric.keyBits")?;
            Ok(Some(Symmetric { algorithm, key_bits, mode: r.u16_be("symmetric.mode")? }))
        }
    }
}

/// TPMT_RSA_SCHEME and TPMT_ECC_SCHEME (Part 2 §11.2.4.2, §11.2.5.6): same form, other selectors.
fn scheme(r: &mut Reader<'_>) -> Result<Option<Scheme>, WireError> {
    const RSAES: u16 = 0x0015;
    const ECDAA: u16 = 0x001A;
    let id = r.u16_be("scheme")?;
    if id == ALG_NULL {
        return Ok(None);
    }
    let kind = SchemeKind::from_tpm_id(id);
    if id == RSAES {
        return Ok(Some(Scheme { kind, hash: None }));
    }
    let hash = HashAlgorithm::from_tpm_id(r.u16_be("scheme.hashAlg")?);
    if id == ECDAA {
        r.u16_be("scheme.count")?;
    }
    Ok(Some(Scheme { kind, hash }))
}
