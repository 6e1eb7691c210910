//! Rules for the measured boot.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fault::Findings;
use super::reaction::{Demand, Reaction, Tolerance};
use crate::digest::{Digest, HashAlgorithm};

/// A loader that gives the kernel its command line, and the PCR that it measures it into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loader {
    /// GRUB: PCR 8.
    Grub,
    /// Linux's EFI stub, started by the firmware or a loader that measures no command line: PCR 9.
    EfiStub,
    /// A unified kernel image by systemd-stub: PCR 11, with PCR 12 for what overrides it.
    Uki,
}

impl Loader {
    /// Each with its PCR.
    pub const ALL: [(Self, u8); 3] = [(Self::Grub, 8), (Self::EfiStub, 9), (Self::Uki, 11)];

    /// As people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grub => "GRUB",
            Self::EfiStub => "Linux's EFI stub",
            Self::Uki => "systemd-stub of a unified kernel image",
        }
    }

    /// The PCR of its command line.
    #[must_use]
    pub const fn pcr(self) -> u8 {
        match self {
            Self::Grub => 8,
            Self::EfiStub => 9,
            Self::Uki => 11,
        }
    }
}

/// Rules for the measured boot.
///
/// A rule that is left out judges nothing beyond the references, but for those with a default. A rule that is there
/// needs its fact proven: what is not proven is refused (docs: "What a measured boot proves").
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
    /// The same, where the verifier's own record shows that it had booted before the withdrawal (threat i18).
    #[serde(default = "Reaction::refuse")]
    pub withdrawn_before: Reaction,
    /// A device that booted a release before it ended, by the verifier's own record, and has run since. One that can't be shown to
    /// have booted before is refused.
    #[serde(default = "Tolerance::report")]
    pub ended_before: Tolerance,
    /// Whether secure boot has to be on, and shim has to verify what it loads.
    #[serde(default = "Demand::optional")]
    pub secure_boot: Demand,
    /// Setup mode or audit mode: whoever boots may set the keys, or load anything (threat e20).
    #[serde(default = "Tolerance::report")]
    pub setup_mode: Tolerance,
    /// SHA-256 fingerprints of the certificates, and SHA-256 hashes of images, that may vouch for what is loaded.
    #[serde(default)]
    pub authorities: Vec<Digest>,
    /// An authority that is not in the measured db, and an authority or image that is in the measured dbx (threat e10).
    #[serde(default = "Reaction::refuse")]
    pub revoked: Reaction,
    /// What the measured dbx must have: SHA-256 hashes of images or of certificates' signed parts, fingerprints (e20).
    #[serde(default)]
    pub dbx_contains: Vec<Digest>,
    /// How many entries the measured dbx must have at least.
    #[serde(default)]
    pub dbx_minimum: Option<u32>,
    /// The least generation of each component that shim's SBAT level must demand, e.g. `{ shim = 4, grub = 4 }` (e20).
    #[serde(default)]
    pub sbat_minimum: BTreeMap<String, u64>,
    /// The least date of shim's SBAT level: ten digits, `YYYYMMDDNN`.
    #[serde(default)]
    pub sbat_date: Option<u64>,
    /// The kernel's command lines that may be, each as the loader measures it.
    #[serde(default)]
    pub command_line: Vec<String>,
    /// The loader that gives the kernel its command line. Needed where registers of several loaders may have any value.
    #[serde(default)]
    pub loader: Option<Loader>,
    /// The firmware's versions that may be.
    #[serde(default)]
    pub firmware_versions: Vec<String>,
    /// Drivers from cards in PCR 2.
    #[serde(default = "Tolerance::report")]
    pub option_roms: Tolerance,
    /// A firmware whose debugger is enabled.
    #[serde(default = "Tolerance::refuse")]
    pub debugger: Tolerance,
    /// A firmware that leaves memory open to devices.
    #[serde(default = "Tolerance::report")]
    pub dma_protection: Tolerance,
    /// A firmware that did not hand over, or of which no log tells (threat e14).
    #[serde(default = "Tolerance::report")]
    pub exit_boot_services: Tolerance,
    /// Events in judged PCRs of types that the profile does not allow there (threat e16).
    #[serde(default = "Tolerance::report")]
    pub event_placement: Tolerance,
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
        if self.debugger != Tolerance::Refuse {
            findings.weak(
                "boot.debugger",
                "a firmware whose debugger is enabled passes; whoever has the cable has the machine",
            );
        }
        if self.revoked == Reaction::Report {
            findings.weak("boot.revoked", "an image that dbx forbids passes (threat e10)");
        }
        self.check_reactions(findings);
        self.check_lists(findings);
        self.check_revocations(findings);
    }

    /// Reactions that let pass what a rule is there to find.
    fn check_reactions(&self, findings: &mut Findings<'_, '_>) {
        if self.withdrawn_release == Reaction::Report {
            findings.weak(
                "boot.withdrawn_release",
                "a device that runs a release which was withdrawn for its faults passes",
            );
        }
        if self.withdrawn_before == Reaction::Report && self.withdrawn_release == Reaction::Refuse {
            findings.weak(
                "boot.withdrawn_before",
                "a device that was running when its release was withdrawn passes until it boots anew",
            );
        }
        if self.secure_boot == Demand::Require && self.setup_mode != Tolerance::Refuse {
            findings.weak(
                "boot.setup_mode",
                "secure boot is required and setup mode passes, in which whoever boots may set its keys (threat e20); set it to \"refuse\"",
            );
        }
        let allowed = [
            ("option_roms", self.option_roms),
            ("dma_protection", self.dma_protection),
            ("exit_boot_services", self.exit_boot_services),
            ("event_placement", self.event_placement),
            ("ended_before", self.ended_before),
        ];
        for (field, _) in allowed.iter().filter(|(_, tolerance)| *tolerance == Tolerance::Allow) {
            findings.weak(
                &format!("boot.{field}"),
                "\"allow\" leaves no trace in the verdict; \"report\" changes no verdict and tells it",
            );
        }
        if self.secure_boot == Demand::Optional && self.setup_mode == Tolerance::Allow {
            let what = "\"allow\" leaves no trace in the verdict; \"report\" changes no verdict and tells it";
            findings.weak("boot.setup_mode", what);
        }
    }

    fn check_lists(&self, findings: &mut Findings<'_, '_>) {
        for (field, digests) in [("authorities", &self.authorities), ("dbx_contains", &self.dbx_contains)] {
            for (at, digest) in digests.iter().enumerate() {
                if digest.algorithm() != HashAlgorithm::Sha256 {
                    let message = format!("{} digest, expected sha256:HEX", digest.algorithm());
                    findings.wrong(&format!("boot.{field}[{at}]"), message);
                }
            }
        }
        for (field, texts) in
            [("command_line", &self.command_line), ("firmware_versions", &self.firmware_versions)]
        {
            for (at, text) in texts.iter().enumerate() {
                if text.chars().any(char::is_control) {
                    let message = "has control characters; loaders and firmware measure none";
                    findings.wrong(&format!("boot.{field}[{at}]"), message);
                }
            }
        }
    }

    fn check_revocations(&self, findings: &mut Findings<'_, '_>) {
        if self.dbx_minimum == Some(0) {
            findings.wrong("boot.dbx_minimum", "0 entries are always there; expected at least 1");
        }
        for (component, generation) in &self.sbat_minimum {
            if *generation == 0 || component.is_empty() {
                let field = format!("boot.sbat_minimum.{component}");
                findings.wrong(&field, "expected a component and a generation of at least 1");
            }
        }
        if self.sbat_date.is_some_and(|date| !(1_000_000_000..=9_999_999_999).contains(&date)) {
            findings.wrong("boot.sbat_date", "expected ten digits, YYYYMMDDNN, e.g. 2024010900");
        }
    }
}
