//! The command line: global options and the list of commands. Each command's own options stand in its file.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, CommandFactory, Parser, Subcommand};

use crate::commands;
use crate::output::Format;

/// Device identity, attestation, signed updates and gated start, with a TPM 2.0 as root of trust.
#[derive(Debug, Parser)]
#[command(
    name = "hallmark",
    version,
    propagate_version = true,
    after_help = "Exit codes: 0 done or trusted, 1 could not do it, 2 wrong usage, 3 judged and refused, \
                  4 no TPM or TPM error, 5 cannot tell.\n\
                  Try `hallmark check` first: it tells what works here and what is missing."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, clap::Args)]
pub(crate) struct Global {
    /// Where the TPM is: device:PATH, swtpm:host=HOST,port=PORT, mssim:… or tabrmd [default: device:/dev/tpmrm0]
    #[arg(long, global = true, env = "HALLMARK_TCTI", value_name = "TCTI", help_heading = "Global options")]
    pub(crate) tcti: Option<String>,

    /// Folder for what outlives a command [default: /var/lib/hallmark for root, else ~/.local/state/hallmark]
    #[arg(long, global = true, env = "HALLMARK_STATE", value_name = "DIR", help_heading = "Global options")]
    pub(crate) state: Option<PathBuf>,

    /// Form of the report on standard output
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "human",
        value_name = "FORM",
        help_heading = "Global options"
    )]
    pub(crate) format: Format,

    /// Say more on standard error; twice for TPM commands
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Global options")]
    pub(crate) verbose: u8,

    /// Say nothing on standard error but errors
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tell what works and what is missing here, with a fix beside each
    Check(commands::check::Args),
    /// The simulated TPM: start, stop, status, boot, extend
    #[command(subcommand)]
    Sim(commands::sim::Command),
    /// The factory's certificate authority: init, issue, revoke, show
    #[command(subcommand)]
    Ca(commands::ca::Command),
    /// Give this device its identity: keys in the TPM, certificates by the CA, a line in the ledger
    Provision(commands::provision::Args),
    /// The device's identity
    #[command(subcommand)]
    Identity(commands::identity::Command),
    /// Collect evidence for a verifier's nonce (attester)
    Attest(commands::attest::Args),
    /// Judge evidence by a policy (verifier)
    Appraise(commands::appraise::Args),
    /// Attestation results, for those who rely on a verifier: verify, show
    #[command(subcommand)]
    Result(commands::result::Command),
    /// Quotes as tpm2-tools write them
    #[command(subcommand)]
    Quote(commands::quote::Command),
    /// TCG event logs
    #[command(subcommand)]
    Eventlog(commands::eventlog::Command),
    /// Linux IMA measurement lists
    #[command(subcommand)]
    Ima(commands::ima::Command),
    /// Reference values: record, sign, show
    #[command(subcommand)]
    Reference(commands::reference::Command),
    /// Appraisal policies: check, test, replay, suggest
    #[command(subcommand)]
    Policy(commands::policy::Command),
    /// Keys that sign packages and reference values
    #[command(subcommand)]
    Key(commands::key::Command),
    /// Sigstore bundles of any artifact
    #[command(subcommand)]
    Bundle(commands::bundle::Command),
    /// Update packages: pack, sign, verify, inspect, install, status
    #[command(subcommand)]
    Update(commands::update::Command),
    /// Attest, appraise, and start the installed modules only when trusted
    Run(commands::run::Args),
    /// The modules of a running `hallmark run`
    #[command(subcommand)]
    Module(commands::module::Command),
    /// Print completions for a shell
    Completions(commands::completions::Args),
}

/// What is wrong with the arguments alone. In a usage line clap names what was given as if it were required, and counts what the
/// environment has as given. `None` when only the environment is wrong.
pub(crate) fn error_without_environment(
    arguments: impl IntoIterator<Item = OsString>,
) -> Option<clap::Error> {
    // No variable has this name, and clap has no way to take one off.
    let quiet = |arg: clap::Arg| arg.env("");
    let command = Cli::command().mut_arg("tcti", quiet).mut_arg("state", quiet);
    command.try_get_matches_from(arguments).err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usage_line_names_nothing_that_the_environment_has() {
        // An option that was given stands in clap's usage line, as one does whose variable is set.
        let usage = |arguments: &[&str]| {
            let arguments = arguments.iter().map(OsString::from);
            error_without_environment(arguments).map(|error| error.to_string())
        };
        let told = usage(&["hallmark", "appraise"]).unwrap();
        assert!(told.contains("Usage: hallmark appraise --nonce <HEX> --policy <FILE> <EVIDENCE>"), "{told}");
        let told = usage(&["hallmark", "appraise", "--state", "s"]).unwrap();
        assert!(told.contains("--state <DIR>"), "{told}");
        assert_eq!(usage(&["hallmark", "update", "status"]), None);
    }
}
