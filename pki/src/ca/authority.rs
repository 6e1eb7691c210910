//! The authority that issues: an intermediate's key, its certificate, and the root above it.

use attest::{Digest, HashAlgorithm};
use jiff::Timestamp;
use rcgen::{CertificateParams, Issuer, SigningKey};

use super::profile::{self, Lifetime};
use super::subject_key::SubjectKey;
use super::{CertificateRequest, IssueError, RequestProfile, SerialNumber};
use crate::activation::{ResidentDeviceId, ResidentKey};
use crate::certificate::{Certificate, CertificateView, attribute, oid};
use crate::device_id::DeviceId;
use crate::path;

/// A certificate that this authority issued and checked by the rules that verifiers apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCertificate {
    der: Vec<u8>,
    serial: SerialNumber,
    fingerprint: Digest,
    not_after: Timestamp,
}

impl IssuedCertificate {
    /// DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        pem(&self.der)
    }

    /// Its serial number.
    #[must_use]
    pub fn serial(&self) -> SerialNumber {
        self.serial
    }

    /// SHA-256 of the DER.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    /// Its end.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }
}

/// PEM of a DER certificate.
pub(super) fn pem(der: &[u8]) -> String {
    der::Document::try_from(der)
        .and_then(|document| document.to_pem("CERTIFICATE", der::pem::LineEnding::LF))
        .unwrap_or_default()
}

/// The intermediate authority. The root's key is not needed to issue and should be kept elsewhere.
pub struct CertificateAuthority {
    root: Certificate,
    intermediate: Certificate,
    organization: String,
    common_name: String,
    key: Box<dyn SigningKey + Send + Sync>,
}

impl std::fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateAuthority")
            .field("intermediate", &self.intermediate.subject_text())
            .field("root", &self.root.subject_text())
            .finish_non_exhaustive()
    }
}

impl CertificateAuthority {
    /// An authority from its two certificates and the intermediate's signer: a file's key, or one in an HSM.
    ///
    /// # Errors
    /// [`IssueError`] when the three don't belong together. Whether the certificates are in time is asked at each issue.
    pub fn new(
        root_der: &[u8],
        intermediate_der: &[u8],
        key: Box<dyn SigningKey + Send + Sync>,
    ) -> Result<Self, IssueError> {
        let parse = |der| Certificate::parse(der).map_err(path::PathError::from);
        let (root, intermediate) = (parse(root_der)?, parse(intermediate_der)?);
        let subject = || intermediate.subject_text();
        let own = &*key;
        if intermediate.spki_der() != own.subject_public_key_info() {
            return Err(IssueError::OtherKey { subject: subject() });
        }
        let read = |oid| attribute(intermediate.subject(), oid);
        let (Some(organization), Some(common_name)) = (read(oid::ORGANIZATION), read(oid::COMMON_NAME))
        else {
            return Err(IssueError::Subject { subject: subject() });
        };
        Ok(Self { root, intermediate, organization, common_name, key })
    }

    /// Certifies an initial attestation key. The subject is the device id of the enrolment record.
    ///
    /// The ledger's row must be on the disk before the certificate leaves the caller's hands (threat p11).
    /// See the [`ledger`](crate::ledger).
    ///
    /// # Errors
    /// [`IssueError`]; no certificate exists then.
    pub fn issue_iak(
        &self,
        key: &ResidentKey,
        device: &DeviceId,
        serial: SerialNumber,
        now: Timestamp,
    ) -> Result<IssuedCertificate, IssueError> {
        let lifetime = self.leaf_lifetime(now)?;
        let ek = key.tpm().ek_certificate();
        let params = profile::attestation_key(&self.organization, device, ek, serial, lifetime)?;
        self.sign(&params, &SubjectKey::new(key.public().key())?, serial, now)
    }

    /// Certifies a device identity that an activated attestation key vouches for.
    ///
    /// # Errors
    /// [`IssueError`]; no certificate exists then.
    pub fn issue_device_id(
        &self,
        key: &ResidentDeviceId,
        device: &DeviceId,
        serial: SerialNumber,
        now: Timestamp,
    ) -> Result<IssuedCertificate, IssueError> {
        let lifetime = self.leaf_lifetime(now)?;
        let ek = key.tpm().ek_certificate();
        let params = profile::device_id(&self.organization, device, ek, serial, lifetime)?;
        self.sign(&params, &SubjectKey::new(key.public().key())?, serial, now)
    }

    /// Certifies a key that is not a device's, for at most `lifetime`. Names and purpose are the operator's.
    ///
    /// # Errors
    /// [`IssueError`]; no certificate exists then.
    pub fn issue_for_request(
        &self,
        request: &CertificateRequest,
        profile: &RequestProfile,
        serial: SerialNumber,
        now: Timestamp,
        lifetime: jiff::SignedDuration,
    ) -> Result<IssuedCertificate, IssueError> {
        let Lifetime { not_before, not_after } = self.leaf_lifetime(now)?;
        let wanted = not_before.checked_add(lifetime).unwrap_or(not_after);
        let lifetime = Lifetime { not_before, not_after: wanted.min(not_after) };
        let params = profile::requested(&self.organization, profile, serial, lifetime)?;
        self.sign(&params, &SubjectKey::new(request.key())?, serial, now)
    }

    /// Root and intermediate, DER: what a device keeps beside its own certificate, and what verifiers trust.
    #[must_use]
    pub fn root_der(&self) -> &[u8] {
        self.root.der()
    }

    /// The intermediate's certificate, DER.
    #[must_use]
    pub fn intermediate_der(&self) -> &[u8] {
        self.intermediate.der()
    }

    /// Root first, then the intermediate, for a report.
    #[must_use]
    pub fn views(&self) -> [CertificateView; 2] {
        [CertificateView::of(&self.root), CertificateView::of(&self.intermediate)]
    }

    /// IEEE 802.1AR would like 99991231235959Z; a leaf that outlives its issuer is refused by every verifier of ours
    /// (threat p07), so it ends with the issuer, and the issuer is made to last for the product's life.
    fn leaf_lifetime(&self, now: Timestamp) -> Result<Lifetime, IssueError> {
        path::check_clock(now)?;
        let seconds = Timestamp::from_second(now.as_second()).unwrap_or(now);
        Ok(Lifetime { not_before: seconds, not_after: self.intermediate.not_after() })
    }

    fn sign(
        &self,
        params: &CertificateParams,
        key: &SubjectKey,
        serial: SerialNumber,
        now: Timestamp,
    ) -> Result<IssuedCertificate, IssueError> {
        let mut own = CertificateParams::default();
        own.distinguished_name = profile::distinguished_name(&self.organization, &self.common_name);
        let signer = &*self.key;
        let certificate = params.signed_by(key, &Issuer::from_params(&own, &signer))?;
        let der = certificate.der().to_vec();
        // What verifiers would refuse must not be issued: expired issuers, wrong path lengths, names that differ.
        let leaf = Certificate::parse(&der).map_err(path::PathError::from)?;
        path::validate(&[&leaf, &self.intermediate, &self.root], path::DEVICE, now)?;
        Ok(IssuedCertificate {
            fingerprint: HashAlgorithm::Sha256.digest(&der),
            der,
            serial,
            not_after: leaf.not_after(),
        })
    }
}
