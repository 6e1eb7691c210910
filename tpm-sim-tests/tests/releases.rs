//! Releases on a device with a TPM: which are installed, and which run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use tpm_sim_tests::{Lab, Ran, build_folder};

const TRUST: [&str; 6] = ["--key", "key.pem.pub", "--product", "gw", "--hardware", "h"];

fn good(ran: Ran) -> Ran {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran
}

/// Packs and signs what is in `build` as `NAME.hmk`.
fn pack(lab: &Lab, name: &str, release: &str, modules: &str) {
    let description = format!(
        "product = \"gw\"\nhardware = [\"h\"]\nversion = \"{release}\"\nrelease = {release}\n{modules}"
    );
    fs::write(lab.path("package.toml"), description).unwrap();
    let out = format!("{name}.hmk");
    let what = ["update", "pack", "build", "--description", "package.toml"];
    good(lab.hallmark(&[&what[..], &["--key", "key.pem", "--out", &out]].concat()));
}

fn install(lab: &Lab, package: &str) -> Ran {
    lab.hallmark(&[&["update", "install", package], &TRUST[..]].concat())
}

fn refused(ran: &Ran) {
    assert!(ran.code == Some(3) && ran.stderr.contains("[u04]"), "{ran:?}");
}

#[test]
fn u04_the_floor_survives_a_new_disk() {
    let lab = Lab::with_reference().unwrap();
    fs::create_dir_all(lab.path("build")).unwrap();
    fs::write(lab.path("build/data"), "x").unwrap();
    pack(&lab, "1", "1", "");
    pack(&lab, "2", "2", "");
    good(install(&lab, "2.hmk"));
    fs::remove_dir_all(lab.path("state/releases")).unwrap();
    refused(&install(&lab, "1.hmk"));
    good(install(&lab, "2.hmk"));
    // The same number with other content.
    fs::write(lab.path("build/data"), "y").unwrap();
    pack(&lab, "2b", "2", "");
    refused(&install(&lab, "2b.hmk"));
}

#[test]
fn modules_stop_when_another_release_is_installed() {
    let lab = Lab::with_reference().unwrap();
    lab.write_policy(
        "",
        "[quote]\npcrs = [0, 2, 4, 7]\n[boot]\nreferences = [\"golden.json\"]\n[result]\nlifetime_seconds = 6",
    )
    .unwrap();
    fs::create_dir_all(lab.path("build/bin")).unwrap();
    fs::copy(build_folder().join("examples/thermometer"), lab.path("build/bin/thermometer")).unwrap();
    let modules = "[[module]]\nname = \"t\"\npath = \"bin/thermometer\"\n";
    pack(&lab, "1", "1", modules);
    pack(&lab, "2", "2", modules);
    good(install(&lab, "1.hmk"));
    let arguments = [&["run", "--policy", "policy.toml"], &TRUST[..]].concat();
    let child = lab.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let is_running = || {
        std::thread::sleep(Duration::from_millis(100));
        lab.hallmark(&["--format", "json", "module", "status"]).stdout.contains("\"running\": true")
    };
    assert!((0..100).any(|_| is_running()), "the supervisor did not start");
    good(install(&lab, "2.hmk"));
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert!(
        ran.code == Some(1) && ran.stderr.contains("installed now is gw 2 (release 2): start it"),
        "{ran:?}"
    );
}
