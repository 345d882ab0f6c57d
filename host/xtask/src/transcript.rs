//! Runs commands as at a prompt: each is printed before it runs, and must end as expected.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::account::Account;
use crate::machine::{program, run, shown};

/// A directory to type commands in.
#[derive(Debug)]
pub(crate) struct Transcript<'a> {
    host: PathBuf,
    directory: PathBuf,
    account: Option<&'a Account>,
}

impl<'a> Transcript<'a> {
    /// Commands will run in `directory`, with `host` being that program and its home below.
    pub(crate) fn new(host: &Path, directory: &Path) -> Self {
        Self {
            host: host.to_owned(),
            directory: directory.to_owned(),
            account: None,
        }
    }

    /// The same with every command run as that user.
    pub(crate) fn typed_by(mut self, account: &'a Account) -> Self {
        self.account = Some(account);
        self
    }

    fn command(&self, name: impl AsRef<OsStr>) -> Command {
        let mut command = program(name);
        if let Some(account) = self.account {
            account.own(&mut command);
        }
        command.current_dir(&self.directory);
        command
    }

    /// Runs `host` with these words, which no quotes are needed for.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or its exit code is not `expected`.
    pub(crate) fn host(&self, words: &str, expected: i32) -> Result<()> {
        println!("\n$ host {words}");
        let mut command = self.command(&self.host);
        command
            .args(words.split_whitespace())
            .env("HOST_HOME", self.directory.join("home"))
            // The transcript is for people, whatever the caller prefers elsewhere.
            .env_remove("HOST_OUTPUT");
        let status = command
            .status()
            .with_context(|| format!("`host {words}` did not start"))?;
        if status.code() != Some(expected) {
            bail!("`host {words}` ended with {status}, expected was exit code {expected}");
        }
        if expected != 0 {
            println!("\n$ echo $?\n{expected}");
        }
        Ok(())
    }

    /// Copies a directory here.
    ///
    /// # Errors
    ///
    /// When the disk does not allow it.
    pub(crate) fn copy(&self, directory: &Path) -> Result<()> {
        let mut command = self.command("cp");
        command.arg("-r").arg(directory).arg(".");
        println!("\n$ {}", shown(&command));
        run(&mut command)
    }
}
