//! The hash functions themselves, and which crate computes them (docs/decisions/0010).
//!
//! Replaying an IMA list is nothing but hashing short pieces. SHA-1 comes from the crate `sha1`, because ring has no other
//! than the portable one; SHA-256 on x86 from `sha2`, which costs less for each call; SM3 and SHA-3, which ring does not
//! have, from `sm3` and `sha3`; everything else from ring.

use sha1::digest::Digest as _;

use crate::digest::HashAlgorithm;

/// A digest at the start of 64 bytes; the rest is zero.
pub(crate) type Padded = [u8; 64];

/// The digest of `data`.
pub(crate) fn digest(algorithm: HashAlgorithm, data: &[u8]) -> Padded {
    match algorithm {
        HashAlgorithm::Sha1 => pad(<[u8; 20]>::from(sha1::Sha1::digest(data))),
        HashAlgorithm::Sha256 => pad(sha256(data)),
        HashAlgorithm::Sha384 => ring(&ring::digest::SHA384, &[data]),
        HashAlgorithm::Sha512 => ring(&ring::digest::SHA512, &[data]),
        HashAlgorithm::Sm3
        | HashAlgorithm::Sha3With256
        | HashAlgorithm::Sha3With384
        | HashAlgorithm::Sha3With512 => digest_parts(algorithm, &[data]),
    }
}

/// The digest of the concatenation of `parts`.
pub(crate) fn digest_parts(algorithm: HashAlgorithm, parts: &[&[u8]]) -> Padded {
    match algorithm {
        HashAlgorithm::Sha1 => {
            let hasher = parts.iter().fold(sha1::Sha1::new(), sha1::Sha1::chain_update);
            pad(<[u8; 20]>::from(hasher.finalize()))
        }
        HashAlgorithm::Sha256 => sha256_parts(parts),
        HashAlgorithm::Sha384 => ring(&ring::digest::SHA384, parts),
        HashAlgorithm::Sha512 => ring(&ring::digest::SHA512, parts),
        HashAlgorithm::Sm3 => rust_crypto::<sm3::Sm3>(parts),
        HashAlgorithm::Sha3With256 => rust_crypto::<sha3::Sha3_256>(parts),
        HashAlgorithm::Sha3With384 => rust_crypto::<sha3::Sha3_384>(parts),
        HashAlgorithm::Sha3With512 => rust_crypto::<sha3::Sha3_512>(parts),
    }
}

fn rust_crypto<H: sha1::digest::Digest>(parts: &[&[u8]]) -> Padded {
    let digest = parts.iter().fold(H::new(), H::chain_update).finalize();
    let mut padded = [0; 64];
    padded.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    padded
}

/// The digest of two digests of the same hash, one after the other: what extending a PCR computes.
pub(crate) fn digest_pair(algorithm: HashAlgorithm, first: &Padded, second: &Padded) -> Padded {
    match algorithm {
        HashAlgorithm::Sha1 => digest(algorithm, joined::<20, 40>(first, second).as_slice()),
        HashAlgorithm::Sha256 | HashAlgorithm::Sm3 | HashAlgorithm::Sha3With256 => {
            digest(algorithm, joined::<32, 64>(first, second).as_slice())
        }
        HashAlgorithm::Sha384 | HashAlgorithm::Sha3With384 => {
            digest(algorithm, joined::<48, 96>(first, second).as_slice())
        }
        HashAlgorithm::Sha512 | HashAlgorithm::Sha3With512 => {
            digest(algorithm, joined::<64, 128>(first, second).as_slice())
        }
    }
}

fn joined<const ONE: usize, const BOTH: usize>(first: &Padded, second: &Padded) -> [u8; BOTH] {
    let mut both = [0; BOTH];
    let (head, tail) = both.split_at_mut(ONE);
    head.iter_mut().zip(first).for_each(|(to, from)| *to = *from);
    tail.iter_mut().zip(second).for_each(|(to, from)| *to = *from);
    both
}

fn pad<const N: usize>(bytes: [u8; N]) -> Padded {
    let mut padded = [0; 64];
    padded.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    padded
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn sha256(data: &[u8]) -> [u8; 32] {
    sha2::Sha256::digest(data).into()
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn sha256_parts(parts: &[&[u8]]) -> Padded {
    let hasher = parts.iter().fold(sha2::Sha256::new(), sha2::Sha256::chain_update);
    pad(<[u8; 32]>::from(hasher.finalize()))
}

// The portable code of `sha2` 0.10 would be slower than ring's there.
#[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
fn sha256(data: &[u8]) -> [u8; 32] {
    let padded = ring(&ring::digest::SHA256, &[data]);
    padded.first_chunk().copied().unwrap_or_default()
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
fn sha256_parts(parts: &[&[u8]]) -> Padded {
    ring(&ring::digest::SHA256, parts)
}

fn ring(algorithm: &'static ring::digest::Algorithm, parts: &[&[u8]]) -> Padded {
    let mut context = ring::digest::Context::new(algorithm);
    for part in parts {
        context.update(part);
    }
    let mut padded = [0; 64];
    padded.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two implementations that were written apart agree on every way to pad.
    #[test]
    fn digests_are_those_of_ring_for_every_length_around_the_blocks() {
        let data: Vec<u8> = (0..400_u16).map(|i| i.to_le_bytes()[0].wrapping_mul(31)).collect();
        for length in 0..data.len() {
            let piece = &data[..length];
            let (head, tail) = piece.split_at(length / 3);
            for algorithm in HashAlgorithm::ALL {
                let reference = match algorithm {
                    HashAlgorithm::Sha1 => &ring::digest::SHA1_FOR_LEGACY_USE_ONLY,
                    HashAlgorithm::Sha256 => &ring::digest::SHA256,
                    HashAlgorithm::Sha384 => &ring::digest::SHA384,
                    HashAlgorithm::Sha512 => &ring::digest::SHA512,
                    // There is no second implementation of these here.
                    _ => continue,
                };
                let expected = ring(reference, &[piece]);
                assert_eq!(digest(algorithm, piece), expected, "{algorithm} of {length} bytes");
                assert_eq!(digest_parts(algorithm, &[head, tail]), expected, "{algorithm} of {length} bytes");
            }
        }
    }

    /// The examples of GB/T 32905-2016 annex A and of NIST (SHA3-256, -384 and -512 of "abc").
    #[test]
    fn e05_sm3_and_sha3_are_those_of_their_standards() {
        let sm3 = HashAlgorithm::Sm3;
        let abc = [
            (sm3, "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
            (HashAlgorithm::Sha3With256, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
            (
                HashAlgorithm::Sha3With384,
                "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b2\
                 98d88cea927ac7f539f1edf228376d25",
            ),
            (
                HashAlgorithm::Sha3With512,
                "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e\
                 10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
            ),
        ];
        for (algorithm, expected) in abc {
            assert_eq!(algorithm.digest(b"abc").to_hex(), expected, "{algorithm}");
            assert_eq!(algorithm.digest_parts(&[b"a", b"", b"bc"]).to_hex(), expected, "{algorithm}");
        }
        let long = b"abcd".repeat(16);
        let expected = "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732";
        assert_eq!(sm3.digest(&long).to_hex(), expected);
    }

    #[test]
    fn a_pair_is_hashed_like_its_concatenation() {
        for algorithm in HashAlgorithm::ALL {
            let (first, second) = (digest(algorithm, b"1"), digest(algorithm, b"2"));
            let both = [&first[..algorithm.len()], &second[..algorithm.len()]].concat();
            assert_eq!(digest_pair(algorithm, &first, &second), digest(algorithm, &both));
        }
    }
}
