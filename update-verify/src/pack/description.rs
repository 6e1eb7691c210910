//! What a package is, as its maker writes it down: a TOML file beside the folder that becomes the payload.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::PackError;

/// The description of a package to be made.
///
/// ```
/// let description = update_verify::pack::Description::from_toml(r#"
///     product = "weather-station"
///     hardware = ["ws-2"]
///     version = "2.4.0"
///     release = 24
///     expires = "2030-01-01T00:00:00Z"    # may be left out
///
///     [[module]]
///     name = "sensor"
///     path = "bin/sensor"
///     args = ["--every", "10"]
///     env = { LANG = "C" }
///
///     [[module]]
///     name = "sender"
///     path = "bin/sender"
///     stdin = "sensor"
/// "#).unwrap();
/// assert_eq!(description.release, 24);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The product; a device of another one refuses the package.
    pub product: String,
    /// The hardware ids; a device of another one refuses the package.
    pub hardware: Vec<String>,
    /// The version as people read it.
    pub version: String,
    /// The rollback index: higher than that of every earlier release.
    pub release: u64,
    /// From when on devices refuse the package: `2030-01-01T00:00:00Z`.
    #[serde(default)]
    pub expires: Option<String>,
    /// The programs that the runtime starts.
    #[serde(default, rename = "module")]
    pub modules: Vec<ModuleDescription>,
}

/// A module of a package to be made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleDescription {
    /// `[a-z0-9-]{1,64}`.
    pub name: String,
    /// Path of an executable file inside the folder.
    pub path: String,
    /// Arguments after the program's name.
    #[serde(default)]
    pub args: Vec<String>,
    /// The environment, complete.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The module whose standard output is this one's standard input.
    #[serde(default)]
    pub stdin: Option<String>,
}

impl Description {
    /// From TOML.
    ///
    /// # Errors
    /// When it is not TOML, or a field is missing, unknown, repeated or of another type. What the fields hold is judged
    /// when the package is made.
    pub fn from_toml(text: &str) -> Result<Self, PackError> {
        toml::from_str(text).map_err(|error| {
            let before = text.bytes().take(error.span().map_or(0, |span| span.start));
            let line = before.filter(|byte| *byte == b'\n').count().saturating_add(1);
            PackError::Description { line, message: error.message().replace('\n', " ") }
        })
    }
}
