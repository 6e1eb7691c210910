//! `hallmark bundle`: Sigstore bundles of any artifact.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use clap::Subcommand;
use schemars::JsonSchema;
use serde::Serialize;
use update_verify::bundle::{Content, LogPolicy, Signer, TrustedRoot, VerifiedSigner, verify_artifact};

use crate::commands::key::read_public_keys;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::{self, Format, Mark, Page, Report};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Verify an artifact against its Sigstore bundle, offline
    Verify(VerifyArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    hallmark bundle verify app.tar --bundle app.tar.sigstore.json --key release.pub\n  \
    hallmark bundle verify app.tar --bundle app.tar.sigstore.json \\\n      \
    --certificate-identity ci@example.com --certificate-oidc-issuer https://accounts.example.com")]
pub(crate) struct VerifyArgs {
    /// The signed file
    artifact: PathBuf,
    /// Its bundle (JSON)
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// Identity in the signer's certificate: mail address or URI, compared exactly
    #[arg(
        long,
        value_name = "IDENTITY",
        requires = "certificate_oidc_issuer",
        conflicts_with = "key",
        required_unless_present = "key"
    )]
    certificate_identity: Option<String>,
    /// OIDC issuer in the signer's certificate, compared exactly
    #[arg(long, value_name = "URL", requires = "certificate_identity", conflicts_with = "key")]
    certificate_oidc_issuer: Option<String>,
    /// PEM public key of the signer, instead of an identity
    #[arg(long, value_name = "PEM")]
    key: Option<PathBuf>,
    /// With --key: refuse a bundle without a transparency log entry
    #[arg(long, requires = "key")]
    require_log: bool,
    /// Trust root (JSON) [default: the public-good instance's, as built in]
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<PathBuf>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BundleReport {
    /// Always true: a refusal is an error.
    verified: bool,
    /// `signature` of the artifact, or `attestation` about it.
    content: &'static str,
    /// The signer's identity, for keyless signatures.
    identity: Option<String>,
    /// The OIDC issuer, for keyless signatures.
    issuer: Option<String>,
    /// The signer's key id, for managed keys.
    key_id: Option<String>,
    /// Whether a transparency log entry was verified.
    logged: bool,
    /// Time that log or timestamp authority vouch for.
    signed_at: Option<String>,
}

impl Report for BundleReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        page.mark(Mark::Good, "verified", self.content)?;
        for (name, value) in [
            ("identity", &self.identity),
            ("issuer", &self.issuer),
            ("key id", &self.key_id),
            ("signed at", &self.signed_at),
        ] {
            if let Some(value) = value {
                page.row(name, value)?;
            }
        }
        page.row("transparency log", if self.logged { "entry verified" } else { "no entry" })
    }
}

pub(crate) fn run(command: Command, format: Format) -> Result<Exit, Failure> {
    let Command::Verify(args) = command;
    output::print(&verify(&args)?, format)
}

fn verify(args: &VerifyArgs) -> Result<BundleReport, Failure> {
    let bundle = files::read(&args.bundle, 16 * 1024 * 1024)?;
    let root = match &args.trusted_root {
        Some(path) => TrustedRoot::from_json(&files::read_text(path)?)
            .map_err(|error| Failure::from(error).about(path))?,
        None => TrustedRoot::public_good()?,
    };
    let artifact = File::open(&args.artifact).map_err(|error| Failure::file(&args.artifact, &error))?;
    let verified = verify_artifact(artifact, &bundle, &signer(args)?, &root)
        .map_err(|error| Failure::from(error).about(&args.bundle))?;
    let (identity, issuer, key_id) = match verified.signer() {
        VerifiedSigner::Identity { identity, issuer } => (Some(identity.clone()), Some(issuer.clone()), None),
        VerifiedSigner::Key(id) => (None, None, Some(id.to_string())),
    };
    Ok(BundleReport {
        verified: true,
        content: match verified.content() {
            Content::Signature => "signature",
            Content::Attestation { .. } => "attestation",
        },
        identity,
        issuer,
        key_id,
        logged: verified.is_logged(),
        signed_at: verified.signed_at().map(|time| time.to_string()),
    })
}

fn signer(args: &VerifyArgs) -> Result<Signer, Failure> {
    if let Some(path) = &args.key {
        let key = read_public_keys(std::slice::from_ref(path))?
            .pop()
            .ok_or_else(|| Failure::usage("--key: no key"))?;
        let log = if args.require_log { LogPolicy::Required } else { LogPolicy::NotRequired };
        return Ok(Signer::Key { key, log });
    }
    match (&args.certificate_identity, &args.certificate_oidc_issuer) {
        (Some(identity), Some(issuer)) => {
            Ok(Signer::Keyless { identity: identity.clone(), issuer: issuer.clone() })
        }
        _ => Err(Failure::usage(
            "name the signer: --key, or --certificate-identity and --certificate-oidc-issuer",
        )),
    }
}
