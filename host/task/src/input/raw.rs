//! Collects input as it was given: one JSON object, and texts of the form `name=value` or `name:=JSON`.
//!
//! Which values are secrets is not known yet, so none is ever shown.

use std::fmt;

use host_core::Shown;
use serde_json::{Map, Value};

use crate::json::{self, JsonError};

/// How much JSON is read at once, in bytes. What a run may take is a limit of its grant, and is less.
pub const INPUT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Input that nobody has checked. What is assigned by name outweighs the JSON object.
#[derive(Clone, Default)]
pub struct RawInput {
    object: Map<String, Value>,
    assigned: Vec<(String, Assigned)>,
}

#[derive(Clone)]
enum Assigned {
    Text(String),
    Json(Value),
}

/// Why something is not input.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RawInputError {
    /// The input is not JSON.
    #[error("input is not readable")]
    Json(#[source] JsonError),
    /// The input is JSON and not an object.
    #[error("input is not a JSON object")]
    NotAnObject,
    /// An argument has no `=`, or nothing before it.
    #[error("`{argument}` is not `name=value`")]
    NotAssigned {
        /// The argument up to its `=`.
        argument: String,
    },
    /// What follows `:=` is not JSON.
    #[error("value of `{name}` is not readable")]
    Value {
        /// The parameter.
        name: String,
        /// Why.
        source: JsonError,
    },
}

/// What was given for one parameter.
pub(super) enum Given<'r> {
    Nothing,
    Json(&'r Value),
    Texts(Vec<&'r str>),
    /// JSON and something else besides.
    Conflict,
}

impl RawInput {
    /// Takes the JSON object in `bytes`, at most [`INPUT_BYTES_MAX`] of them, in place of an earlier one.
    ///
    /// # Errors
    /// When it is not a JSON object, or nested more than 32 levels deep.
    pub fn read_object(&mut self, bytes: &[u8]) -> Result<(), RawInputError> {
        match json::read(bytes, INPUT_BYTES_MAX).map_err(RawInputError::Json)? {
            Value::Object(object) => self.object = object,
            _ => return Err(RawInputError::NotAnObject),
        }
        Ok(())
    }

    /// Takes one argument: `name=value`, where the parameter's type decides what the text means, or `name:=JSON`.
    ///
    /// # Errors
    /// When it has neither form.
    pub fn assign(&mut self, argument: &str) -> Result<(), RawInputError> {
        let refused = || RawInputError::NotAssigned {
            argument: Shown(argument.split('=').next().unwrap_or_default()).to_string(),
        };
        let (name, text) = argument.split_once('=').ok_or_else(refused)?;
        let (name, value) = match name.strip_suffix(':') {
            None => (name, Assigned::Text(text.to_owned())),
            Some(name) => {
                let value =
                    json::read_typed(text.as_bytes(), INPUT_BYTES_MAX).map_err(|source| {
                        RawInputError::Value {
                            name: Shown(name).to_string(),
                            source,
                        }
                    })?;
                (name, Assigned::Json(value))
            }
        };
        if name.is_empty() {
            return Err(refused());
        }
        self.assigned.push((name.to_owned(), value));
        Ok(())
    }

    /// What was given for the parameter called `name`.
    pub(super) fn given(&self, name: &str) -> Given<'_> {
        let mut texts = Vec::new();
        let mut json = None;
        for (_, value) in self
            .assigned
            .iter()
            .filter(|(assigned, _)| assigned == name)
        {
            match value {
                Assigned::Text(text) => texts.push(text.as_str()),
                Assigned::Json(_) if json.is_some() => return Given::Conflict,
                Assigned::Json(value) => json = Some(value),
            }
        }
        match (json, texts.is_empty()) {
            (None, true) => self.object.get(name).map_or(Given::Nothing, Given::Json),
            (None, false) => Given::Texts(texts),
            (Some(value), true) => Given::Json(value),
            (Some(_), false) => Given::Conflict,
        }
    }

    /// The names of everything given, each once, in the order they came.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut seen = std::collections::BTreeSet::new();
        let object = self.object.keys().map(String::as_str);
        let assigned = self.assigned.iter().map(|(name, _)| name.as_str());
        object
            .chain(assigned)
            .filter(|name| seen.insert(*name))
            .collect()
    }
}

impl fmt::Debug for RawInput {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("RawInput").field(&self.names()).finish()
    }
}
