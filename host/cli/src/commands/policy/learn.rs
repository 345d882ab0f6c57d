//! `host policy learn`: the least rules for what recorded runs were seen to use.

use clap::Args;

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// Write the least rules that permit what runs with --learn were seen to use
#[derive(Args, Debug)]
pub(crate) struct LearnArgs {}

pub(super) fn run(_context: &Context, _arguments: &LearnArgs) -> Result<Exit, Failure> {
    Err(Failure::usage("not yet"))
}
