//! TPMS_ATTEST (TPM 2.0 Part 2 §10.12.12): what a TPM signs.

use thiserror::Error;

use super::selection::{PcrSelection, SelectionError};
use crate::wire::{Reader, WireError};

const TPM_GENERATED: u32 = 0xFF54_4347;
const ATTEST_CERTIFY: u16 = 0x8017;
const ATTEST_QUOTE: u16 = 0x8018;

/// Why bytes are no attestation that can be judged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AttestError {
    /// Not made by a TPM: an unrestricted key could have signed anything (threat q01).
    #[error("attestation: magic is 0x{found:08x}, expected 0xff544347 (TPM_GENERATED_VALUE)")]
    Magic {
        /// The four bytes.
        found: u32,
    },
    /// Another kind of attestation (threat q02).
    #[error("attestation: type is 0x{found:04x}, expected 0x{expected:04x}")]
    Type {
        /// TPM_ST of the structure.
        found: u16,
        /// TPM_ST that the caller needs.
        expected: u16,
    },
    /// Lengths that disagree with the bytes (threat q08).
    #[error("attestation: {0}")]
    Wire(#[from] WireError),
    /// The quote's selection can't be judged (threat q05).
    #[error("attestation: {0}")]
    Selection(#[from] SelectionError),
    /// TPMI_YES_NO is neither.
    #[error("attestation: clockInfo.safe is {found}, expected 0 or 1")]
    Safe {
        /// The byte.
        found: u8,
    },
}

impl AttestError {
    /// The row of threats.md.
    #[must_use]
    pub fn threat(&self) -> &'static str {
        match self {
            Self::Magic { .. } => "q01",
            Self::Type { .. } => "q02",
            Self::Wire(_) | Self::Selection(SelectionError::Wire(_)) | Self::Safe { .. } => "q08",
            Self::Selection(_) => "q05",
        }
    }
}

/// TPMS_CLOCK_INFO (Part 2 §10.11.1): which boot of the TPM, and when in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClockInfo {
    /// Milliseconds that the TPM has been powered, ever.
    pub clock_ms: u64,
    /// TPM resets since the TPM was cleared.
    pub reset_count: u32,
    /// Restarts and resumes since the last reset.
    pub restart_count: u32,
    /// Whether `clock_ms` is certain not to have been reported before.
    pub safe: bool,
}

/// TPMS_QUOTE_INFO (Part 2 §10.12.4): PCR values, by their common digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuoteInfo<'a> {
    /// Which PCRs, in the order of the digest.
    pub selection: PcrSelection,
    /// Hash over their values, in the signing scheme's algorithm.
    pub pcr_digest: &'a [u8],
}

/// TPMS_CERTIFY_INFO (Part 2 §10.12.3): an object of the same TPM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertifyInfo<'a> {
    /// The object's Name.
    pub name: &'a [u8],
    /// Its qualified Name.
    pub qualified_name: &'a [u8],
}

/// A parsed TPMS_ATTEST; `T` says of which kind, so that one is never read as another (threat q02).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attest<'a, T> {
    /// Qualified Name of the signing key.
    pub qualified_signer: &'a [u8],
    /// The caller's data, the nonce.
    pub extra_data: &'a [u8],
    /// Which boot and when.
    pub clock: ClockInfo,
    /// The TPM firmware's version, as its maker numbers them.
    pub firmware_version: u64,
    /// What is attested.
    pub attested: T,
}

impl<'a> Attest<'a, QuoteInfo<'a>> {
    /// Parses a quote.
    ///
    /// # Errors
    /// [`AttestError`]: threats q01, q02, q05, q08.
    pub fn parse_quote(bytes: &'a [u8]) -> Result<Self, AttestError> {
        parse(bytes, ATTEST_QUOTE, |r| {
            Ok(QuoteInfo { selection: PcrSelection::read(r)?, pcr_digest: r.tpm2b("pcrDigest")? })
        })
    }
}

impl<'a> Attest<'a, CertifyInfo<'a>> {
    /// Parses the result of TPM2_Certify.
    ///
    /// # Errors
    /// [`AttestError`]: threats q01, q02, q08.
    pub fn parse_certify(bytes: &'a [u8]) -> Result<Self, AttestError> {
        parse(bytes, ATTEST_CERTIFY, |r| {
            Ok(CertifyInfo { name: r.tpm2b("name")?, qualified_name: r.tpm2b("qualifiedName")? })
        })
    }
}

fn parse<'a, T>(
    bytes: &'a [u8],
    expected: u16,
    read_attested: impl FnOnce(&mut Reader<'a>) -> Result<T, AttestError>,
) -> Result<Attest<'a, T>, AttestError> {
    let mut r = Reader::new(bytes);
    let magic = r.u32_be("magic")?;
    if magic != TPM_GENERATED {
        return Err(AttestError::Magic { found: magic });
    }
    let found = r.u16_be("type")?;
    if found != expected {
        return Err(AttestError::Type { found, expected });
    }
    let qualified_signer = r.tpm2b("qualifiedSigner")?;
    let extra_data = r.tpm2b("extraData")?;
    let clock = clock_info(&mut r)?;
    let firmware_version = r.u64_be("firmwareVersion")?;
    let attested = read_attested(&mut r)?;
    r.finish("TPMS_ATTEST")?;
    Ok(Attest { qualified_signer, extra_data, clock, firmware_version, attested })
}

fn clock_info(r: &mut Reader<'_>) -> Result<ClockInfo, AttestError> {
    let clock_ms = r.u64_be("clockInfo.clock")?;
    let reset_count = r.u32_be("clockInfo.resetCount")?;
    let restart_count = r.u32_be("clockInfo.restartCount")?;
    let safe = match r.u8("clockInfo.safe")? {
        0 => false,
        1 => true,
        found => return Err(AttestError::Safe { found }),
    };
    Ok(ClockInfo { clock_ms, reset_count, restart_count, safe })
}
