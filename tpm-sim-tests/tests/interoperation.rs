//! Quotes, logs and certificates exchanged with tpm2-tools and openssl, both ways.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;

use tpm_sim_tests::{Lab, Ran, vectors};

const NONCE: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn good(ran: &Ran) -> &Ran {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran
}

/// The exported quote, judged by tpm2-tools.
fn checkquote(lab: &Lab, nonce: &str) -> Ran {
    let files =
        ["-u", "quote/ak.pem", "-m", "quote/quote.msg", "-s", "quote/quote.sig", "-f", "quote/quote.pcrs"];
    lab.program("tpm2_checkquote", &[&files[..], &["-g", "sha256", "-q", nonce]].concat())
}

#[test]
fn our_quote_verifies_with_tpm2_checkquote() {
    let lab = Lab::booted("sha256", "q35-sha256").unwrap().provisioned("gw-1").unwrap();
    good(&lab.hallmark(&["attest", "--nonce", NONCE, "--out", "evidence", "--export-quote", "quote"]));
    good(&checkquote(&lab, NONCE));
    let refused = checkquote(&lab, &NONCE.replace('0', "1"));
    assert_ne!(refused.code, Some(0), "the tool does look at the nonce");
}

#[test]
fn our_quote_of_two_banks_verifies_with_tpm2_checkquote() {
    let lab = Lab::booted("sha256,sha384", "q35-multibank").unwrap().provisioned("gw-1").unwrap();
    let attest =
        ["attest", "--nonce", NONCE, "--out", "evidence", "--export-quote", "quote", "--pcrs", "0,7"];
    good(&lab.hallmark(&attest));
    good(&checkquote(&lab, NONCE));
}

#[test]
fn a_quote_by_tpm2_quote_verifies_here_in_both_forms() {
    let lab = Lab::booted("sha256", "q35-sha256").unwrap();
    for (kind, scheme) in [("rsa", "rsassa"), ("ecc", "ecdsa")] {
        good(&lab.program("tpm2_createek", &["-G", "rsa", "-c", "ek.ctx"]));
        good(&lab.program(
            "tpm2_createak",
            &["-C", "ek.ctx", "-c", "ak.ctx", "-G", kind, "-g", "sha256", "-s", scheme, "-u", "ak.pub"],
        ));
        good(&lab.program("tpm2_flushcontext", &["-t"]));
        good(&lab.program("tpm2_readpublic", &["-c", "ak.ctx", "-f", "pem", "-o", "ak.pem"]));
        good(&lab.program("tpm2_flushcontext", &["-t"]));
        for form in ["serialized", "values"] {
            good(&lab.program(
                "tpm2_quote",
                &[
                    "-c",
                    "ak.ctx",
                    "-l",
                    "sha256:0,1,2,3,4,5,6,7,10",
                    "-q",
                    NONCE,
                    "-m",
                    "q.msg",
                    "-s",
                    "q.sig",
                    "-o",
                    "q.pcrs",
                    "-F",
                    form,
                    "-g",
                    "sha256",
                ],
            ));
            good(&lab.program("tpm2_flushcontext", &["-t"]));
            let arguments = [
                "--format",
                "json",
                "quote",
                "verify",
                "--key",
                "ak.pem",
                "--message",
                "q.msg",
                "--signature",
                "q.sig",
                "--pcrs",
                "q.pcrs",
                "--nonce",
            ];
            let verified = lab.hallmark(&[&arguments[..], &[NONCE]].concat());
            let report = good(&verified).json().unwrap();
            assert_eq!(report["banks"]["sha256"].as_object().unwrap().len(), 9, "{kind} {form}");
            let replayed = lab.hallmark(&[&arguments[..], &["ff112233445566778899aabbccddeeff"]].concat());
            assert_eq!(replayed.code, Some(3), "{replayed:?}");
            assert_eq!(replayed.json().unwrap()["error"]["id"], "q03");
        }
    }
}

#[test]
fn openssl_accepts_the_certificates() {
    let lab = Lab::booted("sha256", "q35-sha256").unwrap().provisioned("gw-1").unwrap();
    for leaf in ["state/identity/iak.pem", "state/identity/idevid.pem"] {
        good(&lab.program(
            "openssl",
            &[
                "verify",
                "-x509_strict",
                "-CAfile",
                "factory/root.pem",
                "-untrusted",
                "factory/intermediate.pem",
                leaf,
            ],
        ));
    }
    good(&lab.program(
        "openssl",
        &["verify", "-x509_strict", "-CAfile", "factory/root.pem", "factory/intermediate.pem"],
    ));
}

/// PCR values out of tpm2_eventlog's YAML: the section `pcrs:` at its end.
fn tpm2_eventlog_pcrs(yaml: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut banks: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut bank = String::new();
    for line in yaml.lines().skip_while(|line| *line != "pcrs:").skip(1) {
        match line.trim().split_once(':') {
            Some((name, "")) => bank = name.trim().to_owned(),
            Some((pcr, value)) => {
                let value = value.trim().trim_start_matches("0x").to_lowercase();
                banks.entry(bank.clone()).or_default().insert(pcr.trim().to_owned(), value);
            }
            None => {}
        }
    }
    banks
}

#[test]
fn logs_replay_as_tpm2_eventlog_says() {
    let lab = Lab::empty().unwrap();
    let folders = [vectors(), vectors().join("../../../shared/vectors/eventlogs")];
    let mut compared = 0;
    for folder in folders {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            eprintln!("{} is not here; only the project's own logs are compared", folder.display());
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            let log = if path.is_dir() { path.join("eventlog.bin") } else { path };
            if !log.exists() || log.extension().is_none_or(|extension| extension != "bin") {
                continue;
            }
            let name = log.display().to_string();
            let theirs = lab.program("tpm2_eventlog", &[&name]);
            if theirs.code != Some(0) {
                eprintln!("tpm2_eventlog can't read {name}");
                continue;
            }
            let ours = lab.hallmark(&["--format", "json", "eventlog", "replay", &name]);
            let ours: BTreeMap<String, BTreeMap<String, String>> =
                serde_json::from_value(good(&ours).json().unwrap()["banks"].clone()).unwrap();
            assert_eq!(ours, tpm2_eventlog_pcrs(&theirs.stdout), "{name}");
            compared += 1;
        }
    }
    assert!(compared >= 6, "only {compared} logs were compared");
}
