//! What a program is told: its arguments and its environment, which are what was named, and nothing besides.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use serde_json::{Value, json};

use super::script::{Arg, Script};
use super::{BOTH, lab, program};
use crate::lab::{Host, Lab, Ran, binary};

/// What a program that looks around says it has.
#[track_caller]
fn seen(ran: Ran) -> Value {
    let ran = ran.exits(0);
    assert_eq!(ran.stderr, "");
    ran.record()
}

#[test]
fn arguments_arrive_as_they_were_typed() {
    let lab = lab();
    let long = "x".repeat(100_000);
    let many: Vec<String> = (0..1_000).map(|n| n.to_string()).collect();
    for name in BOTH {
        let odd = [
            "env",
            "a b",
            "",
            "é\u{1f980}",
            "-x",
            "--limit",
            "wall=1s",
            "x=y",
            "--",
            "a\nb",
            &long,
        ];
        let words = odd.into_iter().chain(many.iter().map(String::as_str));
        let words: Vec<&str> = words.collect();
        let ran = lab.run(&[&["run", &program(name), "--"], &words[..]].concat());
        let mut expected = vec![format!("{name}.wasm")];
        expected.extend(words.iter().map(|word| (*word).to_owned()));
        assert_eq!(seen(ran)["arguments"], json!(expected));
    }
}

#[test]
fn words_before_the_dashes_are_the_programs_unless_they_are_options() {
    let lab = lab();
    let path = program("misbehave-p1");
    let ran = lab.run(&["run", &path, "env", "one", "--limit", "wall=9s", "two=2"]);
    let arguments = seen(ran)["arguments"].clone();
    assert_eq!(
        arguments,
        json!(["misbehave-p1.wasm", "env", "one", "two=2"])
    );
    lab.run(&["run", &path, "env", "--verbose"]).exits(125);
    assert_eq!(lab.journal()[0]["limits"]["wall"], "9s");
}

#[test]
fn an_argument_that_is_not_unicode_is_refused_with_its_name() {
    let lab = lab();
    let ran = Command::new(binary())
        .args(["run", &program("misbehave-p1"), "--", "env"])
        .arg(OsStr::from_bytes(b"a\xff"))
        .env("HOST_HOME", lab.home())
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(125));
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(
        said.contains("is not UTF-8") && said.contains("hint:"),
        "{said}"
    );
    assert!(lab.events().is_empty());
}

#[test]
fn the_environment_is_what_was_named_and_nothing_besides() {
    let lab = lab();
    for name in BOTH {
        let path = program(name);
        let host = |arguments: &[&str]| {
            let arguments = [&["run", path.as_str()], arguments, &["--", "env"]].concat();
            let host = lab.host(&arguments).env("HOST_IT_SECRET", "s3cret");
            host.env("NAMED", "by name").run()
        };
        assert_eq!(seen(host(&[]))["environment"], json!({}));
        let named = host(&[
            "--env", "A=1", "--env", "NAMED", "--env", "B=x=y", "--env", "C=",
        ]);
        let expected = json!({"A": "1", "B": "x=y", "C": "", "NAMED": "by name"});
        assert_eq!(seen(named)["environment"], expected);
    }
    lab.nowhere("home/state", "s3cret");
}

/// The first of two is what a C library finds, and the last what Rust's makes a map of.
#[test]
fn of_two_values_for_one_variable_there_is_the_later_alone() {
    let lab = lab();
    let named = ["--env", "A=1", "--env", "B=1", "--env", "A=2"];
    for name in BOTH {
        let ran = lab.run(&[&["run", &program(name)], &named[..], &["env"]].concat());
        assert_eq!(
            seen(ran)["environment"],
            json!({"A": "2", "B": "1"}),
            "{name}"
        );
    }
    // How many there are.
    let script = Script::new()
        .quietly("environ_sizes_get", &[Arg::Into(0), Arg::Into(1)])
        .show(64, 4);
    let ran = lab
        .run(&[&["run", &script.build(&lab, "counts")], &named[..]].concat())
        .exits(0);
    assert_eq!(ran.stdout, 2_u32.to_le_bytes());
}

#[test]
fn a_variable_that_is_not_set_is_an_error_that_names_it() {
    let lab = lab();
    let path = program("misbehave-p1");
    lab.run(&["run", &path, "--env", "NOWHERE_SET", "env"])
        .exits(125)
        .says(&["NOWHERE_SET", "not set"]);
    for nameless in ["=1", "="] {
        lab.run(&["run", &path, "--env", nameless, "env"])
            .exits(125)
            .says(&["no name"]);
    }
    assert_eq!(lab.events(), ["refused"]);
}

/// It was said not to be set.
#[test]
fn a_variable_that_is_set_to_nothing_is_passed() {
    let lab = lab();
    let arguments = ["run", &program("misbehave-p1"), "--env", "EMPTY", "env"];
    let ran = lab.host(&arguments).env("EMPTY", "").run();
    assert_eq!(seen(ran)["environment"], json!({"EMPTY": ""}));
}

/// A capability that was granted and recorded opened nothing, and nobody said so.
#[test]
fn a_variable_that_is_allowed_is_passed() {
    let lab = lab();
    let arguments = [
        "run",
        &program("misbehave-p1"),
        "--allow",
        "env:NAMED",
        "env",
    ];
    let ran = lab.host(&arguments).env("NAMED", "by name").run();
    assert_eq!(seen(ran)["environment"], json!({"NAMED": "by name"}));
}

/// The caller's environment has what a guest must not see, and so have the processes around it.
#[test]
fn no_secret_of_the_caller_is_in_what_a_program_is_given_or_leaves() {
    let lab = lab();
    let canary = format!("canary-{}", lab.marker());
    for name in BOTH {
        let arguments = ["--output", "json", "run", &program(name), "--", "env"];
        let ran = lab.host(&arguments).env("HOST_IT_SECRET", &canary).run();
        ran.exits(0).never_says(&canary);
        let ran = lab.host(&["run", &program(name), "env"]);
        ran.env("HOST_IT_SECRET", &canary).run().never_says(&canary);
    }
    lab.nowhere("home", &canary);
}

#[test]
fn inherited_descriptors_are_no_directories_of_a_program() {
    let lab = lab();
    lab.write("leaked.txt", "leaked");
    for name in BOTH {
        let script = "exec 3< / 4<leaked.txt 5<leaked.txt 6>>leaked.txt; exec \"$@\"";
        let ran = Host::by_shell(&lab, script, &["run", &program(name), "env"]).run();
        assert_eq!(seen(ran)["preopens"], json!([]), "{name}");
    }
}

#[test]
fn help_is_about_programs_and_starts_nothing() {
    let lab = Lab::new();
    let ran = lab
        .run(&["run", &program("misbehave-p1"), "--help"])
        .exits(0);
    let help = ran.text();
    for said in [
        "WASI", "--dir", "--env", "--limit", "124", "125", "134", "137",
    ] {
        assert!(help.contains(said), "no `{said}` in\n{help}");
    }
    lab.run(&["run", &program("misbehave-p1"), "--allow-asked"])
        .exits(125)
        .says(&["--allow-asked"]);
    assert!(lab.events().is_empty());
}
