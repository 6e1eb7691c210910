//! `hallmark policy replay`: another policy, tried on what many devices showed.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use attest::appraisal::Verdict;
use indicatif::ProgressBar;
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Mark, Page, Report};
use crate::store::{self, Stored};
use crate::verifier::{PolicyFiles, Trouble, challenge};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  hallmark appraise evidence --nonce $NONCE --policy policy.toml --store seen\n  \
    hallmark policy replay --policy new.toml --store seen\n\n\
    Each device is judged at the time at which it was judged first. Exit code 0, also when verdicts change; 1 when a record can't be read."
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
    /// Records that could not be read.
    unreadable: Vec<String>,
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

impl Report for ReplayReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        for change in &self.changes {
            let mark = if change.after == Verdict::Trusted { Mark::Good } else { Mark::Bad };
            let text = format!("{}: {} -> {}", change.judged, change.before, change.after);
            page.mark(mark, &change.device, text)?;
            change.new_reasons.iter().try_for_each(|reason| page.row("now", reason))?;
            change.gone_reasons.iter().try_for_each(|reason| page.row("no more", reason))?;
        }
        self.unreadable.iter().try_for_each(|what| page.mark(Mark::Doubt, "not read", what))?;
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
    let load = |path: &PathBuf| {
        PolicyFiles::read(path).map(Arc::new).map_err(|troubles| Trouble::failure(&troubles))
    };
    let policy = load(&args.policy)?;
    let against = args.against.as_ref().map(load).transpose()?;
    let stored = store::all(&args.store)?;
    if stored.is_empty() {
        return Err(Failure::usage(format!(
            "{}: no stored evidence; `hallmark appraise --store` keeps some",
            args.store.display()
        )));
    }
    let devices: BTreeSet<&str> = stored.iter().map(|stored| stored.device.as_str()).collect();
    let mut report =
        ReplayReport { devices: devices.len(), judged: 0, changes: Vec::new(), unreadable: Vec::new() };
    // The bar shows itself on a terminal only.
    let length = u64::try_from(stored.len()).unwrap_or(u64::MAX);
    let bar = if context.is_quiet() { ProgressBar::hidden() } else { ProgressBar::new(length) };
    for stored in &stored {
        match compare(stored, &policy, against.as_ref()) {
            Ok(change) => {
                report.judged = report.judged.saturating_add(1);
                report.changes.extend(change);
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
    policy: &Arc<PolicyFiles>,
    against: Option<&Arc<PolicyFiles>>,
) -> Result<Option<ChangeView>, Failure> {
    let (record, nonce, evidence) = stored.read()?;
    let judge = |policy: &Arc<PolicyFiles>| match policy.verifier(record.judged) {
        Ok(verifier) => {
            let rehearsal =
                verifier.rehearse(&evidence, challenge(nonce.clone(), record.issued), record.judged);
            let reasons = rehearsal.reasons().iter().map(ToString::to_string).collect();
            Judgement { verdict: rehearsal.verdict(), reasons }
        }
        // A policy that could not be used then trusts nobody.
        Err(troubles) => {
            let reasons = vec![Trouble::failure(&troubles).message];
            Judgement { verdict: Verdict::Refused, reasons }
        }
    };
    let before = match (against, record.verdict()) {
        (Some(against), _) => judge(against),
        (None, Some(verdict)) => Judgement { verdict, reasons: record.reasons.clone() },
        (None, None) => {
            return Err(Failure::failed(format!("{}: unknown verdict {}", stored.device, record.verdict)));
        }
    };
    let after = judge(policy);
    Ok((before.verdict != after.verdict).then(|| {
        let without = |reasons: &[String], others: &[String]| {
            reasons.iter().filter(|reason| !others.contains(reason)).cloned().collect()
        };
        ChangeView {
            device: stored.device.clone(),
            judged: record.judged.to_string(),
            before: before.verdict,
            after: after.verdict,
            new_reasons: without(&after.reasons, &before.reasons),
            gone_reasons: without(&before.reasons, &after.reasons),
        }
    }))
}
