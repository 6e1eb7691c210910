//! `hallmark eventlog explain`: how a PCR came to its value.

use std::io;
use std::path::{Path, PathBuf};

use attest::eventlog::{Explanation, explain};
use attest::{Digest, PcrIndex};
use schemars::JsonSchema;
use serde::Serialize;

use super::inputs::{LogFiles, Note, OtherLogs, bank};
use crate::failure::{Exit, Failure};
use crate::output::{BAD, BOLD, DIM, GOOD, Page, Report};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The log, in the firmware's binary form; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The PCR, 0 to 23
    #[arg(long, value_name = "INDEX", value_parser = clap::value_parser!(u32).range(0..=23))]
    pcr: u32,
    /// The bank [default: sha256 where the log has it]
    #[arg(long, value_name = "BANK")]
    bank: Option<String>,
    #[command(flatten)]
    others: OtherLogs,
    /// The value that the TPM has, in hex: tells why the log does not lead there
    #[arg(long, value_name = "HEX")]
    quoted: Option<String>,
}

/// How a PCR came to its value, by what its logs say.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ExplainReport {
    /// The PCR, its start value, the events with the value after each, and a diagnosis. Nothing is verified.
    #[serde(flatten)]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    explanation: Explanation,
}

pub(crate) fn run(args: &Args, note: Note<'_>) -> Result<ExplainReport, Failure> {
    let asked = (args.bank.as_deref(), args.quoted.as_deref());
    report(&args.file, &args.others, args.pcr, asked, note)
}

/// `asked` is the bank and the quoted value.
pub(crate) fn report(
    file: &Path,
    others: &OtherLogs,
    pcr: u32,
    (asked, quoted): (Option<&str>, Option<&str>),
    note: Note<'_>,
) -> Result<ExplainReport, Failure> {
    let pcr = PcrIndex::new(pcr)
        .ok_or_else(|| Failure::usage(format!("PCR {pcr} does not exist, expected 0 to 23")))?;
    let files = LogFiles::read(file, others, note)?;
    let logs = files.logs()?;
    let bank = bank(asked, &logs.banks())?;
    let quoted = quoted
        .map(|text| {
            Digest::from_hex(bank, text).ok_or_else(|| {
                let digits = bank.len().saturating_mul(2);
                Failure::usage(format!(
                    "--quoted {text}: expected {digits} hexadecimal digits, for bank {bank}"
                ))
            })
        })
        .transpose()?;
    Ok(ExplainReport { explanation: explain(&logs, bank, pcr, quoted) })
}

impl Report for ExplainReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        let Explanation { pcr, start, start_reason, steps, value, .. } = &self.explanation;
        let bank = start.algorithm();
        page.styled(
            BOLD,
            format_args!("PCR {pcr} ({bank}): {} events; not verified against any quote", steps.len()),
        )?;
        page.line(format_args!("start  {}  {start_reason}", start.to_hex()))?;
        for step in steps {
            page.line(format_args!("#{:<4} {}  [{}; {}]", step.event, step.says, step.binding, step.source))?;
            page.styled(DIM, format_args!("       extend {}", step.digest.to_hex()))?;
            page.line(format_args!("     = {}", step.value.to_hex()))?;
        }
        page.line(format_args!("end    {}", value.to_hex()))?;
        self.compare(page)
    }

    fn exit(&self) -> Exit {
        if self.explanation.diagnosis.is_some() { Exit::Refused } else { Exit::Done }
    }

    fn complaint(&self) -> Option<Failure> {
        let Explanation { pcr, diagnosis, .. } = &self.explanation;
        let what = format!("PCR {pcr}: the log does not lead to the quoted value: {}", diagnosis.as_ref()?);
        Some(Failure::refused(Some("e01"), what))
    }
}

impl ExplainReport {
    fn compare(&self, page: &mut Page<'_>) -> io::Result<()> {
        let Explanation { quoted, diagnosis, steps, .. } = &self.explanation;
        let Some(quoted) = quoted else { return Ok(()) };
        page.line(format_args!("quoted {}", quoted.to_hex()))?;
        match (diagnosis, self.explanation.reached_after) {
            (Some(diagnosis), _) => page.styled(BAD, format_args!("differs: {diagnosis}")),
            (None, Some(reached)) if usize::try_from(reached).is_ok_and(|reached| reached < steps.len()) => {
                page.styled(
                    GOOD,
                    format_args!("matches after {reached} events; the rest was measured after the quote"),
                )
            }
            (None, _) => page.styled(GOOD, "matches"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tpm-sim-tests/vectors").join(name)
    }

    fn quoted(name: &str, pcr: u32) -> String {
        let pcrs = std::fs::read_to_string(vector(name).join("pcrs.txt")).unwrap();
        let line = pcrs.lines().find_map(|line| line.strip_prefix(&format!("sha256 {pcr} ")));
        line.unwrap().to_lowercase()
    }

    fn explained(log: &str, truth: &str, pcr: u32) -> ExplainReport {
        let file = vector(log).join("eventlog.bin");
        let asked = (None, Some(&*quoted(truth, pcr)));
        report(&file, &OtherLogs::default(), pcr, asked, &|_| ()).unwrap()
    }

    fn said(log: &str, truth: &str, pcr: u32) -> serde_json::Value {
        let found = explained(log, truth, pcr);
        serde_json::to_value(&found).unwrap()
    }

    #[test]
    fn a_recorded_boot_explains_its_own_values() {
        for pcr in 0..8 {
            let said = said("q35-secureboot-uki", "q35-secureboot-uki", pcr);
            assert_eq!((&said["diagnosis"], &said["value"]), (&serde_json::Value::Null, &said["quoted"]));
        }
    }

    #[test]
    fn e01_the_value_of_another_boot_is_diagnosed() {
        let said = said("q35-sha256", "q35-cmdline", 9);
        assert_eq!(said["diagnosis"]["cause"], "unknown");
        assert_eq!(said["steps"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn e01_a_log_that_does_not_lead_to_the_quoted_value_is_refused() {
        let differs = explained("q35-sha256", "q35-cmdline", 9);
        let complaint = differs.complaint().unwrap();
        assert_eq!(
            (differs.exit(), complaint.exit, complaint.threat),
            (Exit::Refused, Exit::Refused, Some("e01"))
        );
        assert!(complaint.message.starts_with("PCR 9: the log does not lead to the quoted value: "));
        let matches = explained("q35-sha256", "q35-sha256", 9);
        assert!(matches.exit() == Exit::Done && matches.complaint().is_none());
    }

    #[test]
    fn values_and_banks_that_can_not_be_are_wrong_usage() {
        let file = vector("q35-sha256").join("eventlog.bin");
        let none = OtherLogs::default();
        let exit = |bank, quoted| report(&file, &none, 7, (bank, quoted), &|_| ()).unwrap_err().exit;
        assert_eq!(exit(Some("sha384"), None), crate::failure::Exit::Usage);
        assert_eq!(exit(None, Some("abcd")), crate::failure::Exit::Usage);
    }
}
