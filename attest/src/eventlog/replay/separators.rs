//! The separators of registers, noted while these are replayed: the line in PCR 0 to 7 between what the firmware measured
//! and what came after (PFP 1.06 §3.3.4, §10.4.2).

use serde::Serialize;

use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::data::separator::Separator;

/// The digests of a bank that mean "separator", whatever type the log gives the event.
///
/// The type is not measured. An attacker who renames the firmware's separator could measure on, add a separator of his
/// own, and have what he measured taken for the firmware's (threats e08, e09, e11).
#[derive(Debug, Clone, Copy)]
pub(in crate::eventlog) struct SeparatorDigests([(Digest, Separator); 3]);

impl SeparatorDigests {
    pub(in crate::eventlog) fn of(bank: HashAlgorithm) -> Self {
        Self([
            (bank.digest(&[0; 4]), Separator::Normal),
            (bank.digest(&[0xFF; 4]), Separator::Normal),
            (bank.digest(&[1, 0, 0, 0]), Separator::Error),
        ])
    }

    pub(in crate::eventlog) fn recognise(&self, digest: &Digest) -> Option<Separator> {
        self.0.iter().find(|(known, _)| known == digest).map(|(_, separator)| *separator)
    }
}

/// How a PCR's separator stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum SeparatorState {
    /// One, and not the error value.
    Once {
        /// Its event.
        event: u32,
    },
    /// None.
    Missing,
    /// More than one.
    Repeated {
        /// The first's event.
        first: u32,
        /// The second's event.
        second: u32,
    },
    /// One with the error value.
    Error {
        /// Its event.
        event: u32,
    },
}

impl SeparatorState {
    /// The state after one more separator.
    pub(super) const fn and(self, event: u32, separator: Separator) -> Self {
        match (self, separator) {
            (Self::Missing, Separator::Normal) => Self::Once { event },
            (Self::Missing, _) => Self::Error { event },
            (Self::Once { event: first } | Self::Error { event: first }, _) => {
                Self::Repeated { first, second: event }
            }
            (Self::Repeated { .. }, _) => self,
        }
    }
}
