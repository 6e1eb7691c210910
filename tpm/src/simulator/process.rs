//! The swtpm process: started as a daemon, found by its pid file, ended by its id.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::process::{Pid, Signal, kill_process};

use super::manufacture::{last_lines, not_started};
use super::{PATIENCE, Simulator, SimulatorError};

const PAUSE: Duration = Duration::from_millis(20);

/// Starts swtpm on `port` and `port + 1`, powered on and started up (TPM2_Startup(CLEAR)).
pub(super) fn launch(simulator: &Simulator, port: u16) -> Result<(), SimulatorError> {
    let output = Command::new("swtpm")
        .args(["socket", "--tpm2", "--daemon", "--flags", "not-need-init,startup-clear"])
        .args(["--tpmstate", &format!("dir={}", simulator.tpm_state().display())])
        .args(["--server", &format!("type=tcp,port={port},bindaddr=127.0.0.1")])
        .args(["--ctrl", &format!("type=tcp,port={},bindaddr=127.0.0.1", port.saturating_add(1))])
        .args(["--pid", &format!("file={}", simulator.pid_file().display())])
        .args(["--log", &format!("file={},level=1,truncate", simulator.log().display())])
        .output()
        .map_err(|error| not_started("swtpm", "swtpm", error.kind()))?;
    if !output.status.success() {
        return Err(SimulatorError::Failed {
            program: "swtpm",
            output: last_lines(&output.stdout, &output.stderr),
        });
    }
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // The control port: looking at the command port would take the one connection that swtpm serves at a time.
    let control = SocketAddr::from((Ipv4Addr::LOCALHOST, port.saturating_add(1)));
    tracing::debug!(%address, "swtpm");
    wait(simulator, "start", || TcpStream::connect_timeout(&control, PATIENCE).is_ok())
}

/// The pid of the simulator's own swtpm; a pid file whose number belongs to another process by now counts as none.
pub(super) fn find(simulator: &Simulator) -> Result<Option<i32>, SimulatorError> {
    let path = simulator.pid_file();
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(SimulatorError::File { path, source }),
    };
    let pid = text.trim().parse::<i32>().ok();
    Ok(pid.filter(|pid| is_ours(*pid, &simulator.tpm_state())))
}

fn is_ours(pid: i32, tpm_state: &Path) -> bool {
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let wanted = format!("dir={}", tpm_state.display());
    command_line.split(|byte| *byte == 0).any(|argument| argument == wanted.as_bytes())
}

/// Ends the process and waits until it is gone.
pub(super) fn terminate(simulator: &Simulator, pid: i32) -> Result<(), SimulatorError> {
    if let Some(pid) = Pid::from_raw(pid) {
        // It may have ended by itself in the meantime, which is what we want.
        let _ = kill_process(pid, Signal::TERM);
    }
    wait(simulator, "stop", || !is_ours(pid, &simulator.tpm_state()))?;
    let _ = fs::remove_file(simulator.pid_file());
    Ok(())
}

/// Takes the lock file, waiting for whoever has it; `None` when that takes too long or the folder can't be written.
pub(super) fn lock(path: &Path) -> Option<fs::File> {
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(path).ok()?;
    let end = Instant::now() + PATIENCE;
    while rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        if Instant::now() >= end {
            return None;
        }
        thread::sleep(PAUSE);
    }
    Some(file)
}

fn wait(simulator: &Simulator, what: &'static str, done: impl Fn() -> bool) -> Result<(), SimulatorError> {
    let end = Instant::now() + PATIENCE;
    while !done() {
        if Instant::now() >= end {
            return Err(SimulatorError::Timeout { what, seconds: PATIENCE.as_secs(), log: simulator.log() });
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}
