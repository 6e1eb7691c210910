//! The logs of one boot that a command is given: the firmware's, its final events, and those of the operating system.

use std::path::{Path, PathBuf};

use attest::HashAlgorithm;
use attest::cel;
use attest::eventlog::{BootLogs, EventLog, FinalEvents};

use crate::commands::logs::{MAX_EVENT_LOG, malformed_event_log, no_bank};
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

    /// All files, with that of the firmware's log.
    pub(super) fn paths_with<'p>(&'p self, firmware: &'p Path) -> impl Iterator<Item = &'p Path> {
        let others = self.final_events.iter().chain(&self.measurements);
        std::iter::once(firmware).chain(others.map(PathBuf::as_path))
    }
}

/// Where what a reader should know of a log is told.
pub(crate) type Note<'a> = &'a dyn Fn(String);

/// The bytes of all logs, with their places for messages.
pub(crate) struct LogFiles {
    firmware: (PathBuf, Vec<u8>),
    final_events: Option<(PathBuf, Vec<u8>)>,
    measurements: Vec<(PathBuf, Vec<u8>)>,
}

impl LogFiles {
    pub(crate) fn read(firmware: &Path, others: &OtherLogs, note: Note<'_>) -> Result<Self, Failure> {
        standard_input_once(others.paths_with(firmware))?;
        let read = |path: &PathBuf, most| Ok((path.clone(), files::read(path, most)?));
        let files = Self {
            firmware: read(&firmware.to_path_buf(), MAX_EVENT_LOG)?,
            final_events: others.final_events.as_ref().map(|path| read(path, MAX_EVENT_LOG)).transpose()?,
            measurements: others
                .measurements
                .iter()
                .map(|path| read(path, cel::MAX_LOG))
                .collect::<Result<_, Failure>>()?,
        };
        // systemd makes its log before it measures, so that an empty one is no fault.
        for (path, _) in files.measurements.iter().filter(|(_, bytes)| bytes.is_empty()) {
            note(format!("{}: the log is empty, and explains nothing", path.display()));
        }
        Ok(files)
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

/// Standard input can be read once: a second log would be what is left of it, which is nothing.
pub(super) fn standard_input_once<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Result<(), Failure> {
    match paths.into_iter().filter(|path| *path == Path::new("-")).count() {
        0 | 1 => Ok(()),
        _ => Err(Failure::usage(
            "- is named for two logs, and standard input can be read once; name a file for the others",
        )),
    }
}

/// The bank to read by: the one asked for, else SHA-256 where a log has it, else the strongest.
pub(crate) fn bank(asked: Option<&str>, banks: &[HashAlgorithm]) -> Result<HashAlgorithm, Failure> {
    if let Some(name) = asked {
        let names = || banks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let bank = HashAlgorithm::from_name(name)
            .ok_or_else(|| Failure::usage(format!("--bank: {}", no_bank(name))))?;
        return Some(bank).filter(|bank| banks.contains(bank)).ok_or_else(|| {
            Failure::usage(format!("bank {name}: the logs have no digests of it, but of {}", names()))
        });
    }
    let usual = banks.iter().find(|bank| **bank == HashAlgorithm::Sha256).or_else(|| banks.last());
    Ok(usual.copied().unwrap_or(HashAlgorithm::Sha256))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    #[test]
    fn standard_input_is_read_for_one_log() {
        let others = OtherLogs { final_events: Some("-".into()), measurements: vec!["a".into()] };
        assert!(standard_input_once(others.paths_with(Path::new("log"))).is_ok());
        for (firmware, others) in [("-", others), ("a", OtherLogs::of(vec!["-".into(), "-".into()]))] {
            let twice = standard_input_once(others.paths_with(Path::new(firmware))).unwrap_err();
            assert_eq!(twice.exit, Exit::Usage, "{}", twice.message);
        }
    }

    #[test]
    fn what_is_no_bank_and_what_the_log_lacks_are_told_apart() {
        let told = |name| bank(Some(name), &[HashAlgorithm::Sha256]).unwrap_err();
        assert!(told("foo").message.starts_with("--bank: \"foo\" is no bank, expected sha1"));
        assert!(told("sha384").message.contains("the logs have no digests of it, but of sha256"));
        assert_eq!((told("foo").exit, told("sha384").exit), (Exit::Usage, Exit::Usage));
    }

    #[test]
    fn an_empty_log_of_the_operating_system_is_noted() {
        let folder = tempfile::tempdir().unwrap();
        let [firmware, empty] = ["log", "empty"].map(|name| folder.path().join(name));
        std::fs::write(&firmware, "x").unwrap();
        std::fs::write(&empty, "").unwrap();
        let told = std::cell::RefCell::new(Vec::new());
        let note = |text| told.borrow_mut().push(text);
        LogFiles::read(&firmware, &OtherLogs::of(vec![firmware.clone(), empty]), &note).unwrap();
        let told = told.into_inner();
        assert!(
            told.len() == 1 && told[0].ends_with("empty: the log is empty, and explains nothing"),
            "{told:?}"
        );
    }
}
