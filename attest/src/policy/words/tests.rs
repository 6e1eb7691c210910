//! Every field has words: walked over the policy as it is serialized, so that a new field can't be forgotten.

use serde_json::Value;

use super::*;

/// Every section and every list has something in it.
const FULL: &str = r#"
version = 1
name = "full"
[trust]
device_roots = ["root.pem"]
reference_keys = ["reference.pub"]
revoked = ["revoked.txt"]
[quote]
pcrs = [0, 4, 7, 8, 10]
tolerate = [0]
[boot]
references = ["golden.json"]
file_sets = ["set.bin"]
withdrawn = ["withdrawn.json"]
authorities = ["sha256:1111111111111111111111111111111111111111111111111111111111111111"]
dbx_contains = ["sha256:2222222222222222222222222222222222222222222222222222222222222222"]
dbx_minimum = 3
sbat_minimum = { shim = 4 }
sbat_date = 2024010900
command_line = ["quiet"]
loader = "grub"
firmware_versions = ["1.0"]
[ima]
list = "require"
other_pcrs = [11]
exclude = ["/tmp/**"]
revoked_keys = ["old.pem"]
keyrings = { site = ["site.pem"] }
evm_keyrings = { packages = ["evm.pem"] }
measured_keyrings = { ".ima" = "site" }
[ima.buffers]
kexec-cmdline = ["sha256:3333333333333333333333333333333333333333333333333333333333333333"]
[[ima.rules]]
paths = ["/opt/**"]
digests = ["sha256:4444444444444444444444444444444444444444444444444444444444444444"]
signed_by = ["site"]
[rego]
files = ["site.rego"]
[result]
lifetime_seconds = 60
"#;

/// Fields that say nothing of a device.
const WORDLESS: [&str; 2] = ["version", "name"];

/// Every field of the policy: its path in words, and its JSON pointer.
fn fields(policy: &Policy) -> Vec<(String, String)> {
    let whole = serde_json::to_value(policy).unwrap();
    let mut fields = Vec::new();
    for (section, inner) in whole.as_object().unwrap() {
        let Value::Object(inner) = inner else {
            assert!(!inner.is_null(), "{section} is missing in FULL");
            fields.push((section.clone(), format!("/{section}")));
            continue;
        };
        for (field, value) in inner {
            fields.push((format!("{section}.{field}"), format!("/{section}/{field}")));
            let entry = value.get(0).and_then(Value::as_object);
            for name in entry.into_iter().flatten().map(|(name, _)| name) {
                fields.push((format!("{section}.{field}.{name}"), format!("/{section}/{field}/0/{name}")));
            }
        }
    }
    fields
}

/// Another value of the same kind.
fn others(value: &Value) -> Vec<Value> {
    match value {
        Value::Bool(set) => vec![Value::Bool(!set)],
        Value::Number(number) => vec![(number.as_u64().unwrap() + 1).into()],
        Value::String(_) => {
            ["refuse", "report", "allow", "require", "optional", "matching", "valid", "sha384", "uki"]
                .into_iter()
                .map(Value::from)
                .filter(|other| other != value)
                .collect()
        }
        Value::Array(_) => vec![Value::Array(Vec::new())],
        Value::Object(_) => vec![serde_json::json!({})],
        Value::Null => Vec::new(),
    }
}

#[test]
fn every_field_changes_the_words() {
    let policy = Policy::parse(FULL).unwrap();
    let fields = fields(&policy);
    assert!(fields.len() > 45, "{fields:#?}");
    for (field, pointer) in fields.iter().filter(|(field, _)| !WORDLESS.contains(&field.as_str())) {
        let whole = serde_json::to_value(&policy).unwrap();
        let value = whole.pointer(pointer).unwrap();
        let empty = value.as_array().is_some_and(Vec::is_empty) || value == &serde_json::json!({});
        assert!(!empty && !value.is_null(), "{field} has nothing in it in FULL");
        let mut tried = 0;
        for other in others(value) {
            let mut changed = whole.clone();
            *changed.pointer_mut(pointer).unwrap() = other.clone();
            let Ok(changed) = serde_json::from_value::<Policy>(changed) else { continue };
            assert_ne!(changed.demands(), policy.demands(), "{field} = {other} has no word");
            tried += 1;
        }
        assert!(tried > 0, "{field}: no other value was tried");
    }
}

#[test]
fn every_field_says_what_it_would_weaken() {
    for (field, _) in fields(&Policy::parse(FULL).unwrap()) {
        assert_eq!(weakens(&field).is_empty(), WORDLESS.contains(&field.as_str()), "{field}");
    }
    for unknown in ["", "trust", "quote.pcr", "boot.x", "ima.rules.x", "rego.x", "result.x"] {
        assert_eq!(weakens(unknown), "", "{unknown}");
    }
}

#[test]
fn sections_that_are_left_out_have_words_too() {
    let mut policy = Policy::parse(FULL).unwrap();
    let with = policy.demands();
    policy.ima = None;
    policy.rego = None;
    let without = policy.demands();
    assert!(without.iter().any(|words| words == "Files that ran after the boot are not judged."));
    assert!(without.iter().all(|words| !words.contains("site.rego")) && without.len() < with.len());
}

#[test]
fn long_lists_are_counted() {
    assert_eq!(listed(["a", "b"]), "a, b");
    assert_eq!(listed(["a", "b", "c", "d", "e", "f"]), "a, b, c, d and 2 more");
}
