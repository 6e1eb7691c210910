//! The extensions that path validation reads (RFC 5280 §4.2), and the record of those that it does not know.

use std::collections::BTreeSet;

use der::Decode;
use der::asn1::ObjectIdentifier;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::certpolicy::CertificatePolicies;
use x509_cert::ext::pkix::name::GeneralNames;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};

use super::CertificateError;

/// Object identifiers of RFC 5280, IEEE 802.1AR and the TCG.
pub(crate) mod oid {
    use der::asn1::ObjectIdentifier;

    const fn oid(text: &str) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(text)
    }

    pub(crate) const COMMON_NAME: ObjectIdentifier = oid("2.5.4.3");
    pub(crate) const SERIAL_NUMBER: ObjectIdentifier = oid("2.5.4.5");
    pub(crate) const ORGANIZATION: ObjectIdentifier = oid("2.5.4.10");

    pub(crate) const SUBJECT_DIRECTORY_ATTRIBUTES: ObjectIdentifier = oid("2.5.29.9");
    pub(crate) const SUBJECT_KEY_IDENTIFIER: ObjectIdentifier = oid("2.5.29.14");
    pub(crate) const KEY_USAGE: ObjectIdentifier = oid("2.5.29.15");
    pub(crate) const SUBJECT_ALT_NAME: ObjectIdentifier = oid("2.5.29.17");
    pub(crate) const BASIC_CONSTRAINTS: ObjectIdentifier = oid("2.5.29.19");
    pub(crate) const NAME_CONSTRAINTS: ObjectIdentifier = oid("2.5.29.30");
    pub(crate) const CERTIFICATE_POLICIES: ObjectIdentifier = oid("2.5.29.32");
    pub(crate) const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = oid("2.5.29.35");
    pub(crate) const EXTENDED_KEY_USAGE: ObjectIdentifier = oid("2.5.29.37");

    /// id-on-hardwareModuleName (RFC 4108 §5).
    pub(crate) const HARDWARE_MODULE_NAME: ObjectIdentifier = oid("1.3.6.1.5.5.7.8.4");

    /// tcg-sv-tpm20: the hardware module is a TPM 2.0.
    pub(crate) const TPM_20: ObjectIdentifier = oid("2.23.133.1.2");
    /// tcg-at-tpmManufacturer.
    pub(crate) const TPM_MANUFACTURER: ObjectIdentifier = oid("2.23.133.2.1");
    /// tcg-at-tpmModel.
    pub(crate) const TPM_MODEL: ObjectIdentifier = oid("2.23.133.2.2");
    /// tcg-at-tpmVersion.
    pub(crate) const TPM_VERSION: ObjectIdentifier = oid("2.23.133.2.3");
    /// tcg-kp-EKCertificate.
    pub(crate) const EK_CERTIFICATE: ObjectIdentifier = oid("2.23.133.8.1");
    /// tcg-kp-AIKCertificate.
    pub(crate) const AIK_CERTIFICATE: ObjectIdentifier = oid("2.23.133.8.3");
    /// tcg-cap-verifiedTPMResidency.
    pub(crate) const VERIFIED_TPM_RESIDENCY: ObjectIdentifier = oid("2.23.133.11.1.1");
    /// tcg-cap-verifiedTPMFixed.
    pub(crate) const VERIFIED_TPM_FIXED: ObjectIdentifier = oid("2.23.133.11.1.2");
    /// tcg-cap-verifiedTPMRestricted.
    pub(crate) const VERIFIED_TPM_RESTRICTED: ObjectIdentifier = oid("2.23.133.11.1.3");
}

/// What one certificate's extensions say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extensions {
    pub(crate) basic_constraints: Option<BasicConstraints>,
    pub(crate) key_usage: Option<KeyUsage>,
    pub(crate) extended_key_usage: Option<Vec<ObjectIdentifier>>,
    pub(crate) subject_alt_name: GeneralNames,
    pub(crate) policies: Vec<ObjectIdentifier>,
    pub(crate) name_constraints: bool,
    pub(crate) subject_key_id: Option<Vec<u8>>,
    pub(crate) unknown_critical: Vec<ObjectIdentifier>,
}

impl Extensions {
    pub(crate) fn parse(
        extensions: &[Extension],
        subject: impl Fn() -> String,
    ) -> Result<Self, CertificateError> {
        let mut seen = BTreeSet::new();
        let mut parsed = Self::default();
        for extension in extensions {
            let oid = extension.extn_id;
            if !seen.insert(oid) {
                let (subject, oid) = (subject(), oid.to_string());
                return Err(CertificateError::DuplicateExtension { subject, oid });
            }
            parsed.read(extension).map_err(|error| CertificateError::Extension {
                subject: subject(),
                oid: oid.to_string(),
                error,
            })?;
        }
        Ok(parsed)
    }

    fn read(&mut self, extension: &Extension) -> der::Result<()> {
        let value = extension.extn_value.as_bytes();
        match extension.extn_id {
            oid::BASIC_CONSTRAINTS => self.basic_constraints = Some(BasicConstraints::from_der(value)?),
            oid::KEY_USAGE => self.key_usage = Some(KeyUsage::from_der(value)?),
            oid::EXTENDED_KEY_USAGE => {
                self.extended_key_usage = Some(ExtendedKeyUsage::from_der(value)?.0);
            }
            oid::SUBJECT_ALT_NAME => self.subject_alt_name = SubjectAltName::from_der(value)?.0,
            // Nothing here asks for a policy, so any policy is fine, also a critical one (RFC 5280 §6.1.1 e).
            oid::CERTIFICATE_POLICIES => {
                let policies = CertificatePolicies::from_der(value)?;
                self.policies = policies.0.into_iter().map(|policy| policy.policy_identifier).collect();
            }
            oid::NAME_CONSTRAINTS => self.name_constraints = true,
            oid::SUBJECT_KEY_IDENTIFIER => {
                self.subject_key_id =
                    Some(x509_cert::ext::pkix::SubjectKeyIdentifier::from_der(value)?.0.into_bytes());
            }
            // Facts about the TPM's specification and a hint for finding the issuer: no rule depends on them.
            oid::SUBJECT_DIRECTORY_ATTRIBUTES | oid::AUTHORITY_KEY_IDENTIFIER => {}
            unknown if extension.critical => self.unknown_critical.push(unknown),
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn is_ca(&self) -> bool {
        self.basic_constraints.as_ref().is_some_and(|constraints| constraints.ca)
    }

    pub(crate) fn path_len(&self) -> Option<u8> {
        self.basic_constraints.as_ref().and_then(|constraints| constraints.path_len_constraint)
    }
}
