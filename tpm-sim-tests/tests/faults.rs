//! What goes wrong around a command: each has a clear error, the right exit code, and leaves nothing half-written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tpm_sim_tests::{Lab, Ran, hallmark, run};

const NONCE: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const ATTEST: [&str; 5] = ["attest", "--nonce", NONCE, "--out", "evidence"];

fn lab() -> Lab {
    Lab::booted("sha256", "q35-sha256").unwrap().provisioned("gw-1").unwrap()
}

fn ends(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    for word in words {
        assert!(ran.stderr.contains(word), "{word:?} is missing: {ran:?}");
    }
    assert_eq!(ran.stderr.trim().lines().count(), 1, "an error is one line: {ran:?}");
}

/// Everything below a folder, with contents: to see that nothing changed.
fn snapshot(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(snapshot(&path));
        } else if !path.ends_with("swtpm.log")
            && !path.ends_with("tpm2-00.permall")
            && !path.ends_with("tpm2-00.volatilestate")
        {
            files.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

#[test]
fn u16_a_floor_whose_making_was_cut_off_is_made_by_the_next_provisioning() {
    let lab = lab();
    let good = |program, arguments: &[&str]| {
        let ran = lab.program(program, arguments);
        assert_eq!(ran.code, Some(0), "{ran:?}");
    };
    // The counter as it stands after the first step: it shows where counters begin, and no base is known yet.
    let policy = [b"hallmark rollback floor\0".as_slice(), &[0xFF; 8]].concat();
    fs::write(lab.path("policy"), policy).unwrap();
    good("tpm2_nvundefine", &["-C", "o", "0x1801A10"]);
    let attributes = "ownerread|ownerwrite|authread|no_da|nt=counter";
    good("tpm2_nvdefine", &["-C", "o", "-a", attributes, "-L", "policy", "0x1801A10"]);
    good("tpm2_nvincrement", &["-C", "o", "0x1801A10"]);
    let ran = lab.hallmark(&["check"]);
    assert!(ran.stdout.contains("provisioning was cut off (run it again)"), "{ran:?}");
    let arguments = lab.provision_arguments("gw-1");
    let ran = lab.hallmark(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = lab.hallmark(&["check"]);
    assert!(ran.stdout.contains("release 0"), "{ran:?}");
}

#[test]
fn no_tpm_is_exit_code_4() {
    let lab = Lab::empty().unwrap();
    let ran = lab.hallmark(&[
        "--tcti",
        "device:/dev/hallmark-has-no-such-tpm",
        "provision",
        "--ca",
        "f",
        "--ek-root",
        "r",
        "--device-id",
        "d",
        "--ledger",
        "l",
    ]);
    assert_eq!(ran.code, Some(1), "the CA is looked for first: {ran:?}");
    let ran = lab.hallmark(&[
        "--tcti",
        "device:/dev/hallmark-has-no-such-tpm",
        "update",
        "status",
        "--key",
        "k",
        "--product",
        "p",
        "--hardware",
        "h",
    ]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let ran = lab.hallmark(&[&["--tcti", "device:/dev/hallmark-has-no-such-tpm"], &ATTEST[..]].concat());
    ends(&ran, 4, &["no TPM at device:/dev/hallmark-has-no-such-tpm"]);
    let ran =
        lab.hallmark(&["--tcti", "swtpm:host=127.0.0.1,port=1", "attest", "--nonce", NONCE, "--out", "e"]);
    ends(&ran, 4, &["no TPM at swtpm:host=127.0.0.1,port=1", "sim status"]);
}

#[test]
fn a_wrong_tcti_is_exit_code_4_and_says_what_is_expected() {
    let lab = Lab::empty().unwrap();
    for tcti in ["swtpm:path=/run/swtpm.sock", "tpm0", "swtpm:port=x", "device:"] {
        let ran = lab.hallmark(&[&["--tcti", tcti], &ATTEST[..]].concat());
        ends(&ran, 4, &[tcti, "expected device:PATH"]);
    }
}

#[test]
fn a_file_in_the_place_of_a_tpm_is_left_alone() {
    let lab = Lab::empty().unwrap();
    fs::write(lab.path("important"), "important").unwrap();
    let tcti = format!("device:{}", lab.path("important").display());
    let ran = lab.hallmark(&[&["--tcti", &tcti], &ATTEST[..]].concat());
    ends(&ran, 4, &["no character device"]);
    let _ = lab.hallmark(&["--tcti", &tcti, "check"]);
    assert_eq!(fs::read_to_string(lab.path("important")).unwrap(), "important");
}

#[test]
fn a_busy_tpm_is_told_and_left_alone() {
    let lab = lab();
    // swtpm serves one connection at a time: whoever is connected keeps all others waiting.
    let port = lab.tcti().rsplit('=').next().unwrap().parse().unwrap();
    let held = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let ran = lab.hallmark(&ATTEST);
    ends(&ran, 4, &["busy"]);
    assert!(!lab.path("evidence").exists());
    drop(held);
    assert_eq!(lab.hallmark(&ATTEST).code, Some(0));
}

#[test]
fn swtpm_killed_in_mid_command() {
    let lab = lab();
    let pid: i32 = fs::read_to_string(lab.path("state/sim/swtpm.pid")).unwrap().trim().parse().unwrap();
    let pid = Pid::from_raw(pid).unwrap();
    // A stopped TPM holds the command in the middle; killed there, the connection breaks.
    kill_process(pid, Signal::STOP).unwrap();
    let mut command = lab.command(&ATTEST);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(2));
    assert!(child.try_wait().unwrap().is_none(), "the command waits for the TPM");
    kill_process(pid, Signal::KILL).unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    ends(&ran, 4, &["TPM"]);
    assert!(!lab.path("evidence").exists());
    assert_eq!(lab.hallmark(&["sim", "start"]).code, Some(0), "it starts again");
    let tcti = lab.hallmark(&["--format", "json", "sim", "status"]).json().unwrap()["tcti"]
        .as_str()
        .unwrap()
        .to_owned();
    let ran = lab.hallmark(&["--tcti", &tcti, "attest", "--nonce", NONCE, "--out", "evidence"]);
    assert_eq!(ran.code, Some(0), "keys and certificates survived: {ran:?}");
}

#[test]
fn provisioning_killed_at_any_time_finishes_when_run_again() {
    for milliseconds in [20, 60, 120, 250] {
        let lab = Lab::booted("sha256", "q35-sha256").unwrap();
        assert_eq!(
            lab.hallmark(&["ca", "init", "--dir", "factory", "--organization", "T", "--name", "T"]).code,
            Some(0)
        );
        let arguments = lab.provision_arguments("gw-1");
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let mut child = lab.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        let _ = child.kill();
        child.wait().unwrap();
        let ran = lab.hallmark(&arguments);
        assert_eq!(ran.code, Some(0), "killed after {milliseconds} ms: {ran:?}");
        let again = lab.hallmark(&[&["--format", "json"], &arguments[..]].concat());
        assert_eq!(again.json().unwrap()["changed"], false, "{again:?}");
        let rows = fs::read_to_string(lab.path("ledger.jsonl")).unwrap();
        let ids: Vec<_> = rows
            .lines()
            .map(|row| serde_json::from_str::<serde_json::Value>(row).unwrap()["device_id"].clone())
            .collect();
        assert!(!ids.is_empty() && ids.iter().all(|id| id == "gw-1"), "{rows}");
        assert_eq!(lab.hallmark(&ATTEST).code, Some(0));
    }
}

/// Runs hallmark in a mount namespace of its own, after `setup`: neither root nor the rest of the machine is touched.
fn in_namespace(lab: &Lab, setup: &str, arguments: &[&str]) -> Ran {
    let mut command = Command::new("unshare");
    lab.settle(&mut command);
    command.args(["--map-root-user", "--mount", "sh", "-c"]);
    command.arg(format!("{setup} && exec \"$@\"")).arg("sh").arg(hallmark()).args(arguments);
    run(&mut command)
}

#[test]
fn a_read_only_state_folder() {
    let lab = lab();
    let before = snapshot(&lab.path("state"));
    let state = lab.path("state").display().to_string();
    let setup = format!("mount --bind {state} {state} && mount -o remount,bind,ro {state}");
    let out = format!("{state}/evidence");
    let ran = in_namespace(&lab, &setup, &["attest", "--nonce", NONCE, "--out", &out]);
    ends(&ran, 1, &["ead-only file system"]);
    let ran = in_namespace(&lab, &setup, &["key", "generate", "--out", &format!("{state}/key.pem")]);
    ends(&ran, 1, &["ead-only file system"]);
    assert_eq!(snapshot(&lab.path("state")), before);
}

#[test]
fn a_full_disk() {
    let lab = lab();
    fs::create_dir(lab.path("small")).unwrap();
    let small = lab.path("small").display().to_string();
    // 8 KiB hold an old file, but no evidence beside it, though its logs are compressed.
    let setup = format!("mount -t tmpfs -o size=8k tmpfs {small} && echo old > {small}/evidence");
    let script = format!(
        "{setup} && \"$0\" \"$@\"; code=$?; head -c 99 {small}/evidence; ls -A {small} | wc -l; exit $code"
    );
    let mut command = Command::new("unshare");
    lab.settle(&mut command);
    command.args(["--map-root-user", "--mount", "sh", "-c", &script]).arg(hallmark());
    command.args(["attest", "--nonce", NONCE, "--out", &format!("{small}/evidence")]);
    let ran = run(&mut command);
    ends(&ran, 1, &["No space left"]);
    assert_eq!(
        ran.stdout.lines().collect::<Vec<_>>(),
        ["old", "1"],
        "the old file stays, and nothing else: {ran:?}"
    );
}

#[test]
fn a_full_disk_under_a_package() {
    let lab = lab();
    for folder in ["small", "build"] {
        fs::create_dir(lab.path(folder)).unwrap();
    }
    fs::write(lab.path("build/file"), vec![7; 100_000]).unwrap();
    let description = "product = \"gw\"\nhardware = [\"gw-1\"]\nversion = \"1\"\nrelease = 1\n";
    fs::write(lab.path("package.toml"), description).unwrap();
    let pack = ["update", "pack", "build", "--description", "package.toml", "--out", "small/gw.hmk"];
    let ran = in_namespace(&lab, "mount -t tmpfs -o size=8k tmpfs small", &pack);
    ends(&ran, 1, &["error: small/gw.hmk: No space left", "it was not written, make room"]);
}

#[test]
fn p11_no_output_replaces_a_key_a_ledger_or_an_authoritys_files() {
    let lab = lab();
    assert_eq!(lab.hallmark(&["key", "generate", "--out", "key.pem"]).code, Some(0));
    let made = lab.program("openssl", &["req", "-new", "-key", "key.pem", "-subj", "/CN=x", "-out", "x.csr"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let before = (snapshot(&lab.path("factory")), fs::read(lab.path("ledger.jsonl")).unwrap());
    let issue =
        ["ca", "issue", "--dir", "factory", "--csr", "x.csr", "--profile", "tls-client", "--name", "x"];
    for out in
        ["factory/intermediate.key", "factory/root.key", "factory/root.pem", "factory/ca.json", "key.pem"]
    {
        ends(&lab.hallmark(&[&issue[..], &["--out", out]].concat()), 2, &[out, "name another file"]);
    }
    ends(
        &lab.hallmark(&[&ATTEST[..3], &["--out", "factory/root.key"]].concat()),
        2,
        &["a file of the authority", "name another file"],
    );
    let revoke = ["ca", "revoke", "gw-1", "--ledger", "ledger.jsonl", "--reason", "x", "--list"];
    ends(&lab.hallmark(&[&revoke[..], &["ledger.jsonl"]].concat()), 2, &["a ledger"]);
    assert_eq!((snapshot(&lab.path("factory")), fs::read(lab.path("ledger.jsonl")).unwrap()), before);
    // A list that can't be written is written by the next run.
    ends(&lab.hallmark(&[&revoke[..], &["nowhere/list"]].concat()), 1, &["run it again for the list"]);
    assert_eq!(lab.hallmark(&[&revoke[..], &["list"]].concat()).code, Some(0));
    assert_eq!(fs::read_to_string(lab.path("list")).unwrap().lines().count(), 2);
    ends(
        &lab.hallmark(&["ca", "revoke", "gw-1", "--ledger", "/dev/zero", "--reason", "x"]),
        1,
        &["regular file"],
    );
}

#[test]
fn p05_a_ledger_that_does_not_know_the_devices_certificate() {
    let lab = lab();
    for device in ["gw-1", "gw-2"] {
        let mut arguments = lab.provision_arguments(device);
        *arguments.last_mut().unwrap() = "mistyped.jsonl".to_owned();
        let ran = lab.hallmark(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(ran.code == Some(3) && ran.stderr.contains("[p05]"), "{ran:?}");
    }
    assert!(fs::read(lab.path("mistyped.jsonl")).unwrap().is_empty());
}

#[test]
fn e15_nothing_is_recorded_from_a_log_that_explains_nothing() {
    let lab = lab();
    let record = ["reference", "record", "--product", "p", "--release", "1", "--out", "golden.json"];
    let ran = lab.hallmark(&[&record[..], &["--eventlog", "/dev/null"]].concat());
    ends(&ran, 3, &["[e15]", "explains no PCR"]);
    assert!(!lab.path("golden.json").exists());
}
