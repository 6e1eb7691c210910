//! Rules for the IMA list.

use serde::{Deserialize, Serialize};

use super::reaction::{Demand, Reaction};

/// Rules for the IMA list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImaRules {
    /// Whether the evidence must have a list.
    pub list: Demand,
    /// Files that no reference knows.
    #[serde(default = "Reaction::refuse")]
    pub unknown_files: Reaction,
    /// Violations: files that changed while they were measured (threat i05).
    #[serde(default = "Reaction::refuse")]
    pub violations: Reaction,
}
