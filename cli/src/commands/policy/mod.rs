//! `hallmark policy`: policies, checked, tested and compared before a device is judged by them.

pub(crate) mod check;
pub(crate) mod replay;
pub(crate) mod suggest;
pub(crate) mod test;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{self, Format};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Everything that is wrong with a policy and its files, what is weak in it, and what it demands
    Check(check::Args),
    /// Judge recorded evidence by a policy, and compare with what is expected
    Test(test::Args),
    /// Judge the stored evidence of many devices by another policy: whose verdict would change
    Replay(replay::Args),
    /// From a refusal to the rule that would allow it, for a person to judge
    Suggest(suggest::Args),
}

pub(crate) fn run(command: Command, context: &Context, format: Format) -> Result<Exit, Failure> {
    match command {
        Command::Check(args) => output::print(&check::run(&args, context), format),
        Command::Test(args) => output::print(&test::run(&args)?, format),
        Command::Replay(args) => output::print(&replay::run(&args, context)?, format),
        Command::Suggest(args) => output::print(&suggest::run(&args, context)?, format),
    }
}
