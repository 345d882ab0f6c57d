//! The tools that look at rules say what a run then does, and change nothing on the machine.

use std::fs;

use serde_json::{Value, json};

use super::{RUN, decided_by, marking, marking_set, mode, owned, ruled, set};
use crate::lab::Lab;

/// Rules under which alice may read, but not all, and bob may not run.
fn rules(lab: &Lab) -> String {
    format!(
        "@id(\"alice\") permit (principal == Caller::\"alice\", action == Action::\"run\", resource);
         @id(\"read\") permit (principal, action == Action::\"fs.read\", resource in Path::\"{0}\");
         @id(\"never\") forbid (principal, action == Action::\"fs.read\", resource in Path::\"{0}/secret\");",
        lab.path("data")
    )
}

#[test]
fn what_is_explained_is_what_a_run_decides() {
    let lab = Lab::new();
    let data = lab.directory("data/secret");
    let asks = [
        json!(format!("fs.read:{}", lab.path("data"))),
        json!({"capability": format!("fs.read:{data}"), "optional": true}),
        json!({"capability": "fs.read:/nonexistent", "optional": true}),
    ];
    let module = marking(&lab, &asks, "");
    let set = marking_set(&lab, "rules", &rules(&lab));
    for caller in ["alice", "bob"] {
        let line = [
            "--output", "json", "policy", "explain", &set, "--as", caller, &module,
        ];
        let before = lab.journal().len();
        let explained = lab.run(&line);
        assert_eq!(lab.journal().len(), before, "to explain is no run");
        let line = ["run", &module, "--policy", &set, "--as", caller];
        let ran = lab.run(&line);
        assert_eq!(ran.code(), explained.code(), "{caller}");
        assert_eq!(super::ran(&lab), ran.code() == 0);
        let journal = lab.journal();
        let line = &journal[before];
        let explained = explained.record();
        assert_eq!(explained["allowed"], ran.code() == 0);
        assert_eq!(explained["digest"], line["policy"]["digest"]);
        assert_eq!(explained["request"]["asks"], line["request"]["asks"]);
        assert_eq!(explained["request"]["facts"], line["request"]["facts"]);
        assert_eq!(explained["request"]["bundle"], line["request"]["bundle"]);
        let mut rules: Vec<&str> = Vec::new();
        for answer in explained["answers"].as_array().unwrap() {
            for rule in answer["rules"].as_array().unwrap() {
                let id = rule["id"].as_str().unwrap();
                if !rules.contains(&id) {
                    rules.push(id);
                }
            }
        }
        assert_eq!(rules, decided_by(line), "{caller}");
    }
}

#[test]
fn what_was_decided_is_decided_once_more_from_the_journal() {
    let lab = Lab::new();
    lab.directory("data/secret");
    let module = marking(&lab, &[json!(format!("fs.read:{}", lab.path("data")))], "");
    let old = marking_set(&lab, "old", &rules(&lab));
    for caller in ["alice", "bob"] {
        lab.run(&["run", &module, "--policy", &old, "--as", caller]);
    }
    // Runs without rules have nothing that could be decided once more.
    lab.run(&["run", &module, "--allow-asked"]).exits(0);
    let journal = lab.home().join("state/journal.jsonl");
    let journal = journal.to_str().unwrap();
    let same = [
        "--output",
        "json",
        "policy",
        "diff",
        &old,
        &old,
        "--requests",
        journal,
    ];
    let same = lab.run(&same).exits(0).record();
    assert_eq!(
        (&same["requests"], &same["passed_over"]),
        (&json!(2), &json!(0))
    );
    let new = marking_set(&lab, "new", RUN);
    let line = ["--output", "json", "policy", "diff", &old, &new];
    let own = lab.run(&line).exits(1).record();
    let named = lab
        .run(&[&line[..], &["--requests", journal]].concat())
        .exits(1)
        .record();
    assert_eq!(own["differences"], named["differences"]);
    let changes: Vec<(&Value, &Value)> = own["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|difference| (&difference["request"]["caller"], &difference["run"]))
        .collect();
    assert_eq!(
        changes,
        [
            (&json!("alice"), &json!("lost")),
            (&json!("bob"), &Value::Null)
        ]
    );
}

#[test]
fn looking_at_rules_leaves_nothing_on_the_machine() {
    let lab = Lab::new();
    let set = set(&lab, "rules", RUN);
    owned(
        &lab,
        "sets/rules/x.decisions.yaml",
        "format: host.decisions/1\ncases:\n  - {name: all, as: alice, task: demo, expect: allowed}\n",
    );
    let before = lab.files("");
    for arguments in [
        &["check", set.as_str()][..],
        &["test", &set],
        &["who-can", &set, "demo"],
        &["diff", &set, &set],
        &["explain", &set, "--as", "alice", "demo"],
    ] {
        lab.run(&[&["policy"], arguments].concat()).exits(0);
    }
    assert_eq!(lab.files(""), before);
}

#[test]
fn tools_look_at_what_no_run_would_use_and_say_so() {
    let lab = Lab::new();
    let module = marking(&lab, &[], "");
    let set = marking_set(&lab, "rules", RUN);
    mode(&set, 0o777);
    lab.run(&["policy", "check", &set])
        .exits(0)
        .says(&["a run would not use it from here", "mode 0777"]);
    lab.run(&["policy", "explain", &set, "--as", "alice", "demo"])
        .exits(0);
    ruled(&lab, &module, &set, &[]).run().exits(3);
}

#[test]
fn an_import_makes_a_set_that_runs_use_or_nothing() {
    let lab = Lab::new();
    let module = lab.shell("echo ran");
    let old = "policy default deny\nallow\tchoria=alice\t*\t*\t*\n";
    owned(&lab, "old/demo.policy", old);
    let new = lab.path("new");
    let import = ["policy", "import", "choria", "old"];
    lab.run(&[&import[..], &["--dry-run"]].concat()).exits(0);
    assert!(!fs::exists(&new).unwrap());
    lab.run(&[&import[..], &["--into", &new]].concat()).exits(0);
    assert_eq!(
        ruled(&lab, &module, &new, &[]).run().exits(0).text(),
        "ran\n"
    );
    let line = ["run", &module, "--policy", &new, "--as", "bob"];
    assert_eq!(lab.run(&line).exits(3).text(), "");
    // What is there is never written over.
    let before = fs::read(lab.path("new/demo.cedar")).unwrap();
    owned(&lab, "old/demo.policy", old.replace("alice", "bob"));
    lab.run(&[&import[..], &["--into", &new]].concat()).exits(2);
    assert_eq!(fs::read(lab.path("new/demo.cedar")).unwrap(), before);
    let spoilt = format!("{old}allow\tcert=bob\t*\t*\t*\n");
    owned(&lab, "old/demo.policy", spoilt);
    let other = lab.path("other");
    lab.run(&[&import[..], &["--into", &other]].concat())
        .exits(2)
        .says(&["demo.policy:3"]);
    assert!(!fs::exists(&other).unwrap());
}
