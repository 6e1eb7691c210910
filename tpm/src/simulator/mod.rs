//! A simulated TPM: swtpm as a child that lives in a folder, with EK certificates from swtpm_setup's own authority.
//!
//! Everything that swtpm does is real TPM 2.0; what it can't do is prove anything about hardware. Its EK certificates
//! chain to an authority in the same folder, which nobody trusts unless an operator names it.

mod manufacture;
mod process;

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use crate::context::Tpm;
use crate::tcti::Tcti;

/// Why the simulator can't be used.
#[derive(Debug, Error)]
pub enum SimulatorError {
    /// A program is missing.
    #[error("{program} is not installed; install it: apt-get install {package}")]
    Missing {
        /// The program.
        program: &'static str,
        /// Debian's package.
        package: &'static str,
    },
    /// A program failed.
    #[error("{program} failed: {output}")]
    Failed {
        /// The program.
        program: &'static str,
        /// The end of what it printed.
        output: String,
    },
    /// A file or folder can't be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The simulator does not run.
    #[error("no simulated TPM runs in {}; start it with `hallmark sim start`", folder.display())]
    NotRunning {
        /// Its folder.
        folder: PathBuf,
    },
    /// The simulator did not come up or go down in time.
    #[error("swtpm did not {what} within {seconds} seconds; its log is {}", log.display())]
    Timeout {
        /// `start` or `stop`.
        what: &'static str,
        /// The time given.
        seconds: u64,
        /// Its log file.
        log: PathBuf,
    },
}

/// How long swtpm may take to come up or go down.
const PATIENCE: Duration = Duration::from_secs(10);

/// A simulated TPM in its folder, running or not.
#[derive(Debug, Clone)]
pub struct Simulator {
    folder: PathBuf,
}

impl Simulator {
    /// The simulator in `folder`; nothing is read or made yet.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    /// Starts the simulator, manufacturing it first when the folder is new. One that runs already is left alone.
    ///
    /// `banks` (e.g. `sha256,sha384`) only counts when it is manufactured. Returns whether it was started now.
    ///
    /// # Errors
    /// [`SimulatorError`] with the cause; nothing half-made stays that a second try would trip over.
    pub fn start(&self, banks: &str) -> Result<bool, SimulatorError> {
        self.make_folder()?;
        let _switch = self.hold_switch()?;
        if self.running()?.is_some() {
            return Ok(false);
        }
        manufacture::manufacture(self, banks)?;
        self.power_on(free_port()?)?;
        Ok(true)
    }

    /// Stops the simulator. Returns whether one ran.
    ///
    /// # Errors
    /// [`SimulatorError::Timeout`] when it does not end.
    pub fn stop(&self) -> Result<bool, SimulatorError> {
        if self.running()?.is_none() {
            return Ok(false);
        }
        let _switch = self.hold_switch()?;
        let Some(pid) = self.running()? else { return Ok(false) };
        self.shut_down_tpm();
        process::terminate(self, pid)?;
        Ok(true)
    }

    /// Switches the TPM off and on again: a TPM reset, after which all PCRs are at their start values.
    ///
    /// # Errors
    /// [`SimulatorError::NotRunning`] when there is nothing to reset.
    pub fn power_cycle(&self) -> Result<(), SimulatorError> {
        let _switch = self.hold_switch()?;
        let (Some(pid), Some(port)) = (self.running()?, self.port()) else {
            return Err(SimulatorError::NotRunning { folder: self.folder.clone() });
        };
        self.shut_down_tpm();
        process::terminate(self, pid)?;
        self.power_on(port)
    }

    /// Process id of the running simulator.
    ///
    /// # Errors
    /// [`SimulatorError::File`] when its pid file can't be read.
    pub fn running(&self) -> Result<Option<i32>, SimulatorError> {
        process::find(self)
    }

    /// The TCTI of the running simulator.
    ///
    /// # Errors
    /// [`SimulatorError::NotRunning`].
    pub fn tcti(&self) -> Result<Tcti, SimulatorError> {
        match (self.running()?, self.port()) {
            (Some(_), Some(port)) => {
                Ok(Tcti::Socket { protocol: "swtpm", host: Ipv4Addr::LOCALHOST.to_string(), port })
            }
            _ => Err(SimulatorError::NotRunning { folder: self.folder.clone() }),
        }
    }

    /// Certificates of the authority that signed the EK certificates: the root, in PEM.
    #[must_use]
    pub fn ek_root(&self) -> PathBuf {
        self.folder.join("ca").join("swtpm-localca-rootca-cert.pem")
    }

    /// The authority's issuing certificate, in PEM.
    #[must_use]
    pub fn ek_issuer(&self) -> PathBuf {
        self.folder.join("ca").join("issuercert.pem")
    }

    /// Where the event log of the simulated boot is kept.
    #[must_use]
    pub fn event_log(&self) -> PathBuf {
        self.folder.join("binary_bios_measurements")
    }

    /// Where the IMA list of the simulated boot is kept.
    #[must_use]
    pub fn ima_list(&self) -> PathBuf {
        self.folder.join("binary_runtime_measurements")
    }

    /// The simulator for this program alone, until the value is dropped. It has no resource manager, so that two programs
    /// at once would fill its memory.
    ///
    /// # Errors
    /// [`TpmError::Busy`](crate::TpmError::Busy) when another one keeps it for longer than 10 seconds.
    pub fn claim(&self) -> Result<Claim, crate::TpmError> {
        let busy =
            || crate::TpmError::Busy { tcti: self.tcti().map(|tcti| tcti.to_string()).unwrap_or_default() };
        process::lock(&self.folder.join("lock")).map(Claim).ok_or_else(busy)
    }

    /// Only one program at a time makes, starts or stops the TPM.
    fn hold_switch(&self) -> Result<fs::File, SimulatorError> {
        process::lock(&self.folder.join("switch.lock")).ok_or_else(|| SimulatorError::Timeout {
            what: "become free to start or stop",
            seconds: PATIENCE.as_secs(),
            log: self.log(),
        })
    }

    /// As firmware does before it cuts the power. A TPM that can't be told any more is switched off all the same.
    fn shut_down_tpm(&self) {
        if let Err(error) = self.tcti().map(|tcti| Tpm::open(&tcti).and_then(|tpm| tpm.shut_down())) {
            tracing::debug!(%error, "no orderly shutdown");
        }
    }

    fn power_on(&self, port: u16) -> Result<(), SimulatorError> {
        let path = self.folder.join("port");
        fs::write(&path, port.to_string()).map_err(|source| SimulatorError::File { path, source })?;
        process::launch(self, port)
    }

    fn port(&self) -> Option<u16> {
        fs::read_to_string(self.folder.join("port")).ok()?.trim().parse().ok()
    }

    fn make_folder(&self) -> Result<(), SimulatorError> {
        use std::os::unix::fs::DirBuilderExt;
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(&self.folder)
            .map_err(|source| SimulatorError::File { path: self.folder.clone(), source })
    }

    fn tpm_state(&self) -> PathBuf {
        self.folder.join("tpm")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("swtpm.log")
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.join("swtpm.pid")
    }
}

/// The right to use a simulator alone; it ends with the value.
#[derive(Debug)]
pub struct Claim(#[expect(dead_code, reason = "held for its lock")] fs::File);

/// A port whose successor is free as well: swtpm listens for commands on one and for control on the next.
fn free_port() -> Result<u16, SimulatorError> {
    for _ in 0..50 {
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let Ok(address) = bound else { continue };
        let Some(next) = address.port().checked_add(1) else { continue };
        if next < u16::MAX && TcpListener::bind((Ipv4Addr::LOCALHOST, next)).is_ok() {
            return Ok(address.port());
        }
    }
    Err(SimulatorError::Failed {
        program: "swtpm",
        output: "no two free ports side by side on the loopback".to_owned(),
    })
}
