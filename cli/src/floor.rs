//! The rollback floor of update packages, kept in the TPM.

use tpm::Tpm;
use update_verify::{Floor, FloorError, RollbackFloor};

/// A TPM as the keeper of the floor.
#[derive(Debug)]
pub(crate) struct TpmFloor<'t>(pub(crate) &'t Tpm);

impl RollbackFloor for TpmFloor<'_> {
    fn current(&mut self) -> Result<Floor, FloorError> {
        let state = self.0.rollback_floor().map_err(unavailable)?.ok_or(FloorError::Missing)?;
        Ok(Floor { release: state.release, manifest_digest: state.manifest_digest })
    }

    fn raise(&mut self, release: u64, manifest_digest: [u8; 32]) -> Result<(), FloorError> {
        self.0.raise_rollback_floor(release, &manifest_digest).map_err(unavailable)
    }
}

fn unavailable(error: tpm::TpmError) -> FloorError {
    match error {
        tpm::TpmError::Floor { .. } => FloorError::Missing,
        error => FloorError::Unavailable(Box::new(error)),
    }
}
