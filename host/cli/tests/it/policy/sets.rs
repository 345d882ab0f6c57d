//! Sets that cannot be used: nothing is run by half of one, by none, or by one that others could have written.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::Value;

use super::{RUN, fails, marking, marking_set, mode, owned, permits, ruled};
use crate::lab::{Lab, is_root};

/// What is wrong with a set, how it is made so, and what is said of it.
type Spoilt = (&'static str, fn(&Lab), &'static str);

/// Spoils the set `rules`, which would permit the run; each with what is said of it.
const SPOILT: [Spoilt; 15] = [
    (
        "a syntax error",
        |lab| drop(owned(lab, "sets/rules/more.cedar", "forbid (principal,")),
        "more.cedar",
    ),
    (
        "a type error",
        |lab| {
            let rule = "forbid (principal, action == Action::\"run\", resource) when { context.limits.memory > \"1\" };";
            drop(owned(lab, "sets/rules/more.cedar", rule));
        },
        "expected Long",
    ),
    (
        "an attribute that there is not",
        |lab| {
            let rule = "forbid (principal, action == Action::\"run\", resource) when { context.node.frozen };";
            drop(owned(lab, "sets/rules/more.cedar", rule));
        },
        "frozen",
    ),
    (
        "an id twice",
        |lab| drop(owned(lab, "sets/rules/more.cedar", RUN)),
        "used twice",
    ),
    (
        "a forbid that hides its target",
        |lab| {
            let rule = "forbid (principal, action == Action::\"fs.read\", resource) when { resource.path == \"/etc\" };";
            drop(owned(lab, "sets/rules/more.cedar", rule));
        },
        "names its target in a condition",
    ),
    (
        "a file of another kind",
        |lab| {
            drop(owned(
                lab,
                "sets/rules/more.cedar.orig",
                "forbid (principal, action, resource);",
            ))
        },
        "no file of a policy set",
    ),
    (
        "groups in a circle",
        |lab| {
            let groups = "format = \"host.groups/1\"\n[groups]\na = ['@b']\nb = ['@a']\n";
            drop(owned(lab, "sets/rules/groups.toml", groups));
        },
        "groups contain each other",
    ),
    (
        "a file that is no text",
        |lab| drop(owned(lab, "sets/rules/more.cedar", b"// \xff")),
        "not UTF-8",
    ),
    (
        "a directory in it",
        |lab| {
            drop(owned(
                lab,
                "sets/rules/more.cedar/never.cedar",
                "forbid (principal, action, resource);",
            ))
        },
        "not a regular file",
    ),
    (
        "a pipe in it",
        |lab| {
            let made = Command::new("mkfifo")
                .arg(lab.path("sets/rules/more.cedar"))
                .status();
            assert!(made.unwrap().success());
        },
        "not a regular file",
    ),
    (
        "a link in it",
        |lab| {
            let elsewhere = owned(lab, "elsewhere.cedar", "// nothing");
            symlink(elsewhere, lab.path("sets/rules/more.cedar")).unwrap();
        },
        "symbolic link",
    ),
    (
        "a directory that others can write",
        |lab| mode(&lab.path("sets/rules"), 0o777),
        "mode 0777",
    ),
    (
        "a file that others can write",
        |lab| mode(&lab.path("sets/rules/rules.cedar"), 0o666),
        "mode 0666",
    ),
    (
        "a parent that others can write",
        |lab| mode(&lab.path("sets"), 0o777),
        "mode 0777",
    ),
    (
        "no rule",
        |lab| {
            fs::rename(
                lab.path("sets/rules/rules.cedar"),
                lab.path("sets/rules/notes.md"),
            )
            .unwrap()
        },
        "no rule here",
    ),
];

#[test]
fn a_set_that_is_wrong_in_any_way_runs_nothing() {
    for (what, spoil, says) in SPOILT {
        let lab = Lab::new();
        let module = marking(&lab, &[], "");
        let set = marking_set(&lab, "rules", RUN);
        permits(&lab, &module, &set, &[]);
        let settled = lab.spooled();
        spoil(&lab);
        let before = lab.journal().len();
        for form in ["human", "json"] {
            let ran = ruled(&lab, &module, &set, &["--output", form]).run();
            let told = format!("{}{}", ran.text(), ran.stderr);
            assert_eq!(ran.code(), 3, "{what}: {told}");
            assert_eq!(told.matches("cannot be used").count(), 1, "{what}: {told}");
            assert!(
                told.contains(says) && !told.contains("panicked"),
                "{what}: {told}"
            );
            assert!(!super::ran(&lab), "{what}: it ran");
        }
        let lines = lab.journal().split_off(before);
        let turned_away = |line: &Value| line["event"] == "refused" && line["caller"] == "alice";
        assert!(
            lines.len() == 2 && lines.iter().all(turned_away),
            "{what}: {lines:#?}"
        );
        assert_eq!(lab.spooled(), settled, "{what}");
    }
}

#[test]
fn a_set_that_is_not_there_runs_nothing() {
    let lab = Lab::new();
    let module = marking(&lab, &[], "");
    let set = marking_set(&lab, "rules", RUN);
    for (path, says) in [
        (lab.path("sets/nowhere"), "does not exist"),
        (lab.path("nowhere/sets"), "does not exist"),
        (lab.path("sets/rules/rules.cedar"), "not a directory"),
        ("/dev/null".to_owned(), "not a directory"),
    ] {
        let host = ruled(&lab, &module, &path, &[]);
        fails(host, &lab, 3, &["cannot be used, so nothing is run", says]);
    }
    // Its own path still leads there, as it is or from where one stands.
    permits(&lab, &module, &set, &[]);
    permits(&lab, &module, "sets/rules", &[]);
}

#[test]
fn a_file_that_cannot_be_read_is_not_passed_over() {
    let lab = Lab::new();
    let module = marking(&lab, &[], "");
    let set = marking_set(&lab, "rules", RUN);
    let never = owned(
        &lab,
        "sets/rules/never.cedar",
        "@id(\"never\") forbid (principal, action, resource);",
    );
    mode(&never, 0);
    let host = ruled(&lab, &module, &set, &[]);
    if is_root() {
        // Nothing keeps root from reading it, and then it counts.
        let ran = host.run().exits(3).says(&["forbidden by never"]);
        assert_eq!(ran.text(), "");
        assert!(!super::ran(&lab));
    } else {
        fails(host, &lab, 3, &["never.cedar", "permission denied"]);
    }
}

#[test]
fn a_set_of_somebody_else_decides_nothing() {
    if !is_root() {
        return;
    }
    let lab = Lab::new();
    let module = marking(&lab, &[], "");
    let set = marking_set(&lab, "rules", RUN);
    for path in [set.clone(), lab.path("sets/rules/rules.cedar")] {
        std::os::unix::fs::chown(&path, Some(4321), None).unwrap();
        let host = ruled(&lab, &module, &set, &[]);
        fails(host, &lab, 3, &["belongs to uid 4321"]);
        std::os::unix::fs::chown(&path, Some(0), None).unwrap();
    }
    permits(&lab, &module, &set, &[]);
}

#[test]
fn a_run_that_is_named_twice_is_decided_by_what_the_set_is_now() {
    let lab = Lab::new();
    let module = marking(&lab, &[], "");
    let set = marking_set(&lab, "rules", RUN);
    permits(&lab, &module, &set, &[]);
    marking_set(&lab, "rules", "");
    super::refuses(&lab, &module, &set, &[]);
    let journal = lab.journal();
    assert_ne!(
        journal[0]["policy"]["digest"], journal[2]["policy"]["digest"],
        "another set has the same digest"
    );
}
