//! The structures that a TPM signs and the keys that it signs with: any bytes give a value or an error, and a value keeps
//! its rules.
#![no_main]

use attest::key::{PublicArea, PublicKey};
use attest::quote::tpm2_tools::read_pcr_file;
use attest::quote::{Attest, VerifyingKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(quote) = Attest::parse_quote(data) {
        assert!(quote.attested.selection.iter().len() > 0);
        assert!(quote.extra_data.len() <= data.len());
    }
    let _ = Attest::parse_certify(data);
    if let Ok(public) = PublicArea::parse(data) {
        assert_eq!(public.as_bytes(), data);
        if let Ok(der) = public.key().to_spki_der() {
            assert_eq!(PublicKey::from_spki_der(&der).as_ref(), Ok(public.key()));
        }
        let _ = public.check_attestation_key();
    }
    // The bytes as a signature, then as a PCR file and its quote.
    if let Ok(key) = PublicKey::ecc(attest::key::EccCurve::P256, &[1; 32], &[2; 32])
        && let Ok(key) = VerifyingKey::bare(key)
    {
        assert!(key.verify(b"message", data).is_err(), "nobody signed this");
    }
    if let Some((half, rest)) = data.split_at_checked(data.len() / 2) {
        let _ = read_pcr_file(half, rest);
    }
});
