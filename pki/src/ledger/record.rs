//! One line of the ledger.

use attest::Digest;
use attest::fitness::Finding;
use attest::key::Name;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ca::IssuedCertificate;
use crate::chain::is_serial;
use crate::device_id::DeviceId;

/// The format's name and version, in every line.
const FORMAT: &str = "hallmark-ledger/1";
/// How each line begins.
pub const LINE_START: &str = r#"{"format":"hallmark-ledger/"#;
/// Longest line in bytes.
pub(super) const MAX_LINE: usize = 16 * 1024;
const MAX_NOTE: usize = 200;
/// Most findings in a record.
const MAX_FINDINGS: usize = 16;

/// A record that can't become a line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordError {
    /// Text with control characters, or too long.
    #[error("{what} {found:?} is not accepted: 1 to {MAX_NOTE} characters without control characters")]
    Text {
        /// Which field.
        what: &'static str,
        /// The text, shortened.
        found: String,
    },
    /// No certificate in an enrolment.
    #[error("an enrolment without a certificate is not recorded")]
    NoCertificate,
    /// A serial number that no list of revoked certificates could have.
    #[error("serial number {found:?} is not 2 to 40 hex digits")]
    Serial {
        /// The text, shortened.
        found: String,
    },
    /// Longer than a line may be.
    #[error("the record has {found} bytes, expected at most {MAX_LINE}")]
    TooLong {
        /// Its length.
        found: usize,
    },
    /// Not the JSON of a record.
    #[error("the record is malformed: {0}")]
    Json(String),
    /// A line of another format.
    #[error("format is {found:?}, expected {FORMAT:?}")]
    Format {
        /// What the line says.
        found: String,
    },
}

/// One event, with its time and who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    format: String,
    time: Timestamp,
    device_id: DeviceId,
    event: Event,
    tool: String,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A device got its certificates.
    Enrolled(Enrolment),
    /// An operator ended a device's identity.
    Revoked(Revocation),
}

/// The TPM, the keys and the certificates of an enrolment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// SHA-256 of the EK certificate: which TPM.
    pub ek_certificate: Digest,
    /// Name of the IAK, hex.
    pub iak_name: String,
    /// Name of the IDevID, hex, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idevid_name: Option<String>,
    /// The certificates that were issued.
    pub certificates: Vec<CertificateRecord>,
    /// What was known against the machine when it was enrolled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

impl Enrolment {
    /// An enrolment from what the pipeline made.
    #[must_use]
    pub fn new(
        ek_certificate: Digest,
        iak: &Name,
        idevid: Option<&Name>,
        certificates: &[&IssuedCertificate],
    ) -> Self {
        Self {
            ek_certificate,
            iak_name: iak.to_string(),
            idevid_name: idevid.map(ToString::to_string),
            certificates: certificates.iter().map(|issued| CertificateRecord::of(issued)).collect(),
            findings: Vec::new(),
        }
    }

    /// The same with what was found out about the machine's fitness. Texts are cut to fit a line of the ledger, and so
    /// is their number.
    #[must_use]
    pub fn with_findings(mut self, findings: Vec<Finding>) -> Self {
        let cut = |text: String| text.chars().filter(|c| !c.is_control()).take(MAX_NOTE).collect();
        self.findings = findings
            .into_iter()
            .take(MAX_FINDINGS)
            .map(|finding| Finding { what: cut(finding.what), fix: cut(finding.fix), ..finding })
            .collect();
        self
    }
}

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateRecord {
    /// Its serial number, hex.
    pub serial: String,
    /// Its SHA-256.
    pub sha256: Digest,
}

impl CertificateRecord {
    fn of(issued: &IssuedCertificate) -> Self {
        Self { serial: issued.serial().to_string(), sha256: issued.fingerprint() }
    }
}

/// Why an identity ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// The operator's reason.
    pub reason: String,
}

impl Record {
    /// A record of `event` at `time`; `tool` is the writing program and its version, e.g. `hallmark 0.1.0`.
    ///
    /// # Errors
    /// [`RecordError`] for text with control characters, enrolments without certificates, serial numbers that are none.
    pub fn new(time: Timestamp, device_id: DeviceId, event: Event, tool: &str) -> Result<Self, RecordError> {
        let record = Self { format: FORMAT.to_owned(), time, device_id, event, tool: tool.to_owned() };
        record.check()?;
        Ok(record)
    }

    /// What every record keeps, written or read.
    fn check(&self) -> Result<(), RecordError> {
        check_text("tool version", &self.tool)?;
        match &self.event {
            Event::Enrolled(enrolment) if enrolment.certificates.is_empty() => {
                Err(RecordError::NoCertificate)
            }
            Event::Enrolled(enrolment) => {
                let mut serials = enrolment.certificates.iter().map(|certificate| &certificate.serial);
                serials.find(|serial| !is_serial(serial)).map_or(Ok(()), |serial| {
                    Err(RecordError::Serial { found: serial.chars().take(MAX_NOTE).collect() })
                })
            }
            Event::Revoked(revocation) => check_text("reason", &revocation.reason),
        }
    }

    /// When.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// Which device.
    #[must_use]
    pub fn device_id(&self) -> &DeviceId {
        &self.device_id
    }

    /// What.
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The program that wrote it.
    #[must_use]
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// The enrolment, when it is one.
    #[must_use]
    pub fn enrolment(&self) -> Option<&Enrolment> {
        match &self.event {
            Event::Enrolled(enrolment) => Some(enrolment),
            Event::Revoked(_) => None,
        }
    }

    /// One line of JSON, its newline included.
    pub(super) fn to_line(&self) -> Result<Vec<u8>, RecordError> {
        let mut line = serde_json::to_vec(self).map_err(|error| RecordError::Json(error.to_string()))?;
        line.push(b'\n');
        if line.len() > MAX_LINE { Err(RecordError::TooLong { found: line.len() }) } else { Ok(line) }
    }

    /// Reads a line without its newline: unknown fields, repeated keys and other formats are refused.
    pub(super) fn from_line(line: &[u8]) -> Result<Self, RecordError> {
        if line.len() > MAX_LINE {
            return Err(RecordError::TooLong { found: line.len() });
        }
        let record: Self =
            serde_json::from_slice(line).map_err(|error| RecordError::Json(error.to_string()))?;
        if record.format != FORMAT {
            return Err(RecordError::Format { found: record.format });
        }
        record.check()?;
        Ok(record)
    }
}

/// Whether bytes could be the start of a line that a power cut ended.
pub(super) fn is_beginning(bytes: &[u8]) -> bool {
    // File systems may leave zeros where data had not arrived yet.
    let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count();
    let bytes = bytes.get(..bytes.len().saturating_sub(zeros)).unwrap_or_default();
    let start = format!("{{\"format\":\"{FORMAT}\"");
    let length = bytes.len().min(start.len());
    bytes.get(..length) == start.as_bytes().get(..length)
}

fn check_text(what: &'static str, text: &str) -> Result<(), RecordError> {
    let good = (1..=MAX_NOTE).contains(&text.len()) && !text.chars().any(char::is_control);
    let found = || text.chars().take(MAX_NOTE).collect();
    if good { Ok(()) } else { Err(RecordError::Text { what, found: found() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p11_a_line_that_nobody_of_ours_could_have_written_is_refused() {
        let digest = "sha256:".to_owned() + &"0a".repeat(32);
        let line = |serial: &str, tool: &str| {
            let certificate = format!(r#"{{"serial":"{serial}","sha256":"{digest}"}}"#);
            let enrolled =
                format!(r#"{{"ek_certificate":"{digest}","iak_name":"00","certificates":[{certificate}]}}"#);
            format!(
                r#"{LINE_START}1","time":"2026-05-01T00:00:00Z","device_id":"gw-1","event":{{"enrolled":{enrolled}}},"tool":"{tool}"}}"#
            )
        };
        assert!(Record::from_line(line("0a", "t").as_bytes()).is_ok());
        // A serial number that is none would make a list of revoked certificates that nobody can read.
        for serial in ["", "0", "xy", "00", &"0a".repeat(22)] {
            let error = Record::from_line(line(serial, "t").as_bytes()).unwrap_err();
            assert!(matches!(error, RecordError::Serial { .. }), "{serial}: {error}");
        }
        let error = Record::from_line(line("0a", "").as_bytes()).unwrap_err();
        assert!(matches!(error, RecordError::Text { .. }), "{error}");
    }
}
