//! What a verifier keeps: stored evidence that is judged anew, and a record of boots whose files are not looked at.

use super::*;

/// The policy with the withdrawal, as it would be asked of stored evidence.
fn later(lab: &Lab, name: &str, ima: &str) -> String {
    let judged = fs::read(lab.path("policy.toml")).unwrap();
    policy(lab, "withdrawn = [\"withdrawn.json\"]", ima);
    let file = format!("{name}.toml");
    fs::rename(lab.path("policy.toml"), lab.path(&file)).unwrap();
    fs::write(lab.path("policy.toml"), judged).unwrap();
    file
}

/// The records of stored evidence, oldest first.
fn stored(lab: &Lab) -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(lab.path("seen/gw-1")).unwrap().map(|file| file.unwrap().path());
    let mut records: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    records.sort();
    records
}

#[test]
fn i18_replay_tells_what_a_withdrawal_would_have_made_of_stored_evidence() {
    let lab = lab();
    let keep = || {
        attest(&lab, &[]);
        good(&appraise(&lab, &["--store", "seen"]));
    };
    measure(&lab, "/data/old");
    keep();
    measure(&lab, "/data/new");
    keep();
    let records = stored(&lab);
    let first: Value = serde_json::from_slice(&fs::read(&records[0]).unwrap()).unwrap();
    let judged: jiff::Timestamp = first["judged"].as_str().unwrap().parse().unwrap();
    // As if it had been withdrawn between the two.
    withdraw(&lab, "withdrawn", &["--at", &(judged + jiff::SignedDuration::from_millis(1)).to_string()]);
    let replay = |policy: &str, more: &[&str]| {
        let arguments = ["--format", "json", "policy", "replay", "--store", "seen", "--policy", policy];
        let ran = lab.hallmark(&[&arguments, more].concat());
        good(&ran);
        let report = ran.json().unwrap();
        assert_eq!(
            (&report["judged"], &report["unreadable"]),
            (&records.len().into(), &Value::from(Vec::<Value>::new()))
        );
        report["changes"].as_array().unwrap().clone()
    };
    // Replay keeps its own record: the second evidence is judged as by a verifier that had seen the first.
    let strict = later(&lab, "strict", "");
    for more in [&[][..], &["--against", "policy.toml"]] {
        let changes = replay(&strict, more);
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert_eq!((&changes[0]["before"], &changes[0]["after"]), (&"trusted".into(), &"refused".into()));
        let reasons = changes[0]["new_reasons"].as_array().unwrap();
        assert!(
            reasons.len() == 1
                && reasons[0].as_str().unwrap().starts_with("[i18] IMA list, entry 86: /data/new"),
            "{reasons:?}"
        );
    }
    let reported = later(&lab, "reported", "withdrawn_after = \"report\"");
    assert_eq!(replay(&reported, &[]), [Value::Null; 0]);
    let before = later(&lab, "before", "withdrawn_before = \"refuse\"");
    let reasons = replay(&before, &[])[0]["new_reasons"].to_string();
    assert!(
        reasons.contains("/data/old")
            && reasons.contains("it was measured before")
            && reasons.contains("/data/new"),
        "{reasons}"
    );
    // Without the first evidence nothing proves of either file that it was measured before.
    fs::remove_file(&records[0]).unwrap();
    let ran = lab.hallmark(&["--format", "json", "policy", "replay", "--store", "seen", "--policy", &strict]);
    let reasons = ran.json().unwrap()["changes"][0]["new_reasons"].clone();
    assert_eq!(reasons.as_array().unwrap().len(), 2, "{reasons}");
    assert!(reasons[0].as_str().unwrap().contains("no earlier record has it"), "{reasons}");
}

#[test]
fn i18_a_boot_is_remembered_without_a_list_and_its_files_are_not() {
    let lab = lab();
    let rules = "[quote]\npcrs = [0, 2, 4, 7, 9]\n[boot]\nreferences = [\"golden.json\"]\n";
    lab.write_policy("", rules).unwrap();
    attest(&lab, &[]);
    let first = appraise(&lab, &BASELINE);
    good(&first);
    assert!(first.json().unwrap()["ima_next"].is_null(), "no list was judged that could be carried on");
    let kept = state(&lab);
    assert_eq!((&kept["entries"], &kept["seen"]["marks"]), (&0.into(), &serde_json::json!([])));
    // The release that the device has booted is withdrawn.
    let what = ["reference", "withdraw", "--product", "gw", "--release", "1", "--reason", "CVE-2026-0001"];
    good(&lab.hallmark(&[&what[..], &["--key", "key.pem", "--out", "gw.json"]].concat()));
    let rules = format!("{rules}withdrawn = [\"gw.json\"]\nwithdrawn_before = \"report\"\n");
    lab.write_policy("", &rules).unwrap();
    attest(&lab, &[]);
    let ran = appraise(&lab, &BASELINE);
    good(&ran);
    let claims = &ran.json().unwrap()["claims"];
    assert_eq!(claims["lapsed"][0]["booted"], "before");
    assert_eq!(
        (&claims["record"]["since"], &kept["seen"]["since"]),
        (&kept["seen"]["since"], &state(&lab)["seen"]["since"])
    );
    // Who keeps nothing knows only now.
    assert_eq!(appraise(&lab, &[]).code, Some(3));
    // A policy with rules for files finds nothing of them in that record, and its list begins.
    let with_files = format!("{}\n{RULES}", rules.replace("7, 9]", "7, 9, 10]"));
    lab.write_policy("", &with_files).unwrap();
    let ran = appraise(&lab, &BASELINE);
    let ima = &ran.json().unwrap()["claims"]["ima"];
    assert!(ima["withdrawn_before"] == 0 && ima["withdrawn_after"] != 0, "{ima}");
    // Files of an earlier record stay in it while a policy does not look at them.
    lab.write_policy(
        "",
        &with_files.replace("withdrawn = [\"gw.json\"]\nwithdrawn_before = \"report\"\n", ""),
    )
    .unwrap();
    good(&appraise(&lab, &BASELINE));
    let kept = state(&lab);
    assert_eq!(kept["entries"], 84);
    lab.write_policy("", &rules).unwrap();
    good(&appraise(&lab, &BASELINE));
    let mut after = state(&lab);
    assert_ne!(after["seen"]["last"], kept["seen"]["last"]);
    for field in ["last", "clock_ms"] {
        after["seen"][field] = kept["seen"][field].clone();
    }
    // Without its values the list itself can't be carried on: nobody has judged it by now.
    assert_eq!(after["values"], serde_json::json!([]));
    after["values"] = kept["values"].clone();
    assert_eq!(after, kept);
}
