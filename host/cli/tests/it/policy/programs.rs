//! WASI programs that are run as they are, by rules: the action is `run.adhoc`, and the program is its digest.

use serde_json::json;

use super::{ruled, set};
use crate::lab::Lab;
use crate::wasm::script::{Arg, FIRST_DIR, FOLLOW, READ, Script, told};
use crate::wasm::{HELLO, wat};

/// A program that says hello, and nothing of it is kept.
fn hello(lab: &Lab) -> String {
    wat(lab, "hello", HELLO)
}

#[test]
fn a_program_needs_a_rule_for_what_is_run_as_it_is() {
    let lab = Lab::new();
    let hello = hello(&lab);
    let tasks = set(&lab, "tasks", super::RUN);
    let ran = ruled(&lab, &hello, &tasks, &[])
        .run()
        .exits(125)
        .says(&["alice", "tasks"]);
    assert_eq!(ran.text(), "");
    assert_eq!(lab.events(), ["refused"]);
    let line = lab.journal()[0].clone();
    let id = line["record"]["bundle"]["id"].as_str().unwrap().to_owned();
    assert_eq!(line["request"]["task"], format!("adhoc:{id}"));
    assert_eq!(line["policy"]["rules"], json!([]));
    let adhoc = |resource: &str| {
        format!(
            "@id(\"adhoc\") permit (principal, action == Action::\"run.adhoc\", resource{resource});"
        )
    };
    let this = set(&lab, "this", &adhoc(&format!(" == Task::\"adhoc:{id}\"")));
    let other = set(
        &lab,
        "other",
        &adhoc(&format!(" == Task::\"adhoc:{}\"", "0".repeat(64))),
    );
    ruled(&lab, &hello, &other, &[]).run().exits(125);
    assert_eq!(
        ruled(&lab, &hello, &this, &[]).run().exits(0).text(),
        "hello\n"
    );
    let intended = &lab.journal()[2];
    assert_eq!(
        (&intended["event"], &intended["caller"]),
        (&json!("intended"), &json!("alice"))
    );
    assert_eq!(intended["policy"]["rules"], json!(["adhoc"]));
}

/// Permits any program, and to read `data` of the lab but for `data/secret`.
fn reading(lab: &Lab) -> String {
    let data = lab.path("data");
    let rules = format!(
        "@id(\"adhoc\") permit (principal, action == Action::\"run.adhoc\", resource);
         @id(\"data\") permit (principal, action == Action::\"fs.read\", resource in Path::\"{data}\");
         @id(\"never\") forbid (principal, action == Action::\"fs.read\", resource in Path::\"{data}/secret\");"
    );
    set(lab, "reading", &rules)
}

#[test]
fn directories_and_variables_are_asked_for_too() {
    let lab = Lab::new();
    let hello = hello(&lab);
    lab.write("data/secret/x.txt", "hidden\n");
    let set = reading(&lab);
    let read = "data::/d::ro";
    for refused in [
        &["--dir", "data::/d"][..],
        &["--dir", "data/secret::/d::ro"],
        &["--dir", read, "--env", "HOME"],
        &["--dir", read, "--allow", "fs.read:/etc"],
    ] {
        let ran = ruled(&lab, &hello, &set, refused).run().exits(125);
        assert_eq!(ran.text(), "", "{refused:?}");
    }
    assert_eq!(lab.events(), ["refused"; 4]);
    assert!(lab.spooled().is_empty());
    let record = ruled(&lab, &hello, &set, &["--dir", read, "--output", "json"])
        .run()
        .exits(0)
        .record();
    let granted = json!([{"capability": format!("fs.read:{}", lab.path("data")), "origin": "caller", "rule": "data", "used": "unknown"}]);
    assert_eq!(record["grant"], granted);
    let hidden = json!({"capability": format!("fs.read:{}", lab.path("data/secret")), "reason": "inside a grant, and forbidden by never"});
    assert!(record["denials"].as_array().unwrap().contains(&hidden));
}

#[test]
fn a_set_that_cannot_be_used_runs_no_program() {
    let lab = Lab::new();
    let hello = hello(&lab);
    let broken = set(&lab, "broken", "permit (");
    for path in [broken, lab.path("nowhere")] {
        let ran = ruled(&lab, &hello, &path, &[])
            .run()
            .exits(125)
            .says(&["cannot be used"]);
        assert_eq!(ran.text(), "");
    }
    let line = ["run", &hello, "--as", "alice"];
    lab.run(&line).exits(125).says(&["--policy is missing"]);
    assert_eq!(lab.events(), ["refused", "refused"]);
    assert!(lab.spooled().is_empty());
}

#[test]
fn a_program_sees_nothing_of_what_is_forbidden_inside_its_directory() {
    let lab = Lab::new();
    lab.write("data/secret/x.txt", "hidden\n");
    lab.write("data/open.txt", "open\n");
    let set = reading(&lab);
    let first = Arg::Int(FIRST_DIR);
    let path = Script::new()
        .open("open", (first, "open.txt"), (FOLLOW, 0, READ), 0)
        .stat("secret", FOLLOW, (first, "secret"))
        .open("hidden", (first, "secret/x.txt"), (FOLLOW, 0, READ), 1)
        .build(&lab, "looks");
    let dir = ["--dir", "data::/d::ro"];
    let ran = ruled(&lab, &path, &set, &dir).run().exits(0);
    let seen: Vec<bool> = told(&ran)
        .iter()
        .map(|(_, error)| *error == "done")
        .collect();
    assert_eq!(seen, [true, false, false], "{}", ran.text());
    // Without the rules it is there.
    let ran = lab
        .run(&[&["run", path.as_str()], &dir[..]].concat())
        .exits(0);
    assert!(told(&ran).iter().all(|(_, error)| *error == "done"));
}
