//! The guides, followed to the letter: each block of commands in its order, and what the guide shows of their output.
//!
//! What a guide needs that is not here is marked in its text, with the reason (see [`tpm_sim_tests::guide`]).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tpm_sim_tests::guide::Guide;
use tpm_sim_tests::{Lab, build_folder, hallmark};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/guides")
}

fn guide(name: &str) -> Guide {
    Guide::read(&folder().join(name)).unwrap_or_else(|error| panic!("{error}"))
}

/// Follows a guide in a new folder that looks like the repository after `make build`.
fn follow(guide: &Guide) {
    let root = tempfile::TempDir::with_prefix("hallmark-guide-").unwrap();
    let release = root.path().join("target/release");
    std::fs::create_dir_all(&release).unwrap();
    symlink(hallmark(), release.join("hallmark")).unwrap();
    symlink(build_folder().join("examples"), release.join("examples")).unwrap();
    symlink(env!("CARGO_MANIFEST_DIR"), root.path().join("tpm-sim-tests")).unwrap();
    let mut shell = Command::new("timeout");
    shell.args(["--kill-after=5", "120", "bash", "-c", &guide.script()]).current_dir(root.path());
    for name in ["HALLMARK_TCTI", "HALLMARK_STATE", "REPO"] {
        shell.env_remove(name);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths: Vec<PathBuf> = std::iter::once(release).chain(std::env::split_paths(&path)).collect();
    shell.env("PATH", std::env::join_paths(paths).unwrap()).env("NO_COLOR", "1").stdin(Stdio::null());
    let ran = tpm_sim_tests::run(&mut shell);
    // A guide that ends early leaves its TPM running.
    let device = root.path().join("lab/device");
    let _ = Command::new(hallmark()).args(["-q", "sim", "stop", "--state"]).arg(device).output();
    guide.check(&ran.stdout).unwrap_or_else(|error| panic!("{error}{}", ran.stderr));
}

/// Each row of "When the policy itself is wrong", made of the guide's own policy by one change.
#[test]
fn faults_of_a_policy_read_as_the_guide_says() {
    let guide = std::fs::read_to_string(folder().join("writing-a-policy.md")).unwrap();
    let (_, policy) = guide.split_once("```toml\n").unwrap();
    let (policy, _) = policy.split_once("```").unwrap();
    let pcrs = "pcrs = [0, 1, 2, 3, 4, 5, 6, 7, 9]";
    let bank = "bank = \"sha256\"";
    let ima = "[ima]\nlist = \"require\"\nunknown_files = \"refuse\"\nviolations = \"refuse\"\n";
    let faults = [
        ("empty file", policy, ""),
        ("a misspelt field", "pcrs =", "pcr ="),
        ("`version = 2`", "version = 1", "version = 2"),
        ("`pcrs = []`", pcrs, "pcrs = []"),
        ("PCR 16 to 23", pcrs, "pcrs = [16]"),
        ("PCR 30", pcrs, "pcrs = [30]"),
        ("PCR 10 without `[ima]`", ima, ""),
        ("`bank = \"sha1\"` alone", bank, "bank = \"sha1\""),
        ("`bank = \"md5\"`", bank, "bank = \"md5\""),
        ("`references = []`", "references = [\"golden.json\"]", "references = []"),
        ("`secure_boot = \"on\"`", "secure_boot = \"require\"", "secure_boot = \"on\""),
        ("`device_roots = []`", "device_roots = [\"factory/root.pem\"]", "device_roots = []"),
        ("`reference_keys = []`", "reference_keys = [\"reference.pem.pub\"]", "reference_keys = []"),
        ("`[ima]` without `list`", "list = \"require\"\n", ""),
        ("`lifetime_seconds = 0`", "lifetime_seconds = 300", "lifetime_seconds = 0"),
    ];
    let lab = Lab::empty().unwrap();
    for (row, before, after) in faults {
        let (_, rest) = guide.split_once(&format!("| {row} | `")).unwrap_or_else(|| panic!("no row {row}"));
        let message = rest.lines().next().unwrap().trim_end_matches(" |").trim_matches('`').trim();
        let mut wrong = policy.replacen(before, after, 1);
        assert_ne!(wrong, policy, "{row}");
        if row.starts_with("PCR 10") {
            wrong = wrong.replacen(pcrs, "pcrs = [10]", 1);
        }
        std::fs::write(lab.path("policy.toml"), wrong).unwrap();
        let nonce = "00112233445566778899aabbccddeeff";
        let ran = lab.hallmark(&["appraise", "evidence", "--nonce", nonce, "--policy", "policy.toml"]);
        assert_eq!(ran.code, Some(3), "{row}: {ran:?}");
        let told =
            ran.stderr.strip_prefix("refused: policy.toml: ").unwrap_or_else(|| panic!("{row}: {ran:?}"));
        let (start, end) = message.split_once('…').unwrap_or((message, ""));
        assert!(told.starts_with(start) && told.contains(end), "{row}: the guide says {message:?}: {ran:?}");
    }
}

#[test]
fn your_first_device() {
    follow(&guide("first-device.md"));
}

/// These go on in the lab of the first.
#[test]
fn writing_a_policy() {
    follow(&guide("first-device.md").then(guide("writing-a-policy.md")));
}

#[test]
fn reference_values() {
    follow(&guide("first-device.md").then(guide("reference-values.md")));
}

#[test]
fn signing_updates_in_ci() {
    follow(&guide("signing-updates-in-ci.md"));
}

#[test]
fn reading_a_boot_log() {
    follow(&guide("reading-a-boot-log.md"));
}
