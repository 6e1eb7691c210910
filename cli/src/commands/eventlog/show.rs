//! `hallmark eventlog show`: a log to be read.

use std::io;
use std::path::PathBuf;

use attest::eventlog::{BootLogs, DynamicLaunch, EventLog, EventView, pcr_usage, summary_line};
use attest::{HashAlgorithm, PcrIndex};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::inputs::{LogFiles, OtherLogs, bank};
use super::records::{self, RecordsReport};
use crate::failure::Failure;
use crate::output::{BOLD, DIM, Page, Report};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The log, in the firmware's binary form; - for standard input
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Only events of this PCR
    #[arg(long, value_name = "INDEX", value_parser = clap::value_parser!(u8).range(0..=23))]
    pcr: Option<u8>,
    /// PCR by PCR, each with the value that its events lead to, instead of in the log's order
    #[arg(long)]
    by_pcr: bool,
    /// As `hallmark eventlog explain`: how this PCR came to its value
    #[arg(long, value_name = "PCR", value_parser = clap::value_parser!(u32).range(0..=23), conflicts_with_all = ["pcr", "by_pcr", "diff"])]
    pub(super) explain: Option<u32>,
    /// As `hallmark eventlog diff`: what changed from FILE to this log; with logs beside the firmware's, use that command
    #[arg(long, value_name = "AFTER", conflicts_with_all = ["pcr", "by_pcr", "measurements", "final_events"])]
    pub(super) diff: Option<PathBuf>,
    #[command(flatten)]
    pub(super) others: OtherLogs,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ShowReport<'a> {
    /// Number of events in the log, with the final events that it lacks.
    event_count: u32,
    /// Banks that the logs have digests for.
    banks: Vec<String>,
    /// What the header says; none in a SHA-1-only log.
    header: Option<HeaderReport>,
    /// Locality of TPM2_Startup, when the log tells.
    startup_locality: Option<u8>,
    /// The dynamic launch that the log tells of: `txt`, `secure-launch` or `other`. PCR 17 to 22 begin at zeros then.
    #[schemars(with = "Option<String>")]
    dynamic_launch: Option<DynamicLaunch>,
    /// Bytes of padding after the last event.
    padding: usize,
    /// Whether the indexes are not PCRs but measurement registers of a confidential virtual machine: 1 to 4 are RTMR 0 to 3.
    measures_rtmrs: bool,
    /// The events, in order. Nothing in them is verified.
    #[schemars(with = "Vec<serde_json::Value>")]
    events: Events<'a>,
    /// The logs of the operating system, e.g. systemd's.
    measurements: Vec<RecordsReport<'a>>,
    #[serde(skip)]
    bank: HashAlgorithm,
    #[serde(skip)]
    by_pcr: bool,
}

/// The Spec ID event. Nothing measures it.
#[derive(Debug, Serialize, JsonSchema)]
struct HeaderReport {
    /// Major, minor and errata of the profile that the firmware says it follows.
    profile_version: String,
    /// `client`, `server`, or a number.
    platform_class: String,
    /// Whether the firmware is of 32 or 64 bits, by the size of its UINTN.
    uintn_bits: u32,
    /// Every declared algorithm, known or not, with the size of its digests in bytes.
    algorithms: Vec<AlgorithmReport>,
    /// The vendor's bytes, in hex.
    vendor_info: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct AlgorithmReport {
    /// TPM_ALG_ID.
    id: u16,
    /// Its name, when it is replayed.
    name: Option<String>,
    /// Size of a digest in bytes.
    size: u16,
    /// Whether the events have digests of it: some firmware declares algorithms whose bank is not active.
    logged: bool,
}

/// The events that are shown; each is read when it is written, so that memory does not grow with the log (threat e06).
#[derive(Debug, Clone)]
struct Events<'a> {
    logs: BootLogs<'a>,
    pcr: Option<u8>,
}

impl Serialize for Events<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown = self
            .logs
            .events()
            .filter(|event| self.pcr.is_none() || event.pcr().map(PcrIndex::get) == self.pcr);
        serializer.collect_seq(shown.map(|event| EventView::unverified(&event)))
    }
}

impl<'a> ShowReport<'a> {
    pub(super) fn new(files: &'a LogFiles, args: &Args) -> Result<Self, Failure> {
        let log = files.firmware()?;
        let logs = files.logs()?;
        let banks = logs.banks();
        Ok(Self {
            event_count: u32::try_from(logs.events().count()).unwrap_or(u32::MAX),
            banks: banks.iter().map(ToString::to_string).collect(),
            header: header(&log),
            startup_locality: log.startup_locality(),
            dynamic_launch: log.dynamic_launch(),
            padding: log.padding(),
            measures_rtmrs: log.measures_rtmrs(),
            measurements: records::reports(&logs, args.pcr),
            events: Events { logs, pcr: args.pcr },
            bank: bank(None, &banks)?,
            by_pcr: args.by_pcr,
        })
    }

    fn head(&self, page: &mut Page<'_>) -> io::Result<()> {
        let banks = if self.banks.is_empty() { "none".to_owned() } else { self.banks.join(", ") };
        let count = self.event_count;
        page.styled(BOLD, format_args!("{count} events, banks {banks}; not verified against any quote"))?;
        match &self.header {
            Some(header) => page.line(format_args!(
                "crypto-agile log of a {} platform, profile {}, {}-bit firmware",
                header.platform_class, header.profile_version, header.uintn_bits
            ))?,
            None => page.line("SHA-1-only log, without a header of its own")?,
        }
        for algorithm in self.header.iter().flat_map(|header| &header.algorithms) {
            let name = algorithm.name.clone().unwrap_or_else(|| format!("algorithm 0x{:04X}", algorithm.id));
            if !algorithm.logged {
                page.line(format_args!(
                    "{name} is declared, and no event has a digest of it: the bank is not active"
                ))?;
            } else if algorithm.name.is_none() {
                page.line(format_args!("digests of {name} are skipped: Hallmark does not compute it"))?;
            }
        }
        if self.measures_rtmrs {
            page.line(
                "log of a confidential virtual machine: what is called PCR here is a measurement register, 1 to 4 for \
                 RTMR 0 to 3, and no TPM quotes it",
            )?;
        }
        if let Some(locality) = self.startup_locality {
            page.line(format_args!("TPM2_Startup at locality {locality}"))?;
        }
        if let Some(launch) = self.dynamic_launch {
            page.line(format_args!(
                "dynamic launch ({}): PCR 17 to 22 begin anew at zeros; no evidence of the boot before it",
                launch.name()
            ))?;
        }
        if self.padding > 0 {
            page.line(format_args!("{} bytes of padding after the last event", self.padding))?;
        }
        Ok(())
    }

    fn lines_of(&self, page: &mut Page<'_>, pcr: Option<u8>) -> io::Result<()> {
        let events = self.events.logs.events();
        events
            .filter(|event| event.pcr().map(PcrIndex::get) == pcr)
            .try_for_each(|event| page.line(summary_line(&event, self.bank)))
    }

    /// A head for each PCR with its use and the value that its events lead to.
    fn groups(&self, page: &mut Page<'_>) -> io::Result<()> {
        let replayed = self.events.logs.replay();
        let wanted = |pcr: PcrIndex| self.events.pcr.is_none_or(|only| only == pcr.get());
        for pcr in PcrIndex::all().filter(|pcr| wanted(*pcr)) {
            let has_events = self.events.logs.events().any(|event| event.pcr() == Some(pcr));
            if !has_events && !records::has(&self.measurements, pcr) {
                continue;
            }
            page.gap()?;
            let usage = if self.measures_rtmrs { "measurement register" } else { pcr_usage(pcr) };
            page.styled(BOLD, format_args!("PCR {pcr}: {usage}"))?;
            if let Some(value) = replayed.get(self.bank, pcr) {
                page.styled(DIM, format_args!("leads to {}:{}", self.bank, value.to_hex()))?;
            }
            self.lines_of(page, Some(pcr.get()))?;
            records::of_pcr(&self.measurements, pcr, self.bank, page)?;
        }
        if self.events.pcr.is_none() && self.events.logs.events().any(|event| event.pcr().is_none()) {
            page.gap()?;
            page.styled(BOLD, "of no PCR")?;
            self.lines_of(page, None)?;
        }
        records::of_nv_indexes(&self.measurements, self.bank, page)
    }
}

impl Report for ShowReport<'_> {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.head(page)?;
        if self.by_pcr {
            return self.groups(page);
        }
        match self.events.pcr {
            Some(pcr) => self.lines_of(page, Some(pcr))?,
            None => {
                let mut events = self.events.logs.events();
                events.try_for_each(|event| page.line(summary_line(&event, self.bank)))?;
            }
        }
        records::lists(&self.measurements, self.bank, page)
    }
}

fn header(log: &EventLog<'_>) -> Option<HeaderReport> {
    let header = log.spec_id()?;
    let (major, minor, errata) = header.version();
    let algorithm = |(id, size)| AlgorithmReport {
        id,
        name: HashAlgorithm::from_tpm_id(id).map(|algorithm| algorithm.to_string()),
        size,
        logged: log.has_digests_of(id),
    };
    Some(HeaderReport {
        profile_version: format!("{major}.{minor} errata {errata}"),
        platform_class: match header.platform_class() {
            0 => "client".to_owned(),
            1 => "server".to_owned(),
            other => other.to_string(),
        },
        uintn_bits: u32::from(header.uintn_size()).saturating_mul(32),
        algorithms: header.algorithms().map(algorithm).collect(),
        vendor_info: hex::encode(header.vendor_info()),
    })
}
