//! Policies checked, tested, replayed, and softened by suggestion only: on a simulated TPM.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use tpm_sim_tests::{Lab, Ran};

const REST: &str = "[quote]\npcrs = [0, 4, 7, 9]\n[boot]\nreferences = [\"golden.json\"]";

fn lab() -> Lab {
    let lab = Lab::with_reference().unwrap();
    lab.write_policy("", REST).unwrap();
    lab
}

/// Attests and appraises, with what `appraise` needs besides.
fn judge(lab: &Lab, nonce: &str, more: &[&str]) -> Ran {
    let attested = lab.hallmark(&["attest", "--nonce", nonce, "--out", "evidence"]);
    assert_eq!(attested.code, Some(0), "{}", attested.stderr);
    let appraise = ["appraise", "evidence", "--nonce", nonce, "--policy", "policy.toml"];
    lab.hallmark(&[&appraise, more].concat())
}

const NONCES: [&str; 2] = ["00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100"];

#[test]
fn a_policy_is_checked_with_all_its_files() {
    let lab = lab();
    let checked = lab.hallmark(&["policy", "check", "policy.toml", "--format", "json"]);
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    let report = checked.json().unwrap();
    assert!(report["usable"].as_bool().unwrap() && report["releases"][0] == "gw 1", "{report}");
    assert!(report["weaknesses"].as_array().unwrap().len() > 2, "{report}");
    std::fs::write(lab.path("bad.rego"), "package hallmark\n\ndeny contains x if { x := time.now_ns() }")
        .unwrap();
    std::fs::write(lab.path("foreign.pub"), "nothing").unwrap();
    let rest = format!("{REST}\n[rego]\nfiles = [\"bad.rego\", \"gone.rego\"]");
    lab.write_policy("revoked = [\"gone.txt\"]", &rest).unwrap();
    let checked = lab.hallmark(&["policy", "check", "policy.toml", "--format", "json"]);
    assert_eq!(checked.code, Some(3), "{}", checked.stderr);
    let faults = checked.json().unwrap()["faults"].to_string();
    for told in ["gone.txt", "gone.rego", "time.now_ns", "\"line\":3"] {
        assert!(faults.contains(told), "{told}: {faults}");
    }
}

#[test]
fn rego_refuses_and_never_excuses() {
    let lab = lab();
    let rest = format!("{REST}\n[rego]\nfiles = [\"site.rego\"]");
    lab.write_policy("", &rest).unwrap();
    let rule = |text: &str| {
        std::fs::write(lab.path("site.rego"), format!("package hallmark\nimport rego.v1\n{text}")).unwrap()
    };
    rule("deny contains \"not for you\" if input.claims.device_id == \"gw-2\"");
    let trusted = judge(&lab, NONCES[0], &[]);
    assert_eq!(trusted.code, Some(0), "{}", trusted.stdout);
    rule("deny contains \"not for you\" if input.claims.device_id == \"gw-1\"");
    let refused = judge(&lab, NONCES[0], &[]);
    assert!(refused.code == Some(3) && refused.stdout.contains("not for you"), "{}", refused.stdout);
    // A rule that can't be evaluated, and a device that the fields refuse while no rule does.
    rule("deny contains \"x\" if count(input.claims.clock.reset_count) > 1");
    let failed = judge(&lab, NONCES[0], &[]);
    assert!(failed.code == Some(3) && failed.stdout.contains("could not be evaluated"), "{}", failed.stdout);
    rule("deny contains \"x\" if input.nothing");
    lab.boot("q35-cmdline").unwrap();
    let refused = judge(&lab, NONCES[1], &[]);
    assert!(refused.code == Some(3) && refused.stdout.contains("[reference]"), "{}", refused.stdout);
}

#[test]
fn stored_evidence_is_tested_replayed_and_answered() {
    let lab = lab();
    let first = judge(&lab, NONCES[0], &["--store", "seen"]);
    assert_eq!(first.code, Some(0), "{}", first.stdout);
    lab.boot("q35-cmdline").unwrap();
    let second = judge(&lab, NONCES[1], &["--store", "seen"]);
    assert_eq!(second.code, Some(3), "{}", second.stdout);

    // Whose verdict would change: nobody's by the same policy, that of the second boot by one that does not judge PCR 9.
    let replay = |more: &[&str]| {
        let ran =
            lab.hallmark(&[&["policy", "replay", "--store", "seen", "--format", "json"], more].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.json().unwrap()
    };
    let same = replay(&["--policy", "policy.toml"]);
    assert!(
        same["judged"] == 2 && same["devices"] == 1 && same["changes"].as_array().unwrap().is_empty(),
        "{same}"
    );
    let weaker = std::fs::read_to_string(lab.path("policy.toml")).unwrap().replace("0, 4, 7, 9", "0, 7");
    std::fs::write(lab.path("weaker.toml"), weaker).unwrap();
    for against in
        [&["--policy", "weaker.toml"][..], &["--policy", "weaker.toml", "--against", "policy.toml"]]
    {
        let changed = replay(against);
        let change = &changed["changes"][0];
        assert!(change["before"] == "refused" && change["after"] == "trusted", "{changed}");
        assert!(change["gone_reasons"][0].as_str().unwrap().starts_with("[reference] PCR"), "{changed}");
    }

    // The same evidence as cases.
    let at = same_time(&lab);
    let case = |expect: &str, reasons: &str| {
        format!(
            "[[case]]\nname = \"{expect}\"\nevidence = \"evidence\"\nnonce = \"{}\"\nat = \"{at}\"\nexpect = \"{expect}\"\n{reasons}\n",
            NONCES[1]
        )
    };
    std::fs::write(lab.path("cases.toml"), case("refused", "expect_reasons = [\"reference\"]")).unwrap();
    let tested = lab.hallmark(&["policy", "test", "policy.toml", "--evidence", "cases.toml"]);
    assert_eq!(tested.code, Some(0), "{}{}", tested.stdout, tested.stderr);
    std::fs::write(lab.path("cases.toml"), case("trusted", "")).unwrap();
    let tested = lab.hallmark(&["policy", "test", "policy.toml", "--evidence", "cases.toml"]);
    assert!(
        tested.code == Some(1) && tested.stdout.contains("verdict refused, expected trusted"),
        "{}",
        tested.stdout
    );

    // What is wrong with a case itself is told with its place.
    let good = case("refused", "");
    let early = case("trusted", "").replace(&at, "2023-12-31T00:00:00Z");
    for (text, told) in [
        (good.replace("\"evidence\"", "\"gone\""), "cases.toml, line 3: evidence: gone: No such file"),
        (format!("{good}baseline = \"gone\"\n"), "cases.toml, line 8: baseline: gone: there is no such file"),
        (
            early,
            "cases.toml, line 5: at is 2023-12-31T00:00:00Z, and no certificate is judged by a time before",
        ),
    ] {
        std::fs::write(lab.path("cases.toml"), &text).unwrap();
        let tested = lab.hallmark(&["policy", "test", "policy.toml", "--evidence", "cases.toml"]);
        assert!(tested.code == Some(1) && tested.stdout.contains(told), "{told}: {}", tested.stdout);
    }

    // What would allow it. The policy stays as it is.
    let before = std::fs::read(lab.path("policy.toml")).unwrap();
    let suggested = lab.hallmark(&[
        "policy",
        "suggest",
        "evidence",
        "--policy",
        "policy.toml",
        "--nonce",
        NONCES[1],
        "--format",
        "json",
    ]);
    assert_eq!(suggested.code, Some(0), "{}", suggested.stderr);
    let report = suggested.json().unwrap();
    let suggestions = report["suggestions"].as_array().unwrap();
    assert!(
        suggestions.iter().all(|suggestion| !suggestion["weakens"].as_str().unwrap().is_empty()),
        "{report}"
    );
    assert!(
        suggestions
            .iter()
            .any(|suggestion| suggestion["change"].as_str().unwrap().starts_with("quote.pcrs = [")),
        "{report}"
    );
    assert_eq!(std::fs::read(lab.path("policy.toml")).unwrap(), before);
}

#[test]
fn v03_a_record_that_can_not_be_read_is_named_and_the_others_are_judged() {
    let lab = lab();
    for nonce in NONCES {
        assert_eq!(judge(&lab, nonce, &["--store", "seen"]).code, Some(0));
    }
    let other = lab.path("seen/another-device");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("1.json"), vec![b' '; (4 << 20) + 1]).unwrap();
    let ran =
        lab.hallmark(&["policy", "replay", "--store", "seen", "--policy", "policy.toml", "--format", "json"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("another-device/1.json"), "{}", ran.stderr);
    let report = ran.json().unwrap();
    assert!(report["judged"] == 2 && report["devices"] == 2, "{report}");
    let unreadable = report["unreadable"].as_array().unwrap();
    assert!(
        unreadable.len() == 1 && unreadable[0].as_str().unwrap().contains("larger than 4194304 bytes"),
        "{report}"
    );
}

#[test]
fn v02_a_damaged_record_is_named_and_not_taken_for_a_verdict() {
    let lab = lab();
    for nonce in NONCES {
        assert_eq!(judge(&lab, nonce, &["--store", "seen"]).code, Some(0));
    }
    let folder = lab.path("seen/gw-1");
    let mut evidence: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    evidence.retain(|path| path.extension().is_some_and(|end| end == "evidence"));
    evidence.sort();
    let [first, second] = evidence.as_slice() else { panic!("{evidence:?}") };
    let told = |damage: &dyn Fn(), expected: &str| {
        let kept = lab.path("kept");
        assert!(
            std::process::Command::new("cp").arg("-a").arg(&folder).arg(&kept).status().unwrap().success()
        );
        damage();
        let ran = lab.hallmark(&[
            "policy",
            "replay",
            "--store",
            "seen",
            "--policy",
            "policy.toml",
            "--format",
            "json",
        ]);
        assert!(ran.code == Some(1) && ran.stderr.contains(expected), "{expected}: {}", ran.stderr);
        let report = ran.json().unwrap();
        assert!(report["changes"].as_array().unwrap().is_empty(), "{report}");
        for name in ["seen/gw-1", "seen/gw-2"] {
            let _ = std::fs::remove_dir_all(lab.path(name));
        }
        std::fs::rename(&kept, &folder).unwrap();
    };
    let bytes = std::fs::read(first).unwrap();
    told(&|| std::fs::write(first, &bytes[..bytes.len() - 5]).unwrap(), "another or was damaged");
    told(&|| assert!(std::fs::copy(second, first).unwrap() > 0), "another or was damaged");
    told(&|| std::fs::remove_file(first.with_extension("json")).unwrap(), "one of a pair was lost");
    told(&|| std::fs::remove_file(first).unwrap(), "one of a pair was lost");
    told(&|| std::fs::rename(&folder, lab.path("seen/gw-2")).unwrap(), "is of device gw-1");
    let fifo = || {
        std::fs::remove_file(first).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(first).status().unwrap().success());
    };
    told(&fifo, "is no file");
    // A record of version 1 has neither device nor digest. It is read, and that damage would not show is said.
    let file = first.with_extension("json");
    let mut record: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    record["version"] = 1.into();
    for field in ["device", "evidence_digest"] {
        assert!(record.as_object_mut().unwrap().remove(field).is_some(), "{field}");
    }
    std::fs::write(&file, record.to_string()).unwrap();
    let ran = lab.hallmark(&["policy", "replay", "--store", "seen", "--policy", "policy.toml"]);
    assert!(
        ran.code == Some(0) && ran.stdout.contains("1 records have no digest of their evidence"),
        "{ran:?}"
    );
}

/// When the last appraisal in the store was made.
fn same_time(lab: &Lab) -> String {
    let mut records: Vec<_> = std::fs::read_dir(lab.path("seen/gw-1"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    records.sort();
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(records.last().unwrap()).unwrap()).unwrap();
    record["judged"].as_str().unwrap().to_owned()
}

#[test]
fn e01_a_device_whose_log_is_wrong_is_recorded_only_without_the_pcr_by_name() {
    let lab = Lab::with_reference().unwrap();
    // A boot without an IMA list, whose boot aggregate would tell as well; then something is measured that no log has.
    let log = tpm_sim_tests::vectors().join("q35-sha256/eventlog.bin").display().to_string();
    assert_eq!(lab.hallmark(&["sim", "boot", &log]).code, Some(0));
    let extend = format!("0:sha256={}", "11".repeat(32));
    assert_eq!(lab.program("tpm2_pcrextend", &[&extend]).code, Some(0));
    let record =
        ["reference", "record", "--product", "gw", "--release", "2", "--key", "key.pem", "--out", "two.json"];
    let ran = lab.hallmark(&record);
    assert!(ran.code != Some(0) && ran.stderr.contains("PCR 0") && !lab.path("two.json").exists(), "{ran:?}");
    for pcr in ["10", "16", "24", "x"] {
        assert_eq!(lab.hallmark(&[&record[..], &["--leave-out", pcr]].concat()).code, Some(2), "{pcr}");
    }
    let ran = lab.hallmark(&[&record[..], &["--leave-out", "0"]].concat());
    assert!(ran.code == Some(0) && ran.stderr.contains("PCR 0 is not recorded"), "{ran:?}");
    let rules = |tolerate: &str| {
        let text = format!("[quote]\npcrs = [0, 2, 4, 7]\n{tolerate}\n[boot]\nreferences = [\"two.json\"]\n");
        lab.write_policy("", &text).unwrap();
        let nonce = "00112233445566778899aabbccddeeff";
        assert_eq!(lab.hallmark(&["attest", "--nonce", nonce, "--out", "evidence"]).code, Some(0));
        lab.hallmark(&["appraise", "evidence", "--nonce", nonce, "--policy", "policy.toml"]).code
    };
    assert_eq!(rules(""), Some(3));
    assert_eq!(rules("tolerate = [0]"), Some(0));
}
