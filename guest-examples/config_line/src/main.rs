//! Makes sure that a configuration file has the line `key = value`.
//!
//! Input is one JSON object on standard input, `{"file": "/etc/app.conf", "key": "port", "value": "80"}`, with
//! `"_noop": true` when nothing may be changed. The answer is one JSON object on standard output.
//!
//! The file is written where it lies. Writing another one and renaming it would survive a crash in the middle, but it
//! needs the directory, and then the task would have to ask for everything beside the file too.

#![forbid(unsafe_code)]

mod edit;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::edit::{Ambiguous, Edit};

fn main() -> ExitCode {
    match Request::read().and_then(|request| request.ensure()) {
        Ok(answer) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("{}", failure.into_json());
            ExitCode::FAILURE
        }
    }
}

/// Why the file is not as it should be.
enum Failure {
    Input(String),
    Unreadable(String),
    Ambiguous(Ambiguous),
    Unwritable(String),
}

impl Failure {
    /// The object by which a task says that it failed.
    fn into_json(self) -> Value {
        let (kind, message, details) = match self {
            Self::Input(message) => ("input", message, json!({})),
            Self::Unreadable(error) => ("unreadable", error, json!({})),
            Self::Ambiguous(Ambiguous { lines }) => (
                "ambiguous",
                "more than one line sets the key".to_owned(),
                json!({"lines": lines}),
            ),
            Self::Unwritable(error) => ("unwritable", error, json!({})),
        };
        json!({"_error": {"kind": format!("config_line/{kind}"), "msg": message, "details": details}})
    }
}

/// What the caller wants.
struct Request {
    file: String,
    key: String,
    value: String,
    /// Say what would be done, and do nothing.
    noop: bool,
}

impl Request {
    fn read() -> Result<Self, Failure> {
        let input: Map<String, Value> = serde_json::from_reader(io::stdin().lock())
            .map_err(|error| Failure::Input(format!("standard input: {error}")))?;
        let text = |name: &str| match input.get(name) {
            Some(Value::String(text)) => Ok(text.clone()),
            _ => Err(Failure::Input(format!("`{name}` is needed"))),
        };
        let request = Self {
            file: text("file")?,
            key: text("key")?,
            value: text("value")?,
            noop: input.get("_noop") == Some(&Value::Bool(true)),
        };
        // The types in tasks/init.json say the same. A line that is two would undo all that follows.
        if request.value.contains(['\r', '\n']) || request.key.contains(['\r', '\n', '=']) {
            return Err(Failure::Input("key and value must fit one line".to_owned()));
        }
        Ok(request)
    }

    fn ensure(&self) -> Result<Value, Failure> {
        let named = |error: io::Error| format!("{}: {error}", self.file);
        let before =
            fs::read_to_string(&self.file).map_err(|error| Failure::Unreadable(named(error)))?;
        let edit = Edit::plan(&before, &self.key, &self.value).map_err(Failure::Ambiguous)?;
        if !edit.is_needed() {
            return Ok(json!({
                "changed": false,
                "would_change": false,
                "file": self.file,
                "line": edit.line,
            }));
        }
        if !self.noop {
            write_in_place(&self.file, &edit.content)
                .map_err(|error| Failure::Unwritable(named(error)))?;
        }
        Ok(json!({
            "changed": !self.noop,
            "would_change": true,
            "file": self.file,
            "line": edit.line,
            "before": edit.before,
            "after": edit.after,
        }))
    }
}

/// Writes over what is there, and cuts off what is left of it.
fn write_in_place(file: &str, content: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(file)?;
    file.write_all(content.as_bytes())?;
    // ORDER: a crash before the cut leaves lines too many, after an early cut it would leave lines too few.
    file.set_len(content.len() as u64)?;
    file.sync_all()
}
