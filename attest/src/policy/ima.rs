//! Rules for the IMA list.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fault::Findings;
use super::glob::PathGlob;
use super::reaction::{Demand, Reaction, Tolerance};
use crate::pcr::PcrIndex;
use crate::reference::FileIndex;

/// Rules for the IMA list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImaRules {
    /// Whether the evidence must have a list.
    pub list: Demand,
    /// Whose files are known.
    #[serde(default)]
    pub releases: ReleaseScope,
    /// Files that no reference knows.
    #[serde(default = "Reaction::refuse")]
    pub unknown_files: Reaction,
    /// Files that only withdrawn releases have, measured before the withdrawal by the verifier's own record (threat i18).
    #[serde(default = "Tolerance::report")]
    pub withdrawn_before: Tolerance,
    /// The same, where nothing proves that they were measured before.
    #[serde(default = "Reaction::refuse")]
    pub withdrawn_after: Reaction,
    /// Files that only ended releases have, measured before the end by the verifier's own record. One without that proof is a file
    /// that no reference knows.
    #[serde(default = "Tolerance::allow")]
    pub ended_before: Tolerance,
    /// Violations: files that changed while they were measured (threat i05).
    #[serde(default = "Reaction::refuse")]
    pub violations: Reaction,
    /// Files that are known or signed by an MD5 or SHA-1 digest only (threat i14).
    #[serde(default = "Reaction::refuse")]
    pub weak_digests: Reaction,
    /// A bank that holds SHA-1 digests with zeros after them, as kernels without the bank's hash fill it (threat i10).
    #[serde(default = "Reaction::refuse")]
    pub padded_sha1: Reaction,
    /// PCRs besides PCR 10 that the device's IMA policy names (threat i09); they must be quoted.
    #[serde(default)]
    pub other_pcrs: Vec<PcrIndex>,
    /// Paths whose files are not judged, as patterns that match from end to end (threat i06).
    #[serde(default)]
    pub exclude: Vec<String>,
    /// How many other kernels kexec may have started since the boot. No boot log shows them (threat i04).
    #[serde(default)]
    pub kexec_maximum: u32,
    /// Keys that files are signed with: certificates and public keys in PEM, under a name.
    #[serde(default)]
    pub keyrings: BTreeMap<String, Vec<String>>,
    /// Keys of portable EVM signatures, under names of their own: a key for one kind of signature says nothing by the other
    /// (threat i15).
    #[serde(default)]
    pub evm_keyrings: BTreeMap<String, Vec<String>>,
    /// Files with keys that count no longer (threat i15).
    #[serde(default)]
    pub revoked_keys: Vec<String>,
    /// Keyrings of the kernel, e.g. `.ima`, and the keyring above that a key measured into it must be in (threat i15).
    #[serde(default)]
    pub measured_keyrings: BTreeMap<String, String>,
    /// Measured buffers by their names, e.g. `kexec-cmdline`, and the digests that they may have.
    #[serde(default)]
    pub buffers: BTreeMap<String, Vec<String>>,
    /// Files that count though no reference has them.
    #[serde(default)]
    pub rules: Vec<ImaRule>,
}

/// Files that count by where they are, and by their digest or by who signed them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImaRule {
    /// Their paths, as patterns that match from end to end.
    pub paths: Vec<String>,
    /// Digests with kind and hash: `sha256:HEX`, `verity:sha256:HEX`.
    #[serde(default)]
    pub digests: Vec<String>,
    /// Keyrings of either kind, one of which has to have the key of their signature.
    #[serde(default)]
    pub signed_by: Vec<String>,
}

impl ImaRules {
    pub(super) fn check(&self, findings: &mut Findings<'_, '_>) {
        for (index, pattern) in self.exclude.iter().enumerate() {
            let field = format!("ima.exclude[{index}]");
            match PathGlob::compile(pattern) {
                Err(fault) => findings.wrong(&field, fault),
                Ok(glob) if glob.is_everything() => {
                    findings.wrong(&field, "excludes every file; leave [ima] out to judge none");
                }
                Ok(_) => {}
            }
        }
        for pcr in self.other_pcrs.iter().filter(|pcr| pcr.is_resettable()) {
            findings.wrong("ima.other_pcrs", format!("PCR {pcr} can be reset by software (threat q15)"));
        }
        for (field, keyrings) in [("ima.keyrings", &self.keyrings), ("ima.evm_keyrings", &self.evm_keyrings)]
        {
            for (name, _) in keyrings.iter().filter(|(_, files)| files.is_empty()) {
                findings.wrong(field, format!("keyring {name} names no file"));
            }
        }
        for name in self.evm_keyrings.keys().filter(|name| self.keyrings.contains_key(*name)) {
            findings.wrong(
                "ima.evm_keyrings",
                format!("keyring {name} is in ima.keyrings too; signed_by could mean either (threat i15)"),
            );
        }
        for (kernel, name) in &self.measured_keyrings {
            // What the kernel takes for one kind of signature must not count for the other here.
            let (ours, table) = match kernel.as_str() {
                ".evm" => (&self.evm_keyrings, "ima.evm_keyrings"),
                _ => (&self.keyrings, "ima.keyrings"),
            };
            if !ours.contains_key(name) {
                let fault = format!("{kernel}: there is no keyring {name:?} in {table} (threat i15)");
                findings.wrong("ima.measured_keyrings", fault);
            }
            if kernel.starts_with('/') {
                findings
                    .wrong("ima.measured_keyrings", format!("{kernel} is no keyring, expected e.g. .ima"));
            }
        }
        self.buffers.iter().for_each(|(name, digests)| check_digests("ima.buffers", name, digests, findings));
        for (index, rule) in self.rules.iter().enumerate() {
            self.check_rule(&format!("ima.rules[{index}]"), rule, findings);
        }
        self.check_reactions(findings);
    }

    /// What lets files pass that the list is there to find.
    fn check_reactions(&self, findings: &mut Findings<'_, '_>) {
        let reported = [
            ("unknown_files", self.unknown_files, "any file may run, and only a note tells (threat i12)"),
            (
                "withdrawn_after",
                self.withdrawn_after,
                "files that were withdrawn for their faults may still be run anew (threat i18)",
            ),
            ("violations", self.violations, "a file that changed while it was measured may run (threat i05)"),
            ("weak_digests", self.weak_digests, "files count by SHA-1 or MD5, which can be made to fit"),
            ("padded_sha1", self.padded_sha1, "the list may be bound by SHA-1 only (threat i10)"),
        ];
        for (field, _, what) in reported.iter().filter(|(_, reaction, _)| *reaction == Reaction::Report) {
            findings.weak(&format!("ima.{field}"), *what);
        }
        if self.withdrawn_before == Tolerance::Allow {
            findings.weak(
                "ima.withdrawn_before",
                "\"allow\" leaves no trace of what was withdrawn and may still run; \"report\" changes no verdict and tells it",
            );
        }
        if self.withdrawn_before == Tolerance::Refuse && self.withdrawn_after == Reaction::Report {
            findings.wrong(
                "ima.withdrawn_after",
                "\"report\" while withdrawn_before is \"refuse\": a file would be worse for having been measured earlier",
            );
        }
        if self.kexec_maximum > 0 {
            findings.weak(
                "ima.kexec_maximum",
                "no boot log shows a kernel that kexec starts; have the devices' IMA policy measure it (KEXEC_KERNEL_CHECK, KEXEC_CMDLINE) and name its command lines in ima.buffers (threat i04)",
            );
        }
        if self.list == Demand::Optional {
            findings.weak("ima.list", "a device that leaves its list out is not asked what it ran");
        }
        for file in self.evm_keyrings.values().flatten() {
            if self.keyrings.values().flatten().any(|other| other == file) {
                let what = format!(
                    "{file} is in ima.keyrings too: one key for both kinds of signature (threat i15)"
                );
                findings.weak("ima.evm_keyrings", what);
            }
        }
        for (index, pattern) in self.exclude.iter().enumerate() {
            let what = format!("any file may run under {pattern}, unseen (threat i06)");
            findings.weak(&format!("ima.exclude[{index}]"), what);
        }
    }

    fn check_rule(&self, field: &str, rule: &ImaRule, findings: &mut Findings<'_, '_>) {
        if rule.paths.is_empty() {
            findings.wrong(field, "names no path; everything is \"/**\"");
        }
        if rule.digests.is_empty() && rule.signed_by.is_empty() {
            findings
                .wrong(field, "has neither digests nor signed_by, so anything would count; see ima.exclude");
        }
        for pattern in &rule.paths {
            if let Err(fault) = PathGlob::compile(pattern) {
                findings.wrong(field, fault);
            }
        }
        rule.signed_by.iter().for_each(|name| self.check_keyring(field, name, findings));
        check_digests(field, "a rule", &rule.digests, findings);
    }

    fn check_keyring(&self, field: &str, name: &str, findings: &mut Findings<'_, '_>) {
        if !self.keyrings.contains_key(name) && !self.evm_keyrings.contains_key(name) {
            let fault = format!("there is no keyring {name:?} in ima.keyrings or ima.evm_keyrings");
            findings.wrong(field, fault);
        }
    }
}

fn check_digests(field: &str, name: &str, digests: &[String], findings: &mut Findings<'_, '_>) {
    let list = digests.to_vec();
    if let Err(fault) = FileIndex::compile([(&"/".to_owned(), &list)]) {
        findings.wrong(field, format!("{name}: {}", fault.replace(" of / is", " is")));
    }
}

/// The releases whose files are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReleaseScope {
    /// Those that the boot matches, and no others.
    Matching,
    /// Every release that was valid since the boot: a package update turns no device red.
    #[default]
    Valid,
}
