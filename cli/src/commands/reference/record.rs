//! `reference record`: a golden device.

use attest::evidence::{BootLogBytes, MAX_IMA_LIST};
use attest::key::PublicArea;
use attest::pcr::PcrIndex;
use attest::quote::{Quote, VerifyingKey};
use attest::reference::record;

use super::{OutArgs, ReferenceReport, ReleaseArgs, random_nonce};
use crate::commands::attest::{Banks, collect};
use crate::commands::logs::LogArgs;
use crate::context::Context;
use crate::failure::Failure;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hallmark key generate --out reference.pem\n  \
    hallmark reference record --product gateway --release 1.0 \\\n      --key reference.pem --out golden.json")]
pub(crate) struct RecordArgs {
    #[command(flatten)]
    release: ReleaseArgs,
    #[command(flatten)]
    out: OutArgs,
    #[command(flatten)]
    logs: LogArgs,
    /// Record nothing of this PCR, e.g. since the firmware logs it wrongly; may be given several times. A policy has to name it in
    /// quote.tolerate, or not judge it
    #[arg(long, value_name = "PCR", value_parser = pcr)]
    leave_out: Vec<PcrIndex>,
}

fn pcr(text: &str) -> Result<PcrIndex, String> {
    let index = text.parse().ok().and_then(PcrIndex::new).filter(|pcr| !pcr.is_resettable());
    index.filter(|pcr| *pcr != PcrIndex::IMA).ok_or_else(|| "expected 0 to 9, or 11 to 15".to_owned())
}

pub(super) fn run(args: &RecordArgs, context: &Context) -> Result<ReferenceReport, Failure> {
    let golden = args.release.golden(context)?;
    args.out.check(None, args.logs.named())?;
    let pcrs: Vec<_> = PcrIndex::all().filter(|pcr| !pcr.is_resettable()).collect();
    let nonce = random_nonce()?;
    let evidence = collect(context, &nonce, Banks::StrongAnd(golden.bank), &pcrs, &args.logs, None)?.evidence;
    // The operator vouches for this device; what is checked here is that quote and logs belong together.
    let key = VerifyingKey::bare(PublicArea::parse(&evidence.attestation_key)?.key().clone())?;
    let quote = Quote { message: &evidence.quote.message, signature: &evidence.quote.signature };
    let quote = quote.verify_signed(&nonce, &key, &evidence.quote.pcr_values)?;
    let logs = BootLogBytes::of(&evidence)?;
    let ima_list = evidence.ima.as_ref().map(|ima| ima.list.bytes(MAX_IMA_LIST)).transpose()?;
    let values = record(golden, &quote, logs.parse()?, ima_list.as_deref(), &args.leave_out)?;
    if values.pcrs.is_empty() && values.by_events.is_empty() {
        return Err(Failure::refused(
            Some("e15"),
            "the event log explains no PCR, so that there is nothing to record; `hallmark check` tells where the log is",
        ));
    }
    for pcr in &args.leave_out {
        context.note(format_args!(
            "PCR {pcr} is not recorded: a policy that judges it has to have it in quote.tolerate"
        ));
    }
    args.out.write_values(&values)
}
