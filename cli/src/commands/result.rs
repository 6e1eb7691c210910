//! `hallmark result`: what a verifier has signed, for those who rely on it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use attest::challenge::Nonce;
use attest::result::{Expected, MAX_RESULT, ResultClaims, ResultKey, Tier, unverified, verify};
use attest::{Digest, HashAlgorithm};
use clap::Subcommand;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::{self, BOLD, Format, Mark, Page, Report};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Verify a result by the verifier's public key, and say whether the device is to be trusted
    Verify(VerifyArgs),
    /// Show a result without verifying it
    #[command(after_help = "Example:\n  hallmark result show result.jwt")]
    Show {
        /// The result, a JWT or a CWT
        file: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    hallmark result verify result.jwt --key verifier.pem.pub --device gw-1 --nonce $NONCE\n  \
    hallmark result verify result.cwt --key verifier.pem.pub --device gw-1 --affirming\n\n\
    Name the device: a result speaks of one only. Name the nonce when you chose it: without it an older result\n\
    of the same device passes until it ends. Exit codes: 0 trusted, 3 refused, 5 nobody can tell, or it has ended.")]
pub(crate) struct VerifyArgs {
    /// The result, a JWT or a CWT
    file: PathBuf,
    /// The verifier's public key (PEM, ECDSA P-256 or P-384); it decides the algorithm
    #[arg(long, value_name = "PEM")]
    key: PathBuf,
    /// The device that the result must be about
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// The nonce that the device must have answered
    #[arg(long, value_name = "HEX")]
    nonce: Option<String>,
    /// The policy that must have judged it, as `hallmark appraise` reports it
    #[arg(long, value_name = "sha256:HEX", value_parser = parse_digest)]
    policy_digest: Option<Digest>,
    /// Judge by this time (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Take no result with a warning
    #[arg(long)]
    affirming: bool,
}

fn parse_digest(text: &str) -> Result<Digest, String> {
    text.split_once(':')
        .and_then(|(algorithm, hex)| Digest::from_hex(HashAlgorithm::from_name(algorithm)?, hex))
        .ok_or_else(|| "expected sha256: and 64 hex digits".to_owned())
}

/// A result.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ResultReport {
    /// Whether signature, device, nonce, policy and time were checked; `show` checks nothing.
    verified: bool,
    /// `affirming`, `warning`, `contraindicated` or `none`.
    status: &'static str,
    /// The device's name.
    device: String,
    /// TPM Name of its attestation key, in hex; absent when nobody was identified.
    attestation_key: Option<String>,
    /// The aspects that were judged, with the values of AR4SI.
    trustworthiness: BTreeMap<&'static str, i8>,
    /// The first reasons against the device.
    reasons: Vec<ResultReason>,
    /// Secure boot, where the log proves it either way.
    secure_boot: Option<bool>,
    /// Product and release of the reference that matched.
    release: Option<String>,
    /// The nonce that was answered, in hex.
    nonce: String,
    /// SHA-256 over the policy and the files that belong to it.
    policy_digest: String,
    /// SHA-256 over the evidence.
    evidence_digest: String,
    /// Who judged: the maker of the verifier, and its version.
    verifier: String,
    /// When it was judged.
    issued: String,
    /// When the verdict ends.
    expires: String,
    #[serde(skip)]
    exit: Exit,
}

/// One reason against a device.
#[derive(Debug, Serialize, JsonSchema)]
struct ResultReason {
    /// Row of the threat model, or the policy's rule.
    id: String,
    /// Where.
    r#where: String,
    /// What is wrong.
    what: String,
}

impl ResultReport {
    fn new(claims: &ResultClaims, verified: bool, exit: Exit) -> Self {
        let reason = |reason: &attest::result::FoundReason| ResultReason {
            id: reason.id.clone(),
            r#where: reason.r#where.clone(),
            what: reason.what.clone(),
        };
        Self {
            verified,
            status: claims.status.name(),
            device: claims.device.clone(),
            attestation_key: claims.key.as_ref().map(|key| hex::encode(key.name())),
            trustworthiness: claims.vector.values().collect(),
            reasons: claims.facts.reasons.iter().map(reason).collect(),
            secure_boot: claims.facts.secure_boot,
            release: claims.facts.release.clone(),
            nonce: hex::encode(claims.nonce.as_bytes()),
            policy_digest: claims.policy.to_string(),
            evidence_digest: claims.facts.evidence.to_string(),
            verifier: format!("{}, {}", claims.verifier.developer, claims.verifier.build),
            issued: claims.issued.to_string(),
            expires: claims.expires.to_string(),
            exit,
        }
    }
}

impl Report for ResultReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        let mark = match (self.verified, self.exit) {
            (true, Exit::Done) => Mark::Good,
            (true, Exit::Refused) => Mark::Bad,
            _ => Mark::Doubt,
        };
        let remark = if self.verified { "" } else { " (not verified)" };
        page.mark(mark, self.status, format_args!("{}{remark}", self.device))?;
        for reason in &self.reasons {
            let text = format!("  [{}] {}: {}", reason.id, reason.r#where, reason.what);
            page.styled(BOLD, text)?;
        }
        for (aspect, value) in &self.trustworthiness {
            page.row(aspect, format_args!("{value} ({})", Tier::of_value(*value).name()))?;
        }
        if let Some(release) = &self.release {
            page.row("release", release)?;
        }
        page.row("attestation key", self.attestation_key.as_deref().unwrap_or("none"))?;
        page.row("nonce", &self.nonce)?;
        page.row("policy", &self.policy_digest)?;
        page.row("verifier", &self.verifier)?;
        page.row("good", format_args!("{} to {}", self.issued, self.expires))
    }

    fn exit(&self) -> Exit {
        self.exit
    }

    fn complaint(&self) -> Option<Failure> {
        if self.exit == Exit::Done {
            return None;
        }
        let first = self.reasons.first().map(|reason| format!(": {}: {}", reason.r#where, reason.what));
        let text = format!("the verifier says {}{}", self.status, first.unwrap_or_default());
        Some(Failure::new(self.exit, text))
    }
}

pub(crate) fn run(command: Command, context: &Context, format: Format) -> Result<Exit, Failure> {
    match command {
        Command::Verify(args) => output::print(&verify_result(&args, context)?, format),
        Command::Show { file } => {
            let claims = unverified(&read(&file)?).map_err(|error| Failure::from(error).about(&file))?;
            output::print(&ResultReport::new(&claims, false, Exit::Done), format)
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    files::read(file, MAX_RESULT)
}

fn verify_result(args: &VerifyArgs, context: &Context) -> Result<ResultReport, Failure> {
    let key = ResultKey::from_pem(&files::read_text(&args.key)?)
        .map_err(|error| Failure::from(error).about(&args.key))?;
    let nonce = args.nonce.as_deref().map(Nonce::from_hex).transpose();
    let nonce = nonce.map_err(|error| Failure::usage(format!("--nonce: {error}")))?;
    let expected = Expected {
        device: args.device.as_deref(),
        nonce: nonce.as_ref(),
        policy: args.policy_digest.as_ref(),
    };
    let now = args.at.unwrap_or_else(|| context.now());
    let result = verify(&read(&args.file)?, &key, &expected, now)
        .map_err(|error| Failure::from(error).about(&args.file))?;
    let exit = match result.status() {
        Tier::Affirming => Exit::Done,
        Tier::Warning if !args.affirming => Exit::Done,
        Tier::Warning | Tier::Contraindicated => Exit::Refused,
        Tier::None => Exit::CannotTell,
    };
    Ok(ResultReport::new(result.claims(), true, exit))
}
