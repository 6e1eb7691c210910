//! What the commands on reference values show.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use attest::reference::{ReferenceSet, ReferenceValues, Withdrawal};
use schemars::JsonSchema;
use serde::Serialize;

use crate::output::{Mark, Page, Report};

/// Reference values in numbers.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReferenceReport {
    /// The file.
    file: PathBuf,
    /// Whether it is signed; `show` does not verify the signature.
    signed: bool,
    /// The product.
    product: String,
    /// The release.
    release: String,
    /// When they were recorded.
    issued: String,
    /// From when on they count.
    starts: Option<String>,
    /// When they end.
    expires: Option<String>,
    /// The recorded bank.
    bank: String,
    /// PCR values, in hex.
    pcrs: BTreeMap<u8, String>,
    /// PCRs that are judged by their events.
    by_events: Vec<u8>,
    /// Number of events.
    events: usize,
    /// Number of files.
    files: usize,
    /// Digests of the file sets that they name.
    file_sets: Vec<String>,
    /// What could not be done, and why.
    notes: Vec<String>,
}

impl ReferenceReport {
    pub(super) fn new(file: &Path, values: &ReferenceValues, signed: bool) -> Self {
        Self {
            file: file.to_path_buf(),
            signed,
            product: values.product.clone(),
            release: values.release.clone(),
            issued: values.issued.to_string(),
            starts: values.starts.map(|time| time.to_string()),
            expires: values.expires.map(|time| time.to_string()),
            bank: values.bank.to_string(),
            pcrs: values.pcrs.iter().map(|(pcr, value)| (pcr.get(), value.to_hex())).collect(),
            by_events: values.by_events.iter().map(|pcr| pcr.get()).collect(),
            events: values.events.len(),
            files: values.files.len(),
            file_sets: values.file_sets.iter().map(|set| set.digest.to_string()).collect(),
            notes: Vec::new(),
        }
    }

    pub(super) fn with_notes(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.notes.extend(notes);
        self
    }
}

impl Report for ReferenceReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        head(page, "reference values", &self.file, self.signed)?;
        page.row("release", format_args!("{} {}", self.product, self.release))?;
        page.row("issued", &self.issued)?;
        if let Some(starts) = &self.starts {
            page.row("starts", starts)?;
        }
        page.row("expires", self.expires.as_deref().unwrap_or("never"))?;
        page.row(
            "recorded",
            format_args!(
                "{} PCR ({}), {} events, {} files",
                self.pcrs.len(),
                self.bank,
                self.events,
                self.files
            ),
        )?;
        page.row("PCRs", numbers(self.pcrs.keys()))?;
        if !self.by_events.is_empty() {
            page.row("PCRs by their events", numbers(self.by_events.iter()))?;
        }
        for set in &self.file_sets {
            page.row("file set", set)?;
        }
        self.notes.iter().try_for_each(|note| page.mark(Mark::Doubt, "note", note))
    }
}

/// Several releases in one document.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SetReport {
    /// The file.
    file: PathBuf,
    /// Whether it is signed; `show` does not verify the signature.
    signed: bool,
    /// The releases.
    releases: Vec<SetRelease>,
}

/// One release of a set.
#[derive(Debug, Serialize, JsonSchema)]
struct SetRelease {
    /// The product.
    product: String,
    /// The release.
    release: String,
    /// The bank.
    bank: String,
    /// From when on it counts.
    starts: Option<String>,
    /// When it ends.
    expires: Option<String>,
    /// SHA-256 of the document that it came from.
    source: String,
    /// Id of the key that had signed that document, unverified.
    key_id: Option<String>,
}

impl SetReport {
    pub(super) fn new(file: &Path, set: &ReferenceSet, signed: bool) -> Self {
        let releases = set.releases.iter().map(|release| SetRelease {
            product: release.values.product.clone(),
            release: release.values.release.clone(),
            bank: release.values.bank.to_string(),
            starts: release.values.starts.map(|time| time.to_string()),
            expires: release.values.expires.map(|time| time.to_string()),
            source: release.source.digest.to_string(),
            key_id: release.source.key_id.clone(),
        });
        Self { file: file.to_path_buf(), signed, releases: releases.collect() }
    }
}

impl Report for SetReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        head(page, "reference set", &self.file, self.signed)?;
        for release in &self.releases {
            let SetRelease { product, release, bank, expires, source, .. } = release;
            let expires = expires.as_deref().unwrap_or("never");
            page.row("release", format_args!("{product} {release} ({bank}), ends {expires}, from {source}"))?;
        }
        Ok(())
    }
}

/// A release that is taken back.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WithdrawalReport {
    /// The file.
    file: PathBuf,
    /// Whether it is signed; `show` does not verify the signature.
    signed: bool,
    /// The product.
    product: String,
    /// The release.
    release: String,
    /// Since when it is withdrawn.
    at: String,
    /// Why.
    reason: String,
}

impl WithdrawalReport {
    pub(super) fn new(file: &Path, withdrawal: &Withdrawal, signed: bool) -> Self {
        Self {
            file: file.to_path_buf(),
            signed,
            product: withdrawal.product.clone(),
            release: withdrawal.release.clone(),
            at: withdrawal.at.to_string(),
            reason: withdrawal.reason.clone(),
        }
    }
}

impl Report for WithdrawalReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        head(page, "withdrawal", &self.file, self.signed)?;
        page.row("release", format_args!("{} {}", self.product, self.release))?;
        page.row("withdrawn at", &self.at)?;
        page.row("reason", &self.reason)
    }
}

fn head(page: &mut Page<'_>, what: &str, file: &Path, signed: bool) -> io::Result<()> {
    let signed = if signed { "signed" } else { "not signed" };
    page.mark(Mark::Good, what, format_args!("{} ({signed})", file.display()))
}

fn numbers<'n>(pcrs: impl Iterator<Item = &'n u8>) -> String {
    pcrs.map(u8::to_string).collect::<Vec<_>>().join(",")
}
