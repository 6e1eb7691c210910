//! The X.509 certificates of signature lists: who is trusted to sign, by name and fingerprint.

use der::asn1::ObjectIdentifier;
use der::{Decode as _, Encode as _, Header, Reader as _, SliceReader, Tag};
use serde::Serialize;
use x509_cert::TbsCertificate;
use x509_cert::name::Name;

use super::name::name_text;
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::data::text::escaped;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// The longest certificate that is taken apart; those of secure boot have one or two thousand bytes.
const MAX: usize = 64 * 1024;

/// The bytes that a list or an authority event calls a certificate. They may be none: the fingerprint names them anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct X509Certificate<'a>(&'a [u8]);

/// What a certificate says of itself. Nothing of it is verified here: trust in it comes from where it was enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct X509Fields {
    /// The subject as RFC 4514 writes it, without control characters, cut after 160 characters.
    pub subject: String,
    /// The subject's common name, in the same manner.
    pub common_name: Option<String>,
    /// The issuer, in the same manner.
    pub issuer: String,
    /// The serial number in hexadecimal.
    pub serial: String,
    /// The end of its validity, in seconds since 1970. Firmware does not judge by it.
    pub not_after: u64,
}

impl<'a> X509Certificate<'a> {
    pub(super) const fn new(der: &'a [u8]) -> Self {
        Self(der)
    }

    /// Reads `der` as a certificate that fills it: for entries whose type is not told.
    pub(in crate::eventlog) fn recognise(der: &'a [u8]) -> Option<Self> {
        let certificate = Self(der);
        certificate.parsed().is_some().then_some(certificate)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_der(&self) -> &'a [u8] {
        self.0
    }

    /// The subject's DER, to be looked for as somebody's issuer; `None` when the bytes are no certificate.
    pub(crate) fn subject_der(&self) -> Option<Vec<u8>> {
        self.parsed()?.subject.to_der().ok()
    }

    /// The subject alone, as in [`fields`](Self::fields).
    #[must_use]
    pub fn subject(&self) -> Option<String> {
        Some(shown(&self.parsed()?.subject))
    }

    fn parsed(&self) -> Option<TbsCertificate> {
        let der = Some(self.0).filter(|der| der.len() <= MAX)?;
        Some(x509_cert::Certificate::from_der(der).ok()?.tbs_certificate)
    }

    /// SHA-256 of the bytes: what `openssl x509 -fingerprint -sha256` prints.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        HashAlgorithm::Sha256.digest(self.0)
    }

    /// The part that its issuer signed, which dbx revokes certificates by (UEFI 2.10 §32.4.1: the hash of the
    /// to-be-signed part); `None` when the bytes are no sequence that begins with one.
    #[must_use]
    pub fn signed_part(&self) -> Option<&'a [u8]> {
        let mut reader = SliceReader::new(self.0).ok()?;
        Header::decode(&mut reader).ok().filter(|header| header.tag == Tag::Sequence)?;
        reader.tlv_bytes().ok()
    }

    /// Subject, issuer and serial number; `None` when the bytes are no certificate in DER that fills them.
    #[must_use]
    pub fn fields(&self) -> Option<X509Fields> {
        let certificate = self.parsed()?;
        Some(X509Fields {
            subject: shown(&certificate.subject),
            common_name: common_name(&certificate.subject),
            issuer: shown(&certificate.issuer),
            serial: hex::encode(certificate.serial_number.as_bytes()),
            not_after: certificate.validity.not_after.to_unix_duration().as_secs(),
        })
    }
}

fn shown(name: &Name) -> String {
    escaped(name_text(name).chars())
}

/// The last common name, without the attribute's name before it.
fn common_name(name: &Name) -> Option<String> {
    let attribute =
        name.0.iter().rev().flat_map(|part| part.0.iter()).find(|part| part.oid == COMMON_NAME)?;
    let text = attribute.to_string();
    Some(escaped(text.strip_prefix("CN=").unwrap_or(&text).chars()))
}
