//! What a person gets who asks for something that cannot be: one message, a right exit code, and nothing left.

use std::fs;

use serde_json::{Value, json};

use crate::lab::Lab;

const TRUE: &str = "#!/bin/sh\n";

/// A module with the tasks `demo::clean` and `demo::report`.
fn two_tasks(lab: &Lab) -> String {
    lab.module("demo")
        .task(
            "clean.sh",
            TRUE,
            json!({"description": "Removes what is old"}),
        )
        .task(
            "report.sh",
            TRUE,
            json!({"description": "Lists what is old"}),
        )
        .build()
}

#[test]
fn an_unknown_task_is_answered_with_a_suggestion() {
    let lab = Lab::new();
    let module = two_tasks(&lab);
    lab.run(&["run", &module, "reprot"])
        .exits(2)
        .says(&["`demo::reprot`", "did you mean `demo::report`?"]);
    lab.run(&["run", &module, "other::report"])
        .exits(2)
        .says(&["error:"]);
    assert!(lab.events().is_empty());
}

#[test]
fn without_a_default_task_they_are_listed() {
    let lab = Lab::new();
    let module = two_tasks(&lab);
    lab.run(&["run", &module])
        .exits(2)
        .says(&[
            "demo::clean    Removes what is old",
            "demo::report   Lists what is old",
        ])
        .hints("name one");
}

#[test]
fn a_task_has_three_names() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task("init.sh", TRUE, Value::Null)
        .task("report.sh", TRUE, Value::Null)
        .build();
    for (name, task) in [
        ("demo", "demo"),
        ("report", "demo::report"),
        ("demo::report", "demo::report"),
    ] {
        assert_eq!(lab.record(&[&module, name])["task"], task);
    }
    assert_eq!(lab.record(&[&module])["task"], "demo");
}

#[test]
fn the_only_task_that_is_not_private_needs_no_name() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task("shown.sh", TRUE, Value::Null)
        .task("hidden.sh", TRUE, json!({"private": true}))
        .build();
    assert_eq!(lab.record(&[&module])["task"], "demo::shown");
    assert_eq!(lab.record(&[&module, "hidden"])["task"], "demo::hidden");
}

#[test]
fn metadata_that_cannot_be_used_names_its_place() {
    for (metadata, said) in [
        ("{\"description\": ", "JSON"),
        ("[]", "object"),
        (r#"{"parameters": {"Bad-Name": {}}}"#, "Bad-Name"),
        (r#"{"input_method": "telepathy"}"#, "input_method"),
        (r#"{"puppet_task_version": 2}"#, "puppet_task_version"),
        (r#"{"files": ["../../etc/passwd"]}"#, "../../etc/passwd"),
        (
            r#"{"extensions": {"host": {"asks": ["fs.raed:/etc"]}}}"#,
            "fs.raed",
        ),
        (
            r#"{"extensions": {"host": {"asks": ["fs.read:/srv/${missing}"]}}}"#,
            "missing",
        ),
        (
            r#"{"extensions": {"host": {"limits": {"wall": "soon"}}}}"#,
            "wall",
        ),
        (r#"{"extensions": {"host": {"aks": []}}}"#, "aks"),
    ] {
        let lab = Lab::new();
        let module = lab
            .module("demo")
            .task("init.sh", TRUE, Value::Null)
            .file("tasks/init.json", metadata)
            .build();
        let ran = lab.run(&["run", &module]).says(&["`demo`", said]);
        assert!(
            [2, 4].contains(&ran.code()),
            "exit {} for {metadata}",
            ran.code()
        );
        assert!(lab.events().is_empty(), "{metadata}");
    }
}

#[test]
fn a_type_that_puppet_does_not_know_makes_its_task_unusable() {
    let lab = Lab::new();
    let metadata = json!({"parameters": {"a": {"type": "Strnig"}}});
    let module = lab.module("demo").task("init.sh", TRUE, metadata).build();
    lab.run(&["run", &module, "a=1"]).exits(2).says(&["Strnig"]);
}

#[test]
fn quirks_of_real_metadata_are_taken_as_puppet_takes_them() {
    let lab = Lab::new();
    let metadata = "\u{feff}{\"description\": \"one\", \"description\": \"two\", \"summary\": \"x\", \"input_method\": \"environment\", \"input_method\": \"stdin\"}";
    let module = lab
        .module("demo")
        .task("init.sh", "#!/bin/sh\ncat\n", Value::Null)
        .file("tasks/init.json", metadata)
        .build();
    assert_eq!(
        lab.record(&[&module, "a=1"])["value"]["a"],
        1,
        "the last input method counts"
    );
    let help = lab.run(&["run", &module, "demo", "--help"]).exits(0).text();
    assert!(help.starts_with("two\n"), "{help}");
}

#[test]
fn an_empty_metadata_file_declares_nothing() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task("init.sh", "#!/bin/sh\ncat\n", Value::Null)
        .file("tasks/init.json", "")
        .build();
    assert_eq!(lab.record(&[&module, "anything=1"])["value"]["anything"], 1);
}

#[test]
fn notes_and_settings_beside_tasks_are_no_tasks() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task("init.sh", TRUE, Value::Null)
        .file("tasks/README.md", "# Tasks\n")
        .file("tasks/init.conf", "a=1\n")
        .file("tasks/deeper/other.sh", TRUE)
        .build();
    let help = lab
        .run(&["run", &module, "--output", "json", "--help"])
        .exits(0)
        .text();
    assert!(
        !help.contains("README") && !help.contains("other"),
        "{help}"
    );
    lab.run(&["run", &module]).exits(0);
}

#[test]
fn two_files_of_one_name_are_no_task_until_metadata_chooses() {
    let lab = Lab::new();
    let draft = || {
        lab.module("demo")
            .task("init.sh", "#!/bin/sh\necho shell\n", Value::Null)
            .task("init.py", "#!/usr/bin/python3\n", Value::Null)
    };
    lab.run(&["run", &draft().build()])
        .says(&["init.sh", "init.py"])
        .exits(2);
    let chosen = json!({"implementations": [
        {"name": "init.py", "requirements": ["puppet-agent", "nonexistent"]}, {"name": "init.sh", "requirements": ["shell"]},
    ]});
    let module = draft().file("tasks/init.json", chosen.to_string()).build();
    assert_eq!(lab.record(&[&module])["value"]["_output"], "shell\n");
}

#[test]
fn no_implementation_for_this_machine_says_what_each_would_need() {
    let lab = Lab::new();
    let metadata =
        json!({"implementations": [{"name": "init.sh", "requirements": ["nonexistent"]}]});
    let module = lab.module("demo").task("init.sh", TRUE, metadata).build();
    lab.run(&["run", &module])
        .exits(2)
        .says(&["no implementation", "nonexistent"]);
    lab.write("home/config/config.toml", "features = [\"nonexistent\"]\n");
    lab.run(&["run", &module]).exits(0);
}

#[test]
fn metadata_without_a_program_is_no_task() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task("other.sh", TRUE, Value::Null)
        .file("tasks/init.json", "{}")
        .build();
    lab.run(&["run", &module, "demo"])
        .says(&["no file to run"])
        .exits(2);
}

#[test]
fn a_missing_interpreter_is_named() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task("init.rb", "#!/opt/nowhere/ruby -w\nputs 1\n", Value::Null)
        .build();
    lab.run(&["run", &module])
        .exits(1)
        .says(&["could not be started", "`/opt/nowhere/ruby`"])
        .hints("installed");
    let record = lab.record(&[&module]);
    assert_eq!(
        (&record["status"], &record["outcome"]["kind"]),
        (&json!("failure"), &json!("could-not-start"))
    );
}

#[test]
fn a_script_without_a_first_line_runs_by_the_shell() {
    let lab = Lab::new();
    for (program, output) in [
        ("echo plain $0", "plain /task/init.sh\n"),
        ("#/usr/bin/env sh\necho broken\n", "broken\n"),
        ("", ""),
    ] {
        let module = lab
            .module("demo")
            .task("init.sh", program, Value::Null)
            .build();
        assert_eq!(lab.record(&[&module])["value"]["_output"], output);
    }
}

#[test]
fn a_script_needs_no_executable_bit() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::new();
    let module = lab.shell("echo ran");
    fs::set_permissions(
        format!("{module}/tasks/init.sh"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    assert_eq!(lab.record(&[&module])["value"]["_output"], "ran\n");
}

#[test]
fn what_is_no_bundle_is_said_to_be_none() {
    let lab = Lab::new();
    let text = lab.write("notes.txt", "hello\n");
    let empty = lab.write("empty.tar", "");
    let directory = lab.directory("empty");
    for (path, code, said) in [
        ("nowhere.tar", 2, "there is no `nowhere.tar`"),
        (
            text.as_str(),
            2,
            "neither a sealed bundle nor a tar of a module",
        ),
        (&empty, 2, "neither a sealed bundle nor a tar of a module"),
        (&directory, 2, "`tasks` directory"),
        (
            "/dev/null",
            2,
            "neither a sealed bundle nor a tar of a module",
        ),
    ] {
        lab.run(&["run", path]).exits(code).says(&["error:", said]);
    }
    assert!(lab.events().is_empty() && lab.files("home/cache/content").is_empty());
}

#[test]
fn usage_errors_say_what_would_be_right() {
    let lab = Lab::new();
    let module = lab.shell("true");
    for (arguments, said) in [
        (&["run"][..], "BUNDLE"),
        (&["run", &module, "demo", "again"], "`again`"),
        (&["run", &module, "--bogus"], "--bogus"),
        (&["run", &module, "--limit", "wall"], "NAME=VALUE"),
        (&["run", &module, "--limit", "patience=1"], "patience"),
        (&["run", &module, "--limit", "wall=soon"], "wall"),
        (&["run", &module, "--limit", "wall=0s"], "wall"),
        (&["run", &module, "--timeout", "never"], "wall"),
        (&["run", &module, "--allow", "everything"], "everything"),
        (&["run", &module, "--allow", "fs.read:relative"], "absolute"),
        (&["run", &module, "--allow", "fs.read:/a/../b"], ".."),
        (
            &["run", &module, "--allow", "fs.read:/srv/${name}"],
            "placeholder",
        ),
        (&["run", &module, "--output", "xml"], "xml"),
        (&["frobnicate"], "frobnicate"),
    ] {
        lab.run(arguments).exits(2).says(&["error:", said]);
    }
    assert!(lab.events().is_empty());
}

#[test]
fn no_message_says_the_same_thing_twice() {
    let lab = Lab::new();
    let module = lab.shell("true");
    for arguments in [
        &["run", &module, "--limit", "wall=soon"][..],
        &["run", &module, "--allow", "fs.read:relative"],
    ] {
        let ran = lab.run(arguments);
        let lines: Vec<&str> = ran.stderr.lines().collect();
        for line in &lines {
            let told = line.trim_start_matches("  because ");
            assert_eq!(
                lines.iter().filter(|other| other.ends_with(told)).count(),
                1,
                "{}",
                ran.stderr
            );
        }
    }
}

#[test]
fn noop_is_refused_where_a_task_does_not_support_it() {
    let lab = Lab::new();
    let module = lab.shell("echo changed");
    lab.run(&["run", &module, "--noop"])
        .exits(2)
        .says(&["noop"]);
    assert!(lab.events().is_empty());
}

#[test]
fn a_noop_run_is_recorded_as_one() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task(
            "init.sh",
            "#!/bin/sh\necho noop is $PT__noop\n",
            json!({"supports_noop": true}),
        )
        .build();
    lab.run(&["run", &module, "--noop"])
        .exits(0)
        .says(&["noop"]);
    assert_eq!(lab.journal()[0]["noop"], true);
    assert_eq!(lab.record(&[&module])["value"]["_output"], "noop is\n");
}

#[test]
fn foreign_words_cannot_act_on_a_terminal() {
    let lab = Lab::new();
    let nasty = "clear\u{1b}[2J\u{202e}gnp\r\n";
    let metadata = json!({"description": nasty, "parameters": {"a": {"type": "Integer", "description": nasty}},
        "extensions": {"host": {"asks": [{"capability": "fs.read:/srv", "why": nasty}]}}});
    let module = lab.module("demo").task("init.sh", TRUE, metadata).build();
    for arguments in [
        &["demo", "--help"][..],
        &["--help"],
        &["a=1"],
        &[nasty],
        &[&format!("a={nasty}")],
        &[&format!("{nasty}=1")],
    ] {
        plain(&lab, &[&["run", module.as_str()], arguments].concat());
    }
}

#[test]
fn names_of_files_cannot_act_on_a_terminal() {
    let lab = Lab::new();
    let nasty = "clear\u{1b}[2J\u{202e}gnp\r";
    plain(&lab, &["run", nasty]);
    plain(&lab, &["run", &lab.write(nasty, "no bundle")]);
    plain(&lab, &["run", &lab.directory("clear\u{1b}[2J")]);
    plain(&lab, &["bundle", "show", nasty]);
    plain(&lab, &["trust", "add", nasty]);
}

/// Asserts that nothing of what is printed acts on a terminal.
#[track_caller]
fn plain(lab: &Lab, arguments: &[&str]) {
    let ran = lab.run(arguments);
    for hidden in ['\u{1b}', '\u{202e}', '\r'] {
        assert!(
            !ran.text().contains(hidden) && !ran.stderr.contains(hidden),
            "{arguments:?}: {:?} {:?}",
            ran.text(),
            ran.stderr
        );
    }
}
