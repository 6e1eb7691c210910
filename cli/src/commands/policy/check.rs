//! `hallmark policy check`: a policy with all files that it names, looked at before a device is.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use attest::policy::PolicyFault;
use attest::reference::TrustedReference;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Mark, Page, Report};
use crate::trouble::Trouble;
use crate::verifier::PolicyFiles;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hallmark policy check policy.toml\n\n\
    Exit code 0 when the policy can be used, 3 when not, 1 when a file can't be read. What is weak does not change the exit code.")]
pub(crate) struct Args {
    /// The policy (TOML); files that it names are relative to it
    #[arg(value_name = "FILE")]
    policy: PathBuf,
}

/// What a policy is good for.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CheckReport {
    /// Whether devices can be judged by it.
    usable: bool,
    /// The policy's name.
    name: Option<String>,
    /// SHA-256 over the policy and the files that belong to it.
    policy_digest: Option<String>,
    /// What is wrong, in the policy and in its files.
    faults: Vec<FaultView>,
    /// What is legal and weak.
    weaknesses: Vec<FaultView>,
    /// What it demands of a device, in plain words.
    demands: Vec<String>,
    /// Releases that the references describe.
    releases: Vec<String>,
    #[serde(skip)]
    exit: Exit,
}

/// One thing that is wrong or weak.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FaultView {
    /// The file.
    file: String,
    /// The line, counted from 1, where it is known.
    line: Option<usize>,
    /// What is wrong, and what is expected.
    message: String,
}

impl FaultView {
    fn wrong(trouble: &Trouble) -> Self {
        let file = trouble.file.display().to_string();
        Self { file, line: trouble.line, message: trouble.message.clone() }
    }

    fn weak(path: &Path, weak: &PolicyFault) -> Self {
        let message = if weak.field.is_empty() {
            weak.message.clone()
        } else {
            format!("{}: {}", weak.field, weak.message)
        };
        Self { file: path.display().to_string(), line: Some(weak.line), message }
    }

    fn place(&self) -> String {
        self.line.map_or_else(|| self.file.clone(), |line| format!("{}:{line}", self.file))
    }
}

impl Report for CheckReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        let name = self.name.as_deref().unwrap_or("this policy");
        match self.faults.len() {
            0 => page.mark(Mark::Good, "usable", name)?,
            faults => page.mark(Mark::Bad, "can't be used", format_args!("{faults} faults"))?,
        }
        for fault in &self.faults {
            page.mark(Mark::Bad, &fault.place(), &fault.message)?;
        }
        for weak in &self.weaknesses {
            page.mark(Mark::Doubt, &weak.place(), &weak.message)?;
        }
        self.demands.iter().try_for_each(|demand| page.row("rule", demand))?;
        self.releases.iter().try_for_each(|release| page.row("release", release))?;
        self.policy_digest.iter().try_for_each(|digest| page.row("digest", digest))
    }

    fn exit(&self) -> Exit {
        self.exit
    }

    fn complaint(&self) -> Option<Failure> {
        let first = self.faults.first()?;
        Some(Failure::new(self.exit, format!("{}: {}", first.place(), first.message)))
    }
}

impl CheckReport {
    /// Where nothing is wrong but that files can't be read, nothing was judged.
    fn refuse(&mut self, troubles: &[Trouble]) {
        self.faults = troubles.iter().map(FaultView::wrong).collect();
        let unread = troubles.iter().all(|trouble| trouble.exit == Exit::Failed);
        self.exit = if unread { Exit::Failed } else { Exit::Refused };
    }
}

pub(crate) fn run(args: &Args, context: &Context) -> CheckReport {
    let path = &args.policy;
    let mut report = CheckReport {
        usable: false,
        name: None,
        policy_digest: None,
        faults: Vec::new(),
        weaknesses: Vec::new(),
        demands: Vec::new(),
        releases: Vec::new(),
        exit: Exit::Done,
    };
    let files = match PolicyFiles::read(path) {
        Ok(files) => Arc::new(files),
        Err(troubles) => {
            report.refuse(&troubles);
            return report;
        }
    };
    report.name = Some(files.policy.name.clone());
    report.policy_digest = Some(files.digest.to_string());
    report.weaknesses = files.weaknesses.iter().map(|weak| FaultView::weak(path, weak)).collect();
    report.demands = files.policy.demands();
    report.weaknesses.extend(withdrawal_weaknesses(&files));
    report.releases = files.references.iter().map(|reference| release(reference, context.now())).collect();
    match files.verifier(context.now()) {
        Ok(_) => report.usable = true,
        Err(troubles) => report.refuse(&troubles),
    }
    report
}

fn release(reference: &TrustedReference, now: Timestamp) -> String {
    let values = reference.values();
    let end = match values.expires {
        Some(end) if end <= now => format!(", ended at {end}"),
        Some(end) => format!(", until {end}"),
        None => String::new(),
    };
    let withdrawn = reference.withdrawn().map_or_else(String::new, |withdrawn| {
        let is = if withdrawn.at <= now { "withdrawn" } else { "will be withdrawn" };
        format!(", {is} at {}: {}", withdrawn.at, withdrawn.reason)
    });
    format!("{}{end}{withdrawn}", values.title())
}

/// Withdrawals that do not do what their author may think.
fn withdrawal_weaknesses(files: &PolicyFiles) -> Vec<FaultView> {
    let mut weak = Vec::new();
    for (file, withdrawal) in &files.withdrawals {
        let withdrawal = withdrawal.withdrawal();
        let (product, release) = (&withdrawal.product, &withdrawal.release);
        let about = |reference: &&TrustedReference| {
            (&reference.values().product, &reference.values().release) == (product, release)
        };
        let mut tell =
            |message| weak.push(FaultView { file: file.display().to_string(), line: None, message });
        let mut references = files.references.iter().filter(about).peekable();
        if references.peek().is_none() {
            tell(format!("withdraws {product} {release}, of which the policy has no reference"));
        }
        if let Some(again) = references.find(|reference| reference.values().issued > withdrawal.issued) {
            let issued = again.values().issued;
            tell(format!(
                "withdraws {product} {release}, and with it the values that were issued anew under this name at {issued}; give them another release"
            ));
        }
    }
    weak
}
