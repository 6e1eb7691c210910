//! The rollback floor: the release below which a device never goes again (threat u04).
//!
//! The floor is kept where the disk's owner can't reach it, in a TPM's NV counter. This crate links no TPM: whoever has
//! one implements [`RollbackFloor`].

use crate::digest::Sha256;

/// The furthest that one update may raise the floor. A TPM counter rises by one per write, each takes time and wears
/// the memory; and a release number typed wrong must not lift the floor out of reach of all releases to come.
pub const MAX_STEP: u64 = 1000;

/// The floor as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// The release that was confirmed last; 0 when there was none.
    pub release: u64,
    /// SHA-256 of that release's manifest. `None` while raising was interrupted, or when there was no release.
    pub manifest_digest: Option<[u8; 32]>,
}

/// Why a release is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FloorRefusal {
    /// Below the floor.
    #[error("release {release} is older than release {floor}, below which this device does not go")]
    Older {
        /// The release offered.
        release: u64,
        /// The floor.
        floor: u64,
    },
    /// The floor's release, with other content.
    #[error("release {release} is the one this device has, but with other content (manifest {found})")]
    OtherContent {
        /// The release offered.
        release: u64,
        /// SHA-256 of the manifest offered.
        found: Sha256,
    },
    /// The floor's release, whose content is not on record because raising was interrupted.
    #[error(
        "release {release} equals the floor, whose content is not recorded: resume the interrupted update first, or install a newer release"
    )]
    Unrecorded {
        /// The release offered.
        release: u64,
    },
    /// Too far above the floor.
    #[error(
        "release {release} is more than {MAX_STEP} above the floor {floor}; such a jump is not taken for intended"
    )]
    TooFar {
        /// The release offered.
        release: u64,
        /// The floor.
        floor: u64,
    },
}

impl Floor {
    /// Admits a newer release, and the very content that was recorded for the floor's own.
    ///
    /// # Errors
    /// [`FloorRefusal`] otherwise.
    pub fn admit(&self, release: u64, manifest_digest: Sha256) -> Result<(), FloorRefusal> {
        let floor = self.release;
        match release.checked_sub(floor) {
            None => Err(FloorRefusal::Older { release, floor }),
            Some(0) => match self.manifest_digest {
                Some(recorded) if recorded == *manifest_digest.as_bytes() => Ok(()),
                Some(_) => Err(FloorRefusal::OtherContent { release, found: manifest_digest }),
                None => Err(FloorRefusal::Unrecorded { release }),
            },
            Some(step) if step > MAX_STEP => Err(FloorRefusal::TooFar { release, floor }),
            Some(_) => Ok(()),
        }
    }
}

/// Why the floor could not be read or raised.
#[derive(Debug, thiserror::Error)]
pub enum FloorError {
    /// The counter is gone: deleted, or the TPM was cleared to get rid of the floor (threat u16).
    #[error("the rollback counter is missing or was replaced; this device must be provisioned again")]
    Missing,
    /// The TPM or its driver failed.
    #[error("the rollback counter can't be used: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl FloorError {
    /// Whether this is a judgement, as opposed to a failure.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Missing)
    }
}

/// Where the floor is kept.
///
/// An implementation must survive a power cut at any moment of [`raise`](Self::raise): afterwards
/// [`current`](Self::current) gives the old floor, or a release between old and new without a digest, or the new
/// floor; never a digest with another release than its own.
pub trait RollbackFloor {
    /// The floor as it stands.
    ///
    /// # Errors
    /// When the counter is missing or fails. A missing counter is not a floor of 0.
    fn current(&mut self) -> Result<Floor, FloorError>;

    /// Raises the floor to `release` and records its manifest. Raising to where it already is records the digest.
    ///
    /// # Errors
    /// When the counter is missing or fails, or stands higher already.
    fn raise(&mut self, release: u64, manifest_digest: [u8; 32]) -> Result<(), FloorError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u04_older_releases_and_other_content_are_refused() {
        let (ours, other) = (Sha256::of(b"ours"), Sha256::of(b"other"));
        let floor = Floor { release: 7, manifest_digest: Some(*ours.as_bytes()) };
        assert_eq!(floor.admit(6, ours), Err(FloorRefusal::Older { release: 6, floor: 7 }));
        assert_eq!(floor.admit(0, ours), Err(FloorRefusal::Older { release: 0, floor: 7 }));
        assert_eq!(floor.admit(7, other), Err(FloorRefusal::OtherContent { release: 7, found: other }));
        assert_eq!(floor.admit(7, ours), Ok(()));
        assert_eq!(floor.admit(8, other), Ok(()));
    }

    #[test]
    fn u04_a_jump_beyond_the_largest_step_is_refused() {
        let floor = Floor { release: 7, manifest_digest: None };
        let digest = Sha256::of(b"");
        assert_eq!(floor.admit(7 + MAX_STEP, digest), Ok(()));
        let refusal = floor.admit(8 + MAX_STEP, digest);
        assert_eq!(refusal, Err(FloorRefusal::TooFar { release: 8 + MAX_STEP, floor: 7 }));
        assert!(floor.admit(u64::MAX, digest).is_err());
    }

    #[test]
    fn u04_an_unrecorded_floor_admits_no_guess_about_its_own_release() {
        let floor = Floor { release: 7, manifest_digest: None };
        assert_eq!(floor.admit(7, Sha256::of(b"")), Err(FloorRefusal::Unrecorded { release: 7 }));
    }
}
