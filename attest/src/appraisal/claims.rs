//! What was established of a device: the facts that reports show and policies name.

use jiff::Timestamp;
use serde::Serialize;

use super::boot_claims::BootClaims;
use crate::digest::{Digest, HashAlgorithm};
use crate::pcr::PcrIndex;
use crate::quote::ClockInfo;
use crate::reference::{Lapsed, Measured};

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
    /// Attested files that neither a reference nor a rule knows; those of lapsed releases not among them.
    pub unknown_files: usize,
    /// Attested files of withdrawn releases, measured before by the verifier's record, those of earlier parts of the list not included.
    pub withdrawn_before: usize,
    /// Attested files of withdrawn releases that are not proven to have been measured before.
    pub withdrawn_after: usize,
    /// Attested files of ended releases, measured before by the verifier's record, those of earlier parts of the list not included.
    pub ended_before: usize,
    /// Attested files that count by their signature, of whichever form.
    pub signed_files: usize,
    /// Those of them by a version 3 signature in `security.ima` over their fs-verity digest.
    pub verity_signed_files: usize,
    /// Those of them by a portable EVM signature: over contents, security attributes, owner and mode.
    pub evm_signed_files: usize,
    /// Those of them by an appended signature (modsig). All others have one in `security.ima` over their contents.
    pub modsig_signed_files: usize,
    /// Attested files that the policy does not judge.
    pub excluded_files: usize,
    /// Kernels that kexec has started since the boot, those in earlier parts of the list included; no boot log shows them (threat i04).
    pub kexecs: usize,
    /// The entries that they wrote, counted from 1 in the whole list: the first 10, those of earlier parts not included.
    pub kexec_entries: Vec<u64>,
}

/// What the verifier itself had seen of the boot that is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RecordClaim {
    /// When it saw this boot first: the boot began before. Absent without a record; then only the present counts.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub since: Option<Timestamp>,
    /// When it saw it last before now.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub last: Option<Timestamp>,
    /// Why there is none.
    pub missing: Option<String>,
}

/// A release that counts no more, and what the device has of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LapsedClaim {
    /// Product and release.
    pub release: String,
    /// Whether it was withdrawn; else it ended.
    pub withdrawn: bool,
    /// Since when.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub at: Timestamp,
    /// Why it was withdrawn, in its maker's words.
    pub why: Option<String>,
    /// When the device booted it; absent where it has only files of it.
    pub booted: Option<Measured>,
    /// Files that only such releases have, and that the verifier's record shows to have been measured before.
    pub files_before: usize,
    /// Those without that proof.
    pub files_after: usize,
}

impl LapsedClaim {
    /// A release that was booted, without files so far.
    pub(crate) fn of(lapsed: &Lapsed<'_>) -> Self {
        let withdrawn = lapsed.reference.withdrawn().filter(|_| lapsed.withdrawn);
        Self {
            release: lapsed.reference.values().title(),
            withdrawn: lapsed.withdrawn,
            at: lapsed.at,
            why: withdrawn.map(|withdrawn| withdrawn.reason.clone()),
            booted: Some(lapsed.measured),
            files_before: 0,
            files_after: 0,
        }
    }
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
    /// What the verifier itself had seen of this boot before; absent where no quote was believed.
    pub record: Option<RecordClaim>,
    /// Releases that count no more, as far as the device has booted them or has files of them.
    pub lapsed: Vec<LapsedClaim>,
}
