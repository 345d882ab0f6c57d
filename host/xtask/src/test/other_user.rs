//! Runs the process-level tests of `host-cli`, and the demo, as an ordinary user, for root.
//!
//! The programs are copied to where that user can read them. The tests find theirs by `HOST_TEST_BIN` and their
//! files by `HOST_TEST_DATA`, a copy of `host/cli/tests`, and the guests by `HOST_TEST_GUESTS`; the working directory
//! is the copied package's.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::GUESTS_VARIABLE;
use crate::account::Account;
use crate::demo;
use crate::guests;
use crate::machine::{program, read, run};
use crate::transcript::Transcript;
use crate::workspace::{CI_TESTS, Workspace};

/// The package whose tests they are, as cargo names it.
const PACKAGE: &str = "#host-cli@";

/// Runs them.
///
/// # Errors
///
/// When there are none, when they cannot be copied, or when one fails.
pub(crate) fn test(workspace: &Workspace) -> Result<()> {
    let host = workspace.build_host()?;
    let tests = executables(workspace)?;
    ensure!(!tests.is_empty(), "host-cli has no process-level tests");
    let built = guests::build_all(workspace)?;
    let account = Account::stage()?;
    let host = account.copy(&host, "bin/host")?;
    for name in guests::contents() {
        account.copy(&built.join(name), &format!("guests/{name}"))?;
    }
    let data = account.copy(&workspace.root.join("host/cli/tests"), "package/tests")?;
    for test in &tests {
        let name = test.file_name().unwrap_or_default().to_string_lossy();
        let test = account.copy(test, &format!("bin/{name}"))?;
        let mut command = program(test);
        account.own(&mut command);
        command
            .current_dir(account.path("package"))
            .env("CARGO_MANIFEST_DIR", account.path("package"))
            .env("HOST_TEST_BIN", &host)
            .env("HOST_TEST_DATA", &data)
            .env(GUESTS_VARIABLE, account.path("guests"));
        run(&mut command)?;
    }
    Ok(())
}

/// Types the commands of the demo.
///
/// # Errors
///
/// When one of them does not end as it should for this user.
pub(crate) fn demo(workspace: &Workspace) -> Result<()> {
    let host = workspace.build_host()?;
    let guest = guests::build_one(workspace, demo::GUEST)?;
    let account = Account::stage()?;
    let host = account.copy(&host, "bin/host")?;
    let module = account.copy(&workspace.root.join(demo::MODULE), "disk-report")?;
    let guest = account.copy(&guest, demo::GUEST)?;
    let transcript = Transcript::new(&host, &account.path("home")).typed_by(&account);
    demo::steps(&transcript, &module, &guest)
}

/// The integration tests of `host-cli`, built.
fn executables(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let messages = [
        CI_TESTS.as_slice(),
        &["--no-run", "--message-format", "json-render-diagnostics"],
    ]
    .concat();
    let messages = read(&mut workspace.cargo(&messages))?;
    let mut found = Vec::new();
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line).context("a message of cargo's")?;
        found.extend(executable(&message));
    }
    Ok(found)
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
