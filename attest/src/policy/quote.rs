//! Rules for the quote.

use serde::{Deserialize, Serialize};

use super::reaction::Reaction;
use crate::digest::HashAlgorithm;
use crate::pcr::PcrIndex;

/// Rules for the quote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuoteRules {
    /// The bank that is judged.
    #[serde(default = "sha256")]
    pub bank: HashAlgorithm,
    /// PCRs that must be quoted, explained by events, and have a reference value.
    pub pcrs: Vec<PcrIndex>,
    /// What it means when the TPM can't vouch that its clock did not go back (threat q11).
    #[serde(default = "Reaction::report")]
    pub unsafe_clock: Reaction,
    /// Whether a SHA-1 bank may be judged at all (threat e12).
    #[serde(default)]
    pub allow_sha1: bool,
}

const fn sha256() -> HashAlgorithm {
    HashAlgorithm::Sha256
}
