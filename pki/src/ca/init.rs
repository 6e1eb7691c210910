//! Making an authority: two keys and two certificates, in memory.

use jiff::{Timestamp, ToSpan};
use rcgen::{Issuer, KeyPair};
use serde::{Deserialize, Serialize};

use super::authority::pem;
use super::profile::{self, Lifetime};
use super::{AuthorityNames, IssueError, SerialNumber};
use crate::path;

/// The kind of the authority's keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    #[default]
    EcdsaP256,
    /// ECDSA on P-384 with SHA-384.
    EcdsaP384,
}

impl KeyAlgorithm {
    const fn rcgen(self) -> &'static rcgen::SignatureAlgorithm {
        match self {
            Self::EcdsaP256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            Self::EcdsaP384 => &rcgen::PKCS_ECDSA_P384_SHA384,
        }
    }
}

/// Years that the two CA certificates last. Device certificates end with the intermediate's, so it covers a product's
/// making and its whole life in the field.
const YEARS: i64 = 40;

/// A new authority that nobody has stored yet.
pub struct NewAuthority {
    pub(super) root_key: KeyPair,
    pub(super) root_der: Vec<u8>,
    pub(super) intermediate_key: KeyPair,
    pub(super) intermediate_der: Vec<u8>,
}

impl std::fmt::Debug for NewAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewAuthority").finish_non_exhaustive()
    }
}

impl NewAuthority {
    /// Makes root and intermediate. Keys come from the operating system's random source, through ring.
    ///
    /// # Errors
    /// [`IssueError`] when the clock is not set (threat p14) or no key can be made.
    pub fn generate(
        names: &AuthorityNames,
        algorithm: KeyAlgorithm,
        serials: [SerialNumber; 2],
        now: Timestamp,
    ) -> Result<Self, IssueError> {
        path::check_clock(now)?;
        let [root_serial, intermediate_serial] = serials;
        let lifetime = lifetime(now)?;
        let root_key = KeyPair::generate_for(algorithm.rcgen())?;
        let root = profile::authority(names, "Root", 1, root_serial, lifetime)?;
        let root_der = root.self_signed(&root_key)?.der().to_vec();
        let intermediate_key = KeyPair::generate_for(algorithm.rcgen())?;
        let intermediate = profile::authority(names, "Issuing", 0, intermediate_serial, lifetime)?;
        let issuer = Issuer::from_params(&root, &root_key);
        let intermediate_der = intermediate.signed_by(&intermediate_key, &issuer)?.der().to_vec();
        Ok(Self { root_key, root_der, intermediate_key, intermediate_der })
    }

    /// The root's certificate, DER.
    #[must_use]
    pub fn root_der(&self) -> &[u8] {
        &self.root_der
    }

    /// The authority, ready to issue, without the root's key.
    ///
    /// # Errors
    /// As [`CertificateAuthority::new`](super::CertificateAuthority::new).
    pub fn into_authority(self) -> Result<super::CertificateAuthority, IssueError> {
        super::CertificateAuthority::new(
            &self.root_der,
            &self.intermediate_der,
            Box::new(self.intermediate_key),
        )
    }

    pub(super) fn pems(&self) -> [String; 2] {
        [pem(&self.root_der), pem(&self.intermediate_der)]
    }
}

fn lifetime(now: Timestamp) -> Result<Lifetime, IssueError> {
    let not_before = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let zoned = not_before.to_zoned(jiff::tz::TimeZone::UTC);
    let end = zoned.checked_add(YEARS.years()).map_err(|_| IssueError::Time { time: now })?;
    Ok(Lifetime { not_before, not_after: end.timestamp() })
}
