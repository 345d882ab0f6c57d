//! A glance at a module's directory, for what a command line says of it that cannot be.
//!
//! A directory is sealed and kept before it is run. What names no task of it, or no option of that task, is told
//! before that, so that a slip of the keyboard leaves nothing behind. A glance believes nothing and decides
//! nothing else: whatever it cannot read is for the run to say.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use clap::error::ErrorKind;
use clap::{Command, CommandFactory};
use host_bundle::{ModuleIdentity, ModuleSource};
use host_core::ModuleName;
use host_node::ModuleDir;
use host_task::{FindTaskError, Module, TaskDefinition};

use super::failures::{find_failure, no_such_option};
use super::options;
use super::scan::{Named, scan_knowing};
use crate::args::Cli;
use crate::failure::Failure;

/// The most that is read of one text, in bytes; what is longer is refused when the module is opened.
const TEXT_BYTES_MAX: u64 = 1 << 20;
/// How many words that may be values are tried as the task.
const CANDIDATES_MAX: usize = 16;

/// Whether task and options can be those of the module in a directory; `again` is the command line so far.
pub(super) fn check(named: &Named, arguments: &[OsString], again: &str) -> Result<(), Failure> {
    if !named.bundle.is_dir() {
        return Ok(());
    }
    match module_in(&named.bundle) {
        Some(module) => check_words(&module, named, arguments, again),
        None => Ok(()),
    }
}

fn check_words(
    module: &Module,
    named: &Named,
    arguments: &[OsString],
    again: &str,
) -> Result<(), Failure> {
    let named = &settle(module, arguments, named);
    let task = find(module, named).map_err(|error| find_failure(&error, module, named))?;
    match command(module, task).try_get_matches_from(arguments) {
        Err(error) if error.kind() == ErrorKind::UnknownArgument => {
            Err(no_such_option(&error, again, task))
        }
        _ => Ok(()),
    }
}

/// The task that is meant.
pub(super) fn find<'m>(
    module: &'m Module,
    named: &Named,
) -> Result<&'m TaskDefinition, FindTaskError> {
    match &named.task {
        Some(text) => module.find(text),
        None => module.default_task(),
    }
}

/// What was named, read once more with the options of the task that is meant.
///
/// Which word is the task depends on which options take values, and that on the task: of the tasks that may be meant,
/// the first one counts that its own options leave as the task.
pub(super) fn settle(module: &Module, arguments: &[OsString], named: &Named) -> Named {
    let taken = named
        .before_task
        .iter()
        .filter_map(|option| option.value.as_ref());
    let candidates: Vec<&TaskDefinition> = find(module, named)
        .into_iter()
        .chain(module.default_task())
        .chain(
            taken
                .take(CANDIDATES_MAX)
                .flat_map(|word| module.find(word)),
        )
        .collect();
    let again = |task: &&TaskDefinition| {
        scan_knowing(arguments, &options::known(task, module.aliases()))
            .filter(|again| again.bundle == named.bundle)
    };
    let settled = |task: &&TaskDefinition| {
        again(task).filter(|again| find(module, again).is_ok_and(|found| found.name == task.name))
    };
    candidates
        .iter()
        .find_map(settled)
        .or_else(|| candidates.first().and_then(again))
        .unwrap_or_else(|| named.clone())
}

/// The command line with the options of a task.
pub(super) fn command(module: &Module, task: &TaskDefinition) -> Command {
    Cli::command().mut_subcommand("run", |run| options::add(run, task, module.aliases()))
}

fn module_in(directory: &Path) -> Option<Module> {
    let source = ModuleDir::open(directory).ok()?;
    let paths: Vec<String> = source.files().into_iter().map(|file| file.path).collect();
    if !paths.iter().any(|path| path.starts_with("tasks/")) {
        return None;
    }
    let mut read = |path: &str| read(&source, path);
    let name = name(directory, &mut read)?;
    Module::open(&name, paths, &mut read).ok()
}

/// What the module calls itself, else what its directory is called.
fn name(
    directory: &Path,
    read: &mut impl FnMut(&str) -> io::Result<Vec<u8>>,
) -> Option<ModuleName> {
    let identity = read("metadata.json").ok();
    let identity = identity.and_then(|bytes| ModuleIdentity::read(&bytes).ok());
    identity.and_then(|identity| identity.module).or_else(|| {
        let path = directory.canonicalize().ok()?;
        path.file_name()?.to_str()?.parse().ok()
    })
}

fn read(source: &ModuleDir, path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut reader = io::Read::take(source.open(path)?, TEXT_BYTES_MAX);
    io::Read::read_to_end(&mut reader, &mut bytes)?;
    Ok(bytes)
}
