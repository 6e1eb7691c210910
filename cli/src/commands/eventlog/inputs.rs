//! The logs of one boot that a command is given: the firmware's, its final events, and those of the operating system.

use std::path::{Path, PathBuf};

use attest::HashAlgorithm;
use attest::cel;
use attest::eventlog::{BootLogs, EventLog, FinalEvents};

use crate::commands::logs::{MAX_EVENT_LOG, malformed_event_log};
use crate::failure::Failure;
use crate::files;

/// Options that name the logs beside the firmware's.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct OtherLogs {
    /// The firmware's final events (EFI_TCG2_FINAL_EVENTS_TABLE), for a log that was read before ExitBootServices
    #[arg(long, value_name = "FILE")]
    final_events: Option<PathBuf>,
    /// A log of the operating system in the canonical form, e.g. /run/log/systemd/tpm2-measure.log; may be repeated
    #[arg(long = "measurements", visible_alias = "systemd-log", value_name = "FILE")]
    measurements: Vec<PathBuf>,
}

impl OtherLogs {
    pub(crate) fn of(measurements: Vec<PathBuf>) -> Self {
        Self { final_events: None, measurements }
    }
}

/// The bytes of all logs, with their places for messages.
pub(crate) struct LogFiles {
    firmware: (PathBuf, Vec<u8>),
    final_events: Option<(PathBuf, Vec<u8>)>,
    measurements: Vec<(PathBuf, Vec<u8>)>,
}

impl LogFiles {
    pub(crate) fn read(firmware: &Path, others: &OtherLogs) -> Result<Self, Failure> {
        let read = |path: &PathBuf, most| Ok((path.clone(), files::read(path, most)?));
        Ok(Self {
            firmware: read(&firmware.to_path_buf(), MAX_EVENT_LOG)?,
            final_events: others.final_events.as_ref().map(|path| read(path, MAX_EVENT_LOG)).transpose()?,
            measurements: others
                .measurements
                .iter()
                .map(|path| read(path, cel::MAX_LOG))
                .collect::<Result<_, Failure>>()?,
        })
    }

    /// The firmware's log alone.
    pub(crate) fn firmware(&self) -> Result<EventLog<'_>, Failure> {
        let (path, bytes) = &self.firmware;
        EventLog::parse(bytes).map_err(|error| malformed_event_log(path, &error))
    }

    /// Parses all of them.
    pub(crate) fn logs(&self) -> Result<BootLogs<'_>, Failure> {
        let refused = |path: &Path, threat, error: &dyn std::error::Error| {
            Failure::refused(Some(threat), format!("{}: {error}", path.display()))
        };
        let firmware = self.firmware()?;
        let mut logs = BootLogs::new(Some(firmware));
        if let Some((path, bytes)) = &self.final_events {
            let last = FinalEvents::parse(&firmware, bytes)
                .map_err(|error| refused(path, error.threat(), &error))?;
            logs = logs.with_final_events(last);
        }
        for (path, bytes) in &self.measurements {
            let log = cel::Log::parse(bytes).map_err(|error| refused(path, error.threat(), &error))?;
            logs = logs.with_measurements(log);
        }
        Ok(logs)
    }
}

/// The bank to read by: the one asked for, else SHA-256 where a log has it, else the strongest.
pub(crate) fn bank(asked: Option<&str>, banks: &[HashAlgorithm]) -> Result<HashAlgorithm, Failure> {
    if let Some(name) = asked {
        let names = || banks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return HashAlgorithm::from_name(name).filter(|bank| banks.contains(bank)).ok_or_else(|| {
            Failure::usage(format!("bank {name}: the logs have no digests of it, but of {}", names()))
        });
    }
    let usual = banks.iter().find(|bank| **bank == HashAlgorithm::Sha256).or_else(|| banks.last());
    Ok(usual.copied().unwrap_or(HashAlgorithm::Sha256))
}
