//! `hallmark run`: attest, appraise, and only then start the installed modules.

use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use attest::HashAlgorithm;
use attest::appraisal::{Appraisal, Reason, Verdict};
use attest::key::PublicArea;
use attest::pcr::PcrIndex;
use attest::quote::Attest;
use jiff::Timestamp;
use runtime::clock::BootTime;
use runtime::launch::Launcher;
use runtime::measure::MeasuredModule;
use runtime::module::ModuleSet;
use runtime::permit::{Standing, StartPermit};
use runtime::supervise::{Attestation, Cause, Ended, Limits, Renewal, Supervisor};
use schemars::JsonSchema;
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tpm::{Bank, IdentityKey, TpmError};
use update_verify::RollbackFloor;
use update_verify::install::{self, InstalledRelease};

use crate::commands::appraise::AppraisalReport;
use crate::commands::attest::{Banks, collect};
use crate::commands::logs::LogArgs;
use crate::commands::reference::random_nonce;
use crate::commands::update::release_root;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::floor::TpmFloor;
use crate::output::{self, Format, Mark, Page, Report};
use crate::trust::TrustArgs;
use crate::verifier::{Verifier, challenge};

/// First argument of this program when it is to become a module; see `runtime::launch`.
pub(crate) const LAUNCHER: &str = "module-launcher";

/// Attest, appraise, and start the installed modules only when trusted.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  hallmark run --policy policy.toml\n\n\
    It attests again before the verdict's time is over, and stops the modules when that fails.\n\
    When another release was installed meanwhile, it ends with exit code 1: start it again for that one.\n\
    SIGTERM and SIGINT stop the modules and end it with exit code 0.")]
pub(crate) struct Args {
    /// The policy (TOML) that this device is appraised by
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    #[command(flatten)]
    trust: TrustArgs,
    /// Where releases live [default: releases in the state folder]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    #[command(flatten)]
    logs: LogArgs,
}

pub(crate) fn run(args: &Args, context: &Context, format: Format) -> Result<Exit, Failure> {
    let modules = load_modules(args, context)?;
    // A module that was altered is found before anything runs; each is measured once more when it starts.
    for module in modules.modules() {
        MeasuredModule::measure(&modules, module.name())?;
    }
    let appraisal = attest_here(context, &args.policy, &args.logs)?;
    let report = AppraisalReport::new(&appraisal);
    if appraisal.verdict() != Verdict::Trusted {
        return output::print(&report, format);
    }
    let permit = StartPermit::issue(&appraisal, &modules, BootTime::now(), context.now())?;
    supervise(args, context, modules, permit, format)
}

fn supervise(
    args: &Args,
    context: &Context,
    modules: ModuleSet,
    permit: StartPermit,
    format: Format,
) -> Result<Exit, Failure> {
    let running = modules.location().to_owned();
    let attestation = LocalAttestation { context: context.clone(), args: args.clone(), running };
    let count = modules.modules().len();
    let launcher = Launcher::this_program([LAUNCHER]);
    let supervisor =
        Supervisor::new(modules, permit, context.state(), launcher, Limits::default(), attestation)?;
    context.note(format_args!("trusted; starting {count} modules"));
    let stopper = supervisor.stopper();
    let mut signals =
        Signals::new([SIGTERM, SIGINT]).map_err(|error| Failure::failed(format!("signals: {error}")))?;
    let handle = signals.handle();
    let listener = thread::spawn(move || signals.forever().for_each(|_| stopper.stop()));
    let ended = supervisor.run();
    handle.close();
    let _ = listener.join();
    conclude(&ended, format)
}

/// How a supervisor came to its end, when nothing was wrong.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RunReport {
    /// Why it stopped.
    stopped: String,
}

impl Report for RunReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        page.mark(Mark::Good, "stopped", &self.stopped)
    }
}

fn conclude(ended: &Ended, format: Format) -> Result<Exit, Failure> {
    match ended {
        Ended::OnRequest | Ended::AllDone { refused: 0, failed: 0 } => {
            output::print(&RunReport { stopped: ended.to_string() }, format)
        }
        Ended::PermitEnded { .. } => {
            Err(Failure { threat: ended.threat(), ..Failure::new(Exit::CannotTell, ended.to_string()) })
        }
        _ if ended.is_refusal() => Err(Failure::refused(ended.threat(), ended.to_string())),
        _ => Err(Failure::failed(ended.to_string())),
    }
}

fn load_modules(args: &Args, context: &Context) -> Result<ModuleSet, Failure> {
    let root = release_root(args.root.as_deref(), context);
    if !files::is_there(&root)? {
        return Err(Failure::failed(format!(
            "{}: nothing is installed; run `hallmark update install`",
            root.display()
        )));
    }
    let policy = args.trust.policy(context)?;
    let tpm = context.tpm()?;
    install::resume(&root, &policy, &mut TpmFloor(&tpm))?;
    drop(tpm);
    Ok(ModuleSet::from_release(&installed(args, context)?)?)
}

/// The current release, judged anew by the floor as it is now.
fn installed(args: &Args, context: &Context) -> Result<InstalledRelease, Failure> {
    let root = release_root(args.root.as_deref(), context);
    let tpm = context.tpm()?;
    let policy = args.trust.policy(context)?.at_floor(TpmFloor(&tpm).current()?);
    Ok(install::current(&root, &policy)?)
}

/// Attests this device and judges it, as a verifier would, with a fresh nonce.
fn attest_here(context: &Context, policy: &Path, logs: &LogArgs) -> Result<Appraisal, Failure> {
    let verifier = Verifier::load(policy, context.now())?;
    let nonce = random_nonce()?;
    let pcrs: Vec<_> = PcrIndex::all().filter(|pcr| !pcr.is_resettable()).collect();
    let bank: HashAlgorithm = verifier.policy().quote.bank;
    let evidence =
        collect(context, &nonce, Banks::StrongAnd(bank), &pcrs, logs, None)?.evidence.to_bytes()?;
    Ok(verifier.appraise(&evidence, challenge(nonce, context.now()), context.now(), None))
}

/// This device's own TPM and verifier, asked while modules run. The TPM is open only while it is asked, so that others
/// can use it in between.
struct LocalAttestation {
    context: Context,
    args: Args,
    /// The folder of the release that runs.
    running: PathBuf,
}

impl LocalAttestation {
    fn superseded(&self) -> Result<Option<String>, Failure> {
        let installed = installed(&self.args, &self.context)?;
        let manifest = installed.manifest();
        let name =
            || format!("{} {} (release {})", manifest.product(), manifest.version(), manifest.release());
        Ok((installed.path() != self.running).then(name))
    }

    /// A new permit for the modules that run: only when their device passes, and while they are the installed ones.
    fn try_renewal(&self, modules: &ModuleSet) -> Result<Renewal, Failure> {
        let appraisal = attest_here(&self.context, &self.args.policy, &self.args.logs)?;
        let renewal = Renewal::of(&appraisal, modules, BootTime::now(), Timestamp::now());
        if matches!(renewal, Renewal::Refused(_)) {
            return Ok(renewal);
        }
        // Asked last: attesting takes long enough for an installation.
        Ok(self.superseded()?.map_or(renewal, Renewal::Superseded))
    }
}

impl Attestation for LocalAttestation {
    fn standing(&mut self) -> Result<Standing, Cause> {
        // A module that failed is not started again from a release that was replaced; the next renewal ends it all.
        match self.superseded() {
            Ok(None) => standing(&self.context, &self.args.policy).map_err(|failure| failure.message.into()),
            Ok(Some(by)) => Err(Ended::Superseded { by }.to_string().into()),
            Err(failure) => Err(failure.message.into()),
        }
    }

    fn renew(&mut self, modules: &ModuleSet) -> Renewal {
        match self.try_renewal(modules) {
            Ok(renewal) => renewal,
            // What was judged and found bad. A policy that can't be read has no id: it may be half-written, and counts as
            // a verifier that can't be reached (threat r05).
            Err(Failure { exit: Exit::Refused, threat: Some(id), message }) => {
                Renewal::Refused(vec![Reason {
                    id,
                    what: message,
                    place: "this device".to_owned(),
                    expected: String::new(),
                    found: String::new(),
                }])
            }
            Err(failure) => Renewal::Unreachable(failure.message.into()),
        }
    }
}

/// Where the device stands, in the TPM's own words: a quote names the boot that it was made in.
fn standing(context: &Context, policy: &Path) -> Result<Standing, Failure> {
    let policy_digest = Verifier::load(policy, context.now())?.policy_digest();
    let tpm = context.tpm()?;
    let key = tpm.identity(IdentityKey::Attestation)?.ok_or_else(|| TpmError::Missing {
        what: "attestation key".to_owned(),
        fix: "run `hallmark provision`",
    })?;
    let bank = tpm.active_banks().last().copied().unwrap_or(Bank::Sha256);
    let quoted = tpm.quote(&key, random_nonce()?.as_bytes(), &[(bank, vec![0])])?;
    let clock = Attest::parse_quote(&quoted.message)?.clock;
    let key = PublicArea::parse(key.public()?)?.name();
    let (reset_count, restart_count) = (clock.reset_count, clock.restart_count);
    Ok(Standing { key, reset_count, restart_count, policy_digest })
}
