//! `hallmark quote`: quotes as tpm2-tools write them.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use attest::challenge::Nonce;
use attest::key::PublicKey;
use attest::quote::tpm2_tools::read_pcr_file;
use attest::quote::{Attest, Quote, QuoteError, SignedQuote, VerifyingKey};
use clap::Subcommand;
use schemars::JsonSchema;
use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::{self, Format, Mark, Page, Report};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Verify a quote made by `tpm2_quote`, as `tpm2_checkquote` does
    Verify(VerifyArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  \
    tpm2_quote -c ak.ctx -l sha256:0,7 -q $NONCE \\\n      -m quote.msg -s quote.sig -o quote.pcrs -g sha256\n  \
    hallmark quote verify --key ak.pem --message quote.msg \\\n      --signature quote.sig --pcrs quote.pcrs --nonce $NONCE\n\n\
    Nothing is said about where the key lives: `hallmark appraise` asks for its certificate.")]
pub(crate) struct VerifyArgs {
    /// The attestation key's public half (tpm2_readpublic -f pem)
    #[arg(long, value_name = "PEM")]
    key: PathBuf,
    /// The signed TPMS_ATTEST (tpm2_quote -m)
    #[arg(long, value_name = "FILE")]
    message: PathBuf,
    /// The TPMT_SIGNATURE (tpm2_quote -s)
    #[arg(long, value_name = "FILE")]
    signature: PathBuf,
    /// The PCR values (tpm2_quote -o), in the serialized or the values form
    #[arg(long, value_name = "FILE")]
    pcrs: PathBuf,
    /// The nonce that the quote must answer, 16 to 64 bytes
    #[arg(long, value_name = "HEX")]
    nonce: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct QuoteReport {
    /// Always true: a refusal is an error.
    verified: bool,
    /// TPM resets since the TPM was cleared.
    reset_count: u32,
    /// Restarts and resumes since the last reset.
    restart_count: u32,
    /// Milliseconds that the TPM has been powered, ever.
    clock_ms: u64,
    /// Whether the TPM is certain that its clock did not go back.
    clock_safe: bool,
    /// The TPM firmware's version, as its maker numbers them.
    firmware_version: u64,
    /// Quoted values: bank, then PCR, then hex.
    banks: BTreeMap<String, BTreeMap<u8, String>>,
}

impl Report for QuoteReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        page.mark(Mark::Good, "quote verified", "signature, nonce and PCR values belong together")?;
        let safe = if self.clock_safe { "safe" } else { "not safe" };
        page.row(
            "TPM boot",
            format_args!("reset {}, restart {}, clock {safe}", self.reset_count, self.restart_count),
        )?;
        for (bank, pcrs) in &self.banks {
            for (pcr, value) in pcrs {
                page.row(&format!("{bank} PCR {pcr}"), value)?;
            }
        }
        Ok(())
    }
}

pub(crate) fn run(command: Command, format: Format) -> Result<Exit, Failure> {
    let Command::Verify(args) = command;
    output::print(&verify(&args)?, format)
}

fn verify(args: &VerifyArgs) -> Result<QuoteReport, Failure> {
    const MOST: usize = 64 * 1024;
    let nonce = Nonce::from_hex(&args.nonce).map_err(|error| Failure::usage(format!("--nonce: {error}")))?;
    let key = PublicKey::from_pem(&files::read_text(&args.key)?)
        .map_err(|error| Failure::from(error).about(&args.key))?;
    let key = VerifyingKey::bare(key).map_err(|error| Failure::from(error).about(&args.key))?;
    let message = files::read(&args.message, MOST)?;
    let signature = files::read(&args.signature, MOST)?;
    let pcr_file = files::read(&args.pcrs, MOST)?;
    Attest::parse_quote(&message).map_err(|error| Failure::from(error).about(&args.message))?;
    let values =
        read_pcr_file(&pcr_file, &message).map_err(|error| Failure::from(error).about(&args.pcrs))?;
    let quote = Quote { message: &message, signature: &signature };
    let signed = quote.verify_signed(&nonce, &key, &values).map_err(|error| {
        let of_signature = matches!(error, QuoteError::Signature(_));
        let failure = Failure::from(error);
        if of_signature { failure.about(&args.signature) } else { failure }
    })?;
    Ok(report(&signed))
}

fn report(quote: &SignedQuote) -> QuoteReport {
    let mut banks: BTreeMap<String, BTreeMap<u8, String>> = BTreeMap::new();
    for (pcr, value) in quote.values() {
        banks.entry(value.algorithm().to_string()).or_default().insert(pcr.get(), value.to_hex());
    }
    let clock = quote.clock();
    QuoteReport {
        verified: true,
        reset_count: clock.reset_count,
        restart_count: clock.restart_count,
        clock_ms: clock.clock_ms,
        clock_safe: clock.safe,
        firmware_version: quote.firmware_version(),
        banks,
    }
}
