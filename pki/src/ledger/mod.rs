//! The factory's ledger: one line for each thing that happened to a device's identity, kept for good.
//!
//! ```text
//! activate ─▶ issue (in memory) ─▶ append + fsync ─▶ hand the certificate to the device ─▶ store it in the TPM's NV
//! ```
//!
//! A certificate leaves the factory's hands only after its line is on the disk, so there is never a certificate without
//! its line (threat p11). The other way round is harmless: a line whose certificate was lost is followed by another line
//! when provisioning runs again. The format is docs/src/formats/ledger.md.

mod book;
mod file;
mod record;

use std::io;
use std::path::PathBuf;

use attest::Digest;
use thiserror::Error;

pub use file::{Ledger, Torn};
pub use record::{CertificateRecord, Enrolment, Event, LINE_START, Record, RecordError, Revocation};

use crate::device_id::DeviceId;

/// Why the ledger can't be read or written. It is never left changed by halves.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// A line that is not a record: somebody edited the file, or the disk lies. Nothing is appended to such a file.
    #[error("{} line {line}: {reason}", path.display())]
    Line {
        /// The ledger.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The device id belongs to another TPM (threat p05).
    #[error(
        "device {device_id} is enrolled with the TPM of EK certificate {enrolled}, this is {found}; revoke the first with: hallmark ca revoke {device_id} --ledger FILE --reason TEXT"
    )]
    OtherTpm {
        /// The device.
        device_id: DeviceId,
        /// SHA-256 of the EK certificate on record.
        enrolled: Box<Digest>,
        /// SHA-256 of the EK certificate now.
        found: Box<Digest>,
    },
    /// The TPM belongs to another device id (threat p11: never two identities).
    #[error(
        "the TPM of EK certificate {ek_certificate} is enrolled as device {enrolled}, not {found}; revoke the first with: hallmark ca revoke {enrolled} --ledger FILE --reason TEXT"
    )]
    OtherDevice {
        /// SHA-256 of the EK certificate.
        ek_certificate: Box<Digest>,
        /// The device on record.
        enrolled: DeviceId,
        /// The device id now.
        found: DeviceId,
    },
    /// The same device and TPM with another attestation key: its endorsement seed has changed, or the record is wrong.
    #[error(
        "device {device_id} is enrolled with IAK {enrolled}, this is {found}; revoke the first with: hallmark ca revoke {device_id} --ledger FILE --reason TEXT"
    )]
    OtherKey {
        /// The device.
        device_id: DeviceId,
        /// Name of the IAK on record, hex.
        enrolled: String,
        /// Name of the IAK now, hex.
        found: String,
    },
    /// The key is another device's: one TPM with two EK certificates (threat p05).
    #[error(
        "the key {key} is enrolled as device {enrolled}, not {found}; revoke the first with: hallmark ca revoke {enrolled} --ledger FILE --reason TEXT"
    )]
    KeyTwice {
        /// Name of the key, hex.
        key: String,
        /// The device on record.
        enrolled: DeviceId,
        /// The device id now.
        found: DeviceId,
    },
    /// Nothing to revoke.
    #[error("device {device_id} is not enrolled, or revoked already")]
    NotEnrolled {
        /// The device.
        device_id: DeviceId,
    },
    /// A certificate serial number or fingerprint that is on record already.
    #[error("certificate {fingerprint} is on record already, for device {device_id}")]
    CertificateTwice {
        /// Its SHA-256.
        fingerprint: Digest,
        /// The device on record.
        device_id: DeviceId,
    },
    /// A record that can't be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The operating system refused; what had been written is taken back.
    #[error("{}: {error}", path.display())]
    Io {
        /// The ledger or its folder.
        path: PathBuf,
        /// Its reason.
        error: io::Error,
    },
}

impl LedgerError {
    /// The row of threats.md.
    #[must_use]
    pub fn threat(&self) -> &'static str {
        match self {
            Self::OtherTpm { .. }
            | Self::OtherKey { .. }
            | Self::KeyTwice { .. }
            | Self::NotEnrolled { .. } => "p05",
            _ => "p11",
        }
    }
}

/// How a device and a TPM stand in the ledger, before anything is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Neither is enrolled.
    New,
    /// This device with this TPM is enrolled: provisioning ran before, perhaps not to its end.
    AlreadyProvisioned(Box<Record>),
}

#[cfg(test)]
mod tests;
