//! Cases that a policy is tested with: recorded evidence, and what the verdict must be.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::document::Document;
use super::fault::{Findings, PolicyError, failed};
use crate::appraisal::Verdict;
use crate::appraise::Rehearsal;
use crate::challenge::Nonce;

/// Most cases in one file.
const MAX_CASES: usize = 10_000;

/// The cases of one file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    /// The cases, in their order.
    #[serde(rename = "case")]
    pub cases: Vec<Case>,
    /// Where the cases' fields stand.
    #[serde(skip)]
    lines: Vec<CaseLines>,
}

/// The lines of a case's fields, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaseLines {
    /// That of `evidence`.
    pub evidence: usize,
    /// That of `at`.
    pub at: usize,
    /// That of `baseline`; of the case, where it has none.
    pub baseline: usize,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What people call it.
    pub name: String,
    /// The recorded evidence, a file relative to that of the cases.
    pub evidence: String,
    /// The nonce that the evidence answers, in hex.
    pub nonce: String,
    /// When it was judged: certificates and references count as they did then.
    pub at: Timestamp,
    /// What was kept of the device's IMA list when it was judged, a file relative to that of the cases; nothing, if absent.
    pub baseline: Option<String>,
    /// The verdict that is expected.
    pub expect: Expected,
    /// Ids of the reasons that are expected, all of them and no others; not looked at, if absent.
    pub expect_reasons: Option<Vec<String>>,
}

/// A verdict, as a case names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// Every rule of the policy holds.
    Trusted,
    /// At least one does not.
    Refused,
    /// The judgement can't be made.
    CannotTell,
}

impl Expected {
    const fn verdict(self) -> Verdict {
        match self {
            Self::Trusted => Verdict::Trusted,
            Self::Refused => Verdict::Refused,
            Self::CannotTell => Verdict::CannotTell,
        }
    }
}

impl Cases {
    /// Parses and checks a file of cases.
    ///
    /// # Errors
    /// [`PolicyError`] with all faults, each with its line. A file without cases is one: it would test nothing.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let document = Document::parse(text).map_err(failed)?;
        let (cases, malformed) = document.read::<Self>();
        let Some(mut cases) = cases else { return Err(failed(malformed)) };
        let mut findings = Findings::new(&document);
        if cases.cases.is_empty() || cases.cases.len() > MAX_CASES {
            let found = cases.cases.len();
            findings.wrong("case", format!("{found} cases, expected 1 to {MAX_CASES}"));
        }
        for (at, case) in cases.cases.iter().enumerate() {
            let line = |field: &str| document.line(&format!("case[{at}].{field}"));
            cases.lines.push(CaseLines {
                evidence: line("evidence"),
                at: line("at"),
                baseline: line("baseline"),
            });
            if let Err(error) = Nonce::from_hex(&case.nonce) {
                findings.wrong(&format!("case[{at}].nonce"), error.to_string());
            }
            if case.expect == Expected::Trusted
                && case.expect_reasons.as_ref().is_some_and(|ids| !ids.is_empty())
            {
                findings.wrong(
                    &format!("case[{at}].expect_reasons"),
                    "reasons are against a device, and this one is expected to be trusted",
                );
            }
        }
        findings.finish(malformed).map(|_| cases)
    }

    /// The cases in their order, each with its lines.
    pub fn with_lines(&self) -> impl Iterator<Item = (&Case, CaseLines)> {
        self.cases.iter().zip(self.lines.iter().copied())
    }
}

impl Case {
    /// What differs from what the case expects; empty when it holds.
    #[must_use]
    pub fn differences(&self, rehearsal: &Rehearsal) -> Vec<String> {
        let mut differences = Vec::new();
        let expected = self.expect.verdict();
        if rehearsal.verdict() != expected {
            differences.push(format!("verdict {}, expected {expected}", rehearsal.verdict()));
        }
        if let Some(expected) = &self.expect_reasons {
            let mut found: Vec<&str> = rehearsal.reasons().iter().map(|reason| reason.id).collect();
            found.sort_unstable();
            found.dedup();
            for id in expected.iter().filter(|id| !found.contains(&id.as_str())) {
                differences.push(format!("no reason {id}, which is expected"));
            }
            for id in found.iter().filter(|id| !expected.iter().any(|expected| expected == *id)) {
                differences.push(format!("reason {id}, which is not expected"));
            }
        }
        differences
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[[case]]\nname = \"healthy\"\nevidence = \"a.evidence\"\nnonce = \"00112233445566778899aabbccddeeff\"\nat = \"2026-06-01T12:00:00Z\"\nexpect = \"trusted\"\n";

    #[test]
    fn a_file_of_cases_reads() {
        let cases = Cases::parse(&GOOD.repeat(2)).unwrap();
        assert_eq!((cases.cases.len(), cases.cases[0].expect), (2, Expected::Trusted));
        let lines: Vec<_> =
            cases.with_lines().map(|(_, lines)| (lines.evidence, lines.at, lines.baseline)).collect();
        assert_eq!(lines, [(3, 5, 1), (9, 11, 7)]);
    }

    #[test]
    fn v08_a_file_that_tests_nothing_is_refused() {
        for (text, told) in [
            (String::new(), "line 1: case: missing field `case`"),
            ("case = []".to_owned(), "line 1: case: 0 cases, expected 1 to"),
            (GOOD.replace("expect =", "expects ="), "line 6: case[0].expects: unknown field `expects`"),
            (GOOD.replace("\"trusted\"", "\"good\""), "line 6: case[0].expect: unknown variant `good`"),
            (GOOD.repeat(2).replacen("00112233", "xx", 2), "line 4: case[0].nonce: nonce is not hexadecimal"),
            (
                GOOD.to_owned() + "expect_reasons = [\"e01\"]",
                "line 7: case[0].expect_reasons: reasons are against",
            ),
        ] {
            let error = Cases::parse(&text).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
