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
    let private = hex::decode("ea17c740b82b774f96daf2eeb3982652a35cdfe732ea21a915ff42057987605f").unwrap();
    let key = p256::ecdsa::SigningKey::from_slice(&private).unwrap();
    let digest = SHA256.digest(b"root of the tree");
    let signed = SHA256.digest_parts(&[&[6, 4], digest.as_bytes()]);
    let signature: p256::ecdsa::Signature = key.sign_prehash(signed.as_bytes()).unwrap();
    let der = signature.to_der();
    let length = u16::try_from(der.as_bytes().len()).unwrap().to_be_bytes();
    let attribute = [&[6, 3, 4, 0xAA, 0xBB, 0xCC, 0xDD], length.as_slice(), der.as_bytes()].concat();
    let field = [b"verity:sha256:\0", digest.as_bytes()].concat();
    let data = [sized(&field), sized(b"/opt/verity\0"), sized(&attribute)].concat();
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
