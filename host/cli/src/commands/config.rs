//! To be written.
use crate::app::Context; use crate::exit::Exit; use crate::failure::Failure;
#[derive(Debug, clap::Subcommand)] pub(crate) enum ConfigCommand { X }
pub(crate) fn run(_c: &Context, _a: &ConfigCommand) -> Result<Exit, Failure> { Ok(Exit::Done) }
