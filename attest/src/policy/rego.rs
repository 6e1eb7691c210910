//! Rego files: rules that TOML has no field for.

use serde::{Deserialize, Serialize};

use super::fault::Findings;

/// Most Rego files of a policy.
pub const MAX_REGO_FILES: usize = 16;

/// Rego files, relative to the policy. They can only refuse: each adds reasons against a device, none takes one away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegoFiles {
    /// The files; all of `package hallmark`, at least one with a `deny` rule.
    pub files: Vec<String>,
}

impl RegoFiles {
    pub(super) fn check(&self, findings: &mut Findings<'_, '_>) {
        if self.files.is_empty() {
            findings
                .wrong("rego.files", "empty, so no rule would be judged; name a file, or leave [rego] out");
        }
        if self.files.len() > MAX_REGO_FILES {
            let found = self.files.len();
            findings.wrong("rego.files", format!("{found} files, expected at most {MAX_REGO_FILES}"));
        }
    }
}
