//! One task in four languages, held to one list of assertions: a caller must not be able to tell what a task is written
//! in. Where the design itself tells a WASI program from a native one, both sides are asserted, and never loosely.
//!
//! The task is guest-examples/conformance, as a shell script, a Python script, a preview 1 module and a preview 2
//! component. What it does is in its README.md; its results come from `cargo xtask guests`.

mod endings;
mod files;
mod input;
mod limits;
mod output;
mod record;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::lab::{Lab, Ran, guests};

/// What the task is written in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Language {
    Shell,
    Python,
    /// Rust, for preview 1.
    Module,
    /// Rust, for preview 2.
    Component,
}

impl Language {
    const ALL: [Self; 4] = [Self::Shell, Self::Python, Self::Module, Self::Component];

    /// The name of the task in its module.
    fn name(self) -> &'static str {
        match self {
            Self::Shell => "sh",
            Self::Python => "py",
            Self::Module => "p1",
            Self::Component => "p2",
        }
    }

    fn task(self) -> String {
        format!("conformance::{}", self.name())
    }

    /// The file in `tasks/`.
    fn file(self) -> String {
        let extension = if self.is_wasm() { "wasm" } else { self.name() };
        format!("{}.{extension}", self.name())
    }

    fn is_wasm(self) -> bool {
        matches!(self, Self::Module | Self::Component)
    }

    /// What is expected of native programs, or of WASI programs.
    fn either<T>(self, native: T, wasm: T) -> T {
        if self.is_wasm() { wasm } else { native }
    }
}

/// The module with the four tasks, in a lab of its own.
#[derive(Debug)]
struct Suite {
    lab: Lab,
    module: String,
}

impl Suite {
    fn new() -> Self {
        Self::declaring(json!({}))
    }

    /// The same with other metadata for all four: `keys` are merged in, and what is null there is taken out.
    #[track_caller]
    fn declaring(keys: Value) -> Self {
        let built = guests().join("conformance");
        assert!(
            built.is_dir(),
            "there is no `{}`: build the guests with `cargo xtask guests`",
            built.display()
        );
        let lab = Lab::new();
        let module = lab.directory("modules/conformance");
        copy(&built, Path::new(&module));
        for language in Language::ALL {
            let metadata = format!("modules/conformance/tasks/{}.json", language.name());
            let mut value = serde_json::from_str(&lab.read(&metadata)).unwrap();
            merge(&mut value, &keys);
            lab.write(&metadata, value.to_string());
        }
        Self { lab, module }
    }

    /// Runs the task in one language as people do.
    #[track_caller]
    fn shown(&self, language: Language, arguments: &[&str]) -> Ran {
        let (module, task) = (self.module.as_str(), language.task());
        self.lab.run(&[&["run", module, &task], arguments].concat())
    }

    /// The arguments of `host` that run a task for its record.
    fn arguments<'a>(&'a self, task: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
        let run = ["--output", "json", "run", &self.module, task];
        [&run[..], arguments].concat()
    }

    #[track_caller]
    fn run(&self, language: Language, arguments: &[&str]) -> Ran {
        self.lab.run(&self.arguments(&language.task(), arguments))
    }

    /// The record of each language, given the same arguments.
    #[track_caller]
    fn records(&self, arguments: &[&str]) -> [(Language, Value); 4] {
        Language::ALL.map(|language| (language, self.run(language, arguments).record()))
    }

    /// Asserts that in every language the run ends in this way and that `host` says so by its exit code.
    #[track_caller]
    fn alike(&self, arguments: &[&str], expected: &Value) {
        for language in Language::ALL {
            self.ends(language, arguments, expected);
        }
    }

    /// Asserts the same of one language; gives the record.
    #[track_caller]
    fn ends(&self, language: Language, arguments: &[&str], expected: &Value) -> Value {
        let ran = self.run(language, arguments);
        let record = ran.record();
        let shown = format!("{language:?} with {arguments:?}: {record:#}");
        assert_eq!(&ended(&record), expected, "{shown}");
        let code = match record["status"].as_str().unwrap() {
            "success" => 0,
            "failure" => 1,
            "refused" => 3,
            other => panic!("status `{other}`: {shown}"),
        };
        assert_eq!(ran.code(), code, "{shown}");
        record
    }

    /// Asserts that in every language the task fails for what the system says, in the words that native programs have
    /// for it and in those that WASI programs have.
    #[track_caller]
    fn fails(&self, arguments: &[&str], native: &str, wasm: &str) {
        for language in Language::ALL {
            self.fails_in(language, arguments, language.either(native, wasm));
        }
    }

    /// Asserts that in one language the task fails for what the system says, in this word.
    #[track_caller]
    fn fails_in(&self, language: Language, arguments: &[&str], word: &str) {
        let record = self.run(language, arguments).exits(1).record();
        let shown = format!("{language:?} with {arguments:?}: {record:#}");
        assert_eq!(record["outcome"], exited(1), "{shown}");
        assert_eq!(record["value"]["_output"], "", "{shown}");
        let said = record["stderr"]["text"].as_str().unwrap();
        assert!(said.ends_with(&format!(": {word}\n")), "{shown}");
    }

    /// The argument of `--input` by which these parameters are given, without a word of them on the command line.
    fn given(&self, input: &Value) -> String {
        format!("@{}", self.lab.write("input.json", input.to_string()))
    }

    /// The bytes of a stream of a run, as the spool has them.
    fn kept(&self, record: &Value, stream: &str) -> Vec<u8> {
        let run = record["run"].as_str().unwrap();
        fs::read(self.lab.spool(run).join(stream)).unwrap()
    }
}

/// How a run ended, from its record: whatever does not depend on when it was.
fn ended(record: &Value) -> Value {
    json!({"status": record["status"], "outcome": record["outcome"], "value": record["value"]})
}

/// The outcome of a program that ended by itself.
fn exited(code: i32) -> Value {
    json!({"kind": "exited", "code": code, "signal": null, "limit": null, "reason": ""})
}

/// The end of a task that did what it should.
fn success(value: Value) -> Value {
    json!({"status": "success", "outcome": exited(0), "value": value})
}

/// The end of a task that ended by itself and failed.
fn failure(code: i32, value: Value) -> Value {
    json!({"status": "failure", "outcome": exited(code), "value": value})
}

/// The error that stands in the result of a task that has none of its own to say.
fn task_error(code: i32, msg: &str) -> Value {
    json!({
        "kind": "puppetlabs.tasks/task-error",
        "issue_code": "TASK_ERROR",
        "msg": msg,
        "details": {"exit_code": code, "exitcode": code},
    })
}

/// A parameter as it is typed.
fn text(text: &str) -> String {
    format!("text={text}")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Merges `patch` into `value` as RFC 7396 has it.
fn merge(value: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = json!({});
    }
    for (key, patch) in patch {
        if patch.is_null() {
            value.as_object_mut().unwrap().shift_remove(key);
        } else {
            merge(&mut value[key], patch);
        }
    }
}
