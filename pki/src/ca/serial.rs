//! Serial numbers (RFC 5280 §4.1.2.2).

use std::fmt;

/// A serial number: positive, 16 bytes, 126 of its bits random, so that none is met twice and none can be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SerialNumber([u8; 16]);

impl SerialNumber {
    /// From 16 random bytes of the caller. The two top bits are fixed: positive, and always of the same length.
    #[must_use]
    pub fn new(random: [u8; 16]) -> Self {
        let mut bytes = random;
        if let Some(first) = bytes.first_mut() {
            *first = (*first & 0x3F) | 0x40;
        }
        Self(bytes)
    }

    /// The bytes, big-endian.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_positive_and_never_zero() {
        assert_eq!(SerialNumber::new([0; 16]).to_string(), format!("40{}", "00".repeat(15)));
        assert_eq!(SerialNumber::new([0xFF; 16]).to_string(), format!("7f{}", "ff".repeat(15)));
    }
}
