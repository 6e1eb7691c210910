//! `hallmark policy suggest`: what would have to change for a refused device to pass. It never writes the policy.

use std::io;
use std::path::PathBuf;

use attest::appraisal::Verdict;
use attest::challenge::Nonce;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::appraise::read_baseline;
use crate::context::Context;
use crate::failure::Failure;
use crate::files;
use crate::output::{BOLD, Mark, Page, Report};
use crate::verifier::{Verifier, challenge};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  hallmark policy suggest --policy policy.toml evidence --nonce $NONCE\n\n\
    Each suggestion says what it weakens. The policy stays as it is: a person decides."
)]
pub(crate) struct Args {
    /// The evidence that was refused
    evidence: PathBuf,
    /// The policy (TOML)
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The nonce that the evidence answered
    #[arg(long, value_name = "HEX")]
    nonce: String,
    /// When it was judged (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// What was kept of the device's IMA list when it was judged; only read
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
}

/// Ways to allow what was refused.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SuggestReport {
    /// The verdict of the policy as it is.
    verdict: Verdict,
    /// Suggestions, in the order of the reasons.
    suggestions: Vec<SuggestionView>,
}

/// One suggestion.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SuggestionView {
    /// Id of the reason that it answers.
    id: &'static str,
    /// The reason.
    reason: String,
    /// The line of the policy or the command; none where nothing should allow it.
    change: Option<String>,
    /// What it weakens, or what to do instead.
    weakens: String,
    /// The verdict with this change alone, where it could be tried.
    verdict: Option<Verdict>,
}

impl Report for SuggestReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        if self.suggestions.is_empty() {
            return page.mark(Mark::Good, &self.verdict.to_string(), "there is nothing to suggest");
        }
        for suggestion in &self.suggestions {
            page.styled(BOLD, &suggestion.reason)?;
            page.row("change", suggestion.change.as_deref().unwrap_or("none"))?;
            page.row(if suggestion.change.is_some() { "weakens" } else { "instead" }, &suggestion.weakens)?;
            if let Some(verdict) = suggestion.verdict {
                page.row("alone leads to", verdict)?;
            }
        }
        Ok(())
    }
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<SuggestReport, Failure> {
    let nonce = Nonce::from_hex(&args.nonce).map_err(|error| Failure::usage(format!("--nonce: {error}")))?;
    let at = args.at.unwrap_or_else(|| context.now());
    let verifier = Verifier::load(&args.policy, at)?;
    let evidence = files::read(&args.evidence, attest::evidence::MAX_EVIDENCE)?;
    let kept = args.baseline.as_deref().map(read_baseline).transpose()?.flatten();
    let again = || challenge(nonce.clone(), at);
    let suggestions = verifier.suggest(&evidence, &again, at, kept.as_ref());
    let suggestions = suggestions.into_iter().map(|suggestion| SuggestionView {
        id: suggestion.id,
        reason: suggestion.reason,
        change: suggestion.change,
        weakens: suggestion.weakens,
        verdict: suggestion.verdict,
    });
    let suggestions = suggestions.collect();
    let verdict = verifier.rehearse(&evidence, again(), at, kept.as_ref()).verdict();
    Ok(SuggestReport { verdict, suggestions })
}
