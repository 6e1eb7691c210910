//! `hallmark ca`: the factory's certificate authority.

use std::io;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use jiff::SignedDuration;
use pki::DeviceId;
use pki::ca::{self, AuthorityNames, CertificateRequest, DnsName, KeyAlgorithm, RequestProfile};
use pki::certificate::CertificateView;
use pki::chain::RevokedCertificates;
use pki::ledger::{Event, Ledger, Record, Revocation};
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::provision::{TOOL, serial};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::files::{self, Privacy};
use crate::output::{self, Format, Mark, Page, Report};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an authority: a root that can then go offline, and an intermediate that issues
    #[command(
        after_help = "Example:\n  hallmark ca init --dir factory \\\n      --organization \"Example Works\" --name \"Example Factory\"\n\n\
        Afterwards move factory/root.key to a safe place: issuing does not need it."
    )]
    Init {
        /// Folder of the authority; must not exist or be empty
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// Organization in the certificates
        #[arg(long, value_name = "NAME")]
        organization: String,
        /// Common name of the authority
        #[arg(long, value_name = "NAME")]
        name: String,
    },
    /// Certify a key that is not a device's, by a request that proves possession of it
    #[command(
        after_help = "Devices get their certificates from `hallmark provision`, which makes the TPM prove where the key lives.\n\n\
        Example:\n  openssl req -new -key verifier.key -subj /CN=ignored -out verifier.csr\n  \
        hallmark ca issue --dir factory --csr verifier.csr \\\n      --profile tls-server --name verifier.example.com --out verifier.pem"
    )]
    Issue(IssueArgs),
    /// End a device's identity in the ledger, so that its name or its TPM can be enrolled anew
    #[command(
        after_help = "Example:\n  hallmark ca revoke gateway-0001 --ledger ledger.jsonl \\\n      --reason \"board replaced\" --list revoked.txt\n\n\
        Verifiers learn of it from the list: name it in the policy, trust.revoked = [\"revoked.txt\"].\n\
        Of a device that is revoked already, --list writes the list anew."
    )]
    Revoke {
        /// The device's name
        device_id: String,
        /// The factory's ledger
        #[arg(long, value_name = "FILE")]
        ledger: PathBuf,
        /// Why, for those who read the ledger
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// File for the list of all certificates revoked so far, for a policy's trust.revoked
        #[arg(long, value_name = "FILE")]
        list: Option<PathBuf>,
    },
    /// Show an authority's certificates
    #[command(after_help = "Example:\n  hallmark ca show --dir factory")]
    Show {
        /// Folder of the authority
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct IssueArgs {
    /// Folder of the authority
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// The request (PKCS#10, PEM); only its key is taken from it
    #[arg(long, value_name = "PEM")]
    csr: PathBuf,
    /// What the certificate is for
    #[arg(long, value_enum, value_name = "PROFILE")]
    profile: Profile,
    /// The name in the certificate: a host name for tls-server, else an id
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Days that it is good for; never longer than the authority
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36500))]
    days: u32,
    /// File for the chain: certificate, then intermediate
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Profile {
    /// A server, e.g. the verifier.
    TlsServer,
    /// A client that is not a device.
    TlsClient,
    /// A key that signs manifests.
    ManifestSigner,
}

/// Certificates, for a person or a script.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CertificatesReport {
    /// Where they are.
    place: String,
    /// The certificates.
    #[schemars(with = "Vec<serde_json::Value>")]
    certificates: Vec<CertificateView>,
}

impl CertificatesReport {
    pub(crate) fn new(place: String, certificates: Vec<CertificateView>) -> Self {
        Self { place, certificates }
    }
}

impl Report for CertificatesReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        for certificate in &self.certificates {
            page.mark(Mark::Good, &certificate.key.kind, &certificate.subject)?;
            page.row("issuer", &certificate.issuer)?;
            page.row("serial", &certificate.serial)?;
            page.row("valid", format_args!("{} to {}", certificate.not_before, certificate.not_after))?;
            page.row("fingerprint", certificate.fingerprint)?;
            let usage = if certificate.ca {
                "certificate authority".to_owned()
            } else {
                certificate.key_usage.join(", ")
            };
            page.row("usage", usage)?;
            if !certificate.subject_alt_names.is_empty() {
                page.row("names", certificate.subject_alt_names.join(", "))?;
            }
        }
        page.row("place", &self.place)
    }
}

/// A device's identity that has ended.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RevokeReport {
    /// The device's name.
    device_id: String,
    /// Why; of a device that was revoked before, what was said now and is not on record.
    reason: String,
    /// False when the device was revoked before: the list was written anew and the ledger is as it was.
    changed: bool,
    /// Certificates that the ledger has revoked so far.
    revoked_certificates: usize,
}

impl Report for RevokeReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        if self.changed {
            page.mark(Mark::Good, &self.device_id, format_args!("revoked: {}", self.reason))
        } else {
            page.mark(Mark::Good, &self.device_id, "revoked before; the ledger is as it was")
        }
    }
}

pub(crate) fn run(command: Command, context: &Context, format: Format) -> Result<Exit, Failure> {
    match command {
        Command::Init { dir, organization, name } => {
            output::print(&init(&dir, &organization, &name, context)?, format)
        }
        Command::Issue(args) => output::print(&issue(&args, context)?, format),
        Command::Revoke { device_id, ledger, reason, list } => {
            let report = revoke(&device_id, &ledger, &reason, list.as_deref(), context)?;
            output::print(&report, format)
        }
        Command::Show { dir } => output::print(&show(&dir)?, format),
    }
}

fn init(
    dir: &Path,
    organization: &str,
    name: &str,
    context: &Context,
) -> Result<CertificatesReport, Failure> {
    let names = AuthorityNames::new(organization, name).map_err(|error| Failure::usage(error.to_string()))?;
    ca::store::init(dir, &names, KeyAlgorithm::default(), [serial()?, serial()?], context.now())?;
    show(dir)
}

fn revoke(
    device_id: &str,
    ledger: &Path,
    reason: &str,
    list: Option<&Path>,
    context: &Context,
) -> Result<RevokeReport, Failure> {
    let device = DeviceId::new(device_id).map_err(|error| Failure::usage(error.to_string()))?;
    if !files::is_there(ledger)? {
        return Err(Failure::failed(format!("{}: no such ledger", ledger.display())));
    }
    let event = Event::Revoked(Revocation { reason: reason.to_owned() });
    let record = Record::new(context.now(), device.clone(), event, TOOL)
        .map_err(|error| Failure::usage(format!("--reason: {error}")))?;
    if let Some(list) = list {
        files::target(list)?;
    }
    let mut ledger = Ledger::open(ledger)?;
    // A run that was cut off before the list was written must be able to finish.
    let changed = !(list.is_some() && ledger.is_revoked(&device));
    if changed {
        ledger.append(record)?;
    }
    let revoked = RevokedCertificates::from_serials(ledger.revoked_serials())
        .map_err(|error| Failure::failed(format!("ledger: {error}")))?;
    if let Some(list) = list {
        files::write(list, revoked.to_string().as_bytes(), Privacy::Public).map_err(|failure| Failure {
            message: format!("{}; the ledger says revoked, run it again for the list", failure.message),
            ..failure
        })?;
    }
    Ok(RevokeReport {
        device_id: device_id.to_owned(),
        reason: reason.to_owned(),
        changed,
        revoked_certificates: revoked.count(),
    })
}

fn show(dir: &Path) -> Result<CertificatesReport, Failure> {
    let authority = ca::store::load(dir)?;
    Ok(CertificatesReport::new(dir.display().to_string(), authority.views().to_vec()))
}

fn issue(args: &IssueArgs, context: &Context) -> Result<CertificatesReport, Failure> {
    let authority = ca::store::load(&args.dir)?;
    check_out(args)?;
    let request = CertificateRequest::from_pem(&files::read_text(&args.csr)?)
        .map_err(|error| Failure::from(error).about(&args.csr))?;
    let lifetime = SignedDuration::from_hours(i64::from(args.days).saturating_mul(24));
    let issued =
        authority.issue_for_request(&request, &profile(args)?, serial()?, context.now(), lifetime)?;
    let chain = [issued.der(), authority.intermediate_der()];
    files::write(&args.out, pki::certificate::chain_to_pem(&chain)?.as_bytes(), Privacy::Public)?;
    let view = CertificateView::from_der(issued.der())?;
    Ok(CertificatesReport::new(args.out.display().to_string(), vec![view]))
}

/// A certificate in the place of the authority's own files would be its end.
fn check_out(args: &IssueArgs) -> Result<(), Failure> {
    let real = |path: &Path| path.canonicalize().ok();
    let (Some(out), Some(dir)) = (real(&args.out), real(&args.dir)) else { return Ok(()) };
    if out.parent() == Some(&dir) {
        return Err(Failure::usage(format!(
            "--out: {} is a file in the authority's folder; name another file",
            args.out.display()
        )));
    }
    Ok(())
}

fn profile(args: &IssueArgs) -> Result<RequestProfile, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::usage(format!("--name: {error}"));
    Ok(match args.profile {
        Profile::TlsServer => {
            RequestProfile::TlsServer { name: DnsName::new(&args.name).map_err(|error| wrong(&error))? }
        }
        Profile::TlsClient => {
            RequestProfile::TlsClient { name: DeviceId::new(&args.name).map_err(|error| wrong(&error))? }
        }
        Profile::ManifestSigner => {
            RequestProfile::ManifestSigner { name: DeviceId::new(&args.name).map_err(|error| wrong(&error))? }
        }
    })
}
