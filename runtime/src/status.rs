//! What a supervisor reports of itself and its modules, for whoever asks from outside.

use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::RuntimeError;
use crate::state;

/// Whether the device counts as trusted at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// The last appraisal passed and still counts.
    Trusted,
    /// It still counts, but its renewal could not be had; the modules run on until the permit's end (threat r05).
    Unconfirmed,
    /// A later appraisal did not pass, or the permit does not cover this device, boot, policy or modules (threat r04).
    Refused,
    /// The permit's end came without a new one (threat r05).
    Ended,
}

/// What a module is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModuleState {
    /// About to be measured and started, for the first time or after a failure.
    Starting,
    /// Its process is there.
    Running,
    /// It ended by itself and is not started again.
    Exited,
    /// It was stopped.
    Stopped,
    /// It was measured and not started.
    Refused,
}

/// The supervisor's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupervisorStatus {
    /// Process id.
    pub pid: u32,
    /// When it started, by the wall clock.
    pub since: Timestamp,
}

/// One module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleStatus {
    /// Its name.
    pub name: String,
    /// What it does.
    pub state: ModuleState,
    /// Process id, while it runs.
    pub pid: Option<u32>,
    /// How often it was started again.
    pub restarts: u32,
    /// Since when it is in this state, by the wall clock.
    pub since: Timestamp,
    /// How it ended last: `exit code 1`, `signal 9`.
    pub last_exit: Option<String>,
    /// Why it is in this state, where that needs a reason.
    pub reason: Option<String>,
}

/// What a supervisor writes to `STATE/run/status.json` at each change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The supervisor's process.
    pub supervisor: SupervisorStatus,
    /// The device's name.
    pub device: String,
    /// Product, version and release number.
    pub release: String,
    /// Whether the device counts as trusted.
    pub trust: Trust,
    /// The permit's end by the wall clock: for people, nothing is decided by it.
    pub permit_end: Timestamp,
    /// Why trust is what it is, or why the supervisor stopped.
    pub reason: Option<String>,
    /// The modules in their order.
    pub modules: Vec<ModuleStatus>,
}

/// A status with what a file alone can't say: whether the supervisor that wrote it still lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Observation {
    /// Whether a supervisor holds the lock of the state folder.
    pub is_running: bool,
    /// What was written last; `None` when no supervisor has ever run here.
    pub status: Option<Status>,
}

/// Looks at the state folder of a supervisor, which need not be running.
///
/// A supervisor that was killed could not write a last status. Its modules ended with it, and are told as stopped
/// (threat r08).
///
/// # Errors
/// When the folder can't be read, or the file in it is no status.
pub fn read(state: &Path) -> Result<Observation, RuntimeError> {
    let (is_running, bytes) = state::observe(state)?;
    let Some(bytes) = bytes else { return Ok(Observation { is_running, status: None }) };
    let mut status: Status = serde_json::from_slice(&bytes)
        .map_err(|source| RuntimeError::BadStatus { path: state::status_path(state), source })?;
    if !is_running {
        status.modules.iter_mut().for_each(mark_abandoned);
    }
    Ok(Observation { is_running, status: Some(status) })
}

fn mark_abandoned(module: &mut ModuleStatus) {
    if matches!(module.state, ModuleState::Starting | ModuleState::Running) {
        module.state = ModuleState::Stopped;
        module.pid = None;
        module.reason = Some("its supervisor ended without stopping it".to_owned());
    }
}
