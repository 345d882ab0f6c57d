//! A glance at a module's directory, for what a command line says of it that cannot be.
//!
//! A directory is sealed and kept before it is run. What names no task of it, or no option of that task, or does not
//! fit its parameters, is told before that, so that a slip of the keyboard leaves nothing behind. A glance believes
//! nothing and decides nothing else: whatever it cannot read is for the run to say.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use clap::error::ErrorKind;
use clap::{ArgMatches, Command, CommandFactory};
use host_bundle::{ModuleIdentity, ModuleSource, Needs};
use host_core::ModuleName;
use host_node::{ModuleDir, PlanError};
use host_task::{FindTaskError, Module, ParameterType, TaskDefinition};

use super::failures::{find_failure, no_such_option, plan_failure};
use super::options;
use super::scan::{Named, scan_knowing};
use super::typed::{self, InputText, is_stdin};
use super::{RunArgs, run_args, warn_of_secrets};
use crate::app::Context;
use crate::args::Cli;
use crate::failure::Failure;

/// The most that is read of one text, in bytes.
const TEXT_BYTES_MAX: u64 = 1 << 20;
/// How many words that may be values are tried as the task.
const CANDIDATES_MAX: usize = 16;

/// A module that was glanced at.
struct Glanced {
    module: Module,
    source: ModuleDir,
}

/// Whether task, options and input can be those of the module in a directory; `again` is the command line so far, with
/// the task and without it.
pub(super) fn check(
    context: &Context,
    named: &Named,
    arguments: &[OsString],
    input: &mut InputText,
    again: [&str; 2],
) -> Result<(), Failure> {
    if !named.bundle.is_dir() {
        return Ok(());
    }
    let Some(glanced) = module_in(&named.bundle) else {
        return Ok(());
    };
    let module = &glanced.module;
    let named = &settle(module, arguments, named);
    let task = find(module, named).map_err(|error| find_failure(&error, module, named))?;
    let [with_task, plainly] = again;
    match command(module, task).try_get_matches_from(arguments) {
        Err(error) if error.kind() == ErrorKind::UnknownArgument => {
            Err(no_such_option(&error, with_task, task))
        }
        Err(_) => Ok(()),
        Ok(matches) => {
            let typed = run_args(&matches)?;
            let own = matches.subcommand_matches("run");
            match misfit(&glanced, task, &typed, own, input)? {
                Some(error) => {
                    warn_of_secrets(context, &typed, own, task);
                    Err(plan_failure(context, &error, module, plainly))
                }
                None => Ok(()),
            }
        }
    }
}

/// What is wrong with the input, as far as it is there already and the module has all its types.
fn misfit(
    glanced: &Glanced,
    task: &TaskDefinition,
    typed: &RunArgs,
    own: Option<&ArgMatches>,
    input: &mut InputText,
) -> Result<Option<PlanError>, Failure> {
    let waits = typed.input.as_ref().is_some_and(|text| is_stdin(text));
    if waits || !has_all_types(glanced, task) {
        return Ok(None);
    }
    let mut request = typed::request(typed, input)?;
    if let Some(own) = own {
        options::read(own, task, &mut request.input)?;
    }
    let checked = task.check(&request.input, request.noop, glanced.module.aliases());
    Ok(checked.err().map(PlanError::Input))
}

/// Whether no type of the task is an alias of another module.
fn has_all_types(glanced: &Glanced, task: &TaskDefinition) -> bool {
    let mut needs = Needs::of(glanced.module.name().clone());
    let mut is_own = |text: &str| needs.add_aliases(text).is_empty();
    let declared = task.metadata.parameters.iter().flatten();
    let mut types = declared.filter_map(|parameter| match &parameter.kind {
        ParameterType::Typed(data_type) => Some(data_type.to_string()),
        _ => None,
    });
    let mut files = glanced.module.files().iter();
    types.all(|text| is_own(&text))
        && files.all(|path| {
            let is_alias = path.starts_with("types/") && path.ends_with(".pp");
            !is_alias
                || read(&glanced.source, path)
                    .is_ok_and(|text| is_own(&String::from_utf8_lossy(&text)))
        })
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

fn module_in(directory: &Path) -> Option<Glanced> {
    let source = ModuleDir::open(directory).ok()?;
    let paths: Vec<String> = source.files().into_iter().map(|file| file.path).collect();
    if !paths.iter().any(|path| path.starts_with("tasks/")) {
        return None;
    }
    let mut read = |path: &str| read(&source, path);
    let name = name(directory, &mut read)?;
    let module = Module::open(&name, paths, &mut read).ok()?;
    Some(Glanced { module, source })
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
    let mut reader = io::Read::take(source.open(path)?, TEXT_BYTES_MAX + 1);
    io::Read::read_to_end(&mut reader, &mut bytes)?;
    if bytes.len() as u64 > TEXT_BYTES_MAX {
        return Err(io::Error::other("it is longer than a mebibyte"));
    }
    Ok(bytes)
}
