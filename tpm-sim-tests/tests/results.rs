//! Attestation results: from a device's evidence to a relying party, which may use another language's library.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use attest::evidence::{Evidence, Log};
use tpm_sim_tests::{Lab, Ran, vectors};

const NONCE: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
/// The system's own interpreter: `make test-deps` installs the libraries for it.
const PYTHON: &str = "/usr/bin/python3";
const RULES: &str = "[quote]\npcrs = [0, 1, 2, 3, 4, 5, 6, 7, 9]\n[boot]\nreferences = [\"golden.json\"]\n\
                     [ima]\nlist = \"require\"\nviolations = \"report\"";

/// Nothing of the recorded boot is reported only: its list has violations, and its firmware is in setup mode.
const QUIET_RULES: &str = "[quote]\npcrs = [0, 1, 2, 3, 4, 5, 6, 7, 9]\n[boot]\nreferences = [\"golden.json\"]\n\
                           setup_mode = \"allow\"\n";

fn good(ran: Ran) -> Ran {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran
}

/// A device with a reference, a policy, a verifier's key and evidence.
fn lab() -> Lab {
    let lab = Lab::with_reference().unwrap();
    lab.write_policy("", RULES).unwrap();
    good(lab.hallmark(&["key", "generate", "--out", "verifier.pem"]));
    good(lab.hallmark(&["attest", "--nonce", NONCE, "--out", "evidence"]));
    lab
}

fn appraise(lab: &Lab, form: &str, out: &str) -> Ran {
    let arguments = ["--format", "json", "appraise", "evidence", "--nonce", NONCE, "--policy", "policy.toml"];
    let result = ["--result", out, "--result-key", "verifier.pem", "--result-format", form];
    lab.hallmark(&[&arguments[..], &result].concat())
}

fn verify(lab: &Lab, file: &str, more: &[&str]) -> Ran {
    let arguments = ["--format", "json", "result", "verify", file, "--key", "verifier.pem.pub"];
    lab.hallmark(&[&arguments[..], more].concat())
}

fn refused(ran: &Ran, code: i32, id: &str) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    assert_eq!(ran.json().unwrap()["error"]["id"], id, "{ran:?}");
}

#[test]
fn a_relying_party_verifies_what_the_verifier_signed() {
    let lab = lab();
    lab.write_policy("", QUIET_RULES).unwrap();
    for form in ["jwt", "cwt"] {
        let report = good(appraise(&lab, form, form)).json().unwrap();
        let digest = report["policy_digest"].as_str().unwrap();
        let expected = ["--device", "gw-1", "--nonce", NONCE, "--policy-digest", digest, "--affirming"];
        let result = good(verify(&lab, form, &expected)).json().unwrap();
        assert_eq!(result["verified"], true);
        assert_eq!(result["status"], "affirming");
        assert_eq!(result["attestation_key"], report["claims"]["attestation_key"]);
        assert_eq!(result["trustworthiness"]["instance-identity"], 2);
        assert_eq!(result["trustworthiness"]["hardware"], 2);
        let shown = good(lab.hallmark(&["--format", "json", "result", "show", form])).json().unwrap();
        assert_eq!(shown["verified"], false);
        // Another device, another nonce, another policy, another key, another time.
        refused(&verify(&lab, form, &["--device", "gw-2"]), 3, "v01");
        refused(&verify(&lab, form, &["--nonce", &NONCE.replace('0', "f")]), 3, "v01");
        refused(&verify(&lab, form, &["--policy-digest", &format!("sha256:{}", "0".repeat(64))]), 3, "v01");
        let other = ["result", "verify", form, "--key", "key.pem.pub"];
        refused(&lab.hallmark(&[&["--format", "json"][..], &other].concat()), 3, "u01");
        refused(&verify(&lab, form, &["--at", "2099-01-01T00:00:00Z"]), 5, "v07");
        refused(&verify(&lab, form, &["--at", "1971-01-01T00:00:00Z"]), 5, "v07");
        let mut changed = fs::read(lab.path(form)).unwrap();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        fs::write(lab.path("changed"), changed).unwrap();
        assert_eq!(verify(&lab, "changed", &[]).code, Some(3));
    }
}

#[test]
fn q18_what_the_policy_only_reports_is_a_warning_and_never_affirming() {
    let lab = lab();
    for form in ["jwt", "cwt"] {
        good(appraise(&lab, form, form));
        let result = good(verify(&lab, form, &[])).json().unwrap();
        assert_eq!(result["status"], "warning", "{result:#}");
        // Violations and setup mode.
        let values = &result["trustworthiness"];
        let found =
            ["file-system", "executables", "configuration", "hardware"].map(|aspect| values[aspect].as_i64());
        assert_eq!(found, [Some(32), Some(33), Some(32), Some(2)], "{result:#}");
        assert_eq!(verify(&lab, form, &["--affirming"]).code, Some(3));
    }
}

#[test]
fn a_refusal_is_signed_as_well_and_refuses() {
    let lab = lab();
    lab.boot("q35-cmdline").unwrap();
    good(lab.hallmark(&["attest", "--nonce", NONCE, "--out", "evidence"]));
    assert_eq!(appraise(&lab, "jwt", "result.jwt").code, Some(3));
    let ran = verify(&lab, "result.jwt", &["--device", "gw-1"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let result = ran.json().unwrap();
    assert_eq!((&result["verified"], &result["status"]), (&true.into(), &"contraindicated".into()));
    assert!(!result["reasons"].as_array().unwrap().is_empty(), "{result:#}");
}

/// What PyJWT and cbor2 with Python's cryptography make of the two forms: signatures checked, claims printed as JSON.
const READ: &str = r#"
import base64, json, sys
import cbor2, jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

key = serialization.load_pem_public_key(open("verifier.pem.pub", "rb").read())
token = open("result.jwt").read()
header = jwt.get_unverified_header(token)
claims = jwt.decode(token, key, algorithms=["ES256"], options={"require": ["exp", "iat"]})
bound = jwt.PyJWK(claims["cnf"]["jwk"]).key.public_numbers()

tag = cbor2.loads(open("result.cwt", "rb").read())
assert tag.tag == 18, tag
protected, unprotected, payload, signature = tag.value
assert unprotected == {}, unprotected
signed = cbor2.dumps(["Signature1", protected, b"", payload])
r, s = signature[:32], signature[32:]
der = utils.encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
key.verify(der, signed, ec.ECDSA(hashes.SHA256()))
cwt = cbor2.loads(payload)
cose_key = cwt[8][1]
assert cose_key[-2] == bound.x.to_bytes(len(cose_key[-2]), "big")
assert cose_key[-3] == bound.y.to_bytes(len(cose_key[-3]), "big")
assert cose_key[2].hex() == claims["cnf"]["jwk"]["kid"]
assert cwt[265] == claims["eat_profile"]
nonce = claims["eat_nonce"]
assert cwt[10] == base64.urlsafe_b64decode(nonce + "=" * (-len(nonce) % 4))
(name, one), = claims["submods"].items()
(other_name, other), = cwt[266].items()
assert name == other_name and other[1000] == 2 and one["ear_status"] == "affirming"
assert other[1003] == one["ear_appraisal_policy_ids"]
assert sorted(other[1001].values()) == sorted(one["ear_trustworthiness_vector"].values())
assert cwt[4] - cwt[6] == claims["exp"] - claims["iat"]
print(json.dumps({"header": header, "claims": claims, "nonce": cwt[10].hex()}))
"#;

#[test]
fn a_jwt_library_of_another_language_reads_the_result() {
    let lab = lab();
    lab.write_policy("", QUIET_RULES).unwrap();
    for form in ["jwt", "cwt"] {
        good(appraise(&lab, form, &format!("result.{form}")));
    }
    let read = good(lab.program(PYTHON, &["-c", READ])).json().unwrap();
    assert_eq!(read["nonce"], NONCE);
    assert_eq!((&read["header"]["alg"], &read["header"]["typ"]), (&"ES256".into(), &"eat+jwt".into()));
    let claims = &read["claims"];
    assert_eq!(claims["eat_profile"], "tag:ietf.org,2026:rats/ear#04");
    assert!(claims["submods"]["gw-1"].is_object(), "{claims:#}");
    // The library refuses what we refuse: the test can fail.
    let changed = fs::read_to_string(lab.path("result.jwt")).unwrap().replacen(".e", ".f", 1);
    fs::write(lab.path("result.jwt"), changed).unwrap();
    assert_ne!(lab.program(PYTHON, &["-c", READ]).code, Some(0));
}

#[test]
fn long_logs_of_an_attestation_travel_compressed_and_all_come_out_whole() {
    let lab = lab();
    // Longer than what is sent at once (docs/decisions/0011); the others are shorter.
    fs::write(lab.path("tpm2-measure.log"), "\u{1e}{\"pcr\":11,\"digests\":[]}\n".repeat(600)).unwrap();
    good(lab.hallmark(&[
        "attest",
        "--nonce",
        NONCE,
        "--out",
        "evidence",
        "--measurement-log",
        "systemd:tpm2-measure.log",
    ]));
    let evidence = Evidence::parse(&fs::read(lab.path("evidence")).unwrap()).unwrap();
    let vector = vectors().join("q35-sha256");
    for (log, file, packed) in [
        (evidence.event_log.unwrap(), vector.join("eventlog.bin"), false),
        (evidence.ima.unwrap().list, vector.join("ima.bin"), false),
        (evidence.measurement_logs[0].log.clone(), lab.path("tpm2-measure.log"), true),
    ] {
        assert_eq!(matches!(log, Log::Zstd { .. }), packed, "{log:?}");
        assert_eq!(*log.bytes(1 << 20).unwrap(), *fs::read(file).unwrap());
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Validates evidence against the published CDDL by the CDDL library of another language (PyPI: pycddl).
const VALIDATE: &str = "import sys, pycddl\n\
                        schema = pycddl.Schema(open(sys.argv[1]).read())\n\
                        schema.validate_cbor(open(sys.argv[2], 'rb').read())\n";

#[test]
fn evidence_fits_the_published_cddl() {
    // Where `make test-deps` puts it; without it the program can't be started, and the test fails saying so.
    let python = root().join("target/test/python/bin/python").display().to_string();
    let lab = lab();
    let cddl = root().join("docs/schemas/evidence.cddl").display().to_string();
    good(lab.program(&python, &["-c", VALIDATE, &cddl, "evidence"]));
    let mut evidence = Evidence::parse(&fs::read(lab.path("evidence")).unwrap()).unwrap();
    evidence.event_log = evidence.event_log.map(|log| Log::packed(log.bytes(1 << 20).unwrap().into_owned()));
    assert!(matches!(evidence.event_log, Some(Log::Zstd { .. })));
    fs::write(lab.path("evidence"), evidence.to_bytes().unwrap()).unwrap();
    good(lab.program(&python, &["-c", VALIDATE, &cddl, "evidence"]));
    evidence.quote.pcr_values[0].truncate(19);
    fs::write(lab.path("evidence"), evidence.to_bytes().unwrap()).unwrap();
    assert_ne!(lab.program(&python, &["-c", VALIDATE, &cddl, "evidence"]).code, Some(0), "the test can fail");
}

/// Whoever compares policies later finds no verdict in the store that its device was never told.
#[test]
fn nothing_is_kept_of_an_appraisal_whose_result_cannot_be_written() {
    let lab = lab();
    let store = |out: &str| {
        let arguments =
            ["appraise", "evidence", "--nonce", NONCE, "--policy", "policy.toml", "--store", "seen"];
        lab.hallmark(&[&arguments[..], &["--result", out, "--result-key", "verifier.pem"]].concat())
    };
    let kept = || fs::read_dir(lab.path("seen")).unwrap().count();
    // Its name is as long as names may be, and the file that it is written to first has a longer one.
    let failed = store(&"r".repeat(255));
    assert_eq!((failed.code, failed.stdout.as_str(), kept()), (Some(1), "", 0), "{failed:?}");
    assert_eq!((store("result").code, kept()), (Some(0), 1));
}
