//! Why a device is refused.

use serde::Serialize;

/// One reason against a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Row of threats.md (`q03`), or the policy's rule (`reference`, `secure-boot`, …).
    pub id: &'static str,
    /// What is wrong, in words.
    pub what: String,
    /// Where: a PCR, an event, a line, a certificate.
    #[serde(rename = "where")]
    pub place: String,
    /// What should have been there.
    pub expected: String,
    /// What was there.
    pub found: String,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, what, place, expected, found } = self;
        write!(f, "[{id}] {place}: {what}")?;
        if !expected.is_empty() {
            write!(f, "; expected {expected}")?;
        }
        if !found.is_empty() {
            write!(f, "; found {found}")?;
        }
        Ok(())
    }
}
