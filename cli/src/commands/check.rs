//! `hallmark check`: what works here, what is missing, and what to do about it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use attest::eventlog::EventLog;
use attest::fitness::{Finding, Severity};
use attest::ima::ImaList;
use schemars::JsonSchema;
use serde::Serialize;
use tpm::{IdentityKey, Tpm};

use crate::commands::logs::{BootLogArgs, MAX_EVENT_LOG};
use crate::context::Context;
use crate::device::Device;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::fitness;
use crate::output::{Mark, Page, Report};

/// Tell what works and what is missing here, with a fix beside each.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  hallmark check\n\nNothing is changed. Exit code 0: everything needed works; 4: no usable TPM; 1: something else is missing,\nor evidence of this machine could not be believed."
)]
pub(crate) struct Args {
    #[command(flatten)]
    logs: BootLogArgs,
}

/// The check that decides between exit codes 1 and 4.
const TPM: &str = "TPM";

/// Bytes of an IMA list that have room for its first entry, the boot aggregate.
const START_OF_LIST: u64 = 64 * 1024;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Standing {
    /// It works.
    Ok,
    /// It works, but something is worth knowing; or it is only needed for some jobs.
    Warning,
    /// It does not work.
    Missing,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Check {
    /// What was looked at.
    name: &'static str,
    /// How it came out.
    standing: Standing,
    /// What was found.
    found: String,
    /// What to do; absent when there is nothing to do.
    fix: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CheckReport {
    /// The checks, in the order in which things are needed.
    checks: Vec<Check>,
    /// What is known against attesting this machine, heaviest first.
    findings: Vec<Finding>,
}

impl Report for CheckReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        for check in &self.checks {
            let mark = match check.standing {
                Standing::Ok => Mark::Good,
                Standing::Warning => Mark::Doubt,
                Standing::Missing => Mark::Bad,
            };
            page.mark(mark, check.name, &check.found)?;
            if let Some(fix) = &check.fix {
                page.row("", format_args!("→ {fix}"))?;
            }
        }
        self.findings.iter().try_for_each(|finding| fitness::show(page, finding))
    }

    fn complaint(&self) -> Option<Failure> {
        let missing: Vec<_> = self
            .checks
            .iter()
            .filter(|check| check.standing == Standing::Missing)
            .map(|check| check.name)
            .collect();
        let unfit: Vec<_> = self.unfit().map(|finding| finding.id.as_str()).collect();
        let text = match (missing.is_empty(), unfit.is_empty()) {
            (true, true) => return None,
            (false, true) => format!("missing: {}", missing.join(", ")),
            (true, false) => format!("not fit to be attested: {}", unfit.join(", ")),
            (false, false) => {
                format!("missing: {}; not fit to be attested: {}", missing.join(", "), unfit.join(", "))
            }
        };
        Some(Failure::new(self.exit(), text))
    }

    fn exit(&self) -> Exit {
        let missing = || self.checks.iter().filter(|check| check.standing == Standing::Missing);
        if missing().any(|check| check.name == TPM) {
            Exit::Tpm
        } else if missing().next().is_some() || self.unfit().next().is_some() {
            Exit::Failed
        } else {
            Exit::Done
        }
    }
}

impl CheckReport {
    fn unfit(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Unfit)
    }
}

fn ok(name: &'static str, found: impl Into<String>) -> Check {
    Check { name, standing: Standing::Ok, found: found.into(), fix: None }
}

fn warning(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Check {
    Check { name, standing: Standing::Warning, found: found.into(), fix: Some(fix.into()) }
}

fn missing(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Check {
    Check { name, standing: Standing::Missing, found: found.into(), fix: Some(fix.into()) }
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<CheckReport, Failure> {
    let mut checks = Vec::new();
    let mut findings = Vec::new();
    let has_tpm = match context.tpm() {
        Ok(tpm) => {
            check_tpm(&tpm, &mut checks);
            match fitness::findings(&tpm, &args.logs, context) {
                Ok(found) => findings = found,
                Err(failure) => checks.push(missing("fitness", failure.message, "see above")),
            }
            true
        }
        Err(failure) => {
            checks.push(missing(TPM, failure.message, "to try things out without one: `hallmark sim start`"));
            false
        }
    };
    let simulated = context.uses_own_simulator();
    let (event_log, ima_list) = args.logs.paths(context);
    checks.push(check_event_log(&event_log, args.logs.eventlog.is_some(), simulated));
    checks.push(check_ima_list(&ima_list, args.logs.ima.is_some(), simulated));
    checks.push(check_clock(context));
    checks.push(check_state(context.state()));
    checks.push(check_identity(context, has_tpm));
    Ok(CheckReport { checks, findings })
}

fn check_tpm(tpm: &Tpm, checks: &mut Vec<Check>) {
    match tpm.info() {
        Ok(info) => {
            let (high, low) = info.firmware;
            let found = format!(
                "{} {}, firmware {high:x}.{low:x}, at {}",
                info.manufacturer,
                info.vendor,
                tpm.tcti()
            );
            checks.push(ok(TPM, found));
            if info.is_simulator() {
                let fix = "good for trying things out; it proves nothing about hardware";
                checks.push(warning("TPM hardware", "a software TPM", fix));
            }
            if info.in_lockout {
                let fix = "wait for its recovery time, or: tpm2_dictionarylockout --clear-lockout";
                checks.push(missing("TPM lockout", "in lockout after failed authorizations", fix));
            }
        }
        Err(error) => checks.push(missing(TPM, error.to_string(), "is this a TPM 2.0?")),
    }
    checks.push(check_banks(tpm));
    checks.push(match tpm.endorsement_key() {
        Ok(key) => {
            let index = key.template.certificate_index();
            let found = format!("{}, NV 0x{index:08x}, {} bytes", key.template.name(), key.certificate.len());
            ok("EK certificate", found)
        }
        Err(error) => missing("EK certificate", error.to_string(), "provisioning needs one"),
    });
    let handle = IdentityKey::Attestation.handle();
    checks.push(match tpm.identity(IdentityKey::Attestation) {
        Ok(Some(_)) => ok("attestation key", format!("in the TPM at 0x{handle:08x}")),
        Ok(None) => warning("attestation key", "none yet", "run `hallmark provision`"),
        Err(error) => missing("attestation key", error.to_string(), "attestation needs it"),
    });
    checks.push(match tpm.rollback_floor() {
        Ok(Some(floor)) => ok("rollback floor", format!("release {}", floor.release)),
        Ok(None) => warning("rollback floor", "none yet", "run `hallmark provision`"),
        Err(error) => missing("rollback floor", error.to_string(), "updates need it"),
    });
}

fn check_banks(tpm: &Tpm) -> Check {
    const NAME: &str = "PCR banks";
    const FIX: &str = "switch SHA-256 on in the firmware's setup";
    let names: Vec<_> = tpm.active_banks().iter().map(|bank| bank.name()).collect();
    let found = format!("active: {}", names.join(", "));
    if names.iter().any(|name| *name != "sha1") { ok(NAME, found) } else { missing(NAME, found, FIX) }
}

/// A log in its usual place may be missing; one that was named must be there.
fn no_log(name: &'static str, path: &Path, named: bool, fix: &str) -> Check {
    let found = format!("no {}", path.display());
    if named { missing(name, found, "name a file that exists") } else { warning(name, found, fix) }
}

fn check_event_log(path: &Path, named: bool, simulated: bool) -> Check {
    const NAME: &str = "event log";
    let absent = if simulated {
        "boot the simulator: `hallmark sim boot LOG`"
    } else {
        "mount -t securityfs securityfs /sys/kernel/security; without UEFI or a TPM driver there is none"
    };
    match files::read(path, MAX_EVENT_LOG) {
        Err(_) if !path.exists() => no_log(NAME, path, named, absent),
        Err(failure) => missing(NAME, failure.message, "reading it needs root, or a group that may"),
        Ok(bytes) if bytes.is_empty() => warning(NAME, format!("{} is empty", path.display()), "see below"),
        Ok(bytes) => match EventLog::parse(&bytes) {
            Ok(log) => ok(NAME, format!("{} records, {} bytes", log.event_count(), bytes.len())),
            Err(_) => warning(NAME, format!("{} can't be read as a log", path.display()), "see below"),
        },
    }
}

fn check_ima_list(path: &Path, named: bool, simulated: bool) -> Check {
    const NAME: &str = "IMA list";
    let absent = if simulated {
        "boot the simulator with one: `hallmark sim boot LOG --ima LIST`"
    } else {
        "boot with ima_policy=tcb to have files measured"
    };
    if !path.exists() {
        return no_log(NAME, path, named, absent);
    }
    // Its beginning is enough to see whether it can be read at all; a list may be large.
    let mut start = Vec::new();
    match File::open(path).and_then(|file| file.take(START_OF_LIST).read_to_end(&mut start)) {
        Err(error) => missing(
            NAME,
            format!("{}: {error}", path.display()),
            "reading it needs root, or a group that may",
        ),
        Ok(0) => warning(NAME, "empty", absent),
        Ok(_) => match ImaList::new(&start).entries().next() {
            Some(Err(error)) => {
                missing(NAME, format!("{}: {error}", path.display()), "is this the right file?")
            }
            _ => ok(NAME, path.display().to_string()),
        },
    }
}

fn check_clock(context: &Context) -> Check {
    const NAME: &str = "clock";
    let now = context.now();
    if now < pki::EARLIEST {
        let found = format!("{now}, which is before this program was written");
        return missing(NAME, found, "set it, e.g. by NTP; certificates can't be judged without it");
    }
    ok(NAME, now.to_string())
}

fn check_state(folder: &Path) -> Check {
    const NAME: &str = "state folder";
    const OTHER: &str = "name one that can be written: --state or HALLMARK_STATE";
    // The nearest thing that exists decides whether the rest can be made.
    let Some(existing) = folder.ancestors().find(|path| path.exists()) else {
        return missing(NAME, format!("{} can't be made", folder.display()), OTHER);
    };
    if !existing.is_dir() {
        return missing(NAME, format!("{} is no folder", existing.display()), OTHER);
    }
    // Only trying tells: access rights say yes to root where the file system says no.
    match tempfile::tempfile_in(existing) {
        Ok(_) => ok(NAME, folder.display().to_string()),
        Err(error) => missing(NAME, format!("{}: {error}", existing.display()), OTHER),
    }
}

fn check_identity(context: &Context, has_tpm: bool) -> Check {
    const NAME: &str = "certificates";
    match Device::load(context) {
        Ok(device) => ok(NAME, format!("device {}, until {}", device.id(), device.not_after())),
        Err(failure) if failure.exit == Exit::Tpm && !has_tpm => {
            missing(NAME, "none in the state folder, and the TPM can't be asked", "see the TPM above")
        }
        Err(failure) if failure.exit == Exit::Failed => {
            warning(NAME, "none, neither in the state folder nor in the TPM", "run `hallmark provision`")
        }
        Err(failure) => missing(NAME, failure.message, "run `hallmark provision` again"),
    }
}
