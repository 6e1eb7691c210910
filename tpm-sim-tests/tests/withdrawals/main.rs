//! Releases that are taken back while devices run them: what was measured before is told apart from what is started after.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod records;

use std::fs;

use attest::HashAlgorithm;
use serde_json::Value;
use tpm_sim_tests::{Lab, Ran};

const NONCE: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const LIST: &str = "state/sim/binary_runtime_measurements";
const BASELINE: [&str; 2] = ["--baseline", "state.json"];
const RULES: &str = "[ima]\nlist = \"require\"\nunknown_files = \"refuse\"\nviolations = \"report\"\nweak_digests = \"report\"\n";

/// A device whose boot `golden.json` has, and a release `apps 1` of files alone: `/data/old` and `/data/new`.
fn lab() -> Lab {
    let lab = Lab::with_reference().unwrap();
    let files =
        ["old", "new"].map(|name| format!("{}  data/{name}\n", content(&format!("/data/{name}")).to_hex()));
    fs::write(lab.path("SHA256SUMS"), files.concat()).unwrap();
    let import = ["reference", "import", "--product", "apps", "--release", "1", "--sha256sums", "SHA256SUMS"];
    let out = ["--file-set", "apps.files", "--key", "key.pem", "--out", "apps.json"];
    good(&lab.hallmark(&[&import[..], &out].concat()));
    policy(&lab, "", "");
    lab
}

fn policy(lab: &Lab, boot: &str, ima: &str) {
    let text = format!(
        "[quote]\npcrs = [0, 2, 4, 7, 9, 10]\n[boot]\nreferences = [\"golden.json\", \"apps.json\"]\n\
         file_sets = [\"apps.files\"]\n{boot}\n{RULES}{ima}\n"
    );
    lab.write_policy("", &text).unwrap();
}

fn good(ran: &Ran) {
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

fn content(path: &str) -> attest::Digest {
    HashAlgorithm::Sha256.digest(path.as_bytes())
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_le_bytes(), bytes].concat()
}

/// The kernel measures one more file.
fn measure(lab: &Lab, path: &str) {
    let digest = [b"sha256:\0".as_slice(), content(path).as_bytes()].concat();
    let data = [sized(&digest), sized(format!("{path}\0").as_bytes()), sized(b"")].concat();
    let listed = HashAlgorithm::Sha1.digest(&data);
    let entry = [&10_u32.to_le_bytes(), listed.as_bytes(), &sized(b"ima-sig"), &sized(&data)].concat();
    let list = [fs::read(lab.path(LIST)).unwrap(), entry].concat();
    fs::write(lab.path(LIST), list).unwrap();
    let extend = format!("10:sha256={}", HashAlgorithm::Sha256.digest(&data).to_hex());
    good(&lab.program("tpm2_pcrextend", &[&extend]));
}

fn attest(lab: &Lab, options: &[&str]) {
    good(&lab.hallmark(&[&["attest", "--nonce", NONCE, "--out", "evidence"], options].concat()));
}

fn appraise(lab: &Lab, options: &[&str]) -> Ran {
    let arguments = ["--format", "json", "appraise", "evidence", "--nonce", NONCE, "--policy", "policy.toml"];
    lab.hallmark(&[&arguments, options].concat())
}

/// Withdraws `apps 1` into `NAME.json`.
fn withdraw(lab: &Lab, name: &str, options: &[&str]) {
    let out = format!("{name}.json");
    let what = ["reference", "withdraw", "--product", "apps", "--release", "1", "--reason", "CVE-2026-0001"];
    good(&lab.hallmark(&[&what[..], &["--key", "key.pem", "--out", &out], options].concat()));
}

fn ids(ran: &Ran) -> Vec<String> {
    let report = ran.json().unwrap();
    report["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reason| reason["id"].as_str().unwrap().to_owned())
        .collect()
}

fn state(lab: &Lab) -> Value {
    serde_json::from_slice(&fs::read(lab.path("state.json")).unwrap()).unwrap()
}

#[test]
fn i18_what_ran_before_a_withdrawal_is_told_and_what_is_started_after_is_refused() {
    let lab = lab();
    measure(&lab, "/data/old");
    attest(&lab, &[]);
    let first = appraise(&lab, &BASELINE);
    good(&first);
    let record = &first.json().unwrap()["claims"]["record"];
    assert!(record["since"].is_null() && record["missing"].is_string(), "{record}");
    // The release is withdrawn. The device still runs what it has started before.
    withdraw(&lab, "withdrawn", &[]);
    policy(&lab, "withdrawn = [\"withdrawn.json\"]", "");
    attest(&lab, &[]);
    let ran = appraise(&lab, &BASELINE);
    good(&ran);
    let report = ran.json().unwrap();
    let lapsed = &report["claims"]["lapsed"][0];
    assert_eq!((lapsed["release"].as_str(), lapsed["why"].as_str()), (Some("apps 1"), Some("CVE-2026-0001")));
    assert_eq!((lapsed["files_before"].as_u64(), lapsed["files_after"].as_u64()), (Some(1), Some(0)));
    assert_eq!(report["claims"]["record"]["since"], state(&lab)["seen"]["since"]);
    assert!(report["notes"].to_string().contains("/data/old is of apps 1"), "{}", report["notes"]);
    // A verifier that keeps nothing can't tell.
    let ran = appraise(&lab, &[]);
    assert_eq!((ran.code, ids(&ran)), (Some(3), vec!["i18".to_owned()]), "{ran:?}");
    // The device starts something of the withdrawn release.
    measure(&lab, "/data/new");
    attest(&lab, &[]);
    let ran = appraise(&lab, &BASELINE);
    assert_eq!((ran.code, ids(&ran)), (Some(3), vec!["i18".to_owned()]), "{ran:?}");
    assert!(ran.stderr.contains("/data/new is of apps 1, which was withdrawn at"), "{}", ran.stderr);
    let claims = &ran.json().unwrap()["claims"];
    assert_eq!(
        (&claims["ima"]["withdrawn_before"], &claims["ima"]["withdrawn_after"]),
        (&Value::from(1), &Value::from(1))
    );
    let text = lab.hallmark(&[
        "appraise",
        "evidence",
        "--nonce",
        NONCE,
        "--policy",
        "policy.toml",
        "--baseline",
        "state.json",
    ]);
    assert!(text.stdout.contains("1 files before, 1 after"), "{}", text.stdout);
    // Ways to allow it, tried against the record.
    let suggest = ["policy", "suggest", "evidence", "--policy", "policy.toml", "--nonce", NONCE];
    let ran = lab.hallmark(&[&suggest[..], &BASELINE].concat());
    good(&ran);
    assert!(ran.stdout.contains("ima.withdrawn_after = \"report\""), "{}", ran.stdout);
    // The same as a case of the policy's own tests.
    let case = format!(
        "[[case]]\nname = \"started after\"\nevidence = \"evidence\"\nnonce = \"{NONCE}\"\nat = \"{}\"\n\
         baseline = \"state.json\"\nexpect = \"refused\"\nexpect_reasons = [\"i18\"]\n",
        claims["record"]["last"].as_str().unwrap()
    );
    fs::write(lab.path("cases.toml"), case).unwrap();
    good(&lab.hallmark(&["policy", "test", "policy.toml", "--evidence", "cases.toml"]));
    let ran = lab.hallmark(&["policy", "check", "policy.toml"]);
    assert!(ran.stdout.contains("apps 1, withdrawn at"), "{}", ran.stdout);
    // Only what is started is wrong: with both reported the device passes.
    policy(&lab, "withdrawn = [\"withdrawn.json\"]", "withdrawn_after = \"report\"");
    good(&appraise(&lab, &BASELINE));
}

#[test]
fn i18_a_withdrawal_dated_ahead_is_told_and_an_earlier_one_counts() {
    let lab = lab();
    measure(&lab, "/data/old");
    let ahead = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1)).to_string();
    withdraw(&lab, "ahead", &["--at", &ahead]);
    policy(&lab, "withdrawn = [\"ahead.json\"]", "");
    attest(&lab, &[]);
    let ran = appraise(&lab, &BASELINE);
    good(&ran);
    assert!(ran.json().unwrap()["claims"]["lapsed"].as_array().unwrap().is_empty());
    let check = lab.hallmark(&["policy", "check", "policy.toml"]);
    assert!(check.stdout.contains("will be withdrawn at"), "{}", check.stdout);
    // A second withdrawal with an earlier date: that one counts.
    withdraw(&lab, "now", &[]);
    policy(&lab, "withdrawn = [\"ahead.json\", \"now.json\"]", "withdrawn_before = \"refuse\"");
    attest(&lab, &[]);
    let ran = appraise(&lab, &BASELINE);
    assert_eq!((ran.code, ids(&ran)), (Some(3), vec!["i18".to_owned()]), "{ran:?}");
    assert!(ran.stderr.contains("it was measured before, by a quote of"), "{}", ran.stderr);
}

#[test]
fn i18_a_part_says_nothing_of_what_was_judged_before_a_withdrawal() {
    let lab = lab();
    withdraw(&lab, "withdrawn", &[]);
    policy(&lab, "withdrawn = [\"withdrawn.json\"]", "");
    attest(&lab, &[]);
    let ran = appraise(&lab, &BASELINE);
    good(&ran);
    let next = ran.json().unwrap()["ima_next"].as_str().unwrap().to_owned();
    measure(&lab, "/data/new");
    attest(&lab, &["--ima-from", &next]);
    // What was before was judged after the withdrawal: the part carries on, and what is new in it counts as started after.
    let ran = appraise(&lab, &BASELINE);
    assert_eq!((ran.code, ids(&ran)), (Some(3), vec!["i18".to_owned()]), "{ran:?}");
    // A state that does not say when it was made: what was before may have been judged before the withdrawal.
    let mut old = state(&lab);
    old.as_object_mut().unwrap().remove("version");
    old.as_object_mut().unwrap().remove("seen");
    old.as_object_mut().unwrap().remove("kexecs");
    fs::write(lab.path("state.json"), old.to_string()).unwrap();
    let ran = appraise(&lab, &BASELINE);
    assert_eq!((ran.code, ids(&ran)), (Some(3), vec!["i11".to_owned()]), "{ran:?}");
    assert!(ran.stderr.contains("apps 1 no longer counts since"), "{}", ran.stderr);
}

#[test]
fn i18_a_withdrawal_by_a_foreign_key_or_of_no_release_is_told() {
    let lab = lab();
    good(&lab.hallmark(&["key", "generate", "--out", "other.pem"]));
    let what = ["reference", "withdraw", "--product", "apps", "--release", "1", "--reason", "x"];
    good(&lab.hallmark(&[&what[..], &["--key", "other.pem", "--out", "foreign.json"]].concat()));
    policy(&lab, "withdrawn = [\"foreign.json\"]", "");
    attest(&lab, &[]);
    let ran = appraise(&lab, &[]);
    assert!(ran.code == Some(3) && ran.stderr.contains("foreign.json"), "{ran:?}");
    let what = ["reference", "withdraw", "--product", "apps", "--release", "9", "--reason", "x"];
    good(&lab.hallmark(&[&what[..], &["--key", "key.pem", "--out", "none.json"]].concat()));
    policy(&lab, "withdrawn = [\"none.json\"]", "");
    let check = lab.hallmark(&["policy", "check", "policy.toml"]);
    assert!(
        check.stdout.contains("withdraws apps 9, of which the policy has no reference"),
        "{}",
        check.stdout
    );
}

#[test]
fn i18_values_issued_anew_under_a_withdrawn_name_stay_withdrawn() {
    let lab = lab();
    measure(&lab, "/data/old");
    withdraw(&lab, "withdrawn", &[]);
    let import = ["reference", "import", "--product", "apps", "--release", "1", "--sha256sums", "SHA256SUMS"];
    let out = ["--file-set", "apps.files", "--key", "key.pem", "--out", "apps.json"];
    good(&lab.hallmark(&[&import[..], &out].concat()));
    policy(&lab, "withdrawn = [\"withdrawn.json\"]", "");
    attest(&lab, &[]);
    let ran = appraise(&lab, &[]);
    assert_eq!((ran.code, ids(&ran)), (Some(3), vec!["i18".to_owned()]), "{ran:?}");
    let check = lab.hallmark(&["policy", "check", "policy.toml"]);
    assert!(check.stdout.contains("issued anew under this name"), "{}", check.stdout);
}

#[test]
fn i19_a_record_of_another_run_proves_nothing_and_a_wrong_clock_is_said() {
    let lab = lab();
    measure(&lab, "/data/old");
    attest(&lab, &[]);
    good(&appraise(&lab, &BASELINE));
    withdraw(&lab, "withdrawn", &[]);
    policy(&lab, "withdrawn = [\"withdrawn.json\"]", "");
    attest(&lab, &[]);
    let kept = state(&lab);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut state = kept.clone();
        change(&mut state);
        fs::write(lab.path("state.json"), state.to_string()).unwrap();
        appraise(&lab, &BASELINE)
    };
    good(&with(&|_| {}));
    // A record from before a suspension, of a TPM that was cleared since, of one whose clock was set.
    for (field, value) in [
        ("restart_count", Value::from(kept["seen"]["restart_count"].as_u64().unwrap() + 1)),
        ("clock_ms", Value::from(u64::MAX)),
        ("clock_ms", Value::from(0)),
    ] {
        // A TPM that was just made has a clock near zero: a day more is what the verifier's clock lacks.
        let early = |state: &mut Value| {
            state["seen"][field] = value.clone();
            if field == "clock_ms" && value == 0 {
                let day = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24);
                for time in ["since", "last"] {
                    state["seen"][time] = day.to_string().into();
                }
                state["seen"]["marks"][0]["at"] = day.to_string().into();
            }
        };
        let ran = with(&early);
        assert_eq!((ran.code, ids(&ran)), (Some(3), vec!["i18".to_owned()]), "{field}: {ran:?}");
        assert!(ran.json().unwrap()["notes"].to_string().contains("[i19]"), "{}", ran.stdout);
    }
    // Another boot, and a record of version 1.
    let ran = with(&|state| state["reset_count"] = 0.into());
    assert_eq!((ran.code, ids(&ran)), (Some(3), vec!["i18".to_owned()]), "{ran:?}");
    let ran = with(&|state| {
        state.as_object_mut().unwrap().remove("version");
        state.as_object_mut().unwrap().remove("seen");
        state.as_object_mut().unwrap().remove("kexecs");
    });
    assert_eq!((ran.code, ids(&ran)), (Some(3), vec!["i18".to_owned()]), "{ran:?}");
    // The verifier's clock is behind its own record: nothing can be said of times.
    let ran = with(&|state| {
        state["seen"]["last"] = "2999-01-01T00:00:00Z".into();
    });
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ids(&ran).contains(&"i19".to_owned()), "{ran:?}");
    policy(&lab, "", "");
    let ran = appraise(&lab, &BASELINE);
    assert_eq!((ran.code, ids(&ran)), (Some(5), vec!["i19".to_owned()]), "{ran:?}");
    // States that no verifier wrote.
    let ran = with(&|state| state["seen"]["marks"][0]["at"] = "2020-01-01T00:00:00Z".into());
    assert!(ran.code == Some(3) && ran.stderr.contains("not written by a verifier"), "{ran:?}");
    let ran = with(&|state| state["version"] = 4.into());
    assert!(ran.code == Some(3) && ran.stderr.contains("version 4, expected 1"), "{ran:?}");
}

#[test]
fn i19_neither_another_device_nor_an_earlier_boot_takes_a_records_place() {
    let lab = lab();
    attest(&lab, &[]);
    good(&appraise(&lab, &BASELINE));
    let kept = state(&lab);
    let reset = kept["reset_count"].as_u64().unwrap();
    for (field, value, told) in [
        ("attester", Value::from(format!("000b{}", "17".repeat(32))), "another device"),
        ("reset_count", Value::from(reset + 1), "it is older, or the TPM was cleared"),
    ] {
        let mut other = kept.clone();
        other[field] = value;
        let written = other.to_string();
        fs::write(lab.path("state.json"), &written).unwrap();
        let ran = appraise(&lab, &BASELINE);
        assert_eq!(ran.code, Some(3), "{ran:?}");
        assert!(ran.stderr.contains("[i19]") || ran.stdout.contains("i19"), "{ran:?}");
        assert!(format!("{}{}", ran.stdout, ran.stderr).contains(told), "{ran:?}");
        assert_eq!(fs::read_to_string(lab.path("state.json")).unwrap(), written, "it stays as it is");
    }
    // A later boot begins its record anew.
    let mut earlier = kept;
    earlier["reset_count"] = (reset - 1).into();
    fs::write(lab.path("state.json"), earlier.to_string()).unwrap();
    good(&appraise(&lab, &BASELINE));
    assert_eq!(state(&lab)["reset_count"], reset);
}

#[test]
fn i19_a_list_that_began_anew_under_the_same_counters_is_refused() {
    let lab = lab();
    measure(&lab, "/data/old");
    attest(&lab, &[]);
    good(&appraise(&lab, &BASELINE));
    // As if more had been seen: the list is shorter than what the record says.
    let mut longer = state(&lab);
    for place in ["/entries", "/seen/marks/0/entries"] {
        *longer.pointer_mut(place).unwrap() = 99.into();
    }
    fs::write(lab.path("state.json"), longer.to_string()).unwrap();
    let ran = appraise(&lab, &BASELINE);
    assert_eq!((ran.code, ids(&ran)), (Some(3), vec!["i19".to_owned()]), "{ran:?}");
    assert!(ran.stderr.contains("begun anew"), "{}", ran.stderr);
}
