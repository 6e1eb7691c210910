//! `hallmark policy test`: recorded evidence as a policy's unit tests.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use attest::appraisal::Verdict;
use attest::challenge::Nonce;
use attest::ima::ImaState;
use attest::policy::{Case, CaseLines, Cases};
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::appraise::read_baseline;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::{Mark, Page, Report};
use crate::trouble::Trouble;
use crate::verifier::{PolicyFiles, challenge};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hallmark policy test policy.toml --evidence cases.toml\n\n\
    A file of cases, with evidence relative to it:\n  \
    [[case]]\n  name = \"another kernel\"\n  evidence = \"kernel.evidence\"\n  nonce = \"00112233445566778899aabbccddeeff\"\n  \
    at = \"2026-06-01T12:00:00Z\"\n  expect = \"refused\"\n  expect_reasons = [\"reference\"]\n\n\
    Exit code 0 when every case comes out as expected, 1 when one does not, 3 when the policy or a file of cases can't be used.")]
pub(crate) struct Args {
    /// The policy (TOML)
    #[arg(value_name = "FILE")]
    policy: PathBuf,
    /// A file of cases, or a folder with such files (*.toml); may be given several times
    #[arg(long, value_name = "FILE|DIR", required = true, num_args = 1..)]
    evidence: Vec<PathBuf>,
}

/// How the cases came out.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct TestReport {
    /// Cases that came out as expected.
    passed: usize,
    /// Cases that did not.
    failed: usize,
    /// All cases, in their order.
    cases: Vec<CaseView>,
}

/// One case.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CaseView {
    /// Its file.
    file: String,
    /// Its name.
    name: String,
    /// The verdict; none when the evidence could not be read.
    verdict: Option<Verdict>,
    /// The reasons behind it.
    reasons: Vec<String>,
    /// What differs from what was expected; empty when the case passed.
    differences: Vec<String>,
}

impl Report for TestReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        for case in &self.cases {
            let verdict = case.verdict.map_or_else(String::new, |verdict| verdict.to_string());
            if case.differences.is_empty() {
                page.mark(Mark::Good, &case.name, verdict)?;
                continue;
            }
            page.mark(Mark::Bad, &case.name, case.differences.join("; "))?;
            case.reasons.iter().try_for_each(|reason| page.row("", reason))?;
        }
        page.line(format_args!("{} passed, {} failed", self.passed, self.failed))
    }

    fn exit(&self) -> Exit {
        if self.failed == 0 { Exit::Done } else { Exit::Failed }
    }

    fn complaint(&self) -> Option<Failure> {
        let first = self.cases.iter().find(|case| !case.differences.is_empty())?;
        let message = format!(
            "{} of {} cases failed, the first is {}: {}",
            self.failed,
            self.cases.len(),
            first.name,
            first.differences.join("; ")
        );
        Some(Failure::failed(message))
    }
}

pub(crate) fn run(args: &Args) -> Result<TestReport, Failure> {
    let policy = Arc::new(PolicyFiles::read(&args.policy).map_err(|troubles| Trouble::failure(&troubles))?);
    let mut views = Vec::new();
    for file in case_files(&args.evidence)? {
        let cases = Cases::parse(&files::read_text(&file)?).map_err(|error| {
            let faults: Vec<_> = error.faults().iter().map(ToString::to_string).collect();
            Failure::refused(None, format!("{}: {}", file.display(), faults.join("; ")))
        })?;
        for (case, lines) in cases.with_lines() {
            views.push(judge(&policy, &file, case, lines));
        }
    }
    let failed = views.iter().filter(|case| !case.differences.is_empty()).count();
    Ok(TestReport { passed: views.len().saturating_sub(failed), failed, cases: views })
}

fn judge(policy: &Arc<PolicyFiles>, file: &Path, case: &Case, lines: CaseLines) -> CaseView {
    let mut view = CaseView {
        file: file.display().to_string(),
        name: case.name.clone(),
        verdict: None,
        reasons: Vec::new(),
        differences: Vec::new(),
    };
    let folder = file.parent().unwrap_or(Path::new(""));
    let path = folder.join(&case.evidence);
    let named = |line: usize, field: &str, failure: Failure| {
        let message = format!("{}, line {line}: {field}: {}", file.display(), failure.message);
        Failure { message, ..failure }
    };
    let read = files::read(&path, attest::evidence::MAX_EVIDENCE);
    let tried = read.map_err(|failure| named(lines.evidence, "evidence", failure)).and_then(|evidence| {
        let nonce = Nonce::from_hex(&case.nonce).map_err(|error| Failure::usage(error.to_string()))?;
        let at = |troubles: Vec<Trouble>| named(lines.at, "at", Trouble::failure(&troubles));
        let verifier = policy.verifier(case.at).map_err(at)?;
        let kept = match &case.baseline {
            Some(baseline) => Some(
                existing_baseline(&folder.join(baseline))
                    .map_err(|failure| named(lines.baseline, "baseline", failure))?,
            ),
            None => None,
        };
        Ok(verifier.rehearse(&evidence, challenge(nonce, case.at), case.at, kept.as_ref()))
    });
    match tried {
        // What would be said of the device is not known, whatever the case expects.
        Ok(rehearsal) if rehearsal.lacks_earlier_list() && !names_i11(case) => {
            view.reasons = rehearsal.reasons().iter().map(ToString::to_string).collect();
            view.differences.push(
                "the evidence has only the rest of an IMA list; a case needs evidence with the whole list"
                    .to_owned(),
            );
        }
        Ok(rehearsal) => {
            view.verdict = Some(rehearsal.verdict());
            view.reasons = rehearsal.reasons().iter().map(ToString::to_string).collect();
            view.differences = case.differences(&rehearsal);
            // The reasons speak of a clock that is not set, and here the case is the clock.
            if case.at < pki::EARLIEST && !view.differences.is_empty() {
                let (file, line, at) = (file.display(), lines.at, case.at);
                let earliest = pki::EARLIEST;
                view.differences.push(format!(
                    "{file}, line {line}: at is {at}, and no certificate is judged by a time before {earliest}"
                ));
            }
        }
        // A case that could not be judged did not pass.
        Err(failure) => view.differences.push(failure.message),
    }
    view
}

/// A case that names kept state is about it: a file that is not there is no case without.
fn existing_baseline(path: &Path) -> Result<ImaState, Failure> {
    let missing = || Failure::failed(format!("{}: there is no such file", path.display()));
    read_baseline(path)?.ok_or_else(missing)
}

/// Whether the case is about a list that does not carry on.
fn names_i11(case: &Case) -> bool {
    case.expect_reasons.as_ref().is_some_and(|ids| ids.iter().any(|id| id == "i11"))
}

/// The files of cases; of a folder all that end in `.toml`, by their names. A folder without one tests nothing.
fn case_files(named: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let failed = |error: io::Error| Failure::file(path, &error);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?.path();
            if entry.extension().is_some_and(|extension| extension == "toml") {
                found.push(entry);
            }
        }
        if found.is_empty() {
            return Err(Failure::usage(format!("{}: no file of cases (*.toml) in it", path.display())));
        }
        found.sort();
        files.extend(found);
    }
    Ok(files)
}
