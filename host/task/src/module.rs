//! The tasks of a module, found from the list of its files.
//!
//! [`Module::open`] reads metadata and type aliases through a callback and keeps an error beside the task that has
//! it, so that one broken task hides no other. Only the top level of `tasks/` counts; `.md` and `.conf` files are
//! no tasks. Nothing is executed and no file but metadata, aliases and the overlay is read.

mod discover;
mod find;
mod open;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use host_core::{ModuleName, Origin, TaskName};

pub use find::FindTaskError;
pub(crate) use open::MODULES_PREFIX;
pub use open::{ALIAS_FILES_MAX, OpenModuleError, TASKS_MAX};

use crate::asks::{ReadAsksError, TaskAsks};
use crate::metadata::{Lint, Metadata, MetadataError};
use crate::types::TypeAliases;

/// A module with its tasks.
#[derive(Debug)]
pub struct Module {
    name: ModuleName,
    files: BTreeSet<String>,
    tasks: BTreeMap<TaskName, Result<TaskDefinition, Arc<TaskError>>>,
    aliases: TypeAliases,
    lints: Vec<Lint>,
}

impl Module {
    /// The module's name.
    #[must_use]
    pub fn name(&self) -> &ModuleName {
        &self.name
    }

    /// The paths of the bundle, those of other modules under `host/modules/` included.
    #[must_use]
    pub fn files(&self) -> &BTreeSet<String> {
        &self.files
    }

    /// The type aliases that parameters may use: built-in ones and those of the bundle's modules.
    #[must_use]
    pub fn aliases(&self) -> &TypeAliases {
        &self.aliases
    }

    /// What is odd about the module as a whole.
    #[must_use]
    pub fn lints(&self) -> &[Lint] {
        &self.lints
    }

    /// Every task by name, broken and private ones included.
    pub fn tasks(&self) -> impl Iterator<Item = (&TaskName, Result<&TaskDefinition, &TaskError>)> {
        self.tasks
            .iter()
            .map(|(name, task)| (name, task.as_ref().map_err(Arc::as_ref)))
    }

    /// The tasks that lists show: usable and not private.
    pub fn listed(&self) -> impl Iterator<Item = &TaskDefinition> {
        self.tasks
            .values()
            .filter_map(|task| task.as_ref().ok())
            .filter(|task| !task.metadata.private)
    }
}

/// One usable task of a module.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TaskDefinition {
    /// Its canonical name.
    pub name: TaskName,
    /// Its metadata; the default one where it has no metadata file.
    pub metadata: Metadata,
    /// What is odd about it, but for its defaults.
    lints: Vec<Lint>,
    /// What it asks for: the overlay's entry for it, else what its metadata holds.
    pub asks: TaskAsks,
    /// Whether [`TaskDefinition::asks`] came with the task or with the overlay.
    pub asks_origin: Origin,
    /// The file in `tasks/` that runs where the metadata lists no implementations.
    pub(crate) executable: Option<String>,
}

impl TaskDefinition {
    /// What is odd about the task, with the type aliases of its module.
    ///
    /// Holds the defaults against their types, which no run needs: this is for people who look at the task.
    #[must_use]
    pub fn lints(&self, aliases: &TypeAliases) -> Vec<Lint> {
        let defaults = self.metadata.lint_defaults(aliases);
        self.lints.iter().cloned().chain(defaults).collect()
    }
}

/// Why a task cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// Several files could be meant, and no `implementations` say which.
    #[error(
        "task `{task}` has several files ({}) and no `implementations` to choose from",
        shown(files)
    )]
    MultipleImplementations {
        /// The task.
        task: TaskName,
        /// Their names in `tasks/`.
        files: Vec<String>,
    },
    /// There is metadata and nothing to run.
    #[error("task `{task}` has metadata and no file to run")]
    NoImplementation {
        /// The task.
        task: TaskName,
    },
    /// `implementations` name files that do not exist.
    #[error(
        "task `{task}` lists implementations that are not in `tasks/`: {}",
        shown(missing)
    )]
    MissingImplementation {
        /// The task.
        task: TaskName,
        /// The names that are missing.
        missing: Vec<String>,
    },
    /// The metadata is not JSON, or not of the task format.
    #[error("metadata of task `{task}` cannot be used")]
    Metadata {
        /// The task.
        task: TaskName,
        /// Why.
        source: Box<MetadataError>,
    },
    /// The metadata could not be read from the bundle.
    #[error("metadata of task `{task}` cannot be read")]
    Unread {
        /// The task.
        task: TaskName,
        /// Why.
        source: std::io::Error,
    },
    /// The overlay asks for something that does not fit the task.
    #[error("`host/asks.json` does not fit task `{task}`")]
    Overlay {
        /// The task.
        task: TaskName,
        /// Why.
        source: Box<ReadAsksError>,
    },
}

impl TaskError {
    /// The error kind that Puppet's own loader gives, such as `puppet.tasks/no-implementation`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::MultipleImplementations { .. } => "puppet.tasks/multiple-implementations",
            Self::NoImplementation { .. } => "puppet.tasks/no-implementation",
            Self::MissingImplementation { .. } => "puppet.tasks/missing-implementation",
            Self::Unread { .. } => UNPARSEABLE,
            Self::Metadata { source, .. } if matches!(**source, MetadataError::Json(_)) => {
                UNPARSEABLE
            }
            Self::Metadata { .. } | Self::Overlay { .. } => "puppet.tasks/invalid-metadata",
        }
    }
}

const UNPARSEABLE: &str = "puppet.tasks/unparseable-metadata";

fn shown(names: &[String]) -> String {
    host_core::Shown(&names.join(", ")).to_string()
}
