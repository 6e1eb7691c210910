//! The fingerprint of RSA keys made by Infineon's RSALib (CVE-2017-15361, "ROCA"; threat q12).
//!
//! Such primes have the form `k·M + (65537^a mod M)` with `M` a product of small primes, so the modulus is a power of
//! 65537 modulo each of them (Nemec et al., "The Return of Coppersmith's Attack", CCS 2017, §2.2). A sound key passes
//! all of these tests with a probability of about 2^-27.

const PRIMES: [u64; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
    107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Whether `modulus` (big-endian) carries the fingerprint.
pub(crate) fn is_weak(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|prime| is_power_of_65537(remainder(modulus, *prime), *prime))
}

fn remainder(number: &[u8], prime: u64) -> u64 {
    number.iter().fold(0, |rest, byte| (rest * 256 + u64::from(*byte)) % prime)
}

fn is_power_of_65537(residue: u64, prime: u64) -> bool {
    let mut power = 1;
    for _ in 0..prime {
        if power == residue {
            return true;
        }
        power = power * (65537 % prime) % prime;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q12_a_power_of_65537_is_weak_and_its_neighbour_is_not() {
        // 65537^3 as a big-endian number: a power of 65537 modulo every prime.
        let cube = 65537_u64.pow(3).to_be_bytes();
        assert!(is_weak(&cube));
        let other = (65537_u64.pow(3) + 2).to_be_bytes();
        assert!(!is_weak(&other));
    }
}
