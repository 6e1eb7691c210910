//! The permit to start modules: what a passing, fresh appraisal is turned into.
//!
//! It says which device, in which boot, under which policy, may start exactly which modules, and until when. Whoever
//! starts a module must show one, and it is compared with the situation at that moment, not at the time of issue.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use attest::Digest;
use attest::appraisal::{Appraisal, Attester, Verdict};
use attest::key::Name;
use jiff::{SignedDuration, Timestamp};
use update_verify::Sha256;

use crate::clock::BootTime;
use crate::module::ModuleSet;

/// How far an appraisal's time may lie ahead of the wall clock: two machines' clocks are never quite the same.
pub const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(60);

/// Why there is no permit, or why it does not cover what is to be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PermitRefusal {
    /// The device did not pass.
    #[error("the device was not found trusted ({verdict:?}, {reasons} reasons): {first}")]
    NotTrusted {
        /// What the appraisal says.
        verdict: Verdict,
        /// How many reasons it gives.
        reasons: usize,
        /// The first of them.
        first: String,
    },
    /// The appraisal does not say whose it is.
    #[error("the appraisal names no device, so that nothing could be bound to it")]
    NoAttester,
    /// The appraisal is older than its policy lets it count.
    #[error("the appraisal of {appraised} counted for {lifetime:#} and is over at {now}; attest again")]
    Stale {
        /// When it was made.
        appraised: Timestamp,
        /// How long it counted.
        lifetime: SignedDuration,
        /// The wall clock.
        now: Timestamp,
    },
    /// The appraisal lies ahead of the wall clock: one of the two clocks is wrong.
    #[error("the appraisal is of {appraised} and this clock says {now}; set the clock")]
    FromTheFuture {
        /// When it was made.
        appraised: Timestamp,
        /// The wall clock.
        now: Timestamp,
    },
    /// The permit's end has passed.
    #[error("the permit ended {since:?} ago; attest again")]
    Ended {
        /// How long ago.
        since: Duration,
    },
    /// The permit is another device's.
    #[error("the permit is for attestation key {expected}, this device has {found}")]
    OtherDevice {
        /// The Name in the permit.
        expected: Name,
        /// The Name of this device's key.
        found: Name,
    },
    /// The permit is of another boot.
    #[error(
        "the permit is for boot {expected_reset}.{expected_restart} of this TPM, this is {found_reset}.{found_restart}; attest again"
    )]
    OtherBoot {
        /// TPM resets in the permit.
        expected_reset: u32,
        /// TPM restarts in the permit.
        expected_restart: u32,
        /// TPM resets now.
        found_reset: u32,
        /// TPM restarts now.
        found_restart: u32,
    },
    /// The permit was given under another policy.
    #[error("the permit is by policy {expected}, the one in force is {found}")]
    OtherPolicy {
        /// The policy's digest in the permit.
        expected: Box<Digest>,
        /// That of the policy in force.
        found: Box<Digest>,
    },
    /// The permit is for another set of modules.
    #[error("the permit is for the modules {expected}, these are {found}")]
    OtherModules {
        /// The set's digest in the permit.
        expected: Box<Digest>,
        /// That of the set to be started.
        found: Box<Digest>,
    },
    /// The set has no such module.
    #[error("the permit covers no module {module:?}")]
    UnknownModule {
        /// The module's name.
        module: String,
    },
    /// The module's bytes are not the ones permitted.
    #[error("module {module}: the permit is for sha256 {expected}, measured was {found}")]
    OtherBytes {
        /// The module's name.
        module: String,
        /// The digest in the permit.
        expected: Sha256,
        /// The measured one.
        found: Sha256,
    },
}

impl PermitRefusal {
    /// The row of threats.md.
    #[must_use]
    pub const fn threat(&self) -> &'static str {
        match self {
            Self::FromTheFuture { .. } => "r07",
            _ => "r01",
        }
    }
}

/// Where a device stands right now: its TPM's boot counters, read from the TPM, and the policy in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The attestation key's Name.
    pub key: Name,
    /// TPM resets so far.
    pub reset_count: u32,
    /// TPM restarts and resumes since that reset.
    pub restart_count: u32,
    /// Digest of the policy in force.
    pub policy_digest: Digest,
}

/// Everything that a permit is compared with before a module starts.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The device and its boot.
    pub standing: &'a Standing,
    /// Digest of the module set ([`ModuleSet::digest`]).
    pub modules: &'a Digest,
    /// Name of the module to be started.
    pub module: &'a str,
    /// SHA-256 of the module's bytes as they were measured.
    pub measured: Sha256,
    /// Time since boot.
    pub now: BootTime,
}

/// Leave to start modules. Only [`StartPermit::issue`] makes one, out of an appraisal that only an appraiser makes
/// (threat r01):
///
/// ```compile_fail
/// fn forge(end: runtime::clock::BootTime) -> runtime::permit::StartPermit {
///     runtime::permit::StartPermit { end, ..todo!() }
/// }
/// ```
/// ```compile_fail
/// fn prolong(permit: &mut runtime::permit::StartPermit) {
///     permit.end = runtime::clock::BootTime::now().after(std::time::Duration::MAX);
/// }
/// ```
/// Nor is one made of old evidence that was judged again, whose nonce anybody may have seen (threat q03):
/// ```compile_fail
/// # use runtime::{module::ModuleSet, permit::StartPermit, clock::BootTime};
/// fn replay(rehearsal: &attest::appraise::Rehearsal, modules: &ModuleSet, now: BootTime, wall_clock: jiff::Timestamp) {
///     let _ = StartPermit::issue(rehearsal, modules, now, wall_clock);
/// }
/// ```
/// An appraisal in its place compiles:
/// ```
/// # use runtime::{module::ModuleSet, permit::StartPermit, clock::BootTime};
/// fn start(appraisal: &attest::appraisal::Appraisal, modules: &ModuleSet, now: BootTime, wall_clock: jiff::Timestamp) {
///     let _ = StartPermit::issue(appraisal, modules, now, wall_clock);
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartPermit {
    passed: Passed,
    modules: Digest,
    members: BTreeMap<String, Sha256>,
    end: BootTime,
    end_by_wall_clock: Timestamp,
}

impl StartPermit {
    /// Turns a passing, fresh appraisal into the permit to start `modules`.
    ///
    /// `now` is the time since boot and `wall_clock` the time of day, both of this moment. The time of day is used once,
    /// here, to tell the appraisal's age; what is left of its lifetime is then counted by the time since boot.
    ///
    /// # Errors
    /// [`PermitRefusal`] when the device was not found trusted, is not named, or the appraisal no longer counts.
    pub fn issue(
        appraisal: &Appraisal,
        modules: &ModuleSet,
        now: BootTime,
        wall_clock: Timestamp,
    ) -> Result<Self, PermitRefusal> {
        Self::of_passed(Passed::of(appraisal)?, modules, now, wall_clock)
    }

    pub(crate) fn of_passed(
        passed: Passed,
        modules: &ModuleSet,
        now: BootTime,
        wall_clock: Timestamp,
    ) -> Result<Self, PermitRefusal> {
        let left = passed.time_left(wall_clock)?;
        let end_by_wall_clock = wall_clock.checked_add(left).unwrap_or(Timestamp::MAX);
        Ok(Self {
            passed,
            modules: *modules.digest(),
            members: modules.modules().iter().map(|m| (m.name().to_owned(), m.sha256())).collect(),
            end: now.after(left),
            end_by_wall_clock,
        })
    }

    /// Whether the permit covers starting this module, here and now.
    ///
    /// # Errors
    /// [`PermitRefusal`] with the first thing that differs.
    pub fn check(&self, current: &Situation<'_>) -> Result<(), PermitRefusal> {
        self.check_standing(current.standing, current.modules, current.now)?;
        let module = || current.module.to_owned();
        match self.members.get(current.module) {
            None => Err(PermitRefusal::UnknownModule { module: module() }),
            Some(expected) if *expected != current.measured => Err(PermitRefusal::OtherBytes {
                module: module(),
                expected: *expected,
                found: current.measured,
            }),
            Some(_) => Ok(()),
        }
    }

    /// The part of [`StartPermit::check`] that concerns no single module: also asked of a renewed permit.
    pub(crate) fn check_standing(
        &self,
        standing: &Standing,
        modules: &Digest,
        now: BootTime,
    ) -> Result<(), PermitRefusal> {
        let Attester { key, reset_count, restart_count, .. } = &self.passed.attester;
        if *key != standing.key {
            return Err(PermitRefusal::OtherDevice { expected: key.clone(), found: standing.key.clone() });
        }
        if (*reset_count, *restart_count) != (standing.reset_count, standing.restart_count) {
            return Err(PermitRefusal::OtherBoot {
                expected_reset: *reset_count,
                expected_restart: *restart_count,
                found_reset: standing.reset_count,
                found_restart: standing.restart_count,
            });
        }
        if self.passed.policy_digest != standing.policy_digest {
            return Err(PermitRefusal::OtherPolicy {
                expected: Box::new(self.passed.policy_digest),
                found: Box::new(standing.policy_digest),
            });
        }
        if self.modules != *modules {
            let (expected, found) = (Box::new(self.modules), Box::new(*modules));
            return Err(PermitRefusal::OtherModules { expected, found });
        }
        if now >= self.end {
            return Err(PermitRefusal::Ended { since: self.end.until(now) });
        }
        Ok(())
    }

    /// The device's name.
    #[must_use]
    pub fn device_id(&self) -> &str {
        &self.passed.attester.device_id
    }

    /// From when on it holds no more.
    #[must_use]
    pub const fn end(&self) -> BootTime {
        self.end
    }

    /// The same for people, by the wall clock of the time of issue. Nothing is decided by it.
    #[must_use]
    pub const fn end_by_wall_clock(&self) -> Timestamp {
        self.end_by_wall_clock
    }
}

/// What of an appraisal a permit is made of: only a passing one has all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) attester: Attester,
    pub(crate) policy_digest: Digest,
    pub(crate) appraised: Timestamp,
    pub(crate) lifetime: SignedDuration,
}

impl Passed {
    fn of(appraisal: &Appraisal) -> Result<Self, PermitRefusal> {
        match appraisal.verdict() {
            Verdict::Trusted => {}
            verdict @ (Verdict::Refused | Verdict::CannotTell) => {
                let reasons = appraisal.reasons();
                let first = reasons.first().map_or_else(|| "no reason given".into(), ToString::to_string);
                return Err(PermitRefusal::NotTrusted { verdict, reasons: reasons.len(), first });
            }
        }
        Ok(Self {
            attester: appraisal.attester().ok_or(PermitRefusal::NoAttester)?.clone(),
            policy_digest: *appraisal.policy_digest(),
            appraised: appraisal.appraised(),
            lifetime: appraisal.lifetime(),
        })
    }

    /// What is left of the lifetime, by the wall clock. A clock that runs behind does not make it longer than it was.
    fn time_left(&self, now: Timestamp) -> Result<Duration, PermitRefusal> {
        let Self { appraised, lifetime, .. } = *self;
        let age = now.duration_since(appraised);
        if age < -MAX_CLOCK_SKEW {
            return Err(PermitRefusal::FromTheFuture { appraised, now });
        }
        lifetime
            .checked_sub(age.max(SignedDuration::ZERO))
            .and_then(|left| Duration::try_from(left).ok())
            .filter(|left| !left.is_zero())
            .ok_or(PermitRefusal::Stale { appraised, lifetime, now })
    }
}
