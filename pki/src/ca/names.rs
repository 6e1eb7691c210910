//! Names that an operator chooses: of the authority, and of hosts.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::certificate::printable;

/// Text that can't become a name in a certificate (threat p06).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// An authority's name.
    #[error(
        "{what} {found:?} is not accepted: 1 to {longest} bytes of printable text, no space at either end"
    )]
    Text {
        /// Which name.
        what: &'static str,
        /// The text, shortened.
        found: String,
        /// Most bytes.
        longest: usize,
    },
    /// A host's name.
    #[error(
        "host name {found:?} is not accepted: labels of letters, digits and '-', parted by '.', at most 253 bytes, no wildcard"
    )]
    Dns {
        /// The text, shortened.
        found: String,
    },
}

/// The names of a certificate authority. Its two certificates add "Root" and "Issuing" to the common name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedNames")]
pub struct AuthorityNames {
    organization: String,
    common_name: String,
}

/// The names as a file holds them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UncheckedNames {
    organization: String,
    common_name: String,
}

impl TryFrom<UncheckedNames> for AuthorityNames {
    type Error = NameError;

    fn try_from(names: UncheckedNames) -> Result<Self, Self::Error> {
        Self::new(&names.organization, &names.common_name)
    }
}

impl AuthorityNames {
    /// `organization` of 1 to 60 bytes, `common_name` of 1 to 52: with " Issuing" it stays below X.509's bound of 64.
    ///
    /// # Errors
    /// [`NameError`] for control characters, spaces at the ends, and names that are too long.
    pub fn new(organization: &str, common_name: &str) -> Result<Self, NameError> {
        check_text("organization", organization, 60)?;
        check_text("common name", common_name, 52)?;
        Ok(Self { organization: organization.to_owned(), common_name: common_name.to_owned() })
    }

    /// O=
    #[must_use]
    pub fn organization(&self) -> &str {
        &self.organization
    }

    /// CN=, without the addition.
    #[must_use]
    pub fn common_name(&self) -> &str {
        &self.common_name
    }
}

fn check_text(what: &'static str, text: &str, longest: usize) -> Result<(), NameError> {
    let good = (1..=longest).contains(&text.len())
        && text.trim() == text
        && text.chars().all(|c| !c.is_control() && !is_invisible(c));
    if good { Ok(()) } else { Err(NameError::Text { what, found: printable(text), longest }) }
}

/// Characters that change how the text around them is shown.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A host's name for a TLS server certificate: no wildcards, no address, no trailing dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsName(String);

impl DnsName {
    /// Takes a host name from the operator.
    ///
    /// # Errors
    /// [`NameError::Dns`] when it is none (RFC 1123 §2.1).
    pub fn new(text: &str) -> Result<Self, NameError> {
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let all_digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if text.len() <= 253 && !all_digits && text.split('.').all(label) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(NameError::Dns { found: printable(text) })
        }
    }

    /// The name in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p06_names_that_inject_are_refused() {
        for bad in ["", " Factory", "Fac\ntory", "Fac\0tory", "Fac\u{202e}tory", &"x".repeat(61)] {
            assert!(AuthorityNames::new(bad, "Devices").is_err(), "{bad:?}");
            assert!(AuthorityNames::new("Factory", bad).is_err(), "{bad:?}");
        }
        AuthorityNames::new("Müller, Söhne & Co. + KG", "Geräte").unwrap();
    }

    #[test]
    fn p06_host_names_with_wildcards_and_control_bytes_are_refused() {
        for bad in ["", "*.example.org", "a..b", "a.", "-a", "a-", "a\0b", "a b", "10.0.0.1", "a_b", "é.de"]
        {
            assert!(DnsName::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(DnsName::new("Verifier.Example.org").unwrap().as_str(), "verifier.example.org");
    }
}
