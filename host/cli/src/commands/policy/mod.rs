//! `host policy`: looks at rules before they decide, and explains them afterwards.

mod snippet;

pub(crate) mod sets;

mod subject;

mod check;
mod diff;
pub(crate) mod explain;
mod import;
mod learn;
mod test;
mod who_can;

use clap::Subcommand;

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// Check, explain and test the rules that say who may run what
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    Check(check::CheckArgs),
    Explain(explain::ExplainArgs),
    Test(test::TestArgs),
    WhoCan(who_can::WhoCanArgs),
    Diff(diff::DiffArgs),
    Learn(learn::LearnArgs),
    #[command(subcommand)]
    Import(import::ImportCommand),
}

/// Runs `host policy`.
pub(crate) fn run(context: &Context, command: &PolicyCommand) -> Result<Exit, Failure> {
    match command {
        PolicyCommand::Check(arguments) => check::run(context, arguments),
        PolicyCommand::Explain(arguments) => explain::run(context, arguments),
        PolicyCommand::Test(arguments) => test::run(context, arguments),
        PolicyCommand::WhoCan(arguments) => who_can::run(context, arguments),
        PolicyCommand::Diff(arguments) => diff::run(context, arguments),
        PolicyCommand::Learn(arguments) => learn::run(context, arguments),
        PolicyCommand::Import(command) => import::run(context, command),
    }
}
