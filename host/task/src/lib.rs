//! Puppet tasks: what a module offers, what a caller may put in, what a process gets, and what its output means.
//!
//! [`Module::open`] finds the tasks of a module, [`Module::find`] the one that somebody named.
//! [`TaskDefinition::select`] chooses its implementation for a node, [`TaskDefinition::check`] turns a [`RawInput`]
//! into a [`CheckedInput`], which [`TaskDefinition::fill_asks`] puts into the task's asks and
//! [`CheckedInput::encode`] into a process. [`TaskResult::read`] reads what came out.
//!
//! Everything is bytes in, values out. Nothing here opens a file, starts a process or knows what policy will say;
//! metadata, input and output are taken as hostile, and every size and depth has a named limit.

#![forbid(unsafe_code)]

mod module;

mod asks;
mod metadata;
pub mod types;

mod select;

mod encode;
mod input;

mod result;

mod json;
mod names;
mod nearest;
mod number;

pub use asks::{
    ASKS_MAX, FillAsksError, OVERLAY_BYTES_MAX, Overlay, ReadAsksError, TaskAsk, TaskAsks,
};
pub use encode::{ENVIRONMENT_BYTES_MAX, EncodeError, ProcessInput, VARIABLE_BYTES_MAX};
pub use input::{
    CheckedInput, INPUT_BYTES_MAX, InputError, PROBLEMS_MAX, Problem, RawInput, RawInputError,
};
pub use json::{JsonError, ShapeError};
pub use metadata::{
    FILES_MAX, FileReference, FileReferenceError, IMPLEMENTATIONS_MAX, Implementation, InputMethod,
    InputMethodError, Lint, METADATA_BYTES_MAX, Metadata, MetadataError, Mount, PARAMETERS_MAX,
    PATTERNS_MAX, Parameter, ParameterType, REQUIREMENTS_MAX,
};
pub use module::{
    ALIAS_FILES_MAX, FindTaskError, Module, OpenModuleError, TASKS_MAX, TaskDefinition, TaskError,
};
pub use result::{RESULT_DEPTH_MAX, STDERR_BYTES_MAX, TaskFailure, TaskResult};
pub use select::{
    InstallError, Installation, InstalledFile, POWERSHELL_FEATURE, SelectError, Selection,
    is_wasm_file,
};
