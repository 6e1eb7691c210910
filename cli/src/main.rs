//! The `hallmark` command: arguments in, report out. What it does is in the libraries; here is how it is asked and told.

mod args;
mod commands;
mod context;
mod device;
#[cfg(test)]
mod documented;
mod failure;
mod files;
mod fitness;
mod floor;
#[cfg(test)]
mod help;
mod output;
#[cfg(test)]
mod schemas;
mod store;
mod trouble;
mod trust;
mod verifier;

use std::io::IsTerminal;
use std::process::ExitCode;

use args::{Cli, Command};
use clap::Parser;
use context::Context;
use failure::{Exit, Failure};
use output::Format;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

fn main() -> ExitCode {
    // A module's launcher does nothing but become the module: no options, no log, no TPM.
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == commands::run::LAUNCHER) {
        return runtime::launch::run(arguments);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage_error(&error),
    };
    quieten_tss(cli.global.verbose);
    start_log(cli.global.verbose);
    let format = cli.global.format;
    let exit = Context::new(&cli.global)
        .and_then(|context| run(cli.command, &context, format))
        .unwrap_or_else(|failure| {
            output::complain(&failure);
            if format == Format::Json {
                // Standard output is gone or full; the exit code still tells.
                let _ = output::print_json(&failure.report());
            }
            failure.exit
        });
    ExitCode::from(exit.code())
}

fn usage_error(error: &clap::Error) -> ExitCode {
    // Help and version are asked for; everything else is wrong usage.
    if !error.use_stderr() {
        let exit = output::told(error.print()).map_or_else(
            |failure| {
                output::complain(&failure);
                failure.exit
            },
            |()| Exit::Done,
        );
        return ExitCode::from(exit.code());
    }
    let of_arguments = args::error_without_environment(std::env::args_os());
    let error = of_arguments.as_ref().unwrap_or(error);
    let _ = error.print();
    if wants_json() {
        let text = error.render().to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let _ = output::print_json(&Failure::usage(message).report());
    }
    ExitCode::from(Exit::Usage.code())
}

/// Whether the command line asks for JSON, though it could not be parsed.
fn wants_json() -> bool {
    let arguments: Vec<_> =
        std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    arguments.iter().any(|argument| argument == "--format=json")
        || arguments
            .windows(2)
            .any(|pair| matches!(pair, [name, value] if name == "--format" && value == "json"))
}

fn run(command: Command, context: &Context, format: Format) -> Result<Exit, Failure> {
    match command {
        Command::Check(args) => output::print(&commands::check::run(&args, context)?, format),
        Command::Sim(command) => commands::sim::run(command, context, format),
        Command::Ca(command) => commands::ca::run(command, context, format),
        Command::Provision(args) => output::print(&commands::provision::run(&args, context)?, format),
        Command::Identity(command) => commands::identity::run(command, context, format),
        Command::Attest(args) => output::print(&commands::attest::run(&args, context)?, format),
        Command::Appraise(args) => output::print(&commands::appraise::run(&args, context)?, format),
        Command::Result(command) => commands::result::run(command, context, format),
        Command::Quote(command) => commands::quote::run(command, format),
        Command::Eventlog(command) => commands::eventlog::run(command, context, format),
        Command::Ima(command) => commands::ima::run(command, format),
        Command::Reference(command) => commands::reference::run(command, context, format),
        Command::Policy(command) => commands::policy::run(command, context, format),
        Command::Key(command) => commands::key::run(command, format),
        Command::Bundle(command) => commands::bundle::run(command, format),
        Command::Update(command) => commands::update::run(command, context, format),
        Command::Run(args) => commands::run::run(&args, context, format),
        Command::Module(command) => commands::module::run(command, context, format),
        Command::Completions(args) => commands::completions::run(&args),
    }
}

/// The TSS libraries print warnings of their own to standard error unless `TSS2_LOG` says otherwise, and they read it
/// from the environment only, at their first message. One that the user has set stays.
///
/// Changing the environment is sound while the process has one thread: this comes before the first one is started.
fn quieten_tss(verbose: u8) {
    if verbose < 2 {
        // A line that can be parsed, from memory: nothing can fail here.
        let _ = dotenvy::from_read(&b"TSS2_LOG=all+NONE\n"[..]);
    }
}

fn start_log(verbose: u8) {
    let styled = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(styled).without_time();
    match EnvFilter::try_from_env("HALLMARK_LOG") {
        Ok(filter) => log.with_env_filter(filter).init(),
        Err(_) => log
            .with_max_level(match verbose {
                0 => LevelFilter::WARN,
                1 => LevelFilter::INFO,
                _ => LevelFilter::DEBUG,
            })
            .init(),
    }
}
