//! What every command gets: the global options, made into places and a TPM.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tpm::simulator::{Claim, Simulator};
use tpm::{Tcti, Tpm};

use crate::args::Global;
use crate::failure::Failure;
use crate::output;

/// The global options, resolved.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    tcti: Option<String>,
    state: PathBuf,
    quiet: bool,
}

impl Context {
    pub(crate) fn new(global: &Global) -> Result<Self, Failure> {
        let state = match &global.state {
            Some(path) => path.clone(),
            None => default_state()?,
        };
        // Behind links, so that one folder has one name; a folder that does not exist yet has no link in its last part.
        let state = match state.canonicalize() {
            Ok(state) => state,
            Err(_) => std::path::absolute(&state).map_err(|error| Failure::file(&state, &error))?,
        };
        Ok(Self { tcti: global.tcti.clone(), state, quiet: global.quiet })
    }

    /// The folder that keeps what outlives a command.
    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    pub(crate) fn simulator(&self) -> Simulator {
        Simulator::in_folder(&self.state.join("sim"))
    }

    pub(crate) fn tcti(&self) -> Result<Tcti, Failure> {
        let named = self.tcti.as_deref().filter(|tcti| !tcti.is_empty());
        Ok(named.map(str::parse).transpose()?.unwrap_or_default())
    }

    /// Opens the TPM. The simulator of our own state folder has no resource manager: it is claimed for this command, and
    /// freed of what a command that was killed left in it, as soon as the room may be needed.
    pub(crate) fn tpm(&self) -> Result<OpenTpm, Failure> {
        let tcti = self.tcti()?;
        if !self.uses_own_simulator() {
            return Ok(OpenTpm { tpm: Tpm::open(&tcti)?, _claim: None });
        }
        // A read-only state folder has no room for a lock; then nobody can claim it, and nobody is kept out.
        let claim = if self.state_is_writable() { Some(self.simulator().claim()?) } else { None };
        Ok(OpenTpm { tpm: Tpm::open_alone(&tcti)?, _claim: claim })
    }

    fn state_is_writable(&self) -> bool {
        rustix::fs::access(self.state.join("sim"), rustix::fs::Access::WRITE_OK).is_ok()
    }

    /// Whether the TPM in use is the simulator of our own state folder.
    pub(crate) fn uses_own_simulator(&self) -> bool {
        matches!((self.tcti(), self.simulator().tcti()), (Ok(used), Ok(own)) if used == own)
    }

    /// The time, from the system's clock: the one place where a command looks at it.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// Whether only errors are wanted on standard error.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// A progress message on standard error, unless `-q`.
    pub(crate) fn note(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            output::message(text);
        }
    }
}

/// An open TPM, and the right to use it alone where that is needed. The TPM closes before the right ends.
pub(crate) struct OpenTpm {
    tpm: Tpm,
    _claim: Option<Claim>,
}

impl std::ops::Deref for OpenTpm {
    type Target = Tpm;

    fn deref(&self) -> &Tpm {
        &self.tpm
    }
}

fn default_state() -> Result<PathBuf, Failure> {
    let home = || std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/hallmark"));
    }
    std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| home().map(|home| home.join(".local/state")))
        .map(|base| base.join("hallmark"))
        .ok_or_else(|| Failure::usage("no state folder: set HALLMARK_STATE or --state"))
}
