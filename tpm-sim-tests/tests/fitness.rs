//! A machine's fitness, told before it gets an identity, and kept with its record.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use tpm_sim_tests::Lab;

fn ids(findings: &serde_json::Value) -> Vec<&str> {
    findings.as_array().unwrap().iter().map(|finding| finding["id"].as_str().unwrap()).collect()
}

#[test]
fn q14_a_machine_whose_firmware_measured_nothing_is_found_unfit() {
    let lab = Lab::started("sha256,sha384").unwrap();
    let ran = lab.hallmark(&["--format", "json", "check"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let report = ran.json().unwrap();
    assert_eq!(ids(&report["findings"]), ["bank-never-extended", "bank-never-extended", "log-missing"]);
    assert!(ran.stderr.contains("not fit to be attested: bank-never-extended"), "{}", ran.stderr);
}

#[test]
fn q14_an_unfit_machine_gets_no_identity_where_the_factory_asks_for_that() {
    let lab = Lab::started("sha256").unwrap();
    let made = lab.hallmark(&["ca", "init", "--dir", "factory", "--organization", "T", "--name", "T"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let mut arguments = lab.provision_arguments("gw-1");
    arguments.push("--require-fit".to_owned());
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let ran = lab.hallmark(&arguments);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stderr.contains("not fit to be attested"), "{}", ran.stderr);
    assert!(
        !lab.path("ledger.jsonl").exists() || std::fs::read(lab.path("ledger.jsonl")).unwrap().is_empty()
    );
    lab.boot("q35-secureboot-uki").unwrap();
    let ran = lab.hallmark(&arguments);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn what_is_known_against_a_machine_stands_in_the_ledger() {
    let lab = Lab::booted("sha256", "q35-sha256").unwrap().provisioned("gw-1").unwrap();
    let ledger = std::fs::read_to_string(lab.path("ledger.jsonl")).unwrap();
    let row: serde_json::Value = serde_json::from_str(ledger.lines().next().unwrap()).unwrap();
    // OVMF without keys: setup mode, or secure boot that is off.
    let findings = &row["event"]["enrolled"]["findings"];
    assert_eq!(ids(findings), ["secure-boot-off"], "{ledger}");
    // Run again, it says the same, out of the ledger.
    let arguments = lab.provision_arguments("gw-1");
    let arguments: Vec<_> =
        ["--format", "json"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
    let report = lab.hallmark(&arguments).json().unwrap();
    assert_eq!((&report["changed"], &report["findings"]), (&serde_json::Value::Bool(false), findings));
}

/// The verifier judges; who sends it should know all the same.
#[test]
fn e07_attest_tells_of_a_log_that_is_none_and_sends_it() {
    let lab = Lab::booted("sha256", "q35-sha256").unwrap().provisioned("gw-1").unwrap();
    let log = std::fs::read(tpm_sim_tests::vectors().join("q35-sha256/eventlog.bin")).unwrap();
    let nonce = "5a".repeat(32);
    for (name, bytes, told) in [
        ("whole", log.clone(), None),
        ("cut", log[..log.len() - 7].to_vec(), Some("can't be read as an event log")),
        ("text", b"version: 1\nevents: []\n".to_vec(), Some("can't be read as an event log")),
        ("zeros", vec![0; 500], Some("can't be read as an event log")),
        ("empty", Vec::new(), Some("is empty")),
    ] {
        std::fs::write(lab.path(name), &bytes).unwrap();
        let out = format!("{name}.evidence");
        let attest = ["attest", "--nonce", &nonce, "--out", &out, "--eventlog", name];
        let ran = lab.hallmark(&[&["--format", "json"][..], &attest].concat());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let sent = ran.json().unwrap()["event_log_bytes"].as_u64();
        assert_eq!(sent.unwrap_or(0), u64::try_from(bytes.len()).unwrap(), "{name}");
        match told {
            None => assert!(!ran.stderr.contains("log"), "{}", ran.stderr),
            Some(told) => assert!(ran.stderr.contains(told) && ran.stderr.contains(name), "{}", ran.stderr),
        }
    }
    std::fs::write(lab.path("list"), b"no list").unwrap();
    let ran = lab.hallmark(&["attest", "--nonce", &nonce, "--out", "list.evidence", "--ima", "list"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("can't be read as an IMA list"), "{}", ran.stderr);
}
