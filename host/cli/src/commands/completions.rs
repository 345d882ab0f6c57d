//! To be written.
use crate::app::Context; use crate::exit::Exit; use crate::failure::Failure;
#[derive(Debug, clap::Args)] pub(crate) struct CompletionsArgs { }
pub(crate) fn run(_c: &Context, _a: &CompletionsArgs) -> Result<Exit, Failure> { Ok(Exit::Done) }
