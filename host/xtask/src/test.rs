//! `cargo xtask test`: everything that CI runs, step by step, with a summary.
//!
//! Every step runs whatever became of the others, and all output is let through.

mod other_user;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::demo;
use crate::guests;
use crate::machine::{self, is_root, now, program, run};
use crate::packages::{self, Tool};
use crate::table;
use crate::vm::{self, VmArguments};
use crate::workspace::Workspace;

/// What the tests start, each in the package that brings it.
const TOOLS: &[Tool] = &[
    Tool {
        program: "ssh-keygen",
        package: "openssh-client",
    },
    Tool {
        program: "python3",
        package: "python3",
    },
    Tool {
        program: "curl",
        package: "curl",
    },
    Tool {
        program: "git",
        package: "git",
    },
    Tool {
        program: "psql",
        package: "postgresql",
    },
];

/// The tests that an emulated machine is through with in two minutes; `cargo xtask vm` has more of them.
const ON_ANOTHER_KERNEL: &[&str] = &["walls::", "escapes::files::"];

/// The cargo-deny that is installed when there is none.
const CARGO_DENY_VERSION: &str = "0.20.2";

/// The variable by which tests find the guests: the directory that `cargo xtask guests` fills.
const GUESTS_VARIABLE: &str = "HOST_TEST_GUESTS";

/// Run everything that CI runs
///
/// Formatting, lints, the WASI guests, all tests, the demo, as root the tests of the command line and the demo once more as an
/// ordinary user and some tests of the jail on Debian's kernel, the documentation, and the rules about dependencies. Installs
/// what tests need and this machine does not have.
#[derive(Debug, clap::Args)]
pub(crate) struct TestArguments {
    /// Only formatting, lints and tests
    #[arg(long)]
    quick: bool,
}

/// Runs the steps.
///
/// # Errors
///
/// When something that tests need is missing, or a step fails.
pub(crate) fn test(workspace: &Workspace, arguments: &TestArguments) -> Result<()> {
    packages::ensure(TOOLS)?;
    let started = now();
    let mut steps = Steps::default();
    steps.step("formatting", || {
        run(&mut workspace.cargo(&["fmt", "--all", "--check"]))?;
        run(workspace
            .cargo(&["fmt", "--all", "--check"])
            .current_dir(workspace.root.join("guest-examples")))
    });
    steps.step("lints", || {
        let lint = [
            "clippy",
            "--profile",
            "ci",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ];
        run(&mut workspace.cargo(&lint))
    });
    steps.step("guests", || guests::build_all(workspace).map(drop));
    steps.step("tests", || {
        let test = ["test", "--profile", "ci", "--workspace", "--no-fail-fast"];
        run(workspace
            .cargo(&test)
            .env(GUESTS_VARIABLE, guests::directory(workspace)))
    });
    if !arguments.quick {
        if is_root() {
            steps.step("tests as an ordinary user", || other_user::test(workspace));
            steps.step("demo as an ordinary user", || other_user::demo(workspace));
        }
        steps.step("lints and tests of guests", || guests::check(workspace));
        if vm::is_possible() {
            steps.step("walls on Debian's kernel", || {
                vm::vm(workspace, &VmArguments::of(ON_ANOTHER_KERNEL))
            });
        } else {
            println!("not tried on Debian's kernel, which takes root on Debian for x86-64");
        }
        steps.step("demo", || demo::demo(workspace));
        steps.step("documentation", || {
            let document = ["doc", "--profile", "ci", "--workspace", "--no-deps"];
            run(workspace
                .cargo(&document)
                .env("RUSTDOCFLAGS", "--deny warnings"))
        });
        steps.step("dependencies", || deny(workspace));
    }
    steps.finish(started)
}

/// Licences, duplicates and origins of the dependencies, by the rules in deny.toml.
fn deny(workspace: &Workspace) -> Result<()> {
    if !machine::works(program("cargo").args(["deny", "--version"])) {
        println!("installing cargo-deny {CARGO_DENY_VERSION}, which takes minutes, once");
        run(program("cargo").args([
            "install",
            "--locked",
            "--debug",
            "cargo-deny",
            "--version",
            CARGO_DENY_VERSION,
        ]))?;
    }
    run(&mut workspace.cargo(&[
        "deny",
        "--workspace",
        "check",
        "licenses",
        "bans",
        "sources",
    ]))
}

/// The steps so far.
#[derive(Debug, Default)]
struct Steps(Vec<Step>);

/// One step, done.
#[derive(Debug)]
struct Step {
    name: &'static str,
    took: Duration,
    is_ok: bool,
}

impl Steps {
    fn step(&mut self, name: &'static str, act: impl FnOnce() -> Result<()>) {
        println!("\n=== {name}");
        let started = now();
        let done = act();
        if let Err(error) = &done {
            println!("{name}: {error:#}");
        }
        self.0.push(Step {
            name,
            took: started.elapsed(),
            is_ok: done.is_ok(),
        });
    }

    fn finish(self, started: Instant) -> Result<()> {
        println!("\n=== summary");
        let seconds = |took: Duration| format!("{:.1} s", took.as_secs_f64());
        let rows: Vec<Vec<String>> = self
            .0
            .iter()
            .map(|step| {
                let said = if step.is_ok { "ok" } else { "failed" };
                vec![step.name.to_owned(), said.to_owned(), seconds(step.took)]
            })
            .collect();
        table::print(&rows);
        let took = seconds(started.elapsed());
        let failed: Vec<&str> = self
            .0
            .iter()
            .filter(|step| !step.is_ok)
            .map(|step| step.name)
            .collect();
        if !failed.is_empty() {
            bail!(
                "{} of {} steps in {took}: {}",
                failed.len(),
                self.0.len(),
                failed.join(", ")
            );
        }
        println!("\npassed: all {} steps in {took}", self.0.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::Steps;
    use crate::machine::now;

    #[test]
    fn a_failed_step_fails_the_whole_and_stops_none() {
        let mut steps = Steps::default();
        steps.step("one", || bail!("no"));
        steps.step("two", || Ok(()));
        assert_eq!(steps.0.len(), 2);
        let error = steps.finish(now()).unwrap_err().to_string();
        assert!(
            error.starts_with("1 of 2 steps in ") && error.ends_with(": one"),
            "{error}"
        );
    }
}
