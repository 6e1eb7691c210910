//! From a refusal to the rule that would allow it, for a person to judge. Nothing here changes a policy.

use jiff::Timestamp;

use super::Appraiser;
use crate::appraisal::{Reason, Verdict};
use crate::challenge::Challenge;
use crate::pcr::PcrIndex;
use crate::policy::{Demand, ImaRules, Policy, Reaction};

/// One way to allow what was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// Id of the reasons that it is about.
    pub id: &'static str,
    /// What they say; one reason stands for all that one change would answer.
    pub reason: String,
    /// The line of the policy or the command that would allow it; `None` where nothing should.
    pub change: Option<String>,
    /// What would be judged less, or what to do instead.
    pub weakens: String,
    /// The verdict with this change alone; `None` where that can't be tried without a new file.
    pub verdict: Option<Verdict>,
}

/// A change to a policy that can be tried.
struct Change {
    line: String,
    weakens: String,
    policy: Policy,
}

impl Appraiser<'_> {
    /// Ways to allow recorded evidence that this policy refuses; empty when it does not. `challenge` makes the challenge that the
    /// evidence answered, once for each try.
    #[must_use]
    pub fn suggest(
        &self,
        evidence: &[u8],
        challenge: &dyn Fn() -> Challenge,
        at: Timestamp,
    ) -> Vec<Suggestion> {
        let refusal = self.rehearse(evidence, challenge(), at);
        let mut suggestions: Vec<Suggestion> = Vec::new();
        for reason in refusal.reasons() {
            for mut suggestion in self.answers(reason, evidence, challenge, at) {
                suggestion.reason = reason.to_string();
                let known = |other: &Suggestion| {
                    other.id == suggestion.id && other.change == suggestion.change && other.change.is_some()
                };
                if !suggestions.iter().any(known) {
                    suggestions.push(suggestion);
                }
            }
        }
        suggestions
    }

    fn answers(
        &self,
        reason: &Reason,
        evidence: &[u8],
        challenge: &dyn Fn() -> Challenge,
        at: Timestamp,
    ) -> Vec<Suggestion> {
        let mut answers: Vec<_> = by_hand(reason).into_iter().collect();
        for Change { line, weakens, policy } in changes(self.policy, reason) {
            let tried = Appraiser { policy: &policy, ..*self }.rehearse(evidence, challenge(), at);
            answers.push(Suggestion {
                id: reason.id,
                reason: String::new(),
                change: Some(line),
                weakens,
                verdict: Some(tried.verdict()),
            });
        }
        answers
    }
}

/// What a person has to do, where no field of the policy does it.
fn by_hand(reason: &Reason) -> Option<Suggestion> {
    let (change, weakens) = match reason.id {
        "reference" => (
            Some(
                "hallmark reference record … --out NEW.json, on a device that is known to be good in this state; then add NEW.json to boot.references",
            ),
            "every device that boots this way becomes trusted: find out first why the event that is named here is new",
        ),
        "i12" => (
            Some(
                "hallmark reference record … --out NEW.json, on a device with the files that are wanted; then add NEW.json to boot.references",
            ),
            "the files that this device ran become good ones on every device",
        ),
        "rego" => (
            Some("change the rule in the policy's Rego files that gave this reason"),
            "the rule stands there for a reason of the policy's author",
        ),
        "q05" => (
            None,
            "no rule: have the device quote what is missing (`hallmark attest` quotes every active bank but SHA-1)",
        ),
        "e01" | "e15" => (
            None,
            "no rule should allow this: the log is not what was measured; look at it with `hallmark eventlog explain`",
        ),
        "e08" => (
            None,
            "no rule should allow this: the firmware's log is not in the order of the profile; report it to the maker",
        ),
        "p14" => (None, "no rule: set the verifier's clock"),
        "q11" | "secure-boot" | "ima-list" | "i05" => return None,
        id if id.starts_with('p') => (
            Some(
                "trust.device_roots: add the root of the authority that issued this certificate, if it is one of yours",
            ),
            "every device of that authority becomes one whose evidence is judged",
        ),
        id if id.starts_with('q') => (
            None,
            "no rule allows this: the quote itself does not hold; ask for a new one with a fresh nonce",
        ),
        _ => (
            None,
            "no rule allows this; the evidence contradicts itself or the policy's format has no field for it",
        ),
    };
    let change = change.map(str::to_owned);
    Some(Suggestion {
        id: reason.id,
        reason: String::new(),
        change,
        weakens: weakens.to_owned(),
        verdict: None,
    })
}

/// The changes of single fields that would answer a reason.
fn changes(policy: &Policy, reason: &Reason) -> Vec<Change> {
    let with = |line: String, weakens: &str, change: &dyn Fn(&mut Policy)| {
        let mut policy = policy.clone();
        change(&mut policy);
        Change { line, weakens: weakens.to_owned(), policy }
    };
    let ima = |line: &str, weakens: &str, change: fn(&mut ImaRules)| {
        with(line.to_owned(), weakens, &|policy| {
            if let Some(rules) = &mut policy.ima {
                change(rules);
            }
        })
    };
    match reason.id {
        "secure-boot" => vec![with(
            "boot.secure_boot = \"optional\"".to_owned(),
            "a device whose firmware starts anything is no longer refused for that",
            &|policy| policy.boot.secure_boot = Demand::Optional,
        )],
        "q11" => vec![with(
            "quote.unsafe_clock = \"report\"".to_owned(),
            "a TPM that lost count of its restarts is no longer told apart",
            &|policy| policy.quote.unsafe_clock = Reaction::Report,
        )],
        "ima-list" => vec![ima(
            "ima.list = \"optional\"",
            "a device that leaves its list out is not asked what it ran",
            |rules| rules.list = Demand::Optional,
        )],
        "i12" => vec![ima(
            "ima.unknown_files = \"report\"",
            "any file may run on any device, and only a note tells",
            |rules| rules.unknown_files = Reaction::Report,
        )],
        "i05" => vec![ima(
            "ima.violations = \"report\"",
            "a file that was changed while it was measured may run, and only a note tells",
            |rules| rules.violations = Reaction::Report,
        )],
        "reference" | "e01" | "e15" | "e08" | "q05" => {
            let Some(pcr) = named_pcr(reason) else { return Vec::new() };
            let rest: Vec<_> = policy.quote.pcrs.iter().copied().filter(|other| *other != pcr).collect();
            // A policy that judges nothing does not exist (threat v08).
            if rest.len() == policy.quote.pcrs.len() || rest.iter().all(|pcr| *pcr == PcrIndex::IMA) {
                return Vec::new();
            }
            let listed: Vec<_> = rest.iter().map(ToString::to_string).collect();
            let weakens = format!("PCR {pcr} is no longer judged on any device: {}", meaning(pcr));
            vec![with(format!("quote.pcrs = [{}]", listed.join(", ")), &weakens, &|policy| {
                policy.quote.pcrs.clone_from(&rest);
            })]
        }
        _ => Vec::new(),
    }
}

/// The PCR that a reason names as its place: `PCR 9 (sha256)`.
fn named_pcr(reason: &Reason) -> Option<PcrIndex> {
    let index = reason.place.strip_prefix("PCR ")?.split(' ').next()?;
    PcrIndex::new(index.parse().ok()?)
}

/// What a PCR is about (TCG PC Client PFP 1.06 §3.3.4; 8 to 15 by custom).
const fn meaning(pcr: PcrIndex) -> &'static str {
    match pcr.get() {
        0 => "the firmware's code",
        1 => "the firmware's settings",
        2 => "drivers from cards",
        3 => "settings of drivers from cards",
        4 => "boot loader and kernel image",
        5 => "partition table and boot attempts",
        6 => "what the maker uses it for",
        7 => "secure boot: its state and keys",
        8 => "the boot loader's commands",
        9 => "files that the boot loader read, the kernel's command line and initrd",
        10 => "files that ran after the boot",
        11..=13 => "the unified kernel image, its parameters and extensions",
        14 => "shim's own keys",
        _ => "what the operating system uses it for",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(id: &'static str, place: &str) -> Reason {
        let empty = String::new;
        Reason { id, what: empty(), place: place.to_owned(), expected: empty(), found: empty() }
    }

    fn policy() -> Policy {
        let text = "version = 1\nname = \"t\"\n[trust]\ndevice_roots = [\"r\"]\nreference_keys = [\"k\"]\n[quote]\npcrs = [0, 9]\n[boot]\nreferences = [\"g\"]\nsecure_boot = \"require\"\n[ima]\nlist = \"require\"\n";
        Policy::parse(text).unwrap()
    }

    #[test]
    fn each_suggestion_says_what_it_weakens() {
        for id in [
            "reference",
            "secure-boot",
            "ima-list",
            "i12",
            "i05",
            "q11",
            "q02",
            "q05",
            "p01",
            "p14",
            "e01",
            "e15",
            "rego",
        ] {
            let reason = reason(id, "PCR 9 (sha256)");
            let changes = changes(&policy(), &reason);
            assert!(by_hand(&reason).is_some() || !changes.is_empty(), "{id}");
            assert!(
                changes
                    .iter()
                    .all(|change| !change.weakens.is_empty() && change.policy != policy() || id == "q11"),
                "{id}"
            );
        }
    }

    #[test]
    fn v08_no_suggestion_leads_to_a_policy_that_judges_nothing() {
        let mut only = policy();
        only.quote.pcrs.retain(|pcr| pcr.get() == 9);
        assert!(changes(&only, &reason("reference", "PCR 9 (sha256)")).is_empty());
        assert_eq!(changes(&policy(), &reason("reference", "PCR 9 (sha256)"))[0].line, "quote.pcrs = [0]");
    }
}
