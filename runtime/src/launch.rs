//! Launching: between the supervisor's decision and the module's first instruction.
//!
//! A process can give up things only for itself, so the supervisor starts its own program once more as a *launcher*, which
//! does so and then becomes the module:
//!
//! ```text
//! supervisor ──StartPermit, MeasuredModule──▶ launcher ──checks the seals, drops what is not needed──▶ module
//! ```
//!
//! The launcher dies with its supervisor, also when that is killed (threat r08); it can't gain privileges, leaves no core
//! dump, and every descriptor but 0, 1 and 2 closes as it becomes the module (threat r09). The same process stays: its
//! id is the module's.
//!
//! A program that supervises must therefore be able to be the launcher:
//! ```no_run
//! # use std::process::ExitCode;
//! fn main() -> ExitCode {
//!     let mut args = std::env::args_os().skip(1);
//!     if args.next().is_some_and(|first| first == "module-launcher") {
//!         return runtime::launch::run(args);
//!     }
//!     // … and otherwise supervises with `Launcher::this_program(["module-launcher"])`.
//!     ExitCode::SUCCESS
//! }
//! ```

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use rustix::fs::{Mode, SealFlags};
use rustix::process::{Resource, Rlimit, Signal};

use crate::clock::BootTime;
use crate::error::RuntimeError;
use crate::measure::{MeasuredModule, SEALS};
use crate::permit::{Situation, Standing, StartPermit};

/// The exit code of a launcher that could not become its module; the reason stands in the module's log.
pub const LAUNCH_FAILED: u8 = 125;
/// Names the module to itself.
pub const MODULE_VARIABLE: &str = "HALLMARK_MODULE";

/// Which program is the launcher.
#[derive(Debug, Clone)]
pub struct Launcher {
    program: PathBuf,
    args: Vec<OsString>,
}

impl Launcher {
    /// The program that is running, called with `args` before the launcher's own. It is the same program even when its
    /// file was replaced by an update meanwhile.
    pub fn this_program<A: Into<OsString>>(args: impl IntoIterator<Item = A>) -> Self {
        Self::program(Path::new("/proc/self/exe"), args)
    }

    /// The program at `path`, called with `args` before the launcher's own.
    pub fn program<A: Into<OsString>>(path: &Path, args: impl IntoIterator<Item = A>) -> Self {
        Self { program: path.to_owned(), args: args.into_iter().map(Into::into).collect() }
    }
}

/// What a module gets as its standard streams.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) stdin: Stdio,
    pub(crate) stdout: Stdio,
    pub(crate) stderr: Stdio,
}

/// Starts a measured module if the permit covers it, here and now. There is no other way to start one.
///
/// `measured` must be kept until the process ends: the launcher reaches the sealed bytes through its parent.
pub(crate) fn start(
    measured: &MeasuredModule,
    permit: &StartPermit,
    standing: &Standing,
    launcher: &Launcher,
    streams: Streams,
    folder: &Path,
) -> Result<Child, RuntimeError> {
    let module = measured.module();
    permit.check(&Situation {
        standing,
        modules: measured.set_digest(),
        module: module.name(),
        measured: module.sha256(),
        now: BootTime::now(),
    })?;
    Command::new(&launcher.program)
        .args(&launcher.args)
        .arg(std::process::id().to_string())
        .arg(measured.sealed().as_raw_fd().to_string())
        .arg(module.name())
        .args(module.args())
        .env_clear()
        .envs(module.env())
        .env(MODULE_VARIABLE, module.name())
        .current_dir(folder)
        // A group of its own, so that what the module starts is stopped with it.
        .process_group(0)
        .stdin(streams.stdin)
        .stdout(streams.stdout)
        .stderr(streams.stderr)
        .spawn()
        .map_err(RuntimeError::io("start", &launcher.program))
}

/// Why a launcher did not become its module.
#[derive(Debug, thiserror::Error)]
enum LaunchError {
    #[error("the launcher is started by the supervisor only (expected: PID DESCRIPTOR NAME [ARGUMENT]...)")]
    Usage,
    #[error("the supervisor (process {supervisor}) has ended")]
    Orphaned { supervisor: i32 },
    #[error("can't {doing}: {source}")]
    Restrict { doing: &'static str, source: rustix::io::Errno },
    #[error("can't reach the measured bytes at {path}: {source}")]
    Unreachable { path: String, source: io::Error },
    #[error("the bytes at {path} are not sealed; they are not what was measured")]
    Unsealed { path: String },
    #[error("module {name} can't be executed: {source}")]
    Exec { name: String, source: io::Error },
}

/// What the supervisor tells the launcher.
#[derive(Debug, PartialEq, Eq)]
struct Order {
    supervisor: i32,
    descriptor: RawFd,
    name: OsString,
    args: Vec<OsString>,
}

impl Order {
    fn parse(args: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let mut args = args.into_iter();
        let mut number = || args.next()?.to_str()?.parse::<i32>().ok().filter(|number| *number >= 0);
        let (supervisor, descriptor) = (number()?, number()?);
        Some(Self { supervisor, descriptor, name: args.next()?, args: args.collect() })
    }
}

/// The launcher's whole life: `args` are those that follow the ones given to [`Launcher`]. Returns only when the module
/// could not be started.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let error = match Order::parse(args) {
        Some(order) => become_module(&order),
        None => LaunchError::Usage,
    };
    // Standard error is the module's log, and there is nobody else to tell.
    let _ = io::Write::write_all(&mut io::stderr(), format!("launcher: {error}\n").as_bytes());
    ExitCode::from(LAUNCH_FAILED)
}

fn become_module(order: &Order) -> LaunchError {
    let sealed = match restrict(order.supervisor).and_then(|()| open_sealed(order)) {
        Ok(sealed) => sealed,
        Err(error) => return error,
    };
    // Closes on exec whatever the supervisor itself was started with by mistake.
    close_fds::set_fds_cloexec(3, &[]);
    let source = Command::new(format!("/proc/self/fd/{}", sealed.as_raw_fd()))
        .arg0(&order.name)
        .args(&order.args)
        .exec();
    LaunchError::Exec { name: order.name.to_string_lossy().into_owned(), source }
}

/// Gives up what a module must not have. All of it lasts across exec.
fn restrict(supervisor: i32) -> Result<(), LaunchError> {
    let failed = |doing| move |source| LaunchError::Restrict { doing, source };
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(failed("tie the module to its supervisor"))?;
    // A parent that ended before the line above never sends the signal.
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    if parent != Some(supervisor) {
        return Err(LaunchError::Orphaned { supervisor });
    }
    rustix::thread::set_no_new_privs(true).map_err(failed("renounce new privileges"))?;
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(Resource::Core, none).map_err(failed("switch core dumps off"))?;
    rustix::process::umask(Mode::from_raw_mode(0o077));
    Ok(())
}

/// Opens the supervisor's memory file and looks at its seals once more, so that a wrong descriptor number is no way in.
fn open_sealed(order: &Order) -> Result<File, LaunchError> {
    let path = format!("/proc/{}/fd/{}", order.supervisor, order.descriptor);
    let sealed = match File::open(&path) {
        Ok(sealed) => sealed,
        Err(source) => return Err(LaunchError::Unreachable { path, source }),
    };
    let seals = rustix::fs::fcntl_get_seals(&sealed).unwrap_or(SealFlags::empty());
    if seals.contains(SEALS) { Ok(sealed) } else { Err(LaunchError::Unsealed { path }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(args: &[&str]) -> Option<Order> {
        Order::parse(args.iter().map(OsString::from))
    }

    #[test]
    fn an_order_is_two_numbers_and_a_name() {
        let parsed = order(&["12", "7", "sensor", "--every", "1"]).unwrap();
        assert_eq!((parsed.supervisor, parsed.descriptor, parsed.args.len()), (12, 7, 2));
        for bad in [&["12", "7"][..], &["x", "7", "a"], &["12", "-1", "a"], &["12", "7x", "a"], &[]] {
            assert_eq!(order(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn r02_bytes_that_are_not_sealed_are_not_executed() {
        let file = tempfile::tempfile().unwrap();
        let supervisor = i32::try_from(std::process::id()).unwrap();
        let order = Order { supervisor, descriptor: file.as_raw_fd(), name: "x".into(), args: Vec::new() };
        assert!(matches!(open_sealed(&order), Err(LaunchError::Unsealed { .. })));
    }

    #[test]
    fn r08_a_launcher_whose_supervisor_is_gone_does_not_start_anything() {
        // Our own id is not our parent's.
        let own = i32::try_from(std::process::id()).unwrap();
        let refused = std::thread::spawn(move || restrict(own)).join().unwrap();
        rustix::process::set_parent_process_death_signal(None).unwrap();
        assert!(matches!(refused, Err(LaunchError::Orphaned { .. })));
    }
}
