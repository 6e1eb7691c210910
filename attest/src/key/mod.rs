//! Keys that sign evidence: the public area that the TPM reports, and what makes one of them an attestation key.

mod attestation_key;
mod public_area;
mod public_key;
mod roca;
mod template;

pub(crate) use attestation_key::check_strength;
pub use attestation_key::{AttestationKey, KeyError};
pub use public_area::{
    ENDORSEMENT, Name, ObjectAttributes, PublicArea, PublicAreaError, Scheme, SchemeKind, Symmetric,
};
pub(crate) use public_key::strip_zeros;
pub use public_key::{EccCurve, PublicKey, PublicKeyError};
pub use template::{initial_attestation_key, is_initial_attestation_key, is_initial_device_id};
