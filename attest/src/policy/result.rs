//! What becomes of a good verdict.

use serde::{Deserialize, Serialize};

use super::fault::Findings;

/// Seconds above which a verdict is said to live long.
const LONG: u32 = 3600;

/// What becomes of a good verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultRules {
    /// Seconds that a verdict is good for.
    pub lifetime_seconds: u32,
}

impl Default for ResultRules {
    fn default() -> Self {
        Self { lifetime_seconds: 300 }
    }
}

impl ResultRules {
    pub(super) fn check(&self, findings: &mut Findings<'_, '_>) {
        let seconds = self.lifetime_seconds;
        if !(1..=86_400).contains(&seconds) {
            findings.wrong("result.lifetime_seconds", "expected 1 to 86400");
        } else if seconds > LONG {
            findings.weak(
                "result.lifetime_seconds",
                format!(
                    "a device that turns bad stays trusted for up to {seconds} s; an hour or less is usual"
                ),
            );
        }
    }
}
