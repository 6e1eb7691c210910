//! What each kind of certificate looks like (RFC 5280, IEEE 802.1AR-2018 §8, TCG TPM 2.0 Keys for Device Identity §8;
//! docs/src/formats/certificates.md).

use attest::{Digest, HashAlgorithm};
use der::asn1::{ObjectIdentifier, OctetString};
use der::{Any, Encode, Sequence};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyUsagePurpose,
};
use time::OffsetDateTime;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::certpolicy::{CertificatePolicies, PolicyInformation};
use x509_cert::ext::pkix::name::{GeneralName, OtherName};

use super::{AuthorityNames, IssueError, RequestProfile, SerialNumber};
use crate::certificate::oid;
use crate::device_id::DeviceId;

const IAK_POLICIES: [ObjectIdentifier; 3] =
    [oid::VERIFIED_TPM_RESIDENCY, oid::VERIFIED_TPM_FIXED, oid::VERIFIED_TPM_RESTRICTED];
const IDEVID_POLICIES: [ObjectIdentifier; 2] = [oid::VERIFIED_TPM_RESIDENCY, oid::VERIFIED_TPM_FIXED];

/// From and until when, both inclusive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lifetime {
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

/// The CA certificates: critical basicConstraints with a path length, keyCertSign and cRLSign only.
pub(super) fn authority(
    names: &AuthorityNames,
    addition: &str,
    path_len: u8,
    serial: SerialNumber,
    lifetime: Lifetime,
) -> Result<CertificateParams, IssueError> {
    let mut params = base(serial, lifetime)?;
    params.distinguished_name =
        distinguished_name(names.organization(), &format!("{} {addition}", names.common_name()));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_len));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// The initial attestation key's certificate.
pub(super) fn attestation_key(
    organization: &str,
    device: &DeviceId,
    ek_certificate: Digest,
    serial: SerialNumber,
    lifetime: Lifetime,
) -> Result<CertificateParams, IssueError> {
    let mut params = device_certificate(organization, device, ek_certificate, serial, lifetime)?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(arcs(oid::AIK_CERTIFICATE))];
    params.custom_extensions.push(policies(&IAK_POLICIES)?);
    Ok(params)
}

/// The device identity's certificate: no extended key usage, as 802.1AR wants it.
pub(super) fn device_id(
    organization: &str,
    device: &DeviceId,
    ek_certificate: Digest,
    serial: SerialNumber,
    lifetime: Lifetime,
) -> Result<CertificateParams, IssueError> {
    let mut params = device_certificate(organization, device, ek_certificate, serial, lifetime)?;
    params.custom_extensions.push(policies(&IDEVID_POLICIES)?);
    Ok(params)
}

fn device_certificate(
    organization: &str,
    device: &DeviceId,
    ek_certificate: Digest,
    serial: SerialNumber,
    lifetime: Lifetime,
) -> Result<CertificateParams, IssueError> {
    let mut params = base(serial, lifetime)?;
    params.distinguished_name = distinguished_name(organization, device.as_str());
    // 802.1AR §8.6: the device's serial number is part of its subject.
    params.distinguished_name.push(DnType::CustomDnType(arcs(oid::SERIAL_NUMBER)), device.as_str());
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.custom_extensions.push(hardware_module_name(ek_certificate)?);
    Ok(params)
}

/// A certificate for a key that is not a device's. It always names an extended key usage, which a device identity
/// never does: so neither passes for the other.
pub(super) fn requested(
    organization: &str,
    profile: &RequestProfile,
    serial: SerialNumber,
    lifetime: Lifetime,
) -> Result<CertificateParams, IssueError> {
    let mut params = base(serial, lifetime)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.distinguished_name = distinguished_name(organization, profile.common_name());
    params.extended_key_usages = match profile {
        RequestProfile::TlsServer { name, .. } => {
            let name = der::asn1::Ia5String::new(name.as_str())?;
            params.custom_extensions.push(alt_name(GeneralName::DnsName(name))?);
            vec![ExtendedKeyUsagePurpose::ServerAuth]
        }
        RequestProfile::TlsClient { .. } => vec![ExtendedKeyUsagePurpose::ClientAuth],
        RequestProfile::ManifestSigner { .. } => vec![ExtendedKeyUsagePurpose::CodeSigning],
    };
    Ok(params)
}

fn base(serial: SerialNumber, lifetime: Lifetime) -> Result<CertificateParams, IssueError> {
    let mut params = CertificateParams::default();
    params.serial_number = Some(rcgen::SerialNumber::from_slice(serial.as_bytes()));
    params.not_before = x509_time(lifetime.not_before)?;
    params.not_after = x509_time(lifetime.not_after)?;
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn x509_time(time: Timestamp) -> Result<OffsetDateTime, IssueError> {
    OffsetDateTime::from_unix_timestamp(time.as_second()).map_err(|_| IssueError::Time { time })
}

pub(super) fn distinguished_name(organization: &str, common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, organization);
    name.push(DnType::CommonName, common_name);
    name
}

/// HardwareModuleName (RFC 4108 §5).
#[derive(Sequence)]
struct HardwareModuleName {
    hw_type: ObjectIdentifier,
    hw_serial_num: OctetString,
}

/// Which TPM: its EK certificate's SHA-256, as it stands in the ledger.
fn hardware_module_name(ek_certificate: Digest) -> Result<CustomExtension, IssueError> {
    let name = HardwareModuleName {
        hw_type: oid::TPM_20,
        hw_serial_num: OctetString::new(ek_certificate.as_bytes())?,
    };
    let value = Any::encode_from(&name)?;
    alt_name(GeneralName::OtherName(OtherName { type_id: oid::HARDWARE_MODULE_NAME, value }))
}

/// The EK certificate's SHA-256 out of a HardwareModuleName that this authority wrote; `None` for any other.
pub(crate) fn hardware_module_serial(value: &Any) -> Option<Digest> {
    let name: HardwareModuleName = value.decode_as().ok()?;
    let is_tpm = name.hw_type == oid::TPM_20;
    is_tpm.then(|| Digest::new(HashAlgorithm::Sha256, name.hw_serial_num.as_bytes())).flatten()
}

fn alt_name(name: GeneralName) -> Result<CustomExtension, IssueError> {
    let content = SubjectAltName(vec![name]).to_der()?;
    Ok(CustomExtension::from_oid_content(&arcs(oid::SUBJECT_ALT_NAME), content))
}

fn policies(oids: &[ObjectIdentifier]) -> Result<CustomExtension, IssueError> {
    let policies = oids
        .iter()
        .map(|oid| PolicyInformation { policy_identifier: *oid, policy_qualifiers: None })
        .collect();
    let content = CertificatePolicies(policies).to_der()?;
    Ok(CustomExtension::from_oid_content(&arcs(oid::CERTIFICATE_POLICIES), content))
}

fn arcs(oid: ObjectIdentifier) -> Vec<u64> {
    oid.arcs().map(u64::from).collect()
}
