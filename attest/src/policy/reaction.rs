//! What a rule does when it is not met.

use serde::{Deserialize, Serialize};

/// What to do about something that is not wrong in itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reaction {
    /// The device is refused.
    Refuse,
    /// It stands in the report and changes nothing.
    Report,
}

impl Reaction {
    pub(super) const fn refuse() -> Self {
        Self::Refuse
    }

    pub(super) const fn report() -> Self {
        Self::Report
    }
}

/// What to do about something that some devices have for good reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tolerance {
    /// The device is refused.
    Refuse,
    /// It stands in the report and changes nothing.
    Report,
    /// It is not mentioned.
    Allow,
}

impl Tolerance {
    pub(super) const fn allow() -> Self {
        Self::Allow
    }

    pub(super) const fn refuse() -> Self {
        Self::Refuse
    }

    pub(super) const fn report() -> Self {
        Self::Report
    }
}

/// Whether a claim has to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Demand {
    /// Its absence is a refusal.
    Require,
    /// It is judged when it is there.
    Optional,
}

impl Demand {
    pub(super) const fn optional() -> Self {
        Self::Optional
    }
}
