//! An IMA list of many files, and the PCR that it extends.

use attest::HashAlgorithm::Sha256 as BANK;
use sha2::{Digest as _, Sha256};

/// An entry of the template ima-ng.
pub(crate) struct ImaEntry {
    pub(crate) data: Vec<u8>,
    pub(crate) path: String,
    pub(crate) file: String,
}

/// Extends one of PCR 0 to 10.
pub(crate) fn extend(values: &mut [[u8; 32]; 11], pcr: usize, digest: &[u8; 32]) {
    let value = values.get_mut(pcr).unwrap();
    let mut both = [0; 64];
    both.split_at_mut(32).0.copy_from_slice(value);
    both.split_at_mut(32).1.copy_from_slice(digest);
    *value = Sha256::digest(both).into();
}

/// A list as the kernel writes it with the template ima-ng: the boot aggregate, then files of Debian's paths.
pub(crate) fn ima_entries(files: usize, values: &[[u8; 32]; 11]) -> Vec<ImaEntry> {
    let aggregate = BANK.digest(&values.split_at(10).0.concat());
    let files = (1..files).map(|number| {
        let path = format!("/usr/lib/x86_64-linux-gnu/l{number:09}.so");
        (BANK.digest(path.as_bytes()), path)
    });
    let all = std::iter::once((aggregate, "boot_aggregate".to_owned())).chain(files);
    all.map(|(digest, path)| {
        let field = [b"sha256:\0".as_slice(), digest.as_bytes()].concat();
        let data = [sized(&field), sized(&[path.as_bytes(), b"\0"].concat())].concat();
        ImaEntry { data, path, file: digest.to_string() }
    })
    .collect()
}

impl ImaEntry {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let digest = sha1::Sha1::digest(&self.data);
        [&10_u32.to_le_bytes(), &digest[..], &sized(b"ima-ng"), &sized(&self.data)].concat()
    }
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_le_bytes(), bytes].concat()
}
