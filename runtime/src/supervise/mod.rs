//! The supervisor: starts the modules that a permit covers, keeps them running, and stops them when it no longer holds.
//!
//! It is one loop over events in the caller's thread. The modules are tied to that thread: they are killed when it ends.

mod attestation;
mod ended;
mod limits;
mod slot;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::{Pid, Signal};

pub use attestation::{Attestation, Cause, Renewal};
pub use ended::Ended;
pub use limits::Limits;

use crate::clock::BootTime;
use crate::error::RuntimeError;
use crate::launch::Launcher;
use crate::module::ModuleSet;
use crate::permit::{PermitRefusal, Standing, StartPermit};
use crate::state::StateFolder;
use crate::status::{ModuleState, Status, SupervisorStatus, Trust};
use attestation::{Asker, Question};
use slot::{Slot, Start};

/// The loop looks at the clock at least this often: timers stand still while the device sleeps, the permit's end does not.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What the loop waits for.
#[derive(Debug)]
enum Event {
    Exited { index: usize, id: Pid },
    Standing(Result<Standing, Cause>),
    Renewal(Box<Renewal>, Result<Standing, Cause>),
    AttestationEnded,
    Stop,
}

/// Stops a supervisor from another thread, such as a signal's.
#[derive(Debug, Clone)]
pub struct Stopper(Sender<Event>);

impl Stopper {
    /// Asks it to stop; without effect on one that has stopped.
    pub fn stop(&self) {
        let _ = self.0.send(Event::Stop);
    }
}

/// Runs the modules of one release as long as its permit, and those that follow, allow it.
#[derive(Debug)]
pub struct Supervisor {
    set: Arc<ModuleSet>,
    permit: StartPermit,
    launcher: Launcher,
    limits: Limits,
    slots: Vec<Slot>,
    asker: Asker,
    renew_at: BootTime,
    trust: Trust,
    reason: Option<String>,
    since: Timestamp,
    events: Receiver<Event>,
    sender: Sender<Event>,
    state: StateFolder,
}

impl Supervisor {
    /// Takes the state folder `state` and gets everything ready; nothing is started yet.
    ///
    /// # Errors
    /// When another supervisor works there, others can write to it, or the system fails.
    pub fn new(
        modules: ModuleSet,
        permit: StartPermit,
        state: &Path,
        launcher: Launcher,
        limits: Limits,
        attestation: impl Attestation,
    ) -> Result<Self, RuntimeError> {
        let state = StateFolder::open(state)?;
        let set = Arc::new(modules);
        let (sender, events) = channel();
        let supervisor = Self {
            slots: Slot::of_all(&set, &state)?,
            asker: Asker::new(attestation, Arc::clone(&set), sender.clone())?,
            renew_at: half_way(&permit),
            set,
            permit,
            launcher,
            limits,
            trust: Trust::Trusted,
            reason: None,
            since: Timestamp::now(),
            events,
            sender,
            state,
        };
        supervisor.state.write_status(&supervisor.status_bytes())?;
        Ok(supervisor)
    }

    /// What stops this supervisor.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper(self.sender.clone())
    }

    /// Starts the modules and returns when all have been stopped, with the reason. Must be called in a thread that
    /// lives until then, for the modules are killed when it ends.
    pub fn run(mut self) -> Ended {
        let ended = self.watch();
        self.trust = ended.trust(self.trust);
        self.reason = Some(ended.to_string());
        tracing::info!(reason = %ended, "stopping");
        self.stop();
        ended
    }

    fn watch(&mut self) -> Ended {
        loop {
            if let Some(ended) = self.look_at_the_clock() {
                return ended;
            }
            match self.events.recv_timeout(self.next_wait()) {
                Ok(event) => {
                    if let Some(ended) = self.take(event) {
                        return ended;
                    }
                    self.report();
                }
                Err(RecvTimeoutError::Timeout) => {}
                // We hold a sender ourselves, so that this does not happen.
                Err(RecvTimeoutError::Disconnected) => return Ended::AttestationLost,
            }
        }
    }

    /// What is to be done because of the time.
    fn look_at_the_clock(&mut self) -> Option<Ended> {
        let now = BootTime::now();
        if now >= self.permit.end() {
            let why = self.reason.clone().unwrap_or_else(|| "the attestation did not answer in time".into());
            return Some(Ended::PermitEnded { why });
        }
        if self.slots.iter().all(Slot::is_done) {
            let states = || self.slots.iter().map(Slot::status);
            let refused = states().filter(|module| module.state == ModuleState::Refused).count();
            let failed = states()
                .filter(|module| module.state == ModuleState::Exited && module.reason.is_some())
                .count();
            return Some(Ended::AllDone { refused, failed });
        }
        if self.asker.is_free() {
            if now >= self.renew_at {
                self.asker.ask(Question::Renewal);
            } else if self.slots.iter().any(|slot| slot.due().is_some_and(|due| due <= now)) {
                self.asker.ask(Question::Standing);
            }
        }
        None
    }

    /// Until the next moment at which something is to be done; while a question is open, only the permit's end is one.
    fn next_wait(&self) -> Duration {
        let now = BootTime::now();
        let until_end = now.until(self.permit.end());
        let actions = self.slots.iter().filter_map(Slot::due).chain([self.renew_at]);
        let until_action = actions.map(|at| now.until(at)).min().filter(|_| self.asker.is_free());
        until_action.unwrap_or(LONGEST_WAIT).min(until_end).min(LONGEST_WAIT)
    }

    fn take(&mut self, event: Event) -> Option<Ended> {
        match event {
            Event::Stop => return Some(Ended::OnRequest),
            Event::AttestationEnded => return Some(Ended::AttestationLost),
            Event::Exited { index, id } => {
                let limits = &self.limits;
                if let Some(slot) = self.slots.get_mut(index) {
                    slot.exited(id, limits);
                    tracing::info!(module = slot.status().name, exit = slot.status().last_exit, "ended");
                }
            }
            Event::Standing(Ok(standing)) => {
                self.asker.answered();
                return self.start_due(&standing).err().map(Ended::PermitRefused);
            }
            Event::Standing(Err(cause)) => {
                self.asker.answered();
                self.postpone_due(&cause);
            }
            Event::Renewal(renewal, standing) => {
                self.asker.answered();
                return self.renewed(*renewal, standing).err();
            }
        }
        None
    }

    /// Starts what is due. A refusal of the permit concerns all modules; any other, the one.
    fn start_due(&mut self, standing: &Standing) -> Result<(), PermitRefusal> {
        let now = BootTime::now();
        let with = Start {
            set: &self.set,
            permit: &self.permit,
            standing,
            launcher: &self.launcher,
            state: &self.state,
            events: &self.sender,
        };
        for slot in self.slots.iter_mut().filter(|slot| slot.due().is_some_and(|due| due <= now)) {
            match slot.start(&with) {
                Ok(()) => tracing::info!(module = slot.status().name, pid = slot.status().pid, "started"),
                Err(RuntimeError::Permit(refusal)) => return Err(refusal),
                Err(error) if error.is_refusal() => {
                    tracing::warn!(module = slot.status().name, %error, "refused");
                    slot.finish(ModuleState::Refused, Some(error.to_string()));
                }
                Err(error) => slot.failed(error.to_string(), &self.limits),
            }
        }
        Ok(())
    }

    /// It is no module's failure when the TPM is busy: none is given up for it, the permit's end bounds the waiting.
    fn postpone_due(&mut self, cause: &Cause) {
        let now = BootTime::now();
        let later = now.after(self.limits.shortest_retry);
        for slot in self.slots.iter_mut().filter(|slot| slot.due().is_some_and(|due| due <= now)) {
            slot.postpone(later, format!("the device's standing can't be told: {cause}"));
        }
    }

    fn renewed(&mut self, renewal: Renewal, standing: Result<Standing, Cause>) -> Result<(), Ended> {
        match (renewal, standing) {
            (Renewal::Refused(reasons), _) => return Err(Ended::Refused(reasons)),
            (Renewal::Superseded(by), _) => return Err(Ended::Superseded { by }),
            (Renewal::Permit(permit), Ok(standing)) => {
                permit
                    .check_standing(&standing, self.set.digest(), BootTime::now())
                    .map_err(Ended::PermitRefused)?;
                self.renew_at = half_way(&permit);
                (self.permit, self.trust, self.reason) = (*permit, Trust::Trusted, None);
            }
            (Renewal::Unreachable(cause), _) | (Renewal::Permit(_), Err(cause)) => {
                tracing::warn!(%cause, "no new permit");
                self.renew_at = BootTime::now().after(self.limits.shortest_retry).max(half_way(&self.permit));
                (self.trust, self.reason) = (Trust::Unconfirmed, Some(cause.to_string()));
            }
        }
        Ok(())
    }

    /// SIGTERM to all, SIGKILL to those that are still there after the grace.
    fn stop(&mut self) {
        self.slots.iter_mut().for_each(Slot::cancel);
        self.report();
        for signal in [Signal::TERM, Signal::KILL] {
            self.slots.iter().for_each(|slot| slot.signal(signal));
            self.await_exits();
        }
        // What is still there does not even react to SIGKILL; dropping the slot waits for it.
        self.report();
    }

    fn await_exits(&mut self) {
        let deadline = BootTime::now().after(self.limits.grace);
        while self.slots.iter().any(Slot::is_running) {
            let left = BootTime::now().until(deadline);
            if left.is_zero() {
                break;
            }
            if let Ok(Event::Exited { index, id }) = self.events.recv_timeout(left) {
                if let Some(slot) = self.slots.get_mut(index) {
                    slot.stopped(id);
                }
                self.report();
            }
        }
    }

    /// A disk that is full must neither stop the modules nor keep them running.
    fn report(&self) {
        if let Err(error) = self.state.write_status(&self.status_bytes()) {
            tracing::warn!(%error, "status not written");
        }
    }

    fn status_bytes(&self) -> Vec<u8> {
        let status = Status {
            supervisor: SupervisorStatus { pid: std::process::id(), since: self.since },
            device: self.permit.device_id().to_owned(),
            release: self.set.release().to_owned(),
            trust: self.trust,
            permit_end: self.permit.end_by_wall_clock(),
            reason: self.reason.clone(),
            modules: self.slots.iter().map(|slot| slot.status().clone()).collect(),
        };
        // Strings, numbers and lists: serialising them has no way to fail.
        serde_json::to_vec_pretty(&status).unwrap_or_default()
    }
}

/// The middle between now and the permit's end: time enough to try again when the first attempt fails.
fn half_way(permit: &StartPermit) -> BootTime {
    let now = BootTime::now();
    now.after(now.until(permit.end()) / 2)
}
