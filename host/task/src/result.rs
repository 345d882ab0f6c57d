//! Reads what a task left behind, its output and its exit code, as a result by the rules of Puppet tasks.
//!
//! The whole of stdout is the result if it is one JSON object; anything else is kept as text under `_output`. A task
//! that exits with another code than 0 failed, and so did one that says `_error`, whatever its code. Output that is
//! not UTF-8 is no result at all: the run fails and says so.
//!
//! An object that cannot be read fails the run too, since nobody knows what it would have said: it may hold an error.
//! If it mentions `_sensitive`, nothing of it is kept. The one thing mended is half of a surrogate pair, which
//! becomes U+FFFD.

mod syntax;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use host_core::TaskName;
use serde_json::{Map, Value, json};

use crate::input::REDACTED;
use crate::json::{self, JsonError};

/// How deeply a result may be nested: as deeply as in Ruby, and so in Puppet's own runners.
pub const RESULT_DEPTH_MAX: usize = 100;

/// How much of stderr an error message repeats, in bytes.
pub const STDERR_BYTES_MAX: usize = 16 * 1024;

/// How much of a malformed `_error` its message repeats, in characters; the details hold all of it.
const BAD_ERROR_CHARS_MAX: usize = 256;

const ERROR: &str = "_error";
const OUTPUT: &str = "_output";
const SENSITIVE: &str = "_sensitive";

const TASK_ERROR_KIND: &str = "puppetlabs.tasks/task-error";

/// The result of a run that ended by itself. Its debugging output leaves out what `_sensitive` holds.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct TaskResult {
    /// The value, `_output` and `_error` included.
    pub value: Map<String, Value>,
    /// Whether the task did what it should.
    pub success: bool,
    /// What went wrong: what stands under `_error`.
    pub error: Option<TaskFailure>,
    /// Whether the output holds a secret, so that it must not be kept as it is: the value has one under `_sensitive`,
    /// or there may be one in what could not be read and is left out of the value.
    pub sensitive: bool,
}

/// What a task says of its failure, or what is said for it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TaskFailure {
    /// A name for this kind of failure, such as `puppetlabs.tasks/task-error`.
    pub kind: String,
    /// What happened, for people.
    pub msg: String,
    /// What happened, for programs.
    pub details: Map<String, Value>,
}

impl TaskResult {
    /// Reads the whole output of `task` and its exit code.
    #[must_use]
    pub fn read(task: &TaskName, stdout: &[u8], stderr: &[u8], exit_code: i32) -> Self {
        let text = String::from_utf8_lossy(stdout);
        if matches!(text, Cow::Owned(_)) {
            return Self::of(invalid_utf8(exit_code), may_hold_secret(&text));
        }
        let mut value = match read_value(&text) {
            Ok(value) => value,
            Err(reason) => return Self::unreadable(&text, &reason, exit_code),
        };
        match value.get(ERROR).filter(|error| !error.is_null()) {
            Some(error) => {
                let error = normal_error(task, error);
                value.insert(ERROR.to_owned(), error);
            }
            None if exit_code != 0 => {
                let error = task_error(exit_message(exit_code, stdout, stderr), exit_code);
                value.insert(ERROR.to_owned(), error);
            }
            None => {
                value.shift_remove(ERROR);
            }
        }
        Self::of(value, false)
    }

    /// The result of a run that was ended from outside: what it had written so far, and an error of this kind.
    #[must_use]
    pub fn stopped(stdout: &[u8], kind: &str, msg: &str) -> Self {
        let text = String::from_utf8_lossy(stdout);
        let (mut value, withheld) = match read_value(&text) {
            _ if stdout.is_empty() => (Map::new(), false),
            Ok(value) => (value, false),
            Err(_) => raw(&text),
        };
        value.insert(
            ERROR.to_owned(),
            json!({ "kind": kind, "msg": msg, "details": {} }),
        );
        Self::of(value, withheld)
    }

    /// The value as it may be shown: what stands under `_sensitive` is replaced.
    #[must_use]
    pub fn public_value(&self) -> Map<String, Value> {
        let mut value = self.value.clone();
        if let Some(secret) = value.get_mut(SENSITIVE) {
            *secret = REDACTED.into();
        }
        value
    }

    /// The failure of a task whose result cannot be read. What it did write is kept where no secret can be in it.
    fn unreadable(text: &str, reason: &JsonError, exit_code: i32) -> Self {
        let msg = if exit_code == 0 {
            format!("The task's result cannot be read: {reason}")
        } else {
            format!(
                "The task failed with exit code {exit_code}, and its result cannot be read: {reason}"
            )
        };
        let (mut value, withheld) = raw(text);
        value.insert(ERROR.to_owned(), task_error(msg, exit_code));
        Self::of(value, withheld)
    }

    /// A result with this value. `withheld`: it leaves out what may be a secret.
    fn of(value: Map<String, Value>, withheld: bool) -> Self {
        let error = value.get(ERROR).map(failure);
        Self {
            success: error.is_none(),
            sensitive: withheld || value.contains_key(SENSITIVE),
            error,
            value,
        }
    }
}

impl fmt::Debug for TaskResult {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = Value::Object(self.public_value()).to_string();
        out.debug_struct("TaskResult")
            .field("success", &self.success)
            .field("value", &value)
            .finish_non_exhaustive()
    }
}

/// The value of all that a task wrote: the one object that it is, or the text itself. An error: it was meant as an
/// object, and cannot be read as one.
fn read_value(text: &str) -> Result<Map<String, Value>, JsonError> {
    let json = text.strip_prefix('\u{feff}').unwrap_or(text);
    let error = match read_json(json) {
        Ok(Value::Object(map)) => return Ok(map),
        Ok(_) => None,
        Err(error) => Some(error),
    };
    match error {
        Some(error) if may_be_object(json) => Err(error),
        _ => Ok(output(text)),
    }
}

fn read_json(text: &str) -> Result<Value, JsonError> {
    let read = |text: &str| json::read_within(text, RESULT_DEPTH_MAX);
    read(text).or_else(|error| match syntax::without_lone_surrogates(text) {
        Some(mended) => read(&mended),
        None => Err(error),
    })
}

/// Whether text that is no JSON was meant as an object: it is one but for a detail, or it begins like one and has a
/// key that says more than that it is there.
fn may_be_object(text: &str) -> bool {
    syntax::is_object(text)
        || begins_object(text) && syntax::mentions(text, "\"_error\"")
        || may_hold_secret(text)
}

/// Whether text that cannot be read may be a result, or the beginning of one, with a secret in it.
fn may_hold_secret(text: &str) -> bool {
    begins_object(text) && syntax::mentions(text, SENSITIVE)
}

fn begins_object(text: &str) -> bool {
    text.trim_start_matches('\u{feff}')
        .trim_start_matches(|letter: char| letter.is_ascii_whitespace())
        .starts_with('{')
}

/// The value for text that could not be read, and whether the text is left out of it.
fn raw(text: &str) -> (Map<String, Value>, bool) {
    if may_hold_secret(text) {
        (Map::new(), true)
    } else {
        (output(text), false)
    }
}

fn output(text: &str) -> Map<String, Value> {
    Map::from_iter([(OUTPUT.to_owned(), text.into())])
}

fn invalid_utf8(exit_code: i32) -> Map<String, Value> {
    let error = task_error(
        "The task result contained invalid UTF-8 on stdout".to_owned(),
        exit_code,
    );
    Map::from_iter([(ERROR.to_owned(), error)])
}

/// The error that a runner adds. Runners disagree on the name of the exit code, so both are given.
fn task_error(msg: String, exit_code: i32) -> Value {
    json!({
        "kind": TASK_ERROR_KIND,
        "issue_code": "TASK_ERROR",
        "msg": msg,
        "details": { "exit_code": exit_code, "exitcode": exit_code },
    })
}

fn exit_message(exit_code: i32, stdout: &[u8], stderr: &[u8]) -> String {
    let failed = format!("The task failed with exit code {exit_code}");
    if !stdout.is_empty() {
        return failed;
    }
    if stderr.is_empty() {
        return format!("{failed} and no output");
    }
    let shown = stderr.get(..STDERR_BYTES_MAX).unwrap_or(stderr);
    let rest = if shown.len() < stderr.len() {
        "\n..."
    } else {
        ""
    };
    format!(
        "{failed} and no stdout, but stderr contained:\n{}{rest}",
        String::from_utf8_lossy(shown)
    )
}

/// The task's own error with everything that readers rely on: a `kind`, a `msg` and `details`.
fn normal_error(task: &TaskName, error: &Value) -> Value {
    let Some(map) = error
        .as_object()
        .filter(|map| map.get("msg").is_some_and(Value::is_string))
    else {
        return json!({
            "kind": "bolt/invalid-task-error",
            "msg": format!(
                "Invalid error returned from task {task}: {}. Error must be an object with a msg key.",
                error.to_string().chars().take(BAD_ERROR_CHARS_MAX).collect::<String>(),
            ),
            "details": { "original_error": error },
        });
    };
    let mut map = map.clone();
    if !map.get("kind").is_some_and(Value::is_string) {
        map.insert("kind".to_owned(), "bolt/error".into());
    }
    if map.get("details").is_none_or(Value::is_null) {
        map.insert("details".to_owned(), json!({}));
    }
    Value::Object(map)
}

fn failure(error: &Value) -> TaskFailure {
    let text = |key: &str| {
        error
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let details = error
        .get("details")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    TaskFailure {
        kind: text("kind"),
        msg: text("msg"),
        details,
    }
}
