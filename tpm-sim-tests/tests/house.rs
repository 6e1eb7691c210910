//! Rules of the house that no compiler checks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn dependencies(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "-p",
            package,
            "-e",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn verifiers_need_no_tpm_library() {
    for package in ["attest", "pki", "update-verify", "runtime"] {
        let tree = dependencies(package);
        assert!(tree.contains("ring"), "{package}: the tree was read: {tree:?}");
        for foreign in ["tss-esapi", "tss-esapi-sys", "openssl", "openssl-sys", "aws-lc-rs", "tokio"] {
            assert!(!tree.contains(foreign), "{package} pulls in {foreign}");
        }
    }
    assert!(dependencies("tpm").contains("tss-esapi"), "the test can fail");
}

#[test]
fn arrows_point_downwards_only() {
    let order = ["tpm", "attest", "pki", "update-verify", "runtime", "cli"];
    for (floor, package) in order.iter().enumerate() {
        let tree = dependencies(package);
        for above in &order[floor + 1..] {
            assert!(!tree.contains(*above), "{package} imports {above}");
        }
    }
    assert!(!dependencies("attest").contains("tpm"), "attest is pure");
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with(".git") {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Whether a function of that name exists below a `#[test]`; inside `proptest!` other attributes may stand between.
fn is_a_test(sources: &str, name: &str) -> bool {
    sources.match_indices(&format!("fn {name}(")).any(|(at, _)| {
        let before = sources.get(..at).unwrap();
        before.rsplit('}').next().unwrap().contains("#[test]")
    })
}

#[test]
fn every_threat_in_the_list_has_the_tests_that_it_names() {
    let mut files = Vec::new();
    rust_files(&root(), &mut files);
    let sources: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let list = fs::read_to_string(root().join("docs/threats.md")).unwrap();
    let mut rows = 0;
    for row in list.lines().filter(|line| line.starts_with("| ") && line.as_bytes()[3].is_ascii_digit()) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let (id, tests) = (cells[1], cells[3]);
        for test in tests.split(", ").map(|test| test.trim_matches('`')) {
            assert!(test.contains(id), "{id} names {test}, which does not carry its id");
            assert!(is_a_test(&sources, test), "{id} names {test}, which is no test");
        }
        rows += 1;
    }
    assert!(rows >= 40, "only {rows} rows");
}

fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("book") {
            documents(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

#[test]
fn links_in_the_documents_lead_to_files() {
    let mut files: Vec<_> = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
        .iter()
        .map(|name| root().join(name))
        .collect();
    documents(&root().join("docs"), &mut files);
    let mut links = 0;
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for (_, rest) in text.match_indices("](").map(|(at, _)| text.split_at(at + 2)) {
            let target = rest.split([')', '#', ' ']).next().unwrap();
            if target.is_empty() || target.contains(':') {
                continue;
            }
            assert!(
                file.parent().unwrap().join(target).exists(),
                "{}: {target} is not there",
                file.display()
            );
            links += 1;
        }
    }
    assert!(links > 50, "only {links} links were found");
}
