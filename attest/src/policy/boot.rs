//! Rules for the measured boot.

use serde::{Deserialize, Serialize};

use super::reaction::Demand;

/// Rules for the measured boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootRules {
    /// Signed reference values; a device must match one of them.
    pub references: Vec<String>,
    /// Whether secure boot has to be on.
    #[serde(default = "Demand::optional")]
    pub secure_boot: Demand,
}
