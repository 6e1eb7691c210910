//! `certificates ──path to the operator's root──▶ DeviceChain`: what a verifier believes of a device's key.

mod endorsement;
mod revoked;

use attest::Digest;
use attest::key::{KeyError, PublicKey, PublicKeyError};
use jiff::Timestamp;
use thiserror::Error;
use x509_cert::ext::pkix::name::GeneralName;

pub(crate) use revoked::is_serial;
pub use revoked::{RevokedCertificates, RevokedError};

use crate::certificate::{Certificate, CertificateView, attribute, oid};
use crate::device_id::{DeviceId, DeviceIdError};
use crate::ek::{NamedRoots, RootsError};
use crate::path::{self, MAX_PATH, PathError};

/// What the device's key is to be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Signing evidence: an initial attestation key.
    AttestationKey,
    /// Proving who the device is, e.g. in a TLS handshake: an IDevID.
    DeviceId,
}

/// Why a device's certificates are not believed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChainError {
    /// The path does not hold (threats p01, p07, p09, p14).
    #[error("device certificate: {0}")]
    Path(#[from] PathError),
    /// An operator ended it (threat p14).
    #[error("certificate of {subject}, serial number {serial}, is revoked")]
    Revoked {
        /// The subject.
        subject: String,
        /// Its serial number, hex.
        serial: String,
    },
    /// The key may not sign (threat p07).
    #[error("device certificate of {subject}: key usage lacks digitalSignature")]
    KeyUsage {
        /// The subject.
        subject: String,
    },
    /// A key for something else (threat p07).
    #[error("device certificate of {subject}: extended key usage is {found:?}, expected {expected}")]
    ExtendedKeyUsage {
        /// The subject.
        subject: String,
        /// What is there.
        found: Vec<String>,
        /// What the purpose needs.
        expected: &'static str,
    },
    /// The subject names no device, or two.
    #[error("device certificate of {subject}: expected one common name and the same serial number")]
    Subject {
        /// The subject.
        subject: String,
    },
    /// A device id that can't be shown or stored safely (threat p19).
    #[error("device certificate: {0}")]
    DeviceId(#[from] DeviceIdError),
    /// The key can't be read.
    #[error("device certificate: {0}")]
    Key(#[from] PublicKeyError),
    /// The key is weak.
    #[error("device certificate: {0}")]
    Weak(#[from] KeyError),
}

impl ChainError {
    /// The row of threats.md.
    #[must_use]
    pub fn threat(&self) -> &'static str {
        match self {
            Self::Path(error) => error.threat(),
            Self::Revoked { .. } => "p14",
            Self::KeyUsage { .. } | Self::ExtendedKeyUsage { .. } => "p07",
            Self::Subject { .. } | Self::DeviceId(_) => "p19",
            Self::Key(_) => "p17",
            Self::Weak(error) => error.threat(),
        }
    }
}

/// The roots that an operator trusts for devices, each named explicitly, and the certificates revoked below them.
#[derive(Debug, Clone)]
pub struct DeviceRoots {
    roots: NamedRoots,
    revoked: RevokedCertificates,
}

impl DeviceRoots {
    /// From PEM text with one or more certificates.
    ///
    /// # Errors
    /// [`RootsError`] when it holds none, or one that is no CA.
    pub fn from_pem(pem: &str) -> Result<Self, RootsError> {
        let roots = NamedRoots::from_pem(pem)?;
        Ok(Self { roots, revoked: RevokedCertificates::default() })
    }

    /// The same roots with a list of revoked certificates, in place of the one before.
    #[must_use]
    pub fn with_revoked(self, revoked: RevokedCertificates) -> Self {
        Self { revoked, ..self }
    }

    /// What is trusted, for a report.
    #[must_use]
    pub fn views(&self) -> Vec<CertificateView> {
        self.roots.views()
    }
}

/// A device's key, certified by an authority that the operator trusts, for one purpose.
///
/// Only [`DeviceChain::verify`] makes one:
/// ```compile_fail
/// # fn f(device_id: pki::DeviceId, key: attest::key::PublicKey, root: attest::Digest) -> pki::chain::DeviceChain {
/// pki::chain::DeviceChain { device_id, key, leaf: vec![], leaf_fingerprint: root, root, ek_certificate: None,
///     not_after: jiff::Timestamp::MAX, purpose: pki::chain::Purpose::DeviceId }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceChain {
    device_id: DeviceId,
    key: PublicKey,
    leaf: Vec<u8>,
    leaf_fingerprint: Digest,
    root: Digest,
    ek_certificate: Option<Digest>,
    not_after: Timestamp,
    purpose: Purpose,
}

impl DeviceChain {
    /// Verifies a device's certificates, leaf first, each followed by its issuer; the root itself may be left out.
    ///
    /// At most [`MAX_PATH`] certificates of 16 KiB each are looked at. `now` is the caller's clock; one that is not set is
    /// told apart from an expired certificate.
    ///
    /// # Errors
    /// [`ChainError`]: threats p01, p07, p09, p14, p17, p19. Certificates revoked by [`DeviceRoots::with_revoked`] are
    /// refused, intermediates as well.
    pub fn verify<C: AsRef<[u8]>>(
        certificates: &[C],
        roots: &DeviceRoots,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Self, ChainError> {
        path::check_clock(now)?;
        let chain = parse(certificates)?;
        let leaf = chain.first().ok_or(PathError::Empty)?;
        let root = verify_path(&chain, roots.roots.certificates(), now)?;
        check_revoked(&chain, &roots.revoked)?;
        check_purpose(leaf, purpose)?;
        let key = leaf.public_key()?;
        key.check_strength()?;
        Ok(Self {
            device_id: device_id(leaf)?,
            key,
            leaf: leaf.der().to_vec(),
            leaf_fingerprint: leaf.fingerprint(),
            root,
            ek_certificate: ek_certificate(leaf),
            not_after: leaf.not_after(),
            purpose,
        })
    }

    /// The device that the key belongs to.
    #[must_use]
    pub fn device_id(&self) -> &DeviceId {
        &self.device_id
    }

    /// Its key.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// What the key was verified for.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The device's certificate, DER.
    #[must_use]
    pub fn leaf_der(&self) -> &[u8] {
        &self.leaf
    }

    /// SHA-256 of the device's certificate: what the factory's ledger records.
    #[must_use]
    pub fn leaf_fingerprint(&self) -> Digest {
        self.leaf_fingerprint
    }

    /// SHA-256 of the root that the chain ends at.
    #[must_use]
    pub fn root_fingerprint(&self) -> Digest {
        self.root
    }

    /// SHA-256 of the TPM's EK certificate, when the certificate names it: the key of the factory's ledger.
    #[must_use]
    pub fn ek_certificate(&self) -> Option<Digest> {
        self.ek_certificate
    }

    /// The certificate's end.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }
}

fn parse<C: AsRef<[u8]>>(certificates: &[C]) -> Result<Vec<Certificate>, PathError> {
    if certificates.len() > MAX_PATH {
        return Err(PathError::TooMany { found: certificates.len() });
    }
    certificates.iter().map(|der| Ok(Certificate::parse(der.as_ref())?)).collect()
}

/// The chain is taken in the order in which it is given; only its last step, to a root, is looked up.
fn verify_path(chain: &[Certificate], roots: &[Certificate], now: Timestamp) -> Result<Digest, PathError> {
    let mut ordered: Vec<&Certificate> = chain.iter().collect();
    let tip = *ordered.last().ok_or(PathError::Empty)?;
    if roots.iter().any(|root| root.der() == tip.der()) {
        path::validate(&ordered, path::DEVICE, now)?;
        return Ok(tip.fingerprint());
    }
    let mut failure = None;
    for root in roots.iter().filter(|root| tip.names_issuer(root)) {
        ordered.push(root);
        match path::validate(&ordered, path::DEVICE, now) {
            Ok(()) => return Ok(root.fingerprint()),
            Err(error) => failure.get_or_insert(error),
        };
        ordered.pop();
    }
    Err(failure.unwrap_or_else(|| path::no_trusted_root(tip, roots.len())))
}

fn check_revoked(chain: &[Certificate], revoked: &RevokedCertificates) -> Result<(), ChainError> {
    match chain.iter().find(|certificate| revoked.contains(certificate.serial())) {
        None => Ok(()),
        Some(certificate) => Err(ChainError::Revoked {
            subject: certificate.subject_text(),
            serial: hex::encode(certificate.serial()),
        }),
    }
}

fn check_purpose(leaf: &Certificate, purpose: Purpose) -> Result<(), ChainError> {
    let extensions = leaf.extensions();
    let subject = || leaf.subject_text();
    if !extensions.key_usage.is_some_and(|usage| usage.digital_signature()) {
        return Err(ChainError::KeyUsage { subject: subject() });
    }
    let usages = extensions.extended_key_usage.as_deref();
    let expected = match (purpose, usages) {
        (Purpose::AttestationKey, Some([oid::AIK_CERTIFICATE])) | (Purpose::DeviceId, None) => return Ok(()),
        (Purpose::AttestationKey, _) => "2.23.133.8.3 (attestation key) alone",
        // A TLS server's or an attestation key's certificate of the same authority must not pass for a device's.
        (Purpose::DeviceId, Some(_)) => "none (IEEE 802.1AR)",
    };
    let found = usages.unwrap_or_default().iter().map(ToString::to_string).collect();
    Err(ChainError::ExtendedKeyUsage { subject: subject(), found, expected })
}

/// 802.1AR §8.6 puts the device's serial number into the subject; ours is the common name as well, and both must agree.
fn device_id(leaf: &Certificate) -> Result<DeviceId, ChainError> {
    let read = |oid| attribute(leaf.subject(), oid);
    match (read(oid::COMMON_NAME), read(oid::SERIAL_NUMBER)) {
        (Some(name), Some(serial)) if name == serial => Ok(DeviceId::new(&name)?),
        _ => Err(ChainError::Subject { subject: leaf.subject_text() }),
    }
}

fn ek_certificate(leaf: &Certificate) -> Option<Digest> {
    leaf.extensions().subject_alt_name.iter().find_map(|name| match name {
        GeneralName::OtherName(other) if other.type_id == oid::HARDWARE_MODULE_NAME => {
            crate::ca::hardware_module_serial(&other.value)
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests;
