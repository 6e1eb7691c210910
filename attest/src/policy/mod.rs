//! The appraisal policy: what a verifier demands, in TOML (docs: "Writing a policy").
//!
//! There is no accept-all: a policy that judges nothing does not parse (threat v08).

mod boot;
mod cases;
mod document;
mod fault;
mod glob;
mod ima;
mod quote;
mod reaction;
mod registers;
mod rego;
mod result;
mod spelling;
mod trust;
mod words;

use serde::{Deserialize, Serialize};

pub use boot::{BootRules, Loader};
pub use cases::{Case, CaseLines, Cases, Expected};
pub use fault::{PolicyError, PolicyFault};
pub use glob::PathGlob;
pub use ima::{ImaRule, ImaRules, ReleaseScope};
pub use quote::QuoteRules;
pub use reaction::{Demand, Reaction, Tolerance};
pub use rego::{MAX_REGO_FILES, RegoFiles};
pub use result::ResultRules;
pub use trust::Trust;
pub(crate) use words::weakens;

use document::Document;
use fault::Findings;

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
    /// Rules in Rego; they only refuse.
    pub rego: Option<RegoFiles>,
    /// What becomes of a good verdict.
    #[serde(default)]
    pub result: ResultRules,
}

impl Policy {
    /// Parses and checks a policy.
    ///
    /// # Errors
    /// [`PolicyError`] with all faults that could be found, each with its line.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        Self::check(text).map(|(policy, _)| policy)
    }

    /// Parses and checks a policy, and tells what is legal and weak in it: for the one who writes it.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn check(text: &str) -> Result<(Self, Vec<PolicyFault>), PolicyError> {
        let document = Document::parse(text).map_err(fault::failed)?;
        let (policy, malformed) = document.read::<Self>();
        let mut findings = Findings::new(&document);
        match policy {
            Some(policy) => {
                policy.judge(&mut findings);
                findings.finish(malformed).map(|weaknesses| (policy, weaknesses))
            }
            None => Err(fault::failed(malformed)),
        }
    }

    /// What no section can tell of itself. Each section checks its own values in its own file.
    fn judge(&self, findings: &mut Findings<'_, '_>) {
        if self.version != 1 {
            findings.wrong("version", "expected 1");
        }
        if self.name.trim().is_empty() {
            findings.wrong(
                "name",
                "is empty; expected what people call the policy, as its claims and results say it",
            );
        }
        self.trust.check(findings);
        self.quote.check(findings);
        self.boot.check(findings);
        self.ima.iter().for_each(|ima| ima.check(findings));
        self.result.check(findings);
        if let Some(rego) = &self.rego {
            rego.check(findings);
        }
        self.check_registers(findings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::HashAlgorithm;

    pub(super) const GOOD: &str = r#"
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

    /// Every fault of a policy that differs from [`GOOD`] in one place.
    fn faults(from: &str, to: &str) -> Vec<String> {
        assert!(GOOD.contains(from), "{from}");
        let error = Policy::parse(&GOOD.replace(from, to)).unwrap_err();
        error.faults().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_fault_has_its_line() {
        for (from, to, expected) in [
            (
                "pcrs = [0, 7]",
                "pcrs = [0]\nbanks = \"sha256\"",
                "line 9: quote.banks: unknown field `banks`, expected one of `bank`, `pcrs`, `unsafe_clock`, `restarts`, `tolerate`, `allow_sha1`; did you mean `bank`?",
            ),
            (
                "pcrs = [0, 7]",
                "pcrs = [0]\nbank = \"sha-256\"",
                "line 9: quote.bank: unknown variant `sha-256`, expected one of `sha1`, `sha256`, `sha384`, `sha512`, `sm3`, `sha3-256`, `sha3-384`, `sha3-512`; did you mean `sha256`?",
            ),
            ("[0, 7]", "[\n0,\n7,\n30]", "line 8: quote.pcrs: PCR 30 does not exist, expected 0 to 23"),
            (
                "[0, 7]",
                "[\n0,\n7,\n16]",
                "line 11: quote.pcrs[2]: PCR 16 can be reset by software and proves nothing about the boot (threat q15)",
            ),
            ("[0, 7]", "[0, 7,\n0]", "line 9: quote.pcrs[2]: PCR 0 stands twice"),
            ("version = 1", "version = 2", "line 2: version: expected 1"),
            ("\"gateway\"", "\"\"", "line 3: name: is empty"),
            ("\"gateway\"", "\" \"", "line 3: name: is empty"),
            ("name =", "nome =", "line 3: nome: unknown field `nome`, expected one of `version`, `name`"),
            ("[boot]", "[bot]", "line 9: bot: unknown field `bot`, expected one of"),
            ("[0, 7]", "[0, 7]\n[ima]\nunknown_files = \"refuse\"", "line 9: ima.list: missing field `list`"),
            (
                "[quote]",
                "[result]\nlifetime_seconds = 0\n[quote]",
                "line 8: result.lifetime_seconds: expected 1 to 86400",
            ),
            ("[0, 7]", "[0, 7", "line 9: "),
            ("[\"golden.json\"]", "\"golden.json\"", "line 10: boot.references: invalid type: string"),
        ] {
            let faults = faults(from, to);
            assert!(faults[0].starts_with(expected), "{to}: {faults:#?}");
        }
    }

    #[test]
    fn all_faults_show_in_one_run() {
        let text = GOOD
            .replace("version = 1", "version = 2")
            .replace("device_roots = [\"root.pem\"]", "device_root = [\"root.pem\"]")
            .replace("pcrs = [0, 7]", "pcrs = [0, 0, 16]\nbank = \"sha3\"\nunsafe_clok = \"report\"")
            .replace("[boot]", "[boot]\nsecure_boot = \"on\"")
            + "[ima]\n[result]\nlifetime_seconds = -1\n";
        let error = Policy::parse(&text).unwrap_err();
        let fields: Vec<_> = error.faults().iter().map(|fault| (fault.line, fault.field.as_str())).collect();
        for expected in [
            (5, "trust.device_root"),
            (9, "quote.bank"),
            (10, "quote.unsafe_clok"),
            (12, "boot.secure_boot"),
            (14, "ima.list"),
            (16, "result.lifetime_seconds"),
        ] {
            assert!(fields.contains(&expected), "{expected:?}: {:#?}", error.faults());
        }
        assert!(error.to_string().contains("more faults, see `hallmark policy check`"), "{error}");
        assert!(!error.to_string().contains('\n'));
    }

    #[test]
    fn a_fault_in_a_section_does_not_make_the_section_missing() {
        let text = GOOD.trim_start().replace("[0, 7]", "[0, 99]");
        let faults: Vec<_> =
            Policy::parse(&text).unwrap_err().faults().iter().map(ToString::to_string).collect();
        assert_eq!(faults, ["line 7: quote.pcrs: PCR 99 does not exist, expected 0 to 23"]);
    }

    #[test]
    fn a_missing_section_is_told_once() {
        let without_boot = GOOD.split("[boot]").next().unwrap();
        let error = Policy::parse(without_boot).unwrap_err();
        assert_eq!(error.to_string(), "policy, line 1: boot: missing field `boot`");
    }

    #[test]
    fn what_is_legal_and_weak_is_told() {
        let (_, weaknesses) = Policy::check(GOOD).unwrap();
        let fields: Vec<_> = weaknesses.iter().map(|weak| weak.field.as_str()).collect();
        assert_eq!(
            fields,
            ["", "trust.revoked", "quote.unsafe_clock", "quote.pcrs", "boot.secure_boot"],
            "{weaknesses:#?}"
        );
        let strict = GOOD
            .replace("[0, 7]", "[0, 4]")
            .replace("[boot]", "unsafe_clock = \"refuse\"\n[boot]\nsecure_boot = \"require\"")
            .replace("[quote]", "revoked = [\"revoked\"]\n[quote]")
            + "[result]\nlifetime_seconds = 7200\n";
        let (_, weaknesses) = Policy::check(&strict).unwrap();
        let fields: Vec<_> = weaknesses.iter().map(|weak| weak.field.as_str()).collect();
        assert_eq!(
            fields,
            ["", "boot.setup_mode", "boot.secure_boot", "result.lifetime_seconds"],
            "{weaknesses:#?}"
        );
    }

    #[test]
    fn weak_settings_of_every_section_are_told() {
        let text = GOOD.replace("[boot]", "[boot]\nrevoked = \"report\"\nwithdrawn_release = \"report\"\ndebugger = \"report\"\nsetup_mode = \"allow\"\noption_roms = \"allow\"\ndma_protection = \"allow\"\nexit_boot_services = \"allow\"\nevent_placement = \"allow\"\nended_before = \"allow\"")
            + "[ima]\nlist = \"optional\"\nunknown_files = \"report\"\nviolations = \"report\"\nweak_digests = \"report\"\npadded_sha1 = \"report\"\nwithdrawn_before = \"allow\"\nwithdrawn_after = \"report\"\nexclude = [\"/tmp/**\"]\nkexec_maximum = 1\n";
        let (_, weaknesses) = Policy::check(&text).unwrap();
        let fields: Vec<_> = weaknesses.iter().map(|weak| weak.field.as_str()).collect();
        for field in [
            "boot.revoked",
            "boot.withdrawn_release",
            "boot.debugger",
            "boot.setup_mode",
            "boot.option_roms",
            "boot.dma_protection",
            "boot.exit_boot_services",
            "boot.event_placement",
            "ima.list",
            "ima.unknown_files",
            "ima.withdrawn_after",
            "ima.withdrawn_before",
            "boot.ended_before",
            "ima.violations",
            "ima.weak_digests",
            "ima.padded_sha1",
            "ima.exclude[0]",
            "ima.kexec_maximum",
        ] {
            assert_eq!(fields.iter().filter(|found| **found == field).count(), 1, "{field}: {fields:?}");
        }
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
