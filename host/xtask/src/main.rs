//! `cargo xtask`: shows `host` at work, runs what CI runs, on this kernel and on a distribution's, measures it against its
//! peers, builds programs for it to run.
//!
//! A command line of its own that knows `host` from outside only, as the program that it builds. It installs nothing
//! that is there already and says what it installs. It imports none of our crates.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a command line of its own: its words are its output"
)]

mod account;
mod archives;
mod machine;
mod packages;
mod workspace;

mod table;
mod transcript;

mod bench;
mod demo;
mod guests;
mod test;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Chores of the project
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Chore {
    /// Show host at work: a key, a signed bundle, a refusal, a run
    ///
    /// Builds host and a WASI program, seals that and the script below guest-examples/disk-report and runs them, with
    /// every command printed before it runs. Keeps to target/demo and target/guests, can be repeated, and needs no
    /// network when the dependencies are there.
    Demo,
    Guests(guests::GuestsArguments),
    Test(test::TestArguments),
    Bench(bench::BenchArguments),
    Vm(vm::VmArguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = Workspace::find().and_then(|workspace| match &arguments.chore {
        Chore::Demo => demo::demo(&workspace),
        Chore::Guests(arguments) => guests::guests(&workspace, arguments),
        Chore::Test(arguments) => test::test(&workspace, arguments),
        Chore::Bench(arguments) => bench::bench(&workspace, arguments),
        Chore::Vm(arguments) => vm::vm(&workspace, arguments),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nfailed: {error:#}");
            ExitCode::FAILURE
        }
    }
}
