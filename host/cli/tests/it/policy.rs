//! `host run --policy`: rules decide, and the person at the keyboard permits nothing.
//!
//! Most runs are of one task, which leaves a mark in a directory that it asks for: whether it ran is seen by the mark,
//! not by what is said of it. What is said is in `tests/cmd/policy`, what is decided in the tests of `host/policy`.

mod forbids;
mod letters;
mod programs;
mod refusals;
mod runs;
mod sets;
mod surroundings;
mod tools;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::lab::{Host, Lab, Ran};

/// Lets everybody run everything, and open nothing.
const RUN: &str = "@id(\"run\") permit (principal, action == Action::\"run\", resource);\n";

/// A file that only its owner can write, in directories that only their owner can write, whatever the umask.
fn owned(lab: &Lab, below: &str, text: impl AsRef<[u8]>) -> String {
    let path = lab.write(below, text);
    mode(&path, 0o644);
    for (at, _) in below.match_indices('/') {
        mode(&lab.path(&below[..at]), 0o755);
    }
    path
}

fn mode(path: &str, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The policy set `sets/NAME` of a lab, with one file of rules; returns its path.
fn set(lab: &Lab, name: &str, rules: &str) -> String {
    owned(lab, &format!("sets/{name}/rules.cedar"), rules);
    lab.path(&format!("sets/{name}"))
}

/// The set `NAME` with what the marking task needs to start, and `rules` besides.
fn marking_set(lab: &Lab, name: &str, rules: &str) -> String {
    let marks = lab.path("marks");
    let mark = format!(
        "@id(\"mark\") permit (principal, action == Action::\"fs.write\", resource in Path::\"{marks}\");\n"
    );
    set(lab, name, &format!("{mark}{rules}"))
}

/// The module `demo`, whose task asks for `asks` besides the directory of its mark, leaves the mark, and runs `script`.
fn marking(lab: &Lab, asks: &[Value], script: &str) -> String {
    let marks = lab.directory("marks");
    let asks = [&[json!(format!("fs.write:{marks}"))], asks].concat();
    let metadata = json!({"extensions": {"host": {"asks": asks}}});
    lab.module("demo")
        .task(
            "init.sh",
            &format!("#!/bin/sh\ntouch {marks}/ran\n{script}\n"),
            metadata,
        )
        .build()
}

/// Whether the marking task ran; it is then as if it never had.
fn ran(lab: &Lab) -> bool {
    fs::remove_file(lab.path("marks/ran")).is_ok()
}

/// `host run MODULE --policy SET --as alice`, with `more` behind it.
fn ruled<'l>(lab: &'l Lab, module: &str, set: &str, more: &[&str]) -> Host<'l> {
    let line = ["run", module, "--policy", set, "--as", "alice"];
    lab.host(&[&line[..], more].concat())
}

/// Runs the marking task by a set that permits it; returns its record.
#[track_caller]
fn permits(lab: &Lab, module: &str, set: &str, more: &[&str]) -> Value {
    let more = [&["--output", "json"], more].concat();
    let record = ruled(lab, module, set, &more).run().exits(0).record();
    assert!(ran(lab), "nothing ran");
    assert_eq!(record["caller"], "alice");
    record
}

/// Runs the marking task by a set that refuses it; returns the line of the journal, which is the only trace.
#[track_caller]
fn refuses(lab: &Lab, module: &str, set: &str, more: &[&str]) -> (Ran, Value) {
    let (before, spooled) = (lab.journal().len(), lab.spooled().len());
    let ran_ended = ruled(lab, module, set, more)
        .run()
        .exits(3)
        .says(&["refused:"]);
    assert!(!ran(lab), "what was refused ran");
    assert_eq!(ran_ended.text(), "");
    let journal = lab.journal();
    assert_eq!(journal.len(), before + 1, "{journal:#?}");
    assert_eq!(lab.spooled().len(), spooled, "a refusal has a spool");
    let line = journal[before].clone();
    assert_eq!(line["event"], "refused", "{line:#}");
    assert_eq!(line["record"]["status"], "refused");
    assert_eq!(line["record"]["caller"], "alice");
    assert_eq!(line["record"]["grant"], json!([]));
    assert_eq!(line["request"]["caller"], "alice");
    (ran_ended, line)
}

/// Runs the marking task by what cannot be used: nothing runs, and what is on record says who was turned away and why, where
/// somebody was named.
#[track_caller]
fn fails(host: Host<'_>, lab: &Lab, code: i32, says: &[&str]) -> Ran {
    let before = lab.journal().len();
    let ended = host.run().exits(code).says(says).never_says("panicked");
    assert!(!ran(lab), "it ran although nothing decided");
    assert_eq!(ended.text(), "");
    let journal = lab.journal();
    let added = &journal[before..];
    assert!(added.len() <= 1, "{added:#?}");
    for line in added {
        assert_eq!(
            (&line["event"], &line["caller"]),
            (&json!("refused"), &json!("alice"))
        );
        let reason = line["reason"].as_str().unwrap();
        let is_said = reason.split(": ").all(|piece| ended.stderr.contains(piece));
        assert!(!reason.is_empty() && is_said, "{line:#}");
        assert_eq!(line["by"]["uid"], rustix::process::getuid().as_raw());
    }
    assert!(lab.spooled().is_empty(), "a spool is left");
    ended
}

/// The rules that decided, as a line of the journal has them.
fn decided_by(line: &Value) -> Vec<&str> {
    let rules = line["policy"]["rules"].as_array().unwrap();
    rules.iter().map(|rule| rule.as_str().unwrap()).collect()
}
