//! Lists as the kernel would write them, and machines whose quotes cover them.

use std::collections::BTreeMap;

use crate::digest::{Digest, HashAlgorithm};
use crate::ima::measured::{MeasuredFiles, measure};
use crate::ima::{Bank, ImaError, ImaList, ImaOptions, replay};
use crate::pcr::PcrIndex;

pub(super) const SHA1: HashAlgorithm = HashAlgorithm::Sha1;
pub(super) const SHA256: HashAlgorithm = HashAlgorithm::Sha256;
pub(super) const SHA384: HashAlgorithm = HashAlgorithm::Sha384;

/// A length and the bytes.
pub(super) fn sized(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_le_bytes(), bytes].concat()
}

/// An entry with the template digest `digest` and finished template data.
pub(super) fn raw(pcr: u32, digest: &[u8], template: &[u8], data: &[u8]) -> Vec<u8> {
    [&pcr.to_le_bytes(), digest, &sized(template), data].concat()
}

/// An entry of any template but `ima`, with a right template hash.
pub(super) fn entry(pcr: u32, template: &str, fields: &[&[u8]]) -> Vec<u8> {
    let data: Vec<u8> = fields.iter().flat_map(|field| sized(field)).collect();
    raw(pcr, SHA1.digest(&data).as_bytes(), template.as_bytes(), &sized(&data))
}

/// A violation as the kernel writes it: zeros for both digests.
pub(super) fn violation(path: &[u8]) -> Vec<u8> {
    let data = [sized(&d_ng("sha256", &[0; 32])), sized(&name(path)), sized(b"")].concat();
    raw(10, &[0; 20], b"ima-sig", &sized(&data))
}

/// An entry of the template `ima`.
pub(super) fn legacy(digest: &[u8; 20], path: &[u8]) -> Vec<u8> {
    let mut padded = path.to_vec();
    padded.resize(256, 0);
    let hash = SHA1.digest(&[digest.as_slice(), &padded].concat());
    raw(10, hash.as_bytes(), b"ima", &[digest.as_slice(), &sized(path)].concat())
}

/// The field `d-ng`, or with a kind in the name `d-ngv2`.
pub(super) fn d_ng(algorithm: &str, digest: &[u8]) -> Vec<u8> {
    [algorithm.as_bytes(), b":\0", digest].concat()
}

/// The field `n-ng`.
pub(super) fn name(path: &[u8]) -> Vec<u8> {
    [path, b"\0"].concat()
}

/// An unsigned file of the template `ima-sig`.
pub(super) fn file(path: &[u8]) -> Vec<u8> {
    entry(10, "ima-sig", &[&d_ng("sha256", SHA256.digest(path).as_bytes()), &name(path), b""])
}

/// The boot aggregate over the first `count` PCRs of [`boot_pcr`].
pub(super) fn boot_aggregate(bank: HashAlgorithm, count: u32) -> Vec<u8> {
    let values: Vec<u8> = (0..count).flat_map(|i| boot_pcr(bank, i).as_bytes().to_vec()).collect();
    let digest = bank.digest(&values);
    entry(10, "ima-sig", &[&d_ng(bank.name(), digest.as_bytes()), &name(b"boot_aggregate"), b""])
}

fn boot_pcr(bank: HashAlgorithm, index: u32) -> Digest {
    bank.digest(&index.to_le_bytes())
}

/// The list of a machine that measured `entries` after its boot aggregate.
pub(super) fn list(entries: &[Vec<u8>]) -> Vec<u8> {
    [boot_aggregate(SHA256, 10), entries.concat()].concat()
}

/// PCR values that a TPM signed.
#[derive(Clone)]
pub(super) struct Quoted(pub(super) BTreeMap<(HashAlgorithm, PcrIndex), Digest>);

impl Quoted {
    /// PCR 0 to 9, and what `list` extended, in all of `banks`.
    pub(super) fn after(list: &[u8], banks: &[Bank]) -> Self {
        let replayed = replay(&ImaList::new(list), banks).unwrap();
        let mut values: BTreeMap<_, _> =
            replayed.iter().map(|(pcr, value)| ((value.algorithm(), pcr), *value)).collect();
        for index in 0..10 {
            for bank in HashAlgorithm::ALL {
                values.insert((bank, pcr(index)), boot_pcr(bank, index));
            }
        }
        Self(values)
    }

    pub(super) fn without(mut self, bank: HashAlgorithm, index: u32) -> Self {
        self.0.remove(&(bank, pcr(index)));
        self
    }

    pub(super) fn measure<'a>(
        &self,
        list: &'a [u8],
        options: &ImaOptions,
    ) -> Result<MeasuredFiles<'a>, ImaError> {
        measure(&ImaList::new(list), options, |bank, pcr| self.0.get(&(bank, pcr)).copied())
    }

    pub(super) fn measure_sha256<'a>(&self, list: &'a [u8]) -> Result<MeasuredFiles<'a>, ImaError> {
        self.measure(list, &ImaOptions::new(SHA256))
    }
}

pub(super) fn pcr(index: u32) -> PcrIndex {
    PcrIndex::new(index).unwrap()
}

/// The entries of a list, as bytes.
pub(super) fn split(list: &[u8]) -> Vec<Vec<u8>> {
    let offsets: Vec<usize> = ImaList::new(list).entries().map(|entry| entry.unwrap().offset()).collect();
    let ends = offsets.iter().copied().skip(1).chain([list.len()]);
    offsets.iter().zip(ends).map(|(start, end)| list[*start..end].to_vec()).collect()
}

/// A list that a kernel recorded, with all PCRs of all banks.
pub(super) fn recorded(vector: &str) -> (Vec<u8>, Quoted) {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tpm-sim-tests/vectors").join(vector);
    let values = std::fs::read_to_string(folder.join("pcrs.txt")).unwrap();
    let values = values.lines().map(|line| {
        let [bank, index, value] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let bank = HashAlgorithm::from_name(bank).unwrap();
        ((bank, pcr(index.parse().unwrap())), Digest::from_hex(bank, value).unwrap())
    });
    (std::fs::read(folder.join("ima.bin")).unwrap(), Quoted(values.collect()))
}

/// The number, offset and reason of a refused entry.
pub(super) fn refused_entry(error: ImaError) -> (usize, usize, crate::ima::EntryError) {
    match error {
        ImaError::Entry { entry, offset, error } => (entry, offset, error),
        other => panic!("{other}"),
    }
}

/// The list as a kernel of the other byte order would have written it, with template digests to fit.
pub(super) fn big_endian(list: &[u8]) -> Vec<u8> {
    let sized = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let entries = ImaList::new(list).entries().map(|entry| {
        let entry = entry.unwrap();
        let data: Vec<u8> = entry.fields().flat_map(|(_, field)| sized(field)).collect();
        let digest = if entry.is_violation() { Digest::zero(SHA1) } else { SHA1.digest(&data) };
        let pcr = u32::from(entry.pcr()).to_be_bytes();
        [&pcr, digest.as_bytes(), &sized(entry.template().as_bytes()), &sized(&data)].concat()
    });
    entries.collect::<Vec<_>>().concat()
}
