//! A key of which it is proven that it lives in a genuine TPM.

use attest::Digest;
use attest::key::{Name, PublicArea};

use crate::ek::{GenuineTpm, TpmModel};

/// Which TPM, by its EK certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TpmIdentity {
    ek_certificate: Digest,
    model: TpmModel,
}

impl TpmIdentity {
    pub(super) fn of(tpm: &GenuineTpm) -> Self {
        Self { ek_certificate: tpm.fingerprint(), model: tpm.model().clone() }
    }

    /// SHA-256 of the EK certificate.
    #[must_use]
    pub fn ek_certificate(&self) -> Digest {
        self.ek_certificate
    }

    /// Manufacturer, model and version.
    #[must_use]
    pub fn model(&self) -> &TpmModel {
        &self.model
    }
}

/// An initial attestation key that lives in a genuine TPM: what a device certificate is issued for.
///
/// Only an answered [`PendingActivation`](super::PendingActivation) makes one:
/// ```compile_fail
/// # fn f(tpm: pki::activation::TpmIdentity, key: attest::key::PublicArea) -> pki::activation::ResidentKey {
/// pki::activation::ResidentKey { tpm, attestation_key: key }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResidentKey {
    tpm: TpmIdentity,
    attestation_key: PublicArea,
}

impl ResidentKey {
    pub(super) fn activated(tpm: TpmIdentity, attestation_key: PublicArea) -> Self {
        Self { tpm, attestation_key }
    }

    /// The TPM that it lives in.
    #[must_use]
    pub fn tpm(&self) -> &TpmIdentity {
        &self.tpm
    }

    /// Its public area, as it was activated (threat p15).
    #[must_use]
    pub fn public(&self) -> &PublicArea {
        &self.attestation_key
    }

    /// Its Name.
    #[must_use]
    pub fn name(&self) -> Name {
        self.attestation_key.name()
    }
}
