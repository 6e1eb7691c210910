//! The launcher alone, for programs that can't be their own: those of the tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::launch::run(std::env::args_os().skip(1))
}
