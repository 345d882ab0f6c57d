//! Reads what a task left behind, its output and its exit code, as a result by the rules of Puppet tasks.
//!
//! The whole of stdout is the result if it is one JSON object; anything else is kept as text under `_output`. A task
//! that exits with another code than 0 failed, and so did one that says `_error`, whatever its code. Output that is
//! not UTF-8 is no result at all: nothing is replaced or guessed, the run fails and says so.

#[cfg(test)]
mod tests;

use std::fmt;

use host_core::TaskName;
use serde_json::{Map, Value, json};

use crate::input::REDACTED;
use crate::json::is_within;

/// How deeply a result may be nested and still be read as an object.
pub const RESULT_DEPTH_MAX: usize = 64;

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
    /// Whether the value holds a secret, under `_sensitive`.
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
        let Ok(text) = str::from_utf8(stdout) else {
            return Self::from_value(invalid_utf8(exit_code));
        };
        let mut value = read_value(text);
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
        Self::from_value(value)
    }

    /// The result of a run that was ended from outside: what it had written so far, and an error of this kind.
    #[must_use]
    pub fn stopped(stdout: &[u8], kind: &str, msg: &str) -> Self {
        let text = String::from_utf8_lossy(stdout);
        let mut value = if stdout.is_empty() {
            Map::new()
        } else {
            read_value(&text)
        };
        value.insert(
            ERROR.to_owned(),
            json!({ "kind": kind, "msg": msg, "details": {} }),
        );
        Self::from_value(value)
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

    fn from_value(value: Map<String, Value>) -> Self {
        let error = value.get(ERROR).map(failure);
        Self {
            success: error.is_none(),
            sensitive: value.contains_key(SENSITIVE),
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

fn read_value(text: &str) -> Map<String, Value> {
    match serde_json::from_str(text) {
        Ok(Value::Object(map))
            if map
                .values()
                .all(|value| is_within(value, RESULT_DEPTH_MAX - 1)) =>
        {
            map
        }
        _ => Map::from_iter([(OUTPUT.to_owned(), text.into())]),
    }
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
