//! What the machine is given: `host`, the tests and what they need, copied to where it can read them, and the names of
//! the tests that are to run.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::VmArguments;
use crate::account::copy_readable;
use crate::guests;
use crate::machine::{program, read};
use crate::workspace::{Workspace, empty_directory};

/// What the machine does once it has a system.
const TESTS: &str = include_str!("tests.sh");

/// The tests that concern the jail, by the files that they are in.
const SUBJECTS: &[&str] = &[
    "attacks", "escapes", "grants", "limits", "orphans", "places", "walls",
];

/// Tests that are of no use here unless a filter is their whole name: an emulated machine takes longer than the time that
/// they give a run, or minutes for the many tries that they make of a race.
const LEFT_OUT: &[&str] = &[
    "attacks::a_task_sets_no_limit_of_init",
    "escapes::bombs::memory_that_is_hoarded_anywhere_ends_the_run_at_its_limit",
    "limits::a_run_ends_with_its_time_and_what_it_said_is_kept",
    "orphans::a_journal_that_is_busy_takes_no_time_from_the_run",
    "orphans::an_interrupt_at_any_moment_loses_no_run",
    "orphans::whenever_host_is_killed_each_run_has_one_story",
    "places::a_grant_inside_another_is_never_led_elsewhere_by_a_link",
    "places::what_is_hidden_stays_hidden_while_it_is_moved",
];

/// Puts what the machine needs where it is shared from; gives the names of the tests that are to run.
///
/// # Errors
///
/// When they do not build, when no test is chosen, or when the disk does not allow it.
pub(crate) fn stage(
    workspace: &Workspace,
    arguments: &VmArguments,
    busybox: &Path,
    stage: &Path,
) -> Result<Vec<String>> {
    let (host, tests) = match (&arguments.host, &arguments.tests) {
        (Some(host), Some(tests)) => (host.clone(), tests.clone()),
        _ => built(workspace)?,
    };
    let names = chosen(&list(&tests)?, &arguments.filters);
    if names.is_empty() {
        bail!(
            "no test has a name with {} in it, besides those that an emulated machine is too slow for",
            arguments.filters.join(" or ")
        );
    }
    empty_directory(stage)?;
    copy_readable(&host, &stage.join("host"))?;
    copy_readable(&tests, &stage.join("it"))?;
    copy_readable(busybox, &stage.join("busybox"))?;
    copy_readable(
        &workspace.root.join("host/cli/tests"),
        &stage.join("package/tests"),
    )?;
    for name in guests::contents() {
        let guest = guests::directory(workspace).join(name);
        // Tests that need one say so when there is none, which is when the programs were given.
        if guest.exists() {
            copy_readable(&guest, &stage.join("guests").join(name))?;
        }
    }
    let seconds = arguments.seconds.to_string();
    for (name, text) in [
        ("tests.sh", TESTS),
        ("names", &names.join("\n")),
        ("seconds", &seconds),
    ] {
        File::create(stage.join(name))
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .with_context(|| format!("{}", stage.join(name).display()))?;
    }
    Ok(names)
}

/// Builds `host` and the tests, and the guests for those that need them.
fn built(workspace: &Workspace) -> Result<(PathBuf, PathBuf)> {
    let host = workspace.build_host()?;
    let tests = workspace.process_tests()?;
    guests::build_all(workspace)?;
    let mut tests = tests.into_iter();
    match (tests.next(), tests.next()) {
        (Some(tests), None) => Ok((host, tests)),
        _ => bail!("host-cli should have one program of process-level tests"),
    }
}

/// The names of the tests in a program.
fn list(tests: &Path) -> Result<String> {
    read(program(std::path::absolute(tests)?).args(["--list", "--format", "terse"]))
}

/// The tests of this list that are wanted: those of the jail when nothing is said.
fn chosen(list: &str, filters: &[String]) -> Vec<String> {
    let is_wanted = |name: &str| {
        if LEFT_OUT.contains(&name) {
            return filters.iter().any(|filter| filter == name);
        }
        if filters.is_empty() {
            let subject = name.split_once("::").map(|(subject, _)| subject);
            return subject.is_some_and(|subject| SUBJECTS.contains(&subject));
        }
        filters.iter().any(|filter| name.contains(filter.as_str()))
    };
    list.lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .filter(|name| is_wanted(name))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::chosen;

    #[test]
    fn without_a_filter_the_tests_of_the_jail_are_chosen() {
        let list = "walls::one: test\nwasm::walls::two: test\nlab::three: test\n\
            attacks::a_task_sets_no_limit_of_init: test\nwalls::speed: benchmark\n";
        let chosen = |filters: &[&str]| {
            let filters: Vec<String> = filters.iter().map(|filter| (*filter).to_owned()).collect();
            chosen(list, &filters)
        };
        assert_eq!(chosen(&[]), ["walls::one"]);
        let slow = "attacks::a_task_sets_no_limit_of_init";
        assert_eq!(chosen(&[slow]), [slow]);
        assert!(chosen(&["attacks"]).is_empty());
        assert_eq!(chosen(&["walls"]), ["walls::one", "wasm::walls::two"]);
        assert_eq!(
            chosen(&["three", "two"]),
            ["wasm::walls::two", "lab::three"]
        );
        assert!(chosen(&["four"]).is_empty());
    }
}
