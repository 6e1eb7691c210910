//! Replaying a list: the PCR values that it claims.

use std::fmt;

use super::entry::Entry;
use super::error::ImaError;
use super::list::ImaList;
use crate::digest::{Digest, HashAlgorithm};
use crate::pcr::{PcrIndex, ReplayedPcrs};

/// What the kernel extends a bank with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Extend {
    /// The bank's own hash of the template data, and all ones for a violation (Linux 5.8 and later).
    #[default]
    TemplateHash,
    /// The SHA-1 template digest with zeros after it, and all ones for a violation: a kernel that has the bank's hash
    /// not built in when IMA starts. What such a bank says is as weak as SHA-1 (threat i10).
    PaddedSha1,
    /// As before, but a violation is 20 bytes of ones with zeros after them: kernels before 5.8.
    PaddedSha1AndViolations,
}

impl Extend {
    /// All ways.
    pub const ALL: [Self; 3] = [Self::TemplateHash, Self::PaddedSha1, Self::PaddedSha1AndViolations];
}

impl fmt::Display for Extend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TemplateHash => "the bank's own template hash",
            Self::PaddedSha1 => "SHA-1 template hashes padded with zeros",
            Self::PaddedSha1AndViolations => "SHA-1 template hashes and violations padded with zeros",
        })
    }
}

/// A PCR bank, and what the kernel extends it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bank {
    /// The bank.
    pub algorithm: HashAlgorithm,
    /// Never anything else than [`Extend::TemplateHash`] unless somebody named it (threat i10).
    pub extend: Extend,
}

impl From<HashAlgorithm> for Bank {
    fn from(algorithm: HashAlgorithm) -> Self {
        Self { algorithm, extend: Extend::TemplateHash }
    }
}

impl Bank {
    /// What `entry` extended this bank with, given its template digest, which was found right.
    pub(super) fn extend_value(self, entry: &Entry<'_>, listed: &Digest) -> Digest {
        let Self { algorithm, extend } = self;
        match (extend, entry.is_violation()) {
            (Extend::PaddedSha1AndViolations, true) => pad(algorithm, &Digest::ones(HashAlgorithm::Sha1)),
            (_, true) => Digest::ones(algorithm),
            (Extend::TemplateHash, false) => hash_once(entry, algorithm, listed),
            (_, false) => pad(algorithm, &hash_once(entry, HashAlgorithm::Sha1, listed)),
        }
    }
}

fn hash_once(entry: &Entry<'_>, algorithm: HashAlgorithm, listed: &Digest) -> Digest {
    if listed.algorithm() == algorithm { *listed } else { entry.template_hash(algorithm) }
}

fn pad(algorithm: HashAlgorithm, sha1: &Digest) -> Digest {
    let mut padded = [0_u8; 64];
    for (to, from) in padded.iter_mut().zip(sha1.as_bytes()) {
        *to = *from;
    }
    padded
        .get(..algorithm.len())
        .and_then(|bytes| Digest::new(algorithm, bytes))
        .unwrap_or(Digest::zero(algorithm))
}

/// Replays a whole list: the values that its PCRs have if every entry of it was extended and nothing else.
///
/// For showing and comparing; what a quote covers of a list, [`ImaList::measured`] says. A list that does not fit the
/// memory is replayed piece by piece with a [`Replayer`](super::Replayer).
///
/// # Errors
/// [`ImaError::Entry`] when an entry is malformed or its template hash does not hold.
pub fn replay(list: &ImaList<'_>, banks: &[Bank]) -> Result<ReplayedPcrs, ImaError> {
    let mut registers = Registers::new(banks);
    for entry in list.entries() {
        registers.extend(&entry?)?;
    }
    Ok(registers.into_pcrs())
}

/// The PCRs of some banks while entries are replayed. A list extends one PCR, or very few: they are searched in order.
#[derive(Debug, Clone)]
pub(super) struct Registers {
    banks: Vec<Bank>,
    values: Vec<(PcrIndex, Vec<Digest>)>,
}

impl Registers {
    pub(super) fn new(banks: &[Bank]) -> Self {
        Self { banks: banks.to_vec(), values: Vec::new() }
    }

    /// Checks an entry's template hash and extends what it extends.
    pub(super) fn extend(&mut self, entry: &Entry<'_>) -> Result<(), ImaError> {
        let listed = entry.check_template_hash()?;
        let index = match self.values.iter().position(|(pcr, _)| *pcr == entry.pcr()) {
            Some(index) => index,
            None => {
                let start = self.banks.iter().map(|bank| entry.pcr().start(bank.algorithm)).collect();
                self.values.push((entry.pcr(), start));
                self.values.len().saturating_sub(1)
            }
        };
        let values = self.values.get_mut(index).into_iter().flat_map(|(_, values)| values);
        for (bank, value) in self.banks.iter().zip(values) {
            // Register and value are of one bank, so there always is a next value.
            if let Some(next) = value.extend(&bank.extend_value(entry, &listed)) {
                *value = next;
            }
        }
        Ok(())
    }

    pub(super) fn into_pcrs(self) -> ReplayedPcrs {
        let mut pcrs = ReplayedPcrs::new();
        for (pcr, values) in self.values {
            values.into_iter().for_each(|value| pcrs.start_at(pcr, value));
        }
        pcrs
    }
}
