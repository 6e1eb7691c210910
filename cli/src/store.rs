//! Stored evidence: what `hallmark appraise --store` keeps, so that another policy can be tried on it.
//!
//! One folder for each device, in it two files for each appraisal: the evidence, and a record of how it was judged. The record is
//! written last, so that one that is there has its evidence beside it.

use std::fs;
use std::path::{Path, PathBuf};

use attest::HashAlgorithm;
use attest::appraisal::{Appraisal, Verdict};
use attest::challenge::Nonce;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::files::{self, Privacy};

/// The form of the records. The first had neither `device` nor `evidence_digest`.
const VERSION: u32 = 2;
/// Appraisals that are kept of a device; the oldest go first.
const KEPT: usize = 100;
/// Most records that are read from one store.
const MAX_RECORDS: usize = 1_000_000;
/// Largest record, in bytes.
const MAX_RECORD: usize = 4 * 1024 * 1024;
/// Most of it that reasons take, in bytes: what is kept can be read (threat v03).
const MAX_REASONS: usize = 1024 * 1024;
/// Folder of evidence whose device was not established.
const UNKNOWN: &str = "unknown-device";

/// How evidence was judged.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    version: u32,
    /// The device's folder; from version 2 on.
    #[serde(default)]
    device: String,
    /// SHA-256 of the evidence, as `sha256:HEX`; from version 2 on. It tells damage; whoever may write here can change both.
    #[serde(default)]
    evidence_digest: String,
    /// The nonce, in hex.
    pub(crate) nonce: String,
    /// When the nonce was given out.
    pub(crate) issued: Timestamp,
    /// When the evidence was judged.
    pub(crate) judged: Timestamp,
    /// `trusted`, `refused` or `cannot-tell`.
    pub(crate) verdict: String,
    /// The reasons, each on one line.
    pub(crate) reasons: Vec<String>,
    /// Digest of the policy that it was judged by.
    pub(crate) policy_digest: String,
}

/// A record with its place.
#[derive(Debug)]
pub(crate) struct Stored {
    /// The device's folder.
    pub(crate) device: String,
    record: PathBuf,
}

/// Keeps evidence and its verdict.
pub(crate) fn keep(
    store: &Path,
    evidence: &[u8],
    nonce: &Nonce,
    issued: Timestamp,
    appraisal: &Appraisal,
) -> Result<(), Failure> {
    let device = folder_of(appraisal.claims().device_id.as_deref());
    let folder = store.join(device);
    files::create_folder(&folder)?;
    let nonce = hex::encode(nonce.as_bytes());
    let judged = appraisal.appraised();
    let name = format!("{}-{nonce}", judged.strftime("%Y%m%dT%H%M%S.%9fZ"));
    let record = Record {
        version: VERSION,
        device: device.to_owned(),
        evidence_digest: HashAlgorithm::Sha256.digest(evidence).to_string(),
        nonce,
        issued,
        judged,
        verdict: appraisal.verdict().to_string(),
        reasons: kept_reasons(appraisal.reasons().iter().map(ToString::to_string))?,
        policy_digest: appraisal.policy_digest().to_string(),
    };
    let text = record.text()?;
    files::write(&folder.join(format!("{name}.evidence")), evidence, Privacy::Private)?;
    files::write(&folder.join(format!("{name}.json")), &text, Privacy::Private)?;
    forget_oldest(&folder)
}

/// The reasons that a record has room for; one more line counts the others.
fn kept_reasons(reasons: impl Iterator<Item = String>) -> Result<Vec<String>, Failure> {
    let (mut kept, mut room, mut more) = (Vec::new(), MAX_REASONS, 0_usize);
    for reason in reasons {
        // As JSON a character may take six bytes.
        let length = json(&reason)?.len();
        match room.checked_sub(length).filter(|_| more == 0) {
            Some(left) => {
                room = left;
                kept.push(reason);
            }
            None => more = more.saturating_add(1),
        }
    }
    if more > 0 {
        kept.push(format!("{more} more reasons were not kept"));
    }
    Ok(kept)
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec_pretty(value).map_err(|error| Failure::failed(error.to_string()))
}

/// A device's name is that of a certificate and so of letters that a file may have; anything else gets no folder of its own
/// (threat p19).
fn folder_of(device: Option<&str>) -> &str {
    let plain = |id: &&str| {
        (1..=64).contains(&id.len())
            && !id.starts_with('.')
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    device.filter(plain).unwrap_or(UNKNOWN)
}

fn forget_oldest(folder: &Path) -> Result<(), Failure> {
    let records = records_in(folder)?;
    let over = records.len().saturating_sub(KEPT);
    for record in records.iter().take(over) {
        // The record first: evidence without one is never read.
        for path in [record.clone(), record.with_extension("evidence")] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Failure::file(&path, &error));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// The records of a folder, oldest first.
fn records_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut records: Vec<_> = entries(folder)?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    records.sort();
    Ok(records)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: std::io::Error| Failure::file(folder, &error);
    fs::read_dir(folder)
        .map_err(failed)?
        .map(|entry| entry.map(|entry| entry.path()).map_err(failed))
        .collect()
}

/// All records of a store, by device and age.
pub(crate) fn all(store: &Path) -> Result<Vec<Stored>, Failure> {
    let mut folders = entries(store)?;
    folders.retain(|path| path.is_dir());
    folders.sort();
    let mut stored = Vec::new();
    for folder in folders {
        let device = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut records = records_in(&folder)?;
        // Evidence without its record is told when that is read.
        let evidence = entries(&folder)?
            .into_iter()
            .filter(|path| path.extension().is_some_and(|end| end == "evidence"));
        records.extend(evidence.map(|path| path.with_extension("json")));
        records.sort();
        records.dedup();
        for record in records {
            if stored.len() >= MAX_RECORDS {
                return Err(Failure::failed(format!(
                    "{}: more than {MAX_RECORDS} records; split the store",
                    store.display()
                )));
            }
            stored.push(Stored { device: device.clone(), record });
        }
    }
    Ok(stored)
}

impl Stored {
    /// Reads the record and its evidence.
    pub(crate) fn read(&self) -> Result<(Record, Nonce, Vec<u8>), Failure> {
        let wrong = |what: String| Failure::failed(format!("{}: {what}", self.record.display()));
        let regular = |path: &Path| match fs::metadata(path) {
            Ok(found) if !found.is_file() => Err(wrong(format!("{} is no file", path.display()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(wrong(format!("{} is missing: one of a pair was lost", path.display())))
            }
            _ => Ok(()),
        };
        regular(&self.record)?;
        let record: Record = serde_json::from_slice(&files::read(&self.record, MAX_RECORD)?)
            .map_err(|error| wrong(error.to_string()))?;
        if !(1..=VERSION).contains(&record.version) {
            return Err(wrong(format!("version {}, expected 1 or {VERSION}", record.version)));
        }
        let nonce = Nonce::from_hex(&record.nonce).map_err(|error| wrong(error.to_string()))?;
        let evidence = self.record.with_extension("evidence");
        regular(&evidence)?;
        let evidence = files::read(&evidence, attest::evidence::MAX_EVIDENCE)?;
        if record.has_digest() {
            if record.device != self.device {
                return Err(wrong(format!(
                    "is of device {}, and stands in the folder of {}",
                    record.device, self.device
                )));
            }
            let found = HashAlgorithm::Sha256.digest(&evidence).to_string();
            if found != record.evidence_digest {
                let expected = &record.evidence_digest;
                return Err(wrong(format!(
                    "its evidence is another or was damaged: expected {expected}, found {found}"
                )));
            }
        }
        Ok((record, nonce, evidence))
    }
}

impl Record {
    /// The record's file. None is written that [`Stored::read`] would refuse.
    fn text(&self) -> Result<Vec<u8>, Failure> {
        let text = json(self)?;
        if text.len() > MAX_RECORD {
            let size = text.len();
            return Err(Failure::failed(format!(
                "the record has {size} bytes, expected at most {MAX_RECORD}; it is not kept"
            )));
        }
        Ok(text)
    }

    /// Whether it can be told that its evidence is the one that was judged.
    pub(crate) const fn has_digest(&self) -> bool {
        self.version > 1
    }

    /// The verdict that was given.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        [Verdict::Trusted, Verdict::Refused, Verdict::CannotTell]
            .into_iter()
            .find(|verdict| verdict.to_string() == self.verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p19_a_devices_name_is_a_folder_in_the_store_or_none() {
        assert_eq!(folder_of(Some("gw-1")), "gw-1");
        for name in ["", ".", "..", "../x", "a/b", "a\nb", "a b", ".hidden", &"a".repeat(65)] {
            assert_eq!(folder_of(Some(name)), UNKNOWN, "{name:?}");
        }
        assert_eq!(folder_of(None), UNKNOWN);
    }

    #[test]
    fn v03_what_is_kept_can_be_read_however_much_there_is_against_a_device() {
        let record = |reasons: Vec<String>| Record {
            version: VERSION,
            device: "gw-1".to_owned(),
            evidence_digest: HashAlgorithm::Sha256.digest(b"").to_string(),
            nonce: "11".repeat(32),
            issued: Timestamp::UNIX_EPOCH,
            judged: Timestamp::UNIX_EPOCH,
            verdict: Verdict::Refused.to_string(),
            reasons,
            policy_digest: String::new(),
        };
        let store = tempfile::tempdir().unwrap();
        for (reason, count) in
            [("x".repeat(10), 36_000), ("\u{1}".repeat(4096), 300), ("ä".repeat(1 << 20), 3)]
        {
            let all = vec![reason; count];
            let kept = record(kept_reasons(all.iter().cloned()).unwrap());
            let file = store.path().join(format!("{count}.json"));
            fs::write(&file, kept.text().unwrap()).unwrap();
            fs::write(file.with_extension("evidence"), "").unwrap();
            let (read, ..) = Stored { device: "gw-1".to_owned(), record: file }.read().unwrap();
            assert_eq!(read.reasons, kept.reasons);
            let named = read.reasons.iter().filter(|reason| all.contains(reason)).count();
            let rest = read.reasons.last().unwrap();
            assert!(
                named == count || *rest == format!("{} more reasons were not kept", count - named),
                "{rest}"
            );
        }
        assert!(record(vec!["x".repeat(MAX_RECORD)]).text().unwrap_err().message.contains("not kept"));
    }

    #[test]
    fn the_oldest_records_are_forgotten() {
        let store = tempfile::tempdir().unwrap();
        for i in 0..KEPT + 5 {
            for end in ["json", "evidence"] {
                fs::write(store.path().join(format!("{i:04}.{end}")), "").unwrap();
            }
        }
        forget_oldest(store.path()).unwrap();
        assert_eq!(entries(store.path()).unwrap().len(), 2 * KEPT);
        assert!(!store.path().join("0004.json").exists() && store.path().join("0005.evidence").exists());
    }
}
