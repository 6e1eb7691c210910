//! `hallmark sim`: a simulated TPM, and boots that were recorded elsewhere.

use std::io;
use std::path::{Path, PathBuf};

use attest::eventlog::EventLog;
use attest::ima::ImaList;
use attest::{Digest, HashAlgorithm};
use clap::Subcommand;
use schemars::JsonSchema;
use serde::Serialize;
use tpm::{Bank, Tpm};

use crate::commands::logs::{MAX_EVENT_LOG, MAX_IMA_LIST, malformed_event_log};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::files::{self, Privacy};
use crate::output::{self, Format, Mark, Page, Report};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the simulated TPM of the state folder; the first time it is manufactured, EK certificates and all
    #[command(
        after_help = "Example:\n  export HALLMARK_STATE=/tmp/lab\n  eval \"$(hallmark sim start --shell)\""
    )]
    Start {
        /// PCR banks of a new TPM, separated by commas
        #[arg(long, default_value = "sha256", value_name = "LIST")]
        banks: String,
        /// Print a line for the shell that sets HALLMARK_TCTI
        #[arg(long)]
        shell: bool,
    },
    /// Stop the simulated TPM; what is in it stays
    #[command(after_help = "Example:\n  hallmark sim stop")]
    Stop,
    /// Tell whether the simulated TPM runs, and where
    #[command(after_help = "Example:\n  hallmark sim status")]
    Status,
    /// Power-cycle the TPM and extend its PCRs by a recorded boot, so that quotes match a real log
    #[command(
        after_help = "Example:\n  hallmark sim boot eventlog.bin --ima ima.bin\n\nThe project's own recordings are in tpm-sim-tests/vectors."
    )]
    Boot {
        /// A TCG event log, as in /sys/kernel/security/tpm0/binary_bios_measurements
        #[arg(value_name = "LOG")]
        log: PathBuf,
        /// An IMA list that belongs to it, as in /sys/kernel/security/ima/binary_runtime_measurements
        #[arg(long, value_name = "LIST")]
        ima: Option<PathBuf>,
    },
    /// Extend a PCR by the digest of a text, as an attacker or an unknown boot loader would
    #[command(after_help = "Example:\n  hallmark sim extend 4 --text 'an unknown boot loader'")]
    Extend {
        /// The PCR, 0 to 23
        #[arg(value_name = "INDEX", value_parser = clap::value_parser!(u8).range(0..=23))]
        pcr: u8,
        /// What is hashed
        #[arg(long)]
        text: String,
    },
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SimReport {
    /// Whether it runs now.
    running: bool,
    /// The TCTI, when it runs.
    tcti: Option<String>,
    /// Process id of swtpm, when it runs.
    pid: Option<i32>,
    /// PEM file with the root of the EK certificates.
    ek_root: PathBuf,
    /// PEM file with the issuer of the EK certificates.
    ek_issuer: PathBuf,
    /// What the command changed.
    change: String,
}

impl Report for SimReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        let mark = if self.running { Mark::Good } else { Mark::Doubt };
        page.mark(mark, "simulated TPM", &self.change)?;
        if let Some(tcti) = &self.tcti {
            page.row("TCTI", tcti)?;
            page.row("EK root", self.ek_root.display())?;
        }
        Ok(())
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BootReport {
    /// Events that were extended.
    events: usize,
    /// IMA entries that were extended.
    ima_entries: usize,
    /// Banks that were extended.
    banks: Vec<String>,
}

impl Report for BootReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        let text = format!(
            "{} events, {} IMA entries into {}",
            self.events,
            self.ima_entries,
            self.banks.join(", ")
        );
        page.mark(Mark::Good, "boot replayed", text)
    }
}

pub(crate) fn run(command: Command, context: &Context, format: Format) -> Result<Exit, Failure> {
    match command {
        Command::Start { banks, shell } => {
            let report = start(&banks, context)?;
            if let (true, Some(tcti)) = (shell, &report.tcti) {
                output::print_bytes(format!("export HALLMARK_TCTI={tcti}\n").as_bytes())?;
                return Ok(Exit::Done);
            }
            output::print(&report, format)
        }
        Command::Stop => {
            let change = if context.simulator().stop()? { "stopped" } else { "did not run" };
            output::print(&report(context, change)?, format)
        }
        Command::Status => {
            let change = if context.simulator().running()?.is_some() { "runs" } else { "does not run" };
            output::print(&report(context, change)?, format)
        }
        Command::Extend { pcr, text } => {
            extend(pcr, &text, context)?;
            output::print(&report(context, &format!("PCR {pcr} extended"))?, format)
        }
        Command::Boot { log, ima } => output::print(&boot(&log, ima.as_deref(), context)?, format),
    }
}

fn start(banks: &str, context: &Context) -> Result<SimReport, Failure> {
    for bank in banks.split(',') {
        if HashAlgorithm::from_name(bank).is_none() {
            return Err(Failure::usage(format!(
                "bank {bank:?}, expected sha1, sha256, sha384 or sha512, as the simulator has them"
            )));
        }
    }
    let change = if context.simulator().start(banks)? { "started" } else { "ran already" };
    report(context, change)
}

fn report(context: &Context, change: &str) -> Result<SimReport, Failure> {
    let simulator = context.simulator();
    let pid = simulator.running()?;
    Ok(SimReport {
        running: pid.is_some(),
        tcti: pid.and_then(|_| simulator.tcti().ok()).map(|tcti| tcti.to_string()),
        pid,
        ek_root: simulator.ek_root(),
        ek_issuer: simulator.ek_issuer(),
        change: change.to_owned(),
    })
}

fn boot(log_path: &Path, ima_path: Option<&Path>, context: &Context) -> Result<BootReport, Failure> {
    let simulator = context.simulator();
    let log_bytes = files::read(log_path, MAX_EVENT_LOG)?;
    let log = EventLog::parse(&log_bytes).map_err(|error| malformed_event_log(log_path, &error))?;
    let ima_bytes = ima_path.map(|path| files::read(path, MAX_IMA_LIST)).transpose()?;
    let ima = ImaList::new(ima_bytes.as_deref().unwrap_or_default());
    // Everything is looked at before anything is changed.
    let banks = Tpm::open(&simulator.tcti()?)?.active_banks().to_vec();
    check_log(&log, &active(&banks))?;
    let named = |error| Failure::from(error).about(ima_path.unwrap_or(Path::new("IMA list")));
    ima.entries().try_for_each(|entry| entry.map(|_| ())).map_err(named)?;
    let _claim = simulator.claim()?;
    simulator.power_cycle()?;
    let tpm = Tpm::open(&simulator.tcti()?)?;
    let events = extend_events(&tpm, &banks, &log)?;
    let ima_entries = extend_ima(&tpm, &banks, &ima)?;
    files::write(&simulator.event_log(), &log_bytes, Privacy::Public)?;
    // An old list beside a new boot would be a contradiction, so an empty one takes its place.
    files::write(&simulator.ima_list(), ima_bytes.as_deref().unwrap_or_default(), Privacy::Public)?;
    Ok(BootReport { events, ima_entries, banks: banks.iter().map(|bank| bank.name().to_owned()).collect() })
}

/// A log without digests for an active bank is refused: quotes of that bank would never match it.
fn check_log(log: &EventLog<'_>, algorithms: &[HashAlgorithm]) -> Result<(), Failure> {
    if let Some(missing) = algorithms.iter().find(|algorithm| !log.banks().any(|bank| bank == **algorithm)) {
        let found: Vec<_> = log.banks().map(|bank| bank.to_string()).collect();
        let (listed, option) = (found.join(", "), found.join(","));
        return Err(Failure::refused(
            Some("q14"),
            format!(
                "the log has no {missing} digests (it has {listed}), but the TPM has that bank active; make one with --banks {option}"
            ),
        ));
    }
    if log.startup_locality().is_some_and(|locality| locality != 0) {
        return Err(Failure::failed(
            "the log starts at another locality than 0, which the simulator does not do",
        ));
    }
    Ok(())
}

/// Extends every event of the log into every active bank.
fn extend_events(tpm: &Tpm, banks: &[Bank], log: &EventLog<'_>) -> Result<usize, Failure> {
    let algorithms = active(banks);
    let mut extended = 0;
    for event in log.events().filter(|event| event.is_extended()) {
        let Some(pcr) = event.pcr() else { continue };
        let digests: Vec<_> =
            event.digests().filter(|digest| algorithms.contains(&digest.algorithm())).collect();
        let digests: Vec<_> =
            digests.iter().map(|digest| (bank_of(digest.algorithm()), digest.as_bytes())).collect();
        tpm.extend_pcr(pcr.get(), &digests)?;
        extended += 1;
    }
    Ok(extended)
}

fn extend_ima(tpm: &Tpm, banks: &[Bank], list: &ImaList<'_>) -> Result<usize, Failure> {
    let algorithms = active(banks);
    let mut extended = 0;
    for entry in list.entries() {
        let entry = entry?;
        let digests: Vec<_> = algorithms
            .iter()
            .map(|algorithm| {
                if entry.is_violation() { Digest::ones(*algorithm) } else { entry.template_hash(*algorithm) }
            })
            .collect();
        let digests: Vec<_> =
            digests.iter().map(|digest| (bank_of(digest.algorithm()), digest.as_bytes())).collect();
        tpm.extend_pcr(entry.pcr().get(), &digests)?;
        extended += 1;
    }
    Ok(extended)
}

fn extend(pcr: u8, text: &str, context: &Context) -> Result<(), Failure> {
    let tpm = Tpm::open(&context.simulator().tcti()?)?;
    let digests: Vec<_> =
        active(tpm.active_banks()).into_iter().map(|algorithm| algorithm.digest(text.as_bytes())).collect();
    let digests: Vec<_> =
        digests.iter().map(|digest| (bank_of(digest.algorithm()), digest.as_bytes())).collect();
    Ok(tpm.extend_pcr(pcr, &digests)?)
}

fn active(banks: &[Bank]) -> Vec<HashAlgorithm> {
    HashAlgorithm::ALL.into_iter().filter(|algorithm| banks.contains(&bank_of(*algorithm))).collect()
}

pub(crate) fn bank_of(algorithm: HashAlgorithm) -> Bank {
    match algorithm {
        HashAlgorithm::Sha1 => Bank::Sha1,
        HashAlgorithm::Sha256 => Bank::Sha256,
        HashAlgorithm::Sha384 => Bank::Sha384,
        HashAlgorithm::Sha512 => Bank::Sha512,
        HashAlgorithm::Sm3 => Bank::Sm3,
        HashAlgorithm::Sha3With256 => Bank::Sha3With256,
        HashAlgorithm::Sha3With384 => Bank::Sha3With384,
        HashAlgorithm::Sha3With512 => Bank::Sha3With512,
    }
}
