//! Opens a module: reads the metadata of its tasks, its type aliases and its overlay.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use host_core::{ModuleName, Origin, Shown, TaskName};

use super::discover::{TaskFiles, discover};
use super::{Module, TaskDefinition, TaskError};
use crate::asks::{Overlay, ReadAsksError};
use crate::metadata::{Lint, Metadata, is_plain_path};
use crate::nearest::nearest;
use crate::types::{AliasError, TooManyAliases, TypeAliases};

/// How many tasks a module may have.
pub const TASKS_MAX: usize = 4096;

/// How many files of type aliases the modules of one bundle may have.
pub const ALIAS_FILES_MAX: usize = 4096;

/// Where a bundle keeps the asks of an unchanged module.
const OVERLAY_PATH: &str = "host/asks.json";

/// Where a bundle keeps the modules that its own module needs.
pub(crate) const MODULES_PREFIX: &str = "host/modules/";

/// Why a module as a whole cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenModuleError {
    /// A path of the bundle leaves it, or has characters that no path should have.
    #[error("`{path}` is not a plain relative path")]
    Path {
        /// The path.
        path: String,
    },
    /// There are more of something than are ever read.
    #[error("the module has {have} {what}, of at most {max}")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many there are.
        have: usize,
        /// How many there may be.
        max: usize,
    },
    /// There are more type aliases than are ever read.
    #[error("the module has {0}")]
    TooManyAliases(TooManyAliases),
    /// The overlay cannot be understood, so that nobody knows what its tasks would ask for.
    #[error("`host/asks.json` cannot be used")]
    Overlay(#[source] ReadAsksError),
    /// The bundle could not be read.
    #[error("`{path}` cannot be read")]
    Unread {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// Reads one file of the bundle by its path.
type Reader<'r> = dyn FnMut(&str) -> io::Result<Vec<u8>> + 'r;

impl Module {
    /// Opens the module called `name` from the paths of its bundle and a callback that reads one of them.
    ///
    /// The callback is asked for `tasks/*.json`, `types/**.pp` (of other modules too) and `host/asks.json` only; it
    /// should refuse to read more than a mebibyte.
    ///
    /// # Errors
    /// When a path is not plain, a limit is passed, or the overlay cannot be read. What is wrong with one task is
    /// kept beside that task, and an unreadable type alias becomes a lint.
    pub fn open(
        name: &ModuleName,
        paths: impl IntoIterator<Item = String>,
        read: &mut Reader<'_>,
    ) -> Result<Self, OpenModuleError> {
        let files: BTreeSet<String> = paths.into_iter().collect();
        if let Some(path) = files.iter().find(|path| !is_plain_path(path)) {
            return Err(OpenModuleError::Path {
                path: Shown(path).to_string(),
            });
        }
        let (found, mut lints) = discover(name, files.iter());
        within("tasks", found.len(), TASKS_MAX)?;
        let aliases = read_aliases(name, &files, read, &mut lints)?;
        let overlay = read_overlay(name, &files, read)?;
        lints.extend(strangers(&overlay, &found));
        let tasks = found
            .into_iter()
            .map(|(task, task_files)| {
                let definition = define(&task, task_files, &files, &aliases, &overlay, read);
                (task, definition.map_err(Arc::new))
            })
            .collect();
        Ok(Self {
            name: name.clone(),
            files,
            tasks,
            aliases,
            lints,
        })
    }
}

fn define(
    task: &TaskName,
    task_files: TaskFiles,
    files: &BTreeSet<String>,
    aliases: &TypeAliases,
    overlay: &Overlay,
    read: &mut Reader<'_>,
) -> Result<TaskDefinition, TaskError> {
    let name = task.clone();
    let (metadata, mut lints) = if task_files.has_metadata {
        let bytes =
            read(&format!("tasks/{}.json", task.short())).map_err(|source| TaskError::Unread {
                task: task.clone(),
                source,
            })?;
        Metadata::read(&bytes, aliases).map_err(|source| TaskError::Metadata {
            task: task.clone(),
            source: Box::new(source),
        })?
    } else {
        (Metadata::default(), Vec::new())
    };
    let executable = executable(task, &metadata, task_files.executables, files)?;
    let Some(asks) = overlay.asks(task) else {
        let asks = metadata.asks.clone();
        return Ok(TaskDefinition {
            name,
            metadata,
            lints,
            asks,
            asks_origin: Origin::Bundle,
            executable,
        });
    };
    let place = format!("tasks.{}", task.short());
    asks.fit(&place, metadata.parameters.as_deref().unwrap_or_default())
        .map_err(|source| TaskError::Overlay {
            task: task.clone(),
            source: Box::new(source),
        })?;
    if !metadata.asks.is_empty() {
        let text = "does not hold: `host/asks.json` has an entry for the task".to_owned();
        lints.push(Lint {
            place: "extensions.host".to_owned(),
            text,
        });
    }
    Ok(TaskDefinition {
        name,
        metadata,
        lints,
        asks: asks.clone(),
        asks_origin: Origin::Overlay,
        executable,
    })
}

/// The one file that runs, or `None` where the metadata lists implementations, all of which must exist.
fn executable(
    task: &TaskName,
    metadata: &Metadata,
    mut executables: Vec<String>,
    files: &BTreeSet<String>,
) -> Result<Option<String>, TaskError> {
    let task = task.clone();
    if !metadata.implementations.is_empty() {
        let names = metadata
            .implementations
            .iter()
            .map(|implementation| &implementation.name);
        let missing: Vec<String> = names
            .filter(|name| !files.contains(&format!("tasks/{name}")))
            .cloned()
            .collect();
        return if missing.is_empty() {
            Ok(None)
        } else {
            Err(TaskError::MissingImplementation { task, missing })
        };
    }
    match (executables.pop(), executables.is_empty()) {
        (None, _) => Err(TaskError::NoImplementation { task }),
        (Some(file), true) => Ok(Some(file)),
        (Some(last), false) => {
            executables.push(last);
            Err(TaskError::MultipleImplementations {
                task,
                files: executables,
            })
        }
    }
}

fn read_overlay(
    name: &ModuleName,
    files: &BTreeSet<String>,
    read: &mut Reader<'_>,
) -> Result<Overlay, OpenModuleError> {
    if !files.contains(OVERLAY_PATH) {
        return Ok(Overlay::default());
    }
    let bytes = read(OVERLAY_PATH).map_err(|source| OpenModuleError::Unread {
        path: OVERLAY_PATH.to_owned(),
        source,
    })?;
    Overlay::read(&bytes, name).map_err(OpenModuleError::Overlay)
}

/// A lint for every task that the overlay names and the module does not have.
fn strangers(overlay: &Overlay, found: &BTreeMap<TaskName, TaskFiles>) -> Vec<Lint> {
    let unknown = overlay.tasks().filter(|task| !found.contains_key(*task));
    let lint = |task: &TaskName| {
        let near = nearest(task.short(), found.keys().map(TaskName::short));
        let hint = near
            .map(|near| format!("; did you mean `{near}`?"))
            .unwrap_or_default();
        Lint {
            place: OVERLAY_PATH.to_owned(),
            text: format!("names `{task}`, which is no task of the module{hint}"),
        }
    };
    unknown.map(lint).collect()
}

/// The built-in type aliases and those of every module in the bundle. A file that cannot be read as an alias is
/// left out with a lint, as Puppet too would fail only where the alias is used.
fn read_aliases(
    name: &ModuleName,
    files: &BTreeSet<String>,
    read: &mut Reader<'_>,
    lints: &mut Vec<Lint>,
) -> Result<TypeAliases, OpenModuleError> {
    let paths: Vec<(&String, String)> = files
        .iter()
        .filter_map(|path| Some((path, alias_path(name, path)?)))
        .collect();
    within("type alias files", paths.len(), ALIAS_FILES_MAX)?;
    let mut texts = Vec::with_capacity(paths.len());
    let left_out = |path: &str, why: &dyn std::fmt::Display| Lint {
        place: Shown(path).to_string(),
        text: format!("is left out: {why}"),
    };
    for (path, alias_path) in paths {
        let bytes = read(path).map_err(|source| OpenModuleError::Unread {
            path: path.clone(),
            source,
        })?;
        match String::from_utf8(bytes) {
            Ok(text) => texts.push((path, alias_path, text)),
            Err(_) => lints.push(left_out(path, &"it is not UTF-8")),
        }
    }
    let all = texts
        .iter()
        .map(|(_, path, text)| (path.as_str(), text.as_str()));
    let mut refused = |alias: &str, error: AliasError| {
        let path = texts.iter().find(|(_, known, _)| known == alias);
        lints.push(left_out(path.map_or(alias, |(path, ..)| path), &error));
    };
    TypeAliases::with_module_types(all, &mut refused).map_err(OpenModuleError::TooManyAliases)
}

/// The path that begins with the module's name, as the alias in the file does; `None` for every other file.
fn alias_path(name: &ModuleName, path: &str) -> Option<String> {
    let is_alias = |rest: &str| {
        rest.strip_suffix(".pp")
            .and_then(|rest| rest.split_once("/types/"))
            .is_some_and(|(module, _)| !module.contains('/'))
    };
    let path = path
        .strip_prefix(MODULES_PREFIX)
        .map_or_else(|| format!("{name}/{path}"), str::to_owned);
    is_alias(&path).then_some(path)
}

fn within(what: &'static str, have: usize, max: usize) -> Result<(), OpenModuleError> {
    if have > max {
        Err(OpenModuleError::TooMany { what, have, max })
    } else {
        Ok(())
    }
}
