//! Whatever arrives, a parser gives a value or an error.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    missing_docs
)]

use jiff::Timestamp;
use pki::ca::{AuthorityNames, CertificateRequest, KeyAlgorithm, NewAuthority, SerialNumber};
use pki::certificate::CertificateView;
use pki::chain::{DeviceChain, DeviceRoots, Purpose};
use pki::ek::TpmMakerRoots;
use pki::{DeviceId, PathError};
use proptest::prelude::*;

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn root() -> Vec<u8> {
    let names = AuthorityNames::new("Example Devices", "Devices").unwrap();
    let serials = [SerialNumber::new([1; 16]), SerialNumber::new([2; 16])];
    NewAuthority::generate(&names, KeyAlgorithm::EcdsaP256, serials, now()).unwrap().root_der().to_vec()
}

fn roots(der: &[u8]) -> DeviceRoots {
    let pem = der::Document::try_from(der).unwrap().to_pem("CERTIFICATE", der::pem::LineEnding::LF).unwrap();
    DeviceRoots::from_pem(&pem).unwrap()
}

proptest! {
    #[test]
    fn any_bytes_are_an_error_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(CertificateView::from_der(&bytes).is_err());
        prop_assert!(CertificateRequest::from_der(&bytes).is_err());
    }

    #[test]
    fn any_text_is_an_error_and_never_a_panic(text in "\\PC{0,300}") {
        let _ = TpmMakerRoots::from_pem(&text);
        let _ = CertificateRequest::from_pem(&text);
        if let Ok(id) = DeviceId::new(&text) {
            prop_assert_eq!(id.as_str(), text);
        }
    }

    #[test]
    fn a_certificate_with_changed_bytes_is_judged_without_a_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let der = root();
        let mut bytes = der.clone();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let _ = CertificateView::from_der(&bytes).map(|view| serde_json::to_string(&view).unwrap());
        let _ = CertificateView::from_der(&bytes[..cut.index(bytes.len())]);
        // A CA's certificate is never a device's, changed or not.
        let outcome = DeviceChain::verify(&[bytes], &roots(&der), Purpose::DeviceId, now());
        prop_assert!(outcome.is_err());
    }
}

#[test]
fn a_root_is_no_device() {
    let der = root();
    let outcome = DeviceChain::verify(std::slice::from_ref(&der), &roots(&der), Purpose::DeviceId, now());
    assert!(matches!(outcome, Err(pki::chain::ChainError::Path(PathError::LeafIsCa { .. }))));
}

#[test]
fn sizes_that_lie_are_refused() {
    for bytes in [
        &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff][..],
        &[0x30, 0x80, 0x00, 0x00],
        &[0x30, 0x82, 0x40, 0x00, 0x30],
        &[0x30, 0x03, 0x30, 0x84, 0xff],
        &[],
    ] {
        assert!(CertificateView::from_der(bytes).is_err());
    }
}
