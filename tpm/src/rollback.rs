//! The rollback floor: the lowest release that may still be installed, in NV (threat u04).
//!
//! Two indices hold it:
//! - a counter, which the TPM only ever lets rise, and which keeps on rising when it is deleted and made again;
//! - a record of 40 bytes: the release at the floor and its manifest's digest, so that the very same release can be
//!   installed again while another one that claims the same number can't.
//!
//! A counter starts above the highest value that any counter of this TPM ever had, so its first value, the base, is not
//! zero. The base must not be a file. It stands in the counter's own public area, in the policy digest that nothing
//! uses: that can't be changed without deleting the index. The floor is the counter minus the base.

use crate::context::Tpm;
use crate::error::TpmError;
use crate::nv::{NvIndex, NvKind};

const COUNTER: u32 = 0x0180_1A10;
const RECORD: u32 = 0x0180_1A11;
/// Marks our policy digests; followed by the base, 8 bytes big-endian. No policy hashes to this.
const MARK: &[u8; 24] = b"hallmark rollback floor\0";

/// In the place of the base: a counter that only shows where counters begin, on its way to be removed.
const PROBE: u64 = u64::MAX;

/// The floor as the TPM holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FloorState {
    /// The lowest release that may be installed.
    pub release: u64,
    /// SHA-256 of the manifest of that release, when it is on record.
    pub manifest_digest: Option<[u8; 32]>,
}

impl Tpm {
    /// The rollback floor; `None` before provisioning.
    ///
    /// # Errors
    /// [`TpmError::Floor`] when the index is not what provisioning made.
    pub fn rollback_floor(&self) -> Result<Option<FloorState>, TpmError> {
        let Some(index) = self.nv_open(COUNTER)? else { return Ok(None) };
        let base = floor_base(&index)?;
        let counter = self.counter_value(&index)?;
        drop(index);
        let release = counter.checked_sub(base).ok_or_else(|| TpmError::Floor {
            handle: COUNTER,
            why: format!("the counter is at {counter}, below its base {base}"),
        })?;
        let manifest_digest = self.nv_read(RECORD)?.and_then(|record| {
            let (number, digest) = record.split_first_chunk::<8>()?;
            (u64::from_be_bytes(*number) == release).then_some(digest)?.try_into().ok()
        });
        Ok(Some(FloorState { release, manifest_digest }))
    }

    /// Makes the floor at zero; an existing one stays as it is.
    ///
    /// Interrupted runs are finished by the next: the base is only believed once the counter has reached it.
    ///
    /// # Errors
    /// [`TpmError`] when the TPM has no room, or the index is taken by something else.
    pub fn create_rollback_floor(&self) -> Result<(), TpmError> {
        if let Some(index) = self.nv_open(COUNTER)? {
            if base_of(&index.policy()).is_none() || !index.is_counter() {
                return Err(TpmError::HandleTaken {
                    handle: COUNTER,
                    found: "an index of another program".to_owned(),
                    expected: "the rollback counter",
                });
            }
            let is_made = index.is_written() && base_of(&index.policy()) != Some(PROBE);
            drop(index);
            if is_made {
                return self.rollback_floor().map(|_| ());
            }
            // Cut off while probing, or between definition and first increment: the base may have been overtaken, so
            // begin anew.
            self.nv_remove(COUNTER)?;
        }
        // A first counter shows where this TPM's counters begin; the next one begins one above it (Part 3 §31.8).
        self.nv_define(COUNTER, NvKind::Counter, &policy_of(PROBE))?;
        self.nv_increment(COUNTER)?;
        let probe = self.nv_require(COUNTER)?;
        let base = self.counter_value(&probe)?.saturating_add(1);
        drop(probe);
        self.nv_remove(COUNTER)?;
        self.nv_define(COUNTER, NvKind::Counter, &policy_of(base))?;
        self.nv_increment(COUNTER)?;
        match self.rollback_floor()? {
            Some(FloorState { release: 0, .. }) => Ok(()),
            _ => {
                // Another program's counter came in between: the floor would begin above the first releases.
                self.nv_remove(COUNTER)?;
                let why = "another program counted meanwhile; run `hallmark provision` again".to_owned();
                Err(TpmError::Floor { handle: COUNTER, why })
            }
        }
    }

    /// Raises the floor to `release` and records its manifest; one NV write for each step.
    ///
    /// The record goes first: cut off in between, the floor is lower than it will be, and the next run goes on.
    ///
    /// # Errors
    /// [`TpmError::Missing`] before provisioning; [`TpmError::Floor`] when `release` is below the floor.
    pub fn raise_rollback_floor(&self, release: u64, manifest_digest: &[u8; 32]) -> Result<(), TpmError> {
        let Some(floor) = self.rollback_floor()? else {
            return Err(TpmError::Missing {
                what: "rollback floor".to_owned(),
                fix: "run `hallmark provision`",
            });
        };
        let steps = release.checked_sub(floor.release).ok_or_else(|| TpmError::Floor {
            handle: COUNTER,
            why: format!("release {release} is below the floor {}", floor.release),
        })?;
        let record = [release.to_be_bytes().as_slice(), manifest_digest].concat();
        if self.nv_read(RECORD)?.as_deref() != Some(record.as_slice()) {
            self.nv_store(RECORD, &record)?;
        }
        for _ in 0..steps {
            self.nv_increment(COUNTER)?;
        }
        Ok(())
    }

    fn counter_value(&self, index: &NvIndex<'_>) -> Result<u64, TpmError> {
        let value: [u8; 8] =
            self.nv_content(index)?.try_into().map_err(|bytes: Vec<u8>| TpmError::Floor {
                handle: COUNTER,
                why: format!("the counter has {} bytes, expected 8", bytes.len()),
            })?;
        Ok(u64::from_be_bytes(value))
    }
}

fn floor_base(index: &NvIndex<'_>) -> Result<u64, TpmError> {
    match base_of(&index.policy()) {
        Some(PROBE) | None => Err(TpmError::Floor {
            handle: COUNTER,
            why: "provisioning was cut off (run it again), or the index is another's".to_owned(),
        }),
        Some(_) if !index.is_counter() || !index.is_written() => {
            Err(TpmError::Floor { handle: COUNTER, why: "the counter was never started".to_owned() })
        }
        Some(base) => Ok(base),
    }
}

fn policy_of(base: u64) -> Vec<u8> {
    [MARK.as_slice(), &base.to_be_bytes()].concat()
}

fn base_of(policy: &[u8]) -> Option<u64> {
    let base = policy.strip_prefix(MARK.as_slice())?;
    base.try_into().ok().map(u64::from_be_bytes)
}
