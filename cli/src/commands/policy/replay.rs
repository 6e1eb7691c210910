//! `hallmark policy replay`: another policy, tried on what many devices showed.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use attest::appraisal::Verdict;
use attest::challenge::Nonce;
use attest::ima::ImaState;
use indicatif::ProgressBar;
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Mark, Page, Report};
use crate::store::{self, Record, Stored};
use crate::trouble::Trouble;
use crate::verifier::{PolicyFiles, challenge};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  hallmark appraise evidence --nonce $NONCE --policy policy.toml --store seen\n  \
    hallmark policy replay --policy new.toml --store seen\n\n\
    Each device is judged at the time at which it was judged first. Evidence with only the rest of an IMA list is judged after the\n\
    evidence that it carries on, where that is in the store and passes; else it is named and not judged. Exit code 0, also when verdicts change; 1 when a record can't be read."
)]
pub(crate) struct Args {
    /// The policy to try
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Compare with this policy [default: with the verdicts that were given]
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// The folder that `hallmark appraise --store` fills
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
}

/// Whose verdict would change.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReplayReport {
    /// Devices in the store.
    devices: usize,
    /// Appraisals that were judged again.
    judged: usize,
    /// Those whose verdict would be another one.
    changes: Vec<ChangeView>,
    /// Appraisals that can't be judged again: their evidence has only the rest of an IMA list, and the store has no earlier
    /// evidence of that boot which leads up to it and passes.
    not_judged: Vec<String>,
    /// Records that could not be read.
    unreadable: Vec<String>,
    /// Records of earlier versions, which have no digest of their evidence: that it is another or was damaged does not show.
    without_digest: usize,
}

/// An appraisal whose verdict would be another one.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ChangeView {
    /// The device.
    device: String,
    /// When it was judged.
    judged: String,
    /// The verdict that was given, or that of the policy compared with.
    before: Verdict,
    /// The verdict of the policy that is tried.
    after: Verdict,
    /// Reasons that there were not before.
    new_reasons: Vec<String>,
    /// Reasons that are gone.
    gone_reasons: Vec<String>,
}

/// A verdict with its reasons, as text.
struct Judgement {
    verdict: Verdict,
    reasons: Vec<String>,
}

/// A policy, and what it has believed so far of the IMA list of the device that is replayed.
struct Player {
    policy: Arc<PolicyFiles>,
    device: String,
    kept: Option<ImaState>,
}

impl Player {
    fn load(path: &Path) -> Result<Self, Failure> {
        let policy = PolicyFiles::read(path).map_err(|troubles| Trouble::failure(&troubles))?;
        Ok(Self { policy: Arc::new(policy), device: String::new(), kept: None })
    }

    /// What the policy says; `None` when the evidence carries on a list of which it has not seen or believed the beginning.
    fn judge(&mut self, device: &str, record: &Record, nonce: &Nonce, evidence: &[u8]) -> Option<Judgement> {
        if self.device != device {
            device.clone_into(&mut self.device);
            self.kept = None;
        }
        let verifier = match self.policy.verifier(record.judged) {
            Ok(verifier) => verifier,
            // A policy that could not be used then trusts nobody.
            Err(troubles) => {
                let reasons = vec![Trouble::failure(&troubles).message];
                return Some(Judgement { verdict: Verdict::Refused, reasons });
            }
        };
        let challenge = challenge(nonce.clone(), record.issued);
        let rehearsal = verifier.rehearse(evidence, challenge, record.judged, self.kept.as_ref());
        if rehearsal.lacks_earlier_list() {
            return None;
        }
        if let Some(state) = rehearsal.ima_state() {
            self.kept = Some(state.clone());
        }
        let reasons = rehearsal.reasons().iter().map(ToString::to_string).collect();
        Some(Judgement { verdict: rehearsal.verdict(), reasons })
    }
}

/// What became of one record.
enum Replayed {
    Same,
    Other(ChangeView),
    NotJudged,
}

impl Report for ReplayReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        for change in &self.changes {
            let mark = if change.after == Verdict::Trusted { Mark::Good } else { Mark::Bad };
            let text = format!("{}: {} -> {}", change.judged, change.before, change.after);
            page.mark(mark, &change.device, text)?;
            change.new_reasons.iter().try_for_each(|reason| page.row("now", reason))?;
            change.gone_reasons.iter().try_for_each(|reason| page.row("no more", reason))?;
        }
        self.not_judged.iter().try_for_each(|what| page.mark(Mark::Doubt, "not judged", what))?;
        if !self.not_judged.is_empty() {
            page.line(
                "These show only the rest of an IMA list, which says nothing without what was before it.",
            )?;
        }
        self.unreadable.iter().try_for_each(|what| page.mark(Mark::Doubt, "not read", what))?;
        if self.without_digest > 0 {
            page.line(format_args!(
                "{} records have no digest of their evidence: an earlier version wrote them, and damage would not show",
                self.without_digest
            ))?;
        }
        page.line(format_args!(
            "{} of {} appraisals of {} devices would come out otherwise",
            self.changes.len(),
            self.judged,
            self.devices
        ))
    }

    fn exit(&self) -> Exit {
        if self.unreadable.is_empty() { Exit::Done } else { Exit::Failed }
    }

    fn complaint(&self) -> Option<Failure> {
        let first = self.unreadable.first()?;
        Some(Failure::failed(format!(
            "{} records could not be read, the first: {first}",
            self.unreadable.len()
        )))
    }
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<ReplayReport, Failure> {
    let mut policy = Player::load(&args.policy)?;
    let mut against = args.against.as_deref().map(Player::load).transpose()?;
    let stored = store::all(&args.store)?;
    if stored.is_empty() {
        return Err(Failure::usage(format!(
            "{}: no stored evidence; `hallmark appraise --store` keeps some",
            args.store.display()
        )));
    }
    let devices: BTreeSet<&str> = stored.iter().map(|stored| stored.device.as_str()).collect();
    let mut report = ReplayReport {
        devices: devices.len(),
        judged: 0,
        changes: Vec::new(),
        not_judged: Vec::new(),
        unreadable: Vec::new(),
        without_digest: 0,
    };
    // The bar shows itself on a terminal only.
    let length = u64::try_from(stored.len()).unwrap_or(u64::MAX);
    let bar = if context.is_quiet() { ProgressBar::hidden() } else { ProgressBar::new(length) };
    for stored in &stored {
        let compared = stored.read().and_then(|(record, nonce, evidence)| {
            report.without_digest = report.without_digest.saturating_add(usize::from(!record.has_digest()));
            let replayed = compare(stored, (&record, &nonce, &evidence), &mut policy, against.as_mut())?;
            Ok((record.judged, replayed))
        });
        match compared {
            Ok((_, Replayed::Same)) => report.judged = report.judged.saturating_add(1),
            Ok((_, Replayed::Other(change))) => {
                report.judged = report.judged.saturating_add(1);
                report.changes.push(change);
            }
            Ok((judged, Replayed::NotJudged)) => {
                report.not_judged.push(format!("{}, {judged}", stored.device));
            }
            Err(failure) => report.unreadable.push(failure.message),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(report)
}

fn compare(
    stored: &Stored,
    (record, nonce, evidence): (&Record, &Nonce, &[u8]),
    policy: &mut Player,
    against: Option<&mut Player>,
) -> Result<Replayed, Failure> {
    let given = record
        .verdict()
        .ok_or_else(|| Failure::failed(format!("{}: unknown verdict {}", stored.device, record.verdict)))?;
    // Both look at everything, so that each knows what the next part carries on.
    let before = match against {
        Some(against) => against.judge(&stored.device, record, nonce, evidence),
        None => Some(Judgement { verdict: given, reasons: record.reasons.clone() }),
    };
    let after = policy.judge(&stored.device, record, nonce, evidence);
    let (Some(before), Some(after)) = (before, after) else {
        return Ok(Replayed::NotJudged);
    };
    if before.verdict == after.verdict {
        return Ok(Replayed::Same);
    }
    let without = |reasons: &[String], others: &[String]| {
        reasons.iter().filter(|reason| !others.contains(reason)).cloned().collect()
    };
    let change = ChangeView {
        device: stored.device.clone(),
        judged: record.judged.to_string(),
        before: before.verdict,
        after: after.verdict,
        new_reasons: without(&after.reasons, &before.reasons),
        gone_reasons: without(&before.reasons, &after.reasons),
    };
    Ok(Replayed::Other(change))
}
