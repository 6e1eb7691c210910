//! The name that a factory gives a device.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

/// Longest device id, in bytes: a common name may not be longer (RFC 5280 Appendix A, ub-common-name).
pub const MAX_DEVICE_ID: usize = 64;

/// Text that is no device id (threats p06, p19).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "device id {found:?} is not accepted: 1 to {MAX_DEVICE_ID} letters, digits, '.', '_' and '-', starting with a letter or digit"
)]
pub struct DeviceIdError {
    found: String,
}

/// A device id: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
///
/// It ends up in certificates, file names, URLs and reports, so it holds nothing that any of these reads in its own way
/// (threat p19).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct DeviceId(String);

impl DeviceId {
    /// Takes a device id from the enrolment record.
    ///
    /// # Errors
    /// [`DeviceIdError`] with the text, shortened and escaped.
    pub fn new(text: &str) -> Result<Self, DeviceIdError> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if (1..=MAX_DEVICE_ID).contains(&text.len())
            && text.bytes().all(good)
            && text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        {
            return Ok(Self(text.to_owned()));
        }
        Err(DeviceIdError { found: text.chars().take(MAX_DEVICE_ID).collect() })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for DeviceId {
    type Err = DeviceIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for DeviceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p19_ids_with_paths_markup_newlines_and_control_characters_are_refused() {
        let long = "a".repeat(65);
        for bad in [
            "",
            ".hidden",
            "-rf",
            "../x",
            "a/b",
            "a\\b",
            "a b",
            "a\nb",
            "a\0b",
            "a\u{1b}[31m",
            "<b>",
            "a%00",
            "*.example",
            "é",
            "a,CN=b",
            "a+b",
            "a=b",
            "a;b",
            "a\"b",
            &long,
        ] {
            let error = DeviceId::new(bad).unwrap_err().to_string();
            assert!(!error.chars().any(char::is_control), "{error}");
        }
        assert!(serde_json::from_str::<DeviceId>("\"a/b\"").is_err());
    }

    #[test]
    fn usual_ids_are_accepted() {
        for good in ["gw-0042", "A", "7", "SN_12.b-c", &"x".repeat(64)] {
            assert_eq!(DeviceId::new(good).unwrap().as_str(), good);
        }
    }
}
