//! `hallmark module`: what a running `hallmark run` does.

use std::io;

use clap::Subcommand;
use runtime::status::{self, ModuleState, ModuleStatus, Observation, Trust};
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{self, BOLD, Format, Mark, Page, Report};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The modules, one line each
    #[command(after_help = "Example:\n  hallmark module list")]
    List,
    /// The supervisor, its permit, and the modules
    #[command(after_help = "Example:\n  hallmark module status --format json")]
    Status,
}

/// A supervisor and its modules.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ModuleReport {
    /// Whether a supervisor runs now.
    running: bool,
    /// Process id of the supervisor that runs, or ran last.
    supervisor_pid: Option<u32>,
    /// The device's name.
    device: Option<String>,
    /// Product, version and release number.
    release: Option<String>,
    /// `trusted`, `unconfirmed`, `refused` or `ended`.
    #[schemars(with = "Option<String>")]
    trust: Option<Trust>,
    /// The permit's end by the wall clock.
    permit_end: Option<String>,
    /// Why trust is what it is, or why the supervisor stopped.
    reason: Option<String>,
    /// The modules in their order.
    modules: Vec<ModuleView>,
    #[serde(skip)]
    brief: bool,
}

/// One module.
#[derive(Debug, Serialize, JsonSchema)]
struct ModuleView {
    /// Its name.
    name: String,
    /// `starting`, `running`, `exited`, `stopped` or `refused`.
    #[schemars(with = "String")]
    state: ModuleState,
    /// Process id, while it runs.
    pid: Option<u32>,
    /// How often it was started again.
    restarts: u32,
    /// Since when it is in this state.
    since: String,
    /// How it ended last.
    last_exit: Option<String>,
    /// Why it is in this state.
    reason: Option<String>,
}

impl ModuleReport {
    fn new(observation: Observation, brief: bool) -> Self {
        let Observation { is_running: running, status } = observation;
        let Some(status) = status else {
            return Self {
                running,
                supervisor_pid: None,
                device: None,
                release: None,
                trust: None,
                permit_end: None,
                reason: None,
                modules: Vec::new(),
                brief,
            };
        };
        Self {
            running,
            supervisor_pid: Some(status.supervisor.pid),
            device: Some(status.device),
            release: Some(status.release),
            trust: Some(status.trust),
            permit_end: Some(status.permit_end.to_string()),
            reason: status.reason,
            modules: status.modules.into_iter().map(ModuleView::from).collect(),
            brief,
        }
    }
}

impl From<ModuleStatus> for ModuleView {
    fn from(module: ModuleStatus) -> Self {
        Self {
            name: module.name,
            state: module.state,
            pid: module.pid,
            restarts: module.restarts,
            since: module.since.to_string(),
            last_exit: module.last_exit,
            reason: module.reason,
        }
    }
}

impl Report for ModuleReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        if !self.brief {
            let pid = self.supervisor_pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
            let (mark, text) = match (self.running, self.supervisor_pid) {
                (true, _) => (Mark::Good, format!("running{pid}")),
                (false, Some(_)) => (Mark::Doubt, format!("not running, was{pid}")),
                (false, None) => (Mark::Doubt, "has never run here".to_owned()),
            };
            page.mark(mark, "supervisor", text)?;
            for (name, value) in [
                ("device", &self.device),
                ("release", &self.release),
                ("permit until", &self.permit_end),
                ("reason", &self.reason),
            ] {
                if let Some(value) = value {
                    page.row(name, value)?;
                }
            }
        }
        if !self.modules.is_empty() {
            page.styled(
                BOLD,
                format_args!("  {:<20} {:<9} {:>8} {:>9}  {}", "module", "state", "pid", "restarts", "since"),
            )?;
        }
        for module in &self.modules {
            let pid = module.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
            let state = format!("{:?}", module.state).to_lowercase();
            let reason = module
                .reason
                .as_deref()
                .or(module.last_exit.as_deref())
                .map(|text| format!("  {text}"))
                .unwrap_or_default();
            page.line(format_args!(
                "  {:<20} {state:<9} {pid:>8} {:>9}  {}{reason}",
                module.name, module.restarts, module.since
            ))?;
        }
        Ok(())
    }
}

pub(crate) fn run(command: Command, context: &Context, format: Format) -> Result<Exit, Failure> {
    let brief = matches!(command, Command::List);
    output::print(&ModuleReport::new(status::read(context.state())?, brief), format)
}
