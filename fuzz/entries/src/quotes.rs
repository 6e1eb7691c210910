use std::sync::OnceLock;

use attest::evidence::Evidence;
use attest::key::{EccCurve, PublicArea, PublicKey};
use attest::quote::tpm2_tools::read_pcr_file;
use attest::quote::{Attest, VerifyingKey};

/// Evidence: any bytes give evidence or an error, and what is read is written the same.
pub fn evidence(data: &[u8]) {
    let Ok(evidence) = Evidence::parse(data) else { return };
    let written = evidence.to_bytes().expect("what was read can be written");
    assert_eq!(Evidence::parse(&written).as_ref(), Ok(&evidence));
    // A log gives exactly the size that it announces, or nothing; never more than it is allowed (e22).
    let logs = [evidence.event_log, evidence.final_events, evidence.ima.map(|ima| ima.list)];
    let more = evidence.measurement_logs.into_iter().map(|measurement| measurement.log);
    for log in logs.into_iter().flatten().chain(more) {
        if let Ok(bytes) = log.bytes(1 << 16) {
            assert_eq!(u64::try_from(bytes.len()), Ok(log.size()));
            assert!(bytes.len() <= 1 << 16);
        }
    }
}

/// A recorded quote of tpm2-tools, its signature, its key, and the PCR file beside it.
const RECORDED_QUOTE: &[u8] = include_bytes!("../../../tpm-sim-tests/vectors/tpm2-tools-quote-ecc/quote.msg");
const RECORDED_SIGNATURE: &[u8] =
    include_bytes!("../../../tpm-sim-tests/vectors/tpm2-tools-quote-ecc/quote.sig");
const RECORDED_KEY: &[u8] = include_bytes!("../../../tpm-sim-tests/vectors/tpm2-tools-quote-ecc/ak.pub");
const RECORDED_PCRS: &[u8] = include_bytes!("../../../tpm-sim-tests/vectors/tpm2-tools-quote-ecc/quote.pcrs");

fn recorded_key() -> &'static VerifyingKey {
    static KEY: OnceLock<VerifyingKey> = OnceLock::new();
    KEY.get_or_init(|| {
        let public = PublicArea::parse_tpm2b(RECORDED_KEY).expect("a public area");
        VerifyingKey::bare(public.key().clone()).expect("a key")
    })
}

/// The structures that a TPM signs and the keys that it signs with: any bytes give a value or an error, and a value keeps
/// its rules.
pub fn quote(data: &[u8]) {
    if let Ok(quote) = Attest::parse_quote(data) {
        assert!(quote.attested.selection.iter().len() > 0);
        assert!(quote.extra_data.len() <= data.len());
        let verified = recorded_key().verify(data, RECORDED_SIGNATURE).is_ok();
        assert_eq!(verified, data == RECORDED_QUOTE, "another message than the one that was signed");
    }
    let _ = Attest::parse_certify(data);
    let _ = PublicArea::parse_tpm2b(data);
    if let Ok(public) = PublicArea::parse(data) {
        assert_eq!(public.as_bytes(), data);
        if let Ok(der) = public.key().to_spki_der() {
            assert_eq!(PublicKey::from_spki_der(&der).as_ref(), Ok(public.key()));
        }
        let _ = public.check_attestation_key();
    }
    // The bytes as a signature, then as a PCR file and its quote.
    if let Ok(key) = PublicKey::ecc(EccCurve::P256, &[1; 32], &[2; 32])
        && let Ok(key) = VerifyingKey::bare(key)
    {
        assert!(key.verify(b"message", data).is_err(), "nobody signed this");
    }
    if let Some((half, rest)) = data.split_at_checked(data.len() / 2) {
        let _ = read_pcr_file(half, rest);
    }
    let _ = read_pcr_file(data, RECORDED_QUOTE);
    let _ = read_pcr_file(RECORDED_PCRS, data);
}
