//! IMA lists in parts: the verifier keeps what it believed, the device sends what came after.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;

use attest::HashAlgorithm;
use attest::ima::ImaList;
use tpm_sim_tests::{Lab, Ran};

const NONCE: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const POLICY: &str = "[quote]\npcrs = [0, 2, 4, 7, 9, 10]\n[boot]\nreferences = [\"golden.json\"]\n\
                      [ima]\nlist = \"require\"\nunknown_files = \"report\"\nviolations = \"report\"\n";
const LIST: &str = "state/sim/binary_runtime_measurements";

fn lab() -> Lab {
    let lab = Lab::with_reference().unwrap();
    lab.write_policy("", POLICY).unwrap();
    lab
}

fn attest(lab: &Lab, options: &[&str]) -> Ran {
    lab.hallmark(&[&["attest", "--nonce", NONCE, "--out", "evidence"], options].concat())
}

fn appraise(lab: &Lab, options: &[&str]) -> Ran {
    let arguments = ["--format", "json", "appraise", "evidence", "--nonce", NONCE, "--policy", "policy.toml"];
    lab.hallmark(&[&arguments, options].concat())
}

/// What the device is to send next, by the verifier's report.
fn next(ran: &Ran) -> String {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.json().unwrap()["ima_next"].as_str().unwrap().to_owned()
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_le_bytes(), bytes].concat()
}

/// The kernel goes on: it measures one more file.
fn measure(lab: &Lab, path: &str) {
    let digest = HashAlgorithm::Sha256.digest(path.as_bytes());
    let digest = [b"sha256:\0".as_slice(), digest.as_bytes()].concat();
    append(lab, &[sized(&digest), sized(format!("{path}\0").as_bytes()), sized(b"")].concat());
}

/// Another kernel takes the list over, and hashes the boot PCRs anew.
fn kexec(lab: &Lab) {
    let list = fs::read(lab.path(LIST)).unwrap();
    let first = ImaList::new(&list).entries().next().unwrap().unwrap();
    append(lab, &first.fields().flat_map(|(_, field)| sized(field)).collect::<Vec<_>>());
}

/// An entry of the template `ima-sig` and its extend.
fn append(lab: &Lab, data: &[u8]) {
    let listed = HashAlgorithm::Sha1.digest(data);
    let entry = [&10_u32.to_le_bytes(), listed.as_bytes(), &sized(b"ima-sig"), &sized(data)].concat();
    let list = [fs::read(lab.path(LIST)).unwrap(), entry].concat();
    fs::write(lab.path(LIST), list).unwrap();
    let extend = format!("10:sha256={}", HashAlgorithm::Sha256.digest(data).to_hex());
    let ran = lab.program("tpm2_pcrextend", &[&extend]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn i11_a_device_sends_what_came_after_and_the_verifier_carries_on() {
    let lab = lab();
    let baseline = ["--baseline", "state.json"];
    assert_eq!(attest(&lab, &[]).code, Some(0));
    let whole = fs::metadata(lab.path("evidence")).unwrap().len();
    let first = next(&appraise(&lab, &baseline));
    assert_eq!(first, format!("{}:84", fs::metadata(lab.path(LIST)).unwrap().len()));
    measure(&lab, "/usr/bin/later");
    measure(&lab, "/usr/bin/later-still");
    let ran = attest(&lab, &["--ima-from", &first]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(fs::metadata(lab.path("evidence")).unwrap().len() < whole, "only the rest travels");
    // Nobody but the verifier that has the beginning can judge it.
    let ran = appraise(&lab, &[]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stderr.contains("i11") && ran.stderr.contains("whole list"), "{}", ran.stderr);
    let ran = appraise(&lab, &baseline);
    let second = next(&ran);
    assert!(second.ends_with(":86"), "{second}");
    assert_eq!(ran.json().unwrap()["claims"]["ima"]["attested"], 86);
}

#[test]
fn i11_after_a_reboot_or_with_an_earlier_part_rewritten_a_part_is_refused() {
    let lab = lab();
    let baseline = ["--baseline", "state.json"];
    assert_eq!(attest(&lab, &[]).code, Some(0));
    let first = next(&appraise(&lab, &baseline));
    let kept = fs::read(lab.path("state.json")).unwrap();
    measure(&lab, "/usr/bin/later");
    // A digest of the part that the verifier has already is rewritten.
    let mut list = fs::read(lab.path(LIST)).unwrap();
    let honest = list.clone();
    list[4] ^= 1;
    fs::write(lab.path(LIST), &list).unwrap();
    let ran = attest(&lab, &["--ima-from", &first]);
    assert!(
        ran.code == Some(3) || appraise(&lab, &baseline).code == Some(3),
        "told by the device or refused by the verifier: {ran:?}"
    );
    fs::write(lab.path(LIST), honest).unwrap();
    // A reboot: the same list from its beginning, under other boot counters.
    lab.boot("q35-sha256").unwrap();
    measure(&lab, "/usr/bin/later");
    assert_eq!(attest(&lab, &["--ima-from", &first]).code, Some(0));
    let ran = appraise(&lab, &baseline);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stderr.contains("whole list"), "{}", ran.stderr);
    assert_eq!(fs::read(lab.path("state.json")).unwrap(), kept, "a refusal moves nothing");
    // A list that is shorter than what the verifier has is told on the device.
    let ran = attest(&lab, &["--ima-from", "999999:999"]);
    assert_ne!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("whole list"), "{}", ran.stderr);
    // The whole list begins anew.
    assert_eq!(attest(&lab, &["--ima-from", "0:0"]).code, Some(0));
    assert!(next(&appraise(&lab, &baseline)).ends_with(":85"));
}

#[test]
fn i04_kexecs_are_told_counted_over_parts_and_limited_by_the_policy() {
    let lab = lab();
    let baseline = ["--baseline", "state.json"];
    kexec(&lab);
    assert_eq!(attest(&lab, &[]).code, Some(0));
    let refused = |ran: &Ran, found: &str| {
        assert_eq!(ran.code, Some(3), "{ran:?}");
        let report = ran.json().unwrap();
        let reason = &report["reasons"][0];
        assert!(reason["id"] == "i04" && reason["found"] == found, "{reason}");
        assert!(reason["what"].as_str().unwrap().starts_with("kexec has started"), "{reason}");
    };
    refused(&appraise(&lab, &[]), "1");
    // The one rule that allows it, and what it costs.
    let suggest = ["policy", "suggest", "evidence", "--policy", "policy.toml", "--nonce", NONCE];
    let ran = lab.hallmark(&suggest);
    assert!(ran.stdout.contains("ima.kexec_maximum = 1"), "{ran:?}");
    lab.write_policy("", &format!("{POLICY}kexec_maximum = 1\n")).unwrap();
    let check = lab.hallmark(&["policy", "check", "policy.toml"]);
    assert!(check.stdout.contains("kexec has started one other kernel since the boot at most"), "{check:?}");
    let ran = appraise(&lab, &baseline);
    let first = next(&ran);
    assert_eq!(first.rsplit(':').next(), Some("85"));
    assert_eq!(ran.json().unwrap()["claims"]["ima"]["kexec_entries"], serde_json::json!([85]));
    // The next part has none, and the earlier one is not forgotten.
    measure(&lab, "/usr/bin/later");
    assert_eq!(attest(&lab, &["--ima-from", &first]).code, Some(0));
    let ran = appraise(&lab, &baseline);
    let second = next(&ran);
    let ima = &ran.json().unwrap()["claims"]["ima"];
    assert_eq!((&ima["kexecs"], &ima["kexec_entries"]), (&1.into(), &serde_json::json!([])));
    // Another kernel, in the next part: one too many.
    kexec(&lab);
    assert_eq!(attest(&lab, &["--ima-from", &second]).code, Some(0));
    refused(&appraise(&lab, &baseline), "2");
    // A record that does not count them, of a policy that lets unknown files be, says nothing of the earlier part.
    let kept = fs::read(lab.path("state.json")).unwrap();
    let mut old: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    assert_eq!(old["kexecs"], 1);
    old.as_object_mut().unwrap().remove("kexecs");
    old["version"] = 2.into();
    fs::write(lab.path("state.json"), old.to_string()).unwrap();
    let ran = appraise(&lab, &baseline);
    assert!(
        ran.code == Some(3) && ran.stderr.contains("how many kernels kexec started; send the whole list"),
        "{ran:?}"
    );
    // References of a golden device with a kexec have no file of that name.
    let record = ["reference", "record", "--product", "p", "--release", "2", "--out", "second.json"];
    let ran = lab.hallmark(&record);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let reference = fs::read_to_string(lab.path("second.json")).unwrap();
    assert!(reference.contains("/usr/bin/later") && !reference.contains("boot_aggregate"));
}
