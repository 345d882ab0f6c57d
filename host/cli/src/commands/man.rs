//! To be written.
use crate::app::Context; use crate::exit::Exit; use crate::failure::Failure;
#[derive(Debug, clap::Args)] pub(crate) struct ManArgs { }
pub(crate) fn run(_c: &Context, _a: &ManArgs) -> Result<Exit, Failure> { Ok(Exit::Done) }
