//! What a hostile WASI program tries, and what comes of it: it is stopped by a limit that has a name, or answered with an
//! error, and the machine is as it was.
//!
//! Most of it is done by guest-examples/misbehave, for both previews; what it has no mode for is written here. Every
//! test is followed by the lab's own look for what is left.

mod advisories;
mod compiling;
mod disk;
mod memory;
mod paths;
mod races;
mod time;
mod world;

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::lab::{Lab, Ran, guests};
use crate::wasm::{BOTH, program};

/// How long after its limit a run may take to be over, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(6);

/// The record of a bare program.
#[track_caller]
fn record(lab: &Lab, program: &str, arguments: &[&str]) -> (Ran, Value) {
    let ran = lab.run(&[&["--output", "json", "run", program], arguments].concat());
    let record = ran.record();
    (ran, record)
}

/// Asserts that a program is stopped by a limit, and named as stopped by it wherever that is told.
#[track_caller]
fn stopped(lab: &Lab, program: &str, arguments: &[&str], limit: &str) -> Value {
    let (ran, record) = record(lab, program, arguments);
    let code = if limit == "wall" { 124 } else { 137 };
    let outcome =
        json!({"kind": "limit", "code": null, "signal": null, "limit": limit, "reason": ""});
    assert_eq!(record["outcome"], outcome, "{record:#}");
    assert_eq!(record["status"], "failure");
    assert_eq!(ran.code(), code);
    assert!(ran.took < PATIENCE, "it took {:?}", ran.took);
    record
}

/// The module whose tasks misbehave.
fn misbehave() -> String {
    guests().join("misbehave").to_str().unwrap().to_owned()
}

/// The record of a task that misbehaves, for preview 1 or 2.
#[track_caller]
fn task(lab: &Lab, preview: &str, arguments: &[&str]) -> (Ran, Value) {
    let (module, task) = (misbehave(), format!("misbehave::{preview}"));
    let ran = lab.run(&[&["--output", "json", "run", &module, &task], arguments].concat());
    let record = ran.record();
    (ran, record)
}

/// The two previews by the names of their tasks.
const PREVIEWS: [&str; 2] = ["p1", "p2"];

/// All that lies below a directory of the lab: names, kinds, contents.
fn picture(lab: &Lab, below: &str) -> Vec<(String, String)> {
    let mut seen = Vec::new();
    let mut waiting = vec![lab.root().join(below)];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            let what = if kind.is_dir() {
                waiting.push(entry.path());
                "a directory".to_owned()
            } else if kind.is_symlink() {
                format!("-> {}", fs::read_link(entry.path()).unwrap().display())
            } else {
                String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned()
            };
            seen.push((entry.path().to_str().unwrap().to_owned(), what));
        }
    }
    seen.sort();
    seen
}

#[test]
fn what_misbehaves_is_two_programs_that_say_so() {
    let lab = crate::wasm::lab();
    for name in BOTH {
        let said = lab
            .run(&["run", &program(name), "stdin-never"])
            .exits(0)
            .record();
        let expected = name.strip_prefix("misbehave-").unwrap();
        assert_eq!(
            (&said["wasi"], &said["mode"]),
            (&json!(expected), &json!("stdin-never"))
        );
    }
}
