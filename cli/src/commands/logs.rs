//! Where the logs of this boot are: the kernel's, or those of the simulator's recorded boot.

use std::path::{Path, PathBuf};

use attest::eventlog::{EventLog, EventLogError};
use attest::evidence::{MAX_MEASUREMENT_LOG, MAX_MEASUREMENT_LOGS, MeasurementKind};
use attest::ima::{ImaError, ImaList};

use crate::context::Context;
use crate::failure::Failure;
use crate::files;

/// Largest event log that is read, in bytes.
pub(crate) const MAX_EVENT_LOG: usize = attest::evidence::MAX_EVENT_LOG;
/// Largest IMA list that is read, in bytes.
pub(crate) const MAX_IMA_LIST: usize = attest::evidence::MAX_IMA_LIST;

const KERNEL_EVENT_LOG: &str = "/sys/kernel/security/tpm0/binary_bios_measurements";
const KERNEL_IMA_LIST: &str = "/sys/kernel/security/ima/binary_runtime_measurements";

/// What systemd has measured since the firmware handed over (systemd-pcrextend, systemd 255 and later).
const SYSTEMD_LOG: &str = "/run/log/systemd/tpm2-measure.log";

/// Options that name the firmware's log and IMA's.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct BootLogArgs {
    /// Event log [default: the kernel's, or that of `hallmark sim boot`]
    #[arg(long, value_name = "FILE")]
    pub(crate) eventlog: Option<PathBuf>,
    /// IMA list [default: the kernel's, or that of `hallmark sim boot`]
    #[arg(long, value_name = "FILE")]
    pub(crate) ima: Option<PathBuf>,
}

/// Options that name all logs.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct LogArgs {
    #[command(flatten)]
    boot: BootLogArgs,
    /// Log of what user space measured, in the order of extending; KIND is systemd, cel-json, cel-cbor or cel-tlv
    /// [default: systemd's, where there is one]
    #[arg(long, value_name = "KIND:FILE", value_parser = parse_measurement_log)]
    measurement_log: Vec<(MeasurementKind, PathBuf)>,
}

fn parse_measurement_log(text: &str) -> Result<(MeasurementKind, PathBuf), String> {
    let (kind, path) = text.split_once(':').ok_or("expected KIND:FILE, e.g. systemd:tpm2-measure.log")?;
    let kind = MeasurementKind::from_name(kind).ok_or_else(|| {
        format!("{kind:?} is no kind of log, expected systemd, cel-json, cel-cbor or cel-tlv")
    })?;
    Ok((kind, PathBuf::from(path)))
}

/// The logs of this boot.
#[derive(Debug)]
pub(crate) struct Logs {
    pub(crate) event_log: Option<Vec<u8>>,
    pub(crate) ima_list: Option<Vec<u8>>,
    /// Logs of user space, in the order of extending.
    pub(crate) measurement_logs: Vec<(MeasurementKind, Vec<u8>)>,
    /// What is odd about them. They are sent all the same: the verifier judges.
    pub(crate) remarks: Vec<String>,
}

impl BootLogArgs {
    /// Paths of the event log and the IMA list, whether they exist or not.
    pub(crate) fn paths(&self, context: &Context) -> (PathBuf, PathBuf) {
        let (event_log, ima_list) = if context.uses_own_simulator() {
            let simulator = context.simulator();
            (simulator.event_log(), simulator.ima_list())
        } else {
            (PathBuf::from(KERNEL_EVENT_LOG), PathBuf::from(KERNEL_IMA_LIST))
        };
        (self.eventlog.clone().unwrap_or(event_log), self.ima.clone().unwrap_or(ima_list))
    }

    /// The files that were named.
    fn named(&self) -> impl Iterator<Item = &Path> {
        self.eventlog.iter().chain(&self.ima).map(PathBuf::as_path)
    }

    /// A file that was named must be there.
    pub(crate) fn check_named(&self) -> Result<(), Failure> {
        self.named().try_for_each(|path| files::open(path).map(|_| ()))
    }
}

impl LogArgs {
    /// The files that were named.
    pub(crate) fn named(&self) -> impl Iterator<Item = &Path> {
        self.boot.named().chain(self.measurement_log.iter().map(|(_, path)| path.as_path()))
    }

    /// Reads the logs. One that was named must exist; one in its usual place may be missing.
    pub(crate) fn read(&self, context: &Context) -> Result<Logs, Failure> {
        let (event_log_path, ima_path) = self.boot.paths(context);
        let event_log = read_optional(&event_log_path, self.boot.eventlog.is_some(), MAX_EVENT_LOG)?;
        let ima_list = read_optional(&ima_path, self.boot.ima.is_some(), MAX_IMA_LIST)?;
        let measurement_logs = self.read_measurement_logs(context)?;
        let remarks = [
            event_log.as_deref().and_then(|bytes| remark_on_event_log(&event_log_path, bytes)),
            ima_list.as_deref().and_then(|bytes| remark_on_ima_list(&ima_path, bytes)),
        ];
        let measured = measurement_logs.iter().filter_map(|(kind, bytes)| {
            let error = attest::cel::Log::parse(bytes).err()?;
            Some(format!("the measurement log ({}) is sent, and can't be read: {error}", kind.name()))
        });
        // An empty log file is what some clouds have in the place of a log.
        let there = |bytes: Option<Vec<u8>>| bytes.filter(|bytes| !bytes.is_empty());
        Ok(Logs {
            remarks: remarks.into_iter().flatten().chain(measured).collect(),
            event_log: there(event_log),
            ima_list: there(ima_list),
            measurement_logs,
        })
    }

    fn read_measurement_logs(&self, context: &Context) -> Result<Vec<(MeasurementKind, Vec<u8>)>, Failure> {
        if self.measurement_log.len() > MAX_MEASUREMENT_LOGS {
            return Err(Failure::usage(format!(
                "--measurement-log: {} logs, expected at most {MAX_MEASUREMENT_LOGS}",
                self.measurement_log.len()
            )));
        }
        if self.measurement_log.is_empty() {
            // This machine's log says nothing about a simulated TPM.
            if context.uses_own_simulator() {
                return Ok(Vec::new());
            }
            let log = read_optional(Path::new(SYSTEMD_LOG), false, MAX_MEASUREMENT_LOG)?;
            return Ok(log.map(|log| (MeasurementKind::Systemd, log)).into_iter().collect());
        }
        self.measurement_log
            .iter()
            .map(|(kind, path)| Ok((*kind, files::read(path, MAX_MEASUREMENT_LOG)?)))
            .collect()
    }
}

/// An event log that can't be read: where, and what that usually comes from.
pub(crate) fn malformed_event_log(path: &Path, error: &EventLogError) -> Failure {
    let hint = match error {
        EventLogError::Cut { index: 0, .. } | EventLogError::NoSuchPcr { index: 0, .. } => {
            "; is this an event log in the firmware's binary form?"
        }
        EventLogError::Cut { .. } => "; if it was cut off, read it again",
        _ => "",
    };
    Failure::refused(Some(error.threat()), format!("{}: {error}{hint}", path.display()))
}

/// The same for an IMA list.
pub(crate) fn malformed_ima_list(path: &Path, error: &ImaError) -> Failure {
    let hint = match error {
        ImaError::Entry { entry: 1, .. } => "; is this an IMA list, binary or ascii?",
        _ => "",
    };
    Failure::refused(Some(error.threat()), format!("{}: {error}{hint}", path.display()))
}

/// What is told of a name that is no bank's.
pub(crate) fn no_bank(name: &str) -> String {
    format!("{name:?} is no bank, expected sha1, sha256, sha384, sha512, sm3, sha3-256, sha3-384 or sha3-512")
}

fn read_optional(path: &Path, named: bool, most: usize) -> Result<Option<Vec<u8>>, Failure> {
    if !named && !files::is_there(path)? {
        return Ok(None);
    }
    files::read(path, most).map(Some)
}

/// One walk over the log, some microseconds: what can't be read here can't be read by the verifier either.
fn remark_on_event_log(path: &Path, bytes: &[u8]) -> Option<String> {
    let path = path.display();
    match EventLog::parse(bytes) {
        _ if bytes.is_empty() => Some(format!(
            "{path} is empty, as some clouds hand it out: no event log is sent, and no PCR is explained"
        )),
        Ok(_) => None,
        Err(error) => Some(format!("{path} is sent, and can't be read as an event log: {error}")),
    }
}

/// Looks at the first entry only: a list may be large.
fn remark_on_ima_list(path: &Path, bytes: &[u8]) -> Option<String> {
    let error = ImaList::new(bytes).entries().next()?.err()?;
    Some(format!("{} is sent, and can't be read as an IMA list: {error}", path.display()))
}
