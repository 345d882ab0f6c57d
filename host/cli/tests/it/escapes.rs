//! An attack suite of our own: what a hostile task tries, one attempt for each wall, limit and capability, and what the
//! machine looks like afterwards.
//!
//! Attempts are Python, in `escapes/*.py`: each is made by a process of its own inside one run and told in one word. A
//! table says which word is right, and whether the same attempt works outside, where each that does is made too: an
//! attempt that could not succeed anywhere would prove nothing.

mod bombs;
mod descriptors;
mod files;
mod holes;
mod kernel;
mod leaks;
mod learning;
mod network;
mod outlive;
mod output;
mod outside;
mod processes;
mod races;
mod scenery;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::lab::{Lab, is_root};

use scenery::Machine;

/// What all attackers have in common.
const ATTACKER: &str = include_str!("escapes/attacker.py");

/// A program that makes attempts, and what it needs to know for that.
struct Attacker {
    program: &'static str,
    known: Vec<(&'static str, String)>,
    /// The command that a free attacker is started with.
    outside: &'static [&'static str],
}

/// Namespaces that a free attacker may change as it likes.
const OUTSIDE: &[&str] = &[
    "unshare",
    "--mount",
    "--ipc",
    "--uts",
    "--net",
    "--pid",
    "--cgroup",
    "--fork",
    "--kill-child",
];
/// The same for an ordinary user.
const OUTSIDE_AS_USER: &[&str] = &["--user", "--map-root-user"];

/// One line of a table: an attempt, the right words for it inside, and who can do the same outside.
struct Attempt<'t> {
    name: &'t str,
    inside: Vec<&'t str>,
    outside: &'t str,
}

impl<'t> Attempt<'t> {
    fn table(table: &'t str) -> Vec<Self> {
        let lines = table.lines().map(str::trim).filter(|line| !line.is_empty());
        let attempts = lines.map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next().unwrap();
            let inside = words.next().expect("a word").split('|').collect();
            let outside = words.next().expect("who can do it outside");
            assert!(["anyone", "root", "-"].contains(&outside), "{line}");
            Self {
                name,
                inside,
                outside,
            }
        });
        attempts.collect()
    }

    fn works_outside(&self) -> bool {
        self.outside == "anyone" || self.outside == "root" && is_root()
    }
}

impl Attacker {
    fn new(program: &'static str) -> Self {
        Self {
            program,
            known: Vec::new(),
            outside: OUTSIDE,
        }
    }

    /// Tells it something, inside and outside.
    fn knows(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.known.push((name, value.into()));
        self
    }

    /// Leaves a free one in the namespaces of the tests.
    fn among_us(mut self) -> Self {
        self.outside = &[];
        self
    }

    fn source(&self) -> String {
        format!("{ATTACKER}\n{}\n\ntell()", self.program)
    }

    /// What comes of the attempts in a run with these flags: its record.
    #[track_caller]
    fn jailed(&self, lab: &Lab, names: &str, flags: &[&str]) -> Value {
        let module = lab.python(&self.source());
        let mut words = vec![module, format!("attempts={names}")];
        words.extend(
            self.known
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        );
        let words = words.iter().map(String::as_str);
        let learns = std::env::var_os("HOST_TEST_LEARN").is_some() && !flags.contains(&"--learn");
        let words = words.chain(flags.iter().copied());
        let words: Vec<&str> = words.chain(learns.then_some("--learn")).collect();
        let record = lab.record(&words);
        assert_eq!(record["outcome"]["kind"], "exited", "{record:#}");
        assert_eq!(record["status"], "success", "{record:#}");
        record
    }

    /// What comes of the same attempts without a jail.
    #[track_caller]
    fn free(&self, names: &str) -> Value {
        let as_user: &[&str] = if is_root() || self.outside.is_empty() {
            &[]
        } else {
            OUTSIDE_AS_USER
        };
        let words = [self.outside, as_user, &["/usr/bin/python3", "-"]].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env("PT_attempts", names);
        for (name, value) in &self.known {
            command.env(format!("PT_{name}"), value);
        }
        // Not on its command line, where it would be taken for something that a run left behind.
        let mut python = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let source = self.source();
        python
            .stdin
            .take()
            .unwrap()
            .write_all(source.as_bytes())
            .unwrap();
        let output = python.wait_with_output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Makes every attempt of `table` inside, and outside those that work there; asserts what comes of each, and that the
    /// machine is as it was after those inside. Returns the record.
    #[track_caller]
    fn attempts(&self, lab: &Lab, table: &str, flags: &[&str]) -> Value {
        let attempts = Attempt::table(table);
        let names = |chosen: &dyn Fn(&&Attempt<'_>) -> bool| {
            let names = attempts.iter().filter(chosen).map(|attempt| attempt.name);
            names.collect::<Vec<_>>().join(",")
        };
        let before = Machine::seen();
        let record = self.jailed(lab, &names(&|_| true), flags);
        before.is_unchanged();
        let mut wrong = BTreeMap::new();
        for attempt in &attempts {
            let told = record["value"][attempt.name].as_str();
            if !told.is_some_and(|told| attempt.inside.contains(&told)) {
                wrong.insert(attempt.name, format!("inside: {told:?}"));
            }
        }
        let free = names(&|attempt: &&Attempt<'_>| attempt.works_outside());
        if !free.is_empty() {
            let value = self.free(&free);
            for name in free.split(',') {
                let told = value[name].as_str().unwrap_or_default();
                // What this kernel was built without cannot be done outside either.
                if !["done", "ENOSYS"].contains(&told) {
                    wrong.insert(name, format!("outside: {}", value[name]));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        record
    }
}

/// An attempt that fails for another reason than a wall was taken for one that a wall had stopped.
#[test]
#[should_panic(expected = "inside")]
fn an_attempt_that_gets_through_fails_its_test() {
    let lab = Lab::new();
    Attacker::new("ATTEMPTS['harmless'] = lambda: None").attempts(&lab, "harmless EPERM -", &[]);
}

#[test]
#[should_panic(expected = "outside")]
fn an_attempt_that_works_nowhere_fails_its_test() {
    let lab = Lab::new();
    let program = "ATTEMPTS['vain'] = lambda: os.stat('/nonexistent')";
    Attacker::new(program).attempts(&lab, "vain ENOENT anyone", &[]);
}
