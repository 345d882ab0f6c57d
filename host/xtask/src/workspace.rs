//! Where the project lies, and how its programs are built.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::machine::{program, read, run};

/// The package whose tests those of whole programs are, as cargo names it.
const PACKAGE: &str = "#host-cli@";

/// How tests of whole programs are built, and `host` with them. Every build of the `ci` profile is one of the whole
/// workspace with its tests: what is chosen otherwise has other features, down to the engine, and is built anew.
const CI_TESTS: [&str; 6] = ["test", "--profile", "ci", "--workspace", "--test", "it"];

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

    /// Builds the process-level tests of `host-cli`, and gives the paths of their programs.
    ///
    /// # Errors
    ///
    /// When they do not build.
    pub(crate) fn process_tests(&self) -> Result<Vec<PathBuf>> {
        let messages = self.built(&[CI_TESTS.as_slice(), &["--no-run"]].concat())?;
        Ok(messages.iter().filter_map(executable).collect())
    }

    /// What cargo says of what it has built, progress visible.
    fn built(&self, words: &[&str]) -> Result<Vec<Value>> {
        let form = ["--message-format", "json-render-diagnostics"];
        let mut command = self.cargo(&[words, &form].concat());
        let said = read(command.stderr(Stdio::inherit()))?;
        let messages = said.lines().map(serde_json::from_str);
        messages
            .collect::<Result<_, _>>()
            .context("a message of cargo's")
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

    /// Builds the launcher of `host-node` as `host` ships, progress visible, and gives its path.
    ///
    /// # Errors
    ///
    /// When it does not build.
    pub(crate) fn build_launcher(&self) -> Result<PathBuf> {
        let words = [
            "build",
            "--profile",
            "dist",
            "--package",
            "host-node",
            "--bench",
            "launcher",
        ];
        let messages = self.built(&words)?;
        let launcher = messages.iter().find_map(|message| {
            let is_bench = message.pointer("/target/kind/0")?.as_str()? == "bench";
            let path = message.get("executable")?.as_str()?;
            is_bench.then(|| PathBuf::from(path))
        });
        launcher.context("cargo built no launcher")
    }

    /// An empty directory of this name below the build directory; what was in it is removed.
    ///
    /// # Errors
    ///
    /// When the disk does not allow it.
    pub(crate) fn fresh(&self, name: &str) -> Result<PathBuf> {
        let directory = self.target.join(name);
        empty_directory(&directory)?;
        Ok(directory)
    }
}

/// Makes a directory; what was in it is removed.
///
/// # Errors
///
/// When the disk does not allow it.
pub(crate) fn empty_directory(directory: &Path) -> Result<()> {
    remove_tree(directory)?;
    std::fs::create_dir_all(directory).with_context(|| format!("{}", directory.display()))
}

/// Keeps other calls out until the file is closed; says `waiting` when it has to wait for one.
///
/// # Errors
///
/// When the file cannot be made or locked.
pub(crate) fn lock(file: &Path, waiting: &str) -> Result<File> {
    let lock = File::create(file).with_context(|| format!("{}", file.display()))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            eprintln!("{waiting}");
            lock.lock()?;
        }
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    Ok(lock)
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

/// The program that this message announces, when it is that of an integration test of the command line.
fn executable(message: &Value) -> Option<PathBuf> {
    let package = message.get("package_id")?.as_str()?;
    if !package.contains(PACKAGE) {
        return None;
    }
    let kinds = message.pointer("/target/kind")?.as_array()?;
    let is_test = kinds.iter().any(|kind| kind == "test");
    let path = message.get("executable")?.as_str()?;
    is_test.then(|| Path::new(path).to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::executable;

    #[test]
    fn only_integration_tests_are_process_level_tests() {
        let of = |package: &str, kind: &str, path: Option<&str>| {
            let package = format!("path+file:///p/host/cli#{package}@0.1.0");
            json!({"package_id": package, "target": {"kind": [kind]}, "executable": path})
        };
        let message = |kind: &str, path: Option<&str>| of("host-cli", kind, path);
        let found = executable(&message("test", Some("/t/cli-1f")));
        assert_eq!(found.unwrap().to_str(), Some("/t/cli-1f"));
        assert_eq!(executable(&message("bin", Some("/t/host-1f"))), None);
        assert_eq!(executable(&message("test", None)), None);
        assert_eq!(executable(&of("host-trust", "test", Some("/t/it"))), None);
        assert_eq!(executable(&json!({"reason": "build-finished"})), None);
    }
}
