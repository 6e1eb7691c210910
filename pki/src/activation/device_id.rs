//! `ResidentKey ──TPM2_Certify──▶ ResidentDeviceId`: the IAK vouches for a second key of its TPM.

use attest::key::{AttestationKey, ENDORSEMENT, KeyError, Name, PublicArea, is_initial_device_id};
use attest::quote::{Attest, AttestError, SignatureError, VerifyingKey};
use thiserror::Error;

use super::{ResidentKey, TpmIdentity};

/// Shortest qualifying data, in bytes: it must be fresh and random, or an old certification could be played again.
pub const MIN_QUALIFYING: usize = 16;

/// Why a device identity key is not believed to live in the same TPM as the attestation key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeviceIdError {
    /// Not an IDevID: not fixedTPM, not of the template (threat p04).
    #[error(
        "key {name}: does not follow the template of an initial device identity (TCG TPM 2.0 Keys for Device Identity §7.3)"
    )]
    Template {
        /// Its Name.
        name: String,
    },
    /// Weak numbers.
    #[error("IDevID: {0}")]
    Key(#[from] KeyError),
    /// Malformed, not made by a TPM, or another kind of attestation (threat p16).
    #[error("certification: {0}")]
    Attest(#[from] AttestError),
    /// Not signed by this attestation key (threat p04).
    #[error("certification: {0}")]
    Signature(#[from] SignatureError),
    /// Qualifying data too short to be fresh.
    #[error(
        "certification: qualifying data has {found} bytes, expected at least {MIN_QUALIFYING} random ones"
    )]
    ShortQualifying {
        /// Its length in bytes.
        found: usize,
    },
    /// Another request's certification (threat p16).
    #[error("certification: extraData is {found}, expected {expected}")]
    Qualifying {
        /// In hex.
        found: String,
        /// In hex.
        expected: String,
    },
    /// About another key (threat p16).
    #[error("certification: is about key {found}, expected {expected}")]
    Name {
        /// The Name in the structure, hex.
        found: String,
        /// The IDevID's Name.
        expected: String,
    },
    /// A qualified Name that does not end in the endorsement hierarchy, or is another key's (threat p16).
    #[error(
        "certification: qualified name of the {which} is {found}, expected {expected} (a primary of the endorsement hierarchy)"
    )]
    QualifiedName {
        /// `signer` or `key`.
        which: &'static str,
        /// In hex.
        found: String,
        /// In hex.
        expected: String,
    },
}

impl DeviceIdError {
    /// The row of threats.md.
    #[must_use]
    pub fn threat(&self) -> &'static str {
        match self {
            Self::Template { .. } | Self::Signature(_) => "p04",
            Self::Key(error) => error.threat(),
            _ => "p16",
        }
    }
}

/// An IDevID that lives in the same TPM as an activated attestation key.
///
/// Only [`ResidentKey::certify_device_id`] makes one:
/// ```compile_fail
/// # fn f(tpm: pki::activation::TpmIdentity, public: attest::key::PublicArea) -> pki::activation::ResidentDeviceId {
/// pki::activation::ResidentDeviceId { tpm, public }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResidentDeviceId {
    tpm: TpmIdentity,
    public: PublicArea,
}

impl ResidentDeviceId {
    /// The TPM that it lives in.
    #[must_use]
    pub fn tpm(&self) -> &TpmIdentity {
        &self.tpm
    }

    /// Its public area.
    #[must_use]
    pub fn public(&self) -> &PublicArea {
        &self.public
    }

    /// Its Name.
    #[must_use]
    pub fn name(&self) -> Name {
        self.public.name()
    }
}

impl ResidentKey {
    /// Verifies what TPM2_Certify said of `idevid` when this key signed (TPM 2.0 Part 3 §18.2).
    ///
    /// `certify_info` is the TPMS_ATTEST, `signature` the TPMT_SIGNATURE, both as the TPM gave them; `qualifying` is the
    /// random data that the caller had sent. That the TPM holds `idevid` follows from the structure: every field is read
    /// by its place and compared, nothing is searched for.
    ///
    /// # Errors
    /// [`DeviceIdError`]: threats p04, p16.
    pub fn certify_device_id(
        &self,
        idevid: PublicArea,
        certify_info: &[u8],
        signature: &[u8],
        qualifying: &[u8],
    ) -> Result<ResidentDeviceId, DeviceIdError> {
        if qualifying.len() < MIN_QUALIFYING {
            return Err(DeviceIdError::ShortQualifying { found: qualifying.len() });
        }
        if !is_initial_device_id(&idevid) {
            return Err(DeviceIdError::Template { name: idevid.name().to_string() });
        }
        idevid.key().check_strength()?;
        let signer = AttestationKey::new(self.public().clone(), self.public().key())?;
        let attest = Attest::parse_certify(certify_info)?;
        VerifyingKey::from(&signer).verify(certify_info, signature)?;
        if attest.extra_data != qualifying {
            let (found, expected) = (hex::encode(attest.extra_data), hex::encode(qualifying));
            return Err(DeviceIdError::Qualifying { found, expected });
        }
        let name = idevid.name();
        if attest.attested.name != name.as_bytes() {
            let found = hex::encode(attest.attested.name);
            return Err(DeviceIdError::Name { found, expected: name.to_string() });
        }
        check_qualified("key", &idevid, attest.attested.qualified_name)?;
        check_qualified("signer", self.public(), attest.qualified_signer)?;
        Ok(ResidentDeviceId { tpm: self.tpm().clone(), public: idevid })
    }
}

/// The qualified Name of a primary key: the hash of its hierarchy's handle and its Name (TPM 2.0 Part 1 §16).
fn check_qualified(which: &'static str, key: &PublicArea, found: &[u8]) -> Result<(), DeviceIdError> {
    let expected = key.qualified_name(&ENDORSEMENT);
    if found == expected {
        return Ok(());
    }
    Err(DeviceIdError::QualifiedName { which, found: hex::encode(found), expected: hex::encode(expected) })
}
