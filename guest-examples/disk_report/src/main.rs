//! Sums up the files below a directory and names the largest.
//!
//! Input is one JSON object on standard input, `{"path": "/var/log", "top": 5}`. It was checked against
//! `tasks/init.json` and its defaults were filled in before this program started, so nothing here repeats them. The
//! answer is one JSON object on standard output; what could not be looked at is said on standard error and left out.
//!
//! Sizes are what `ls -l` says. A link is not followed; a file with two names counts twice.

#![forbid(unsafe_code)]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

fn main() -> ExitCode {
    match Request::read().and_then(|request| Report::of(&request)) {
        Ok(report) => {
            println!("{}", report.into_json());
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("{}", failure.into_json());
            ExitCode::FAILURE
        }
    }
}

/// Why there is no report.
struct Failure {
    kind: &'static str,
    message: String,
}

impl Failure {
    fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// The object by which a task says that it failed.
    fn into_json(self) -> Value {
        let kind = format!("disk_report/{}", self.kind);
        json!({"_error": {"kind": kind, "msg": self.message, "details": {}}})
    }
}

/// What to look at.
struct Request {
    path: PathBuf,
    top: usize,
}

impl Request {
    fn read() -> Result<Self, Failure> {
        let input: Value = serde_json::from_reader(io::stdin().lock())
            .map_err(|error| Failure::new("input", format!("standard input: {error}")))?;
        let path = input.get("path").and_then(Value::as_str);
        let top = input.get("top").and_then(Value::as_u64);
        match (path, top.map(usize::try_from)) {
            (Some(path), Some(Ok(top))) => Ok(Self {
                path: path.into(),
                top,
            }),
            _ => Err(Failure::new("input", "`path` and `top` are needed")),
        }
    }
}

/// A file, ordered by size and then by name, so that equal sizes come in the order of the alphabet.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
struct Sized {
    bytes: u64,
    path: Reverse<PathBuf>,
}

/// What was found.
///
/// Of the files only the largest are kept, whatever there is below the directory.
struct Report {
    files: u64,
    bytes: u64,
    top: usize,
    /// The smallest is the first to go.
    largest: BinaryHeap<Reverse<Sized>>,
}

impl Report {
    fn of(request: &Request) -> Result<Self, Failure> {
        let mut report = Self {
            files: 0,
            bytes: 0,
            top: request.top,
            largest: BinaryHeap::new(),
        };
        let root = &request.path;
        let unreadable = |error| Failure::new("unreadable", format!("{}: {error}", root.display()));
        let metadata = fs::metadata(root).map_err(unreadable)?;
        if metadata.is_file() {
            report.add(root.clone(), metadata.len());
            return Ok(report);
        }
        let mut waiting = report.look(root).map_err(unreadable)?;
        while let Some(directory) = waiting.pop() {
            match report.look(&directory) {
                Ok(below) => waiting.extend(below),
                Err(error) => left_out(&directory, &error),
            }
        }
        Ok(report)
    }

    /// Counts the files of a directory and gives the directories in it, whose turn comes later.
    fn look(&mut self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let mut below = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let path = entry.path();
            // What the name says, and not what a link leads to.
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => below.push(path),
                Ok(metadata) if metadata.is_file() => self.add(path, metadata.len()),
                Ok(_) => {}
                Err(error) => left_out(&path, &error),
            }
        }
        Ok(below)
    }

    fn add(&mut self, path: PathBuf, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
        self.largest.push(Reverse(Sized {
            bytes,
            path: Reverse(path),
        }));
        if self.largest.len() > self.top {
            self.largest.pop();
        }
    }

    fn into_json(self) -> Value {
        let largest: Vec<Value> = self
            .largest
            .into_sorted_vec()
            .into_iter()
            .map(
                |Reverse(file)| json!({"path": file.path.0.to_string_lossy(), "bytes": file.bytes}),
            )
            .collect();
        json!({"total": {"files": self.files, "bytes": self.bytes}, "largest": largest})
    }
}

fn left_out(path: &Path, error: &io::Error) {
    eprintln!("disk_report: left out {}: {error}", path.display());
}
