//! Linux IMA measurement lists: which files a machine opened, ran and mapped since it started.
//!
//! ```text
//! binary_runtime_measurements ─▶ ImaList ──measured(&VerifiedQuote)──▶ MeasuredFiles   the covered prefix
//! ascii_runtime_measurements ──ascii_to_binary──▶ ▲                                    the rest: not yet attested
//! ```
//!
//! The kernel hashes each entry's template data and extends PCR 10 with it. So a list is believed as far as some prefix of
//! it replays to the quoted PCR, and its first entry, the boot aggregate, is the hash of the quoted boot PCRs.
//!
//! ```
//! use attest::ima::{ImaList, replay};
//! use attest::HashAlgorithm;
//!
//! fn show(list: &[u8]) -> Result<(), attest::ima::ImaError> {
//!     let list = ImaList::new(list);
//!     for entry in list.entries() {
//!         let entry = entry?;
//!         println!("{} {} {}", entry.number(), entry.file_digest(), entry.path().escape_ascii());
//!     }
//!     let pcrs = replay(&list, &[HashAlgorithm::Sha256.into()])?;
//!     println!("{:?}", pcrs.get(HashAlgorithm::Sha256, attest::PcrIndex::IMA));
//!     Ok(())
//! }
//! # show(&[]).unwrap();
//! ```

mod appended;
mod ascii;
mod boot_aggregate;
mod checks;
mod cut;
mod entry;
mod error;
mod file_digest;
mod keyring;
mod list;
mod measured;
mod portable;
mod replay;
mod resume;
mod sightings;
mod signature;
mod stream;
mod template;
#[cfg(test)]
mod tests;
mod verify;
mod xattr;

pub use appended::{AppendedError, AppendedSignature};
pub use ascii::ascii_to_binary;
pub(crate) use boot_aggregate::NAME as BOOT_AGGREGATE;
pub use checks::MAX_SIGNATURE_CHECKS;
pub(crate) use checks::SignatureChecks;
pub use cut::{CutError, ListPosition};
pub use entry::Entry;
pub use error::{EntryError, ImaError};
pub(crate) use file_digest::digest_len;
pub use file_digest::{DigestKind, FileDigest};
pub use keyring::{EvmKeyring, ImaKeyring, KeyringError};
pub use list::{ByteOrder, Entries, ImaList};
pub use measured::{ImaOptions, MeasuredFiles};
pub(crate) use measured::{measure, measure_rest, measure_seen};
pub use replay::{Bank, Extend, replay};
pub use resume::{Attesting, ImaState, KeptValue, ResumeError, Seeing, StateError};
pub use sightings::{Lapse, MAX_MARKS, Mark, Sight, Sightings};
pub use signature::{ImaSignature, ImaSignatureError, SignatureKind};
pub use stream::{EntryStream, MAX_ENTRY, Replayed, Replayer};
pub use template::Field;
pub use verify::{SignatureForm, Signer, SignerKeyrings, verify_signature};
