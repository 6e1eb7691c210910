//! Rules for the IMA list.

use serde::{Deserialize, Serialize};

use super::reaction::{Demand, Reaction};

/// Rules for the IMA list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImaRules {
    /// Whether the evidence must have a list.
    pub list: Demand,
    /// Whose files are known.
    #[serde(default)]
    pub releases: ReleaseScope,
    /// Files that no reference knows.
    #[serde(default = "Reaction::refuse")]
    pub unknown_files: Reaction,
    /// Violations: files that changed while they were measured (threat i05).
    #[serde(default = "Reaction::refuse")]
    pub violations: Reaction,
}

/// The releases whose files are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReleaseScope {
    /// Those that the boot matches, and no others.
    Matching,
    /// Every release that was valid since the boot: a package update turns no device red.
    #[default]
    Valid,
}
