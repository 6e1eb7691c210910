//! What systemd measured of the running system: the phases of its boot (PCR 11), its identity and file systems (PCR 15).

use serde::Serialize;

use crate::cel::SystemdEvent;
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::replay::measured::{MeasuredBoot, MeasuredRecord, PcrVerdict};
use crate::pcr::PcrIndex;

/// The phases that systemd-pcrphase(8) extends into PCR 11, in the order of a boot.
pub(crate) const PHASES: [&str; 6] =
    ["enter-initrd", "leave-initrd", "sysinit", "ready", "shutdown", "final"];

/// The digests of the phases, so that none can hide under another name or in another log (threat e11).
#[derive(Debug, Clone, Copy)]
pub(super) struct PhaseDigests([(Digest, &'static str); 6]);

impl PhaseDigests {
    pub(super) fn of(bank: HashAlgorithm) -> Self {
        Self(PHASES.map(|phase| (bank.digest(phase.as_bytes()), phase)))
    }

    pub(super) fn recognise(&self, digest: &Digest) -> Option<&'static str> {
        self.0.iter().find(|(known, _)| known == digest).map(|(_, phase)| *phase)
    }
}

/// A file system as systemd measured it. Colons within a field are escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MeasuredFileSystem {
    /// Where it is mounted, where the text says so.
    pub mount_point: Option<String>,
    /// Type, UUID and label of the file system; UUID, type and label of the partition.
    pub identity: String,
}

/// The system's identity out of PCR 15.
///
/// systemd measures the keys of encrypted volumes there as an HMAC that nobody else can recompute. Whoever writes the log
/// can call any measurement such a key: where one is not explained by its text, it may be the true machine id (threat
/// e11), so that neither id nor file systems are proven then.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SystemIdentity {
    /// The machine id, where one was measured, and no other.
    pub machine_id: Option<String>,
    /// All file systems, in order.
    pub file_systems: Option<Vec<MeasuredFileSystem>>,
    /// How many measurements of PCR 15 no text explains; `None` when PCR 15 is not explained.
    pub unexplained: Option<u32>,
}

impl SystemIdentity {
    pub(super) fn of(boot: &MeasuredBoot<'_>, bank: HashAlgorithm) -> Self {
        let Some(pcr) = PcrIndex::new(15) else { return Self::default() };
        match boot.verdict(bank, pcr) {
            Some(PcrVerdict::Untouched { .. }) => {
                Self { machine_id: None, file_systems: Some(Vec::new()), unexplained: Some(0) }
            }
            Some(PcrVerdict::Matches { .. }) => Self::read(boot, bank, pcr),
            _ => Self::default(),
        }
    }

    fn read(boot: &MeasuredBoot<'_>, bank: HashAlgorithm, pcr: PcrIndex) -> Self {
        // Nothing but the operating system extends PCR 15: an event there was a record, whatever it says.
        let events = boot.events_of(bank, pcr).map_or(0, Iterator::count);
        let records = boot.records_of(bank, pcr).unwrap_or_default();
        let texts: Vec<_> = records.iter().map(MeasuredRecord::text).collect();
        let hidden = texts.iter().filter(|text| text.is_none()).count().saturating_add(events);
        let unexplained = Some(u32::try_from(hidden).unwrap_or(u32::MAX));
        if hidden > 0 {
            return Self { unexplained, ..Self::default() };
        }
        let (mut ids, mut file_systems) = (Vec::new(), Vec::new());
        for text in texts.iter().flatten() {
            match SystemdEvent::of(text) {
                SystemdEvent::MachineId { id } if !ids.contains(&id) => ids.push(id),
                SystemdEvent::FileSystem(found) => file_systems.push(MeasuredFileSystem {
                    mount_point: found.mount_point.map(str::to_owned),
                    identity: found.identity.to_owned(),
                }),
                _ => {}
            }
        }
        let machine_id = match ids.as_slice() {
            [only] => Some((*only).to_owned()),
            _ => None,
        };
        Self { machine_id, file_systems: Some(file_systems), unexplained }
    }
}
