//! `hallmark eventlog`: TCG event logs, for reading and replaying.

pub(crate) mod diff;
pub(crate) mod explain;
mod inputs;
mod records;
mod show;

use std::io;
use std::path::PathBuf;

use attest::ReplayedPcrs;
use clap::Subcommand;
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{self, BOLD, Format, Page, Report};
use inputs::{LogFiles, Note, OtherLogs};
pub(crate) use show::ShowReport;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// One line an event: what was measured, where, and whether the digest covers what is said
    #[command(
        after_help = "Example:\n  hallmark eventlog show /sys/kernel/security/tpm0/binary_bios_measurements\n\n\
        `bound` means that the digest covers the text shown; `hint` that it does not, so that anybody could have written it.\n\
        Grouped by PCR, with what systemd measured:\n  \
        hallmark eventlog show log.bin --systemd-log tpm2-measure.log --by-pcr"
    )]
    Show(show::Args),
    /// How a PCR came to its value, step by step, and why that is not the TPM's
    #[command(
        after_help = "Examples:\n  hallmark eventlog explain /sys/kernel/security/tpm0/binary_bios_measurements --pcr 7\n  \
        hallmark eventlog explain log.bin --pcr 11 --systemd-log tpm2-measure.log --quoted \"$(cat pcr11.hex)\"\n\n\
        `bound` means that the digest covers the text shown; `hint` that it does not, so that anybody could have written it.\n\
        Exit code 3 when the log does not lead to the value of --quoted."
    )]
    Explain(explain::Args),
    /// What changed between two boots, in words
    #[command(after_help = "Example:\n  hallmark eventlog diff yesterday.bin today.bin\n\n\
        Digests say that something changed; what it was is read from the logs, which nothing verifies here.")]
    Diff(diff::Args),
    /// The PCR values that the log leads to, in every bank
    #[command(
        after_help = "Example:\n  hallmark eventlog replay /sys/kernel/security/tpm0/binary_bios_measurements --format json"
    )]
    Replay {
        /// The log, in the firmware's binary form; - for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        others: OtherLogs,
    },
}

/// PCR values that a log claims.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReplayReport {
    /// Values by bank and PCR, in hex.
    #[schemars(with = "std::collections::BTreeMap<String, std::collections::BTreeMap<String, String>>")]
    banks: ReplayedPcrs,
}

impl ReplayReport {
    pub(crate) fn new(banks: ReplayedPcrs) -> Self {
        Self { banks }
    }
}

impl Report for ReplayReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        for bank in self.banks.banks() {
            page.styled(BOLD, bank)?;
            for (pcr, value) in self.banks.iter().filter(|(_, value)| value.algorithm() == bank) {
                page.line(format_args!("  {:>2}  {}", pcr.get(), value.to_hex()))?;
            }
        }
        Ok(())
    }
}

pub(crate) fn run(command: Command, context: &Context, format: Format) -> Result<Exit, Failure> {
    let note = |text: String| context.note(text);
    match command {
        Command::Show(args) => run_show(&args, &note, format),
        Command::Explain(args) => output::print(&explain::run(&args, &note)?, format),
        Command::Diff(args) => output::print(&diff::run(&args, &note)?, format),
        Command::Replay { file, others } => {
            let files = LogFiles::read(&file, &others, &note)?;
            output::print(&ReplayReport::new(files.logs()?.replay()), format)
        }
    }
}

fn run_show(args: &show::Args, note: Note<'_>, format: Format) -> Result<Exit, Failure> {
    if let Some(pcr) = args.explain {
        return output::print(&explain::report(&args.file, &args.others, pcr, (None, None), note)?, format);
    }
    if let Some(after) = &args.diff {
        let none = OtherLogs::default();
        return output::print(&diff::report((&args.file, &none), (after, &none), None, note)?, format);
    }
    let files = LogFiles::read(&args.file, &args.others, note)?;
    output::print(&ShowReport::new(&files, args)?, format)
}
