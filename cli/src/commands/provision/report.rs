//! What `hallmark provision` tells.

use std::io;

use attest::fitness::Finding;
use attest::key::PublicArea;
use pki::ek::GenuineTpm;
use pki::ledger::Torn;
use schemars::JsonSchema;
use serde::Serialize;
use tpm::{IdentityKey, Tpm};

use crate::context::Context;
use crate::device::Device;
use crate::failure::Failure;
use crate::fitness;
use crate::output::{Mark, Page, Report};

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ProvisionReport {
    /// Whether this run made the identity; false when it was there already.
    changed: bool,
    /// The device's name.
    device_id: String,
    /// What the EK certificate says of the TPM.
    tpm: String,
    /// SHA-256 of the EK certificate.
    ek_certificate: String,
    /// Name of the initial attestation key.
    iak_name: String,
    /// Name of the initial device identity key.
    idevid_name: String,
    /// End of the attestation key's certificate.
    not_after: String,
    /// What is known against this machine; it stands in the ledger too.
    findings: Vec<Finding>,
}

impl Report for ProvisionReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        let text = if self.changed { "provisioned" } else { "already provisioned, nothing changed" };
        page.mark(Mark::Good, &self.device_id, text)?;
        page.row("TPM", &self.tpm)?;
        page.row("EK certificate", &self.ek_certificate)?;
        page.row("IAK", &self.iak_name)?;
        page.row("IDevID", &self.idevid_name)?;
        page.row("certificates until", &self.not_after)?;
        self.findings.iter().try_for_each(|finding| fitness::show(page, finding))
    }
}

pub(super) fn report(
    context: &Context,
    tpm: &Tpm,
    genuine: &GenuineTpm,
    changed: bool,
    findings: Vec<Finding>,
) -> Result<ProvisionReport, Failure> {
    let device = Device::load_with(context, tpm, IdentityKey::Attestation)?;
    let name = |key: IdentityKey| -> Result<String, Failure> {
        let key = tpm.identity(key)?.ok_or_else(|| Failure::failed("a key that was just made is gone"))?;
        Ok(PublicArea::parse(key.public()?)?.name().to_string())
    };
    Ok(ProvisionReport {
        changed,
        device_id: device.id().to_owned(),
        tpm: model(genuine),
        ek_certificate: genuine.fingerprint().to_hex(),
        iak_name: name(IdentityKey::Attestation)?,
        idevid_name: name(IdentityKey::DeviceId)?,
        not_after: device.not_after().to_string(),
        findings,
    })
}

/// What a power cut left at the end of the ledger, for the operator.
pub(super) fn torn_text(torn: Torn) -> String {
    match torn {
        Torn::Completed { offset } => {
            format!("the record at byte {offset} was whole but for its line end; it counts")
        }
        Torn::Cut { offset, len } => {
            format!(
                "{len} bytes of a record at byte {offset} are cut off; its certificate was never handed out"
            )
        }
    }
}

/// What the EK certificate says of the TPM, for people.
pub(super) fn model(genuine: &GenuineTpm) -> String {
    let model = genuine.model();
    let vendor = model.vendor().or_else(|| model.manufacturer.clone());
    let parts = [vendor, model.model.clone(), model.version.clone()];
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    if text.is_empty() { "of unknown make".to_owned() } else { text }
}
