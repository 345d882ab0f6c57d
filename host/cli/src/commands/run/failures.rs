//! What can go wrong before a run starts, as messages with exit codes and advice.

use std::io::Read;
use std::path::Path;

use clap::error::ContextKind;
use host_bundle::VerifyBundleError;
use host_core::Shown;
use host_node::{LoadError, Loaded, PlanError, SourceError};
use host_task::{FindTaskError, TaskDefinition};
use host_trust::DistrustError;

use super::help::task_lines;
use crate::exit::Exit;
use crate::failure::Failure;

/// A bundle or directory that cannot be used.
pub(crate) fn load_failure(error: &LoadError, path: &Path) -> Failure {
    let text = path.to_string_lossy();
    let shown = Shown(&text);
    match error {
        LoadError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            let failure = Failure::usage(format!("there is no `{shown}`"));
            // So it is written where modules are found by name.
            match text.split_once("::") {
                Some((module, _)) => failure.hint(format!(
                    "the module's directory or bundle comes first: host run ./{} {shown}",
                    Shown(module)
                )),
                None => failure,
            }
        }
        LoadError::Plain { .. } => plain_failure(error, path),
        LoadError::Source(SourceError::Missing { .. }) => {
            Failure::new(Exit::Usage, error).hint("say where modules are: --modulepath DIR")
        }
        LoadError::Source(SourceError::Nameless { .. }) => Failure::new(Exit::Usage, error)
            .hint("name it in metadata.json: {\"name\": \"you-mymodule\", \"version\": \"0.1.0\"}"),
        LoadError::Read { .. } | LoadError::Source(_) => Failure::new(Exit::Usage, error),
        LoadError::Distrusted { source: VerifyBundleError::Distrusted { source, .. }, .. }
            if matches!(**source, DistrustError::Unsigned) =>
        {
            Failure::new(Exit::Untrusted, error).hint(format!(
                "its author signs it with `host bundle sign {shown}`; your own module runs from its directory unsigned"
            ))
        }
        LoadError::Distrusted { .. } => Failure::new(Exit::Untrusted, error).hint(format!(
            "look at it with `host bundle show {shown}`, then trust the key of its author:\n        host trust add KEY.pub --owner NAME"
        )),
        LoadError::Open { .. } if !begins_as_bundle(path) => {
            Failure::usage(format!("`{shown}` is neither a sealed bundle nor a tar of a module"))
        }
        LoadError::Keep { .. } | LoadError::Cache { .. } => Failure::new(Exit::Machine, error),
        _ => Failure::new(Exit::Untrusted, error).hint("get the bundle again from whoever sealed it"),
    }
}

/// Whether a file's first bytes are those of every bundle, so that it is one, if a damaged one.
fn begins_as_bundle(path: &Path) -> bool {
    let mut first = [0; host_bundle::MANIFEST_PATH.len()];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut first));
    read.is_ok() && first == *host_bundle::MANIFEST_PATH.as_bytes()
}

/// A file that is no tar; says what it is, where that is easily seen.
fn plain_failure(error: &LoadError, path: &Path) -> Failure {
    let mut first = [0; 4];
    let read = std::fs::File::open(path)
        .and_then(|mut file| file.read(&mut first))
        .unwrap_or(0);
    let text = path.to_string_lossy();
    let shown = Shown(&text);
    match first.get(..read) {
        Some([0x1f, 0x8b, ..]) => {
            Failure::usage(format!("`{shown}` is compressed")).hint(format!("gunzip {shown}"))
        }
        Some([b'#', b'!', ..]) => Failure::usage(format!("`{shown}` is a script"))
            .hint("host run takes the module around it: the directory above its `tasks` directory"),
        _ => Failure::new(Exit::Usage, error),
    }
}

/// A task, an input or a limit that does not fit; `again` is `host run` with the bundle.
pub(super) fn plan_failure(error: &PlanError, loaded: &Loaded, again: &str) -> Failure {
    let failure = Failure::new(Exit::Usage, error);
    match error {
        PlanError::Find(FindTaskError::NoDefault { .. }) => failure
            .details(task_lines(&loaded.module))
            .hint("name one of them behind the bundle"),
        PlanError::Find(_) => failure.details(task_lines(&loaded.module)),
        PlanError::Install(_) => {
            failure.hint("if another module has it, say where modules are: --modulepath DIR")
        }
        PlanError::Input(wrong) => {
            let names = wrong
                .problems
                .iter()
                .map(|problem| problem.parameter.chars().count());
            let width = names.max().unwrap_or(0);
            let line = |problem: &host_task::Problem| {
                format!("{:width$}  {}", problem.parameter, problem.text)
            };
            let lines = wrong.problems.iter().map(line).collect();
            failure
                .details(lines)
                .hint(format!("{again} {} --help", wrong.task))
        }
        _ => failure,
    }
}

/// An option that neither `host run` nor the task has.
pub(super) fn no_such_option(
    error: &clap::Error,
    again: &str,
    task: Option<&TaskDefinition>,
) -> Failure {
    let option = error
        .get(ContextKind::InvalidArg)
        .map(ToString::to_string)
        .unwrap_or_default();
    let shown = Shown(&option).to_string();
    let Some(task) = task else {
        return Failure::usage(format!("`{shown}` is no option of `host run`"))
            .hint(format!("{again} --help"));
    };
    let name = option.trim_start_matches('-').replace('-', "_");
    let declared = task.metadata.parameter(&name).is_some();
    if declared || task.metadata.parameters.is_none() {
        let why = if declared {
            "is an option of `host` itself"
        } else {
            "is not declared by the task"
        };
        return Failure::usage(format!(
            "`{shown}` {why}, so it cannot be used as the task's option"
        ))
        .hint(format!("say {name}=VALUE"));
    }
    Failure::usage(format!(
        "`{shown}` is neither an option of `host run` nor a parameter of `{}`",
        task.name
    ))
    .hint(format!("{again} --help"))
}
