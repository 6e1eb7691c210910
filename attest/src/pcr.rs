//! Platform configuration registers: an index, a bank, a replay.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, HashAlgorithm};

/// A PCR index, 0 to 23: the registers that every PC Client TPM has (TCG PC Client PTP 1.05 §4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct PcrIndex(u8);

impl PcrIndex {
    /// PCR 10, where Linux IMA extends unless told otherwise.
    pub const IMA: Self = Self(10);
    /// PCR 7, the secure boot policy.
    pub const SECURE_BOOT: Self = Self(7);
    /// PCR 17, which the TPM itself resets and extends in a dynamic launch.
    pub const LAUNCH: Self = Self(17);
    /// PCR 0, the firmware; the only one whose start value a StartupLocality event changes.
    pub const FIRMWARE: Self = Self(0);

    /// PCR 11, where systemd's stub and the phases of its boot are measured.
    pub const KERNEL_BOOT: Self = Self(11);

    /// All 24, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..24).map(Self)
    }

    /// `None` above 23 (threat e13).
    #[must_use]
    pub fn new(index: u32) -> Option<Self> {
        u8::try_from(index).ok().filter(|i| *i < 24).map(Self)
    }

    /// The index as a number, 0 to 23.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether the value after a TPM reset is all ones: 17 to 22, until a dynamic launch (PC Client PTP §4.6.2).
    #[must_use]
    pub const fn starts_at_ones(self) -> bool {
        self.0 >= 17 && self.0 <= 22
    }

    /// Whether software can reset it without a restart, so that it can't be boot evidence (threat q15).
    #[must_use]
    pub const fn is_resettable(self) -> bool {
        self.0 >= 16
    }

    /// The value after a TPM reset at startup locality 0.
    #[must_use]
    pub fn start(self, bank: HashAlgorithm) -> Digest {
        if self.starts_at_ones() { Digest::ones(bank) } else { Digest::zero(bank) }
    }
}

impl TryFrom<u32> for PcrIndex {
    type Error = String;

    fn try_from(index: u32) -> Result<Self, Self::Error> {
        Self::new(index).ok_or_else(|| format!("PCR {index} does not exist, expected 0 to 23"))
    }
}

impl From<PcrIndex> for u32 {
    fn from(index: PcrIndex) -> Self {
        Self::from(index.0)
    }
}

impl fmt::Display for PcrIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Values that a log claims, computed by replaying it; only a [`VerifiedQuote`](crate::VerifiedQuote) makes them true.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReplayedPcrs(BTreeMap<(HashAlgorithm, PcrIndex), Digest>);

impl ReplayedPcrs {
    /// No PCR extended yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the start value of a PCR that begins elsewhere than at zero (StartupLocality, H-CRTM).
    pub fn start_at(&mut self, index: PcrIndex, value: Digest) {
        self.0.insert((value.algorithm(), index), value);
    }

    /// Extends `index` in the bank of `measured`.
    pub fn extend(&mut self, index: PcrIndex, measured: &Digest) {
        let bank = measured.algorithm();
        let old = self.0.entry((bank, index)).or_insert_with(|| index.start(bank));
        // Both digests are of the same bank by construction.
        if let Some(new) = old.extend(measured) {
            *old = new;
        }
    }

    /// The value of a PCR that was extended or given a start value.
    #[must_use]
    pub fn get(&self, bank: HashAlgorithm, index: PcrIndex) -> Option<&Digest> {
        self.0.get(&(bank, index))
    }

    /// All values, by bank and index.
    pub fn iter(&self) -> impl Iterator<Item = (PcrIndex, &Digest)> {
        self.0.iter().map(|((_, index), digest)| (*index, digest))
    }

    /// The banks that occur, weakest first.
    pub fn banks(&self) -> impl Iterator<Item = HashAlgorithm> + '_ {
        HashAlgorithm::ALL.into_iter().filter(|bank| self.0.keys().any(|(b, _)| b == bank))
    }
}

/// `{"sha256": {"0": "HEX", …}, …}`, the shape of every report of ours that carries banks.
impl Serialize for ReplayedPcrs {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut banks: BTreeMap<HashAlgorithm, BTreeMap<u8, String>> = BTreeMap::new();
        for ((bank, index), digest) in &self.0 {
            banks.entry(*bank).or_default().insert(index.get(), digest.to_hex());
        }
        banks.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e13_a_pcr_above_23_does_not_exist() {
        assert_eq!(PcrIndex::new(23).map(PcrIndex::get), Some(23));
        assert_eq!(PcrIndex::new(24), None);
        assert_eq!(PcrIndex::new(0xFFFF_FFFF), None);
    }

    #[test]
    fn drtm_registers_start_at_ones() {
        let one = HashAlgorithm::Sha256.digest(b"x");
        let mut pcrs = ReplayedPcrs::new();
        pcrs.extend(PcrIndex::new(17).unwrap(), &one);
        let expected = Digest::ones(HashAlgorithm::Sha256).extend(&one).unwrap();
        assert_eq!(pcrs.get(HashAlgorithm::Sha256, PcrIndex::new(17).unwrap()), Some(&expected));
    }

    #[test]
    fn banks_print_as_numbers_and_hex() {
        let mut pcrs = ReplayedPcrs::new();
        pcrs.extend(PcrIndex::IMA, &Digest::zero(HashAlgorithm::Sha1));
        let json = serde_json::to_string(&pcrs).unwrap();
        assert_eq!(json, r#"{"sha1":{"10":"b80de5d138758541c5f05265ad144ab9fa86d1db"}}"#);
    }
}
