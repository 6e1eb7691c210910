//! `hallmark reference`: what a good device looks like.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use attest::HashAlgorithm;
use attest::challenge::Nonce;
use attest::dsse;
use attest::evidence::{BootLogBytes, MAX_IMA_LIST};
use attest::key::PublicArea;
use attest::pcr::PcrIndex;
use attest::quote::{Quote, VerifyingKey};
use attest::reference::{Golden, PAYLOAD_TYPE, ReferenceValues, record};
use clap::Subcommand;
use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::attest::{Banks, collect};
use crate::commands::key::read_private_pem;
use crate::commands::logs::LogArgs;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::files::{self, Privacy};
use crate::output::{self, Format, Mark, Page, Report};

/// Largest file of reference values, in bytes.
const MAX_REFERENCE: usize = 64 * 1024 * 1024;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Record this device, which you declare to be good, as a release's reference values
    Record(RecordArgs),
    /// Sign reference values
    #[command(
        after_help = "Example:\n  hallmark reference sign unsigned.json --key reference.pem --out golden.json"
    )]
    Sign {
        /// Unsigned reference values
        file: PathBuf,
        /// ECDSA P-256 private key in PKCS#8 PEM
        #[arg(long, value_name = "PEM")]
        key: PathBuf,
        /// File for the signed values (DSSE)
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Show reference values, signed or not
    Show {
        /// The file
        file: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hallmark key generate --out reference.pem\n  \
    hallmark reference record --product gateway --release 1.0 \\\n      --key reference.pem --out golden.json")]
pub(crate) struct RecordArgs {
    /// The product
    #[arg(long, value_name = "NAME")]
    product: String,
    /// The release that this device runs
    #[arg(long, value_name = "VERSION")]
    release: String,
    /// File for the reference values
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Sign them with this key; without it they must be signed before a policy takes them
    #[arg(long, value_name = "PEM")]
    key: Option<PathBuf>,
    /// When they end [default: never]
    #[arg(long, value_name = "RFC 3339")]
    expires: Option<Timestamp>,
    /// The bank to record
    #[arg(long, value_name = "BANK", default_value = "sha256")]
    bank: String,
    #[command(flatten)]
    logs: LogArgs,
}

/// Reference values in numbers.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReferenceReport {
    /// The file.
    file: PathBuf,
    /// Whether it is signed; `show` does not verify the signature.
    signed: bool,
    /// The product.
    product: String,
    /// The release.
    release: String,
    /// When they were recorded.
    issued: String,
    /// When they end.
    expires: Option<String>,
    /// The recorded bank.
    bank: String,
    /// PCR values, in hex.
    pcrs: BTreeMap<u8, String>,
    /// Number of events.
    events: usize,
    /// Number of files.
    files: usize,
}

impl ReferenceReport {
    fn new(file: &Path, values: &ReferenceValues, signed: bool) -> Self {
        Self {
            file: file.to_path_buf(),
            signed,
            product: values.product.clone(),
            release: values.release.clone(),
            issued: values.issued.to_string(),
            expires: values.expires.map(|time| time.to_string()),
            bank: values.bank.to_string(),
            pcrs: values.pcrs.iter().map(|(pcr, value)| (pcr.get(), value.to_hex())).collect(),
            events: values.events.len(),
            files: values.files.len(),
        }
    }
}

impl Report for ReferenceReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        let signed = if self.signed { "signed" } else { "not signed" };
        page.mark(Mark::Good, "reference values", format_args!("{} ({signed})", self.file.display()))?;
        page.row("release", format_args!("{} {}", self.product, self.release))?;
        page.row("issued", &self.issued)?;
        page.row("expires", self.expires.as_deref().unwrap_or("never"))?;
        let pcrs: Vec<_> = self.pcrs.keys().map(u8::to_string).collect();
        page.row(
            "recorded",
            format_args!(
                "{} PCR ({}), {} events, {} files",
                self.pcrs.len(),
                self.bank,
                self.events,
                self.files
            ),
        )?;
        page.row("PCRs", pcrs.join(","))
    }
}

pub(crate) fn run(command: Command, context: &Context, format: Format) -> Result<Exit, Failure> {
    match command {
        Command::Record(args) => output::print(&record_here(&args, context)?, format),
        Command::Sign { file, key, out } => output::print(&sign(&file, &key, &out)?, format),
        Command::Show { file } => output::print(&show(&file)?, format),
    }
}

fn record_here(args: &RecordArgs, context: &Context) -> Result<ReferenceReport, Failure> {
    let bank = HashAlgorithm::from_name(&args.bank).ok_or_else(|| {
        Failure::usage(format!("--bank: {:?}, expected sha256, sha384, sha512 or sha1", args.bank))
    })?;
    for (option, text) in [("--product", &args.product), ("--release", &args.release)] {
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            return Err(Failure::usage(format!("{option}: {text:?}, expected printable text")));
        }
    }
    if args.expires.is_some_and(|expires| expires <= context.now()) {
        return Err(Failure::usage("--expires: that time has passed; no policy would take the values"));
    }
    let pcrs: Vec<_> = PcrIndex::all().filter(|pcr| !pcr.is_resettable()).collect();
    let nonce = random_nonce()?;
    let evidence = collect(context, &nonce, Banks::StrongAnd(bank), &pcrs, &args.logs)?.evidence;
    // The operator vouches for this device; what is checked here is that quote and logs belong together.
    let key = VerifyingKey::bare(PublicArea::parse(&evidence.attestation_key)?.key().clone())?;
    let quote = Quote { message: &evidence.quote.message, signature: &evidence.quote.signature };
    let quote = quote.verify_signed(&nonce, &key, &evidence.quote.pcr_values)?;
    let golden = Golden {
        product: args.product.clone(),
        release: args.release.clone(),
        issued: context.now(),
        expires: args.expires,
        bank,
    };
    let logs = BootLogBytes::of(&evidence)?;
    let ima_list = evidence.ima.as_ref().map(|ima| ima.list.bytes(MAX_IMA_LIST)).transpose()?;
    let values = record(golden, &quote, logs.parse()?, ima_list.as_deref())?;
    if values.pcrs.is_empty() {
        return Err(Failure::refused(
            Some("e15"),
            "the event log explains no PCR, so that there is nothing to record; `hallmark check` tells where the log is",
        ));
    }
    let json = values.to_json()?;
    let bytes = match &args.key {
        Some(key) => sign_bytes(&json, key)?,
        None => json,
    };
    files::write(&args.out, &bytes, Privacy::Public)?;
    Ok(ReferenceReport::new(&args.out, &values, args.key.is_some()))
}

fn sign(file: &Path, key: &Path, out: &Path) -> Result<ReferenceReport, Failure> {
    let json = files::read(file, MAX_REFERENCE)?;
    if dsse::unverified_payload(&json).is_ok() {
        return Err(Failure::usage(format!("{}: is signed already", file.display())));
    }
    let values = ReferenceValues::parse(&json).map_err(|error| Failure::from(error).about(file))?;
    files::write(out, &sign_bytes(&json, key)?, Privacy::Public)?;
    Ok(ReferenceReport::new(out, &values, true))
}

fn sign_bytes(json: &[u8], key: &Path) -> Result<Vec<u8>, Failure> {
    Ok(dsse::sign(json, PAYLOAD_TYPE, &read_private_pem(key)?, &SystemRandom::new())?)
}

fn show(file: &Path) -> Result<ReferenceReport, Failure> {
    let bytes = files::read(file, MAX_REFERENCE)?;
    let (bytes, signed) = match dsse::unverified_payload(&bytes) {
        Ok(payload) => (payload, true),
        Err(_) => (bytes, false),
    };
    let values = ReferenceValues::parse(&bytes).map_err(|error| Failure::from(error).about(file))?;
    Ok(ReferenceReport::new(file, &values, signed))
}

/// 32 fresh random bytes.
pub(crate) fn random_nonce() -> Result<Nonce, Failure> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Failure::failed("the system has no random numbers"))?;
    Nonce::new(&bytes).map_err(|error| Failure::failed(error.to_string()))
}
