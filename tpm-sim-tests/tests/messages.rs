//! What somebody reads who gave a command the wrong thing: which file, what was expected, what to do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use tpm_sim_tests::Lab;

/// A command line, its exit code, and the beginning of the last line on standard error.
type Case<'c> = (&'c [&'c str], i32, &'c str);

fn told(lab: &Lab, cases: &[Case<'_>]) {
    for (arguments, code, message) in cases {
        let ran = lab.hallmark(arguments);
        let last = ran.stderr.lines().last().unwrap_or_default();
        assert_eq!(
            (ran.code, last.starts_with(message)),
            (Some(*code), true),
            "{arguments:?}: expected {message:?}: {ran:?}"
        );
    }
}

#[test]
fn a_file_of_another_kind_is_named_with_what_was_expected() {
    let lab = Lab::with_reference().unwrap();
    lab.write_policy("", "[quote]\npcrs = [0, 7]\n[boot]\nreferences = [\"golden.json\"]").unwrap();
    fs::write(lab.path("text"), "hello world\n").unwrap();
    fs::create_dir(lab.path("folder")).unwrap();
    let nonce = "00112233445566778899aabbccddeeff";
    let exported =
        lab.hallmark(&["attest", "--nonce", nonce, "--out", "evidence", "--export-quote", "quote"]);
    assert_eq!(exported.code, Some(0), "{exported:?}");
    let judge = |evidence: &'static str| ["appraise", evidence, "--nonce", nonce, "--policy", "policy.toml"];
    let quote =
        ["quote", "verify", "--key", "quote/ak.pem", "--message", "quote/quote.msg", "--nonce", nonce];
    let quote = [&quote[..], &["--pcrs", "quote/quote.pcrs", "--signature", "text"]].concat();
    let provision = [
        "provision",
        "--ca",
        "factory",
        "--device-id",
        "gw-2",
        "--ledger",
        "other.jsonl",
        "--ek-root",
        "text",
    ];
    let import =
        ["reference", "import", "--product", "gw", "--release", "1", "--file-set", "set", "--out", "out"];
    fs::write(lab.path("empty"), "").unwrap();
    fs::write(lab.path("public"), "-----BEGIN PUBLIC KEY-----\n").unwrap();
    let predict =
        ["reference", "predict", "--product", "gw", "--release", "1", "--out", "out", "--kernel", "text"];
    told(
        &lab,
        &[
            (&["ima", "replay", "empty"], 3, "refused [i04]: empty: the list is empty"),
            (&["ima", "show", "empty"], 3, "refused [i04]: empty: the list is empty"),
            (&["eventlog", "diff", "-", "-"], 2, "error: - is named for two logs"),
            (&judge("folder"), 1, "error: folder: Is a directory (os error 21); expected a file"),
            (
                &judge("text"),
                3,
                "refused [q08]: evidence: malformed: invalid type: string, expected map; expected what `hallmark attest` writes",
            ),
            (
                &["reference", "show", "text"],
                3,
                "refused: text: reference values: no JSON: expected value at line 1",
            ),
            (
                &["sim", "boot", "text"],
                3,
                "refused [e07]: text: event 0: at byte 8: digest needs 20 bytes, 4 are left; is this an event log",
            ),
            (&provision, 3, "refused: text: --ek-root: the file of trusted roots holds no certificate"),
            (&quote, 3, "refused [q04]: text: signature: made with scheme 0x6865"),
            (
                &[&import[..], &["--sha256sums", "text"]].concat(),
                3,
                "refused: text: line 1: too short, expected HEX  PATH",
            ),
            (&[&import[..], &["--corim", "text"]].concat(), 3, "refused: text: CoRIM: byte 0: found text"),
            (
                &[&import[..], &["--tree", "folder"]].concat(),
                1,
                "error: there is no file to import in what was named",
            ),
            (&predict, 3, "refused: text: kernel: no PE image"),
            (&["update", "sign", "text", "--key", "public"], 2, "error: public: is a public key"),
            (&["eventlog", "show", "text", "--pcr", "24"], 2, "For more information"),
        ],
    );
    // The laboratory names TPM and folder in the environment, and nobody has to give them.
    let lacking = lab.hallmark(&["appraise"]);
    let usage = "Usage: hallmark appraise --nonce <HEX> --policy <FILE> <EVIDENCE>\n";
    assert!(lacking.code == Some(2) && lacking.stderr.contains(usage), "{lacking:?}");
    let wrong = lab.hallmark(&["eventlog", "show", "text", "--pcr", "24"]);
    assert!(wrong.stderr.contains("24 is not in 0..=23"), "{wrong:?}");
}

#[test]
fn help_that_cannot_be_written_is_an_error_and_a_reader_that_goes_away_is_none() {
    let lab = Lab::empty().unwrap();
    let to = |arguments: &[&str], output: fs::File| lab.command(arguments).stdout(output).output().unwrap();
    for arguments in [&["--help"][..], &["--version"], &["eventlog", "--help"], &["help", "ima", "show"]] {
        let full = to(arguments, fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
        assert_eq!(full.status.code(), Some(1), "{arguments:?}");
        assert!(String::from_utf8_lossy(&full.stderr).contains("error: standard output: No space left"));
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let gone = lab.command(arguments).stdout(writer).output().unwrap();
        assert_eq!((gone.status.code(), gone.stderr.len()), (Some(0), 0), "{arguments:?}");
    }
}

/// A state folder that can't be looked into has not "no certificates": to provision again would be the wrong advice.
#[test]
fn a_place_that_cannot_be_looked_into_is_not_taken_for_an_empty_one() {
    let lab = Lab::started("sha256").unwrap();
    fs::write(lab.path("text"), "hello world\n").unwrap();
    let state = lab.path("text").display().to_string();
    let in_state = |file: &str| format!("error: {state}/{file}: Not a directory");
    let revoke = ["ca", "revoke", "gw-1", "--ledger", "text/ledger", "--reason", "lost", "--list", "list"];
    told(
        &lab,
        &[
            (&["--state", "text", "identity", "show"], 1, &in_state("identity/iak.pem")),
            (&["--state", "text", "update", "status"], 1, &in_state("trust.toml")),
            (&revoke, 1, "error: text/ledger: Not a directory"),
        ],
    );
}
