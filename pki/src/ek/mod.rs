//! `EK certificate ──chain to a TPM maker──▶ GenuineTpm`.
//!
//! TCG EK Credential Profile for TPM Family 2.0, §3 (certificates) and §2.2 (where they lie in NV memory).

mod identity;
mod roots;

use attest::Digest;
use attest::key::{KeyError, PublicArea, PublicKeyError};
use jiff::Timestamp;
use thiserror::Error;

pub use identity::TpmModel;
pub(crate) use roots::NamedRoots;
pub use roots::{RootsError, TpmMakerRoots};

use crate::certificate::{Certificate, CertificateError, MAX_CERTIFICATE, der_length, oid};
use crate::path::{self, PathError};

/// Most intermediates that are looked at; TPMs hold at most a few in NV memory.
pub const MAX_INTERMEDIATES: usize = 16;

/// Why a TPM is not believed to be genuine.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EkError {
    /// The EK certificate can't be judged.
    #[error("EK certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// Neither zeros nor 0xFF after the certificate in NV memory.
    #[error("EK certificate: byte {offset} after its end is 0x{found:02x}, expected padding of 0x00 or 0xff")]
    Padding {
        /// Offset from the start of the NV content.
        offset: usize,
        /// The byte.
        found: u8,
    },
    /// No chain to a trusted TPM maker (threats p01, p07, p09, p14).
    #[error("EK certificate: {0}")]
    Path(#[from] PathError),
    /// More intermediates than a TPM holds.
    #[error("EK certificate: {found} intermediate certificates given, expected at most {MAX_INTERMEDIATES}")]
    TooManyIntermediates {
        /// How many.
        found: usize,
    },
    /// A certificate for another purpose.
    #[error("EK certificate of {subject}: extended key usage {found:?} lacks 2.23.133.8.1 (EK certificate)")]
    ExtendedKeyUsage {
        /// The subject.
        subject: String,
        /// The usages that are there.
        found: Vec<String>,
    },
    /// A key that may not decrypt.
    #[error("EK certificate of {subject}: key usage has neither keyEncipherment nor keyAgreement")]
    KeyUsage {
        /// The subject.
        subject: String,
    },
    /// The certificate is for another key than the TPM's EK (threat p02).
    #[error("EK certificate of {subject} is for another key than this TPM's EK {ek}")]
    OtherKey {
        /// The subject.
        subject: String,
        /// The Name of the EK that the TPM reports.
        ek: String,
    },
    /// The key in the certificate can't be read.
    #[error("EK certificate: {0}")]
    Key(#[from] PublicKeyError),
    /// The EK's numbers are weak (threats q04, q12, p17).
    #[error("EK: {0}")]
    Weak(#[from] KeyError),
    /// Not a restricted decryption key that is bound to its TPM: then the activation of a credential proves nothing.
    #[error("EK: attribute {attribute} must be {expected}, the key has {found}")]
    Attribute {
        /// The attribute's name in TPMA_OBJECT.
        attribute: &'static str,
        /// `set` or `clear`.
        expected: &'static str,
        /// All attributes that are set.
        found: String,
    },
    /// A symmetric algorithm that no credential can be made for.
    #[error("EK: its symmetric algorithm is {found}, expected AES-128, AES-192 or AES-256 in CFB mode")]
    Symmetric {
        /// Algorithm, bits and mode.
        found: String,
    },
}

impl EkError {
    /// The row of threats.md.
    #[must_use]
    pub fn threat(&self) -> &'static str {
        match self {
            Self::Path(error) => error.threat(),
            Self::Weak(error) => error.threat(),
            Self::ExtendedKeyUsage { .. } | Self::KeyUsage { .. } => "p07",
            Self::OtherKey { .. } => "p02",
            Self::Attribute { .. } | Self::Symmetric { .. } => "p04",
            _ => "p01",
        }
    }
}

/// A TPM whose maker vouches for it: its EK certificate chains to a root that the operator named, and is for its EK.
///
/// That this TPM is the one at the other end of the line is not proven yet: that takes a
/// [`ResidentKey`](crate::activation::ResidentKey). Only [`GenuineTpm::verify`] makes one:
/// ```compile_fail
/// # fn f(ek: attest::key::PublicArea, fingerprint: attest::Digest, model: pki::ek::TpmModel) -> pki::ek::GenuineTpm {
/// pki::ek::GenuineTpm { ek, certificate: vec![], fingerprint, root: fingerprint, model }
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct GenuineTpm {
    ek: PublicArea,
    certificate: Vec<u8>,
    fingerprint: Digest,
    root: Digest,
    model: TpmModel,
}

impl GenuineTpm {
    /// Verifies the content of the EK certificate's NV index against the EK that the TPM reports.
    ///
    /// `nv` may carry padding after the certificate. `intermediates` are DER certificates in any order, from the TPM's NV
    /// memory or the maker's site; none of them is trusted. `now` is the caller's clock.
    ///
    /// # Errors
    /// [`EkError`]: threats p01, p02, p04, p07, p09, p14, p17.
    pub fn verify(
        nv: &[u8],
        intermediates: &[Vec<u8>],
        roots: &TpmMakerRoots,
        ek: &PublicArea,
        now: Timestamp,
    ) -> Result<Self, EkError> {
        let leaf = Certificate::parse(cut_padding(nv)?)?;
        let root = find_root(&leaf, intermediates, roots, now)?;
        check_usage(&leaf)?;
        check_key(&leaf, ek)?;
        check_endorsement_key(ek)?;
        Ok(Self {
            ek: ek.clone(),
            fingerprint: leaf.fingerprint(),
            root,
            model: TpmModel::of(&leaf),
            certificate: leaf.der().to_vec(),
        })
    }

    /// The EK's public area.
    #[must_use]
    pub fn ek(&self) -> &PublicArea {
        &self.ek
    }

    /// The EK certificate, DER without padding.
    #[must_use]
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate
    }

    /// SHA-256 of the EK certificate: how the ledger refers to this TPM.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    /// SHA-256 of the root certificate that the chain ended at.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.root
    }

    /// Manufacturer, model and version, as the certificate states them.
    #[must_use]
    pub fn model(&self) -> &TpmModel {
        &self.model
    }
}

/// NV indices are defined with a fixed size, often larger than the certificate (threat p08).
fn cut_padding(nv: &[u8]) -> Result<&[u8], EkError> {
    let length = der_length(nv)?;
    let (certificate, padding) = nv.split_at_checked(length).unwrap_or((nv, &[]));
    let first = padding.first().copied().unwrap_or(0);
    let expected = if first == 0xFF { 0xFF } else { 0 };
    match padding.iter().position(|byte| *byte != expected) {
        None => Ok(certificate),
        Some(position) => Err(EkError::Padding {
            offset: length.saturating_add(position),
            found: padding.get(position).copied().unwrap_or_default(),
        }),
    }
}

fn find_root(
    leaf: &Certificate,
    intermediates: &[Vec<u8>],
    roots: &TpmMakerRoots,
    now: Timestamp,
) -> Result<Digest, EkError> {
    if intermediates.len() > MAX_INTERMEDIATES {
        return Err(EkError::TooManyIntermediates { found: intermediates.len() });
    }
    path::check_clock(now)?;
    // One unreadable certificate among the TPM's own intermediates must not hide a chain that holds.
    let intermediates: Vec<_> = intermediates
        .iter()
        .filter(|bytes| bytes.len() <= MAX_CERTIFICATE)
        .filter_map(|bytes| Certificate::parse(cut_padding(bytes).ok()?).ok())
        .collect();
    Ok(path::find(leaf, &intermediates, roots.certificates(), path::TPM_MAKER, now)?.fingerprint())
}

/// EK Credential Profile §3.2.3 and §3.2.13: both extensions may be missing, but may not say something else.
fn check_usage(leaf: &Certificate) -> Result<(), EkError> {
    let extensions = leaf.extensions();
    let subject = leaf.subject_text();
    match &extensions.extended_key_usage {
        Some(usages) if !usages.contains(&oid::EK_CERTIFICATE) => {
            let found = usages.iter().map(ToString::to_string).collect();
            return Err(EkError::ExtendedKeyUsage { subject, found });
        }
        _ => {}
    }
    match extensions.key_usage {
        Some(usage) if !usage.key_encipherment() && !usage.key_agreement() => {
            Err(EkError::KeyUsage { subject })
        }
        _ => Ok(()),
    }
}

fn check_key(leaf: &Certificate, ek: &PublicArea) -> Result<(), EkError> {
    if leaf.public_key()? == *ek.key() {
        Ok(())
    } else {
        Err(EkError::OtherKey { subject: leaf.subject_text(), ek: ek.name().to_string() })
    }
}

/// What every EK template of the profile (§B.3, §B.4) has in common, as far as credential activation leans on it.
fn check_endorsement_key(ek: &PublicArea) -> Result<(), EkError> {
    let attributes = ek.attributes();
    for (attribute, must) in [
        ("fixedTPM", true),
        ("fixedParent", true),
        ("sensitiveDataOrigin", true),
        ("restricted", true),
        ("decrypt", true),
        ("sign", false),
    ] {
        if attributes.has(attribute) != must {
            let expected = if must { "set" } else { "clear" };
            return Err(EkError::Attribute { attribute, expected, found: attributes.to_string() });
        }
    }
    ek.key().check_strength()?;
    const AES: u16 = 0x0006;
    const CFB: u16 = 0x0043;
    match ek.symmetric() {
        Some(symmetric)
            if symmetric.algorithm == AES
                && symmetric.mode == CFB
                && matches!(symmetric.key_bits, 128 | 192 | 256) =>
        {
            Ok(())
        }
        Some(other) => Err(EkError::Symmetric {
            found: format!(
                "0x{:04x} with {} bits in mode 0x{:04x}",
                other.algorithm, other.key_bits, other.mode
            ),
        }),
        None => Err(EkError::Symmetric { found: "none".to_owned() }),
    }
}

#[cfg(test)]
mod tests;
