//! What the contests need on disk: two signed bundles, a script, and a home where their key is trusted.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::account::Account;
use crate::machine::{program, read};

/// The bundle of a task that does nothing.
pub(crate) const TRUE_BUNDLE: &str = "true.tar";

/// The script of that task.
pub(crate) const TRUE_SCRIPT: &str = "true/tasks/init.sh";

/// The bundle with many bytes in it.
pub(crate) const BIG_BUNDLE: &str = "big.tar";

const KEY: &str = "bench.key";
const PUBLIC_KEY: &str = "bench.key.pub";
const BIG_BYTES: u64 = 100 << 20;

/// A place to measure in, and who measures.
#[derive(Debug)]
pub(crate) struct Arena<'a> {
    host: PathBuf,
    directory: PathBuf,
    home: PathBuf,
    /// The user to become; `None` stays who we are.
    account: Option<&'a Account>,
}

impl<'a> Arena<'a> {
    /// Makes key, bundles and home in an empty directory.
    ///
    /// # Errors
    ///
    /// When the disk does not allow it, or `host` does not do its part.
    pub(crate) fn prepare(host: &Path, directory: &Path) -> Result<Self> {
        let arena = Self {
            host: host.to_owned(),
            directory: directory.to_owned(),
            home: directory.join("home"),
            account: None,
        };
        arena.ask(&["key", "new", KEY])?;
        arena.ask(&["trust", "add", PUBLIC_KEY, "--owner", "bench"])?;
        arena.module("true")?;
        arena.pack("true", TRUE_BUNDLE)?;
        arena.module("big")?;
        std::fs::create_dir_all(arena.path("big/files"))?;
        let mut random = File::open("/dev/urandom")?.take(BIG_BYTES);
        std::io::copy(
            &mut random,
            &mut File::create(arena.path("big/files/random"))?,
        )?;
        arena.pack("big", BIG_BUNDLE)?;
        Ok(arena)
    }

    /// The same for another user: copies of what is read, and a home of its own.
    ///
    /// # Errors
    ///
    /// When the disk does not allow it, or `host` does not do its part.
    pub(crate) fn copy_for<'b>(&self, account: &'b Account) -> Result<Arena<'b>> {
        for name in [TRUE_BUNDLE, TRUE_SCRIPT, BIG_BUNDLE, PUBLIC_KEY] {
            account.copy(&self.path(name), name)?;
        }
        let arena = Arena {
            host: account.copy(&self.host, "bin/host")?,
            directory: account.path("."),
            home: account.path("home/host"),
            account: Some(account),
        };
        let key = arena.path(PUBLIC_KEY);
        read(
            arena
                .host()
                .args(["trust", "add"])
                .arg(key)
                .args(["--owner", "bench"]),
        )?;
        Ok(arena)
    }

    /// A path in the arena.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// `host`, run by whoever measures here.
    pub(crate) fn host(&self) -> Command {
        let mut command = self.peer(program(&self.host));
        command.env("HOST_HOME", &self.home);
        command
    }

    /// The same program, run by whoever measures here.
    pub(crate) fn peer(&self, mut command: Command) -> Command {
        match self.account {
            Some(account) => account.own(&mut command),
            None => {
                command.current_dir(&self.directory);
            }
        }
        command
    }

    fn ask(&self, words: &[&str]) -> Result<()> {
        read(self.host().args(words)).map(drop)
    }

    /// A module with one task, which does nothing.
    fn module(&self, name: &str) -> Result<()> {
        let tasks = self.path(name).join("tasks");
        std::fs::create_dir_all(&tasks)?;
        let metadata = format!("{{\"name\": \"bench-{name}\", \"version\": \"1.0.0\"}}\n");
        write(&self.path(name).join("metadata.json"), &metadata)?;
        let script = tasks.join("init.sh");
        write(&script, "#!/bin/sh\ntrue\n")?;
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    fn pack(&self, module: &str, bundle: &str) -> Result<()> {
        self.ask(&["bundle", "pack", module, "-o", bundle, "--no-sign"])?;
        self.ask(&["bundle", "sign", bundle, "--key", KEY])
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    File::create(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| path.display().to_string())
}
