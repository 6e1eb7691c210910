//! What a machine tells of itself, gathered for `attest::fitness`.

use std::collections::BTreeMap;

use attest::fitness::{Finding, FirmwareVersion, LogAtHand, Platform, assess};
use attest::{Digest, HashAlgorithm, PcrIndex};
use tpm::{Bank, Tpm};

use crate::commands::logs::{BootLogArgs, MAX_EVENT_LOG};
use crate::commands::sim::bank_of;
use crate::context::Context;
use crate::failure::Failure;
use crate::files;
use crate::output::{Mark, Page};

/// Asks the TPM and reads the log, and says what is known against this machine.
///
/// A log that was not named is looked at only where the TPM is this machine's: a factory's script may reach a TPM from
/// elsewhere.
pub(crate) fn findings(tpm: &Tpm, logs: &BootLogArgs, context: &Context) -> Result<Vec<Finding>, Failure> {
    let info = tpm.info()?;
    let pcrs = read_pcrs(tpm, tpm.active_banks())?;
    let (path, ima) = logs.paths(context);
    let here = tpm.tcti().is_local() || context.uses_own_simulator();
    let log = if !here && logs.eventlog.is_none() {
        None
    } else if path.exists() {
        Some(Some(files::read(&path, MAX_EVENT_LOG)?))
    } else {
        Some(None)
    };
    let event_log = match &log {
        None => LogAtHand::NotAsked,
        Some(None) => LogAtHand::Missing,
        Some(Some(bytes)) => LogAtHand::Found(bytes),
    };
    Ok(assess(&Platform {
        manufacturer: &info.manufacturer,
        firmware: FirmwareVersion::new(info.firmware.0, info.firmware.1),
        pcrs: &pcrs,
        event_log,
        has_ima_list: ima.exists(),
    }))
}

fn read_pcrs(tpm: &Tpm, banks: &[Bank]) -> Result<BTreeMap<(HashAlgorithm, PcrIndex), Digest>, Failure> {
    let indices: Vec<_> = PcrIndex::all().collect();
    let selection = |bank: Bank| [(bank, indices.iter().map(|pcr| pcr.get()).collect::<Vec<_>>())];
    let mut pcrs = BTreeMap::new();
    for algorithm in HashAlgorithm::ALL.into_iter().filter(|algorithm| banks.contains(&bank_of(*algorithm))) {
        let values = tpm.read_pcrs(&selection(bank_of(algorithm)))?;
        for (pcr, value) in indices.iter().zip(values) {
            if let Some(digest) = Digest::new(algorithm, &value) {
                pcrs.insert((algorithm, *pcr), digest);
            }
        }
    }
    Ok(pcrs)
}

/// One finding on a page.
pub(crate) fn show(page: &mut Page<'_>, finding: &Finding) -> std::io::Result<()> {
    use attest::fitness::Severity;
    let mark = match finding.severity {
        Severity::Note => Mark::Good,
        Severity::Weak => Mark::Doubt,
        Severity::Unfit => Mark::Bad,
    };
    page.mark(mark, &finding.id, &finding.what)?;
    page.row("", format_args!("→ {}", finding.fix))
}
