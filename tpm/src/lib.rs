//! Everything of Hallmark that talks to a TPM 2.0; the only crate that links the TSS.
//!
//! It sends commands and hands out bytes. What the bytes mean is judged elsewhere, by crates that a verifier without a
//! TPM stack can build.
//!
//! ```text
//! Tcti ──open──▶ Tpm ──▶ EndorsementKey   its certificate, and credentials that only it can open
//!                    ├─▶ Key              IAK and IDevID, made once and kept; freed when dropped
//!                    ├─▶ Quoted           PCR values and the TPM's signature over them
//!                    └─▶ FloorState       the rollback floor, in NV
//! ```
//!
//! ```no_run
//! use tpm::{Bank, IdentityKey, Tpm};
//! let tpm = Tpm::open(&"device:/dev/tpmrm0".parse()?)?;
//! if let Some(key) = tpm.identity(IdentityKey::Attestation)? {
//!     let quoted = tpm.quote(&key, &[7; 32], &[(Bank::Sha256, vec![0, 7])])?;
//!     assert_eq!(quoted.values.len(), 2);
//! }
//! # Ok::<(), tpm::TpmError>(())
//! ```

mod admin_policy;
mod context;
mod ek;
mod error;
mod identity;
mod info;
mod nv;
mod quote;
mod rollback;
pub mod simulator;
mod tcti;

pub use context::{Key, Tpm};
pub use ek::{EkTemplate, EndorsementKey};
pub use error::TpmError;
pub use identity::{Certification, IdentityKey, KeyTemplate};
pub use info::TpmInfo;
pub use quote::{Bank, Quoted, Selection};
pub use rollback::FloorState;
pub use tcti::Tcti;
