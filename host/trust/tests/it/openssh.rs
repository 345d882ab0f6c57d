//! Runs OpenSSH's programs in a directory of the test's own, which is removed at its end.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A directory for one test, in which OpenSSH's programs run.
pub(crate) struct Bench {
    directory: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            directory: TempDir::new().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file that only its owner can read, as OpenSSH demands of keys.
    pub(crate) fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
        fs::set_permissions(self.path(name), Permissions::from_mode(0o600)).unwrap();
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// A program and its arguments, separated by blanks, with an input and nothing to ask a person by.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut words = line.split(' ');
        let mut command = Command::new(words.next().unwrap());
        command.args(words.map(|word| if word == "''" { "" } else { word }));
        command
            .current_dir(self.directory.path())
            .env_remove("SSH_AUTH_SOCK");
        command
            .env("SSH_ASKPASS_REQUIRE", "never")
            .stdin(Stdio::null());
        command
    }

    /// Runs a program with a file as its input.
    pub(crate) fn run_on(&self, input: &str, line: &str) -> Output {
        let input = fs::File::open(self.path(input)).unwrap();
        self.command(line).stdin(input).output().unwrap()
    }

    /// Runs a program that must succeed and returns what it printed.
    pub(crate) fn run(&self, line: &str) -> String {
        let output = self.command(line).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }
}
