//! `hallmark eventlog diff`: what changed between two boots.

use std::io;
use std::path::{Path, PathBuf};

use attest::eventlog::{BootDiff, ChangedEvent, diff};
use schemars::JsonSchema;
use serde::Serialize;

use super::inputs::{LogFiles, Note, OtherLogs, bank, standard_input_once};
use crate::failure::Failure;
use crate::output::{BOLD, Page, Report};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The log of the earlier boot
    #[arg(value_name = "BEFORE")]
    before: PathBuf,
    /// The log of the later boot
    #[arg(value_name = "AFTER")]
    after: PathBuf,
    /// The earlier boot's log of the operating system (systemd's tpm2-measure.log); may be repeated
    #[arg(long, value_name = "FILE")]
    before_measurements: Vec<PathBuf>,
    /// The later boot's log of the operating system; may be repeated
    #[arg(long, value_name = "FILE")]
    after_measurements: Vec<PathBuf>,
    /// The bank [default: sha256 where both logs have it]
    #[arg(long, value_name = "BANK")]
    bank: Option<String>,
}

/// What changed between two boots, by what their logs say.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DiffReport {
    /// The changes by what they are about, the PCRs whose values changed, and how much is the same.
    #[serde(flatten)]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    diff: BootDiff,
}

pub(crate) fn run(args: &Args, note: Note<'_>) -> Result<DiffReport, Failure> {
    let others = |files: &[PathBuf]| OtherLogs::of(files.to_vec());
    report(
        (&args.before, &others(&args.before_measurements)),
        (&args.after, &others(&args.after_measurements)),
        args.bank.as_deref(),
        note,
    )
}

pub(crate) fn report(
    before: (&Path, &OtherLogs),
    after: (&Path, &OtherLogs),
    asked: Option<&str>,
    note: Note<'_>,
) -> Result<DiffReport, Failure> {
    standard_input_once([before, after].into_iter().flat_map(|(log, others)| others.paths_with(log)))?;
    let read = |(log, others): (&Path, &OtherLogs)| LogFiles::read(log, others, note);
    let (before, after) = (read(before)?, read(after)?);
    let (before, after) = (before.logs()?, after.logs()?);
    let known = after.banks();
    let both: Vec<_> = before.banks().into_iter().filter(|bank| known.contains(bank)).collect();
    if both.is_empty() {
        return Err(Failure::failed("the two logs have no bank in common: record both with the same banks"));
    }
    Ok(DiffReport { diff: diff(&before, &after, bank(asked, &both)?) })
}

impl Report for DiffReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        let BootDiff { changes, pcrs, common_events } = &self.diff;
        if changes.is_empty() {
            return page.styled(BOLD, format_args!("no difference in {common_events} events"));
        }
        for change in changes {
            let pcrs: Vec<_> = change.pcrs.iter().map(ToString::to_string).collect();
            for what in &change.what {
                page.styled(BOLD, format_args!("{what}  (PCR {})", pcrs.join(", ")))?;
            }
            for (mark, events) in [('-', &change.before), ('+', &change.after)] {
                events.iter().try_for_each(|event| line(page, mark, event))?;
            }
        }
        let pcrs: Vec<_> = pcrs.iter().map(|changed| changed.pcr.to_string()).collect();
        page.line(format_args!(
            "PCR values that differ: {}; {common_events} events are the same",
            pcrs.join(", ")
        ))
    }
}

fn line(page: &mut Page<'_>, mark: char, event: &ChangedEvent) -> io::Result<()> {
    let ChangedEvent { pcr, source, event: number, says, digest } = event;
    let digest = digest.to_hex();
    let head = digest.get(..12).unwrap_or_default();
    page.line(format_args!("  {mark} #{number} PCR {pcr} {says}  {head}…  [{source}]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(before: &str, after: &str) -> Vec<String> {
        let log = |name: &str| {
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../tpm-sim-tests/vectors")
                .join(name)
                .join("eventlog.bin")
        };
        let none = OtherLogs::default();
        let told = report((&log(before), &none), (&log(after), &none), None, &|_| ()).unwrap();
        told.diff.changes.into_iter().flat_map(|change| change.what).collect()
    }

    #[test]
    fn recorded_boots_differ_in_words() {
        assert_eq!(changes("q35-sha256", "q35-cmdline"), ["command line changed"]);
        assert_eq!(changes("q35-sha256", "q35-multibank"), Vec::<String>::new());
        let told = changes("q35-sha256", "q35-secureboot-uki");
        assert!(told.contains(&"secure boot: off -> on".to_owned()), "{told:?}");
        assert!(told.contains(&"db has 1 more entry (1 in all)".to_owned()), "{told:?}");
    }
}
