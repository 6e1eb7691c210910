//! How a PCR came to its value, step by step.

use serde::Serialize;

use super::diagnosis::{Diagnosis, diagnose};
use super::role::Role;
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::EventLog;
use crate::eventlog::launch::DynamicLaunch;
use crate::eventlog::replay::logged::Logged;
use crate::eventlog::replay::logs::{BootLogs, LogSource};
use crate::pcr::PcrIndex;

/// How the logs lead to the value of a PCR in one bank. Nothing here is verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The PCR.
    pub pcr: PcrIndex,
    /// The value before the first event.
    pub start: Digest,
    /// Why it begins there.
    pub start_reason: String,
    /// Its events, in order.
    pub steps: Vec<Step>,
    /// The value after the last.
    pub value: Digest,
    /// The value that the TPM is said to have.
    pub quoted: Option<Digest>,
    /// After how many events the logs are at that value.
    pub reached_after: Option<u32>,
    /// Why they are not, when they are not.
    pub diagnosis: Option<Diagnosis>,
}

/// One event and the value after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The log.
    pub source: LogSource,
    /// The event's number in it, from 0.
    pub event: u32,
    /// What it is about; a claim.
    pub role: Role,
    /// What it says; a claim.
    pub says: String,
    /// Whether the digest covers what it says: `bound`, `bound in part`, `hint`.
    pub binding: &'static str,
    /// The digest that was extended.
    pub digest: Digest,
    /// The value after it.
    pub value: Digest,
}

/// Explains a PCR in `bank`; with `quoted`, the value that a TPM is said to have, also why the logs do not lead there.
///
/// `quoted` of another bank is left out of account.
#[must_use]
pub fn explain(
    logs: &BootLogs<'_>,
    bank: HashAlgorithm,
    pcr: PcrIndex,
    quoted: Option<Digest>,
) -> Explanation {
    let quoted = quoted.filter(|value| value.algorithm() == bank);
    let start = logs.start(bank, pcr);
    let mut value = start;
    let steps: Vec<_> = Logged::all(logs, pcr)
        .iter()
        .filter_map(|item| {
            let digest = item.digest(bank)?;
            value = value.extend(&digest)?;
            let place = item.place();
            let (role, binding) = (item.role(), item.binding(bank));
            let (source, event, says) = (place.source, place.event, place.says);
            Some(Step { source, event, role, says, binding, digest, value })
        })
        .collect();
    let reached = quoted.and_then(|quoted| {
        let values = std::iter::once(&start).chain(steps.iter().map(|step| &step.value));
        values.zip(0_u32..).filter(|(value, _)| **value == quoted).map(|(_, at)| at).last()
    });
    Explanation {
        pcr,
        start,
        start_reason: start_reason(logs, pcr),
        value,
        quoted,
        reached_after: reached,
        diagnosis: quoted.and_then(|quoted| diagnose(logs, pcr, &quoted)),
        steps,
    }
}

fn start_reason(logs: &BootLogs<'_>, pcr: PcrIndex) -> String {
    let launch = logs.firmware().and_then(EventLog::dynamic_launch);
    let locality = logs.firmware().and_then(EventLog::startup_locality);
    match locality.filter(|_| pcr == PcrIndex::FIRMWARE) {
        Some(locality) => format!("zeros and the locality of TPM2_Startup, {locality}, as the log tells"),
        None if pcr.starts_at_ones() && launch.is_some() => {
            let by = launch.map_or("", DynamicLaunch::name);
            format!("zeros, as the dynamic launch ({by}) that the log tells of leaves it")
        }
        None if pcr.starts_at_ones() => "ones, as no dynamic launch has happened at a reset".to_owned(),
        None => "zeros, as at every reset".to_owned(),
    }
}
