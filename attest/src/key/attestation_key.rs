//! An attestation key: a key that can only sign what its own TPM made.

use thiserror::Error;

use super::public_area::{Name, PublicArea, Scheme, SchemeKind, lasting_hierarchies};
use super::public_key::PublicKey;
use super::roca;
use crate::digest::HashAlgorithm;

/// Why a key can't vouch for a TPM's state.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// An attribute that must be set is not, or the other way round (threat q09).
    #[error("attestation key: attribute {attribute} must be {expected}, the key has {found}")]
    Attribute {
        /// The attribute's name in TPMA_OBJECT.
        attribute: &'static str,
        /// `set` or `clear`.
        expected: &'static str,
        /// All attributes that are set.
        found: String,
    },
    /// The key is bound to no scheme, or to one that this crate does not accept (threat q04).
    #[error("attestation key: scheme is {found}, expected RSASSA, RSAPSS or ECDSA with SHA-256 or stronger")]
    Scheme {
        /// The scheme and hash.
        found: String,
    },
    /// An RSA key below 2048 bits (threat q04).
    #[error("attestation key: RSA key of {bits} bits, expected at least 2048")]
    Short {
        /// Its length in bits.
        bits: usize,
    },
    /// An exponent other than 65537 (threat p17).
    #[error("attestation key: RSA exponent is {exponent}, expected 65537")]
    Exponent {
        /// The exponent.
        exponent: u32,
    },
    /// The ROCA fingerprint (threat q12).
    #[error(
        "attestation key: made by a generator that is broken (CVE-2017-15361); the TPM's firmware needs an update"
    )]
    Roca,
    /// The certificate is for another key (threat q10).
    #[error("attestation key {name}: its certificate is for another key")]
    OtherKey {
        /// The Name of the key in the evidence.
        name: Name,
    },
}

impl KeyError {
    /// The row of threats.md.
    #[must_use]
    pub fn threat(&self) -> &'static str {
        match self {
            Self::Attribute { .. } => "q09",
            Self::Scheme { .. } | Self::Short { .. } => "q04",
            Self::Exponent { .. } => "p17",
            Self::Roca => "q12",
            Self::OtherKey { .. } => "q10",
        }
    }
}

/// A key that passed the rules for attestation keys: restricted to TPM-made data, bound to its TPM, of sound strength.
///
/// It is made here only, and downstream nothing takes a bare [`PublicArea`] in its place:
/// ```compile_fail
/// # fn f(one: attest::key::AttestationKey) -> attest::key::AttestationKey {
/// let attest::key::AttestationKey { public, scheme, hash, qualified_names } = one;
/// attest::key::AttestationKey { public, scheme, hash, qualified_names }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttestationKey {
    public: PublicArea,
    scheme: SchemeKind,
    hash: HashAlgorithm,
    qualified_names: Vec<Vec<u8>>,
}

impl AttestationKey {
    /// Checks the key's attributes, scheme and strength, and that it is the one its certificate names.
    ///
    /// `certified` is the public key out of a certificate whose chain has been verified already.
    ///
    /// # Errors
    /// [`KeyError`] for the first rule that is broken: threats q04, q09, q10, q12.
    pub fn new(public: PublicArea, certified: &PublicKey) -> Result<Self, KeyError> {
        let (scheme, hash) = check(&public)?;
        if public.key() != certified {
            return Err(KeyError::OtherKey { name: public.name() });
        }
        // An attestation key is a primary key, unless somebody who knows better names its parent.
        let qualified_names =
            lasting_hierarchies().map(|hierarchy| public.qualified_name(&hierarchy)).collect();
        Ok(Self { public, scheme, hash, qualified_names })
    }

    /// The same key as a child of an object with this qualified Name, e.g. of an EK as tpm2-tools make it.
    #[must_use]
    pub fn with_parent(mut self, parent: &[u8]) -> Self {
        self.qualified_names = vec![self.public.qualified_name(parent)];
        self
    }

    /// Whether a structure that names this signer was signed by this very key, attributes and all.
    ///
    /// A certificate binds a key's numbers only. What the key's attributes, scheme and policy are was sent by whoever sent
    /// the evidence; the TPM's own word for it is the qualified Name in everything that it signs (threats q09, p15).
    pub(crate) fn is_named(&self, qualified_signer: &[u8]) -> bool {
        self.qualified_names.iter().any(|name| name == qualified_signer)
    }

    /// The public area.
    #[must_use]
    pub fn public(&self) -> &PublicArea {
        &self.public
    }

    /// The Name, which is how records refer to the key.
    #[must_use]
    pub fn name(&self) -> Name {
        self.public.name()
    }

    /// The scheme and hash of its signatures.
    pub(crate) fn scheme(&self) -> (SchemeKind, HashAlgorithm) {
        (self.scheme, self.hash)
    }
}

impl PublicArea {
    /// Checks that the key could be an attestation key, before any certificate exists: what a CA does at enrolment.
    ///
    /// # Errors
    /// [`KeyError`] for the first rule that is broken.
    pub fn check_attestation_key(&self) -> Result<(), KeyError> {
        check(self).map(|_| ())
    }
}

impl PublicKey {
    /// The rules on a key's numbers that hold for every key we judge, of a TPM or not: RSA of 2048 bits or more, the
    /// exponent 65537, no ROCA fingerprint.
    ///
    /// # Errors
    /// [`KeyError`]: threats q04, q12, p17.
    pub fn check_strength(&self) -> Result<(), KeyError> {
        check_strength(self)
    }
}

fn check(public: &PublicArea) -> Result<(SchemeKind, HashAlgorithm), KeyError> {
    let attributes = public.attributes();
    for (attribute, must) in [
        ("restricted", true),
        ("sign", true),
        ("fixedTPM", true),
        ("fixedParent", true),
        ("sensitiveDataOrigin", true),
        ("decrypt", false),
    ] {
        if attributes.has(attribute) != must {
            let expected = if must { "set" } else { "clear" };
            return Err(KeyError::Attribute { attribute, expected, found: attributes.to_string() });
        }
    }
    check_strength(public.key())?;
    match (public.scheme(), public.key()) {
        (
            Some(Scheme { kind: kind @ (SchemeKind::RsaSsa | SchemeKind::RsaPss), hash }),
            PublicKey::Rsa { .. },
        )
        | (Some(Scheme { kind: kind @ SchemeKind::EcDsa, hash }), PublicKey::Ecc { .. }) => match hash {
            Some(hash) if hash != HashAlgorithm::Sha1 => Ok((kind, hash)),
            _ => Err(KeyError::Scheme { found: format!("{kind} with a weak or unknown hash") }),
        },
        (Some(scheme), _) => Err(KeyError::Scheme { found: scheme.kind.to_string() }),
        (None, _) => Err(KeyError::Scheme { found: "none".to_owned() }),
    }
}

/// The rules on a key's numbers that hold for every key we judge, of a TPM or not.
pub(crate) fn check_strength(key: &PublicKey) -> Result<(), KeyError> {
    let PublicKey::Rsa { modulus, exponent } = key else { return Ok(()) };
    if key.bits() < 2048 {
        return Err(KeyError::Short { bits: key.bits() });
    }
    if *exponent != 65537 {
        return Err(KeyError::Exponent { exponent: *exponent });
    }
    if roca::is_weak(modulus) {
        return Err(KeyError::Roca);
    }
    Ok(())
}
