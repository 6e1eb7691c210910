//! The manifest as JSON. Derived structs refuse unknown and repeated fields; what serde accepts beside that (null for an
//! absent field, a map whose last duplicate wins) is refused here (threat u03).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::digest::Sha256;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    pub(crate) format: u32,
    pub(crate) product: String,
    pub(crate) hardware: Vec<String>,
    pub(crate) version: String,
    pub(crate) release: u64,
    pub(crate) created: String,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<String>,
    pub(crate) files: Vec<File>,
    pub(crate) modules: Vec<Module>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) executable: bool,
    pub(crate) sha256: Sha256,
    pub(crate) chunks: Vec<Sha256>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) args: Vec<String>,
    #[serde(default, deserialize_with = "distinct", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) env: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) stdin: Option<String>,
}

/// A field that is either absent or a value: `null` would be a second spelling of "absent".
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

/// A map in which a name stands once. `BTreeMap`'s own implementation keeps the last of two, so that what a person
/// reads first and what the device uses would differ.
fn distinct<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    struct DistinctVisitor;
    impl<'de> de::Visitor<'de> for DistinctVisitor {
        type Value = BTreeMap<String, String>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of strings")
        }
        fn visit_map<A: de::MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some((name, value)) = access.next_entry::<String, String>()? {
                if map.contains_key(&name) {
                    return Err(de::Error::custom(format_args!("duplicate name {name:?}")));
                }
                map.insert(name, value);
            }
            Ok(map)
        }
    }
    deserializer.deserialize_map(DistinctVisitor)
}
