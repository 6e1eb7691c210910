//! Certificates that an operator has revoked.

use std::collections::BTreeSet;
use std::fmt;

use thiserror::Error;

/// Most bytes of a serial number (RFC 5280 §4.1.2.2).
const MAX_SERIAL: usize = 20;

/// A line that is no serial number. A list with one is refused as a whole: an entry that is skipped would be a device
/// that is trusted on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("revoked certificates, line {line}: {found:?} is not serial:, 2 to 40 hex digits and a line feed")]
pub struct RevokedError {
    line: usize,
    found: String,
}

/// Certificates, by serial number, that are refused wherever they stand in a device's chain (threat p14).
///
/// Not by fingerprint: whoever holds a certificate can give it another one, since for each ECDSA signature there is a
/// second that verifies as well. The serial number is signed. Those of an authority of ours are random, so they need no
/// issuer beside them; where a foreign one is the same, too much is refused rather than too little.
///
/// As text: one `serial:HEX` per line, the last with its line feed as well, as [`Ledger::revoked_serials`](crate::ledger::Ledger::revoked_serials) gives
/// them. An empty list is a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RevokedCertificates(BTreeSet<Vec<u8>>);

impl RevokedCertificates {
    /// Reads the text form.
    ///
    /// # Errors
    /// [`RevokedError`] with the first line that is no serial number.
    pub fn from_text(text: &str) -> Result<Self, RevokedError> {
        let read = |(index, line): (usize, &str)| {
            // One without its line feed was cut off, perhaps within the number.
            let whole = line.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
            whole.and_then(|line| line.strip_prefix("serial:")).and_then(serial_of).ok_or_else(|| {
                RevokedError { line: index.saturating_add(1), found: line.chars().take(80).collect() }
            })
        };
        text.split_inclusive('\n').enumerate().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// From serial numbers in hex, as the ledger records them.
    ///
    /// # Errors
    /// [`RevokedError`] with the place, from 1, of the first that is none.
    pub fn from_serials<S: AsRef<str>>(serials: impl IntoIterator<Item = S>) -> Result<Self, RevokedError> {
        let lines = serials.into_iter().map(|serial| format!("serial:{}\n", serial.as_ref()));
        Self::from_text(&lines.collect::<String>())
    }

    /// The certificates of both lists.
    #[must_use]
    pub fn and(mut self, mut other: Self) -> Self {
        self.0.append(&mut other.0);
        self
    }

    /// Whether the certificate with this serial number (big-endian, leading zeros or not) is revoked.
    #[must_use]
    pub fn contains(&self, serial: &[u8]) -> bool {
        self.0.contains(significant(serial))
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for RevokedCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|serial| writeln!(f, "serial:{}", hex::encode(serial)))
    }
}

/// Whether the text is a serial number as such a list has it, after `serial:`.
pub(crate) fn is_serial(text: &str) -> bool {
    serial_of(text).is_some()
}

fn serial_of(text: &str) -> Option<Vec<u8>> {
    let bytes =
        hex::decode(text).ok().filter(|bytes| (1..=MAX_SERIAL.saturating_add(1)).contains(&bytes.len()))?;
    let serial = significant(&bytes);
    (1..=MAX_SERIAL).contains(&serial.len()).then(|| serial.to_vec())
}

/// DER puts a zero before a number whose top bit is set; tools print it or not.
fn significant(serial: &[u8]) -> &[u8] {
    let zeros = serial.iter().take_while(|byte| **byte == 0).count();
    serial.get(zeros..).unwrap_or_default()
}
