//! To be written.
use crate::app::Context; use crate::exit::Exit; use crate::failure::Failure;
#[derive(Debug, clap::Args)] pub(crate) struct DoctorArgs { }
pub(crate) fn run(_c: &Context, _a: &DoctorArgs) -> Result<Exit, Failure> { Ok(Exit::Done) }
