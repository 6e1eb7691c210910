//! The factory's authority: a root that can go into a safe, and an intermediate that issues.
//!
//! `ResidentKey ──issue──▶ DeviceChain`. The profiles are in docs/src/formats/certificates.md.

mod authority;
mod init;
mod names;
mod profile;
mod request;
mod serial;
pub mod store;
mod subject_key;

use jiff::Timestamp;
use thiserror::Error;

pub use authority::{CertificateAuthority, IssuedCertificate};
pub use init::{KeyAlgorithm, NewAuthority};
pub use names::{AuthorityNames, DnsName, NameError};
pub(crate) use profile::hardware_module_serial;
pub use request::{CertificateRequest, RequestError, RequestProfile};
pub use serial::SerialNumber;

use crate::path::PathError;

/// Why no certificate was issued. There is never half of one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IssueError {
    /// The authority's own chain does not hold, or what came out would not be accepted (threats p07, p14).
    #[error("certificate authority: {0}")]
    Path(#[from] PathError),
    /// The signing key is not the one in the intermediate certificate.
    #[error(
        "certificate authority: the signing key does not belong to the intermediate certificate of {subject}"
    )]
    OtherKey {
        /// The intermediate's subject.
        subject: String,
    },
    /// The intermediate's subject has another form than this authority writes.
    #[error("certificate authority: subject {subject} is not made of one organization and one common name")]
    Subject {
        /// The intermediate's subject.
        subject: String,
    },
    /// The key can't be put into a certificate.
    #[error("key to certify: {0}")]
    Key(#[from] attest::key::PublicKeyError),
    /// The signer refused or failed, e.g. an HSM's session was lost (threat p10).
    #[error("certificate authority: signing failed: {reason}")]
    Sign {
        /// The signer's reason.
        reason: String,
    },
    /// A value that can't be encoded.
    #[error("certificate: {0}")]
    Encode(der::Error),
    /// A time that X.509 can't express.
    #[error("certificate: {time} can't be written as a certificate's time")]
    Time {
        /// The time.
        time: Timestamp,
    },
}

impl IssueError {
    /// The row of threats.md.
    #[must_use]
    pub fn threat(&self) -> &'static str {
        match self {
            Self::Path(error) => error.threat(),
            Self::OtherKey { .. } | Self::Sign { .. } => "p10",
            _ => "p06",
        }
    }
}

impl From<der::Error> for IssueError {
    fn from(error: der::Error) -> Self {
        Self::Encode(error)
    }
}

impl From<rcgen::Error> for IssueError {
    fn from(error: rcgen::Error) -> Self {
        Self::Sign { reason: error.to_string() }
    }
}

#[cfg(test)]
mod tests;
