//! Rules for the quote.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::fault::Findings;
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
    /// What it means when the TPM was suspended or restarted since its last reset (threat q11).
    #[serde(default = "Reaction::report")]
    pub restarts: Reaction,
    /// PCRs of `pcrs` whose events need not lead to the quoted value: genuine machines exist whose firmware log of PCR 0
    /// does not. What is wrong with them is reported, always; a PCR that no event explains is refused all the same (e15).
    #[serde(default)]
    pub tolerate: Vec<PcrIndex>,
    /// Whether a SHA-1 bank may be judged at all (threat e12).
    #[serde(default)]
    pub allow_sha1: bool,
}

impl QuoteRules {
    pub(super) fn check(&self, findings: &mut Findings<'_, '_>) {
        if self.pcrs.is_empty() {
            findings.wrong(
                "quote.pcrs",
                "empty, so nothing would be judged; name at least one PCR, e.g. [0, 2, 4, 7]",
            );
        }
        let mut seen = BTreeSet::new();
        for (at, pcr) in self.pcrs.iter().enumerate() {
            let field = format!("quote.pcrs[{at}]");
            if pcr.is_resettable() {
                findings.wrong(
                    &field,
                    format!(
                        "PCR {pcr} can be reset by software and proves nothing about the boot (threat q15)"
                    ),
                );
            }
            if !seen.insert(pcr) {
                findings.wrong(&field, format!("PCR {pcr} stands twice"));
            }
        }
        self.check_tolerated(findings);
        match (self.bank, self.allow_sha1) {
            (HashAlgorithm::Sha1, false) => findings
                .wrong("quote.bank", "sha1 is broken; set quote.allow_sha1 = true if there is no other bank"),
            (HashAlgorithm::Sha1, true) => findings.weak(
                "quote.bank",
                "sha1 is broken: two boots with one PCR value can be made (threat e12); judge another bank if there is one",
            ),
            (_, true) => findings.weak("quote.allow_sha1", "the bank is not sha1, so this allows what nothing needs"),
            (_, false) => {}
        }
        if self.unsafe_clock == Reaction::Report {
            findings.weak(
                "quote.unsafe_clock",
                "a TPM that can't vouch that its clock did not go back is only reported (threat q11); set it to \"refuse\"",
            );
        }
    }
}

impl QuoteRules {
    fn check_tolerated(&self, findings: &mut Findings<'_, '_>) {
        for (at, pcr) in self.tolerate.iter().enumerate() {
            let field = format!("quote.tolerate[{at}]");
            if !self.pcrs.contains(pcr) {
                findings.wrong(&field, format!("PCR {pcr} is not in quote.pcrs, so nothing is judged of it"));
            } else if *pcr == PcrIndex::IMA {
                findings.wrong(&field, "PCR 10 belongs to IMA; [ima] says what to do about its list");
            } else {
                findings.weak(
                    &field,
                    format!("a log of PCR {pcr} that does not lead to the quoted value is only reported"),
                );
            }
        }
        let boot = |pcr: &&PcrIndex| **pcr != PcrIndex::IMA;
        if !self.tolerate.is_empty() && self.pcrs.iter().filter(boot).all(|pcr| self.tolerate.contains(pcr)) {
            findings
                .wrong("quote.tolerate", "has every PCR of the boot, so any boot would pass; leave one out");
        }
    }
}

const fn sha256() -> HashAlgorithm {
    HashAlgorithm::Sha256
}
