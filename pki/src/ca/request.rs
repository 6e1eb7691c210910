//! Certificate requests (PKCS#10, RFC 2986) for keys that are not a device's.

use attest::key::{KeyError, PublicKey, PublicKeyError};
use der::asn1::BitStringRef;
use der::{Decode, Reader, SliceReader};
use thiserror::Error;

use super::DnsName;
use crate::certificate::{MAX_CERTIFICATE, SignatureError, verify_signature};
use crate::device_id::DeviceId;

/// Why a request is refused (threat p06).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RequestError {
    /// Longer than any honest request.
    #[error("certificate request has {found} bytes, expected at most {MAX_CERTIFICATE}")]
    TooLong {
        /// Its length.
        found: usize,
    },
    /// Not PEM, or PEM of something else.
    #[error("not a PEM certificate request: {0}; expected -----BEGIN CERTIFICATE REQUEST-----")]
    Pem(String),
    /// Not PKCS#10.
    #[error("not a certificate request: {0}")]
    Der(#[from] der::Error),
    /// The key can't be certified.
    #[error("certificate request: {0}")]
    Key(#[from] PublicKeyError),
    /// The key is weak.
    #[error("certificate request: {0}")]
    Weak(#[from] KeyError),
    /// Whoever made the request does not hold the private key.
    #[error("certificate request: no proof of possession: {0}")]
    Possession(#[from] SignatureError),
}

/// What a requested certificate is for, and its name. Both are the operator's: the request's own names are not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestProfile {
    /// A TLS server, e.g. the verifier.
    TlsServer {
        /// Its host name.
        name: DnsName,
    },
    /// A TLS client that is not a device, e.g. an operator's tool.
    TlsClient {
        /// Its name.
        name: DeviceId,
    },
    /// A key that signs manifests and policies.
    ManifestSigner {
        /// Its name.
        name: DeviceId,
    },
}

impl RequestProfile {
    pub(super) fn common_name(&self) -> &str {
        match self {
            // The host name stands in the alternative name; the common name is bounded to 64 bytes.
            Self::TlsServer { name } => name.as_str().get(..64).unwrap_or(name.as_str()),
            Self::TlsClient { name } | Self::ManifestSigner { name } => name.as_str(),
        }
    }
}

/// A request whose maker holds the private key. Only the key is taken from it.
///
/// Only its parsers make one:
/// ```compile_fail
/// # fn f(key: attest::key::PublicKey) -> pki::ca::CertificateRequest {
/// pki::ca::CertificateRequest { key }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRequest {
    key: PublicKey,
}

impl CertificateRequest {
    /// From DER.
    ///
    /// # Errors
    /// [`RequestError`] when it is malformed, its key is weak, or its signature does not hold (threat p06).
    pub fn from_der(bytes: &[u8]) -> Result<Self, RequestError> {
        if bytes.len() > MAX_CERTIFICATE {
            return Err(RequestError::TooLong { found: bytes.len() });
        }
        let mut reader = SliceReader::new(bytes)?;
        let (info, algorithm, signature) = reader.sequence(|r| {
            let info = r.tlv_bytes()?;
            let algorithm = r.tlv_bytes()?;
            let signature = BitStringRef::decode(r)?;
            Ok((info, algorithm, signature.as_bytes().ok_or_else(|| der::Tag::BitString.value_error())?))
        })?;
        reader.finish(())?;
        let spki = subject_key(info)?;
        let key = PublicKey::from_spki_der(spki)?;
        key.check_strength()?;
        verify_signature(info, algorithm, signature, spki)?;
        Ok(Self { key })
    }

    /// From a PEM file with one `CERTIFICATE REQUEST` block.
    ///
    /// # Errors
    /// As [`Self::from_der`].
    pub fn from_pem(pem: &str) -> Result<Self, RequestError> {
        if pem.len() > MAX_CERTIFICATE.saturating_mul(2) {
            return Err(RequestError::TooLong { found: pem.len() });
        }
        let (label, document) =
            der::Document::from_pem(pem.trim()).map_err(|error| RequestError::Pem(error.to_string()))?;
        if label != "CERTIFICATE REQUEST" {
            return Err(RequestError::Pem(format!("found -----BEGIN {label}-----")));
        }
        Self::from_der(document.as_bytes())
    }

    /// The key to certify.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }
}

/// CertificationRequestInfo (RFC 2986 §4.1): version, subject, key, attributes. Subject and attributes are skipped.
fn subject_key(info: &[u8]) -> der::Result<&[u8]> {
    let mut reader = SliceReader::new(info)?;
    let spki = reader.sequence(|r| {
        if u8::decode(r)? != 0 {
            return Err(der::Tag::Integer.value_error());
        }
        let _subject = r.tlv_bytes()?;
        let spki = r.tlv_bytes()?;
        if !r.is_finished() {
            let _attributes = r.tlv_bytes()?;
        }
        Ok(spki)
    })?;
    reader.finish(spki)
}
