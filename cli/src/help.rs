//! Snapshots of every command's help, so that a change of the interface is seen in review.

use clap::{Command, CommandFactory};

use crate::args::Cli;

fn collect(command: &Command, path: &str, helps: &mut Vec<(String, String)>) {
    let mut command = command.clone().term_width(100).bin_name(path);
    helps.push((path.replace(' ', "-"), command.render_long_help().to_string()));
    for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
        collect(subcommand, &format!("{path} {}", subcommand.get_name()), helps);
    }
}

#[test]
fn help_reads_as_it_did() {
    let mut command = Cli::command();
    command.build();
    let mut helps = Vec::new();
    collect(&command, "hallmark", &mut helps);
    assert!(helps.len() > 30, "{} commands", helps.len());
    for (name, help) in helps.iter().filter(|(_, help)| !help.contains("Commands:")) {
        assert!(help.contains("Example"), "{name} has no example");
    }
    for (name, help) in helps {
        insta::assert_snapshot!(name, help);
    }
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}
