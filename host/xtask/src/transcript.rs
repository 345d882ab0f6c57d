//! Runs commands as at a prompt: each is printed before it runs, and must end as expected.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::machine::{program, run, shown};

/// A directory to type commands in.
#[derive(Debug)]
pub(crate) struct Transcript {
    host: PathBuf,
    directory: PathBuf,
}

impl Transcript {
    /// Commands will run in `directory`, with `host` being that program and its home below.
    pub(crate) fn new(host: &Path, directory: &Path) -> Self {
        Self {
            host: host.to_owned(),
            directory: directory.to_owned(),
        }
    }

    /// Runs `host` with these words, which no quotes are needed for.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or its exit code is not `expected`.
    pub(crate) fn host(&self, words: &str, expected: i32) -> Result<()> {
        println!("\n$ host {words}");
        let mut command = program(&self.host);
        command
            .args(words.split_whitespace())
            .current_dir(&self.directory)
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
        let mut command = program("cp");
        command
            .arg("-r")
            .arg(directory)
            .arg(".")
            .current_dir(&self.directory);
        println!("\n$ {}", shown(&command));
        run(&mut command)
    }
}
