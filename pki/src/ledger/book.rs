//! The ledger's content and its rules, without a file.

use std::collections::HashMap;

use attest::Digest;

use super::{Enrolment, Event, LedgerError, Record, Standing};
use crate::device_id::DeviceId;

/// All records, oldest first, with what is in force among them. Numbers are places in `records`.
#[derive(Debug, Default)]
pub(super) struct Book {
    records: Vec<Record>,
    devices: HashMap<DeviceId, usize>,
    tpms: HashMap<Digest, usize>,
    serials: HashMap<String, usize>,
    fingerprints: HashMap<Digest, usize>,
    /// Names of the TPM-resident keys in force.
    keys: HashMap<String, usize>,
}

impl Book {
    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    pub(super) fn find(&self, device_id: &DeviceId) -> Option<&Record> {
        self.records.get(*self.devices.get(device_id)?)
    }

    pub(super) fn knows(&self, certificate: &Digest) -> bool {
        self.fingerprints.contains_key(certificate)
    }

    /// Whether the last thing that became of a device is its revocation.
    pub(super) fn is_revoked(&self, device_id: &DeviceId) -> bool {
        let last = self.records.iter().rev().find(|record| record.device_id() == device_id);
        last.is_some_and(|record| matches!(record.event(), Event::Revoked(_)))
    }

    pub(super) fn find_by_ek(&self, ek_certificate: &Digest) -> Option<&Record> {
        self.records.get(*self.tpms.get(ek_certificate)?)
    }

    /// Serial numbers of the certificates of every enrolment that a revocation followed.
    pub(super) fn revoked_serials(&self) -> Vec<&str> {
        let mut in_force: HashMap<&DeviceId, Vec<&str>> = HashMap::new();
        let mut revoked = Vec::new();
        for record in &self.records {
            let certificates = in_force.entry(record.device_id()).or_default();
            match record.event() {
                Event::Enrolled(enrolment) => {
                    certificates
                        .extend(enrolment.certificates.iter().map(|certificate| certificate.serial.as_str()));
                }
                Event::Revoked(_) => revoked.append(certificates),
            }
        }
        revoked
    }

    /// Enters a record that [`Self::check`] has let pass.
    pub(super) fn push(&mut self, record: Record) {
        let place = self.records.len();
        match record.event() {
            Event::Enrolled(enrolment) => {
                self.devices.insert(record.device_id().clone(), place);
                self.tpms.insert(enrolment.ek_certificate, place);
                for key in key_names(enrolment) {
                    self.keys.insert(key.to_owned(), place);
                }
                for certificate in &enrolment.certificates {
                    self.serials.insert(certificate.serial.clone(), place);
                    self.fingerprints.insert(certificate.sha256, place);
                }
            }
            Event::Revoked(_) => {
                let (records, device_id) = (&self.records, record.device_id());
                self.keys.retain(|_, place| records.get(*place).is_none_or(|r| r.device_id() != device_id));
                let ended = self.devices.remove(record.device_id()).and_then(|place| self.records.get(place));
                if let Some(enrolment) = ended.and_then(Record::enrolment) {
                    self.tpms.remove(&enrolment.ek_certificate);
                }
            }
        }
        self.records.push(record);
    }

    /// Takes the last record back. Rare, so everything is entered anew.
    pub(super) fn pop(&mut self) {
        let mut records = std::mem::take(self).records;
        records.pop();
        for record in records {
            self.push(record);
        }
    }

    /// Whether a device and a TPM may be enrolled together (threat p05).
    pub(super) fn standing(
        &self,
        device_id: &DeviceId,
        ek_certificate: &Digest,
    ) -> Result<Standing, LedgerError> {
        let enrolled = self.find(device_id).and_then(|record| Some((record, record.enrolment()?)));
        if let Some((record, enrolment)) = enrolled {
            if enrolment.ek_certificate == *ek_certificate {
                return Ok(Standing::AlreadyProvisioned(Box::new(record.clone())));
            }
            return Err(LedgerError::OtherTpm {
                device_id: device_id.clone(),
                enrolled: Box::new(enrolment.ek_certificate),
                found: Box::new(*ek_certificate),
            });
        }
        match self.find_by_ek(ek_certificate) {
            None => Ok(Standing::New),
            Some(record) => Err(LedgerError::OtherDevice {
                ek_certificate: Box::new(*ek_certificate),
                enrolled: record.device_id().clone(),
                found: device_id.clone(),
            }),
        }
    }

    /// Whether a record may follow those that are there.
    pub(super) fn check(&self, record: &Record) -> Result<(), LedgerError> {
        let device_id = record.device_id();
        match record.event() {
            Event::Revoked(_) if self.find(device_id).is_some() => Ok(()),
            Event::Revoked(_) => Err(LedgerError::NotEnrolled { device_id: device_id.clone() }),
            Event::Enrolled(enrolment) => {
                self.check_certificates(enrolment)?;
                if let Standing::AlreadyProvisioned(before) =
                    self.standing(device_id, &enrolment.ek_certificate)?
                {
                    check_same_key(device_id, &before, enrolment)?;
                }
                self.check_keys(device_id, enrolment)
            }
        }
    }

    /// A TPM can have several EK certificates, one for each of its endorsement keys. Its own keys tell that it is the
    /// same TPM, whichever certificate it came with, as long as they are of the same kind: those of another template have
    /// other Names.
    fn check_keys(&self, device_id: &DeviceId, enrolment: &Enrolment) -> Result<(), LedgerError> {
        for key in key_names(enrolment) {
            let known = self.keys.get(key).and_then(|place| self.records.get(*place));
            if let Some(record) = known.filter(|record| record.device_id() != device_id) {
                return Err(LedgerError::KeyTwice {
                    key: key.to_owned(),
                    enrolled: record.device_id().clone(),
                    found: device_id.clone(),
                });
            }
        }
        Ok(())
    }

    fn check_certificates(&self, enrolment: &Enrolment) -> Result<(), LedgerError> {
        for certificate in &enrolment.certificates {
            let known =
                self.fingerprints.get(&certificate.sha256).or_else(|| self.serials.get(&certificate.serial));
            if let Some(record) = known.and_then(|place| self.records.get(*place)) {
                return Err(LedgerError::CertificateTwice {
                    fingerprint: certificate.sha256,
                    device_id: record.device_id().clone(),
                });
            }
        }
        Ok(())
    }
}

fn key_names(enrolment: &Enrolment) -> impl Iterator<Item = &str> {
    [Some(enrolment.iak_name.as_str()), enrolment.idevid_name.as_deref()].into_iter().flatten()
}

fn check_same_key(device_id: &DeviceId, before: &Record, now: &Enrolment) -> Result<(), LedgerError> {
    match before.enrolment() {
        Some(before) if before.iak_name != now.iak_name => Err(LedgerError::OtherKey {
            device_id: device_id.clone(),
            enrolled: before.iak_name.clone(),
            found: now.iak_name.clone(),
        }),
        _ => Ok(()),
    }
}
