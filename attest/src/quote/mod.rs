//! Quotes: what a TPM says of its PCRs, and when that is believed.
//!
//! ```text
//! Quote ──verify(challenge, attestation key, PCR values)──▶ VerifiedQuote
//! ```

mod selection;
mod signature;
mod structure;
pub mod tpm2_tools;
mod verify;

pub use selection::{PcrSelection, SelectionError};
pub use signature::{SignatureError, VerifyingKey};
pub use structure::{Attest, AttestError, CertifyInfo, ClockInfo, QuoteInfo};
pub use verify::{Quote, QuoteError, SignedQuote, VerifiedQuote};
