//! `host` as a process: started, watched, signalled, and judged by how it ended.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::Value;

use super::{Lab, aftermath, binary};

/// No `host` of a test takes longer; one that does is killed and fails its test.
const HOST_WAIT_MAX: Duration = Duration::from_secs(40);
/// How often a process is looked at.
const LOOK: Duration = Duration::from_millis(3);

/// A `host` that is not started yet. It has no environment but `PATH`, `HOME` and `HOST_HOME`.
#[derive(Debug)]
pub(crate) struct Host<'l> {
    lab: &'l Lab,
    command: Command,
    input: Vec<u8>,
}

impl<'l> Host<'l> {
    pub(crate) fn new(lab: &'l Lab, arguments: &[&str]) -> Self {
        Self::by(lab, binary(), arguments)
    }

    /// The same started by a shell script, which finds `host` and its arguments in `"$@"`.
    pub(crate) fn by_shell(lab: &'l Lab, script: &str, arguments: &[&str]) -> Self {
        let binary = binary();
        let host = binary.to_str().unwrap();
        Self::by(
            lab,
            "/bin/sh",
            &[&["-c", script, "sh", host], arguments].concat(),
        )
    }

    fn by(lab: &'l Lab, program: impl Into<OsString>, arguments: &[&str]) -> Self {
        let mut command = Command::new(program.into());
        command
            .args(arguments)
            .current_dir(lab.root())
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("HOME", lab.root())
            .env("HOST_HOME", lab.home());
        Self {
            lab,
            command,
            input: Vec::new(),
        }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// Starts it.
    pub(crate) fn start(mut self) -> Live<'l> {
        self.command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("host starts");
        // A `host` that does not read its input closes the pipe, which is its right.
        let _ = child.stdin.take().unwrap().write_all(&self.input);
        let stdout = Gathered::of(child.stdout.take().unwrap());
        let stderr = Gathered::of(child.stderr.take().unwrap());
        Live {
            lab: self.lab,
            child,
            stdout,
            stderr,
            started: Instant::now(),
        }
    }

    /// Runs it to its end and looks at what it left.
    #[track_caller]
    pub(crate) fn run(self) -> Ran {
        self.start().end()
    }
}

/// What a stream has said so far, gathered by a thread.
#[derive(Debug)]
struct Gathered {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Gathered {
    fn of(mut stream: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            let mut piece = [0; 64 * 1024];
            while let Ok(read @ 1..) = stream.read(&mut piece) {
                shared.lock().unwrap().extend_from_slice(&piece[..read]);
            }
        });
        Self { bytes, reader }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    fn end(self) -> Vec<u8> {
        self.reader.join().unwrap();
        std::mem::take(&mut self.bytes.lock().unwrap())
    }
}

/// A `host` that was started.
#[derive(Debug)]
pub(crate) struct Live<'l> {
    lab: &'l Lab,
    child: Child,
    stdout: Gathered,
    stderr: Gathered,
    started: Instant,
}

impl Live<'_> {
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The keeper of its run: its only child.
    #[track_caller]
    pub(crate) fn keeper(&self) -> Pid {
        let own = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap();
        let keeper = children
            .split_whitespace()
            .next()
            .expect("host has a keeper");
        Pid::from_raw(keeper.parse().unwrap()).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal).unwrap();
    }

    /// Waits until standard error holds `text`.
    #[track_caller]
    pub(crate) fn hears(&mut self, text: &str) {
        while !self.stderr.text().contains(text) {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "host ended without saying `{text}`:\n{}",
                self.stderr.text()
            );
            assert!(
                self.started.elapsed() < HOST_WAIT_MAX,
                "nobody said `{text}`:\n{}",
                self.stderr.text()
            );
            std::thread::sleep(LOOK);
        }
    }

    /// Whether it is still there.
    pub(crate) fn lives(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end and looks at what it left.
    #[track_caller]
    pub(crate) fn end(self) -> Ran {
        let lab = self.lab;
        let ran = self.end_unsettled();
        aftermath::assert_settled(lab);
        ran
    }

    /// Waits for its end, which its journal need not tell of; no process, mount or control group may be left even so.
    #[track_caller]
    pub(crate) fn end_unsettled(self) -> Ran {
        let lab = self.lab;
        let ran = self.end_swept_later();
        aftermath::assert_nothing_lives(lab);
        ran
    }

    /// Waits for its end and looks at nothing: what it left is the next run's to clear away.
    #[track_caller]
    pub(crate) fn end_swept_later(mut self) -> Ran {
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if self.started.elapsed() > HOST_WAIT_MAX {
                self.child.kill().unwrap();
                panic!(
                    "host did not end:\n{}\n{}",
                    self.stdout.text(),
                    self.stderr.text()
                );
            }
            std::thread::sleep(LOOK);
        };
        let took = self.started.elapsed();
        let (stdout, stderr) = (self.stdout.end(), self.stderr.end());
        Ran {
            status,
            stdout,
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
            took,
        }
    }
}

/// A `host` that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Ran {
    /// How it ended; minus the signal when one killed it.
    pub(crate) fn code(&self) -> i32 {
        self.status
            .code()
            .unwrap_or_else(|| -self.status.signal().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Asserts how it ended.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code(),
            code,
            "\n--- stdout\n{}\n--- stderr\n{}",
            self.text(),
            self.stderr
        );
        self
    }

    /// Asserts that standard error holds each of `texts`.
    #[track_caller]
    pub(crate) fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(
                self.stderr.contains(text),
                "no `{text}` in\n{}",
                self.stderr
            );
        }
        self
    }

    /// Asserts that there is a hint, and that it holds `text`.
    #[track_caller]
    pub(crate) fn hints(self, text: &str) -> Self {
        let hint = self.stderr.split_once("hint:").map_or("", |(_, hint)| hint);
        assert!(
            hint.contains(text),
            "no hint with `{text}` in\n{}",
            self.stderr
        );
        self
    }

    /// Asserts that standard error ends without advice that nobody needs and without a panic of ours.
    #[track_caller]
    pub(crate) fn never_says(self, text: &str) -> Self {
        assert!(
            !self.stderr.contains(text) && !self.text().contains(text),
            "`{text}` in\n{}\n{}",
            self.text(),
            self.stderr
        );
        self
    }

    /// Standard output as JSON: the record of `--output json`, or what a task printed.
    #[track_caller]
    pub(crate) fn record(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| {
            panic!(
                "{error} in (exit {})\n{}\n--- stderr\n{}",
                self.code(),
                self.text(),
                self.stderr
            )
        })
    }
}
