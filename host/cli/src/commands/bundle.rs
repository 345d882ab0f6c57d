//! To be written.
use crate::app::Context; use crate::exit::Exit; use crate::failure::Failure;
#[derive(Debug, clap::Subcommand)] pub(crate) enum BundleCommand { X }
pub(crate) fn run(_c: &Context, _a: &BundleCommand) -> Result<Exit, Failure> { Ok(Exit::Done) }
