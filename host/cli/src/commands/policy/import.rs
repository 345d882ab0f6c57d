//! `host policy import`: rules of other systems, carried over exactly or not at all.

use clap::{Args, Subcommand};

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// Carry over the rules of another system
#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    Choria(ChoriaArgs),
}

/// Carry over Choria's action policies and groups, first-match semantics kept exactly
#[derive(Args, Debug)]
pub(crate) struct ChoriaArgs {}

pub(super) fn run(_context: &Context, command: &ImportCommand) -> Result<Exit, Failure> {
    let ImportCommand::Choria(_) = command;
    Err(Failure::usage("not yet"))
}
