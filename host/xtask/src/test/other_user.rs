//! Runs the process-level tests of `host-cli`, and the demo, as an ordinary user, for root.
//!
//! The programs are copied to where that user can read them. The tests find theirs by `HOST_TEST_BIN` and their
//! files by `HOST_TEST_DATA`, a copy of `host/cli/tests`, and the guests by `HOST_TEST_GUESTS`; the working directory
//! is the copied package's.

use anyhow::{Result, ensure};

use super::GUESTS_VARIABLE;
use crate::account::Account;
use crate::demo;
use crate::guests;
use crate::machine::{program, run};
use crate::transcript::Transcript;
use crate::workspace::Workspace;

/// Runs them.
///
/// # Errors
///
/// When there are none, when they cannot be copied, or when one fails.
pub(crate) fn test(workspace: &Workspace) -> Result<()> {
    let host = workspace.build_host()?;
    let tests = workspace.process_tests()?;
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
