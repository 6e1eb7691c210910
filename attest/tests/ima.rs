//! Lists that kernels recorded in measured virtual machines, against the quotes and PCR values recorded with them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    missing_docs
)]

use std::path::PathBuf;

use attest::challenge::{Challenge, Nonce};
use std::sync::Arc;

use attest::ima::{
    Bank, ByteOrder, DigestKind, EvmKeyring, Extend, ImaError, ImaKeyring, ImaList, ImaOptions,
    ImaSignatureError, SignatureForm, SignerKeyrings, ascii_to_binary, replay, verify_signature,
};
use attest::key::{AttestationKey, ENDORSEMENT, PublicArea};
use attest::quote::tpm2_tools::read_pcr_file;
use attest::quote::{Quote, VerifiedQuote};
use attest::{Digest, HashAlgorithm, PcrIndex};
use jiff::{SignedDuration, Timestamp};

const ALL: [&str; 9] = [
    "q35-sha256",
    "q35-multibank",
    "q35-ima-ng",
    "q35-ima",
    "q35-cmdline",
    "q35-secureboot-uki",
    "q35-secureboot-own",
    "q35-upgrade",
    "q35-evm-sig",
];

/// Entries of a recording: an upgrade adds its script, and two programs once more; that of EVM a script and four programs.
fn entries_of(vector: &str) -> usize {
    match vector {
        "q35-upgrade" => 87,
        "q35-evm-sig" => 89,
        _ => 84,
    }
}

fn read(vector: &str, file: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tpm-sim-tests/vectors").join(vector);
    std::fs::read(folder.join(file)).unwrap_or_else(|error| panic!("{vector}/{file}: {error}"))
}

/// PCR 10 of each recorded bank.
fn recorded(vector: &str) -> Vec<Digest> {
    let text = String::from_utf8(read(vector, "pcrs.txt")).unwrap();
    let ten = text.lines().filter_map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        (words[1] == "10")
            .then(|| Digest::from_hex(HashAlgorithm::from_name(words[0]).unwrap(), words[2]).unwrap())
    });
    ten.collect()
}

/// How Debian 12's kernel extends a bank: it has SHA-384 only as a module.
fn bank(algorithm: HashAlgorithm) -> Bank {
    let extend = if algorithm == HashAlgorithm::Sha384 { Extend::PaddedSha1 } else { Extend::TemplateHash };
    Bank { algorithm, extend }
}

fn verified_quote(vector: &str) -> VerifiedQuote {
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let nonce = String::from_utf8(read(vector, "quote/nonce.hex")).unwrap();
    let nonce = Nonce::new(&hex::decode(nonce.trim()).unwrap()).unwrap();
    let area = PublicArea::parse_tpm2b(&read(vector, "quote/ak.pub")).unwrap();
    // The recordings' keys are children of the EK, as tpm2_createak makes them.
    let ek = PublicArea::parse_tpm2b(&read(vector, "quote/ek.pub")).unwrap();
    let key =
        AttestationKey::new(area.clone(), area.key()).unwrap().with_parent(&ek.qualified_name(&ENDORSEMENT));
    let message = read(vector, "quote/quote.msg");
    let pcrs = read(vector, "quote/quote.pcrs");
    let values = read_pcr_file(&pcrs, &message).unwrap();
    Quote { message: &message, signature: &read(vector, "quote/quote.sig") }
        .verify(Challenge::new(nonce, now, SignedDuration::from_mins(5)), now, &key, &values)
        .unwrap_or_else(|error| panic!("{vector}: {error}"))
}

#[test]
fn recorded_lists_replay_to_pcr_10_in_every_bank() {
    for vector in ALL {
        let bytes = read(vector, "ima.bin");
        let list = ImaList::new(&bytes);
        assert_eq!(list.byte_order(), ByteOrder::Little);
        for quoted in recorded(vector) {
            let bank = bank(quoted.algorithm());
            let pcrs = replay(&list, &[bank]).unwrap();
            assert_eq!(pcrs.get(bank.algorithm, PcrIndex::IMA), Some(&quoted), "{vector}");
            assert_eq!(pcrs.iter().count(), 1, "{vector}");
        }
    }
}

#[test]
fn recorded_lists_are_covered_by_the_quotes_recorded_with_them() {
    for vector in ALL.into_iter().filter(|vector| *vector != "q35-ima") {
        let bytes = read(vector, "ima.bin");
        let quote = verified_quote(vector);
        for quoted in recorded(vector) {
            let bank = bank(quoted.algorithm());
            if quote.value(bank.algorithm, PcrIndex::IMA).is_none() {
                continue;
            }
            let options = ImaOptions { bank, ..ImaOptions::new(bank.algorithm) };
            let measured = ImaList::new(&bytes)
                .measured(&quote, &options)
                .unwrap_or_else(|error| panic!("{vector} {quoted}: {error}"));
            assert_eq!(measured.attested(), entries_of(vector), "{vector} {quoted}");
            assert_eq!(measured.violations(), 2, "{vector} {quoted}");
            assert_eq!(measured.not_yet_attested(), 0, "{vector} {quoted}");
            assert_eq!(measured.files().count(), entries_of(vector) - 3, "{vector} {quoted}");
            assert_eq!(measured.violation_entries().count(), 2, "{vector} {quoted}");
            assert!(measured.files().all(|entry| entry.path() != b"boot_aggregate"));
        }
    }
}

#[test]
fn i04_a_boot_aggregate_of_a_bank_that_is_not_quoted_says_what_to_quote() {
    let bytes = read("q35-ima", "ima.bin");
    let quote = verified_quote("q35-ima");
    let error = ImaList::new(&bytes).measured(&quote, &ImaOptions::new(HashAlgorithm::Sha256)).unwrap_err();
    let missing = PcrIndex::all().take(8).collect();
    assert_eq!(error, ImaError::BootAggregateNotQuoted { bank: HashAlgorithm::Sha1, missing });
    assert_eq!(
        error.to_string(),
        "IMA list: to check boot_aggregate, quote PCR 0, 1, 2, 3, 4, 5, 6, 7 of bank sha1 as well"
    );
}

#[test]
fn ascii_and_binary_lists_have_the_same_entries() {
    for vector in ALL {
        let binary = read(vector, "ima.bin");
        let from_ascii = ascii_to_binary(&read(vector, "ima.ascii"), HashAlgorithm::Sha1).unwrap();
        let entries: Vec<_> = ImaList::new(&binary).entries().collect::<Result<_, _>>().unwrap();
        let again: Vec<_> = ImaList::new(&from_ascii).entries().collect::<Result<_, _>>().unwrap();
        assert_eq!(entries.len(), entries_of(vector), "{vector}");
        assert_eq!(entries, again, "{vector}");
        assert_eq!(binary, from_ascii, "{vector}");
    }
}

#[test]
fn entries_say_what_was_measured() {
    let bytes = read("q35-sha256", "ima.bin");
    let list = ImaList::new(&bytes);
    let entries: Vec<_> = list.entries().map(Result::unwrap).collect();
    let signed = entries.iter().find(|entry| entry.path() == b"/srv/signed-sha512.txt").unwrap();
    assert_eq!(signed.template(), "ima-sig");
    assert_eq!(signed.file_digest().algorithm(), Some(HashAlgorithm::Sha512));
    assert_eq!(signed.file_digest().kind(), DigestKind::Unstated);
    assert_eq!(signed.signature().unwrap()[..3], [3, 2, 6]);
    assert_eq!(signed.buffer(), None);
    assert_eq!(entries[1].number(), 2);
    assert_eq!(entries[1].offset(), 0x6A);
    assert_eq!(entries[1].path(), b"/sbin/init");
    assert_eq!(entries[1].signature(), None);
}

#[test]
fn i10_a_bank_of_padded_sha1_digests_is_recognised_and_only_accepted_by_name() {
    let bytes = read("q35-multibank", "ima.bin");
    let quote = verified_quote("q35-multibank");
    let error = ImaList::new(&bytes).measured(&quote, &ImaOptions::new(HashAlgorithm::Sha384)).unwrap_err();
    assert_eq!(
        error,
        ImaError::ExtendedOtherwise {
            bank: HashAlgorithm::Sha384,
            found: Extend::PaddedSha1,
            expected: Extend::TemplateHash,
            covered: 84
        }
    );
    assert_eq!(error.threat(), "i10");
}

#[test]
fn i04_a_list_of_another_boot_is_refused() {
    let bytes = read("q35-cmdline", "ima.bin");
    let quote = verified_quote("q35-sha256");
    let error = ImaList::new(&bytes).measured(&quote, &ImaOptions::new(HashAlgorithm::Sha256)).unwrap_err();
    assert!(matches!(error, ImaError::NotCovered { read: 84, .. }), "{error}");
}

/// The recorded files with a signature, and which one holds for a verifier with these keys.
fn signers(contents: bool, evm: bool) -> Vec<(String, Result<SignatureForm, ImaSignatureError>)> {
    let key = |file: &str| {
        let pem = String::from_utf8(read("q35-evm-sig", file)).unwrap();
        ImaKeyring::from_pem(file, &pem).unwrap()
    };
    let contents: Vec<_> = contents.then(|| Arc::new(key("ima-key.pub.pem"))).into_iter().collect();
    let evm: Vec<_> = evm.then(|| Arc::new(EvmKeyring::new(key("evm-key.pub.pem")))).into_iter().collect();
    let keyrings = SignerKeyrings { contents: &contents, evm: &evm, allow_sha1: false };
    let bytes = read("q35-evm-sig", "ima.bin");
    let list = ImaList::new(&bytes);
    let verified = list.entries().filter_map(|entry| {
        let entry = entry.unwrap();
        let found = verify_signature(&entry, &keyrings).map(|signer| signer.form);
        let name = entry.path().escape_ascii().to_string();
        (found != Err(ImaSignatureError::Missing)).then_some((name, found))
    });
    verified.collect()
}

#[test]
fn i07_a_kernels_own_list_of_portable_signatures_is_verified() {
    let found = signers(true, true);
    let form = |path: &str| found.iter().find(|(name, _)| name == path).unwrap().1.clone();
    assert_eq!(found.len(), 6);
    for (path, expected) in [
        // In this template a signature over contents is one of the extended attributes.
        ("/usr/bin/signed-sha256", SignatureForm::Contents),
        ("/srv/signed-sha512.txt", SignatureForm::Contents),
        ("/usr/bin/evm-hash", SignatureForm::Portable),
        ("/usr/bin/evm-ima", SignatureForm::Portable),
        ("/usr/bin/evm-label", SignatureForm::Portable),
    ] {
        assert_eq!(form(path), Ok(expected), "{path}");
    }
    // Signed for owner 1000, and given to root.
    assert!(matches!(form("/usr/bin/evm-moved"), Err(ImaSignatureError::Mismatch { .. })));
}

#[test]
fn i15_a_kernels_portable_signatures_count_by_evm_keys_only() {
    for (path, found) in signers(true, false) {
        // Without the key for EVM, what the inner signature says of the contents still holds.
        let contents = path.contains("signed-") || path == "/usr/bin/evm-ima";
        assert_eq!(found.is_ok(), contents, "{path}: {found:?}");
        assert!(found.is_err() || found == Ok(SignatureForm::Contents), "{path}: {found:?}");
    }
    for (path, found) in signers(false, true) {
        // A portable signature over a signature of the contents says nothing where that one is by nobody.
        let hashed = ["/usr/bin/evm-hash", "/usr/bin/evm-label"].contains(&path.as_str());
        assert_eq!(found.is_ok(), hashed, "{path}: {found:?}");
    }
}
