//! Holds raw input against the parameters of a task, and reports everything that is wrong with it at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use host_core::{ParameterName, Shown, TaskName};
use serde_json::Value;

use super::coerce::{self, Reading};
use super::raw::{Given, RawInput};
use super::{CheckedInput, Marked};
use crate::metadata::{Parameter, ParameterType};
use crate::module::TaskDefinition;
use crate::nearest::nearest;
use crate::types::{ShownType, TypeAliases};

/// How many problems one error lists.
pub const PROBLEMS_MAX: usize = 100;

/// For how many unknown names a known one is suggested: each is compared with all that are known.
const SUGGESTIONS_MAX: usize = 10;

const OF_DEFAULT: &str = "(its default in the metadata)";
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
    /// How many more things are wrong that are not listed.
    pub left_out: usize,
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
        match self.problems.len() + self.left_out {
            1 => out.write_str("one thing is wrong")?,
            many => match many.checked_sub(2).and_then(|index| WORDS.get(index)) {
                Some(word) => write!(out, "{word} things are wrong")?,
                None => write!(out, "{many} things are wrong")?,
            },
        }
        write!(out, " with the input of `{}`", self.task)?;
        match self.left_out {
            0 => Ok(()),
            left_out => write!(out, ", and {left_out} of them are not listed"),
        }
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
        let mut problems = Problems::default();
        if noop && !self.metadata.supports_noop {
            problems.push("--noop", || "is not supported by this task".to_owned());
        }
        let values = match &self.metadata.parameters {
            Some(parameters) => check_declared(parameters, raw, aliases, &mut problems),
            None => check_undeclared(raw, &mut problems),
        };
        if problems.listed.is_empty() {
            return Ok(CheckedInput {
                task: self.name.clone(),
                noop,
                values,
            });
        }
        Err(InputError {
            task: self.name.clone(),
            problems: problems.listed,
            left_out: problems.left_out,
        })
    }
}

fn check_declared(
    parameters: &[Parameter],
    raw: &RawInput,
    aliases: &TypeAliases,
    problems: &mut Problems,
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
            Err(texts) => problems.extend(parameter.name.as_str(), texts),
        }
    }
    refuse_unknown(parameters, raw, problems);
    values
}

/// Names everything given for which the task has no parameter.
fn refuse_unknown(parameters: &[Parameter], raw: &RawInput, problems: &mut Problems) {
    let known: BTreeSet<&str> = parameters
        .iter()
        .map(|parameter| parameter.name.as_str())
        .collect();
    let unknown = raw.names().into_iter().filter(|name| !known.contains(name));
    for (index, name) in unknown.enumerate() {
        problems.push(name, || {
            let near = (index < SUGGESTIONS_MAX).then(|| nearest(name, known.iter().copied()));
            match near.flatten() {
                Some(near) => format!("is no parameter of this task; did you mean '{near}'?"),
                None => "is no parameter of this task".to_owned(),
            }
        });
    }
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
        (Given::Texts(texts), Some(data_type)) => {
            match coerce::typed(&texts, data_type, aliases) {
                // What fits need not be asked again; undef makes way for a default, where there is one.
                Some(Reading::Fits(value)) if !value.is_null() => {
                    return once(&texts, value, parameter.sensitive).map(Some);
                }
                Some(Reading::Fits(value) | Reading::Likeliest(value)) => Some(value),
                None => return Err(vec![REPEATED.to_owned()]),
            }
        }
        (Given::Texts(texts), None) => Some(untyped(&texts, parameter.sensitive)?),
    };
    let (value, origin) = match (given, &parameter.default) {
        (None | Some(Value::Null), Some(default)) => (default.clone(), OF_DEFAULT),
        (Some(value), _) => (value, ""),
        (None, None) if parameter.is_required(aliases) => return Err(vec![MISSING.to_owned()]),
        (None, None) => return Ok(None),
    };
    let Some(data_type) = data_type else {
        return Ok(Some(value));
    };
    let mismatches = data_type.mismatches("", &value, aliases, parameter.sensitive);
    if mismatches.is_empty() {
        return Ok(Some(value));
    }
    let texts = mismatches
        .iter()
        .map(|mismatch| format!("{mismatch} {origin}"));
    Err(texts.map(|text| text.trim_end().to_owned()).collect())
}

fn check_undeclared(raw: &RawInput, problems: &mut Problems) -> BTreeMap<ParameterName, Marked> {
    let mut values = BTreeMap::new();
    for name in raw.names() {
        let Ok(parameter) = name.parse::<ParameterName>() else {
            problems.push(name, || "is not a parameter name".to_owned());
            continue;
        };
        let value = match raw.given(name) {
            Given::Nothing => continue,
            Given::Json(value) => Ok(value.clone()),
            Given::Texts(texts) => untyped(&texts, false),
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
            Err(texts) => problems.extend(name, texts),
        }
    }
    values
}

fn untyped(texts: &[&str], sensitive: bool) -> Result<Value, Vec<String>> {
    match texts {
        [text] => once(texts, coerce::untyped(text), sensitive),
        _ => Err(vec![REPEATED.to_owned()]),
    }
}

/// The value, unless a key stands twice in what it was read from: one of the two would be lost.
fn once(texts: &[&str], value: Value, sensitive: bool) -> Result<Value, Vec<String>> {
    match coerce::repeated_key(texts, &value) {
        None => Ok(value),
        Some(_) if sensitive => Err(vec!["has a key twice".to_owned()]),
        Some(key) => Err(vec![format!("has the key `{}` twice", Shown(&key))]),
    }
}

/// What was found to be wrong: a list with an end, and the number of what comes after it.
#[derive(Default)]
struct Problems {
    listed: Vec<Problem>,
    left_out: usize,
}

impl Problems {
    /// Adds what `text` says of `parameter`; it is not asked when the list is full.
    fn push(&mut self, parameter: &str, text: impl FnOnce() -> String) {
        if self.listed.len() >= PROBLEMS_MAX {
            self.left_out += 1;
            return;
        }
        self.listed.push(Problem {
            parameter: Shown(parameter).to_string(),
            text: text(),
        });
    }

    fn extend(&mut self, parameter: &str, texts: Vec<String>) {
        for text in texts {
            self.push(parameter, || text);
        }
    }
}
