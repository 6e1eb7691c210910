//! A machine with systemd 257 that a factory provisioned, that was recorded as golden in one boot, and that attested in the next: its
//! evidence as it left the machine (vectors/systemd-257-device), judged by the command with the true chain of certificates.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::Path;

use attest::evidence::{Evidence, Log, MAX_MEASUREMENT_LOG};
use serde_json::Value;
use tpm_sim_tests::{Lab, vectors};

const NONCE: &str = "8b1f0c52d93e4a7760c5e2f1a4d8937b5c0e6f21d7a94830b2c1f6e5d4a39787";
/// All that the machine boots. What PCR 15 has is this machine's own.
const BOOT: &str = "pcrs = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14]";
/// The transient machine id of the initrd is another in each boot; the true one is in PCR 15.
const FILES: &str = "[ima]\nlist = \"require\"\nexclude = [\"/etc/machine-id\"]";

/// A folder with what the verifier has, and the machine's evidence.
fn lab() -> Lab {
    let lab = Lab::empty().unwrap();
    for file in fs::read_dir(vectors().join("systemd-257-device")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), lab.path(file.file_name().to_str().unwrap())).unwrap();
    }
    assert_eq!(fs::read_to_string(lab.path("nonce.hex")).unwrap().trim(), NONCE);
    lab
}

fn judge(lab: &Lab, evidence: &str, quote: &str, golden: &str, more: &str) -> Value {
    let policy = format!(
        "version = 1\nname = \"machine\"\n[trust]\ndevice_roots = [\"root.pem\"]\nreference_keys = [\"key.pem.pub\"]\n\
         [quote]\n{quote}\n[boot]\nreferences = [\"{golden}\"]\n{more}\n"
    );
    fs::write(lab.path("policy.toml"), policy).unwrap();
    let arguments = ["--format", "json", "appraise", evidence, "--nonce", NONCE, "--policy", "policy.toml"];
    let ran = lab.hallmark(&arguments);
    ran.json().unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

fn reasons(report: &Value) -> Vec<String> {
    let text = |reason: &Value, name: &str| reason[name].as_str().unwrap().to_owned();
    let told = |reason: &Value| {
        format!("[{}] {}: {}", text(reason, "id"), text(reason, "where"), text(reason, "what"))
    };
    report["reasons"].as_array().unwrap().iter().map(told).collect()
}

#[test]
fn e15_a_systemd_machine_is_trusted_whole_and_nothing_quoted_is_unexplained() {
    let lab = lab();
    let report = judge(&lab, "evidence-late", BOOT, "golden-late.json", FILES);
    assert_eq!((&report["verdict"], reasons(&report)), (&Value::from("trusted"), Vec::new()), "{report:#}");
    let claims = &report["claims"];
    assert_eq!(claims["device_id"], "systemd-1");
    for pcr in claims["pcrs"].as_array().unwrap() {
        let standing = pcr["standing"].as_str().unwrap();
        assert!(["known", "explained", "untouched"].contains(&standing), "{pcr}");
    }
    let system = &claims["boot"]["system"];
    assert_eq!(system["machine_id"], "68616c6c6d61726b0000000000000257", "{system}");
    assert_eq!(system["phases"], serde_json::json!(["enter-initrd", "leave-initrd", "sysinit", "ready"]));
}

#[test]
fn the_phase_in_which_a_machine_was_recorded_is_no_matter() {
    let lab = lab();
    for (golden, evidence, phases) in [("early", "late", 4), ("late", "early", 3), ("early", "early", 3)] {
        let files = if golden == "late" { FILES } else { "" };
        let (evidence, golden) = (format!("evidence-{evidence}"), format!("golden-{golden}.json"));
        let report = judge(&lab, &evidence, BOOT, &golden, files);
        assert_eq!(report["verdict"], "trusted", "{evidence} by {golden}: {report:#}");
        assert_eq!(report["claims"]["boot"]["system"]["phases"].as_array().unwrap().len(), phases);
    }
}

#[test]
fn i12_what_is_another_file_in_each_boot_is_told_unless_the_policy_leaves_it_out() {
    let report = judge(&lab(), "evidence-late", BOOT, "golden-late.json", "[ima]\nlist = \"require\"");
    let reasons = reasons(&report);
    assert_eq!(reasons.len(), 1, "{reasons:#?}");
    assert!(reasons[0].starts_with("[i12]") && reasons[0].contains("/etc/machine-id"), "{reasons:#?}");
}

#[test]
fn e01_evidence_that_lacks_one_of_systemds_records_is_refused() {
    let lab = lab();
    let whole = Evidence::parse(&fs::read(lab.path("evidence-late")).unwrap()).unwrap();
    let log = whole.measurement_logs[0].log.bytes(MAX_MEASUREMENT_LOG).unwrap().into_owned();
    let records: Vec<_> = log.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(records.len(), 7);
    for dropped in 0..records.len() {
        let mut cut = whole.clone();
        let kept = records.iter().enumerate().filter(|(index, _)| *index != dropped);
        cut.measurement_logs[0].log =
            Log::plain(kept.flat_map(|(_, record)| record.iter().copied()).collect());
        fs::write(lab.path("cut"), cut.to_bytes().unwrap()).unwrap();
        let pcrs = "pcrs = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15]";
        let report = judge(&lab, "cut", pcrs, "golden-late.json", FILES);
        assert_eq!(report["verdict"], "refused", "without record {dropped}");
        let pcr = if (2..5).contains(&dropped) { 15 } else { 11 };
        let start = format!("[e01] PCR {pcr} (sha256): ");
        let reasons = reasons(&report);
        assert!(reasons.iter().any(|reason| reason.starts_with(&start)), "{dropped}: {reasons:#?}");
    }
}

#[test]
fn p01_the_machines_chain_ends_in_its_factory_and_no_other() {
    let lab = lab();
    let made = lab.hallmark(&["ca", "init", "--dir", "other", "--organization", "Other", "--name", "Other"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    fs::copy(lab.path("other/root.pem"), lab.path("root.pem")).unwrap();
    assert!(Path::new(&lab.path("root.pem")).exists());
    let report = judge(&lab, "evidence-late", BOOT, "golden-late.json", FILES);
    assert_eq!(report["verdict"], "refused");
    assert!(reasons(&report)[0].contains("certificate chain"), "{:#?}", reasons(&report));
}
