//! What only the whole system can show: evidence and devices that are right in themselves and wrong together.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::process::Command;

use attest::evidence::Evidence;
use tpm_sim_tests::{Lab, Ran, vectors};

const NONCE: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn good(ran: Ran) -> Ran {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran
}

/// The boot and its list, with the two violations that the recording has.
const RULES: &str = "[quote]\npcrs = [0, 1, 2, 3, 4, 5, 6, 7, 9]\n[boot]\nreferences = [\"golden.json\"]\n\
                     [ima]\nlist = \"require\"\nviolations = \"report\"";

/// A provisioned device with signed reference values and a policy.
fn lab() -> Lab {
    let lab = Lab::with_reference().unwrap();
    lab.write_policy("", RULES).unwrap();
    lab
}

fn attest(lab: &Lab, out: &str, more: &[&str]) {
    good(lab.hallmark(&[&["attest", "--nonce", NONCE, "--out", out], more].concat()));
}

/// The ids of the reasons against a piece of evidence.
fn reasons(lab: &Lab, evidence: &str) -> Vec<String> {
    let ran = lab.hallmark(&[
        "--format",
        "json",
        "appraise",
        evidence,
        "--nonce",
        NONCE,
        "--policy",
        "policy.toml",
    ]);
    let report = ran.json().unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let ids: Vec<_> = report["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reason| reason["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ran.code, Some(if ids.is_empty() { 0 } else { 3 }), "{report:#}");
    ids
}

#[test]
fn e01_an_old_log_with_a_new_quote() {
    let lab = lab();
    attest(&lab, "good", &[]);
    assert!(reasons(&lab, "good").is_empty());
    lab.boot("q35-cmdline").unwrap();
    let old = vectors().join("q35-sha256");
    let (log, ima) =
        (old.join("eventlog.bin").display().to_string(), old.join("ima.bin").display().to_string());
    attest(&lab, "mixed", &["--eventlog", &log, "--ima", &ima]);
    let ids = reasons(&lab, "mixed");
    assert!(ids.contains(&"e01".to_owned()) && ids.contains(&"i03".to_owned()), "{ids:?}");
}

#[test]
fn another_kernel_command_line_is_told_by_its_event() {
    let lab = lab();
    lab.boot("q35-cmdline").unwrap();
    attest(&lab, "other", &[]);
    let ran =
        lab.hallmark(&["--format", "json", "appraise", "other", "--nonce", NONCE, "--policy", "policy.toml"]);
    let report = ran.json().unwrap();
    let reason = &report["reasons"][0];
    assert_eq!(
        (reason["id"].as_str(), reason["where"].as_str()),
        (Some("reference"), Some("PCR 9 (sha256)"))
    );
    let what = reason["what"].as_str().unwrap();
    assert!(what.contains("command line") || what.contains("load options"), "{reason}");
}

#[test]
fn e15_a_boot_after_which_nothing_was_logged() {
    let lab = lab();
    fs::write(lab.path("empty"), "").unwrap();
    attest(&lab, "nolog", &["--eventlog", "empty"]);
    assert!(reasons(&lab, "nolog").contains(&"e15".to_owned()));
}

#[test]
fn i02_a_list_that_grew_since_the_quote_is_believed_as_far_as_covered() {
    let lab = lab();
    let mut list = fs::read(lab.path("state/sim/binary_runtime_measurements")).unwrap();
    let entry = list[..list.len() / 2].to_vec();
    let first = first_entries(&entry, 2);
    list.extend_from_slice(&first[first_entries(&entry, 1).len()..]);
    fs::write(lab.path("longer"), list).unwrap();
    attest(&lab, "longer-evidence", &["--ima", "longer"]);
    assert!(reasons(&lab, "longer-evidence").is_empty());
    let ran = lab.hallmark(&[
        "--format",
        "json",
        "appraise",
        "longer-evidence",
        "--nonce",
        NONCE,
        "--policy",
        "policy.toml",
    ]);
    assert_eq!(ran.json().unwrap()["claims"]["ima"]["not_yet_attested"], 1);
}

#[test]
fn i03_a_line_dropped_from_the_list() {
    let lab = lab();
    let list = fs::read(lab.path("state/sim/binary_runtime_measurements")).unwrap();
    let (one, two) = (first_entries(&list, 1).len(), first_entries(&list, 2).len());
    fs::write(lab.path("dropped"), [&list[..one], &list[two..]].concat()).unwrap();
    attest(&lab, "dropped-evidence", &["--ima", "dropped"]);
    assert_eq!(reasons(&lab, "dropped-evidence"), ["i03"]);
}

/// The first `count` entries of a binary list with length fields (all templates but `ima`).
fn first_entries(list: &[u8], count: usize) -> &[u8] {
    let number =
        |at: usize| usize::try_from(u32::from_le_bytes(list[at..at + 4].try_into().unwrap())).unwrap();
    let mut end = 0;
    for _ in 0..count {
        let name = number(end + 24);
        end += 28 + name;
        end += 4 + number(end);
    }
    &list[..end]
}

#[test]
fn q10_evidence_with_the_certificate_of_another_device() {
    let lab = lab();
    let other = Lab::booted("sha256", "q35-sha256").unwrap();
    // The second device is enrolled by the same factory, so that its certificates are as good as the first one's.
    let mut arguments = other.provision_arguments("gw-2");
    arguments[2] = lab.path("factory").display().to_string();
    good(other.hallmark(&arguments.iter().map(String::as_str).collect::<Vec<_>>()));
    attest(&lab, "ours", &[]);
    good(other.hallmark(&["attest", "--nonce", NONCE, "--out", "theirs"]));
    let read = |path| Evidence::parse(&fs::read(path).unwrap()).unwrap();
    let (mut ours, theirs) = (read(lab.path("ours")), read(other.path("theirs")));
    // Their certificate with our key, then with their key as well: our quote fits neither.
    ours.certificates = theirs.certificates;
    fs::write(lab.path("borrowed"), ours.to_bytes().unwrap()).unwrap();
    assert_eq!(reasons(&lab, "borrowed"), ["q10"]);
    ours.attestation_key = theirs.attestation_key;
    fs::write(lab.path("borrowed"), ours.to_bytes().unwrap()).unwrap();
    assert_eq!(reasons(&lab, "borrowed"), ["q04"]);
}

#[test]
fn p01_a_simulators_ek_is_trusted_only_by_naming_its_root() {
    let lab = Lab::booted("sha256", "q35-sha256").unwrap();
    good(lab.hallmark(&["ca", "init", "--dir", "factory", "--organization", "T", "--name", "T"]));
    let mut arguments = lab.provision_arguments("gw-1");
    arguments[4] = lab.path("factory/root.pem").display().to_string();
    let ran = lab.hallmark(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stderr.contains("[p01]"), "{ran:?}");
    assert!(!lab.path("state/identity").exists(), "nothing was made");
    assert_eq!(fs::read_to_string(lab.path("ledger.jsonl")).unwrap_or_default(), "");
}

#[test]
fn p05_a_device_id_of_another_tpm() {
    let lab = lab();
    let other = Lab::booted("sha256", "q35-sha256").unwrap();
    let mut arguments = other.provision_arguments("gw-1");
    arguments[2] = lab.path("factory").display().to_string();
    let last = arguments.len() - 1;
    arguments[last] = lab.path("ledger.jsonl").display().to_string();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let ran = other.hallmark(&arguments);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stderr.contains("[p05]"), "{ran:?}");
    good(lab.hallmark(&["ca", "revoke", "gw-1", "--ledger", "ledger.jsonl", "--reason", "test"]));
    good(other.hallmark(&arguments));
}

#[test]
fn p14_a_revoked_device_is_refused_by_the_list_in_the_policy() {
    let lab = lab();
    attest(&lab, "evidence", &[]);
    good(lab.hallmark(&[
        "ca",
        "revoke",
        "gw-1",
        "--ledger",
        "ledger.jsonl",
        "--reason",
        "stolen",
        "--list",
        "revoked.txt",
    ]));
    let (list, ledger) = (lab.path("revoked.txt"), fs::read(lab.path("ledger.jsonl")).unwrap());
    let before = fs::read(&list).unwrap();
    // A run that was cut off before the list was there is finished by the next.
    fs::remove_file(&list).unwrap();
    let again = ["ca", "revoke", "gw-1", "--ledger", "ledger.jsonl", "--reason", "stolen"];
    assert_eq!(lab.hallmark(&again).code, Some(3));
    good(lab.hallmark(&[&again[..], &["--list", "revoked.txt"]].concat()));
    assert_eq!((fs::read(&list).unwrap(), fs::read(lab.path("ledger.jsonl")).unwrap()), (before, ledger));
    lab.write_policy("revoked = [\"revoked.txt\"]", RULES).unwrap();
    assert_eq!(reasons(&lab, "evidence"), ["p14"]);
}

/// A policy of other rules for the same lab.
fn judge_by(lab: &Lab, quote: &str, ima: &str, evidence: &str) -> Vec<String> {
    let rest = format!("[quote]\n{quote}\n[boot]\nreferences = [\"golden.json\"]\n{ima}");
    lab.write_policy("", &rest).unwrap();
    reasons(lab, evidence)
}

#[test]
fn e15_leaving_the_ima_list_out_hides_nothing() {
    let lab = lab();
    good(lab.hallmark(&["sim", "extend", "10", "--text", "an evil file"]));
    fs::write(lab.path("empty"), "").unwrap();
    attest(&lab, "evidence", &["--ima", "empty"]);
    let optional = "[ima]\nlist = \"optional\"";
    assert_eq!(judge_by(&lab, "pcrs = [0, 2, 4, 7, 10]", optional, "evidence"), ["e15"]);
}

#[test]
fn i05_violations_refuse_where_the_policy_does_not_say_otherwise() {
    let lab = lab();
    attest(&lab, "evidence", &[]);
    let list = "[ima]\nlist = \"require\"\n";
    assert_eq!(judge_by(&lab, "pcrs = [0, 2, 4, 7, 10]", list, "evidence"), ["i05"]);
    let reported = format!("{list}violations = \"report\"\n");
    assert!(judge_by(&lab, "pcrs = [0, 2, 4, 7, 10]", &reported, "evidence").is_empty());
}

#[test]
fn v08_pcrs_that_nobody_extends_prove_nothing() {
    let lab = lab();
    good(lab.hallmark(&["sim", "extend", "4", "--text", "an evil boot loader"]));
    attest(&lab, "evidence", &[]);
    assert_eq!(judge_by(&lab, "pcrs = [8, 11, 12]", "", "evidence"), ["e15"]);
}

#[test]
fn q09_the_tpms_own_name_for_the_key_counts_and_not_the_senders() {
    let lab = lab();
    attest(&lab, "evidence", &[]);
    let evidence = fs::read(lab.path("evidence")).unwrap();
    // The public area begins with type ECC and SHA-256; its attributes follow.
    let at = evidence.windows(4).position(|window| window == [0x00, 0x23, 0x00, 0x0B]).unwrap() + 4;
    for (offset, mask) in [(2, 0x04), (3, 0x40), (3, 0x80)] {
        let mut altered = evidence.clone();
        altered[at + offset] ^= mask;
        fs::write(lab.path("altered"), &altered).unwrap();
        assert_eq!(reasons(&lab, "altered"), ["q09"], "byte {offset} mask {mask:02x}");
    }
}

#[test]
fn releases_that_share_a_boot_are_judged_by_all_their_files() {
    let lab = lab();
    let golden = fs::read(lab.path("golden.json")).unwrap();
    attest(&lab, "evidence", &[]);
    // A second release of the same boot, whose files nobody knows: recorded without a list.
    fs::write(lab.path("empty"), "").unwrap();
    good(lab.hallmark(&[
        "reference",
        "record",
        "--product",
        "gw",
        "--release",
        "2",
        "--key",
        "key.pem",
        "--out",
        "second.json",
        "--ima",
        "empty",
    ]));
    for order in ["[\"golden.json\", \"second.json\"]", "[\"second.json\", \"golden.json\"]"] {
        let policy = fs::read_to_string(lab.path("policy.toml")).unwrap();
        fs::write(lab.path("policy.toml"), policy.replace("[\"golden.json\"]", order)).unwrap();
        assert!(reasons(&lab, "evidence").is_empty(), "{order}");
        lab.write_policy("", RULES).unwrap();
    }
    assert_eq!(fs::read(lab.path("golden.json")).unwrap(), golden);
}

#[test]
fn q10_another_devices_certificates_are_noticed_here_and_mended() {
    let lab = lab();
    let other = Lab::booted("sha256", "q35-sha256").unwrap().provisioned("gw-2").unwrap();
    let path = other.path("state/identity/iak.pem");
    fs::copy(lab.path("state/identity/iak.pem"), &path).unwrap();
    let ran = other.hallmark(&["attest", "--nonce", NONCE, "--out", "evidence"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stderr.contains("[q10]"), "{ran:?}");
    let arguments = other.provision_arguments("gw-2");
    let arguments: Vec<_> =
        [&["--format", "json"], &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat();
    for damage in [fs::read(&path).unwrap(), Vec::new(), b"garbage".to_vec()] {
        fs::write(&path, damage).unwrap();
        assert_eq!(good(other.hallmark(&arguments)).json().unwrap()["changed"], true);
        assert_eq!(good(other.hallmark(&arguments)).json().unwrap()["changed"], false);
        good(other.hallmark(&["attest", "--nonce", NONCE, "--out", "evidence"]));
    }
}

#[test]
fn q11_a_clock_that_may_have_gone_back_is_judged_by_policy() {
    let lab = lab();
    // A power cut: the TPM can no longer vouch that it never reported a later time.
    let pid = fs::read_to_string(lab.path("state/sim/swtpm.pid")).unwrap();
    good(lab.program("kill", &["-KILL", pid.trim()]));
    // On a busy machine it is still there for a moment, and would be taken for one that runs.
    for _ in 0..500 {
        if lab.program("kill", &["-0", pid.trim()]).code != Some(0) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    good(lab.hallmark(&["sim", "start"]));
    let tcti = lab.hallmark(&["--format", "json", "sim", "status"]).json().unwrap()["tcti"]
        .as_str()
        .unwrap()
        .to_owned();
    let (log, ima) = (vectors().join("q35-sha256/eventlog.bin"), vectors().join("q35-sha256/ima.bin"));
    good(lab.hallmark(&["sim", "boot", &log.display().to_string(), "--ima", &ima.display().to_string()]));
    good(lab.hallmark(&["--tcti", &tcti, "attest", "--nonce", NONCE, "--out", "evidence"]));
    assert!(judge_by(&lab, "pcrs = [0, 7]\nunsafe_clock = \"report\"", "", "evidence").is_empty());
    assert_eq!(judge_by(&lab, "pcrs = [0, 7]\nunsafe_clock = \"refuse\"", "", "evidence"), ["q11"]);
}

#[test]
fn q11_a_restart_since_the_reset_is_judged_by_policy() {
    let lab = lab();
    // Suspend and resume: the state is saved and taken up again (TPM 2.0 Part 1 §12.2.3).
    good(lab.program("tpm2_shutdown", &[]));
    let control = lab.tcti().rsplit('=').next().unwrap().parse::<u16>().unwrap() + 1;
    good(lab.program("swtpm_ioctl", &["--tcp", &format!("127.0.0.1:{control}"), "-i"]));
    good(lab.program("tpm2_startup", &[]));
    attest(&lab, "evidence", &[]);
    let told =
        |ran: Ran| ran.json().unwrap()["notes"].to_string().contains("[q11] quote: the TPM was suspended");
    assert!(judge_by(&lab, "pcrs = [0, 7]\nrestarts = \"report\"", "", "evidence").is_empty());
    assert!(told(lab.hallmark(&[
        "--format",
        "json",
        "appraise",
        "evidence",
        "--nonce",
        NONCE,
        "--policy",
        "policy.toml"
    ])));
    assert_eq!(judge_by(&lab, "pcrs = [0, 7]\nrestarts = \"refuse\"", "", "evidence"), ["q11"]);
}

#[test]
fn q05_a_quote_without_a_pcr_that_the_policy_judges() {
    let lab = lab();
    attest(&lab, "few", &["--pcrs", "0,7"]);
    assert!(reasons(&lab, "few").contains(&"q05".to_owned()));
}

#[test]
fn q03_a_nonce_that_was_given_out_too_long_ago() {
    let lab = lab();
    attest(&lab, "evidence", &[]);
    let now =
        String::from_utf8(Command::new("date").args(["-u", "+%FT%TZ"]).output().unwrap().stdout).unwrap();
    let appraise = |issued: &str| {
        lab.hallmark(&[
            "appraise",
            "evidence",
            "--nonce",
            NONCE,
            "--policy",
            "policy.toml",
            "--issued",
            issued,
        ])
    };
    good(appraise(now.trim()));
    let ran = appraise("2026-01-01T00:00:00Z");
    assert!(ran.code == Some(3) && ran.stderr.contains("[q03]"), "{ran:?}");
    let ran = appraise("9000-01-01T00:00:00Z");
    assert!(ran.code == Some(2) && ran.stderr.contains("is in the future"), "{ran:?}");
}
