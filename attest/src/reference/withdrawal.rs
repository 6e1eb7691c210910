//! Withdrawals: signed documents by which a maker takes a release back, with the time and the reason.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::standing::Withdrawn;
use super::values::ReferenceError;
use crate::dsse::{self, DocumentKey};

/// Type of the DSSE payload.
pub const WITHDRAWAL_TYPE: &str = "application/vnd.hallmark.withdrawal+json";

/// A withdrawal as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawal {
    /// The format's version, 1.
    pub version: u32,
    /// The product.
    pub product: String,
    /// The release.
    pub release: String,
    /// When the document was made.
    pub issued: Timestamp,
    /// From when on the release is withdrawn.
    pub at: Timestamp,
    /// Why, for people.
    pub reason: String,
}

impl Withdrawal {
    /// Parses an unsigned withdrawal: for showing and signing, never for judging.
    ///
    /// # Errors
    /// [`ReferenceError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ReferenceError> {
        let malformed = |message: String| ReferenceError::Malformed(format!("withdrawal: {message}"));
        let withdrawal: Self = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        if withdrawal.version != 1 {
            return Err(malformed(format!("version {}, expected 1", withdrawal.version)));
        }
        Ok(withdrawal)
    }

    /// The JSON form.
    ///
    /// # Errors
    /// [`ReferenceError::Malformed`], which no withdrawal causes.
    pub fn to_json(&self) -> Result<Vec<u8>, ReferenceError> {
        serde_json::to_vec_pretty(self).map_err(|error| ReferenceError::Malformed(error.to_string()))
    }
}

/// A withdrawal whose signature was checked. Only [`TrustedWithdrawal::verify`] makes one:
/// ```compile_fail,E0423
/// # fn f(withdrawal: attest::reference::Withdrawal) -> attest::reference::TrustedWithdrawal {
/// attest::reference::TrustedWithdrawal(withdrawal)
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedWithdrawal(Withdrawal);

impl TrustedWithdrawal {
    /// Verifies a DSSE envelope against the keys that reference values are believed from.
    ///
    /// # Errors
    /// [`ReferenceError`] for foreign signatures and malformed documents.
    pub fn verify(envelope: &[u8], keys: &[DocumentKey]) -> Result<Self, ReferenceError> {
        let payload = dsse::verify(envelope, WITHDRAWAL_TYPE, keys)?;
        Withdrawal::parse(payload.bytes()).map(Self)
    }

    /// The withdrawal.
    #[must_use]
    pub fn withdrawal(&self) -> &Withdrawal {
        &self.0
    }

    /// What it says of a release; `None` when it is about another one.
    #[must_use]
    pub fn of(&self, product: &str, release: &str) -> Option<Withdrawn> {
        let same = self.0.product == product && self.0.release == release;
        same.then(|| Withdrawn { at: self.0.at, reason: self.0.reason.clone() })
    }
}

#[cfg(test)]
pub(crate) fn trusted(withdrawal: Withdrawal) -> TrustedWithdrawal {
    TrustedWithdrawal(withdrawal)
}
