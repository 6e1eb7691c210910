//! Hash algorithms by their TCG identifiers, and digests that never travel without theirs.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::hash;

/// A hash algorithm of a PCR bank, a TPM structure or a file digest.
///
/// Identifiers are those of the TCG Algorithm Registry. SHA-1 can be replayed, because real logs carry it, but
/// whether it counts for anything is the policy's decision (threat e12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HashAlgorithm {
    /// TPM_ALG_SHA1, 20 bytes.
    Sha1,
    /// TPM_ALG_SHA256, 32 bytes.
    Sha256,
    /// TPM_ALG_SHA384, 48 bytes.
    Sha384,
    /// TPM_ALG_SHA512, 64 bytes.
    Sha512,
    /// TPM_ALG_SM3_256 (GB/T 32905-2016), 32 bytes: machines made for China.
    Sm3,
    /// TPM_ALG_SHA3_256, 32 bytes.
    #[serde(rename = "sha3-256")]
    Sha3With256,
    /// TPM_ALG_SHA3_384, 48 bytes.
    #[serde(rename = "sha3-384")]
    Sha3With384,
    /// TPM_ALG_SHA3_512, 64 bytes.
    #[serde(rename = "sha3-512")]
    Sha3With512,
}

impl HashAlgorithm {
    /// Every algorithm this crate computes: SHA-1 and SHA-2, weakest first, then those that few machines have.
    pub const ALL: [Self; 8] = [
        Self::Sha1,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
        Self::Sm3,
        Self::Sha3With256,
        Self::Sha3With384,
        Self::Sha3With512,
    ];

    /// From a TPM_ALG_ID; `None` for algorithms that this crate does not compute.
    #[must_use]
    pub fn from_tpm_id(id: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.tpm_id() == id)
    }

    /// The TPM_ALG_ID.
    #[must_use]
    pub const fn tpm_id(self) -> u16 {
        match self {
            Self::Sha1 => 0x0004,
            Self::Sha256 => 0x000B,
            Self::Sha384 => 0x000C,
            Self::Sha512 => 0x000D,
            Self::Sm3 => 0x0012,
            Self::Sha3With256 => 0x0027,
            Self::Sha3With384 => 0x0028,
            Self::Sha3With512 => 0x0029,
        }
    }

    /// From the lower-case name used in files, policies and the kernel's lists: `sha1`, `sha256`, `sha384`, `sha512`,
    /// `sm3`, `sha3-256`, `sha3-384`, `sha3-512`; also as the TCG and older kernels write them (`sm3_256`, `sha3_256`,
    /// `sm3-256`).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "sm3_256" | "sm3-256" => Some(Self::Sm3),
            "sha3_256" => Some(Self::Sha3With256),
            "sha3_384" => Some(Self::Sha3With384),
            "sha3_512" => Some(Self::Sha3With512),
            _ => Self::ALL.into_iter().find(|alg| alg.name() == name),
        }
    }

    /// The lower-case name: `sha256`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Sm3 => "sm3",
            Self::Sha3With256 => "sha3-256",
            Self::Sha3With384 => "sha3-384",
            Self::Sha3With512 => "sha3-512",
        }
    }

    /// Length of a digest in bytes: 20, 32, 48 or 64.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "the length of its digests, not of a collection")]
    pub const fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 | Self::Sm3 | Self::Sha3With256 => 32,
            Self::Sha384 | Self::Sha3With384 => 48,
            Self::Sha512 | Self::Sha3With512 => 64,
        }
    }

    /// The digest of `data`.
    #[must_use]
    pub fn digest(self, data: &[u8]) -> Digest {
        Digest { algorithm: self, bytes: hash::digest(self, data) }
    }

    /// The digest of the concatenation of `parts`, without building it.
    #[must_use]
    pub fn digest_parts(self, parts: &[&[u8]]) -> Digest {
        Digest { algorithm: self, bytes: hash::digest_parts(self, parts) }
    }
}

impl fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A digest together with its algorithm: two digests are equal only when both are (threat i14).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: HashAlgorithm,
    // Bytes beyond the algorithm's length are always zero, so that the derived comparisons hold.
    bytes: [u8; 64],
}

impl Digest {
    /// A digest out of `bytes`; `None` when their number is not the algorithm's.
    #[must_use]
    pub fn new(algorithm: HashAlgorithm, bytes: &[u8]) -> Option<Self> {
        (bytes.len() == algorithm.len()).then(|| Self::fill(algorithm, bytes))
    }

    fn fill(algorithm: HashAlgorithm, bytes: &[u8]) -> Self {
        let mut padded = [0; 64];
        for (to, from) in padded.iter_mut().zip(bytes) {
            *to = *from;
        }
        Self { algorithm, bytes: padded }
    }

    /// All bits zero: the start value of PCR 0 to 16, and an IMA violation's digest.
    #[must_use]
    pub fn zero(algorithm: HashAlgorithm) -> Self {
        Self { algorithm, bytes: [0; 64] }
    }

    /// All bits one: the start value of PCR 17 to 22, and what the kernel extends for an IMA violation.
    #[must_use]
    pub fn ones(algorithm: HashAlgorithm) -> Self {
        let mut digest = Self { algorithm, bytes: [0xFF; 64] };
        for byte in digest.bytes.iter_mut().skip(algorithm.len()) {
            *byte = 0;
        }
        digest
    }

    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// The digest's bytes, as many as the algorithm has.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.algorithm.len()).unwrap_or_default()
    }

    /// Whether all bytes are zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.bytes.iter().all(|b| *b == 0)
    }

    /// The PCR value after `TPM2_PCR_Extend` of `measured`: `H(self || measured)` (TPM 2.0 Part 1 §17.2).
    ///
    /// `None` when `measured` is of another algorithm: one bank never vouches for another (threat q16).
    #[must_use]
    pub fn extend(&self, measured: &Self) -> Option<Self> {
        let Self { algorithm, bytes } = self;
        (*algorithm == measured.algorithm).then(|| Self {
            algorithm: *algorithm,
            bytes: hash::digest_pair(*algorithm, bytes, &measured.bytes),
        })
    }

    /// Lower-case hexadecimal without the algorithm's name.
    #[must_use]
    pub fn to_hex(&self) -> String {
        // Into the stack first: the crate's own text grows digit by digit, and a report has hundreds of digests.
        let mut digits = [0; 128];
        let bytes = self.as_bytes();
        let shown = digits.get_mut(..bytes.len().saturating_mul(2)).and_then(|digits| {
            hex::encode_to_slice(bytes, digits).ok()?;
            std::str::from_utf8(digits).ok().map(str::to_owned)
        });
        shown.unwrap_or_else(|| hex::encode(bytes))
    }

    /// From hexadecimal of exactly the algorithm's length.
    #[must_use]
    pub fn from_hex(algorithm: HashAlgorithm, text: &str) -> Option<Self> {
        hex::decode(text).ok().and_then(|bytes| Self::new(algorithm, &bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A digest is written as `sha256:HEX`, so that no file of ours holds one without its algorithm.
impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.split_once(':')
            .and_then(|(alg, hex)| Self::from_hex(HashAlgorithm::from_name(alg)?, hex))
            .ok_or_else(|| {
                serde::de::Error::custom(format_args!("{text:?} is not ALGORITHM:HEX, e.g. sha256:…"))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extend_is_the_hash_of_old_and_new() {
        let zero = Digest::zero(HashAlgorithm::Sha256);
        let extended = zero.extend(&zero).unwrap();
        assert_eq!(extended.to_hex(), "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b");
        assert_eq!(zero.extend(&Digest::zero(HashAlgorithm::Sha1)), None);
    }

    #[test]
    fn digests_of_two_algorithms_are_never_equal() {
        assert_ne!(Digest::zero(HashAlgorithm::Sha256), Digest::zero(HashAlgorithm::Sha384));
        assert_eq!(Digest::ones(HashAlgorithm::Sha1).as_bytes(), [0xFF; 20]);
        assert_eq!(Digest::ones(HashAlgorithm::Sha1), Digest::new(HashAlgorithm::Sha1, &[0xFF; 20]).unwrap());
    }

    #[test]
    fn a_written_digest_reads_back_and_a_short_one_does_not() {
        let digest = HashAlgorithm::Sha384.digest(b"x");
        let text = serde_json::to_string(&digest).unwrap();
        assert_eq!(serde_json::from_str::<Digest>(&text).unwrap(), digest);
        assert!(serde_json::from_str::<Digest>("\"sha256:00\"").is_err());
        assert!(serde_json::from_str::<Digest>("\"00\"").is_err());
    }
}
