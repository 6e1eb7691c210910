//! What is wrong with a policy, or weak in it, each with its line.

use std::fmt;

use thiserror::Error;

use super::document::Document;

/// One thing that is wrong with a policy, or legal and weak.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyFault {
    /// Its line, counted from 1. A field that is not there has its section's line.
    pub line: usize,
    /// The field by its path, e.g. `quote.pcrs`; empty when the text is no TOML.
    pub field: String,
    /// What is wrong, and what is expected.
    pub message: String,
}

impl PolicyFault {
    /// A fault, told without control characters: what a policy has for a name or value is repeated in it, and policies come from
    /// others as well.
    pub(super) fn new(line: usize, field: &str, message: &str) -> Self {
        let told = |text: &str| {
            let plain = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
            text.chars().map(plain).collect()
        };
        Self { line, field: told(field), message: told(message) }
    }
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, field, message } = self;
        write!(f, "line {line}: ")?;
        if !field.is_empty() {
            write!(f, "{field}: ")?;
        }
        f.write_str(message)
    }
}

/// Why a policy can't be used: all its faults, in the order of their lines.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("policy, {}", summary(.faults))]
pub struct PolicyError {
    faults: Vec<PolicyFault>,
}

impl PolicyError {
    /// The faults; at least one.
    #[must_use]
    pub fn faults(&self) -> &[PolicyFault] {
        &self.faults
    }
}

fn summary(faults: &[PolicyFault]) -> String {
    let first = faults.first().map_or_else(String::new, ToString::to_string);
    match faults.len().saturating_sub(1) {
        0 => first,
        1 => format!("{first} (and 1 more fault, see `hallmark policy check`)"),
        more => format!("{first} (and {more} more faults, see `hallmark policy check`)"),
    }
}

/// Where a section reports what is wrong with its values. A field is named by its path, an entry of a list by its index
/// from 0: `quote.pcrs`, `boot.references[1]`. The line is found here.
pub(super) struct Findings<'d, 't> {
    document: &'d Document<'t>,
    faults: Vec<PolicyFault>,
    weaknesses: Vec<PolicyFault>,
}

impl<'d, 't> Findings<'d, 't> {
    pub(super) fn new(document: &'d Document<'t>) -> Self {
        Self { document, faults: Vec::new(), weaknesses: Vec::new() }
    }

    /// A value without sense: the policy can't be used.
    pub(super) fn wrong(&mut self, field: &str, message: impl Into<String>) {
        let fault = self.at(field, &message.into());
        self.faults.push(fault);
    }

    /// A value that is legal and weak: `policy check` tells it, and nothing else changes.
    pub(super) fn weak(&mut self, field: &str, message: impl Into<String>) {
        let fault = self.at(field, &message.into());
        self.weaknesses.push(fault);
    }

    fn at(&self, field: &str, message: &str) -> PolicyFault {
        PolicyFault::new(self.document.line(field), field, message)
    }

    /// Faults of the form and of the values, together; else the weaknesses.
    pub(super) fn finish(self, malformed: Vec<PolicyFault>) -> Result<Vec<PolicyFault>, PolicyError> {
        let Self { mut faults, mut weaknesses, .. } = self;
        // A value that was malformed was judged by its default: what is said of that would mislead.
        faults.retain(|fault| !malformed.iter().any(|other| covers(&other.field, &fault.field)));
        faults.extend(malformed);
        if faults.is_empty() {
            weaknesses.sort();
            Ok(weaknesses)
        } else {
            Err(failed(faults))
        }
    }
}

pub(super) fn failed(mut faults: Vec<PolicyFault>) -> PolicyError {
    faults.sort();
    faults.dedup();
    PolicyError { faults }
}

/// Whether `field` is `outer` or stands in it.
fn covers(outer: &str, field: &str) -> bool {
    field.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use crate::policy::Policy;

    #[test]
    fn v08_a_fault_says_what_the_policy_has_without_its_control_characters() {
        for text in
            ["version = 1\nname = \"\\u001b[2J\"\n[boot]\nsecure_boot = \"on\\r\"", "\"a\\u001b\" = 1"]
        {
            let error = Policy::parse(text).unwrap_err();
            assert!(!error.to_string().chars().any(char::is_control), "{error:?}");
            for fault in error.faults() {
                assert!(!fault.to_string().chars().any(char::is_control), "{fault:?}");
            }
            assert!(error.faults().iter().any(|fault| fault.to_string().contains("\\")), "{error}");
        }
    }
}
