//! Recording reference values from a golden device: a device that an operator has declared to be good.

use std::collections::BTreeMap;

use jiff::Timestamp;
use thiserror::Error;

use super::expectation::Steps;
use super::{ReferenceEvent, ReferenceValues, path_text};
use crate::cel;
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::{BootLogs, Counts, MeasuredBoot, PcrVerdict, Role, describe, measured_logs};
use crate::ima::{ImaError, ImaList, ImaOptions, measure};
use crate::pcr::PcrIndex;
use crate::quote::SignedQuote;

/// What an operator says of a release and its golden device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Golden {
    /// The product.
    pub product: String,
    /// The release that it runs.
    pub release: String,
    /// When the values are recorded.
    pub issued: Timestamp,
    /// From when on they count.
    pub starts: Option<Timestamp>,
    /// When they end.
    pub expires: Option<Timestamp>,
    /// The bank to record.
    pub bank: HashAlgorithm,
}

/// Why nothing could be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordError {
    /// The quote has no PCR of the bank.
    #[error("the quote has no PCR of bank {bank}")]
    Bank {
        /// The bank.
        bank: HashAlgorithm,
    },
    /// The IMA list is malformed, or does not belong to the quote.
    #[error(transparent)]
    Ima(#[from] ImaError),
    /// A PCR of the golden device is not what its own log says: such a device is not golden.
    #[error(
        "PCR {pcr} ({bank}) is {quoted}, but its log leads to {replayed}; record from a device whose log is whole, or leave the PCR out by name"
    )]
    Differs {
        /// The bank.
        bank: HashAlgorithm,
        /// The PCR.
        pcr: PcrIndex,
        /// Its value.
        quoted: String,
        /// The log's value.
        replayed: String,
    },
}

/// Records what `quote` and the logs that belong to it show. PCRs that nothing explains are left out: a policy that
/// judges one of them then finds no reference value, and refuses.
///
/// `leave_out` are PCRs of which nothing is recorded whatever their logs lead to: for machines whose firmware logs one wrongly. A
/// policy judges devices without a value for such a PCR only where it tolerates it by name (`quote.tolerate`).
///
/// # Errors
/// [`RecordError`] when the logs do not belong to the quote.
pub fn record(
    golden: Golden,
    quote: &SignedQuote,
    logs: Option<BootLogs<'_>>,
    ima_list: Option<&[u8]>,
    leave_out: &[PcrIndex],
) -> Result<ReferenceValues, RecordError> {
    let bank = golden.bank;
    if !quote.values().any(|(_, value)| value.algorithm() == bank) {
        return Err(RecordError::Bank { bank });
    }
    let boot = logs.map(|logs| measured_logs(logs, |bank, pcr| quote.value(bank, pcr).copied()));
    let BootValues { pcrs, by_events, events } =
        boot.as_ref().map_or_else(|| Ok(Default::default()), |boot| boot_values(boot, bank, leave_out))?;
    let files = ima_list
        .map_or_else(|| Ok(BTreeMap::new()), |list| file_digests(list, quote, boot.as_ref(), bank))?;
    Ok(ReferenceValues {
        version: 2,
        product: golden.product,
        release: golden.release,
        issued: golden.issued,
        starts: golden.starts,
        expires: golden.expires,
        bank,
        pcrs,
        by_events,
        events,
        files,
        file_sets: Vec::new(),
    })
}

#[derive(Debug, Default)]
struct BootValues {
    pcrs: BTreeMap<PcrIndex, Digest>,
    by_events: Vec<PcrIndex>,
    events: Vec<ReferenceEvent>,
}

fn boot_values(
    boot: &MeasuredBoot<'_>,
    bank: HashAlgorithm,
    leave_out: &[PcrIndex],
) -> Result<BootValues, RecordError> {
    let mut values = BootValues::default();
    let recorded = |pcr: PcrIndex| pcr != PcrIndex::IMA && !leave_out.contains(&pcr);
    for (_, pcr, verdict) in boot.verdicts().filter(|(b, pcr, _)| *b == bank && recorded(*pcr)) {
        let events = events_of(boot, bank, pcr);
        match verdict {
            PcrVerdict::Matches { logs, .. } if goes_on(bank, pcr, logs, &events) => {
                values.by_events.push(pcr);
            }
            PcrVerdict::Matches { value, .. } | PcrVerdict::Untouched { value } => {
                values.pcrs.insert(pcr, *value);
            }
            PcrVerdict::Differs { quoted, replayed, .. } => {
                let (quoted, replayed) = (quoted.to_hex(), replayed.to_hex());
                return Err(RecordError::Differs { bank, pcr, quoted, replayed });
            }
            PcrVerdict::Unexplained { .. } => {}
        }
        values.events.extend(events);
    }
    Ok(values)
}

/// Whether a PCR is judged by its events: one that the operating system extends too, and PCR 11, into which systemd measures the
/// phases of the boot. Its value is another in each phase, while what was booted is the same. The steps, which stand aside then,
/// must not be all that it has: otherwise every device would match, and its value is recorded.
fn goes_on(bank: HashAlgorithm, pcr: PcrIndex, logs: &Counts, events: &[ReferenceEvent]) -> bool {
    let steps = Steps::of(bank, pcr);
    (logs.measurements > 0 || pcr == PcrIndex::KERNEL_BOOT)
        && events.iter().any(|event| !steps.contains(&event.digest))
}

/// What a PCR is made of, by all logs; nothing when they do not explain it.
fn events_of(boot: &MeasuredBoot<'_>, bank: HashAlgorithm, pcr: PcrIndex) -> Vec<ReferenceEvent> {
    let firmware = boot.events_of(bank, pcr).into_iter().flatten().map(|measured| ReferenceEvent {
        pcr,
        kind: measured.event().event_type().to_string(),
        digest: *measured.digest(),
        description: describe(measured.event()),
        role: Some(Role::of(measured.event()).to_string()),
    });
    let system = boot.records_of(bank, pcr).into_iter().flatten().map(|measured| ReferenceEvent {
        pcr,
        kind: measured.record().content().kind().to_owned(),
        digest: *measured.digest(),
        description: cel::describe(measured.record()),
        role: Some(Role::of_record(measured.record()).to_string()),
    });
    firmware.chain(system).collect()
}

fn file_digests(
    list: &[u8],
    quote: &SignedQuote,
    boot: Option<&MeasuredBoot<'_>>,
    bank: HashAlgorithm,
) -> Result<BTreeMap<String, Vec<String>>, RecordError> {
    let quoted = |bank, pcr| {
        let taken_over = boot.and_then(|boot| boot.value_when_taken_over(bank, pcr));
        taken_over.or_else(|| quote.value(bank, pcr).copied())
    };
    let measured = measure(&ImaList::new(list), &ImaOptions::new(bank), quoted)?;
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in measured.files() {
        let digests = files.entry(path_text(entry.path())).or_default();
        let digest = entry.file_digest().to_string();
        if !digests.contains(&digest) {
            digests.push(digest);
        }
    }
    Ok(files)
}
