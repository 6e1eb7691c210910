//! The guides, followed to the letter: each block of commands in its order, and what the guide shows of their output.
//!
//! What a guide needs that is not here is marked in its text, with the reason (see [`tpm_sim_tests::guide`]).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tpm_sim_tests::guide::Guide;
use tpm_sim_tests::{build_folder, hallmark};

fn guide(name: &str) -> Guide {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/guides");
    Guide::read(&folder.join(name)).unwrap_or_else(|error| panic!("{error}"))
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
