use pki::ca::CertificateRequest;
use pki::certificate::{CertificateView, chain_from_pem, split_chain};

/// Certificates and requests: any bytes give a value or an error.
pub fn certificate(data: &[u8]) {
    let _ = CertificateView::from_der(data);
    let _ = CertificateRequest::from_der(data);
    if let Ok(chain) = split_chain(data) {
        assert!(chain.iter().map(Vec::len).sum::<usize>() <= data.len());
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = (chain_from_pem(text), CertificateRequest::from_pem(text));
    }
}
