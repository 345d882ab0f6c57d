//! `host bundle`: seals a module, shows what a bundle would be trusted with, verifies, signs, compares, compiles.
//!
//! Nothing here starts a program of a bundle, and only `verify` says whether one is trusted.

pub(crate) mod columns;

mod draft;

pub(crate) mod look;
mod seals;

pub(crate) mod card;

mod agent;
mod signing;

mod diff;
mod lines;
mod pack;
mod show;
mod sign;
mod verify;
mod warm;

use clap::Subcommand;

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Failure;

pub(crate) use draft::{sync_parent, unwritten};
pub(crate) use seals::{scope, verdict};

/// Seal modules into bundles, look into them, sign, verify and warm them
#[derive(Debug, Subcommand)]
pub(crate) enum BundleCommand {
    Pack(pack::PackArgs),
    Show(show::ShowArgs),
    Verify(verify::VerifyArgs),
    Sign(sign::SignArgs),
    Diff(diff::DiffArgs),
    Warm(warm::WarmArgs),
}

/// Runs `host bundle`.
pub(crate) fn run(context: &Context, command: &BundleCommand) -> Result<Exit, Failure> {
    match command {
        BundleCommand::Pack(arguments) => pack::run(context, arguments),
        BundleCommand::Show(arguments) => show::run(context, arguments),
        BundleCommand::Verify(arguments) => verify::run(context, arguments),
        BundleCommand::Sign(arguments) => sign::run(context, arguments),
        BundleCommand::Diff(arguments) => diff::run(context, arguments),
        BundleCommand::Warm(arguments) => warm::run(context, arguments),
    }
}
