//! One module's place in a supervisor: its process when it runs, what it is wired to, and when it is due again.

use std::io::{self, PipeReader, PipeWriter, pipe};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use super::{Event, Limits};
use crate::clock::BootTime;
use crate::error::RuntimeError;
use crate::launch::{self, LAUNCH_FAILED, Launcher, Streams};
use crate::log::ModuleLog;
use crate::measure::MeasuredModule;
use crate::module::{Module, ModuleSet};
use crate::permit::{Standing, StartPermit};
use crate::state::StateFolder;
use crate::status::{ModuleState, ModuleStatus};

/// A module's process with the sealed bytes that it was made of, which it may still be about to execute.
#[derive(Debug)]
struct Process {
    child: Child,
    started: BootTime,
    _measured: MeasuredModule,
}

impl Process {
    fn id(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    /// To the whole group. Its number is not given to another one before the child was waited for.
    fn signal(&self, signal: Signal) {
        // A group that is gone already needs no signal.
        let _ = self.id().map(|id| rustix::process::kill_process_group(id, signal));
    }
}

/// No process outlives its supervisor's knowledge of it, however the supervisor comes to an end.
impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

/// What a slot needs to start its module.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start<'a> {
    pub(super) set: &'a ModuleSet,
    pub(super) permit: &'a StartPermit,
    pub(super) standing: &'a Standing,
    pub(super) launcher: &'a Launcher,
    pub(super) state: &'a StateFolder,
    pub(super) events: &'a Sender<Event>,
}

/// An end of a pipe between two modules.
enum End {
    Read(PipeReader),
    Write(PipeWriter),
}

/// One module's place.
#[derive(Debug)]
pub(super) struct Slot {
    index: usize,
    process: Option<Process>,
    /// When it is to be started; `None` while it runs or when it is done.
    due: Option<BootTime>,
    failures_in_a_row: u32,
    stdin: Option<PipeReader>,
    stdout: Option<PipeWriter>,
    log: ModuleLog,
    status: ModuleStatus,
}

impl Slot {
    /// A slot for every module, wired as the manifest says. The supervisor keeps both ends of each pipe, so that
    /// neither side notices when the other is started again.
    pub(super) fn of_all(set: &ModuleSet, state: &StateFolder) -> Result<Vec<Self>, RuntimeError> {
        let mut slots = Vec::with_capacity(set.modules().len());
        for (index, module) in set.modules().iter().enumerate() {
            slots.push(Self::new(index, module, state)?);
        }
        for module in set.modules() {
            let Some(source) = module.stdin() else { continue };
            let (from, to) = pipe().map_err(RuntimeError::io("make a pipe for", set.location()))?;
            for (name, end) in [(module.name(), End::Read(from)), (source, End::Write(to))] {
                if let Some(slot) = slots.iter_mut().find(|slot| slot.status.name == name) {
                    slot.wire(end);
                }
            }
        }
        Ok(slots)
    }

    fn new(index: usize, module: &Module, state: &StateFolder) -> Result<Self, RuntimeError> {
        let log = state.log(module.name());
        Ok(Self {
            index,
            process: None,
            due: Some(BootTime::now()),
            failures_in_a_row: 0,
            stdin: None,
            stdout: None,
            log: ModuleLog::open(&log).map_err(RuntimeError::io("open", &log))?,
            status: ModuleStatus {
                name: module.name().to_owned(),
                state: ModuleState::Starting,
                pid: None,
                restarts: 0,
                since: Timestamp::now(),
                last_exit: None,
                reason: None,
            },
        })
    }

    fn wire(&mut self, end: End) {
        match end {
            End::Read(from) => self.stdin = Some(from),
            End::Write(to) => self.stdout = Some(to),
        }
    }

    pub(super) fn status(&self) -> &ModuleStatus {
        &self.status
    }

    pub(super) fn due(&self) -> Option<BootTime> {
        self.due
    }

    pub(super) fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Neither running nor to be started again.
    pub(super) fn is_done(&self) -> bool {
        self.process.is_none() && self.due.is_none()
    }

    fn turn(&mut self, state: ModuleState, reason: Option<String>) {
        self.status.state = state;
        self.status.since = Timestamp::now();
        self.status.pid = self.process.as_ref().map(|process| process.child.id());
        self.status.reason = reason;
    }

    /// Measures and starts the module. Its bytes are measured anew at every start.
    pub(super) fn start(&mut self, with: &Start<'_>) -> Result<(), RuntimeError> {
        let measured = MeasuredModule::measure(with.set, &self.status.name)?;
        let folder = with.state.module_folder(&self.status.name)?;
        let streams = self.streams().map_err(RuntimeError::io("wire", &folder))?;
        let child = launch::start(&measured, with.permit, with.standing, with.launcher, streams, &folder)?;
        let process = Process { child, started: BootTime::now(), _measured: measured };
        self.watch(&process, with.events).map_err(RuntimeError::io("watch", &folder))?;
        self.process = Some(process);
        self.due = None;
        self.turn(ModuleState::Running, None);
        Ok(())
    }

    /// Standard streams: the wired ones, and the log for the rest.
    fn streams(&self) -> io::Result<Streams> {
        let (source, log) = pipe()?;
        self.log.follow(source)?;
        Ok(Streams {
            stdin: match &self.stdin {
                Some(from) => from.try_clone()?.into(),
                None => Stdio::null(),
            },
            stdout: match &self.stdout {
                Some(to) => to.try_clone()?.into(),
                None => log.try_clone()?.into(),
            },
            stderr: log.into(),
        })
    }

    /// Tells when the process has ended, and leaves it to be waited for: until then its id can't become another's.
    fn watch(&self, process: &Process, events: &Sender<Event>) -> io::Result<()> {
        let id = process.id().ok_or(io::ErrorKind::InvalidData)?;
        let (index, events) = (self.index, events.clone());
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        thread::Builder::new().name("module watch".to_owned()).spawn(move || {
            while rustix::process::waitid(WaitId::Pid(id), ended).is_err_and(|e| e == Errno::INTR) {}
            let _ = events.send(Event::Exited { index, id });
        })?;
        Ok(())
    }

    /// The process that ended was `id`: takes note of how, and decides whether the module is started again.
    pub(super) fn exited(&mut self, id: Pid, limits: &Limits) {
        let Some((exit, lasted)) = self.reap(id) else { return };
        if exit.as_ref().is_ok_and(ExitStatus::success) {
            return self.finish(ModuleState::Exited, None);
        }
        if lasted >= limits.settled {
            self.failures_in_a_row = 0;
        }
        self.failed(describe(&exit), limits);
    }

    /// Takes note of a failure, of starting or of running, and of when to try again.
    pub(super) fn failed(&mut self, reason: String, limits: &Limits) {
        if self.failures_in_a_row >= limits.restarts {
            let reason = format!("{reason}; given up after {} restarts", limits.restarts);
            return self.finish(ModuleState::Exited, Some(reason));
        }
        self.due = Some(BootTime::now().after(limits.backoff(self.failures_in_a_row)));
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        self.status.restarts = self.status.restarts.saturating_add(1);
        self.turn(ModuleState::Starting, Some(reason));
    }

    /// It is to be started at a later time.
    pub(super) fn postpone(&mut self, until: BootTime, reason: String) {
        self.due = Some(until);
        if self.status.reason.as_ref() != Some(&reason) {
            self.turn(ModuleState::Starting, Some(reason));
        }
    }

    /// It is not started again. Its neighbours see the end of its output, or that nobody reads theirs.
    pub(super) fn finish(&mut self, state: ModuleState, reason: Option<String>) {
        (self.due, self.stdin, self.stdout) = (None, None, None);
        self.turn(state, reason);
    }

    /// Waits for a process that has ended. What it left behind in its group is ended too.
    fn reap(&mut self, id: Pid) -> Option<(io::Result<ExitStatus>, Duration)> {
        if self.process.as_ref().and_then(Process::id) != Some(id) {
            return None;
        }
        let mut process = self.process.take()?;
        process.signal(Signal::KILL);
        let exit = process.child.wait();
        self.status.last_exit = Some(describe(&exit));
        Some((exit, process.started.until(BootTime::now())))
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    /// The process `id` has ended on request.
    pub(super) fn stopped(&mut self, id: Pid) {
        if self.reap(id).is_some() {
            self.finish(ModuleState::Stopped, None);
        }
    }

    /// Whatever it was about to do, it does no more.
    pub(super) fn cancel(&mut self) {
        if self.due.is_some() {
            self.finish(ModuleState::Stopped, None);
        }
    }
}

fn describe(exit: &io::Result<ExitStatus>) -> String {
    let status = match exit {
        Ok(status) => status,
        Err(error) => return format!("ended, nobody knows how: {error}"),
    };
    match (status.code(), status.signal()) {
        (Some(code), _) if code == i32::from(LAUNCH_FAILED) => {
            format!("exit code {code}: it could not be launched, see its log")
        }
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}
