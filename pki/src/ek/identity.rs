//! What an EK certificate says about its TPM (EK Credential Profile §3.2.9).

use serde::{Deserialize, Serialize};
use x509_cert::ext::pkix::name::GeneralName;

use crate::certificate::{Certificate, attribute, oid, printable};

/// Manufacturer, model and version out of the certificate's subject alternative name. Facts for the records: no rule
/// depends on them. Control characters are replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TpmModel {
    /// tpmManufacturer, e.g. `id:49465800`.
    pub manufacturer: Option<String>,
    /// tpmModel, e.g. `SLB9670`.
    pub model: Option<String>,
    /// tpmVersion, e.g. `id:0755`.
    pub version: Option<String>,
}

impl TpmModel {
    pub(super) fn of(certificate: &Certificate) -> Self {
        let directory_name = certificate.extensions().subject_alt_name.iter().find_map(|name| match name {
            GeneralName::DirectoryName(name) => Some(name),
            _ => None,
        });
        let read = |oid| directory_name.and_then(|name| attribute(name, oid)).map(|text| printable(&text));
        Self {
            manufacturer: read(oid::TPM_MANUFACTURER),
            model: read(oid::TPM_MODEL),
            version: read(oid::TPM_VERSION),
        }
    }

    /// The manufacturer's four letters (TCG Vendor ID Registry), e.g. `IFX` for `id:49465800`; `None` when it is not
    /// written like that.
    #[must_use]
    pub fn vendor(&self) -> Option<String> {
        let bytes = hex::decode(self.manufacturer.as_deref()?.strip_prefix("id:")?).ok()?;
        let letters: Vec<u8> = bytes.into_iter().filter(|byte| *byte != 0).collect();
        letters.iter().all(u8::is_ascii_graphic).then(|| String::from_utf8(letters).ok()).flatten()
    }
}
