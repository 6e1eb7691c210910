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
        let fault = self.at(field, message.into());
        self.faults.push(fault);
    }

    /// A value that is legal and weak: `policy check` tells it, and nothing else changes.
    pub(super) fn weak(&mut self, field: &str, message: impl Into<String>) {
        let fault = self.at(field, message.into());
        self.weaknesses.push(fault);
    }

    fn at(&self, field: &str, message: String) -> PolicyFault {
        PolicyFault { line: self.document.line(field), field: field.to_owned(), message }
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
