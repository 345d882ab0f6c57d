//! From what a caller typed to an input that satisfies its task.
//!
//! [`RawInput`] collects a JSON object and `name=value` texts and believes none of it. [`TaskDefinition::check`]
//! reads the texts by the declared types, fills defaults, and either names everything that is wrong at once or
//! gives a [`CheckedInput`], the only input that is filled into asks or encoded for a process. Values of
//! sensitive parameters stand in no message, and neither type shows them in its debugging output.
//!
//! [`TaskDefinition::check`]: crate::TaskDefinition::check

mod check;
mod coerce;
mod raw;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use host_core::{ParameterName, Placeholder, TaskName};
use serde_json::{Map, Value};

pub use check::{InputError, PROBLEMS_MAX, Problem};
pub use raw::{INPUT_BYTES_MAX, RawInput, RawInputError};

use crate::number;

/// How a secret appears where people look.
pub(crate) const REDACTED: &str = "Sensitive [value redacted]";

/// The input of one run: every parameter satisfies its type, defaults are filled, secrets are marked.
#[derive(Clone, Debug)]
pub struct CheckedInput {
    task: TaskName,
    noop: bool,
    values: BTreeMap<ParameterName, Marked>,
}

impl CheckedInput {
    /// The task that the input was checked for.
    #[must_use]
    pub fn task(&self) -> &TaskName {
        &self.task
    }

    /// Whether the run is to change nothing.
    #[must_use]
    pub fn is_noop(&self) -> bool {
        self.noop
    }

    /// Every parameter by name with its value, and whether that is a secret.
    pub fn iter(&self) -> impl Iterator<Item = (&ParameterName, &Value, bool)> {
        self.values
            .iter()
            .map(|(name, marked)| (name, &marked.value, marked.sensitive))
    }

    /// The parameters that are no secrets as one object, its keys sorted at every level, so that equal inputs give
    /// equal texts: what may be shown, logged, put before a policy and hashed.
    #[must_use]
    pub fn public_json(&self) -> Value {
        Value::Object(self.public())
    }

    /// The same as a map.
    #[must_use]
    pub fn public(&self) -> Map<String, Value> {
        let public = self.iter().filter(|(_, _, sensitive)| !sensitive);
        public
            .map(|(name, value, _)| (name.to_string(), sorted(value)))
            .collect()
    }

    /// What a placeholder for `name` stands for.
    ///
    /// Strings, integers and booleans stand for their text, lists of them for one text an element. Absent, `null`
    /// and the empty list are alike. Floats have no single text, and objects none at all.
    #[must_use]
    pub fn placeholder(&self, name: &ParameterName) -> Placeholder {
        match self.values.get(name) {
            None => Placeholder::Absent,
            Some(marked) if marked.sensitive => Placeholder::Sensitive,
            Some(marked) => placeholder(&marked.value),
        }
    }
}

/// A value and whether it is a secret.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Marked {
    value: Value,
    sensitive: bool,
}

impl fmt::Debug for Marked {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sensitive {
            out.write_str(REDACTED)
        } else {
            write!(out, "{}", self.value)
        }
    }
}

fn placeholder(value: &Value) -> Placeholder {
    match value {
        Value::Null => Placeholder::Absent,
        Value::Array(items) if items.is_empty() => Placeholder::Absent,
        Value::Array(items) => match items.iter().map(scalar).collect() {
            Some(texts) => Placeholder::Many(texts),
            None => Placeholder::Unfit(
                "is a list of something else than strings, integers and booleans",
            ),
        },
        Value::Object(_) => Placeholder::Unfit("is an object"),
        Value::Number(_) | Value::Bool(_) | Value::String(_) => match scalar(value) {
            Some(text) => Placeholder::One(text),
            None => Placeholder::Unfit("is a floating point number"),
        },
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) if number::is_whole(number) => Some(number.to_string()),
        _ => None,
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(map) => {
            let ordered: BTreeMap<&String, &Value> = map.iter().collect();
            Value::Object(
                ordered
                    .into_iter()
                    .map(|(key, value)| (key.clone(), sorted(value)))
                    .collect::<Map<_, _>>(),
            )
        }
        scalar => scalar.clone(),
    }
}
