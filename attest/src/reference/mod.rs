//! Reference values: what a good device of one release looks like (RATS RFC 9334 §8.3).
//!
//! ```text
//! golden device ──record──▶ ReferenceValues ──sign──▶ envelope ──verify(keys)──▶ TrustedReference
//!                                                                  TrustedReference ──standing(now)──▶ Standing
//!                                                    references, path, digest ──knowledge──▶ Knowledge
//! ```
//!
//! Several releases may be valid at once. Files are looked up in a [`FileIndex`], compiled once and shared.

mod corim;
pub(crate) mod expectation;
mod file_set;
mod index;
mod knowledge;
mod path;
pub mod predict;
mod record;
mod set;
mod standing;
mod sums;
mod trusted;
mod values;
mod withdrawal;

pub use corim::{Corim, CorimError, CorimExpected};
pub use file_set::{FileKey, FileKind, FileSet, FileSetBuilder, FileSetError, FileSetName};
pub use index::{FileIndex, FileSets, SharedFileSet};
pub use knowledge::{Knowledge, Lapsed, knowledge};
pub use path::{path_bytes, path_text};
pub use record::{Golden, RecordError, record};
pub use set::{MAX_RELEASES, ReferenceSet, Release, SET_TYPE, Source};
pub use standing::{Measured, Standing, Withdrawn};
pub use sums::{SumsError, add_sums};
pub use trusted::{PAYLOAD_TYPE, TrustedReference};
pub use values::{ReferenceError, ReferenceEvent, ReferenceValues};
#[cfg(test)]
pub(crate) use withdrawal::trusted;
pub use withdrawal::{TrustedWithdrawal, WITHDRAWAL_TYPE, Withdrawal};
