//! The sending side of lists in parts: a list cut where the verifier says that it ends (threats i11, i17).

use std::fmt;
use std::str::FromStr;

use serde_bytes::ByteBuf;
use thiserror::Error;

use super::error::ImaError;
use super::list::ImaList;
use super::replay::{Bank, Registers};
use crate::digest::{Digest, HashAlgorithm};
use crate::evidence::{ImaStart, StartValue};
use crate::pcr::PcrIndex;

/// Where in a list a verifier has stopped: it is written as `OFFSET:ENTRIES`, two decimal numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListPosition {
    /// Bytes before it.
    pub offset: u64,
    /// Entries before it.
    pub entries: u64,
}

impl fmt::Display for ListPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.offset, self.entries)
    }
}

impl FromStr for ListPosition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number =
            |text: &str| text.parse::<u64>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        text.split_once(':')
            .and_then(|(offset, entries)| Some(Self { offset: number(offset)?, entries: number(entries)? }))
            .ok_or_else(|| {
                format!("{text:?}, expected OFFSET:ENTRIES as hallmark appraise gives it, e.g. 42190:310")
            })
    }
}

/// Why a list can't be cut there, and what to send instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CutError {
    /// The list ends before.
    #[error(
        "the list has {length} bytes, and the verifier has {offset} of it: the machine was started anew, or the kernel has trimmed the list; send the whole list"
    )]
    Shorter {
        /// Bytes of the list.
        length: usize,
        /// Where it was to be cut.
        offset: u64,
    },
    /// No entry ends there, or another one than the verifier counted.
    #[error(
        "entry {entries} ends at byte {ends}, and the verifier has it end at byte {offset}: this is another list, or a trimmed one; send the whole list"
    )]
    Elsewhere {
        /// The number of entries before the cut.
        entries: u64,
        /// Where that entry ends in this list.
        ends: usize,
        /// Where it was to be cut.
        offset: u64,
    },
    /// The part before it is malformed.
    #[error(transparent)]
    List(#[from] ImaError),
}

impl CutError {
    /// The row of threats.md.
    #[must_use]
    pub fn threat(&self) -> &'static str {
        match self {
            Self::Shorter { .. } | Self::Elsewhere { .. } => "i11",
            Self::List(error) => error.threat(),
        }
    }
}

impl<'a> ImaList<'a> {
    /// Cuts the list at `position`: where the rest starts, with the values that the entries before it lead to in `banks`,
    /// and the rest.
    ///
    /// The values are replayed from this very list, so that a verifier finds out when it is another one than it has seen.
    ///
    /// # Errors
    /// [`CutError`] with what to send instead.
    pub fn cut(
        &self,
        position: ListPosition,
        banks: &[HashAlgorithm],
    ) -> Result<(ImaStart, &'a [u8]), CutError> {
        let ListPosition { offset, entries: wanted } = position;
        let bytes = self.bytes();
        let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..));
        let rest = rest.ok_or(CutError::Shorter { length: bytes.len(), offset })?;
        let banks: Vec<Bank> = banks.iter().copied().map(Bank::from).collect();
        let mut registers = Registers::new(&banks);
        let mut entries = self.entries();
        let mut read = 0_usize;
        while u64::try_from(read).is_ok_and(|read| read < wanted) {
            let Some(entry) = entries.next().transpose()? else { break };
            registers.extend(&entry)?;
            read = entry.number();
        }
        // An entry counted that is not there would end at the list's end.
        let ends = entries.offset();
        if u64::try_from(ends) != Ok(offset) || u64::try_from(read) != Ok(wanted) {
            return Err(CutError::Elsewhere { entries: wanted, ends, offset });
        }
        let pcrs = registers.into_pcrs();
        let value = |(pcr, value): (PcrIndex, &Digest)| {
            StartValue(value.algorithm().tpm_id(), pcr.get(), ByteBuf::from(value.as_bytes()))
        };
        Ok((ImaStart { offset, entries: wanted, values: pcrs.iter().map(value).collect() }, rest))
    }
}
