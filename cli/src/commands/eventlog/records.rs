//! The records of the operating system's logs, in `hallmark eventlog show`.

use std::io;

use attest::HashAlgorithm;
use attest::cel::{self, Encoding, Record, RecordView, Register};
use attest::eventlog::{BootLogs, LogSource};
use attest::pcr::PcrIndex;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::output::{BOLD, Page};

/// One log of the operating system.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RecordsReport<'a> {
    /// How it is written: `json`, `json-sequence`, `cbor` or `tlv`.
    #[schemars(with = "String")]
    encoding: Encoding,
    /// Its records, in order. Nothing in them is verified, and no quote of PCRs covers those of an NV index.
    #[schemars(with = "Vec<serde_json::Value>")]
    records: Records<'a>,
}

#[derive(Debug)]
struct Records<'a> {
    log: cel::Log<'a>,
    pcr: Option<u8>,
}

impl Records<'_> {
    fn shown(&self) -> impl Iterator<Item = (usize, &Record<'_>)> {
        self.log
            .records()
            .iter()
            .enumerate()
            .filter(|(_, record)| self.pcr.is_none() || record.pcr().map(PcrIndex::get) == self.pcr)
    }
}

impl Serialize for Records<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.shown().map(|(index, record)| RecordView::unverified(index, record)))
    }
}

/// All logs of the operating system; of one PCR only where `pcr` says so.
pub(super) fn reports<'a>(logs: &BootLogs<'a>, pcr: Option<u8>) -> Vec<RecordsReport<'a>> {
    let report = |log: &cel::Log<'a>| RecordsReport {
        encoding: log.encoding(),
        records: Records { log: log.clone(), pcr },
    };
    logs.measurements().iter().map(report).collect()
}

/// Log after log, each with a head.
pub(super) fn lists(
    reports: &[RecordsReport<'_>],
    bank: HashAlgorithm,
    page: &mut Page<'_>,
) -> io::Result<()> {
    for (log, report) in reports.iter().enumerate() {
        page.gap()?;
        let count = report.records.log.records().len();
        page.styled(BOLD, format_args!("{}: {count} records", LogSource::Measurements(log)))?;
        for (index, record) in report.records.shown() {
            page.line(cel::summary_line(index, record, bank))?;
        }
    }
    Ok(())
}

/// The records of a PCR, behind its events.
pub(super) fn of_pcr(
    reports: &[RecordsReport<'_>],
    pcr: PcrIndex,
    bank: HashAlgorithm,
    page: &mut Page<'_>,
) -> io::Result<()> {
    for (log, report) in reports.iter().enumerate() {
        for (index, record) in report.records.shown().filter(|(_, record)| record.pcr() == Some(pcr)) {
            let line = cel::summary_line(index, record, bank);
            page.line(format_args!("{line}  [{}]", LogSource::Measurements(log)))?;
        }
    }
    Ok(())
}

/// Whether a log has something of the PCR.
pub(super) fn has(reports: &[RecordsReport<'_>], pcr: PcrIndex) -> bool {
    reports.iter().any(|report| report.records.shown().any(|(_, record)| record.pcr() == Some(pcr)))
}

/// The NV indexes that serve as PCRs, and why they count for nothing.
pub(super) fn of_nv_indexes(
    reports: &[RecordsReport<'_>],
    bank: HashAlgorithm,
    page: &mut Page<'_>,
) -> io::Result<()> {
    let nv = |record: &Record<'_>| matches!(record.register(), Register::NvIndex(_));
    if !reports.iter().any(|report| report.records.shown().any(|(_, record)| nv(record))) {
        return Ok(());
    }
    page.gap()?;
    page.styled(
        BOLD,
        "NV indexes that serve as PCRs: no quote of PCRs covers them, and nothing is decided by them",
    )?;
    for report in reports {
        for (index, record) in report.records.shown().filter(|(_, record)| nv(record)) {
            page.line(cel::summary_line(index, record, bank))?;
        }
    }
    Ok(())
}
