//! Supervisors of real processes: the example modules of this package, in a release that is really signed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use attest::appraisal::Reason;
use jiff::SignedDuration;
use update_verify::Sha256;

use super::*;
use crate::fixture::{Release, example, key_name, permit, standing};
use crate::launch::{self, Streams};
use crate::measure::MeasuredModule;
use crate::status::{self, ModuleStatus};

mod isolation;
mod renewal;
mod running;

const SENSOR: &str = r#"
[[module]]
name = "sensor"
path = "bin/thermometer"
args = ["--interval-ms", "20"]
env = { STATION = "north" }
"#;

const SENDER: &str = r#"
[[module]]
name = "sender"
path = "bin/forwarder"
args = ["--to", "readings"]
stdin = "sensor"
"#;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// A module that is a shell with this program.
fn shell(name: &str, program: &str) -> String {
    format!("[[module]]\nname = {name:?}\npath = \"bin/shell\"\nargs = [\"-c\", {program:?}]\n")
}

/// Answers as it is told.
struct Told<F>(Standing, F);

impl<F: FnMut(&ModuleSet) -> Renewal + Send + 'static> Attestation for Told<F> {
    fn standing(&mut self) -> Result<Standing, Cause> {
        Ok(self.0.clone())
    }
    fn renew(&mut self, modules: &ModuleSet) -> Renewal {
        (self.1)(modules)
    }
}

/// A TPM that others keep busy for so many questions.
struct Busy(u32);

impl Attestation for Busy {
    fn standing(&mut self) -> Result<Standing, Cause> {
        match self.0.checked_sub(1) {
            None => Ok(standing()),
            Some(left) => {
                self.0 = left;
                Err("the TPM is busy".into())
            }
        }
    }
    fn renew(&mut self, _: &ModuleSet) -> Renewal {
        Renewal::Unreachable("not asked".into())
    }
}

fn unreachable_verifier(_: &ModuleSet) -> Renewal {
    Renewal::Unreachable("no route to the verifier".into())
}

fn limits() -> Limits {
    let pause = Duration::from_millis(20);
    Limits {
        restarts: 3,
        first_pause: pause,
        longest_pause: pause,
        shortest_retry: pause,
        ..Limits::default()
    }
}

fn supervisor(
    release: &Release,
    lifetime: SignedDuration,
    standing: Standing,
    renew: impl FnMut(&ModuleSet) -> Renewal + Send + 'static,
) -> Supervisor {
    supervisor_that_asks(release, lifetime, Told(standing, renew))
}

fn supervisor_that_asks(
    release: &Release,
    lifetime: SignedDuration,
    attestation: impl Attestation,
) -> Supervisor {
    let set = release.set();
    let permit = permit(&set, lifetime);
    let no_args: [&str; 0] = [];
    let launcher = Launcher::program(&example("launcher"), no_args);
    Supervisor::new(set, permit, &release.state(), launcher, limits(), attestation).unwrap()
}

struct Run {
    stopper: Stopper,
    thread: JoinHandle<Ended>,
}

impl Run {
    fn of(supervisor: Supervisor) -> Self {
        Self { stopper: supervisor.stopper(), thread: thread::spawn(move || supervisor.run()) }
    }
    fn ended(self) -> Ended {
        eventually("the supervisor ends", || self.thread.is_finished().then_some(()));
        self.thread.join().unwrap()
    }
    fn stop(self) -> Ended {
        self.stopper.stop();
        self.ended()
    }
}

/// Waits for something to come true; gives up long after it should have.
fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(30) {
        if let Some(value) = found() {
            return value;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("it never came true: {what}");
}

fn module(release: &Release, name: &str) -> Option<ModuleStatus> {
    let status = status::read(&release.state()).unwrap().status?;
    status.modules.into_iter().find(|module| module.name == name)
}

fn pid(release: &Release, name: &str) -> u32 {
    eventually("the module runs", || {
        let pid = module(release, name).filter(|m| m.state == ModuleState::Running)?.pid?;
        // The launcher has become the module.
        fs::read_link(format!("/proc/{pid}/exe")).ok()?.to_str()?.starts_with("/memfd:").then_some(pid)
    })
}

fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn status(release: &Release) -> Status {
    status::read(&release.state()).unwrap().status.unwrap()
}

fn pid_of_shell(release: &Release, name: &str) -> u32 {
    eventually("the module runs", || module(release, name)?.pid)
}

fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}
