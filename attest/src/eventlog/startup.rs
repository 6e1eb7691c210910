//! Where PCR 0 starts: the StartupLocality event and the H-CRTM (PFP 1.06 §10.4.5.3; TPM 2.0 Part 1, "Initializing PCR").

use super::error::EventLogError;
use super::event::Event;
use super::event_type::EventType;
use crate::digest::{Digest, HashAlgorithm};
use crate::pcr::PcrIndex;

/// The 16 bytes that begin a StartupLocality event; one byte with the locality follows. coreboot gives every event a
/// slot of one size, and fills it with zeros.
pub(super) const SIGNATURE: &[u8; 16] = b"StartupLocality\0";

/// The locality of a root of trust that measures before TPM2_Startup.
const HCRTM_LOCALITY: u8 = 4;

/// The locality out of what follows the signature.
pub(super) fn locality_of(rest: &[u8]) -> Option<u8> {
    let (locality, slot) = rest.split_first()?;
    slot.iter().all(|byte| *byte == 0).then_some(*locality)
}

/// What the events so far say about PCR 0's start value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Startup {
    /// The StartupLocality event and its locality.
    told: Option<(u32, u8)>,
    /// The first event that extended PCR 0, and whether it is an H-CRTM event.
    first: Option<(u32, bool)>,
}

impl Startup {
    /// Takes the next event into account.
    ///
    /// A log that could move PCR 0's start after the fact could explain a PCR 0 that the firmware never made, so a
    /// StartupLocality counts once, and before the first measurement (threat e04).
    pub(super) fn see(&mut self, event: &Event<'_>) -> Result<(), EventLogError> {
        if event.kind == EventType::NoAction {
            return match event.data.strip_prefix(SIGNATURE) {
                Some(rest) => self.tell(event, rest),
                None => Ok(()),
            };
        }
        if event.kind == EventType::EfiHcrtmEvent {
            self.check_hcrtm(event)?;
        }
        if event.pcr == Some(PcrIndex::FIRMWARE) && self.first.is_none() {
            self.first = Some((event.index, event.kind == EventType::EfiHcrtmEvent));
        }
        Ok(())
    }

    fn tell(&mut self, event: &Event<'_>, rest: &[u8]) -> Result<(), EventLogError> {
        let index = event.index;
        let locality = match (event.pcr, locality_of(rest)) {
            (Some(PcrIndex::FIRMWARE), Some(locality @ (0 | 3 | 4))) => locality,
            (pcr, _) => {
                let (size, locality) = (event.data.len(), rest.first().copied());
                return Err(EventLogError::StartupLocality { index, pcr, size, locality });
            }
        };
        if let Some((first, _)) = self.told {
            return Err(EventLogError::StartupLocalityTwice { index, first });
        }
        if let Some((extended, _)) = self.first {
            return Err(EventLogError::StartupLocalityLate { index, extended });
        }
        self.told = Some((index, locality));
        Ok(())
    }

    /// An H-CRTM measures before TPM2_Startup, so it is PCR 0's first measurement, and the start is locality 4's.
    fn check_hcrtm(&self, event: &Event<'_>) -> Result<(), EventLogError> {
        let index = event.index;
        if event.pcr != Some(PcrIndex::FIRMWARE) {
            return Err(EventLogError::HcrtmContradiction { index, other: index });
        }
        match (self.told, self.first) {
            (Some((other, locality)), _) if locality != HCRTM_LOCALITY => {
                Err(EventLogError::HcrtmContradiction { index, other })
            }
            (_, Some((other, false))) => Err(EventLogError::HcrtmContradiction { index, other }),
            _ => Ok(()),
        }
    }

    pub(super) const fn locality(&self) -> Option<u8> {
        match (self.told, self.first) {
            (Some((_, locality)), _) => Some(locality),
            (None, Some((_, true))) => Some(HCRTM_LOCALITY),
            _ => None,
        }
    }

    /// PCR 0 before its first measurement: the locality in its last byte. `None` when that is all zeros and the log
    /// does not mention it.
    pub(super) fn start_value(&self, bank: HashAlgorithm) -> Option<Digest> {
        let locality = self.locality()?;
        let mut bytes = [0; 64];
        let value = bytes.get_mut(..bank.len())?;
        *value.last_mut()? = locality;
        Digest::new(bank, value)
    }
}
