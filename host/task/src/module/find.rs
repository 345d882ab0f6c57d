//! Finds the task that somebody named, or the one that is meant where nobody named any.

use std::sync::Arc;

use host_core::{Shown, TaskName};

use super::{Module, TaskDefinition, TaskError};
use crate::names::{short_name, task_name};
use crate::nearest::nearest;

/// Why no task was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindTaskError {
    /// The text cannot be the name of a task of this module.
    #[error("`{text}` is not the name of a task of module `{module}`")]
    InvalidName {
        /// What was asked for.
        text: String,
        /// The module.
        module: String,
    },
    /// The module has no such task.
    #[error("module has no task `{task}`{}", near.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    NotFound {
        /// What was asked for.
        task: TaskName,
        /// A task with nearly that name.
        near: Option<TaskName>,
    },
    /// No task was named, and several could be meant.
    #[error("no task was named, and the module has {}", count(listed.len()))]
    NoDefault {
        /// The tasks that lists show.
        listed: Vec<TaskName>,
    },
    /// The task is there and cannot be used.
    #[error(transparent)]
    Broken(Arc<TaskError>),
}

impl FindTaskError {
    /// The error kind that Puppet's own loader gives, such as `puppet.tasks/task-not-found`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::InvalidName { .. } => "puppet.tasks/invalid-name",
            Self::NotFound { .. } | Self::NoDefault { .. } => "puppet.tasks/task-not-found",
            Self::Broken(error) => error.kind(),
        }
    }
}

impl Module {
    /// The task that `text` names: `module`, `module::task` or `task`. Private tasks are found too.
    ///
    /// A text equal to the module's name means the module's own task; where there is none, the task of that short
    /// name.
    ///
    /// # Errors
    /// When `text` is no name of a task here, no such task exists, or the task cannot be used.
    pub fn find(&self, text: &str) -> Result<&TaskDefinition, FindTaskError> {
        let task = task_name(&self.name, text).ok_or_else(|| FindTaskError::InvalidName {
            text: Shown(text).to_string(),
            module: self.name.to_string(),
        })?;
        let namesake = short_name(&self.name, text).filter(|_| text == self.name.as_str());
        let found = self.tasks.get(&task).or_else(|| self.tasks.get(&namesake?));
        match found {
            Some(Ok(definition)) => Ok(definition),
            Some(Err(error)) => Err(FindTaskError::Broken(Arc::clone(error))),
            None => Err(FindTaskError::NotFound {
                near: self.near(&task),
                task,
            }),
        }
    }

    /// The task that is meant where none is named: the module's own, else the only one that is not private.
    ///
    /// # Errors
    /// When there is no such task, or it cannot be used.
    pub fn default_task(&self) -> Result<&TaskDefinition, FindTaskError> {
        if self.tasks.keys().any(|task| task.short() == "init") {
            return self.find("init");
        }
        let mut visible = self
            .tasks
            .values()
            .filter(|task| !task.as_ref().is_ok_and(|task| task.metadata.private));
        match (visible.next(), visible.next()) {
            (Some(Ok(definition)), None) => Ok(definition),
            (Some(Err(error)), None) => Err(FindTaskError::Broken(Arc::clone(error))),
            _ => Err(FindTaskError::NoDefault {
                listed: self.listed().map(|task| task.name.clone()).collect(),
            }),
        }
    }

    fn near(&self, task: &TaskName) -> Option<TaskName> {
        let short = nearest(task.short(), self.tasks.keys().map(TaskName::short))?;
        self.tasks
            .keys()
            .find(|task| task.short() == short)
            .cloned()
    }
}

fn count(listed: usize) -> String {
    match listed {
        0 => "none to choose from".to_owned(),
        1 => "one that can be used and others that cannot".to_owned(),
        many => format!("{many} to choose from"),
    }
}
