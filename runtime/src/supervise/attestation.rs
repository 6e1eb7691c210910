//! Asking anew whether the device is what it should be, while modules run.
//!
//! Attesting takes a TPM and perhaps a network, and either may hang. It happens in a thread of its own, so that the
//! supervisor stops the modules at the permit's end whether or not an answer has come.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use attest::appraisal::{Appraisal, Reason, Verdict};
use jiff::Timestamp;

use super::Event;
use crate::clock::BootTime;
use crate::error::RuntimeError;
use crate::module::ModuleSet;
use crate::permit::{Standing, StartPermit};

/// Why something could not be found out, from whoever tried.
pub type Cause = Box<dyn Error + Send + Sync>;

/// What came of asking for a new permit.
#[derive(Debug)]
pub enum Renewal {
    /// A new permit: the modules run on.
    Permit(Box<StartPermit>),
    /// The device did not pass: the modules are stopped at once (threat r04).
    Refused(Vec<Reason>),
    /// The modules are no longer the installed ones, in words what is: they are stopped at once, since the release that
    /// took their place may close a hole that they have.
    Superseded(String),
    /// Nobody could tell: the modules run on until the permit's end (threat r05).
    Unreachable(Cause),
}

impl Renewal {
    /// What an appraisal of this moment means for running modules.
    #[must_use]
    pub fn of(appraisal: &Appraisal, modules: &ModuleSet, now: BootTime, wall_clock: Timestamp) -> Self {
        match appraisal.verdict() {
            Verdict::Refused => Self::Refused(appraisal.reasons().to_vec()),
            Verdict::Trusted | Verdict::CannotTell => {
                match StartPermit::issue(appraisal, modules, now, wall_clock) {
                    Ok(permit) => Self::Permit(Box::new(permit)),
                    Err(refusal) => Self::Unreachable(refusal.into()),
                }
            }
        }
    }
}

/// What the supervisor asks of the device that it runs on. Whoever holds the TPM implements it.
pub trait Attestation: Send + 'static {
    /// Reads from the TPM where the device stands. Asked before a module starts, also when one is started again.
    ///
    /// # Errors
    /// When the TPM can't be asked.
    fn standing(&mut self) -> Result<Standing, Cause>;

    /// Attests anew, for these modules.
    fn renew(&mut self, modules: &ModuleSet) -> Renewal;
}

/// What the thread is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    Standing,
    Renewal,
}

/// The thread that asks. One question at a time: the next is put when the answer has come.
#[derive(Debug)]
pub(super) struct Asker {
    questions: Sender<Question>,
    is_waiting: bool,
}

impl Asker {
    pub(super) fn new(
        attestation: impl Attestation,
        modules: Arc<ModuleSet>,
        events: Sender<Event>,
    ) -> Result<Self, RuntimeError> {
        let (questions, asked) = channel();
        thread::Builder::new()
            .name("attestation".to_owned())
            .spawn(move || answer(attestation, &modules, &asked, events))
            .map_err(RuntimeError::io("start a thread", Path::new("attestation")))?;
        Ok(Self { questions, is_waiting: false })
    }

    /// Whether it can be asked.
    pub(super) fn is_free(&self) -> bool {
        !self.is_waiting
    }

    /// A thread that is gone has said so by [`Event::AttestationEnded`].
    pub(super) fn ask(&mut self, question: Question) {
        self.is_waiting = self.questions.send(question).is_ok();
    }

    pub(super) fn answered(&mut self) {
        self.is_waiting = false;
    }
}

/// Says that the thread ends, also when the attestation panics: nobody would notice a refusal any more.
struct Farewell(Sender<Event>);

impl Drop for Farewell {
    fn drop(&mut self) {
        let _ = self.0.send(Event::AttestationEnded);
    }
}

fn answer(
    mut attestation: impl Attestation,
    modules: &ModuleSet,
    asked: &Receiver<Question>,
    events: Sender<Event>,
) {
    let farewell = Farewell(events);
    while let Ok(question) = asked.recv() {
        let answer = match question {
            Question::Standing => Event::Standing(attestation.standing()),
            Question::Renewal => {
                let renewal = attestation.renew(modules);
                Event::Renewal(Box::new(renewal), attestation.standing())
            }
        };
        if farewell.0.send(answer).is_err() {
            break;
        }
    }
}
