//! `reference withdraw`: a release is taken back.

use attest::reference::{WITHDRAWAL_TYPE, Withdrawal};
use jiff::Timestamp;

use super::{OutArgs, WithdrawalReport, printable};
use crate::context::Context;
use crate::failure::Failure;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hallmark reference withdraw --product gateway --release 1.0 \\\n      \
    --reason 'CVE-2026-0001' --key reference.pem --out withdrawn-1.0.json")]
pub(crate) struct WithdrawArgs {
    /// The product
    #[arg(long, value_name = "NAME")]
    product: String,
    /// The release
    #[arg(long, value_name = "VERSION")]
    release: String,
    /// Why, for people
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// From when on [default: now]
    #[arg(long, value_name = "RFC 3339")]
    at: Option<Timestamp>,
    #[command(flatten)]
    out: OutArgs,
}

pub(super) fn run(args: &WithdrawArgs, context: &Context) -> Result<WithdrawalReport, Failure> {
    for (option, text) in
        [("--product", &args.product), ("--release", &args.release), ("--reason", &args.reason)]
    {
        printable(option, text)?;
    }
    args.out.check(None, [])?;
    let withdrawal = Withdrawal {
        version: 1,
        product: args.product.clone(),
        release: args.release.clone(),
        issued: context.now(),
        at: args.at.unwrap_or_else(|| context.now()),
        reason: args.reason.clone(),
    };
    args.out.write(&withdrawal.to_json()?, WITHDRAWAL_TYPE)?;
    Ok(WithdrawalReport::new(&args.out.out, &withdrawal, args.out.key.is_some()))
}
