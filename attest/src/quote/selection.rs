//! TPML_PCR_SELECTION (TPM 2.0 Part 2 §10.9.7): which PCRs, of which banks, in which order.

use thiserror::Error;

use crate::digest::HashAlgorithm;
use crate::pcr::PcrIndex;
use crate::wire::{Reader, WireError};

/// A TPM has at most 16 banks (HASH_COUNT in Part 2 §10.9.7 is far below it everywhere).
const MAX_BANKS: u32 = 16;

/// Why a selection can't be judged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SelectionError {
    /// Ends early.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// More banks than any TPM has.
    #[error("PCR selection lists {found} banks, expected at most {MAX_BANKS}")]
    Banks {
        /// The announced number.
        found: u32,
    },
    /// A bank that this crate can't compute, with PCRs selected in it.
    #[error("PCR selection has bank 0x{found:04x}, expected SHA-1, SHA-256, SHA-384 or SHA-512")]
    UnknownBank {
        /// TPM_ALG_ID of the bank.
        found: u16,
    },
    /// The same bank twice, so that one index could have two values (threat q05).
    #[error("PCR selection lists bank {bank} twice")]
    Repeated {
        /// The bank.
        bank: HashAlgorithm,
    },
    /// A PCR above 23 (threat e13).
    #[error("PCR selection has PCR {index} in bank {bank}, expected 0 to 23")]
    Index {
        /// The bank.
        bank: HashAlgorithm,
        /// The index.
        index: usize,
    },
    /// Nothing at all is selected (threat q05).
    #[error("PCR selection is empty")]
    Empty,
}

/// The selected PCRs in the order in which the TPM hashed them: bank by bank as listed, indices rising.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PcrSelection(Vec<(HashAlgorithm, PcrIndex)>);

impl PcrSelection {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, SelectionError> {
        let count = r.u32_be("pcrSelect.count")?;
        if count > MAX_BANKS {
            return Err(SelectionError::Banks { found: count });
        }
        let mut seen = Vec::new();
        let mut selected = Vec::new();
        for _ in 0..count {
            let bank_id = r.u16_be("pcrSelect.hash")?;
            let size = r.u8("pcrSelect.sizeofSelect")?;
            let bitmap = r.take(usize::from(size), "pcrSelect.pcrSelect")?;
            let Some(bank) = HashAlgorithm::from_tpm_id(bank_id) else {
                if bitmap.iter().all(|byte| *byte == 0) {
                    continue;
                }
                return Err(SelectionError::UnknownBank { found: bank_id });
            };
            if seen.contains(&bank) {
                return Err(SelectionError::Repeated { bank });
            }
            seen.push(bank);
            for index in bits(bitmap) {
                let pcr = u32::try_from(index).ok().and_then(PcrIndex::new);
                selected.push((bank, pcr.ok_or(SelectionError::Index { bank, index })?));
            }
        }
        if selected.is_empty() { Err(SelectionError::Empty) } else { Ok(Self(selected)) }
    }

    /// The PCRs in the order of the digest.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (HashAlgorithm, PcrIndex)> + '_ {
        self.0.iter().copied()
    }

    /// Whether this PCR of this bank is among them.
    #[must_use]
    pub fn contains(&self, bank: HashAlgorithm, index: PcrIndex) -> bool {
        self.0.contains(&(bank, index))
    }
}

/// Positions of the set bits, least significant bit of the first byte first.
fn bits(bitmap: &[u8]) -> impl Iterator<Item = usize> + '_ {
    bitmap.iter().enumerate().flat_map(|(byte, bits)| {
        (0..8).filter(move |bit| bits & (1 << bit) != 0).map(move |bit| byte * 8 + bit)
    })
}
