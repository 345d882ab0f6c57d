//! What a task says of itself: the Puppet task metadata, with what `extensions.host` adds to it.
//!
//! [`Metadata::read`] takes every file that real modules hold: keys that nobody knows, parameters described by a
//! bare text and types that Puppet itself would not load become a [`Lint`] each. It refuses what would change
//! how the task runs if it were guessed: a known key of another shape, a bad name, a path that leaves its module,
//! and anything unknown or unreadable under `extensions.host`.

mod file_reference;
mod parameter;
mod read;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use crate::asks::{ReadAsksError, TaskAsks};
use crate::json::{JsonError, ShapeError};

pub(crate) use file_reference::is_plain_path;
pub use file_reference::{FileReference, FileReferenceError, Mount};
pub use parameter::{Parameter, ParameterType};

/// How large a metadata file may be, in bytes.
pub const METADATA_BYTES_MAX: usize = 1024 * 1024;

/// How many parameters a task may declare.
pub const PARAMETERS_MAX: usize = 1024;

/// How many patterns the types of a task's parameters may have together.
pub const PATTERNS_MAX: usize = 256;

/// How many implementations a task may list.
pub const IMPLEMENTATIONS_MAX: usize = 64;

/// How many features one implementation may require.
pub const REQUIREMENTS_MAX: usize = 64;

/// How many entries one `files` list may have.
pub const FILES_MAX: usize = 1024;

/// The metadata of one task. The default value is that of a task without a metadata file.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Metadata {
    /// What the task does, in its author's words.
    pub description: Option<String>,
    /// Whether the task knows how to run without changing anything.
    pub supports_noop: bool,
    /// How parameters reach the process, where the author chose.
    pub input_method: Option<InputMethod>,
    /// The declared parameters in their order; `None` takes any parameter, an empty list takes none.
    pub parameters: Option<Vec<Parameter>>,
    /// The implementations to choose from; empty where the one executable of the task's name is meant.
    pub implementations: Vec<Implementation>,
    /// Files that every implementation needs beside it.
    pub files: Vec<FileReference>,
    /// Whether lists leave the task out. It can still be run.
    pub private: bool,
    /// Whether the task runs only on a proxy, for targets that are no hosts.
    pub remote: bool,
    /// What `extensions.host` asks for.
    pub asks: TaskAsks,
}

impl Metadata {
    /// The declared parameter called `name`.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters
            .iter()
            .flatten()
            .find(|parameter| parameter.name.as_str() == name)
    }

    /// Every `files` entry, of the task and of its implementations.
    pub fn file_references(&self) -> impl Iterator<Item = &FileReference> {
        self.files.iter().chain(
            self.implementations
                .iter()
                .flat_map(|implementation| &implementation.files),
        )
    }
}

/// One of several programs that do the same task.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Implementation {
    /// The file's name inside `tasks/`.
    pub name: String,
    /// The features that a node must have.
    pub requirements: Vec<String>,
    /// How parameters reach this program, where it differs.
    pub input_method: Option<InputMethod>,
    /// Files that this program needs besides those of the task.
    pub files: Vec<FileReference>,
    /// Whether it runs on a proxy, where it differs from the task.
    pub remote: Option<bool>,
}

/// How parameters reach the process of a task.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum InputMethod {
    /// One JSON object on stdin.
    Stdin,
    /// `PT_` variables in the environment.
    Environment,
    /// Both at once.
    Both,
    /// Named arguments of a PowerShell script, bound from the JSON object on stdin by a shim of the node.
    Powershell,
}

impl InputMethod {
    /// The word in metadata.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stdin => "stdin",
            Self::Environment => "environment",
            Self::Both => "both",
            Self::Powershell => "powershell",
        }
    }
}

impl fmt::Display for InputMethod {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for InputMethod {
    type Err = InputMethodError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Stdin, Self::Environment, Self::Both, Self::Powershell]
            .into_iter()
            .find(|method| method.as_str() == text)
            .ok_or(InputMethodError)
    }
}

/// The text is no input method.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not one of `stdin`, `environment`, `both`, `powershell`")]
pub struct InputMethodError;

/// Something odd that does not keep the task from running.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lint {
    /// Where, such as `parameters.name.required`.
    pub place: String,
    /// What is odd there.
    pub text: String,
}

impl fmt::Display for Lint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`{}` {}", self.place, self.text)
    }
}

/// Why a metadata file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// The file is not JSON.
    #[error("metadata is not readable")]
    Json(#[source] JsonError),
    /// A known key holds something of another shape.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The task was written for a format that does not exist.
    #[error("`puppet_task_version` is not 1, the only one there is")]
    Version,
    /// A parameter has a name that the task format does not allow.
    #[error(
        "`{name}` is not a parameter name: at most 64 lower-case letters, digits and `_`, a letter first"
    )]
    ParameterName {
        /// The name.
        name: String,
    },
    /// There are more of something than are ever read.
    #[error("`{place}` has {have} entries, of at most {max}")]
    TooMany {
        /// Where.
        place: String,
        /// How many there are.
        have: usize,
        /// How many there may be.
        max: usize,
    },
    /// There are more patterns than one task may need.
    #[error("the types of the parameters have {have} patterns, of at most {PATTERNS_MAX}")]
    TooManyPatterns {
        /// How many there are.
        have: usize,
    },
    /// An input method that does not exist.
    #[error("`{place}` is not an input method")]
    InputMethod {
        /// Where.
        place: String,
        /// What it may be.
        source: InputMethodError,
    },
    /// An implementation is not a plain file name.
    #[error("`{place}` is not the name of a file in `tasks/`")]
    ImplementationName {
        /// Where.
        place: String,
    },
    /// A `files` entry that cannot be followed.
    #[error("`{place}` cannot be used")]
    File {
        /// Where.
        place: String,
        /// Why.
        source: FileReferenceError,
    },
    /// `extensions.host` is not what it should be.
    #[error(transparent)]
    Asks(#[from] ReadAsksError),
}
