//! Why a measurement list is refused, and where.

use thiserror::Error;

use super::replay::Extend;
use super::resume::ResumeError;
use super::template::Field;
use crate::digest::{Digest, HashAlgorithm};
use crate::pcr::PcrIndex;
use crate::wire::WireError;

/// Why a measurement list, or the part of it that a quote should cover, is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ImaError {
    /// An entry is malformed, or is not what its own template hash says (threats i01, i08).
    #[error("IMA list, entry {entry} at byte {offset}: {error}")]
    Entry {
        /// The entry's number, from 1: the line of the ascii list.
        entry: usize,
        /// Where the entry starts in the list.
        offset: usize,
        /// What is wrong with it.
        error: EntryError,
    },
    /// An entry of a PCR that nobody named (threat i09).
    #[error("IMA list, entry {entry} at byte {offset}: extends PCR {found}, expected PCR {expected} only")]
    OtherPcr {
        /// The entry's number, from 1.
        entry: usize,
        /// Where the entry starts in the list.
        offset: usize,
        /// The entry's PCR.
        found: PcrIndex,
        /// The PCR that IMA is expected to use.
        expected: PcrIndex,
    },
    /// A PCR that the list extends is not in the quote.
    #[error("IMA list: PCR {pcr} of bank {bank} is not quoted; quote it, or name another bank")]
    NotQuoted {
        /// The bank.
        bank: HashAlgorithm,
        /// The PCR.
        pcr: PcrIndex,
    },
    /// The quoted PCR was never extended: the kernel measures nothing (threat i04).
    #[error(
        "IMA list: the quoted PCR {pcr} of bank {bank} has its start value: the kernel has measured nothing"
    )]
    NothingMeasured {
        /// The bank.
        bank: HashAlgorithm,
        /// The PCR.
        pcr: PcrIndex,
    },
    /// No prefix of the list replays to the quoted value: entries are missing, swapped or changed (threat i03).
    #[error(
        "IMA list: none of its {read} entries brings PCR {pcr} to the quoted {quoted}, the last one to {replayed}; entries are missing or changed, or a kernel that kexec started began a list of its own"
    )]
    NotCovered {
        /// The first PCR that differs.
        pcr: PcrIndex,
        /// Entries read, which is all of them.
        read: usize,
        /// The value after the last of them.
        replayed: Box<Digest>,
        /// The value that the TPM signed.
        quoted: Box<Digest>,
    },
    /// The list does replay, but only by a way of extending that was not named (threat i10).
    #[error(
        "IMA list: bank {bank} holds {found}, expected {expected}; name it in the policy to accept it (covers {covered} entries)"
    )]
    ExtendedOtherwise {
        /// The bank.
        bank: HashAlgorithm,
        /// How the kernel extended it.
        found: Extend,
        /// How the caller said that it is extended.
        expected: Extend,
        /// The entries that the quote would cover.
        covered: usize,
    },
    /// A part of a list does not carry on from what is kept of the device (threat i11).
    #[error("IMA list: {0}")]
    Resume(ResumeError),
    /// The list does not lead through what was seen of it before in the same boot (threat i19).
    #[error(
        "IMA list: it does not lead through what was quoted at {at} after {entries} entries, in the same boot; it was begun anew"
    )]
    OtherRun {
        /// When it was seen.
        at: jiff::Timestamp,
        /// How many entries it had then.
        entries: u64,
    },
    /// The first entry is not the boot aggregate (threat i04); of a list that the kernel has trimmed, it is not (i17).
    #[error(
        "IMA list: entry 1 is {found:?}, expected boot_aggregate; of a list that the kernel has trimmed, what was before must be kept"
    )]
    BootAggregateMissing {
        /// The first entry's path, escaped, or what is there instead.
        found: String,
    },
    /// The boot aggregate's hash is one that this crate does not compute.
    #[error("IMA list: boot_aggregate is a {algorithm} digest, expected sha1, sha256, sha384 or sha512")]
    BootAggregateAlgorithm {
        /// The hash's name.
        algorithm: &'static str,
    },
    /// The boot aggregate can't be computed from the quote.
    #[error("IMA list: to check boot_aggregate, quote {} of bank {bank} as well", pcr_list(.missing))]
    BootAggregateNotQuoted {
        /// The bank that the kernel took it from.
        bank: HashAlgorithm,
        /// The PCRs to quote.
        missing: Vec<PcrIndex>,
    },
    /// The boot aggregate is not the hash of the quoted boot PCRs: the list is of another boot (threat i04).
    #[error("IMA list: boot_aggregate is {found}, the quoted PCRs give {expected}")]
    BootAggregate {
        /// The list's value.
        found: Box<Digest>,
        /// The hash of the quoted PCR 0 to 9, or 0 to 7 for SHA-1.
        expected: Box<Digest>,
    },
}

/// A part of a list does not carry on from what is kept (threat i11).
impl From<ResumeError> for ImaError {
    fn from(error: ResumeError) -> Self {
        Self::Resume(error)
    }
}

impl ImaError {
    /// The row of threats.md.
    #[must_use]
    pub fn threat(&self) -> &'static str {
        match self {
            Self::Entry { error: EntryError::TemplateHash { .. }, .. } => "i01",
            Self::Entry { .. } => "i08",
            Self::OtherPcr { .. } => "i09",
            Self::NotQuoted { .. } | Self::NotCovered { .. } => "i03",
            Self::ExtendedOtherwise { .. } => "i10",
            Self::Resume(_) => "i11",
            Self::OtherRun { .. } => "i19",
            Self::NothingMeasured { .. }
            | Self::BootAggregateMissing { .. }
            | Self::BootAggregateAlgorithm { .. }
            | Self::BootAggregateNotQuoted { .. }
            | Self::BootAggregate { .. } => "i04",
        }
    }
}

fn pcr_list(pcrs: &[PcrIndex]) -> String {
    let numbers: Vec<String> = pcrs.iter().map(ToString::to_string).collect();
    format!("PCR {}", numbers.join(", "))
}

/// What is wrong with one entry.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EntryError {
    /// A length past the end, or bytes after the last field.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A PCR that no TPM has.
    #[error("PCR {pcr} does not exist, expected 0 to 23")]
    Pcr {
        /// The number found.
        pcr: u32,
    },
    /// Neither a template of the kernel nor a list of its fields.
    #[error("unknown template {name:?}")]
    Template {
        /// The name found, escaped.
        name: String,
    },
    /// A template that does not say exactly one file digest and one name.
    #[error("template {name:?} has {digests} digest and {names} name fields, expected one of each")]
    TemplateShape {
        /// The template's name.
        name: String,
        /// Fields d, d-ng and d-ngv2.
        digests: usize,
        /// Fields n and n-ng.
        names: usize,
    },
    /// A digest whose hash the kernel does not have.
    #[error("field {field}: unknown hash {name:?}")]
    Hash {
        /// The field.
        field: Field,
        /// The name found, escaped.
        name: String,
    },
    /// A digest field that is not `[kind:]hash:`, a zero byte, and the digest.
    #[error("field {field}: not a digest with the name of its hash before it")]
    DigestForm {
        /// The field.
        field: Field,
    },
    /// A field of a length that it can't have.
    #[error("field {field}: {found} bytes, expected {expected}")]
    Length {
        /// The field.
        field: Field,
        /// Its length.
        found: usize,
        /// The length that it has to have.
        expected: usize,
    },
    /// A name without its zero byte at the end, or with one inside.
    #[error("field {field}: zero byte missing at its end, or one before that")]
    NameForm {
        /// The field.
        field: Field,
    },
    /// The template hash is not the hash of the template data (threat i01).
    #[error("template hash is {listed}, its data gives {computed}")]
    TemplateHash {
        /// In the list.
        listed: Box<Digest>,
        /// Of the template data.
        computed: Box<Digest>,
    },
    /// An entry that says it is longer than a stream of them may hold.
    #[error("{found} bytes long, expected at most {most}")]
    TooLong {
        /// Its length.
        found: usize,
        /// The limit.
        most: usize,
    },
    /// A word of an ascii list that does not say what it should.
    #[error("{what} is {found:?}")]
    Word {
        /// What should be there.
        what: &'static str,
        /// What is, escaped.
        found: String,
    },
}

/// Foreign bytes for a message: escaped, and never more than a line can hold.
pub(super) fn shown(bytes: &[u8]) -> String {
    const LONGEST: usize = 64;
    match bytes.get(..LONGEST) {
        Some(start) if bytes.len() > LONGEST => format!("{}…", start.escape_ascii()),
        _ => bytes.escape_ascii().to_string(),
    }
}
