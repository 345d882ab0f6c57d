//! `host man`: manual pages, made of the same words as `--help`.

use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};
use clap_mangen::Man;

use crate::app::Context;
use crate::args::Cli;
use crate::commands::bundle::unwritten;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wording::shown;

/// Print the manual page, or write those of all commands into a directory
#[derive(Args, Debug)]
#[command(after_help = "examples:
  host man | man -l -
  host man /usr/local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Where to write one page for each command
    dir: Option<PathBuf>,
}

/// Runs `host man`.
pub(crate) fn run(context: &Context, arguments: &ManArgs) -> Result<Exit, Failure> {
    if let Some(directory) = &arguments.dir {
        return write(context, directory);
    }
    let mut page = Vec::new();
    Man::new(Cli::command())
        .render(&mut page)
        .map_err(|error| Failure::new(Exit::Bug, &error))?;
    context
        .printer
        .line(String::from_utf8_lossy(&page).trim_end());
    Ok(Exit::Done)
}

fn write(context: &Context, directory: &Path) -> Result<Exit, Failure> {
    let unwritten = |error| unwritten(directory, &error);
    std::fs::create_dir_all(directory).map_err(unwritten)?;
    clap_mangen::generate_to(Cli::command(), directory).map_err(unwritten)?;
    context
        .printer
        .note(&format!("written to {}", shown(directory)));
    Ok(Exit::Done)
}
