//! Holds raw input against the parameters of a task, and reports everything that is wrong with it at once.

use std::collections::BTreeMap;
use std::fmt;

use host_core::{ParameterName, Shown, TaskName};
use serde_json::Value;

use super::raw::{Given, RawInput};
use super::{CheckedInput, Marked, coerce};
use crate::metadata::{Parameter, ParameterType};
use crate::module::TaskDefinition;
use crate::nearest::nearest;
use crate::types::{ShownType, TypeAliases};

/// How many problems one error lists.
pub const PROBLEMS_MAX: usize = 100;

const REPEATED: &str = "is given more than once";
const MISSING: &str = "expects a value";

/// Everything that is wrong with the input of a task.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct InputError {
    /// The task.
    pub task: TaskName,
    /// What is wrong, declared parameters first; at most [`PROBLEMS_MAX`].
    pub problems: Vec<Problem>,
}

/// One thing that is wrong with an input.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The parameter, or `--noop`.
    pub parameter: String,
    /// What is wrong with it, such as `expects a value`. Foreign text in it is escaped already, and no value of a
    /// sensitive parameter is in it.
    pub text: String,
}

impl fmt::Display for InputError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WORDS: [&str; 9] = [
            "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        ];
        match self.problems.len() {
            1 => out.write_str("one thing is wrong")?,
            many => match many.checked_sub(2).and_then(|index| WORDS.get(index)) {
                Some(word) => write!(out, "{word} things are wrong")?,
                None => write!(out, "{many} things are wrong")?,
            },
        }
        write!(out, " with the input of `{}`", self.task)
    }
}

impl std::error::Error for InputError {}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}  {}", self.parameter, self.text)
    }
}

impl TaskDefinition {
    /// Checks `raw` against the task's parameters, with the type aliases of its module.
    ///
    /// A parameter that is missing or `null` gets its default; one without a default may be missing if its type
    /// accepts undef. A task that declares no parameters at all takes any whose name is a parameter's. `noop` is
    /// refused unless the task supports it.
    ///
    /// # Errors
    /// Names everything that is wrong with the input.
    pub fn check(
        &self,
        raw: &RawInput,
        noop: bool,
        aliases: &TypeAliases,
    ) -> Result<CheckedInput, InputError> {
        let mut problems = Vec::new();
        if noop && !self.metadata.supports_noop {
            problems.push(problem("--noop", "is not supported by this task"));
        }
        let values = match &self.metadata.parameters {
            Some(parameters) => check_declared(parameters, raw, aliases, &mut problems),
            None => check_undeclared(raw, &mut problems),
        };
        if problems.is_empty() {
            return Ok(CheckedInput {
                task: self.name.clone(),
                noop,
                values,
            });
        }
        problems.truncate(PROBLEMS_MAX);
        Err(InputError {
            task: self.name.clone(),
            problems,
        })
    }
}

fn check_declared(
    parameters: &[Parameter],
    raw: &RawInput,
    aliases: &TypeAliases,
    problems: &mut Vec<Problem>,
) -> BTreeMap<ParameterName, Marked> {
    let mut values = BTreeMap::new();
    for parameter in parameters {
        match check_parameter(parameter, raw.given(parameter.name.as_str()), aliases) {
            Ok(Some(value)) => {
                values.insert(
                    parameter.name.clone(),
                    Marked {
                        value,
                        sensitive: parameter.sensitive,
                    },
                );
            }
            Ok(None) => {}
            Err(texts) => problems.extend(
                texts
                    .iter()
                    .map(|text| problem(parameter.name.as_str(), text)),
            ),
        }
    }
    let known = || parameters.iter().map(|parameter| parameter.name.as_str());
    for name in raw
        .names()
        .into_iter()
        .filter(|name| known().all(|known| known != *name))
    {
        let near = nearest(name, known())
            .map(|near| format!("; did you mean '{near}'?"))
            .unwrap_or_default();
        let shown = Shown(name);
        problems.push(problem(
            &shown.to_string(),
            &format!("has no parameter named '{shown}'{near}"),
        ));
    }
    values
}

/// The value that a run gets for `parameter`, if any, or what is wrong with it.
fn check_parameter(
    parameter: &Parameter,
    given: Given<'_>,
    aliases: &TypeAliases,
) -> Result<Option<Value>, Vec<String>> {
    let data_type = match &parameter.kind {
        ParameterType::Untyped => None,
        ParameterType::Typed(data_type) => Some(data_type),
        ParameterType::Unreadable { text, reason } => {
            return Err(vec![format!(
                "has the type {}, which cannot be read: {}",
                ShownType(text),
                ShownType(reason)
            )]);
        }
    };
    let given = match (given, data_type) {
        (Given::Nothing, _) => None,
        (Given::Conflict, _) => return Err(vec![REPEATED.to_owned()]),
        (Given::Json(value), _) => Some(value.clone()),
        (Given::Texts(texts), Some(data_type)) => Some(
            coerce::typed(&texts, data_type, aliases).ok_or_else(|| vec![REPEATED.to_owned()])?,
        ),
        (Given::Texts(texts), None) => Some(untyped(&texts)?),
    };
    let value = match (given, &parameter.default) {
        (None | Some(Value::Null), Some(default)) => default.clone(),
        (Some(value), _) => value,
        (None, None) if parameter.is_required(aliases) => return Err(vec![MISSING.to_owned()]),
        (None, None) => return Ok(None),
    };
    let mismatches =
        data_type.map(|data_type| data_type.mismatches("", &value, aliases, parameter.sensitive));
    match mismatches {
        Some(mismatches) if !mismatches.is_empty() => {
            Err(mismatches.iter().map(ToString::to_string).collect())
        }
        _ => Ok(Some(value)),
    }
}

fn check_undeclared(
    raw: &RawInput,
    problems: &mut Vec<Problem>,
) -> BTreeMap<ParameterName, Marked> {
    let mut values = BTreeMap::new();
    for name in raw.names() {
        let Ok(parameter) = name.parse::<ParameterName>() else {
            problems.push(problem(&Shown(name).to_string(), "is not a parameter name"));
            continue;
        };
        let value = match raw.given(name) {
            Given::Nothing => continue,
            Given::Json(value) => Ok(value.clone()),
            Given::Texts(texts) => untyped(&texts),
            Given::Conflict => Err(vec![REPEATED.to_owned()]),
        };
        match value {
            Ok(value) => {
                values.insert(
                    parameter,
                    Marked {
                        value,
                        sensitive: false,
                    },
                );
            }
            Err(texts) => problems.extend(texts.iter().map(|text| problem(name, text))),
        }
    }
    values
}

fn untyped(texts: &[&str]) -> Result<Value, Vec<String>> {
    match texts {
        [text] => Ok(coerce::untyped(text)),
        _ => Err(vec![REPEATED.to_owned()]),
    }
}

fn problem(parameter: &str, text: &str) -> Problem {
    Problem {
        parameter: parameter.to_owned(),
        text: text.to_owned(),
    }
}
