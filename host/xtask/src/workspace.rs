//! Where the project lies, and how its programs are built.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::machine::{program, read, run};

/// The repository and its build directory.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The repository.
    pub(crate) root: PathBuf,
    /// Where cargo builds, which the environment may have moved.
    pub(crate) target: PathBuf,
}

impl Workspace {
    /// Asks cargo for it.
    ///
    /// # Errors
    ///
    /// When cargo does not answer as documented.
    pub(crate) fn find() -> Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let metadata = read(
            program("cargo")
                .args([
                    "metadata",
                    "--no-deps",
                    "--offline",
                    "--format-version",
                    "1",
                ])
                .current_dir(here),
        )?;
        let metadata: Value = serde_json::from_str(&metadata).context("cargo's metadata")?;
        let path = |name: &str| {
            metadata
                .get(name)
                .and_then(Value::as_str)
                .map(PathBuf::from)
                .with_context(|| format!("cargo's metadata has no `{name}`"))
        };
        Ok(Self {
            root: path("workspace_root")?,
            target: path("target_directory")?,
        })
    }

    /// A cargo command at the root.
    pub(crate) fn cargo(&self, words: &[&str]) -> Command {
        let mut command = program("cargo");
        command.args(words).current_dir(&self.root);
        command
    }

    /// Builds `host` with this profile, progress visible, and gives its path.
    ///
    /// # Errors
    ///
    /// When it does not build.
    pub(crate) fn build_host(&self, profile: &str) -> Result<PathBuf> {
        run(&mut self.cargo(&[
            "build",
            "--profile",
            profile,
            "--package",
            "host-cli",
            "--bin",
            "host",
        ]))?;
        Ok(self.target.join(profile).join("host"))
    }

    /// An empty directory of this name below the build directory; what was in it is removed.
    ///
    /// # Errors
    ///
    /// When the disk does not allow it.
    pub(crate) fn fresh(&self, name: &str) -> Result<PathBuf> {
        let directory = self.target.join(name);
        remove_tree(&directory)?;
        std::fs::create_dir_all(&directory).with_context(|| format!("{}", directory.display()))?;
        Ok(directory)
    }
}

/// Removes a tree, if it is there.
///
/// # Errors
///
/// When it cannot be removed.
pub(crate) fn remove_tree(tree: &Path) -> Result<()> {
    match std::fs::remove_dir_all(tree) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", tree.display()))
        }
        _ => Ok(()),
    }
}
