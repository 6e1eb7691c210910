//! A record for people and for reports. Nothing here is verified.

use std::collections::BTreeMap;

use serde::Serialize;

use super::content::Content;
use super::record::{Record, RecordBinding, Register, describe};
use crate::digest::HashAlgorithm;
use crate::pcr::PcrIndex;

/// One record for a report: what the log says, and what its digests cover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordView {
    /// Its place in the log, from 0.
    index: usize,
    offset: usize,
    /// The PCR; none for a record of an NV index.
    pcr: Option<PcrIndex>,
    /// The NV index that serves as a PCR ("NvPCR"): no quote of PCRs covers it, and nothing is decided by it.
    nv_index: Option<u32>,
    /// The name that systemd has for the NV index; nothing measures it.
    nv_index_name: Option<String>,
    content_type: String,
    digests: BTreeMap<HashAlgorithm, String>,
    description: String,
    bindings: BTreeMap<HashAlgorithm, RecordBinding>,
}

impl RecordView {
    /// A record of a log that no quote was held against.
    #[must_use]
    pub fn unverified(index: usize, record: &Record<'_>) -> Self {
        let of = |digest: &crate::Digest| (digest.algorithm(), record.binding(digest.algorithm()));
        Self {
            index,
            offset: record.offset(),
            pcr: record.pcr(),
            nv_index: match record.register() {
                Register::Pcr(_) => None,
                Register::NvIndex(nv_index) => Some(nv_index),
            },
            nv_index_name: nv_index_name(record),
            content_type: crate::eventlog::escaped(record.content().kind().chars()),
            digests: record.digests().iter().map(|digest| (digest.algorithm(), digest.to_hex())).collect(),
            description: describe(record),
            bindings: record.digests().iter().map(of).collect(),
        }
    }
}

/// The name that a record gives its NV index, in printable characters.
fn nv_index_name(record: &Record<'_>) -> Option<String> {
    match record.content() {
        Content::Systemd(systemd) => {
            systemd.nv_index_name.as_deref().map(|name| crate::eventlog::escaped(name.chars()))
        }
        _ => None,
    }
}

/// What a register is called: `PCR 11`, `NV index 0x01D10200 (hardware)`.
#[must_use]
pub fn register_name(record: &Record<'_>) -> String {
    match (record.register(), nv_index_name(record)) {
        (Register::Pcr(pcr), _) => format!("PCR {pcr}"),
        (Register::NvIndex(index), Some(name)) => format!("NV index 0x{index:08X} ({name})"),
        (Register::NvIndex(index), None) => format!("NV index 0x{index:08X}"),
    }
}

/// One line for a record, as [`summary_line`](crate::eventlog::summary_line) has for an event.
#[must_use]
pub fn summary_line(index: usize, record: &Record<'_>, bank: HashAlgorithm) -> String {
    let digest = match record.digest(bank) {
        _ if !record.is_extended() => String::new(),
        Some(digest) => format!("  {bank}:{}…", digest.to_hex().get(..12).unwrap_or_default()),
        None => format!("  no {bank}"),
    };
    let binding = match (record.binding(bank), record.register()) {
        (_, Register::NvIndex(_)) => "not covered by a quote of PCRs",
        (RecordBinding::Bound, _) => "bound",
        (RecordBinding::Hint, _) if !record.is_extended() => "not extended",
        (RecordBinding::Hint, _) => "hint",
    };
    let register = register_name(record);
    format!("#{index:<3} {register:<6}  {}{digest}  {binding}", describe(record))
}
