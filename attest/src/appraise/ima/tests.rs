//! Files against the rules of a policy.

mod kexec;
mod lapsed;
mod signed;

use std::collections::BTreeMap;

use super::rules::RuleVerdict;
use super::*;
use crate::digest::{Digest, HashAlgorithm};
use crate::ima::{ImaKeyring, ImaSignatureError, SignatureChecks, measure, replay};

const SHA256: HashAlgorithm = HashAlgorithm::Sha256;

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_le_bytes(), bytes].concat()
}

fn entry(template: &str, digest: &Digest, path: &[u8], last: &[u8]) -> Vec<u8> {
    let digest = [digest.algorithm().name().as_bytes(), b":\0", digest.as_bytes()].concat();
    let data = [sized(&digest), sized(&[path, b"\0"].concat()), sized(last)].concat();
    let hash = HashAlgorithm::Sha1.digest(&data);
    [&10_u32.to_le_bytes(), hash.as_bytes(), &sized(template.as_bytes()), &sized(&data)].concat()
}

fn file(path: &str, content: &[u8]) -> Vec<u8> {
    entry("ima-sig", &SHA256.digest(content), path.as_bytes(), b"")
}

fn buffer(name: &str, bytes: &[u8]) -> Vec<u8> {
    entry("ima-buf", &SHA256.digest(bytes), name.as_bytes(), bytes)
}

fn rules(text: &str) -> ImaRules {
    toml::from_str(&format!("list = \"require\"\n{text}")).unwrap()
}

fn vector(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tpm-sim-tests/vectors/q35-sha256");
    std::fs::read(folder.join(name)).unwrap()
}

fn recorded_key() -> String {
    String::from_utf8(vector("ima-key.pub.pem")).unwrap()
}

fn keyring(name: &str) -> ImaKeyring {
    ImaKeyring::from_pem(name, &recorded_key()).unwrap()
}

fn other_keyring(name: &str) -> ImaKeyring {
    ImaKeyring::from_pem(name, include_str!("../../ima/tests/ima-signer.pem")).unwrap()
}

fn verdict(set: &ImaRuleSet, bytes: &[u8]) -> RuleVerdict {
    set.judge(&ImaList::new(bytes).entries().next().unwrap().unwrap(), &mut SignatureChecks::default())
}

/// The recorded entries with a signature: `/usr/bin/signed-sha256` and `/srv/signed-sha512.txt`.
fn recorded_signed() -> Vec<Vec<u8>> {
    let list = vector("ima.bin");
    let entries: Vec<_> = ImaList::new(&list).entries().map(Result::unwrap).collect();
    let ends = entries.iter().map(Entry::offset).skip(1).chain([list.len()]);
    let signed = entries.iter().zip(ends).filter(|(entry, _)| entry.signature().is_some());
    signed.map(|(entry, end)| list[entry.offset()..end].to_vec()).collect()
}

#[test]
fn i12_a_digest_counts_under_the_paths_of_its_rule_only() {
    let (good, bad) = (SHA256.digest(b"good"), SHA256.digest(b"bad"));
    let rules =
        rules(&format!("[[rules]]\npaths = [\"/opt/app/**\", \"/bin/tool\"]\ndigests = [\"{good}\"]\n"));
    let set = ImaRuleSet::compile(&rules, Vec::new()).unwrap();
    for (path, content, expected) in [
        ("/opt/app/a/b", &b"good"[..], RuleVerdict::Allowed),
        ("/bin/tool", b"good", RuleVerdict::Allowed),
        ("/opt/app/a", b"bad", RuleVerdict::Unknown),
        ("/bin/tool", b"bad", RuleVerdict::Unknown),
        ("/opt/other", b"good", RuleVerdict::Unknown),
        ("/bin/tool2", b"good", RuleVerdict::Unknown),
    ] {
        assert_eq!(verdict(&set, &file(path, content)), expected, "{path} {bad}");
    }
    assert_eq!(verdict(&ImaRuleSet::default(), &file("/bin/tool", b"good")), RuleVerdict::Unknown);
}

#[test]
fn i14_a_rule_for_contents_does_not_take_a_verity_digest() {
    let digest = SHA256.digest(b"x");
    let rules = rules(&format!("[[rules]]\npaths = [\"/a\"]\ndigests = [\"{digest}\"]\n"));
    let set = ImaRuleSet::compile(&rules, Vec::new()).unwrap();
    let field = [b"verity:sha256:\0", digest.as_bytes()].concat();
    let data = [sized(&field), sized(b"/a\0")].concat();
    let hash = HashAlgorithm::Sha1.digest(&data);
    let bytes = [&10_u32.to_le_bytes(), hash.as_bytes(), &sized(b"ima-ngv2"), &sized(&data)].concat();
    assert_eq!(verdict(&set, &bytes), RuleVerdict::Unknown);
}

#[test]
fn i06_an_exclusion_takes_exactly_what_it_says() {
    let set = ImaRuleSet::compile(&rules("exclude = [\"/var/log/*\"]"), Vec::new()).unwrap();
    assert_eq!(verdict(&set, &file("/var/log/a b\n", b"x")), RuleVerdict::Excluded);
    for path in ["/var/log/../../bin/sh", "/var/logs/a", "/x/var/log/a", "/var/log/a/b"] {
        assert_eq!(verdict(&set, &file(path, b"x")), RuleVerdict::Unknown, "{path}");
    }
}

#[test]
fn i07_recorded_signed_files_count_under_their_rule_and_keyring() {
    let rules = rules(
        "keyrings = { vendor = [\"a\"], other = [\"b\"] }\n\
         [[rules]]\npaths = [\"/usr/bin/*\"]\nsigned_by = [\"vendor\"]\n\
         [[rules]]\npaths = [\"/srv/**\"]\nsigned_by = [\"other\"]\n",
    );
    let set = ImaRuleSet::compile(&rules, vec![keyring("vendor"), other_keyring("other")]).unwrap();
    let [program, text] = recorded_signed().try_into().unwrap();
    assert_eq!(verdict(&set, &program), RuleVerdict::Signed(SignatureForm::Contents, HashAlgorithm::Sha256));
    // i15: a key of another keyring than the rule's verifies nothing.
    let by_other = verdict(&set, &text);
    assert!(
        matches!(by_other, RuleVerdict::BadSignature(ImaSignatureError::UnknownKey { .. })),
        "{by_other:?}"
    );
    let unsigned = verdict(&set, &file("/usr/bin/x", b"x"));
    assert_eq!(unsigned, RuleVerdict::BadSignature(ImaSignatureError::Missing));
    assert_eq!(verdict(&set, &file("/opt/x", b"x")), RuleVerdict::Unknown);
}

#[test]
fn i15_a_revoked_key_and_an_unparsable_signature_are_refused() {
    let rules = rules("keyrings = { v = [\"a\"] }\n[[rules]]\npaths = [\"/**\"]\nsigned_by = [\"v\"]\n");
    let revoked = keyring("v").without(&keyring("revoked"));
    let set = ImaRuleSet::compile(&rules, vec![revoked]).unwrap();
    let program = verdict(&set, &recorded_signed()[0]);
    assert!(matches!(program, RuleVerdict::BadSignature(ImaSignatureError::Revoked { .. })), "{program:?}");
    let set = ImaRuleSet::compile(&rules, vec![keyring("v")]).unwrap();
    let broken = verdict(&set, &entry("ima-sig", &SHA256.digest(b"x"), b"/a", &[3, 2, 4, 0]));
    assert!(matches!(broken, RuleVerdict::BadSignature(ImaSignatureError::Wire(_))), "{broken:?}");
}

#[test]
fn i15_a_key_measured_into_a_keyring_must_be_the_policys_itself() {
    let rules = rules("keyrings = { v = [\"a\"] }\nmeasured_keyrings = { \".ima\" = \"v\" }");
    let set = ImaRuleSet::compile(&rules, vec![keyring("v")]).unwrap();
    let (_, ours) = x509_cert::der::pem::decode_vec(recorded_key().as_bytes()).unwrap();
    let other = include_str!("../../ima/tests/ima-signer.pem");
    let (_, foreign) = x509_cert::der::pem::decode_vec(other.as_bytes()).unwrap();
    assert_eq!(verdict(&set, &buffer(".ima", &ours)), RuleVerdict::Allowed);
    assert_eq!(verdict(&set, &buffer(".ima", &foreign)), RuleVerdict::ForeignKey);
    assert_eq!(verdict(&set, &buffer(".ima", b"no key")), RuleVerdict::ForeignKey);
    // A key that may be in .ima may not be in .evm for that.
    assert_eq!(verdict(&set, &buffer(".evm", &ours)), RuleVerdict::Unknown);
}

#[test]
fn i07_a_buffer_counts_by_its_bytes_under_its_name() {
    let digest = SHA256.digest(b"quiet");
    let rules =
        rules(&format!("buffers = {{ \"kexec-cmdline\" = [\"{digest}\"] }}\nexclude = [\"/var/**\"]"));
    let set = ImaRuleSet::compile(&rules, Vec::new()).unwrap();
    assert_eq!(verdict(&set, &buffer("kexec-cmdline", b"quiet")), RuleVerdict::Allowed);
    assert_eq!(verdict(&set, &buffer("kexec-cmdline", b"debug")), RuleVerdict::Unknown);
    assert_eq!(verdict(&set, &buffer("other", b"quiet")), RuleVerdict::Unknown);
    // A signed file that is passed off as a buffer: its digest is not that of the signature.
    let disguised = entry("ima-buf", &SHA256.digest(b"x"), b"/var/a", &[3; 40]);
    assert_eq!(verdict(&set, &disguised), RuleVerdict::OtherBuffer);
}

fn judged(rules: &ImaRules, keyrings: Vec<ImaKeyring>, files: &[Vec<u8>]) -> Outcome {
    judged_with(rules, keyrings, files, &Releases::none(), None)
}

fn judged_with(
    rules: &ImaRules,
    keyrings: Vec<ImaKeyring>,
    files: &[Vec<u8>],
    releases: &Releases<'_>,
    seen: Option<&Sightings>,
) -> Outcome {
    judged_after(None, rules, keyrings, files, releases, seen)
}

/// The boot PCRs of the machine.
fn boot_values() -> BTreeMap<u32, Digest> {
    (0..10).map(|pcr| (pcr, SHA256.digest(&[9]))).collect()
}

fn boot_aggregate() -> Vec<u8> {
    let aggregate = SHA256.digest_parts(&boot_values().values().map(Digest::as_bytes).collect::<Vec<_>>());
    entry("ima-sig", &aggregate, b"boot_aggregate", b"")
}

fn judged_after(
    earlier: Option<&ImaState>,
    rules: &ImaRules,
    keyrings: Vec<ImaKeyring>,
    files: &[Vec<u8>],
    releases: &Releases<'_>,
    seen: Option<&Sightings>,
) -> Outcome {
    let set = ImaRuleSet::compile(rules, keyrings).unwrap();
    let values = boot_values();
    let list = [boot_aggregate(), files.concat()].concat();
    let ten = *replay(&ImaList::new(&list), &[SHA256.into()]).unwrap().get(SHA256, PcrIndex::IMA).unwrap();
    let quoted = |bank, pcr: PcrIndex| match (bank, u32::from(pcr)) {
        (SHA256, 10) => Some(ten),
        (SHA256, pcr) => values.get(&pcr).copied(),
        _ => None,
    };
    let measured = measure(&ImaList::new(&list), &ImaOptions::new(SHA256), quoted).unwrap();
    let policy = Policy::parse(
        "version = 1\nname = \"n\"\n[trust]\ndevice_roots = [\"r\"]\nreference_keys = [\"k\"]\n[quote]\npcrs = [0, 7]\n\
         [boot]\nreferences = [\"g\"]\n",
    )
    .unwrap();
    let mut outcome = Outcome::default();
    let known = Known { rules, compiled: &set, releases, seen, earlier };
    judge_files(known, &measured, &policy, &mut outcome);
    outcome
}

#[test]
fn i14_files_that_count_by_sha1_are_refused_unless_the_policy_says_otherwise() {
    let digest = HashAlgorithm::Sha1.digest(b"x");
    let text = format!("[[rules]]\npaths = [\"/a\"]\ndigests = [\"{digest}\"]\n");
    let files = [entry("ima-sig", &digest, b"/a", b"")];
    let outcome = judged(&rules(&text), Vec::new(), &files);
    assert_eq!(outcome.reasons.iter().map(|reason| reason.id).collect::<Vec<_>>(), ["i14"]);
    let outcome = judged(&rules(&format!("weak_digests = \"report\"\n{text}")), Vec::new(), &files);
    assert!(outcome.reasons.is_empty() && outcome.notes.len() == 1, "{:?}", outcome.notes);
}

#[test]
fn files_are_counted_by_how_they_were_judged_and_only_the_first_are_named() {
    let rules = rules(
        "exclude = [\"/var/**\"]\nkeyrings = { v = [\"a\"] }\n\
         [[rules]]\npaths = [\"/usr/bin/signed-*\"]\nsigned_by = [\"v\"]\n",
    );
    let mut files = vec![file("/var/a", b"x"), recorded_signed().remove(0)];
    files.extend((0..25).map(|number| file(&format!("/opt/{number}"), b"x")));
    let outcome = judged(&rules, vec![keyring("v")], &files);
    let claims = outcome.claims.ima.unwrap();
    assert_eq!((claims.excluded_files, claims.signed_files, claims.unknown_files), (1, 1, 25));
    assert_eq!((claims.verity_signed_files, claims.evm_signed_files, claims.modsig_signed_files), (0, 0, 0));
    assert_eq!(outcome.reasons.len(), NAMED_FILES);
    assert!(outcome.reasons.iter().all(|reason| reason.id == "i12"));
    assert!(outcome.notes[0].starts_with("15 more files"), "{:?}", outcome.notes);
}

#[test]
fn v08_rules_without_sense_do_not_parse() {
    let policy = |ima: &str| {
        Policy::parse(&format!(
            "version = 1\nname = \"n\"\n[trust]\ndevice_roots = [\"r\"]\nreference_keys = [\"k\"]\n[quote]\npcrs = [0, 7, 10]\n\
             [boot]\nreferences = [\"g\"]\n[ima]\nlist = \"require\"\n{ima}\n"
        ))
    };
    policy("exclude = [\"/var/log/**\"]\nkeyrings = { v = [\"a.pem\"] }\n[[ima.rules]]\npaths = [\"/opt/**\"]\nsigned_by = [\"v\"]")
        .unwrap();
    for ima in [
        "exclude = [\"/**\"]",
        "exclude = [\"var/log\"]",
        "keyrings = { v = [] }",
        "evm_keyrings = { v = [] }",
        "keyrings = { v = [\"a.pem\"] }\nmeasured_keyrings = { \".evm\" = \"v\" }",
        "evm_keyrings = { v = [\"a.pem\"] }\nmeasured_keyrings = { \".ima\" = \"v\" }",
        "keyrings = { v = [\"a.pem\"] }\nevm_keyrings = { v = [\"b.pem\"] }",
        "other_pcrs = [16]",
        "measured_keyrings = { \".ima\" = \"v\" }",
        "buffers = { x = [\"00\"] }",
        "[[ima.rules]]\npaths = [\"/a\"]",
        "[[ima.rules]]\npaths = []\ndigests = [\"sha256:00\"]",
        "[[ima.rules]]\npaths = [\"/a\"]\ndigests = [\"sha256:00\"]",
        "[[ima.rules]]\npaths = [\"/a\"]\nsigned_by = [\"v\"]",
    ] {
        let error = policy(ima).unwrap_err();
        assert!(error.to_string().contains("ima."), "{ima}: {error}");
    }
}

#[test]
fn i14_hashes_of_160_bits_and_less_are_weak_whatever_their_name() {
    for (name, len) in [("rmd160", 20), ("tgr160", 20), ("tgr192", 24), ("md4", 16), ("rmd256", 32)] {
        assert!(crate::ima::digest_len(name) == Some(len) && !STRONG.contains(&name), "{name}");
    }
    // A misspelt name would make a strong hash weak.
    assert!(STRONG.iter().all(|name| crate::ima::digest_len(name).is_some()));
}

#[test]
fn i07_no_renamed_template_makes_an_unverified_signature_count() {
    let rules = rules("keyrings = { v = [\"a\"] }\n[[rules]]\npaths = [\"/**\"]\nsigned_by = [\"v\"]\n");
    let set = ImaRuleSet::compile(&rules, vec![keyring("v")]).unwrap();
    let signed = &recorded_signed()[0];
    let list = ImaList::new(signed);
    let original = list.entries().next().unwrap().unwrap();
    let mut signature = original.signature().unwrap().to_vec();
    let (digest, path) = (original.file_digest().digest().unwrap(), original.path());
    // The right signature in a field that is not verified, and the same bytes as a portable EVM signature.
    for field in ["evmsig", "modsig", "xattrvalues", "buf"] {
        let bytes = entry(&format!("d-ng|n-ng|{field}"), &digest, path, &signature);
        assert!(!matches!(verdict(&set, &bytes), RuleVerdict::Signed(..)), "{field}");
        assert_ne!(verdict(&set, &bytes), RuleVerdict::Allowed, "{field}");
    }
    assert_eq!(
        verdict(&set, &entry("d-ng|n-ng|sig", &digest, path, &signature)),
        RuleVerdict::Signed(SignatureForm::Contents, HashAlgorithm::Sha256)
    );
    signature[0] = 5;
    let portable = verdict(&set, &entry("ima-sig", &digest, path, &signature));
    assert!(
        matches!(portable, RuleVerdict::BadSignature(ImaSignatureError::NotVerified { .. })),
        "{portable:?}"
    );
}

#[test]
fn v03_a_path_of_megabytes_is_not_told_whole() {
    let path = [b"/".as_slice(), &[1; 1 << 20]].concat();
    let bytes = entry("ima-sig", &SHA256.digest(b"x"), &path, b"");
    let entry = ImaList::new(&bytes).entries().next().unwrap().unwrap();
    for reason in [refusal::shown_path(&entry), weak_file(&entry).to_string()] {
        assert!(reason.len() < 20_000 && reason.contains('…'), "{}", reason.len());
    }
    let longest = file(&format!("/{}", "a".repeat(4095)), b"x");
    let entry = ImaList::new(&longest).entries().next().unwrap().unwrap();
    assert_eq!(refusal::shown_path(&entry).len(), 4096);
}
