//! `GenuineTpm ──credential activation──▶ ResidentKey`.
//!
//! The CA encrypts a secret so that only the TPM with this EK can open it, and only while a key with this very Name is
//! loaded in it (TPM 2.0 Part 1 §24). Whoever answers with the secret has shown that the key lives in that TPM.

mod challenge;
mod device_id;
mod kdf;
mod make_credential;
mod resident;

use attest::key::KeyError;
use jiff::Timestamp;
use thiserror::Error;

pub use challenge::{ActivationChallenge, MAX_LIFETIME, PendingActivation};
pub use device_id::{DeviceIdError, MIN_QUALIFYING, ResidentDeviceId};
pub use make_credential::Credential;
pub use resident::{ResidentKey, TpmIdentity};

/// Why no credential was made, or its answer is not believed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ActivationError {
    /// The key can't be an attestation key (threats p04, q04, q09, q12, p17).
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key is an attestation key but does not follow the IAK template (threat p04).
    #[error(
        "key {name}: does not follow the template of an initial attestation key (TCG TPM 2.0 Keys for Device Identity §7.3)"
    )]
    Template {
        /// Its Name.
        name: String,
    },
    /// The EK's numbers can't be encrypted to.
    #[error("EK {name}: no secret can be encrypted to it: {what}")]
    Endorsement {
        /// Its Name.
        name: String,
        /// The step that failed.
        what: &'static str,
    },
    /// The random source failed; nothing was made.
    #[error("no random bytes could be had")]
    Random,
    /// A lifetime outside of one second to ten minutes.
    #[error("a challenge can't live for {seconds} s, expected 1 to 600")]
    Lifetime {
        /// The lifetime in seconds.
        seconds: i64,
    },
    /// Answered too late (threat p03).
    #[error("the credential expired at {expires}, it is {now}; start the activation again")]
    Expired {
        /// Its end.
        expires: Timestamp,
        /// The time given by the caller.
        now: Timestamp,
    },
    /// Answered before it was made: the clock went back (threats p03, p14).
    #[error("the credential was made at {issued}, it is {now}: the clock went back")]
    ClockWentBack {
        /// When it was made.
        issued: Timestamp,
        /// The time given by the caller.
        now: Timestamp,
    },
    /// Not the secret (threat p03).
    #[error("the answer for key {name} is not the credential's secret: the key is not in this TPM")]
    WrongAnswer {
        /// The Name that the credential was made for.
        name: String,
    },
}

impl ActivationError {
    /// The row of threats.md.
    #[must_use]
    pub fn threat(&self) -> &'static str {
        match self {
            Self::Key(error) => error.threat(),
            Self::Template { .. } => "p04",
            Self::Endorsement { .. } => "p17",
            Self::ClockWentBack { .. } => "p14",
            _ => "p03",
        }
    }
}

#[cfg(test)]
mod tests;
