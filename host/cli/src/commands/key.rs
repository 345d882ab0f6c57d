//! To be written.
use crate::app::Context; use crate::exit::Exit; use crate::failure::Failure;
#[derive(Debug, clap::Subcommand)] pub(crate) enum KeyCommand { X }
pub(crate) fn run(_c: &Context, _a: &KeyCommand) -> Result<Exit, Failure> { Ok(Exit::Done) }
