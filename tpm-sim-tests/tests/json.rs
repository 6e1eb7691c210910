//! Every command's JSON is one object that matches its schema in docs/schemas.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tpm_sim_tests::{Lab, Ran, build_folder, vectors};

const NONCE: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn check(lab: &Lab, schema: &str, code: i32, arguments: &[&str]) -> serde_json::Value {
    let ran = lab.hallmark(&[&["--format", "json"], arguments].concat());
    assert_eq!(ran.code, Some(code), "{arguments:?}: {ran:?}");
    let object = ran.json().unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", ran.stdout));
    matches(schema, &object);
    object
}

fn matches(schema: &str, object: &serde_json::Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas").join(format!("{schema}.json"));
    let schema: serde_json::Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    if let Err(error) = jsonschema::validate(&schema, object) {
        panic!("{error}\n{object:#}");
    }
}

#[test]
fn outputs_match_their_schemas() {
    let lab = Lab::booted("sha256", "q35-sha256").unwrap();
    let q = |object: &serde_json::Value, key: &str| object[key].clone();
    check(&lab, "sim", 0, &["sim", "status"]);
    check(&lab, "sim", 0, &["sim", "start"]);
    let log = vectors().join("q35-sha256/eventlog.bin").display().to_string();
    let ima = vectors().join("q35-sha256/ima.bin").display().to_string();
    check(&lab, "sim-boot", 0, &["sim", "boot", &log, "--ima", &ima]);
    check(&lab, "check", 0, &["check"]);
    check(&lab, "certificates", 0, &["ca", "init", "--dir", "factory", "--organization", "T", "--name", "T"]);
    check(&lab, "certificates", 0, &["ca", "show", "--dir", "factory"]);
    let provision = lab.provision_arguments("gw-1");
    let provision: Vec<_> = provision.iter().map(String::as_str).collect();
    assert_eq!(q(&check(&lab, "provision", 0, &provision), "changed"), true);
    assert_eq!(q(&check(&lab, "provision", 0, &provision), "changed"), false);
    check(&lab, "certificates", 0, &["identity", "show"]);
    check(&lab, "key-generate", 0, &["key", "generate", "--out", "key.pem"]);
    check(
        &lab,
        "reference",
        0,
        &["reference", "record", "--product", "gw", "--release", "1", "--out", "unsigned.json"],
    );
    check(
        &lab,
        "reference",
        0,
        &["reference", "sign", "unsigned.json", "--key", "key.pem", "--out", "golden.json"],
    );
    check(&lab, "reference", 0, &["reference", "show", "golden.json"]);
    fs::write(
        lab.path("policy.toml"),
        "version = 1\nname = \"t\"\n[trust]\ndevice_roots = [\"factory/root.pem\"]\nreference_keys = [\"key.pem.pub\"]\n\
         [quote]\npcrs = [0, 1, 2, 3, 4, 5, 6, 7, 9]\n[boot]\nreferences = [\"golden.json\"]\n[ima]\nlist = \"require\"\nviolations = \"report\"\n",
    )
    .unwrap();
    check(&lab, "attest", 0, &["attest", "--nonce", NONCE, "--out", "evidence"]);
    let good =
        check(&lab, "appraise", 0, &["appraise", "evidence", "--nonce", NONCE, "--policy", "policy.toml"]);
    assert_eq!((q(&good, "verdict"), good["reasons"].as_array().unwrap().len()), ("trusted".into(), 0));
    let other = NONCE.replace('0', "1");
    let bad =
        check(&lab, "appraise", 3, &["appraise", "evidence", "--nonce", &other, "--policy", "policy.toml"]);
    assert_eq!((q(&bad, "verdict"), q(&bad["reasons"][0], "id")), ("refused".into(), "q03".into()));
    for key in ["id", "what", "where", "expected", "found"] {
        assert!(bad["reasons"][0][key].is_string(), "{key}");
    }
    check(&lab, "eventlog-show", 0, &["eventlog", "show", &log]);
    let of_systemd = |name: &str| vectors().join("systemd-262-profile").join(name).display().to_string();
    let (log_too, records) = (of_systemd("eventlog.bin"), of_systemd("tpm2-measure.log"));
    let both = ["eventlog", "show", &log_too, "--systemd-log", &records];
    let shown = check(&lab, "eventlog-show", 0, &both);
    let nv_index = &shown["measurements"][0]["records"][20]["nv_index"];
    assert_eq!(nv_index, 0x01D1_0200, "{}", shown["measurements"][0]);
    let replay = check(&lab, "replay", 0, &["eventlog", "replay", &log]);
    assert_eq!(replay["banks"]["sha256"]["0"].as_str().unwrap().len(), 64);
    check(&lab, "ima-show", 0, &["ima", "show", &ima]);
    let replay = check(&lab, "replay", 0, &["ima", "replay", &ima]);
    assert_eq!(replay["banks"]["sha256"]["10"].as_str().unwrap().len(), 64);
    updates(&lab);
    let release = lab.path("state/releases/current");
    let (manifest, bundle) = (release.join("manifest.json"), release.join("manifest.sigstore.json"));
    let (manifest, bundle) = (manifest.display().to_string(), bundle.display().to_string());
    check(
        &lab,
        "bundle-verify",
        0,
        &["bundle", "verify", &manifest, "--bundle", &bundle, "--key", "key.pem.pub"],
    );
    check(&lab, "attest", 0, &["attest", "--nonce", NONCE, "--out", "e", "--export-quote", "q"]);
    let quote =
        ["quote", "verify", "--key", "q/ak.pem", "--message", "q/quote.msg", "--signature", "q/quote.sig"];
    check(&lab, "quote-verify", 0, &[&quote[..], &["--pcrs", "q/quote.pcrs", "--nonce", NONCE]].concat());
    run_to_its_end(&lab);
    check(
        &lab,
        "ca-revoke",
        0,
        &["ca", "revoke", "gw-1", "--ledger", "ledger.jsonl", "--reason", "test", "--list", "l"],
    );
    check(&lab, "module", 0, &["module", "status"]);
    check(&lab, "module", 0, &["module", "list"]);
    check(&lab, "error", 1, &["eventlog", "replay", "no-such-file"]);
    check(&lab, "error", 3, &["eventlog", "replay", "key.pem"]);
    check(&lab, "error", 4, &["--tcti", "device:/dev/no-such-tpm", "attest", "--nonce", NONCE, "--out", "e"]);
    check(&lab, "error", 2, &["attest", "--nonce", "zz", "--out", "e"]);
    check(&lab, "error", 2, &["attest", "--no-such-option"]);
}

/// `run` prints its object when it has stopped.
fn run_to_its_end(lab: &Lab) {
    let arguments = [
        "--format",
        "json",
        "run",
        "--policy",
        "policy.toml",
        "--key",
        "key.pem.pub",
        "--product",
        "gw",
        "--hardware",
        "h",
    ];
    let child = lab.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = child.id().to_string();
    let started = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        lab.hallmark(&["--format", "json", "module", "status"]).stdout.contains("\"running\": true")
    });
    assert!(started, "the supervisor did not start");
    assert_eq!(lab.program("kill", &["-TERM", &pid]).code, Some(0));
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    matches("run", &ran.json().unwrap());
}

fn updates(lab: &Lab) {
    fs::create_dir_all(lab.path("build/bin")).unwrap();
    fs::copy(build_folder().join("examples/thermometer"), lab.path("build/bin/thermometer")).unwrap();
    fs::write(
        lab.path("package.toml"),
        "product = \"gw\"\nhardware = [\"h\"]\nversion = \"1\"\nrelease = 1\n[[module]]\nname = \"t\"\npath = \"bin/thermometer\"\n",
    )
    .unwrap();
    let trust = ["--key", "key.pem.pub", "--product", "gw", "--hardware", "h"];
    check(
        lab,
        "update-pack",
        0,
        &["update", "pack", "build", "--description", "package.toml", "--out", "p.hmk"],
    );
    check(lab, "update-package", 0, &["update", "inspect", "p.hmk"]);
    check(lab, "error", 3, &[&["update", "verify", "p.hmk"], &trust[..]].concat());
    check(lab, "update-sign", 0, &["update", "sign", "p.hmk", "--key", "key.pem"]);
    check(lab, "update-package", 0, &[&["update", "verify", "p.hmk"], &trust[..]].concat());
    check(lab, "update-install", 0, &[&["update", "install", "p.hmk"], &trust[..]].concat());
    check(lab, "update-status", 0, &[&["update", "status"], &trust[..]].concat());
}
