//! Encodes checked input as the process of a task receives it: a JSON object on stdin, `PT_` variables, or both.
//!
//! Strings go into the environment as they are, everything else as JSON. What an environment cannot hold is an
//! error and is never cut: a NUL in a string, and a variable that the kernel would refuse.

#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::{Map, Value};

use crate::input::CheckedInput;
use crate::metadata::InputMethod;

/// How long one `NAME=value` with its ending NUL may be, in bytes: Linux's `MAX_ARG_STRLEN`.
pub const VARIABLE_BYTES_MAX: usize = 128 * 1024;

/// How much all variables may take together, in bytes. The kernel allows a quarter of the stack's limit, 2 MiB as a
/// rule, and other variables need room too.
pub const ENVIRONMENT_BYTES_MAX: usize = 1024 * 1024;

/// What a process gets. Its debugging output shows no value.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct ProcessInput {
    /// The bytes on stdin; empty for a task that reads its environment only.
    pub stdin: Vec<u8>,
    /// Variables and their values.
    pub environment: Vec<(String, String)>,
}

impl fmt::Debug for ProcessInput {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.environment.iter().map(|(name, _)| name).collect();
        out.debug_struct("ProcessInput")
            .field("stdin_bytes", &self.stdin.len())
            .field("environment", &names)
            .finish_non_exhaustive()
    }
}

/// Why an input cannot be encoded.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// No variable can hold a NUL.
    #[error(
        "`{parameter}` holds a NUL, which no environment can: the task would need `\"input_method\": \"stdin\"`"
    )]
    Nul {
        /// The parameter.
        parameter: String,
    },
    /// One value is larger than the kernel lets a variable be.
    #[error(
        "`{parameter}` takes {have_bytes} bytes of at most {VARIABLE_BYTES_MAX} in the environment: the task would \
         need `\"input_method\": \"stdin\"`"
    )]
    VariableTooLarge {
        /// The parameter.
        parameter: String,
        /// The size of its variable in bytes.
        have_bytes: usize,
    },
    /// All values together are larger than an environment should be.
    #[error(
        "parameters take {have_bytes} bytes of at most {ENVIRONMENT_BYTES_MAX} in the environment: the task would \
         need `\"input_method\": \"stdin\"`"
    )]
    EnvironmentTooLarge {
        /// The size of all variables in bytes.
        have_bytes: usize,
    },
}

impl CheckedInput {
    /// Encodes the input by `method`, with the metaparameters `_task`, `_noop` in a noop run, and `_installdir`
    /// where the task has files beside it.
    ///
    /// For [`InputMethod::Powershell`] this is the JSON object on stdin, from which the node's shim takes the named
    /// arguments.
    ///
    /// # Errors
    /// When the environment is used and cannot hold a value. The error names the parameter and never the value.
    pub fn encode(
        &self,
        method: InputMethod,
        installdir: Option<&str>,
    ) -> Result<ProcessInput, EncodeError> {
        let members = self.members(installdir);
        let environment = match method {
            InputMethod::Environment | InputMethod::Both => environment(&members)?,
            InputMethod::Stdin | InputMethod::Powershell => Vec::new(),
        };
        let stdin = match method {
            InputMethod::Environment => Vec::new(),
            _ => Value::Object(members).to_string().into_bytes(),
        };
        Ok(ProcessInput { stdin, environment })
    }

    fn members(&self, installdir: Option<&str>) -> Map<String, Value> {
        // A parameter's name begins with a letter, so none is overwritten by a metaparameter.
        let mut members: Map<String, Value> = self
            .iter()
            .map(|(name, value, _)| (name.to_string(), value.clone()))
            .collect();
        members.insert("_task".to_owned(), self.task().as_str().into());
        if self.is_noop() {
            members.insert("_noop".to_owned(), true.into());
        }
        if let Some(directory) = installdir {
            members.insert("_installdir".to_owned(), directory.into());
        }
        members
    }
}

fn environment(members: &Map<String, Value>) -> Result<Vec<(String, String)>, EncodeError> {
    let mut variables = Vec::with_capacity(members.len());
    let mut total_bytes = 0_usize;
    for (parameter, value) in members {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let parameter = parameter.clone();
        if text.contains('\0') {
            return Err(EncodeError::Nul { parameter });
        }
        let name = format!("PT_{parameter}");
        // One for the `=`, one for the NUL that the kernel counts too.
        let have_bytes = name.len() + text.len() + 2;
        if have_bytes > VARIABLE_BYTES_MAX {
            return Err(EncodeError::VariableTooLarge {
                parameter,
                have_bytes,
            });
        }
        total_bytes = total_bytes.saturating_add(have_bytes);
        variables.push((name, text));
    }
    if total_bytes > ENVIRONMENT_BYTES_MAX {
        return Err(EncodeError::EnvironmentTooLarge {
            have_bytes: total_bytes,
        });
    }
    Ok(variables)
}
