//! Is this machine fit to be attested at all? Asked before it is provisioned, of the machine itself.
//!
//! ```text
//! what the TPM says, PCRs as read, event log ──assess──▶ Findings, each with what to do
//! ```
//!
//! Nothing here is proven: PCR values are read without a quote, and the machine speaks for itself. A finding warns the
//! people who choose and set up machines; no finding is no verdict. What has to hold for a verdict, an appraiser checks
//! again on evidence.

mod advisories;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use advisories::{Advisory, FirmwareVersion, advisories};

use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::{EventLog, ExitBootServices, MeasuredBoot, PcrVerdict, SecureBoot, SecureBootDoubt};
use crate::eventlog::{SeparatorState, measured_boot};
use crate::pcr::PcrIndex;

/// PCR 0 to 7: what the firmware extends, in every bank that it knows of.
const FIRMWARE_PCRS: usize = 8;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Attestation works, and proves less than it seems to.
    Weak,
    /// No evidence of this machine can be believed, or there will be none.
    Unfit,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Finding {
    /// What kind: `bank-never-extended`, `log-empty`, `setup-mode`, `tpm-weakness`, …
    pub id: String,
    /// How much it weighs.
    pub severity: Severity,
    /// What was found, in words.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

/// A machine's event log, as far as one can get at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogAtHand<'a> {
    /// It was not asked for: the TPM is reached from another machine.
    NotAsked,
    /// There is none.
    Missing,
    /// Its bytes; none, where the file is empty.
    Found(&'a [u8]),
}

/// A machine as it presents itself.
#[derive(Debug, Clone)]
pub struct Platform<'a> {
    /// The TPM's maker, by the letters of the TCG vendor registry.
    pub manufacturer: &'a str,
    /// The TPM firmware's version.
    pub firmware: FirmwareVersion,
    /// PCR values as read, of every active bank.
    pub pcrs: &'a BTreeMap<(HashAlgorithm, PcrIndex), Digest>,
    /// The firmware's event log.
    pub event_log: LogAtHand<'a>,
    /// Whether the kernel has an IMA list.
    pub has_ima_list: bool,
}

/// Looks for everything that is known to make evidence worthless or weak. The findings are in the order of their weight,
/// heaviest first.
#[must_use]
pub fn assess(platform: &Platform<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    assess_tpm(platform, &mut findings);
    for bank in banks(platform.pcrs) {
        findings.extend(never_extended(bank, platform.pcrs));
    }
    match platform.event_log {
        LogAtHand::NotAsked => {}
        LogAtHand::Missing => findings.push(no_log()),
        LogAtHand::Found([]) => findings.push(empty_log()),
        LogAtHand::Found(bytes) => match EventLog::parse(bytes) {
            Ok(log) => assess_log(&log, platform.pcrs, &mut findings),
            Err(error) => findings.push(finding(
                "log-malformed",
                Severity::Unfit,
                error.to_string(),
                "look for an update of the machine's firmware",
            )),
        },
    }
    findings.extend(unexplained_ima(platform));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

fn finding(id: &str, severity: Severity, what: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding { id: id.to_owned(), severity, what: what.into(), fix: fix.into() }
}

fn banks(pcrs: &BTreeMap<(HashAlgorithm, PcrIndex), Digest>) -> BTreeSet<HashAlgorithm> {
    pcrs.keys().map(|(bank, _)| *bank).collect()
}

fn assess_tpm(platform: &Platform<'_>, findings: &mut Vec<Finding>) {
    for Advisory { cve, what, fixed } in advisories(platform.manufacturer, platform.firmware) {
        findings.push(finding(
            "tpm-weakness",
            Severity::Weak,
            format!("{cve}: {what} (firmware {})", platform.firmware),
            format!("update the TPM's firmware to {fixed} or later, then provision with new keys"),
        ));
    }
    if !banks(platform.pcrs).iter().any(|bank| *bank != HashAlgorithm::Sha1) {
        findings.push(finding(
            "sha1-only",
            Severity::Unfit,
            "no PCR bank but SHA-1 is active",
            "switch SHA-256 on in the firmware's setup (tpm2_pcrallocate sha256:all)",
        ));
    }
}

/// A bank that is active and that the firmware did not extend is open to whoever runs later: any log can be replayed into
/// it and quoted (CVE-2021-42299, threat q14).
fn never_extended(
    bank: HashAlgorithm,
    pcrs: &BTreeMap<(HashAlgorithm, PcrIndex), Digest>,
) -> Option<Finding> {
    let untouched = PcrIndex::all()
        .take(FIRMWARE_PCRS)
        .all(|pcr| pcrs.get(&(bank, pcr)).is_none_or(|value| *value == pcr.start(bank)));
    untouched.then(|| {
        finding(
            "bank-never-extended",
            Severity::Unfit,
            format!("the firmware extended nothing into the {bank} bank, so any software can put any boot into it (CVE-2021-42299)"),
            format!("judge another bank, or switch {bank} off: tpm2_pcrallocate {bank}:none, then restart"),
        )
    })
}

fn no_log() -> Finding {
    finding(
        "log-missing",
        Severity::Unfit,
        "there is no event log, so that no PCR value can be explained",
        "mount securityfs; without UEFI, or without a TPM driver in the kernel, there is no log",
    )
}

fn empty_log() -> Finding {
    finding(
        "log-empty",
        Severity::Unfit,
        "the event log is there and empty, as some clouds and hypervisors hand it out",
        "switch the virtual TPM on before the first start of the machine, with UEFI; else use the cloud's own attestation",
    )
}

fn assess_log(
    log: &EventLog<'_>,
    pcrs: &BTreeMap<(HashAlgorithm, PcrIndex), Digest>,
    findings: &mut Vec<Finding>,
) {
    let boot = measured_boot(log, |bank, pcr| pcrs.get(&(bank, pcr)).copied());
    let in_log: BTreeSet<_> = log.banks().collect();
    for bank in banks(pcrs) {
        if !in_log.contains(&bank) {
            findings.push(finding(
                "bank-not-in-log",
                Severity::Weak,
                format!("the {bank} bank is active, and the log has no digests for it"),
                format!("don't judge {bank}; a firmware update may add it to the log"),
            ));
            continue;
        }
        findings.extend(differing(&boot, bank));
    }
    findings.extend(locality(log));
    // What a boot shows is the same in every bank that matches; the strongest tells it.
    let strongest = in_log.iter().rev().find(|bank| boot.matches(**bank, PcrIndex::SECURE_BOOT));
    let Some(bank) = strongest.or_else(|| in_log.iter().next_back()) else { return };
    let facts = boot.facts(*bank);
    findings.extend(secure_boot(facts.secure_boot()));
    findings.extend(separators(facts.separators()));
    if facts.exit_boot_services() == ExitBootServices::Missing {
        findings.push(finding(
            "log-ends-early",
            Severity::Note,
            "the log has no ExitBootServices event: it was read before the firmware's last events, or the firmware does not measure them",
            "read it from the kernel (binary_bios_measurements), not from the boot loader",
        ));
    }
}

/// Genuine machines exist whose PCR 0 does not replay; it is better known before they are in the field.
fn differing(boot: &MeasuredBoot<'_>, bank: HashAlgorithm) -> Option<Finding> {
    let wrong: Vec<_> = boot
        .verdicts()
        // PCR 10 is IMA's, and PCR 8 and up may have other logs.
        .filter(|(of, pcr, _)| *of == bank && usize::from(pcr.get()) < FIRMWARE_PCRS)
        .filter(|(_, _, verdict)| {
            matches!(verdict, PcrVerdict::Differs { .. } | PcrVerdict::Unexplained { .. })
        })
        .map(|(_, pcr, _)| pcr.to_string())
        .collect();
    (!wrong.is_empty()).then(|| {
        finding(
            "log-differs",
            Severity::Weak,
            format!("the log does not lead to PCR {} of the {bank} bank", wrong.join(", ")),
            "`hallmark eventlog show --explain PCR` tells where they part; leave these PCRs out of policies",
        )
    })
}

fn locality(log: &EventLog<'_>) -> Option<Finding> {
    let locality = log.startup_locality().filter(|locality| *locality != 0)?;
    Some(finding(
        "startup-locality",
        Severity::Note,
        format!("the TPM was started at locality {locality}, so PCR 0 does not begin at zero"),
        "nothing to do: the log says so, and replay follows it",
    ))
}

fn secure_boot(state: SecureBoot) -> Option<Finding> {
    match state {
        SecureBoot::On { .. } => None,
        SecureBoot::Off { .. } => Some(finding(
            "secure-boot-off",
            Severity::Weak,
            "secure boot is off: any boot loader runs, and only PCR 4 tells",
            "switch it on in the firmware's setup",
        )),
        SecureBoot::Unknown { doubt: SecureBootDoubt::SetupMode { .. } } => Some(finding(
            "setup-mode",
            Severity::Weak,
            "secure boot is in setup mode: whoever boots can set its keys",
            "enrol a platform key (PK)",
        )),
        SecureBoot::Unknown { doubt } => Some(finding(
            "secure-boot-unknown",
            Severity::Weak,
            format!("secure boot's state is not known: {doubt}"),
            "don't require secure boot of this machine before that is cleared up",
        )),
    }
}

fn separators(states: &BTreeMap<PcrIndex, SeparatorState>) -> Option<Finding> {
    let wrong: Vec<_> = states
        .iter()
        .filter(|(_, state)| !matches!(state, SeparatorState::Once { .. }))
        .map(|(pcr, _)| pcr.to_string())
        .collect();
    (!wrong.is_empty()).then(|| {
        finding(
            "separators",
            Severity::Weak,
            format!(
                "PCR {} has no single, normal separator, so what the firmware measured has no end",
                wrong.join(", ")
            ),
            "look for a firmware update; leave these PCRs out of policies",
        )
    })
}

fn unexplained_ima(platform: &Platform<'_>) -> Option<Finding> {
    let extended =
        platform.pcrs.iter().any(|((bank, pcr), value)| *pcr == PcrIndex::IMA && *value != pcr.start(*bank));
    (extended && !platform.has_ima_list && platform.event_log != LogAtHand::NotAsked).then(|| {
        finding(
            "ima-list-missing",
            Severity::Weak,
            "PCR 10 was extended and there is no IMA list to explain it",
            "mount securityfs, or have the list readable by the attesting service",
        )
    })
}
