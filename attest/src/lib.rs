//! Evidence and its appraisal: is this device what it should be?
//!
//! Everything here is pure. Bytes, time, randomness and trust come in as arguments and values go out, so that a server, a
//! CI job and another operating system can verify without a TPM stack.
//!
//! ```text
//! Evidence ──verify(challenge, attestation key)──▶ VerifiedQuote     the PCR values, and which TPM, boot and time they are from
//! EventLog ──replay(&VerifiedQuote)─────────────▶ MeasuredBoot      only events whose digest is covered
//! ImaList  ──replay(&VerifiedQuote)─────────────▶ MeasuredFiles     the covered prefix
//! MeasuredBoot + MeasuredFiles ──appraise(&Policy)▶ Appraisal       verdict, claims, and every reason with its place
//! ```
//!
//! Each arrow is a check, and each type on its right is made by that check only.
//!
//! ```
//! use attest::appraisal::Verdict;
//! use attest::appraise::{Appraiser, Endorsements};
//! use attest::challenge::{Challenge, Nonce};
//! use attest::policy::Policy;
//! use attest::reference::TrustedReference;
//! use jiff::{SignedDuration, Timestamp};
//!
//! fn is_trusted(
//!     evidence: &[u8],
//!     nonce: Nonce,
//!     now: Timestamp,
//!     (policy, text): (&Policy, &str),
//!     references: &[TrustedReference],
//!     roots: &dyn Endorsements,
//! ) -> bool {
//!     let challenge = Challenge::new(nonce, now, SignedDuration::from_mins(5));
//!     let appraiser = Appraiser::new(policy, &[text.as_bytes()], references, roots);
//!     appraiser.appraise(evidence, challenge, now).verdict() == Verdict::Trusted
//! }
//! ```

pub mod appraisal;
pub mod appraise;
mod bounded;
mod cbor;
pub mod cel;
pub mod challenge;
pub mod digest;
pub mod dsse;
pub mod eventlog;
pub mod evidence;
pub mod fitness;
mod hash;
pub mod ima;
pub mod key;
pub mod pcr;
pub mod policy;
pub mod quote;
pub mod reference;
#[cfg(feature = "rego")]
pub mod rego;
pub mod result;
mod wire;

pub use digest::{Digest, HashAlgorithm};
pub use pcr::{PcrIndex, ReplayedPcrs};
pub use quote::VerifiedQuote;
pub use wire::WireError;
