//! `hallmark appraise`: the verifier's judgement.

use std::io;
use std::path::{Path, PathBuf};

use attest::appraisal::{Appraisal, Verdict};
use attest::challenge::Nonce;
use attest::ima::ImaState;
use attest::reference::Measured;
use attest::result::{AttestationResult, ResultSigner, VerifierId};
use clap::ValueEnum;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::key::read_private_pem;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::files::{self, Privacy};
use crate::output::{BOLD, Mark, Page, Report};
use crate::store;
use crate::verifier::{Verifier, challenge};

/// Largest kept state, in bytes: 64 marks with 24 PCR values each are far below.
const MAX_STATE: usize = 1024 * 1024;

/// Judge evidence by a policy.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hallmark appraise evidence --nonce $NONCE --policy policy.toml\n  \
    hallmark appraise evidence --nonce $NONCE --policy policy.toml --result result.jwt --result-key verifier.pem\n\n\
    The nonce must be the one that this verifier gave out: fresh, random, and used once.\n\
    It is good for five minutes after --issued; without that, this command can't tell its age.")]
pub(crate) struct Args {
    /// The evidence that `hallmark attest` wrote
    evidence: PathBuf,
    /// The nonce that the evidence must answer, 16 to 64 bytes
    #[arg(long, value_name = "HEX")]
    nonce: String,
    /// The policy (TOML); files that it names are relative to it
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// When the nonce was given out (RFC 3339, e.g. 2026-06-01T12:00:00Z) [default: now]
    #[arg(long, value_name = "TIME")]
    issued: Option<Timestamp>,
    /// Refuse a nonce that was used before with this option (kept in the state folder)
    #[arg(long)]
    once: bool,
    /// What is kept of the device's IMA list, and when it was seen: read if it is there, written anew after a pass
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Keep the evidence and its verdict in this folder, for `hallmark policy replay`; the last 100 of each device
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    #[command(flatten)]
    result: ResultArgs,
}

/// The signed result for those who rely on this verifier.
#[derive(Debug, clap::Args)]
struct ResultArgs {
    /// File for the signed attestation result (EAR), written whatever the verdict
    #[arg(long, value_name = "FILE", requires = "result_key")]
    result: Option<PathBuf>,
    /// Sign the result with this key (ECDSA P-256 or P-384 in PKCS#8 PEM)
    #[arg(long, value_name = "PEM", requires = "result")]
    result_key: Option<PathBuf>,
    /// Form of the result
    #[arg(long, value_enum, default_value = "jwt", value_name = "FORM", requires = "result")]
    result_format: ResultFormat,
}

/// The form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ResultFormat {
    /// JSON Web Token.
    Jwt,
    /// CBOR Web Token.
    Cwt,
}

impl ResultArgs {
    /// The key, read before anything is judged: a nonce is not used up for a key that can't sign.
    fn signer(&self) -> Result<Option<(&Path, ResultSigner)>, Failure> {
        let Some((file, key)) = self.result.as_deref().zip(self.result_key.as_deref()) else {
            return Ok(None);
        };
        let signer = ResultSigner::from_pem(&read_private_pem(key)?, &SystemRandom::new())
            .map_err(|error| Failure::from(error).about(key))?;
        Ok(Some((file, signer)))
    }

    fn write(&self, file: &Path, signer: &ResultSigner, appraisal: &Appraisal) -> Result<(), Failure> {
        let verifier = VerifierId {
            developer: "hallmark".to_owned(),
            build: concat!("hallmark ", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        let (result, random) = (AttestationResult::new(appraisal, verifier), SystemRandom::new());
        let bytes = match self.result_format {
            ResultFormat::Jwt => result.to_jwt(signer, &random)?.into_bytes(),
            ResultFormat::Cwt => result.to_cwt(signer, &random)?,
        };
        files::write(file, &bytes, Privacy::Public)
    }
}

/// A verdict with everything behind it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AppraisalReport {
    /// `trusted`, `refused` or `cannot-tell`.
    verdict: Verdict,
    /// Every reason against the device: id, what, where, expected, found.
    reasons: Vec<ReasonView>,
    /// What the policy only wants reported.
    notes: Vec<String>,
    /// What was established: device, boot counters, PCRs, secure boot, IMA.
    claims: attest::appraisal::Claims,
    /// SHA-256 over the policy and the files that belong to it.
    policy_digest: String,
    /// When it was judged.
    appraised: String,
    /// Seconds that the verdict is good for.
    lifetime_seconds: i64,
    /// For the device's next `hallmark attest --ima-from`, as OFFSET:ENTRIES; absent when it has to send the whole list.
    ima_next: Option<String>,
}

/// One reason against a device.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReasonView {
    /// Row of the threat model, or the policy's rule.
    id: &'static str,
    /// What is wrong.
    what: String,
    /// A PCR, an event, a line, a certificate.
    r#where: String,
    /// What should have been there.
    expected: String,
    /// What was there.
    found: String,
}

impl AppraisalReport {
    pub(crate) fn new(appraisal: &Appraisal) -> Self {
        Self {
            verdict: appraisal.verdict(),
            reasons: appraisal
                .reasons()
                .iter()
                .map(|reason| ReasonView {
                    id: reason.id,
                    what: reason.what.clone(),
                    r#where: reason.place.clone(),
                    expected: reason.expected.clone(),
                    found: reason.found.clone(),
                })
                .collect(),
            notes: appraisal.notes().to_vec(),
            claims: appraisal.claims().clone(),
            policy_digest: appraisal.policy_digest().to_string(),
            appraised: appraisal.appraised().to_string(),
            lifetime_seconds: appraisal.lifetime().as_secs(),
            ima_next: None,
        }
    }
}

impl AppraisalReport {
    /// Releases that count no more, with what the device has of them, and what the verifier's own record says of it.
    fn lapsed_releases(&self, page: &mut Page<'_>) -> io::Result<()> {
        for lapsed in &self.claims.lapsed {
            let what = match (&lapsed.why, lapsed.withdrawn) {
                (Some(why), true) => format!("was withdrawn at {} ({why})", lapsed.at),
                _ => format!("ended at {}", lapsed.at),
            };
            let booted = match lapsed.booted {
                Some(Measured::Before) => "booted before, ",
                Some(Measured::After) => "booted after as far as is known, ",
                None => "",
            };
            let (before, after) = (lapsed.files_before, lapsed.files_after);
            let release = &lapsed.release;
            page.row(
                "release",
                format_args!("{release} {what}: {booted}{before} files before, {after} after"),
            )?;
        }
        let Some(record) = &self.claims.record else { return Ok(()) };
        match (record.since, record.last, &record.missing) {
            (Some(since), Some(last), _) => {
                page.row("seen", format_args!("this boot since {since}, last at {last}"))
            }
            (_, _, Some(missing)) if !self.claims.lapsed.is_empty() => {
                page.row("seen", format_args!("only now: {missing}"))
            }
            _ => Ok(()),
        }
    }
}

impl Report for AppraisalReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        let (mark, word) = match self.verdict {
            Verdict::Trusted => (Mark::Good, "trusted"),
            Verdict::Refused => (Mark::Bad, "refused"),
            Verdict::CannotTell => (Mark::Doubt, "cannot tell"),
        };
        let device = self.claims.device_id.as_deref().unwrap_or("unknown device");
        let release =
            self.claims.release.as_deref().map(|release| format!(", runs {release}")).unwrap_or_default();
        page.mark(mark, word, format_args!("{device}{release}"))?;
        for reason in &self.reasons {
            page.styled(BOLD, format_args!("  [{}] {}: {}", reason.id, reason.r#where, reason.what))?;
            for (name, value) in [("expected", &reason.expected), ("found", &reason.found)] {
                if !value.is_empty() {
                    page.row(&format!("    {name}"), value)?;
                }
            }
        }
        self.notes.iter().try_for_each(|note| page.row("note", note))?;
        if let Some(clock) = &self.claims.clock {
            page.row(
                "TPM boot",
                format_args!("reset {}, restart {}", clock.reset_count, clock.restart_count),
            )?;
        }
        if let Some(ima) = &self.claims.ima {
            page.row(
                "files",
                format_args!(
                    "{} attested, {} not yet, {} violations, {} unknown",
                    ima.attested, ima.not_yet_attested, ima.violations, ima.unknown_files
                ),
            )?;
        }
        if let Some(count) = self.claims.ima.as_ref().map(|ima| ima.kexecs).filter(|count| *count > 0) {
            page.row("kexec", format_args!("{count} kernels started since the boot, in no boot log"))?;
        }
        self.lapsed_releases(page)?;
        if let Some(next) = &self.ima_next {
            page.row("IMA list", format_args!("next from {next}"))?;
        }
        if self.verdict == Verdict::Trusted {
            page.row("good for", format_args!("{} s", self.lifetime_seconds))?;
        }
        Ok(())
    }

    fn exit(&self) -> Exit {
        match self.verdict {
            Verdict::Trusted => Exit::Done,
            Verdict::Refused => Exit::Refused,
            Verdict::CannotTell => Exit::CannotTell,
        }
    }

    fn complaint(&self) -> Option<Failure> {
        let first = self.reasons.first()?;
        let more = match self.reasons.len().saturating_sub(1) {
            0 => String::new(),
            1 => " (and 1 more reason)".to_owned(),
            more => format!(" (and {more} more reasons)"),
        };
        let message = format!("{}: {}{more}", first.r#where, first.what);
        Some(Failure { threat: Some(first.id), ..Failure::new(self.exit(), message) })
    }
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<AppraisalReport, Failure> {
    let nonce = Nonce::from_hex(&args.nonce).map_err(|error| Failure::usage(format!("--nonce: {error}")))?;
    let now = context.now();
    let issued = args.issued.unwrap_or(now);
    if issued > now {
        return Err(Failure::usage(format!("--issued: {issued} is in the future, it is {now}")));
    }
    let verifier = Verifier::load(&args.policy, now)?;
    let evidence = files::read(&args.evidence, attest::evidence::MAX_EVIDENCE)?;
    let signer = args.result.signer()?;
    let inputs = [&args.evidence, &args.policy].into_iter().chain(&args.result.result_key);
    let inputs = inputs.chain(verifier.policy_files()).map(PathBuf::as_path);
    let outputs = args.baseline.iter().chain(&args.result.result).map(PathBuf::as_path);
    files::check_outputs(outputs, inputs)?;
    if let Some(store) = &args.store {
        files::create_folder(store)?;
    }
    let baseline = args.baseline.as_deref().map(read_baseline).transpose()?.flatten();
    // Last: a nonce is not used up by a call that could not judge.
    if args.once {
        use_once(context, &nonce)?;
    }
    let appraisal = verifier.appraise(&evidence, challenge(nonce.clone(), issued), now, baseline.as_ref());
    if let (Some(file), Some(state)) = (&args.baseline, appraisal.ima_state()) {
        check_carries_on(file, baseline.as_ref(), state)?;
        let json = state.to_json().map_err(|error| Failure::failed(error.to_string()))?;
        files::write(file, &json, Privacy::Public)?;
    }
    if let Some((file, signer)) = &signer {
        args.result.write(file, signer, &appraisal)?;
    }
    if let Some(store) = &args.store {
        store::keep(store, &evidence, &nonce, issued, &appraisal)?;
    }
    // Without a list that was judged there is none to carry on.
    let carries_on = args.baseline.is_some() && appraisal.claims().ima.is_some();
    let next = appraisal.ima_state().filter(|_| carries_on).map(ImaState::position);
    Ok(AppraisalReport { ima_next: next.map(|next| next.to_string()), ..AppraisalReport::new(&appraisal) })
}

/// The state of an earlier appraisal. A file that is not there is one that the first pass will write; any other than a
/// state is refused, since judging without it would only ask for the whole list again.
pub(crate) fn read_baseline(path: &Path) -> Result<Option<ImaState>, Failure> {
    if !files::is_there(path)? {
        return Ok(None);
    }
    let bytes = files::read(path, MAX_STATE)?;
    ImaState::parse(&bytes)
        .map(Some)
        .map_err(|error| Failure::refused(Some("i19"), format!("{}: {error}", path.display())))
}

/// What was seen of a device is the only proof of what it ran before, so that neither another device's evidence nor that of
/// an earlier boot takes its place (threat i19).
fn check_carries_on(file: &Path, kept: Option<&ImaState>, seen: &ImaState) -> Result<(), Failure> {
    let Some(kept) = kept else { return Ok(()) };
    let refused = |what: String| {
        let file = file.display();
        Err(Failure::refused(Some("i19"), format!("{file}: {what}; the file stays as it is")))
    };
    if kept.attester != seen.attester {
        let (kept, seen) = (&kept.attester, &seen.attester);
        return refused(format!(
            "keeps what was seen of another device, by its attestation key {kept}; the evidence is of {seen}; give each device a file of \
             its own"
        ));
    }
    if kept.reset_count > seen.reset_count {
        let (kept, seen) = (kept.reset_count, seen.reset_count);
        return refused(format!(
            "is of the boot after reset {kept}, and the evidence of that after reset {seen}: it is older, or the TPM was cleared; where \
             that is known, begin with a new file"
        ));
    }
    Ok(())
}

/// Remembers a nonce for good; one that is known already is refused (threat q03).
fn use_once(context: &Context, nonce: &Nonce) -> Result<(), Failure> {
    use std::io::ErrorKind;
    let folder = context.state().join("used-nonces");
    files::create_folder(&folder)?;
    let path = folder.join(hex::encode(nonce.as_bytes()));
    // Creating it is the test: of two verifiers at once only one succeeds.
    match std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .and_then(|file| file.sync_all())
    {
        // A nonce that a power cut makes forgotten could be used again.
        Ok(()) => [folder.as_path(), context.state()].into_iter().try_for_each(|folder| {
            std::fs::File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(|error| Failure::file(folder, &error))
        }),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Failure::refused(
            Some("q03"),
            "this nonce was used before; every appraisal needs a fresh one",
        )),
        Err(error) => Err(Failure::file(&path, &error)),
    }
}
