//! One certificate, read strictly, with the exact bytes that its signature and its names are about.

mod bundle;
mod extensions;
mod name;
mod signature;
mod view;

use attest::key::PublicKey;
use attest::{Digest, HashAlgorithm};
use der::asn1::{BitString, BitStringRef, ContextSpecific, IntRef};
use der::{Decode, Header, Reader, SliceReader, TagMode, TagNumber};
use jiff::Timestamp;
use spki::AlgorithmIdentifierRef;
use thiserror::Error;
use x509_cert::certificate::Version;
use x509_cert::name::Name;
use x509_cert::time::{Time, Validity};

pub use bundle::{certified_key, chain_from_pem, chain_to_pem, split_chain};
pub(crate) use extensions::{Extensions, oid};
pub(crate) use name::{attribute, printable, readable};
pub use signature::SignatureError;
pub(crate) use signature::verify as verify_signature;
pub use view::{CertificateView, KeyView};

/// Longest certificate that is looked at, in bytes. EK certificates have to fit a TPM's NV memory (2 KiB is usual);
/// nothing honest comes near.
pub const MAX_CERTIFICATE: usize = 16 * 1024;

/// Why bytes are no certificate that this crate can judge.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// Too long to be one.
    #[error("certificate has {found} bytes, expected at most {MAX_CERTIFICATE}")]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// Not the DER of an X.509 version 3 certificate.
    #[error("not a certificate: {0}")]
    Der(der::Error),
    /// Version 1 or 2: such certificates can't say whether they are a CA.
    #[error("certificate of {subject} is X.509 version {found}, expected 3")]
    Version {
        /// The subject.
        subject: String,
        /// The version, 1 or 2.
        found: u8,
    },
    /// `signature` inside differs from `signatureAlgorithm` outside (RFC 5280 §4.1.1.2).
    #[error("certificate of {subject} names two signature algorithms")]
    TwoAlgorithms {
        /// The subject.
        subject: String,
    },
    /// The same extension twice (RFC 5280 §4.2).
    #[error("certificate of {subject} has the extension {oid} twice")]
    DuplicateExtension {
        /// The subject.
        subject: String,
        /// The extension.
        oid: String,
    },
    /// An extension that does not parse.
    #[error("certificate of {subject}: extension {oid} is malformed: {error}")]
    Extension {
        /// The subject.
        subject: String,
        /// The extension.
        oid: String,
        /// The parser's reason.
        error: der::Error,
    },
    /// A key that can't be read.
    #[error("certificate: {0}")]
    Key(#[from] attest::key::PublicKeyError),
    /// Not PEM, or PEM of something else.
    #[error("{place}: not a PEM certificate: {reason}")]
    Pem {
        /// Which block, counted from 1.
        place: usize,
        /// What is wrong.
        reason: String,
    },
}

impl From<der::Error> for CertificateError {
    fn from(error: der::Error) -> Self {
        Self::Der(error)
    }
}

/// A certificate that parses. Nothing in it is believed.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    der: Vec<u8>,
    tbs: Vec<u8>,
    algorithm: Vec<u8>,
    signature: Vec<u8>,
    serial: Vec<u8>,
    issuer_der: Vec<u8>,
    issuer: Name,
    validity: (Timestamp, Timestamp),
    subject_der: Vec<u8>,
    subject: Name,
    spki: Vec<u8>,
    extensions: Extensions,
}

impl Certificate {
    /// Parses exactly one certificate; trailing bytes are refused.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, CertificateError> {
        if bytes.len() > MAX_CERTIFICATE {
            return Err(CertificateError::TooLong { found: bytes.len() });
        }
        let mut reader = SliceReader::new(bytes)?;
        let (tbs, algorithm, signature) = reader.sequence(|r| {
            let tbs = r.tlv_bytes()?;
            let algorithm = r.tlv_bytes()?;
            let signature = BitStringRef::decode(r)?;
            let signature = signature.as_bytes().ok_or_else(|| der::Tag::BitString.value_error())?.to_vec();
            Ok((tbs, algorithm, signature))
        })?;
        reader.finish(())?;
        let tbs_fields = Tbs::parse(tbs)?;
        // Written for refusals only.
        let subject = || readable(&tbs_fields.subject);
        if tbs_fields.version != Version::V3 {
            let found = if tbs_fields.version == Version::V1 { 1 } else { 2 };
            return Err(CertificateError::Version { subject: subject(), found });
        }
        if tbs_fields.algorithm != algorithm {
            return Err(CertificateError::TwoAlgorithms { subject: subject() });
        }
        let extensions = Extensions::parse(&tbs_fields.extensions, subject)?;
        Ok(Self {
            der: bytes.to_vec(),
            tbs: tbs.to_vec(),
            algorithm: algorithm.to_vec(),
            signature,
            serial: tbs_fields.serial,
            issuer: Name::from_der(tbs_fields.issuer)?,
            issuer_der: tbs_fields.issuer.to_vec(),
            validity: tbs_fields.validity,
            subject_der: tbs_fields.subject_der.to_vec(),
            subject: tbs_fields.subject,
            spki: tbs_fields.spki.to_vec(),
            extensions,
        })
    }

    /// All certificates of a PEM file, in order; text between the blocks is ignored, other blocks are refused.
    pub(crate) fn parse_pem(pem: &str) -> Result<Vec<Self>, CertificateError> {
        pem_blocks(pem)
            .enumerate()
            .map(|(index, block)| {
                let place = index.saturating_add(1);
                let wrong = |reason: String| CertificateError::Pem { place, reason };
                let (label, document) =
                    der::Document::from_pem(&block).map_err(|error| wrong(error.to_string()))?;
                if label != "CERTIFICATE" {
                    return Err(wrong(format!("found -----BEGIN {label}-----")));
                }
                Self::parse(document.as_bytes())
            })
            .collect()
    }

    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-256 over the whole certificate, which is how records refer to it.
    pub(crate) fn fingerprint(&self) -> Digest {
        HashAlgorithm::Sha256.digest(&self.der)
    }

    /// The serial number's content bytes, big-endian.
    pub(crate) fn serial(&self) -> &[u8] {
        &self.serial
    }

    pub(crate) fn subject(&self) -> &Name {
        &self.subject
    }

    pub(crate) fn subject_text(&self) -> String {
        readable(&self.subject)
    }

    pub(crate) fn issuer_text(&self) -> String {
        readable(&self.issuer)
    }

    pub(crate) fn not_before(&self) -> Timestamp {
        self.validity.0
    }

    pub(crate) fn not_after(&self) -> Timestamp {
        self.validity.1
    }

    pub(crate) fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// The subject's key, as it stands in the certificate.
    pub(crate) fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// The subject's key.
    pub(crate) fn public_key(&self) -> Result<PublicKey, attest::key::PublicKeyError> {
        PublicKey::from_spki_der(&self.spki)
    }

    /// Whether `issuer` carries the name that this certificate gives its issuer, byte for byte. RFC 5280 §7.1 would
    /// allow looser comparison; looser comparison is where two readers of one name come to disagree.
    pub(crate) fn names_issuer(&self, issuer: &Self) -> bool {
        self.issuer_der == issuer.subject_der
    }

    /// Whether the certificate was signed with `issuer`'s key, over exactly the bytes received.
    pub(crate) fn check_signed_by(&self, issuer: &Self) -> Result<(), SignatureError> {
        verify_signature(&self.tbs, &self.algorithm, &self.signature, &issuer.spki)
    }
}

/// Splits PEM text at its END lines; what follows the last one is dropped when it holds no further block.
fn pem_blocks(pem: &str) -> impl Iterator<Item = String> + '_ {
    let mut lines = pem.lines();
    std::iter::from_fn(move || {
        let begin = lines.by_ref().find(|line| line.starts_with("-----BEGIN "))?;
        let mut block = format!("{}\n", begin.trim_end());
        for line in lines.by_ref() {
            block.push_str(line.trim_end());
            block.push('\n');
            if line.starts_with("-----END ") {
                break;
            }
        }
        Some(block)
    })
}

/// The length of the DER value at the start of `bytes`, for cutting off what follows it in NV memory.
pub(crate) fn der_length(bytes: &[u8]) -> Result<usize, CertificateError> {
    let limited = bytes.get(..MAX_CERTIFICATE).unwrap_or(bytes);
    let mut reader = SliceReader::new(limited)?;
    let header = Header::decode(&mut reader)?;
    header.tag.assert_eq(der::Tag::Sequence)?;
    let total = (reader.position() + header.length)?;
    let total = usize::try_from(total)?;
    if total > bytes.len() {
        return Err(CertificateError::Der(
            der::ErrorKind::Incomplete {
                expected_len: (reader.position() + header.length)?,
                actual_len: der::Length::try_from(limited.len())?,
            }
            .into(),
        ));
    }
    Ok(total)
}

/// TBSCertificate (RFC 5280 §4.1.2), with the raw bytes of what is compared or hashed later.
struct Tbs<'a> {
    version: Version,
    serial: Vec<u8>,
    algorithm: &'a [u8],
    issuer: &'a [u8],
    validity: (Timestamp, Timestamp),
    subject_der: &'a [u8],
    subject: Name,
    spki: &'a [u8],
    extensions: Vec<x509_cert::ext::Extension>,
}

impl<'a> Tbs<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, CertificateError> {
        let mut reader = SliceReader::new(bytes)?;
        let tbs = reader.sequence(|r| {
            let version = ContextSpecific::<Version>::decode_explicit(r, TagNumber::N0)?
                .map_or(Version::V1, |v| v.value);
            let serial = IntRef::decode(r)?.as_bytes().to_vec();
            let algorithm = r.tlv_bytes()?;
            AlgorithmIdentifierRef::from_der(algorithm)?;
            let issuer = r.tlv_bytes()?;
            let validity = Validity::decode(r)?;
            let subject_der = r.tlv_bytes()?;
            let spki = r.tlv_bytes()?;
            ContextSpecific::<BitString>::decode_implicit(r, TagNumber::N1)?;
            ContextSpecific::<BitString>::decode_implicit(r, TagNumber::N2)?;
            let extensions = r
                .context_specific::<Vec<x509_cert::ext::Extension>>(TagNumber::N3, TagMode::Explicit)?
                .unwrap_or_default();
            Ok(Self {
                version,
                serial,
                algorithm,
                issuer,
                validity: (timestamp(validity.not_before)?, timestamp(validity.not_after)?),
                subject_der,
                subject: Name::from_der(subject_der)?,
                spki,
                extensions,
            })
        })?;
        Ok(reader.finish(tbs)?)
    }
}

/// RFC 5280 §4.1.2.5. The year 9999 ends within jiff's range.
fn timestamp(time: Time) -> der::Result<Timestamp> {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).map_err(|_| der::ErrorKind::DateTime)?;
    // jiff ends on 9999-12-30T22:00:00Z, so that every time zone stays within year 9999; a certificate "without end"
    // says 99991231235959Z (RFC 5280 §4.1.2.5). Both mean never.
    Ok(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX))
}
