//! The TPM's key derivation functions (TPM 2.0 Part 1 §11.4.10).

use attest::HashAlgorithm;
use ring::hmac;
use zeroize::Zeroizing;

/// The HMAC of a name algorithm; `None` for those that no key of ours has.
pub(super) const fn hmac_algorithm(hash: HashAlgorithm) -> Option<hmac::Algorithm> {
    match hash {
        HashAlgorithm::Sha256 => Some(hmac::HMAC_SHA256),
        HashAlgorithm::Sha384 => Some(hmac::HMAC_SHA384),
        HashAlgorithm::Sha512 => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}

/// KDFa (§11.4.10.2): SP 800-108 in counter mode with HMAC. `len` is in bytes, a multiple of whole bytes only.
///
/// `label` comes without its terminating zero.
pub(super) fn kdfa(
    hmac: hmac::Algorithm,
    key: &[u8],
    label: &[u8],
    context_u: &[u8],
    context_v: &[u8],
    len: usize,
) -> Zeroizing<Vec<u8>> {
    let key = hmac::Key::new(hmac, key);
    let bits = u32::try_from(len.saturating_mul(8)).unwrap_or(u32::MAX);
    stretch(len, |counter| {
        let mut context = hmac::Context::with_key(&key);
        for part in [&counter.to_be_bytes()[..], label, &[0], context_u, context_v, &bits.to_be_bytes()] {
            context.update(part);
        }
        context.sign().as_ref().to_vec()
    })
}

/// KDFe (§11.4.10.3): SP 800-56A concatenation over a shared ECDH secret. `len` is in bytes.
///
/// `label` comes without its terminating zero.
pub(super) fn kdfe(
    hash: HashAlgorithm,
    z: &[u8],
    label: &[u8],
    party_u: &[u8],
    party_v: &[u8],
    len: usize,
) -> Zeroizing<Vec<u8>> {
    stretch(len, |counter| {
        hash.digest_parts(&[&counter.to_be_bytes(), z, label, &[0], party_u, party_v]).as_bytes().to_vec()
    })
}

/// Blocks for the counters 1, 2, … until `len` bytes are there.
fn stretch(len: usize, block: impl Fn(u32) -> Vec<u8>) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(len));
    for counter in 1_u32.. {
        if out.len() >= len {
            break;
        }
        let block = Zeroizing::new(block(counter));
        let missing = len.saturating_sub(out.len());
        out.extend(block.iter().take(missing));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kdfa_counts_blocks_and_cuts_the_last() {
        let long = kdfa(hmac::HMAC_SHA256, b"key", b"STORAGE", b"name", b"", 48);
        let first =
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"key"), b"\0\0\0\x01STORAGE\0name\0\0\x01\x80");
        assert_eq!(long.len(), 48);
        assert_eq!(&long[..32], first.as_ref());
        // The length is part of what is hashed: a shorter key is not the longer one's start.
        assert_ne!(kdfa(hmac::HMAC_SHA256, b"key", b"STORAGE", b"name", b"", 16)[..], long[..16]);
    }

    #[test]
    fn kdfe_hashes_counter_secret_label_and_parties() {
        let expected = HashAlgorithm::Sha256.digest(b"\0\0\0\x01zIDENTITY\0uv");
        assert_eq!(kdfe(HashAlgorithm::Sha256, b"z", b"IDENTITY", b"u", b"v", 32)[..], *expected.as_bytes());
    }
}
