//! A certificate as `hallmark ca show` and `hallmark identity show` print it.

use attest::Digest;
use attest::key::{EccCurve, PublicKey};
use jiff::Timestamp;
use serde::Serialize;
use x509_cert::ext::pkix::name::GeneralName;

use super::name::{printable, readable};
use super::{Certificate, CertificateError};

/// A certificate's content for a reader or a script. It says what is written in it, not whether it is true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateView {
    /// Subject, RFC 4514.
    pub subject: String,
    /// Issuer, RFC 4514.
    pub issuer: String,
    /// Serial number, hex.
    pub serial: String,
    /// Start of its validity.
    pub not_before: Timestamp,
    /// End of its validity; a certificate "without end" shows the last moment that can be written.
    pub not_after: Timestamp,
    /// The key.
    pub key: KeyView,
    /// SHA-256 of the certificate.
    pub fingerprint: Digest,
    /// Whether it may issue certificates.
    pub ca: bool,
    /// How many CAs may follow below it; `None` means no limit for a CA, and nothing for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_len: Option<u8>,
    /// Key usages, by their names in RFC 5280 §4.2.1.3.
    pub key_usage: Vec<&'static str>,
    /// Extended key usages, by object identifier.
    pub extended_key_usage: Vec<String>,
    /// Alternative names, each with its kind.
    pub subject_alt_names: Vec<String>,
    /// Certificate policies, by object identifier.
    pub policies: Vec<String>,
}

/// A key by kind and size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyView {
    /// `RSA`, `ECDSA P-256`, `ECDSA P-384`, or why it can't be read.
    pub kind: String,
    /// Size in bits; 0 when it can't be read.
    pub bits: usize,
}

impl CertificateView {
    /// The view of one DER certificate.
    ///
    /// # Errors
    /// [`CertificateError`] when it does not parse.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        Ok(Self::of(&Certificate::parse(der)?))
    }

    /// The views of all certificates in a PEM file.
    ///
    /// # Errors
    /// [`CertificateError`] when one does not parse.
    pub fn from_pem(pem: &str) -> Result<Vec<Self>, CertificateError> {
        Ok(Certificate::parse_pem(pem)?.iter().map(Self::of).collect())
    }

    /// The common name out of the subject, when it is plain text: a device's id (threat p19 keeps it plain).
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.subject.split(['+', ',']).find_map(|part| part.trim().strip_prefix("CN="))
    }

    pub(crate) fn of(certificate: &Certificate) -> Self {
        let extensions = certificate.extensions();
        Self {
            subject: certificate.subject_text(),
            issuer: certificate.issuer_text(),
            serial: hex::encode(certificate.serial()),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            key: KeyView::of(certificate),
            fingerprint: certificate.fingerprint(),
            ca: extensions.is_ca(),
            path_len: extensions.path_len(),
            key_usage: key_usages(certificate),
            extended_key_usage: texts(extensions.extended_key_usage.iter().flatten()),
            subject_alt_names: extensions.subject_alt_name.iter().map(alt_name).collect(),
            policies: texts(extensions.policies.iter()),
        }
    }
}

impl KeyView {
    fn of(certificate: &Certificate) -> Self {
        match certificate.public_key() {
            Ok(key) => {
                let kind = match key {
                    PublicKey::Rsa { .. } => "RSA",
                    PublicKey::Ecc { curve: EccCurve::P256, .. } => "ECDSA P-256",
                    PublicKey::Ecc { curve: EccCurve::P384, .. } => "ECDSA P-384",
                };
                Self { kind: kind.to_owned(), bits: key.bits() }
            }
            Err(error) => Self { kind: error.to_string(), bits: 0 },
        }
    }
}

fn texts(oids: impl Iterator<Item = impl ToString>) -> Vec<String> {
    oids.map(|oid| oid.to_string()).collect()
}

fn key_usages(certificate: &Certificate) -> Vec<&'static str> {
    let Some(usage) = certificate.extensions().key_usage else { return Vec::new() };
    [
        (usage.digital_signature(), "digitalSignature"),
        (usage.non_repudiation(), "nonRepudiation"),
        (usage.key_encipherment(), "keyEncipherment"),
        (usage.data_encipherment(), "dataEncipherment"),
        (usage.key_agreement(), "keyAgreement"),
        (usage.key_cert_sign(), "keyCertSign"),
        (usage.crl_sign(), "cRLSign"),
    ]
    .into_iter()
    .filter_map(|(set, name)| set.then_some(name))
    .collect()
}

fn alt_name(name: &GeneralName) -> String {
    match name {
        GeneralName::DnsName(name) => format!("DNS:{}", printable(name.as_str())),
        GeneralName::Rfc822Name(name) => format!("email:{}", printable(name.as_str())),
        GeneralName::UniformResourceIdentifier(uri) => format!("URI:{}", printable(uri.as_str())),
        GeneralName::DirectoryName(name) => format!("directory:{}", readable(name)),
        GeneralName::OtherName(other) => format!("other:{}", other.type_id),
        GeneralName::IpAddress(bytes) => format!("IP:{}", hex::encode(bytes.as_bytes())),
        GeneralName::RegisteredId(oid) => format!("OID:{oid}"),
        GeneralName::EdiPartyName(_) => "EDI party".to_owned(),
    }
}
