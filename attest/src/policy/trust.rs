//! Whom a policy believes.

use serde::{Deserialize, Serialize};

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
