//! What becomes of a good verdict.

use serde::{Deserialize, Serialize};

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
