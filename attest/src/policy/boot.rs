//! Rules for the measured boot.

use serde::{Deserialize, Serialize};

use super::fault::Findings;
use super::reaction::{Demand, Reaction};

/// Rules for the measured boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootRules {
    /// Signed reference values; a device must match one of them.
    pub references: Vec<String>,
    /// Files of file sets that the references name.
    #[serde(default)]
    pub file_sets: Vec<String>,
    /// Signed withdrawals of releases.
    #[serde(default)]
    pub withdrawn: Vec<String>,
    /// A device that booted a withdrawn release.
    #[serde(default = "Reaction::refuse")]
    pub withdrawn_release: Reaction,
    /// Whether secure boot has to be on.
    #[serde(default = "Demand::optional")]
    pub secure_boot: Demand,
}

impl BootRules {
    pub(super) fn check(&self, findings: &mut Findings<'_, '_>) {
        if self.references.is_empty() {
            findings.wrong(
                "boot.references",
                "empty, so no device could match; record one with `hallmark reference record`",
            );
        }
        if self.secure_boot == Demand::Optional {
            findings.weak(
                "boot.secure_boot",
                "secure boot may be off; set it to \"require\" where devices have it",
            );
        }
    }
}
