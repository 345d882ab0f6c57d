//! Chooses the implementation of a task for one node, and lays out the files that it needs.
//!
//! The first implementation whose requirements the node's features meet is taken, as Puppet's own runners do.
//! Remote tasks are refused, since there are no targets behind a proxy here, and so is PowerShell where the node
//! does not say that it has it. Nothing is copied: an [`Installation`] only says what goes where.

mod install;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use host_core::TaskName;

use crate::metadata::{FileReference, Implementation, InputMethod, Metadata};
use crate::module::TaskDefinition;

pub use install::{InstallError, Installation, InstalledFile};

/// The feature without which no PowerShell script is started.
pub const POWERSHELL_FEATURE: &str = "powershell";

/// The implementation that runs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Selection<'m> {
    /// The task.
    pub task: &'m TaskName,
    /// The file's name in `tasks/`.
    pub executable: &'m str,
    /// How parameters reach it.
    pub input_method: InputMethod,
    /// The files that it needs beside it: its own, then those of the task.
    pub files: Vec<&'m FileReference>,
}

/// Why no implementation can run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError {
    /// The task is for targets behind a proxy.
    #[error("task `{task}` is for remote targets, which have no node of their own to run it on")]
    Remote {
        /// The task.
        task: TaskName,
    },
    /// Every implementation needs something that the node does not have.
    #[error("no implementation of task `{task}` suits this node: {}", needs.join("; "))]
    NoSuitable {
        /// The task.
        task: TaskName,
        /// What each implementation needs and the node lacks.
        needs: Vec<String>,
    },
    /// The implementation is a PowerShell script.
    #[error("`{executable}` of task `{task}` needs PowerShell, which this node does not have")]
    Powershell {
        /// The task.
        task: TaskName,
        /// Its file in `tasks/`.
        executable: String,
    },
}

/// Whether a file is a WASI program by its name, in upper or lower case.
#[must_use]
pub fn is_wasm_file(file: &str) -> bool {
    has_extension(file, "wasm")
}

impl TaskDefinition {
    /// The implementation for a node with `features`, such as `shell`.
    ///
    /// # Errors
    /// When the task is remote, no implementation suits the features, or the one that does is a PowerShell script
    /// and the node has no such feature.
    pub fn select(&self, features: &BTreeSet<String>) -> Result<Selection<'_>, SelectError> {
        let metadata = &self.metadata;
        let selection = match &self.executable {
            Some(executable) if !metadata.remote => Selection {
                task: &self.name,
                executable,
                input_method: metadata
                    .input_method
                    .unwrap_or_else(|| default_method(executable)),
                files: metadata.files.iter().collect(),
            },
            Some(_) => {
                return Err(SelectError::Remote {
                    task: self.name.clone(),
                });
            }
            None => self.select_implementation(features)?,
        };
        let is_powershell = selection.input_method == InputMethod::Powershell
            || is_powershell_script(selection.executable);
        if is_powershell && !features.contains(POWERSHELL_FEATURE) {
            let executable = host_core::Shown(selection.executable).to_string();
            return Err(SelectError::Powershell {
                task: self.name.clone(),
                executable,
            });
        }
        Ok(selection)
    }

    fn select_implementation(
        &self,
        features: &BTreeSet<String>,
    ) -> Result<Selection<'_>, SelectError> {
        let metadata = &self.metadata;
        let suits = |implementation: &&Implementation| lacks(implementation, features).is_empty();
        let suitable: Vec<&Implementation> =
            metadata.implementations.iter().filter(suits).collect();
        let Some(chosen) = suitable
            .iter()
            .find(|implementation| !is_remote(implementation, metadata))
        else {
            let task = self.name.clone();
            return Err(if suitable.is_empty() {
                SelectError::NoSuitable {
                    task,
                    needs: needs(metadata, features),
                }
            } else {
                SelectError::Remote { task }
            });
        };
        Ok(Selection {
            task: &self.name,
            executable: &chosen.name,
            input_method: chosen
                .input_method
                .or(metadata.input_method)
                .unwrap_or_else(|| default_method(&chosen.name)),
            files: chosen.files.iter().chain(&metadata.files).collect(),
        })
    }
}

fn is_remote(implementation: &Implementation, metadata: &Metadata) -> bool {
    implementation.remote.unwrap_or(metadata.remote)
}

fn lacks<'m>(implementation: &'m Implementation, features: &BTreeSet<String>) -> Vec<&'m str> {
    implementation
        .requirements
        .iter()
        .filter(|feature| !features.contains(*feature))
        .map(String::as_str)
        .collect()
}

fn needs(metadata: &Metadata, features: &BTreeSet<String>) -> Vec<String> {
    let need = |implementation: &Implementation| {
        let lacks = lacks(implementation, features).join(", ");
        host_core::Shown(&format!("{} needs {lacks}", implementation.name)).to_string()
    };
    metadata.implementations.iter().map(need).collect()
}

fn default_method(executable: &str) -> InputMethod {
    if is_powershell_script(executable) {
        InputMethod::Powershell
    } else {
        InputMethod::Both
    }
}

fn is_powershell_script(executable: &str) -> bool {
    has_extension(executable, "ps1")
}

fn has_extension(file: &str, wanted: &str) -> bool {
    file.rsplit_once('.')
        .is_some_and(|(_, extension)| extension.eq_ignore_ascii_case(wanted))
}
