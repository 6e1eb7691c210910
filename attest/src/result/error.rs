//! Why a result is not believed, or can't be signed.

use jiff::Timestamp;
use thiserror::Error;

use super::{MAX_LIFETIME, MAX_RESULT};

/// Why a result is not believed, or can't be signed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ResultError {
    /// Larger than any honest result.
    #[error("result: {found} bytes, expected at most {MAX_RESULT}")]
    TooLarge {
        /// Its size.
        found: usize,
    },
    /// Not the one form that a result has.
    #[error("result: malformed: {what}")]
    Malformed {
        /// What is wrong.
        what: String,
    },
    /// The header asks for another algorithm than the verifier's key has.
    #[error("result: algorithm {found}, expected {expected}, which is the verifier's key's")]
    Algorithm {
        /// What the header says.
        found: String,
        /// What the key says.
        expected: &'static str,
    },
    /// Signed, but not as an attestation result.
    #[error("result: type {found:?}, expected {expected:?}")]
    Type {
        /// The header's type.
        found: String,
        /// The type of a result.
        expected: &'static str,
    },
    /// Not signed by the verifier's key.
    #[error("result: not signed by the verifier's key {expected} (the result names {found})")]
    Signature {
        /// Key id in the header, which nobody vouches for.
        found: String,
        /// Id of the verifier's key.
        expected: String,
    },
    /// Another claim than the relying party expects.
    #[error("result: {what} is {found}, expected {expected}")]
    Other {
        /// Which claim.
        what: &'static str,
        /// What the result says.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// Good for longer than any policy allows.
    #[error("result: issued {issued}, ends {expires}, expected a life of at most {MAX_LIFETIME:#}")]
    Lifetime {
        /// When it was made.
        issued: Timestamp,
        /// When it ends.
        expires: Timestamp,
    },
    /// It has ended. Nothing is said against the device.
    #[error("result: ended {expires}, it is {now}; have the device attest again")]
    Ended {
        /// When it ended.
        expires: Timestamp,
        /// The relying party's time.
        now: Timestamp,
    },
    /// Made in the future: one of the two clocks is wrong.
    #[error("result: issued {issued}, it is {now} here; compare the clocks")]
    Clock {
        /// When it was made.
        issued: Timestamp,
        /// The relying party's time.
        now: Timestamp,
    },
    /// The key can't be used.
    #[error("result key: {what}")]
    Key {
        /// What is wrong.
        what: String,
    },
}

impl ResultError {
    /// The row of threats.md.
    #[must_use]
    pub fn threat(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "v03",
            Self::Malformed { .. } => "u03",
            Self::Algorithm { .. } | Self::Key { .. } => "u07",
            Self::Type { .. } => "u14",
            Self::Signature { .. } => "u01",
            Self::Other { .. } => "v01",
            Self::Lifetime { .. } | Self::Ended { .. } | Self::Clock { .. } => "v07",
        }
    }

    /// Whether only the time speaks against the result: it was good, or a clock is wrong.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::Ended { .. } | Self::Clock { .. })
    }

    pub(super) fn malformed(what: impl ToString) -> Self {
        Self::Malformed { what: what.to_string() }
    }
}
