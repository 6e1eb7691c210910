//! The TPM makers that an operator trusts.

use thiserror::Error;

use crate::certificate::{Certificate, CertificateError, CertificateView};

/// Why a file of roots is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RootsError {
    /// One of them can't be judged.
    #[error("trusted root: {0}")]
    Certificate(#[from] CertificateError),
    /// No certificate in it: an empty list would be read as "trust nobody" or "trust everybody", depending on the reader.
    #[error("the file of trusted roots holds no certificate")]
    Empty,
    /// Not a CA.
    #[error("trusted root {subject} is no CA")]
    NotCa {
        /// Its subject.
        subject: String,
    },
}

/// Certificates read from PEM text that somebody chose to trust.
#[derive(Debug, Clone)]
pub(crate) struct NamedRoots(Vec<Certificate>);

impl NamedRoots {
    pub(crate) fn from_pem(pem: &str) -> Result<Self, RootsError> {
        let certificates = Certificate::parse_pem(pem)?;
        if certificates.is_empty() {
            return Err(RootsError::Empty);
        }
        match certificates.iter().find(|certificate| !certificate.extensions().is_ca()) {
            Some(leaf) => Err(RootsError::NotCa { subject: leaf.subject_text() }),
            None => Ok(Self(certificates)),
        }
    }

    pub(crate) fn certificates(&self) -> &[Certificate] {
        &self.0
    }

    pub(crate) fn views(&self) -> Vec<CertificateView> {
        self.0.iter().map(CertificateView::of).collect()
    }
}

/// Root certificates of TPM makers, each named by the operator. None is built in, and a simulator's root is trusted
/// only by being named like any other (threat p01).
#[derive(Debug, Clone)]
pub struct TpmMakerRoots(NamedRoots);

impl TpmMakerRoots {
    /// From PEM text with one or more certificates.
    ///
    /// # Errors
    /// [`RootsError`] when it holds none, or one that is no CA.
    pub fn from_pem(pem: &str) -> Result<Self, RootsError> {
        NamedRoots::from_pem(pem).map(Self)
    }

    /// What is trusted, for a report.
    #[must_use]
    pub fn views(&self) -> Vec<CertificateView> {
        self.0.views()
    }

    pub(super) fn certificates(&self) -> &[Certificate] {
        self.0.certificates()
    }
}
