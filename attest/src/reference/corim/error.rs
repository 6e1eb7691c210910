//! Why a CoRIM can't be taken.

use thiserror::Error;

use crate::pcr::PcrIndex;
use crate::wire::WireError;

/// Why a CoRIM can't be taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CorimError {
    /// A field past the end, or bytes too many.
    #[error("CoRIM: in the document at byte {base}: {source}")]
    Cut {
        /// Where the CBOR document starts: 0, or that of a tag within.
        base: usize,
        /// What.
        source: WireError,
    },
    /// Not the form of the draft.
    #[error("CoRIM: byte {offset}: found {found}, expected {expected}")]
    Form {
        /// Where.
        offset: usize,
        /// What the draft has there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A part that says more than reference values here can: dropping it would accept more than its author wrote.
    #[error("CoRIM: {part}: {why}")]
    NotTaken {
        /// Which.
        part: String,
        /// Why.
        why: &'static str,
    },
    /// Two values for a PCR in one bank.
    #[error("CoRIM: PCR {pcr} has two values in bank {bank}; one release has one")]
    TwoValues {
        /// The PCR.
        pcr: PcrIndex,
        /// The bank.
        bank: &'static str,
    },
    /// A PCR without a value in the bank that is asked for.
    #[error("CoRIM: PCR {pcr} has no value in bank {bank}; choose the bank that the document has")]
    NotInBank {
        /// The PCR.
        pcr: PcrIndex,
        /// The bank.
        bank: &'static str,
    },
    /// Signed, and there is no key.
    #[error("CoRIM: signed; name the signer's public key")]
    KeyNeeded,
    /// A key, and no signature.
    #[error("CoRIM: not signed, but a signer's key was given")]
    Unsigned,
    /// The signature or its header.
    #[error("CoRIM: signature: {0}")]
    Signature(String),
}

impl CorimError {
    pub(super) fn extension(part: &'static str, key: impl std::fmt::Display) -> Self {
        Self::not_taken(format!("{part}, key {key}"), "an extension, whose meaning is not known")
    }

    pub(super) fn not_taken(part: impl Into<String>, why: &'static str) -> Self {
        Self::NotTaken { part: part.into(), why }
    }
}
