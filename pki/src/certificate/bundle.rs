//! Several certificates in a row: PEM files, and the DER bytes that a device keeps in NV memory.

use der::pem::LineEnding;

use super::{Certificate, CertificateError, der_length};

/// The DER certificates of a PEM file, in order.
///
/// # Errors
/// [`CertificateError`] when a block is no certificate.
pub fn chain_from_pem(pem: &str) -> Result<Vec<Vec<u8>>, CertificateError> {
    Ok(Certificate::parse_pem(pem)?.iter().map(|certificate| certificate.der().to_vec()).collect())
}

/// DER certificates as PEM text, one block after the other.
///
/// # Errors
/// [`CertificateError`] when one does not parse.
pub fn chain_to_pem(chain: &[&[u8]]) -> Result<String, CertificateError> {
    let mut pem = String::new();
    for der in chain {
        Certificate::parse(der)?;
        pem.push_str(&der::pem::encode_string("CERTIFICATE", LineEnding::LF, der).map_err(der::Error::from)?);
    }
    Ok(pem)
}

/// The key that a DER certificate is for. Nothing of the certificate is verified.
///
/// # Errors
/// [`CertificateError`] when it does not parse, or its key is of an algorithm that is not supported.
pub fn certified_key(der: &[u8]) -> Result<attest::key::PublicKey, CertificateError> {
    Ok(Certificate::parse(der)?.public_key()?)
}

/// Cuts DER certificates apart that stand one behind the other.
///
/// # Errors
/// [`CertificateError`] when what follows a certificate is none.
pub fn split_chain(bytes: &[u8]) -> Result<Vec<Vec<u8>>, CertificateError> {
    let mut chain = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = der_length(rest)?;
        let (certificate, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        chain.push(Certificate::parse(certificate)?.der().to_vec());
        rest = behind;
    }
    Ok(chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_certificate_are_refused() {
        assert!(split_chain(&[0x30, 0x82, 0xFF, 0xFF, 0]).is_err());
        assert!(split_chain(&[0; 16]).is_err());
        assert!(chain_to_pem(&[&[0x30, 0]]).is_err());
        assert_eq!(split_chain(&[]).unwrap().len(), 0);
    }
}
