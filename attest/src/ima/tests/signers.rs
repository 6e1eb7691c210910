//! Portable EVM signatures and appended ones, as evmctl and openssl make them (`signers/record.sh`).

use std::sync::Arc;

use super::build::*;
use crate::ima::{
    EvmKeyring, ImaKeyring, ImaList, ImaSignatureError, SignatureForm, SignerKeyrings, verify_signature,
};

const EC: &str = include_str!("signers/ec.pem");
const RSA: &str = include_str!("signers/rsa.pem");
const EC_EVM: &str = include_str!("signers/ec.evm.hex");
const RSA_EVM: &str = include_str!("signers/rsa.evm.hex");
/// As 32-bit kernels have it, big-endian ones, and in version 3.
const OTHER_FORMS: [&str; 6] = [
    include_str!("signers/ec-32.evm.hex"),
    include_str!("signers/rsa-32.evm.hex"),
    include_str!("signers/ec-big.evm.hex"),
    include_str!("signers/rsa-big.evm.hex"),
    include_str!("signers/ec-3.evm.hex"),
    include_str!("signers/rsa-3.evm.hex"),
];
const CONTENTS: &[u8] = b"hello\n";
const SELINUX: &[u8] = b"system_u:object_r:etc_t:s0";

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex.split_whitespace().collect::<String>()).unwrap()
}

/// What a verifier knows: both keys, for contents or for EVM.
#[derive(Clone, Copy)]
enum Trusts {
    Contents,
    Evm,
}

fn verify(list: &[u8], trusts: Trusts) -> Result<SignatureForm, ImaSignatureError> {
    let entry = ImaList::new(list).entries().next().unwrap().unwrap();
    let keys =
        |name: &str| ImaKeyring::from_pem(name, EC).unwrap().and(ImaKeyring::from_pem(name, RSA).unwrap());
    let (mut contents, mut evm) = (vec![], vec![]);
    match trusts {
        Trusts::Contents => contents.push(Arc::new(keys("files"))),
        Trusts::Evm => evm.push(Arc::new(EvmKeyring::new(keys("attributes")))),
    }
    let keyrings = SignerKeyrings { contents: &contents, evm: &evm, allow_sha1: false };
    verify_signature(&entry, &keyrings).map(|signer| signer.form)
}

/// An entry of the template evm-sig, as a little-endian kernel writes it.
#[derive(Clone)]
struct Portable {
    template: &'static str,
    contents: Vec<u8>,
    signature: Vec<u8>,
    xattrs: Vec<(&'static [u8], Vec<u8>)>,
    uid: u32,
    gid: u32,
    mode: u16,
}

impl Portable {
    fn recorded(signature: &str) -> Self {
        let ima = [&[4, 4][..], SHA256.digest(CONTENTS).as_bytes()].concat();
        Self {
            template: "evm-sig",
            contents: CONTENTS.to_vec(),
            signature: bytes(signature),
            xattrs: vec![(b"security.selinux", SELINUX.to_vec()), (b"security.ima", ima)],
            uid: 1000,
            gid: 1001,
            mode: 0o100_640,
        }
    }

    fn entry(&self) -> Vec<u8> {
        let names: Vec<&[u8]> = self.xattrs.iter().map(|(name, _)| *name).collect();
        let lengths: Vec<u8> = self
            .xattrs
            .iter()
            .flat_map(|(_, value)| u32::try_from(value.len()).unwrap().to_le_bytes())
            .collect();
        let values: Vec<u8> = self.xattrs.iter().flat_map(|(_, value)| value.clone()).collect();
        let fields: [&[u8]; 9] = [
            &d_ng("sha256", SHA256.digest(&self.contents).as_bytes()),
            &name(b"/etc/hello"),
            &self.signature,
            &name(&names.join(&b'|')),
            &lengths,
            &values,
            &self.uid.to_le_bytes(),
            &self.gid.to_le_bytes(),
            &self.mode.to_le_bytes(),
        ];
        entry(10, self.template, &fields)
    }

    /// The same as a big-endian kernel writes it.
    fn big_endian(&self) -> Vec<u8> {
        let lengths: Vec<u8> = self
            .xattrs
            .iter()
            .flat_map(|(_, value)| u32::try_from(value.len()).unwrap().to_be_bytes())
            .collect();
        let list = self.entry();
        let entry = ImaList::new(&list).entries().next().unwrap().unwrap();
        let (uid, gid, mode) = (self.uid.to_be_bytes(), self.gid.to_be_bytes(), self.mode.to_be_bytes());
        let fields: Vec<&[u8]> = entry.fields().map(|(_, field)| field).collect();
        let fields = [&fields[..4], &[&lengths, fields[5], &uid, &gid, &mode]].concat();
        let data: Vec<u8> = fields
            .iter()
            .flat_map(|field| [&u32::try_from(field.len()).unwrap().to_be_bytes(), *field].concat())
            .collect();
        let digest = SHA1.digest(&data);
        let (name, len) =
            (self.template.as_bytes(), |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_be_bytes());
        [&10_u32.to_be_bytes(), digest.as_bytes(), &len(name), name, &len(&data), &data].concat()
    }

    fn changed(&self, change: impl FnOnce(&mut Self)) -> Result<SignatureForm, ImaSignatureError> {
        let mut changed = self.clone();
        change(&mut changed);
        verify(&changed.entry(), Trusts::Evm)
    }
}

fn is_mismatch(found: &Result<SignatureForm, ImaSignatureError>) -> bool {
    matches!(found, Err(ImaSignatureError::Mismatch { .. }))
}

#[test]
fn i07_portable_signatures_of_evmctl_hold_and_cover_attributes_owner_and_mode() {
    for signature in [EC_EVM, RSA_EVM] {
        let recorded = Portable::recorded(signature);
        assert_eq!(recorded.changed(|_| {}), Ok(SignatureForm::Portable));
        assert!(is_mismatch(&recorded.changed(|file| file.uid = 0)));
        assert!(is_mismatch(&recorded.changed(|file| file.gid = 0)));
        // A file that runs as its owner.
        assert!(is_mismatch(&recorded.changed(|file| file.mode |= 0o4000)));
        assert!(is_mismatch(&recorded.changed(|file| file.xattrs[0].1[0] ^= 1)));
        assert!(is_mismatch(&recorded.changed(|file| file.xattrs.swap(0, 1))));
        assert!(is_mismatch(&recorded.changed(|file| {
            let last = file.signature.len() - 1;
            file.signature[last] ^= 1;
        })));
        let no_file = recorded.changed(|file| file.mode = 0o040_640);
        assert!(matches!(no_file, Err(ImaSignatureError::Attributes { .. })), "{no_file:?}");
    }
}

#[test]
fn i07_portable_signatures_of_other_machines_and_of_version_3_hold() {
    for signature in OTHER_FORMS {
        let recorded = Portable::recorded(signature);
        assert_eq!(recorded.changed(|_| {}), Ok(SignatureForm::Portable));
        assert!(is_mismatch(&recorded.changed(|file| file.uid = 0)));
        assert!(is_mismatch(&recorded.changed(|file| file.mode |= 0o4000)));
        assert!(is_mismatch(&recorded.changed(|file| file.xattrs[0].1[0] ^= 1)));
        // A signature says its version, and is not the one of the other version.
        assert!(is_mismatch(&recorded.changed(|file| file.signature[1] ^= 1)));
    }
}

/// A kernel writes numbers as it has them; with `ima_canonical_fmt` a big-endian one writes them little-endian, and still signs its own.
#[test]
fn i07_lists_of_big_endian_kernels_have_portable_signatures_too() {
    for signature in [include_str!("signers/ec-big.evm.hex"), include_str!("signers/rsa-big.evm.hex")] {
        let recorded = Portable::recorded(signature);
        assert_eq!(verify(&recorded.big_endian(), Trusts::Evm), Ok(SignatureForm::Portable));
        let mut other = recorded;
        other.gid = 0;
        assert!(is_mismatch(&verify(&other.big_endian(), Trusts::Evm)));
    }
    // No big-endian machine has made this one.
    assert!(is_mismatch(&verify(&Portable::recorded(EC_EVM).big_endian(), Trusts::Evm)));
}

#[test]
fn i07_a_portable_signature_is_about_the_contents_that_the_entry_has() {
    let recorded = Portable::recorded(EC_EVM);
    let other = recorded.changed(|file| file.contents = b"evil\n".to_vec());
    assert!(matches!(other, Err(ImaSignatureError::OtherDigest { .. })), "{other:?}");
    // Without security.ima a signature would be about no contents at all.
    let none = recorded.changed(|file| file.xattrs.truncate(1));
    assert!(matches!(none, Err(ImaSignatureError::Attributes { .. })), "{none:?}");
    // The bytes stay the same, and only their names say that there is no such attribute.
    let renamed = recorded.changed(|file| file.xattrs[1].0 = b"security.imb");
    assert!(matches!(renamed, Err(ImaSignatureError::Attributes { .. })), "{renamed:?}");
    let twice = recorded.changed(|file| file.xattrs[0].0 = b"security.ima");
    assert!(matches!(twice, Err(ImaSignatureError::Attributes { .. })), "{twice:?}");
}

/// The values are hashed without their borders: moving one must not make another digest of the contents.
#[test]
fn i07_borders_between_attributes_do_not_move_the_contents() {
    let recorded = Portable::recorded(EC_EVM);
    let all: Vec<u8> = recorded.xattrs.iter().flat_map(|(_, value)| value.clone()).collect();
    for border in 0..all.len() {
        let (first, second) = all.split_at(border);
        let found = recorded.changed(|file| {
            (file.xattrs[0].1, file.xattrs[1].1) = (first.to_vec(), second.to_vec());
        });
        assert_eq!(found.is_ok(), border == SELINUX.len(), "border at {border}: {found:?}");
    }
}

#[test]
fn i15_keys_for_evm_and_for_contents_never_stand_for_each_other() {
    let recorded = Portable::recorded(EC_EVM).entry();
    let found = verify(&recorded, Trusts::Contents);
    assert!(matches!(found, Err(ImaSignatureError::UnknownKey { .. })), "{found:?}");
    let appended = Appended::recorded(include_str!("signers/ec.cms.hex")).entry();
    let found = verify(&appended, Trusts::Evm);
    assert!(matches!(found, Err(ImaSignatureError::UnknownKey { .. })), "{found:?}");
}

#[test]
fn i15_a_portable_signature_that_cant_be_read_is_never_no_signature() {
    let recorded = Portable::recorded(EC_EVM);
    for length in 0..recorded.signature.len() {
        assert!(recorded.changed(|file| file.signature.truncate(length)).is_err(), "{length}");
    }
    // No hash covers the template's name: in another order the fields would say something else.
    let other = "d-ng|n-ng|evmsig|xattrnames|xattrlengths|xattrvalues|igid|iuid|imode";
    let found = recorded.changed(|file| file.template = other);
    assert!(matches!(found, Err(ImaSignatureError::NotVerified { .. })), "{found:?}");
}

/// An entry of the template ima-modsig.
#[derive(Clone)]
struct Appended {
    template: &'static str,
    hash: &'static str,
    contents: Vec<u8>,
    message: Vec<u8>,
}

impl Appended {
    fn recorded(message: &str) -> Self {
        let (template, hash) = ("ima-modsig", "sha256");
        Self { template, hash, contents: CONTENTS.to_vec(), message: bytes(message) }
    }

    fn entry(&self) -> Vec<u8> {
        // The file has the signature behind its contents, so that its own digest is another one.
        let file = SHA256.digest(&[self.contents.as_slice(), &self.message].concat());
        let contents = crate::HashAlgorithm::from_name(self.hash).unwrap().digest(&self.contents);
        let fields: [&[u8]; 5] = [
            &d_ng("sha256", file.as_bytes()),
            &name(b"/lib/modules/a.ko"),
            b"",
            &d_ng(self.hash, contents.as_bytes()),
            &self.message,
        ];
        entry(10, self.template, &fields)
    }

    fn changed(&self, change: impl FnOnce(&mut Self)) -> Result<SignatureForm, ImaSignatureError> {
        let mut changed = self.clone();
        change(&mut changed);
        verify(&changed.entry(), Trusts::Contents)
    }
}

/// By openssl, and by the kernel's own sign-file.
const APPENDED: [&str; 8] = [
    include_str!("signers/ec.cms.hex"),
    include_str!("signers/ec-keyid.cms.hex"),
    include_str!("signers/rsa.cms.hex"),
    include_str!("signers/rsa-keyid.cms.hex"),
    include_str!("signers/ec-kernel.cms.hex"),
    include_str!("signers/ec-kernel-keyid.cms.hex"),
    include_str!("signers/rsa-kernel.cms.hex"),
    include_str!("signers/rsa-kernel-keyid.cms.hex"),
];

#[test]
fn i07_appended_signatures_of_openssl_and_sign_file_hold_for_their_contents_only() {
    for message in APPENDED {
        let recorded = Appended::recorded(message);
        assert!(ImaList::new(&recorded.entry()).entries().next().unwrap().unwrap().is_signed());
        assert_eq!(recorded.changed(|_| {}), Ok(SignatureForm::Appended));
        assert!(is_mismatch(&recorded.changed(|file| file.contents = b"evil\n".to_vec())));
        let other = recorded.changed(|file| file.hash = "sha384");
        assert!(matches!(other, Err(ImaSignatureError::OtherDigest { .. })), "{other:?}");
        let template = "d-ng|n-ng|modsig|d-modsig|sig";
        let found = recorded.changed(|file| file.template = template);
        assert!(found.is_err(), "{found:?}");
    }
}

#[test]
fn i07_no_changed_byte_of_an_appended_signature_names_another_signer_or_contents() {
    for message in APPENDED {
        let recorded = Appended::recorded(message);
        for place in 0..recorded.message.len() {
            let found = recorded.changed(|file| file.message[place] ^= 1);
            assert!(found.is_err(), "byte {place}: {found:?}");
        }
        for length in 0..recorded.message.len() {
            assert!(recorded.changed(|file| file.message.truncate(length)).is_err(), "cut at {length}");
        }
        assert!(recorded.changed(|file| file.message.push(0)).is_err(), "a byte behind it");
    }
}

#[test]
fn i15_appended_signatures_with_attributes_are_told_as_such() {
    for message in
        [include_str!("signers/ec-attributes.cms.hex"), include_str!("signers/rsa-attributes.cms.hex")]
    {
        let found = Appended::recorded(message).changed(|_| {});
        let text = found.unwrap_err().to_string();
        assert!(text.contains("signed attributes"), "{text}");
    }
}
