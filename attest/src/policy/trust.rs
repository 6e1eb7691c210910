//! Whom a policy believes.

use serde::{Deserialize, Serialize};

use super::fault::Findings;

/// Files that belong to the policy, relative to it. Reading them is the caller's job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// PEM certificates of the authorities whose devices are trusted.
    pub device_roots: Vec<String>,
    /// PEM public keys whose reference values are believed.
    pub reference_keys: Vec<String>,
    /// Lists of revoked certificates, one `serial:HEX` a line (`hallmark ca revoke --list`).
    #[serde(default)]
    pub revoked: Vec<String>,
}

impl Trust {
    pub(super) fn check(&self, findings: &mut Findings<'_, '_>) {
        if self.device_roots.is_empty() {
            findings.wrong("trust.device_roots", "empty, so no device could be trusted");
        }
        if self.reference_keys.is_empty() {
            findings.wrong("trust.reference_keys", "empty, so no reference value could be believed");
        }
        if self.revoked.is_empty() {
            findings
                .weak("trust.revoked", "no list of revoked certificates, so a stolen device stays trusted");
        }
    }
}
