//! To be written.
use crate::app::Context; use crate::exit::Exit; use crate::failure::Failure;
#[derive(Debug, clap::Subcommand)] pub(crate) enum TrustCommand { X }
pub(crate) fn load(_c: &Context) -> Result<host_trust::TrustList, Failure> { Ok(host_trust::TrustList::empty()) }
pub(crate) fn run(_c: &Context, _a: &TrustCommand) -> Result<Exit, Failure> { Ok(Exit::Done) }
