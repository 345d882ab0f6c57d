//! `host bundle show`: what a bundle is, who signed it, and what it would ask for. Nothing of it is run.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;

use super::card::Card;
use super::look::Look;
use super::seals::{seals, verdict};
use crate::app::Context;
use crate::clock;
use crate::commands::trust;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::OutputMode;

/// Show what a bundle is, who signed it, and what its tasks ask for
///
/// BUNDLE is a sealed bundle, a plain tar of a module, or a module's directory. It need not be trusted:
/// nothing of it is run, and whether it is trusted here is part of what is shown.
#[derive(Args, Debug)]
#[command(after_help = "examples:
  host bundle show service-1.4.0.tar
  host bundle show . --output json")]
pub(crate) struct ShowArgs {
    /// A bundle, a plain tar of a module, or a module's directory
    bundle: PathBuf,
}

pub(super) fn run(context: &Context, arguments: &ShowArgs) -> Result<Exit, Failure> {
    let look = Look::at(context, &arguments.bundle)?;
    let contents = look.read(context, &BTreeSet::new())?;
    let (trust, now) = (trust::load(context)?, clock::now_unix());
    let card = Card {
        look: &look,
        module: &contents.module,
        seals: seals(&look, &trust, now),
        distrust: verdict(&look, &trust, now).err(),
    };
    match context.printer.mode() {
        OutputMode::Human => card.print(context.printer),
        OutputMode::Json | OutputMode::Jsonl => context.printer.json(&card.json()),
    }
    Ok(Exit::Done)
}
