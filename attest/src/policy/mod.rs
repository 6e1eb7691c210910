//! The appraisal policy: what a verifier demands, in TOML (docs: "Writing a policy").
//!
//! There is no accept-all: a policy that judges nothing does not parse (threat v08).

mod boot;
mod ima;
mod quote;
mod reaction;
mod result;
mod trust;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use boot::BootRules;
pub use ima::ImaRules;
pub use quote::QuoteRules;
pub use reaction::{Demand, Reaction};
pub use result::ResultRules;
pub use trust::Trust;

use crate::digest::HashAlgorithm;
use crate::pcr::PcrIndex;

/// Why a policy can't be used; `line` counts from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// Not TOML, or not the policy's fields.
    #[error("policy, line {line}: {message}")]
    Syntax {
        /// Line of the fault.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// Well-formed, but without sense.
    #[error("policy, {field}: {message}")]
    Value {
        /// The field.
        field: &'static str,
        /// What is wrong, and what is expected.
        message: String,
    },
}

/// A policy, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The format's version, 1.
    pub version: u32,
    /// What people call it.
    pub name: String,
    /// Whom to believe.
    pub trust: Trust,
    /// Rules for the quote.
    pub quote: QuoteRules,
    /// Rules for the measured boot.
    pub boot: BootRules,
    /// Rules for the IMA list; without them no list is looked at.
    pub ima: Option<ImaRules>,
    /// What becomes of a good verdict.
    #[serde(default)]
    pub result: ResultRules,
}

impl Policy {
    /// Parses and checks a policy.
    ///
    /// # Errors
    /// [`PolicyError`] with the line or the field.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let policy: Self = toml::from_str(text).map_err(|error| PolicyError::Syntax {
            line: error.span().map_or(1, |span| line_of(text, span.start)),
            message: error.message().replace('\n', " "),
        })?;
        policy.check()?;
        Ok(policy)
    }

    fn check(&self) -> Result<(), PolicyError> {
        let wrong = |field, message: &str| Err(PolicyError::Value { field, message: message.to_owned() });
        if self.version != 1 {
            return wrong("version", "expected 1");
        }
        if self.quote.pcrs.is_empty() {
            return wrong(
                "quote.pcrs",
                "empty, so nothing would be judged; name at least one PCR, e.g. [0, 2, 4, 7]",
            );
        }
        if let Some(pcr) = self.quote.pcrs.iter().find(|pcr| pcr.is_resettable()) {
            let message =
                format!("PCR {pcr} can be reset by software and proves nothing about the boot (threat q15)");
            return Err(PolicyError::Value { field: "quote.pcrs", message });
        }
        if let Some(pcr) = repeated(&self.quote.pcrs) {
            return Err(PolicyError::Value {
                field: "quote.pcrs",
                message: format!("PCR {pcr} stands twice"),
            });
        }
        if self.quote.bank == HashAlgorithm::Sha1 && !self.quote.allow_sha1 {
            return wrong(
                "quote.bank",
                "sha1 is broken; set quote.allow_sha1 = true if there is no other bank",
            );
        }
        if self.quote.pcrs.contains(&PcrIndex::IMA) && self.ima.is_none() {
            return wrong(
                "quote.pcrs",
                "PCR 10 belongs to IMA and has no reference value; add [ima], or leave it out",
            );
        }
        if self.quote.pcrs.iter().all(|pcr| *pcr == PcrIndex::IMA) {
            return wrong(
                "quote.pcrs",
                "no PCR of the boot, so any boot would pass; name some, e.g. [0, 2, 4, 7]",
            );
        }
        if self.boot.references.is_empty() {
            return wrong(
                "boot.references",
                "empty, so no device could match; record one with `hallmark reference record`",
            );
        }
        if self.trust.device_roots.is_empty() {
            return wrong("trust.device_roots", "empty, so no device could be trusted");
        }
        if self.trust.reference_keys.is_empty() {
            return wrong("trust.reference_keys", "empty, so no reference value could be believed");
        }
        if !(1..=86_400).contains(&self.result.lifetime_seconds) {
            return wrong("result.lifetime_seconds", "expected 1 to 86400");
        }
        Ok(())
    }
}

fn repeated(pcrs: &[PcrIndex]) -> Option<PcrIndex> {
    let mut seen = std::collections::BTreeSet::new();
    pcrs.iter().copied().find(|pcr| !seen.insert(*pcr))
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
version = 1
name = "gateway"
[trust]
device_roots = ["root.pem"]
reference_keys = ["reference.pub"]
[quote]
pcrs = [0, 7]
[boot]
references = ["golden.json"]
"#;

    #[test]
    fn a_small_policy_has_safe_defaults() {
        let policy = Policy::parse(GOOD).unwrap();
        assert_eq!(policy.quote.bank, HashAlgorithm::Sha256);
        assert_eq!(policy.result.lifetime_seconds, 300);
        assert_eq!(policy.ima, None);
    }

    #[test]
    fn v08_a_policy_that_accepts_everything_does_not_exist() {
        assert!(Policy::parse("").is_err());
        for (from, to) in [
            ("[0, 7]", "[]"),
            ("[0, 7]\n", "[10]\n[ima]\nlist = \"optional\"\n"),
            ("[\"golden.json\"]", "[]"),
            ("[\"root.pem\"]", "[]"),
            ("[\"reference.pub\"]", "[]"),
            ("pcrs", "pcr"),
        ] {
            assert!(Policy::parse(&GOOD.replace(from, to)).is_err(), "{from} -> {to}");
        }
    }

    #[test]
    fn a_misspelt_field_is_pointed_at() {
        let error =
            Policy::parse(&GOOD.replace("pcrs = [0, 7]", "pcrs = [0]\nbanks = \"sha256\"")).unwrap_err();
        assert!(matches!(error, PolicyError::Syntax { line: 9, .. }), "{error}");
        assert!(error.to_string().contains("banks"), "{error}");
    }

    #[test]
    fn q15_resettable_registers_are_no_boot_evidence() {
        for pcr in [16, 17, 22, 23] {
            assert!(Policy::parse(&GOOD.replace("[0, 7]", &format!("[{pcr}]"))).is_err());
        }
    }

    #[test]
    fn e12_sha1_only_by_name() {
        let sha1 = GOOD.replace("pcrs =", "bank = \"sha1\"\npcrs =");
        assert!(Policy::parse(&sha1).is_err());
        assert!(Policy::parse(&sha1.replace("pcrs =", "allow_sha1 = true\npcrs =")).is_ok());
    }
}
