//! The main job, as `make demo` shows it: every step of the script is asserted by the script.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::Command;

#[test]
fn the_main_job_from_the_factory_to_six_refusals() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/demo.sh");
    let output = Command::new("bash").arg(script).arg(tpm_sim_tests::build_folder()).output().unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    assert_eq!(text.matches("exit 3").count(), 6, "{text}");
}
