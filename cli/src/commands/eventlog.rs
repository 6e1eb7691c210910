//! `hallmark eventlog`: TCG event logs, for reading and replaying.

pub(crate) mod diff;
pub(crate) mod explain;
mod inputs;

use std::io;
use std::path::{Path, PathBuf};

use attest::eventlog::{EventLog, EventView, summary_line};
use attest::{HashAlgorithm, ReplayedPcrs};
use clap::Subcommand;
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::logs::MAX_EVENT_LOG;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::{self, BOLD, Format, Page, Report};
use inputs::{LogFiles, OtherLogs};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// One line an event: what was measured, where, and whether the digest covers what is said
    #[command(
        after_help = "Example:\n  hallmark eventlog show /sys/kernel/security/tpm0/binary_bios_measurements\n\n\
        `bound` means that the digest covers the text shown; `hint` that it does not, so that anybody could have written it."
    )]
    Show {
        /// The log, in the firmware's binary form; - for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Only events of this PCR
        #[arg(long, value_name = "INDEX")]
        pcr: Option<u8>,
        /// As `hallmark eventlog explain`: how this PCR came to its value
        #[arg(long, value_name = "PCR", conflicts_with_all = ["pcr", "diff"])]
        explain: Option<u32>,
        /// As `hallmark eventlog diff`: what changed from FILE to this log
        #[arg(long, value_name = "AFTER", conflicts_with = "pcr")]
        diff: Option<PathBuf>,
    },
    /// How a PCR came to its value, step by step, and why that is not the TPM's
    #[command(
        after_help = "Examples:\n  hallmark eventlog explain /sys/kernel/security/tpm0/binary_bios_measurements --pcr 7\n  \
        hallmark eventlog explain log.bin --pcr 11 --systemd-log tpm2-measure.log --quoted \"$(cat pcr11.hex)\"\n\n\
        `bound` means that the digest covers the text shown; `hint` that it does not, so that anybody could have written it."
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

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ShowReport {
    /// Number of events in the log.
    event_count: u32,
    /// Banks that the log has digests for.
    banks: Vec<String>,
    /// Locality of TPM2_Startup, when the log tells.
    startup_locality: Option<u8>,
    /// The events, in order. Nothing in them is verified.
    #[schemars(with = "Vec<serde_json::Value>")]
    events: Vec<EventView>,
    #[serde(skip)]
    lines: Vec<String>,
}

impl Report for ShowReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        let locality = self.startup_locality.map(|l| format!(", startup locality {l}")).unwrap_or_default();
        page.styled(
            BOLD,
            format_args!(
                "{} events, banks {}{locality}; not verified against any quote",
                self.event_count,
                self.banks.join(", ")
            ),
        )?;
        self.lines.iter().try_for_each(|line| page.line(line))
    }
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

pub(crate) fn run(command: Command, format: Format) -> Result<Exit, Failure> {
    match command {
        Command::Show { file, explain: Some(pcr), .. } => {
            output::print(&explain::report(&file, &OtherLogs::default(), pcr, None, None)?, format)
        }
        Command::Show { file, diff: Some(after), .. } => {
            let none = OtherLogs::default();
            output::print(&diff::report((&file, &none), (&after, &none), None)?, format)
        }
        Command::Show { file, pcr, .. } => output::print(&show(&file, pcr)?, format),
        Command::Explain(args) => output::print(&explain::run(&args)?, format),
        Command::Diff(args) => output::print(&diff::run(&args)?, format),
        Command::Replay { file, others } => {
            let files = LogFiles::read(&file, &others)?;
            output::print(&ReplayReport::new(files.logs()?.replay()), format)
        }
    }
}

fn parse<'a>(bytes: &'a [u8], path: &Path) -> Result<EventLog<'a>, Failure> {
    EventLog::parse(bytes)
        .map_err(|error| Failure::refused(Some(error.threat()), format!("{}: {error}", path.display())))
}

fn show(file: &Path, pcr: Option<u8>) -> Result<ShowReport, Failure> {
    let bytes = files::read(file, MAX_EVENT_LOG)?;
    let log = parse(&bytes, file)?;
    let shown = || log.events().filter(|event| pcr.is_none() || event.pcr().map(|index| index.get()) == pcr);
    // One bank is enough to read by: SHA-256 where there is one, else the strongest.
    let bank = log.banks().find(|bank| *bank == HashAlgorithm::Sha256).or_else(|| log.banks().last());
    let bank = bank.unwrap_or(HashAlgorithm::Sha256);
    Ok(ShowReport {
        event_count: log.event_count(),
        banks: log.banks().map(|bank| bank.to_string()).collect(),
        startup_locality: log.startup_locality(),
        events: shown().map(|event| EventView::unverified(&event)).collect(),
        lines: shown().map(|event| summary_line(&event, bank)).collect(),
    })
}
