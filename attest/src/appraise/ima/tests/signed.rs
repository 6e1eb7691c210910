//! Which signatures files count by.

use p256::ecdsa::signature::hazmat::PrehashSigner as _;

use super::*;

const RULES: &str = "keyrings = { files = [\"a\"] }\nevm_keyrings = { attributes = [\"b\"] }\n\
                     [[rules]]\npaths = [\"/**\"]\nsigned_by = [\"files\", \"attributes\"]\n";

fn from(vector: &str, file: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tpm-sim-tests/vectors");
    std::fs::read(folder.join(vector).join(file)).unwrap()
}

fn recorded_keyring(name: &str, file: &str) -> ImaKeyring {
    ImaKeyring::from_pem(name, &String::from_utf8(from("q35-evm-sig", file)).unwrap()).unwrap()
}

/// The signed programs of a kernel's own list: one by its contents, three by portable signatures, and one whose owner was
/// changed after it was signed.
fn recorded_files() -> Vec<Vec<u8>> {
    let list = from("q35-evm-sig", "ima.bin");
    let entries: Vec<_> = ImaList::new(&list).entries().map(Result::unwrap).collect();
    let ends = entries.iter().map(Entry::offset).skip(1).chain([list.len()]);
    let signed = |entry: &Entry<'_>| {
        [b"/usr/bin/evm-".as_slice(), b"/usr/bin/signed-"].iter().any(|path| entry.path().starts_with(path))
    };
    entries
        .iter()
        .zip(ends)
        .filter(|(entry, _)| signed(entry))
        .map(|(entry, end)| list[entry.offset()..end].to_vec())
        .collect()
}

/// A file with the kernel's own form of an appended signature.
fn appended() -> Vec<u8> {
    let message = include_str!("../../../ima/tests/signers/rsa-kernel.cms.hex");
    let message = hex::decode(message.split_whitespace().collect::<String>()).unwrap();
    let digest = |content: &[u8]| [b"sha256:\0", SHA256.digest(content).as_bytes()].concat();
    let fields =
        [digest(b"hello\n and more"), b"/lib/a.ko\0".to_vec(), Vec::new(), digest(b"hello\n"), message];
    let data: Vec<u8> = fields.iter().flat_map(|field| sized(field)).collect();
    let hash = HashAlgorithm::Sha1.digest(&data);
    [&10_u32.to_le_bytes(), hash.as_bytes(), &sized(b"ima-modsig"), &sized(&data)].concat()
}

/// A file with a signature over its fs-verity digest.
fn verity() -> Vec<u8> {
    verity_of("/opt/verity", b"root of the tree")
}

fn verity_of(path: &str, content: &[u8]) -> Vec<u8> {
    signed_verity(path, content, content)
}

/// The same with a signature over the digest of `signed`.
fn signed_verity(path: &str, content: &[u8], signed: &[u8]) -> Vec<u8> {
    let private = hex::decode("ea17c740b82b774f96daf2eeb3982652a35cdfe732ea21a915ff42057987605f").unwrap();
    let key = p256::ecdsa::SigningKey::from_slice(&private).unwrap();
    let digest = SHA256.digest(content);
    let signed = SHA256.digest_parts(&[&[6, 4], SHA256.digest(signed).as_bytes()]);
    let signature: p256::ecdsa::Signature = key.sign_prehash(signed.as_bytes()).unwrap();
    let der = signature.to_der();
    let length = u16::try_from(der.as_bytes().len()).unwrap().to_be_bytes();
    let attribute = [&[6, 3, 4, 0xAA, 0xBB, 0xCC, 0xDD], length.as_slice(), der.as_bytes()].concat();
    let field = [b"verity:sha256:\0", digest.as_bytes()].concat();
    let data = [sized(&field), sized(&[path.as_bytes(), b"\0"].concat()), sized(&attribute)].concat();
    let hash = HashAlgorithm::Sha1.digest(&data);
    [&10_u32.to_le_bytes(), hash.as_bytes(), &sized(b"ima-sigv2"), &sized(&data)].concat()
}

#[test]
fn i07_claims_say_which_form_of_signature_vouched_for_how_many_files() {
    let rsa = ImaKeyring::from_pem("files", include_str!("../../../ima/tests/signers/rsa.pem")).unwrap();
    let contents = recorded_keyring("files", "ima-key.pub.pem").and(rsa).and(other_keyring("files"));
    let evm = recorded_keyring("attributes", "evm-key.pub.pem");
    let files = [recorded_files(), vec![appended(), verity(), file("/unsigned", b"x")]].concat();
    let outcome = judged(&rules(RULES), vec![contents, evm], &files);
    let claims = outcome.claims.ima.unwrap();
    assert_eq!((claims.signed_files, claims.unknown_files), (6, 2));
    let by_form = (claims.evm_signed_files, claims.modsig_signed_files, claims.verity_signed_files);
    assert_eq!(by_form, (3, 1, 1), "the rest is signed-sha256, by its contents");
    let refused: Vec<_> = outcome.reasons.iter().map(|reason| reason.what.as_str()).collect();
    assert!(refused[0].starts_with("/usr/bin/evm-moved: its signature by key"), "{refused:?}");
    assert_eq!(refused[1], "/unsigned: it has no signature");
}

/// Judges entries one after the other as those of one list, with so many checks at most.
fn of_one_list(set: &ImaRuleSet, checks: &mut SignatureChecks, files: &[Vec<u8>]) -> Vec<RuleVerdict> {
    let list = files.concat();
    ImaList::new(&list).entries().map(|entry| set.judge(&entry.unwrap(), checks)).collect()
}

const BY_PATH: &str = "keyrings = { ours = [\"a\"], theirs = [\"b\"] }\n\
                       [[rules]]\npaths = [\"/opt/**\"]\nsigned_by = [\"ours\"]\n\
                       [[rules]]\npaths = [\"/srv/**\"]\nsigned_by = [\"theirs\"]\n";

fn by_path() -> ImaRuleSet {
    ImaRuleSet::compile(&rules(BY_PATH), vec![other_keyring("ours"), keyring("theirs")]).unwrap()
}

#[test]
fn i20_an_equal_signature_is_checked_once_under_whatever_path() {
    let set = by_path();
    let mut checks = SignatureChecks::at_most(1);
    let paths = ["/opt/a", "/opt/a", "/opt/b", "/opt/another/c"];
    let files: Vec<_> = paths.iter().map(|path| verity_of(path, b"x")).collect();
    let found = of_one_list(&set, &mut checks, &files);
    assert_eq!(found, vec![RuleVerdict::Signed(SignatureForm::Verity, SHA256); 4]);
    assert_eq!(checks.not_checked(), 0);
    // What has no signature, or one by a key that nobody knows, takes no check.
    let mut checks = SignatureChecks::at_most(1);
    let foreign = (0..5).map(|content| verity_of("/srv/a", &[content]));
    let rest = [file("/opt/n", b"x"), files[0].clone(), files[1].clone()];
    let found = of_one_list(&set, &mut checks, &foreign.chain(rest).collect::<Vec<_>>());
    let unknown = |found: &RuleVerdict| {
        matches!(found, RuleVerdict::BadSignature(ImaSignatureError::UnknownKey { .. }))
    };
    assert!(found[..5].iter().all(unknown), "{found:?}");
    assert_eq!(found[5], RuleVerdict::BadSignature(ImaSignatureError::Missing));
    assert_eq!(found[6..], vec![RuleVerdict::Signed(SignatureForm::Verity, SHA256); 2]);
    assert_eq!(checks.not_checked(), 0);
}

#[test]
fn i20_what_was_found_of_a_signature_counts_for_no_other_digest_or_keyring() {
    let set = by_path();
    let mut checks = SignatureChecks::default();
    let good = verity_of("/opt/a", b"good");
    // The same signature with another content, and the same entry where another signer is asked for.
    let bad = signed_verity("/opt/a", b"bad", b"good");
    let files = [good.clone(), bad.clone(), verity_of("/srv/a", b"good"), good, bad];
    let found = of_one_list(&set, &mut checks, &files);
    let (mismatch, unknown) = (&found[1], &found[2]);
    assert!(matches!(mismatch, RuleVerdict::BadSignature(ImaSignatureError::Mismatch { .. })), "{found:?}");
    assert!(matches!(unknown, RuleVerdict::BadSignature(ImaSignatureError::UnknownKey { .. })), "{found:?}");
    let signed = RuleVerdict::Signed(SignatureForm::Verity, SHA256);
    assert_eq!((&found[0], &found[3], &found[4]), (&signed, &signed, mismatch));
}

/// What is made of files with so many checks.
fn with_checks(checks: u32, rules: &ImaRules, set: &ImaRuleSet, files: &[Vec<u8>]) -> (Tally, Outcome) {
    let (releases, list) = (Releases::none(), files.concat());
    let known = Known { rules, compiled: set, releases: &releases, seen: None, earlier: None };
    let mut tally = Tally { checks: SignatureChecks::at_most(checks), ..Tally::default() };
    let mut outcome = Outcome::default();
    ImaList::new(&list).entries().for_each(|entry| tally.judge(known, &entry.unwrap(), &mut outcome));
    tally.tell_not_checked(rules, &mut outcome);
    (tally, outcome)
}

#[test]
fn i20_a_list_with_more_signatures_than_are_checked_is_refused() {
    let (set, files) = (by_path(), [0, 1, 2, 3, 4, 0, 1].map(|content| verity_of("/opt/a", &[content])));
    for unknown_files in ["refuse", "report"] {
        let rules = rules(&format!("unknown_files = \"{unknown_files}\"\n{BY_PATH}"));
        let (tally, outcome) = with_checks(5, &rules, &set, &files);
        assert_eq!((tally.signed.all, outcome.reasons.len(), outcome.notes.len()), (7, 0, 0));
        let (tally, outcome) = with_checks(3, &rules, &set, &files);
        assert_eq!(tally.signed.all, 5, "the first three, and two of them once more");
        let [reason] = outcome.reasons.as_slice() else { panic!("{:?}", outcome.reasons) };
        assert_eq!((reason.id, reason.found.as_str()), ("i20", "2 entries that were not checked"));
    }
}

#[test]
fn i20_nothing_is_checked_of_a_list_that_is_refused_already() {
    let set = by_path();
    let unknown: Vec<_> = (0..10_u8).map(|number| file(&format!("/bin/{number}"), &[number])).collect();
    let files = [unknown, vec![verity(), verity_of("/opt/b", b"x"), file("/bin/more", b"x")]].concat();
    let (tally, outcome) = with_checks(9, &rules(BY_PATH), &set, &files);
    assert_eq!((tally.signed.all, tally.unknown, outcome.reasons.len()), (0, 11, NAMED_FILES));
    assert!(outcome.notes[0].starts_with("the signatures of 2 more files"), "{:?}", outcome.notes);
    // Where unknown files are only reported the list may still pass, so that all is looked at.
    let report = rules(&format!("unknown_files = \"report\"\n{BY_PATH}"));
    let (tally, outcome) = with_checks(9, &report, &set, &files);
    assert_eq!((tally.signed.all, tally.unknown, outcome.reasons.len()), (2, 11, 0));
}

#[test]
fn i20_no_more_signatures_are_remembered_than_have_their_place() {
    let set = by_path();
    let mut checks = SignatureChecks::default();
    for number in 0..1100_u32 {
        // Not one of them holds; that is remembered as well.
        let file = signed_verity("/opt/a", &number.to_le_bytes(), b"");
        of_one_list(&set, &mut checks, &[file]);
    }
    assert_eq!(checks.remembered(), 1024);
}
