//! `hallmark identity`: who this device is.

use clap::Subcommand;
use pki::certificate::CertificateView;
use tpm::IdentityKey;

use crate::commands::ca::CertificatesReport;
use crate::context::Context;
use crate::device::Device;
use crate::failure::{Exit, Failure};
use crate::output::{self, Format};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the device's certificates: attestation key (IAK) and device identity (IDevID)
    #[command(after_help = "Example:\n  hallmark identity show --format json")]
    Show,
}

pub(crate) fn run(command: Command, context: &Context, format: Format) -> Result<Exit, Failure> {
    let Command::Show = command;
    let mut views = Vec::new();
    for key in [IdentityKey::Attestation, IdentityKey::DeviceId] {
        let device = Device::load_chain(context, key)?;
        let leaf = device.chain().first().map(|leaf| CertificateView::from_der(leaf)).transpose()?;
        views.extend(leaf);
    }
    output::print(&CertificatesReport::new(context.state().display().to_string(), views), format)
}
