//! Certificate chains as the endorsements that an appraiser asks for.

use attest::appraise::{EndorsedKey, EndorsementRefusal, Endorsements};
use jiff::Timestamp;

use super::{ChainError, DeviceChain, DeviceRoots, Purpose};
use crate::path::PathError;

impl Endorsements for DeviceRoots {
    fn attestation_key(&self, chain: &[&[u8]], now: Timestamp) -> Result<EndorsedKey, EndorsementRefusal> {
        let chain = DeviceChain::verify(chain, self, Purpose::AttestationKey, now)
            .map_err(|error| refusal(&error))?;
        Ok(EndorsedKey { device_id: chain.device_id().to_string(), key: chain.public_key().clone() })
    }
}

fn refusal(error: &ChainError) -> EndorsementRefusal {
    EndorsementRefusal {
        id: error.threat(),
        what: error.to_string(),
        expected: "a chain from the attestation key to a trusted root".to_owned(),
        found: String::new(),
        clock_not_set: matches!(error, ChainError::Path(PathError::ClockNotSet { .. })),
    }
}
