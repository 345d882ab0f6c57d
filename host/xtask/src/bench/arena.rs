//! Where contests take place: files to measure with, a home where the key is trusted that signed them, and who measures.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::account::Account;
use crate::machine::{program, read};

const KEY: &str = "bench.key";
const PUBLIC_KEY: &str = "bench.key.pub";

/// A place to measure in, and who measures.
#[derive(Debug)]
pub(crate) struct Arena<'a> {
    host: PathBuf,
    directory: PathBuf,
    /// Where whoever measures may write.
    own: PathBuf,
    home: PathBuf,
    /// The user to become; `None` stays who we are.
    account: Option<&'a Account>,
    /// What another user needs of it too.
    shared: Vec<String>,
}

impl<'a> Arena<'a> {
    /// Makes a key that is trusted in a home of its own, in an empty directory.
    ///
    /// # Errors
    ///
    /// When `host` does not do its part.
    pub(crate) fn prepare(host: &Path, directory: &Path) -> Result<Self> {
        let arena = Self {
            host: host.to_owned(),
            directory: directory.to_owned(),
            own: directory.to_owned(),
            home: directory.join("home"),
            account: None,
            shared: vec![PUBLIC_KEY.to_owned()],
        };
        arena.ask(&["key", "new", KEY])?;
        arena.trust()?;
        Ok(arena)
    }

    /// The same for another user: copies of what is shared, and a home of its own.
    ///
    /// # Errors
    ///
    /// When the disk does not allow it, or `host` does not do its part.
    pub(crate) fn copy_for<'b>(&self, account: &'b Account) -> Result<Arena<'b>> {
        for name in &self.shared {
            account.copy(&self.path(name), name)?;
        }
        let arena = Arena {
            host: account.copy(&self.host, "bin/host")?,
            directory: account.path("."),
            own: account.path("home"),
            home: account.path("home/host"),
            account: Some(account),
            shared: self.shared.clone(),
        };
        arena.trust()?;
        Ok(arena)
    }

    /// A path in the arena.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A path in the arena where whoever measures may write.
    pub(crate) fn own_path(&self, name: &str) -> PathBuf {
        self.own.join(name)
    }

    /// Where `host` keeps the code that it compiled.
    pub(crate) fn compiled(&self) -> PathBuf {
        self.home.join("cache/compiled")
    }

    /// `host`, run by whoever measures here.
    pub(crate) fn host(&self) -> Command {
        let mut command = self.peer(program(&self.host));
        command.env("HOST_HOME", &self.home);
        command
    }

    /// Another program, run by whoever measures here.
    pub(crate) fn peer(&self, mut command: Command) -> Command {
        match self.account {
            Some(account) => account.own(&mut command),
            None => {
                command.current_dir(&self.directory);
            }
        }
        command
    }

    /// Whether whoever measures is who we are.
    pub(crate) fn is_ours(&self) -> bool {
        self.account.is_none()
    }

    /// Copies a file into the arena, and for whoever else measures.
    ///
    /// # Errors
    ///
    /// When the disk does not allow it.
    pub(crate) fn bring(&mut self, from: &Path, name: &str) -> Result<()> {
        let to = self.path(name);
        to.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::copy(from, &to))
            .with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
        self.share(name);
        Ok(())
    }

    /// Lets others who measure have this file too.
    pub(crate) fn share(&mut self, name: &str) {
        self.shared.push(name.to_owned());
    }

    /// Writes a text that whoever measures can read.
    ///
    /// # Errors
    ///
    /// When the disk does not allow it.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<()> {
        self.write_as(0o644, name, text)
    }

    /// Writes a script.
    ///
    /// # Errors
    ///
    /// When the disk does not allow it.
    pub(crate) fn write_script(&self, name: &str, text: &str) -> Result<()> {
        self.write_as(0o755, name, text)
    }

    /// Seals a module, and signs the bundle with the key that is trusted here.
    ///
    /// # Errors
    ///
    /// When `host` does not do its part.
    pub(crate) fn pack(&mut self, module: &str, bundle: &str) -> Result<()> {
        self.ask(&["bundle", "pack", module, "-o", bundle, "--no-sign"])?;
        self.ask(&["bundle", "sign", bundle, "--key", KEY])?;
        self.share(bundle);
        Ok(())
    }

    fn trust(&self) -> Result<()> {
        let key = self.path(PUBLIC_KEY);
        let mut command = self.host();
        command.args(["trust", "add"]).arg(key);
        read(command.args(["--owner", "bench"])).map(drop)
    }

    fn ask(&self, words: &[&str]) -> Result<()> {
        read(self.host().args(words)).map(drop)
    }

    fn write_as(&self, mode: u32, name: &str, text: &str) -> Result<()> {
        let path = self.path(name);
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| File::create(&path))
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(mode)))
            .with_context(|| path.display().to_string())
    }
}
