//! The verifier's challenge: fresh, used once, and gone after its time.

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

/// Shortest nonce accepted, in bytes: 128 bits, so that none is ever guessed or met twice (threat q17).
pub const MIN_NONCE: usize = 16;
/// Longest nonce in bytes: what `qualifyingData` of every TPM holds (a SHA-512 digest).
pub const MAX_NONCE: usize = 64;

/// Why text or bytes are no nonce.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NonceError {
    /// Not hexadecimal. There is one encoding only, so that one nonce can't be accepted as two (threat q17).
    #[error("nonce is not hexadecimal: {found:?}, expected two hex digits for each byte")]
    Encoding {
        /// The text, shortened.
        found: String,
    },
    /// Too short or too long.
    #[error("nonce has {found} bytes, expected {MIN_NONCE} to {MAX_NONCE}")]
    Length {
        /// Its length in bytes.
        found: usize,
    },
}

/// A nonce of 16 to 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Nonce(Vec<u8>);

impl Nonce {
    /// A nonce out of bytes; they should come from a secure random source.
    ///
    /// # Errors
    /// [`NonceError::Length`] outside 16 to 64 bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, NonceError> {
        if (MIN_NONCE..=MAX_NONCE).contains(&bytes.len()) {
            Ok(Self(bytes.to_vec()))
        } else {
            Err(NonceError::Length { found: bytes.len() })
        }
    }

    /// A nonce out of hexadecimal text, upper or lower case, nothing before or after.
    ///
    /// # Errors
    /// [`NonceError`] when it is not hexadecimal or of the wrong length.
    pub fn from_hex(text: &str) -> Result<Self, NonceError> {
        let bytes =
            hex::decode(text).map_err(|_| NonceError::Encoding { found: text.chars().take(40).collect() })?;
        Self::new(&bytes)
    }

    /// The bytes, as they must stand in the quote's `extraData`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A nonce on its way: it is consumed by the one verification that it serves, and expires (threat q03).
///
/// A challenge can't be copied, so a second use does not compile:
/// ```compile_fail
/// # use attest::challenge::{Challenge, Nonce};
/// # fn verify(_: Challenge) {}
/// # fn f(challenge: Challenge) {
/// verify(challenge);
/// verify(challenge);
/// # }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Challenge {
    nonce: Nonce,
    expires: Timestamp,
}

impl Challenge {
    /// A challenge that is good from `issued` for `lifetime`; a lifetime past the end of time never ends.
    #[must_use]
    pub fn new(nonce: Nonce, issued: Timestamp, lifetime: SignedDuration) -> Self {
        Self { nonce, expires: issued.checked_add(lifetime).unwrap_or(Timestamp::MAX) }
    }

    /// The nonce to send to the attester.
    #[must_use]
    pub fn nonce(&self) -> &Nonce {
        &self.nonce
    }

    /// When it ends.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        self.expires
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q17_short_fixed_or_oddly_written_nonces_are_refused() {
        assert_eq!(Nonce::from_hex("00112233"), Err(NonceError::Length { found: 4 }));
        assert!(matches!(
            Nonce::from_hex("0x00112233445566778899aabbccddeeff"),
            Err(NonceError::Encoding { .. })
        ));
        assert!(matches!(
            Nonce::from_hex(" 00112233445566778899aabbccddeeff"),
            Err(NonceError::Encoding { .. })
        ));
        assert!(matches!(Nonce::from_hex("ABEiM0RVZneImaq7zN3u/w=="), Err(NonceError::Encoding { .. })));
        assert_eq!(Nonce::new(&[0; 65]), Err(NonceError::Length { found: 65 }));
    }

    #[test]
    fn both_cases_of_hex_are_the_same_bytes() {
        let lower = Nonce::from_hex("00112233445566778899aabbccddeeff").unwrap();
        assert_eq!(Nonce::from_hex("00112233445566778899AABBCCDDEEFF").unwrap(), lower);
    }
}
