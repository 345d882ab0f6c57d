//! Where the project lies, and how its programs are built.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::machine::{program, read, run};

/// How tests of whole programs are built, and `host` with them. Every build of the `ci` profile is one of the whole
/// workspace with its tests: what is chosen otherwise has other features, down to the engine, and is built anew.
pub(crate) const CI_TESTS: [&str; 6] = ["test", "--profile", "ci", "--workspace", "--test", "it"];

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

    /// Builds `host` as the tests run it, progress visible, and gives its path.
    ///
    /// # Errors
    ///
    /// When it does not build.
    pub(crate) fn build_host(&self) -> Result<PathBuf> {
        let tests = [CI_TESTS.as_slice(), &["--no-run"]].concat();
        run(&mut self.cargo(&tests))?;
        Ok(self.target.join("ci/host"))
    }

    /// Builds `host` as it ships, progress visible, and gives its path.
    ///
    /// # Errors
    ///
    /// When it does not build.
    pub(crate) fn build_dist(&self) -> Result<PathBuf> {
        let dist = [
            "build",
            "--profile",
            "dist",
            "--package",
            "host-cli",
            "--bin",
            "host",
        ];
        run(&mut self.cargo(&dist))?;
        Ok(self.target.join("dist/host"))
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
