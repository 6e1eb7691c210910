//! What the unit tests judge: a TPM in software, its maker's CA, and certificates bent in one place.

mod authority;
mod tpm;

use jiff::Timestamp;

pub(crate) use authority::{
    Ca, Factory, Maker, Point, RsaPoint, ca_params, ek_params, named, pem, serial, validity,
};
pub(crate) use tpm::{
    AES_128_CFB, EK_ATTRIBUTES, IAK_ATTRIBUTES, IDEVID_ATTRIBUTES, SoftTpm, certify_info, ek_public, modulus,
    rsa_ek_public, signing_key, signing_public,
};

pub(crate) fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}
