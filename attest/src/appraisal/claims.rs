//! What was established of a device: the facts that reports show and policies name.

use serde::Serialize;

use super::boot_claims::BootClaims;
use crate::digest::{Digest, HashAlgorithm};
use crate::pcr::PcrIndex;
use crate::quote::ClockInfo;

/// What is known of one quoted PCR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum PcrStanding {
    /// Events explain its value, and a reference has it.
    Known,
    /// Events explain its value; the policy does not judge it, or no reference has it.
    Explained,
    /// Nothing was ever measured into it.
    Untouched,
    /// No event explains its value (threat e15).
    Unexplained,
    /// The events lead to another value (threat e01).
    Differs,
}

/// A quoted PCR with its standing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PcrClaim {
    /// The bank.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub bank: HashAlgorithm,
    /// The index.
    #[cfg_attr(feature = "schema", schemars(with = "u8"))]
    pub pcr: PcrIndex,
    /// The quoted value.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub value: Digest,
    /// What is known of it.
    pub standing: PcrStanding,
    /// Whether the policy judges it.
    pub judged: bool,
}

/// What the IMA list showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ImaClaims {
    /// Entries that the quote covers, those of earlier parts of the list included.
    pub attested: usize,
    /// Entries after those: measured since, not yet attested (threat i02).
    pub not_yet_attested: usize,
    /// Violations among the attested.
    pub violations: usize,
    /// Attested files that neither a reference nor a rule knows.
    pub unknown_files: usize,
    /// Attested files that count by their signature.
    pub signed_files: usize,
    /// Attested files that the policy does not judge.
    pub excluded_files: usize,
}

/// Everything that was established before or while the verdict was reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Claims {
    /// The device's name out of its certificate.
    pub device_id: Option<String>,
    /// The attestation key's Name, in hex.
    pub attestation_key: Option<String>,
    /// Boot counters and clock of the TPM.
    pub clock: Option<ClockInfo>,
    /// Secure boot, if the log proves it either way.
    pub secure_boot: Option<bool>,
    /// Product and release of the reference that matched.
    pub release: Option<String>,
    /// The quoted PCRs.
    pub pcrs: Vec<PcrClaim>,
    /// What the measured boot proves; absent without an event log.
    pub boot: Option<BootClaims>,
    /// The IMA list, if there was one.
    pub ima: Option<ImaClaims>,
}
