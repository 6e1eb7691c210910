use serde_json::{Value, json};

use super::*;
use crate::fixture::{FILES, file_entry, manifest};

fn parse(value: &Value) -> Result<Manifest, ManifestError> {
    Manifest::parse(&serde_json::to_vec(value).unwrap())
}

fn text() -> String {
    serde_json::to_string(&manifest(FILES, 7)).unwrap()
}

fn with(field: &str, value: Value) -> Value {
    let mut changed = manifest(FILES, 7);
    changed[field] = value;
    changed
}

fn with_files(entries: Vec<Value>) -> Value {
    with("files", Value::Array(entries))
}

fn with_modules(modules: Value) -> Result<Manifest, ManifestError> {
    parse(&with("modules", modules))
}

#[test]
fn a_manifest_says_what_stands_in_it() {
    let parsed = parse(&with("expires", json!("2027-01-01T00:00:00Z"))).unwrap();
    assert_eq!((parsed.product(), parsed.version(), parsed.release()), ("station", "1.7.0", 7));
    assert_eq!(parsed.hardware(), ["ws-1", "ws-2"]);
    assert_eq!(parsed.expires().unwrap().to_string(), "2027-01-01T00:00:00Z");
    assert_eq!(parsed.files().len(), 3);
    assert_eq!(parsed.payload_len(), 22);
    assert!(parsed.files()[0].is_executable());
    assert!(parsed.files()[1].chunks().is_empty());
}

#[test]
fn u03_a_field_that_stands_twice_is_refused_at_every_level() {
    let good = text();
    Manifest::parse(good.as_bytes()).unwrap();
    for (from, to) in [
        (r#""product":"#, r#""product":"other","product":"#),
        (r#""release":7"#, r#""release":7,"release":8"#),
        (r#""files":["#, r#""files":[],"files":["#),
        (r#""path":"bin/app""#, r#""path":"bin/app","path":"bin/app""#),
        (r#""size":17"#, r#""size":17,"size":17"#),
    ] {
        let changed = good.replacen(from, to, 1);
        assert_ne!(changed, good, "{from}");
        let error = Manifest::parse(changed.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("duplicate field"), "{from}: {error}");
        assert_eq!(error.threat(), "u03");
    }
    let module = r#""modules":[{"name":"m","path":"bin/app","args":[],"env":{"A":"1","A":"2"}}]"#;
    let changed = good.replace(r#""modules":[]"#, module);
    let error = Manifest::parse(changed.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("duplicate name"), "{error}");
}

#[test]
fn u03_unknown_missing_and_null_fields_are_refused() {
    let file = file_entry("a", b"", false);
    let mut odd_file = file.clone();
    odd_file["mode"] = json!("04755");
    let module = json!({"name": "m", "path": "bin/app", "args": []});
    let mut odd_module = module.clone();
    odd_module["user"] = json!("root");
    let mut null_stdin = module.clone();
    null_stdin["stdin"] = Value::Null;
    for bad in [
        with("comment", json!("hello")),
        with("expires", Value::Null),
        with_files(vec![odd_file]),
        with("modules", json!([odd_module])),
        with("modules", json!([null_stdin])),
        with("modules", Value::Null),
    ] {
        assert!(matches!(parse(&bad), Err(ManifestError::Syntax(_))), "{bad}");
    }
    for field in ["format", "product", "hardware", "version", "release", "created", "files", "modules"] {
        let mut bad = manifest(FILES, 7);
        bad.as_object_mut().unwrap().remove(field);
        assert!(matches!(parse(&bad), Err(ManifestError::Syntax(_))), "{field}");
    }
}

#[test]
fn u03_other_spellings_of_a_number_digest_or_document_are_refused() {
    let good = text();
    for (from, to) in [
        (r#""release":7"#, r#""release":7.0"#),
        (r#""release":7"#, r#""release":"7""#),
        (r#""release":7"#, r#""release":-7"#),
        (r#""release":7"#, r#""release":18446744073709551616"#),
        (r#""executable":true"#, r#""executable":1"#),
        ("{", "\u{feff}{"),
    ] {
        let changed = good.replacen(from, to, 1);
        assert_ne!(changed, good, "{to}");
        assert!(matches!(Manifest::parse(changed.as_bytes()), Err(ManifestError::Syntax(_))), "{to}");
    }
    let mut upper = file_entry("a", b"x", false);
    upper["sha256"] = json!(Sha256::of(b"x").to_hex().to_uppercase());
    assert!(matches!(parse(&with_files(vec![upper])), Err(ManifestError::Syntax(_))));
    assert!(Manifest::parse(format!("{good}{good}").as_bytes()).is_err());
    assert!(Manifest::parse(format!("{good},").as_bytes()).is_err());
    assert!(Manifest::parse(&[good.as_bytes(), &[0]].concat()).is_err());
    assert!(Manifest::parse(b"").is_err());
    assert!(Manifest::parse("[".repeat(100_000).as_bytes()).is_err());
}

#[test]
fn a_later_format_is_told() {
    assert!(matches!(parse(&with("format", json!(2))), Err(ManifestError::Format { found: 2 })));
}

#[test]
fn u04_release_zero_is_refused() {
    assert!(matches!(parse(&with("release", json!(0))), Err(ManifestError::ReleaseZero)));
}

#[test]
fn u06_no_hardware_fits_nothing() {
    assert!(matches!(parse(&with("hardware", json!([]))), Err(ManifestError::NoHardware)));
}

#[test]
fn names_hold_only_what_can_be_shown_and_compared() {
    let long = "a".repeat(65);
    for bad in ["", "a b", "a\n", "-a", ".", "ä", "a/b", long.as_str(), "*"] {
        for field in ["product", "version"] {
            assert!(matches!(parse(&with(field, json!(bad))), Err(ManifestError::Name { .. })), "{bad:?}");
        }
        let bad = with("hardware", json!(["ws-2", bad]));
        assert!(matches!(parse(&bad), Err(ManifestError::Name { .. })), "{bad}");
    }
}

#[test]
fn u05_times_have_one_spelling_and_an_order() {
    for bad in [
        "2026-05-01",
        "2026-05-01T00:00:00+00:00",
        "2026-05-01T02:00:00+02:00",
        "2026-05-01T00:00:00.5Z",
        "2026-05-01t00:00:00z",
        "2026-05-01 00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-05-01T00:00:60Z",
        "",
    ] {
        for field in ["created", "expires"] {
            let refused = parse(&with(field, json!(bad)));
            assert!(matches!(refused, Err(ManifestError::Time { .. })), "{field} {bad:?}");
        }
    }
    let refused = parse(&with("expires", json!("2026-05-01T00:00:00Z")));
    assert!(matches!(refused, Err(ManifestError::ExpiresBeforeCreated { .. })));
}

#[test]
fn u10_paths_of_a_manifest_are_checked_ordered_and_apart() {
    let entry = |path: &str| file_entry(path, b"", false);
    for bad in ["../a", "/a", "", "a//b", "a\\b", "a\nb", "a/.."] {
        let refused = parse(&with_files(vec![entry(bad)]));
        assert!(matches!(refused, Err(ManifestError::Path { .. })), "{bad:?}");
        assert_eq!(refused.unwrap_err().threat(), "u10");
    }
    for bad in [["a", "a"], ["b", "a"]] {
        let refused = parse(&with_files(bad.map(entry).to_vec()));
        assert!(matches!(refused, Err(ManifestError::Order { .. })), "{bad:?}");
    }
    for bad in [["A", "a"], ["a", "a/b"], ["STRASSE", "straße"]] {
        let refused = parse(&with_files(bad.map(entry).to_vec()));
        assert!(matches!(refused, Err(ManifestError::Collision { .. })), "{bad:?}");
    }
}

#[test]
fn u09_too_many_entries_and_sizes_that_overflow_are_refused() {
    let files = (0..=MAX_FILES).map(|n| file_entry(&format!("{n:06}"), b"", false)).collect();
    assert!(matches!(parse(&with_files(files)), Err(ManifestError::TooMany { what: "files", .. })));
    let hardware: Vec<String> = (0..=MAX_HARDWARE).map(|n| n.to_string()).collect();
    assert!(matches!(parse(&with("hardware", json!(hardware))), Err(ManifestError::TooMany { .. })));
    let module = json!({"name": "m", "path": "bin/app", "args": []});
    let modules = vec![module; MAX_MODULES + 1];
    assert!(matches!(with_modules(json!(modules)), Err(ManifestError::TooMany { .. })));
    let mut files = vec![file_entry("a", b"", false), file_entry("b", b"", false)];
    files[0]["size"] = json!(u64::MAX);
    files[1]["size"] = json!(1);
    assert!(matches!(parse(&with_files(files)), Err(ManifestError::SizeOverflow { .. })));
    let long = vec![b' '; usize::try_from(MAX_MANIFEST).unwrap() + 1];
    assert!(matches!(Manifest::parse(&long), Err(ManifestError::TooLong { .. })));
}

#[test]
fn u02_chunks_that_do_not_cover_the_size_are_refused() {
    let mut entry = file_entry("a", b"abc", false);
    for (size, is_good) in [(3, true), (1 << 20, true), (0, false), ((1 << 20) + 1, false), (u64::MAX, false)]
    {
        entry["size"] = json!(size);
        assert_eq!(parse(&with_files(vec![entry.clone()])).is_ok(), is_good, "{size}");
    }
    let mut two = file_entry("a", b"abc", false);
    two["sha256"] = json!(Sha256::of(b"abd").to_hex());
    assert!(matches!(parse(&with_files(vec![two])), Err(ManifestError::TwoDigests { .. })));
    let mut empty = file_entry("a", b"", false);
    empty["sha256"] = json!(Sha256::of(b"x").to_hex());
    assert!(matches!(parse(&with_files(vec![empty])), Err(ManifestError::TwoDigests { .. })));
}

fn module(name: &str) -> Value {
    json!({"name": name, "path": "bin/app", "args": ["--x"]})
}

fn piped(name: &str, stdin: &str) -> Value {
    let mut module = module(name);
    module["stdin"] = json!(stdin);
    module
}

fn module_fault(modules: Value) -> ModuleFault {
    match with_modules(modules).unwrap_err() {
        ManifestError::Module { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

#[test]
fn modules_that_feed_each_other_are_accepted() {
    let mut first = module("first");
    first["env"] = json!({"LANG": "C", "_X1": ""});
    let parsed = with_modules(json!([piped("last", "middle"), piped("middle", "first"), first])).unwrap();
    let last = &parsed.modules()[0];
    assert_eq!((last.name(), last.path(), last.stdin()), ("last", "bin/app", Some("middle")));
    assert_eq!(last.args(), ["--x"]);
    assert_eq!(parsed.modules()[2].env()["LANG"], "C");
}

#[test]
fn r03_modules_that_can_not_be_started_as_described_are_refused() {
    let long = "a".repeat(65);
    for bad in ["", "A", "a_b", "a b", "../x", "ä", long.as_str()] {
        assert_eq!(module_fault(json!([module(bad)])), ModuleFault::Name, "{bad:?}");
    }
    assert_eq!(module_fault(json!([module("a"), module("a")])), ModuleFault::Repeated);
    let mut stray = module("a");
    stray["path"] = json!("bin/other");
    assert!(matches!(module_fault(json!([stray])), ModuleFault::NoSuchFile { .. }));
    let mut text = module("a");
    text["path"] = json!("etc/note");
    assert!(matches!(module_fault(json!([text])), ModuleFault::NotExecutable { .. }));
    for bad in ["a\0b".to_owned(), "a".repeat(MAX_ARG + 1)] {
        let mut module = module("a");
        module["args"] = json!(["x", bad]);
        assert_eq!(module_fault(json!([module])), ModuleFault::Argument { index: 1 });
    }
    let mut many = module("a");
    many["args"] = json!(vec!["x"; MAX_ARGS + 1]);
    assert_eq!(module_fault(json!([many])), ModuleFault::Argument { index: MAX_ARGS });
}

#[test]
fn r09_an_environment_that_steers_the_loader_is_refused() {
    for bad in ["LD_PRELOAD", "LD_LIBRARY_PATH", "GCONV_PATH", "", "A=B", "1A", "a b", "Ä"] {
        let mut module = module("a");
        module["env"] = json!({bad: "x"});
        assert!(matches!(module_fault(json!([module])), ModuleFault::Environment { .. }), "{bad:?}");
    }
    let mut nul = module("a");
    nul["env"] = json!({"A": "a\0b"});
    assert!(matches!(module_fault(json!([nul])), ModuleFault::Environment { .. }));
}

#[test]
fn r03_pipes_that_lead_nowhere_or_in_a_circle_are_refused() {
    assert!(matches!(module_fault(json!([piped("a", "b")])), ModuleFault::NoSuchSource { .. }));
    assert!(matches!(module_fault(json!([piped("a", "a")])), ModuleFault::NoSuchSource { .. }));
    assert_eq!(module_fault(json!([piped("a", "b"), piped("b", "a")])), ModuleFault::Cycle);
    let tail = json!([piped("t", "a"), piped("a", "b"), piped("b", "a")]);
    assert_eq!(module_fault(tail), ModuleFault::Cycle);
    let fork = json!([piped("a", "c"), piped("b", "c"), module("c")]);
    assert!(matches!(module_fault(fork), ModuleFault::SourceTaken { .. }));
}
