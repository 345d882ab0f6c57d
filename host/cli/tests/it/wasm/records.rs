//! What is on record of a program: as much as of a task, with what no task has left empty.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::{BOTH, lab, program};
use crate::lab::is_root;

/// The SHA-256 of a file, as a program that is not ours sees it.
fn digest(path: &str) -> String {
    let ran = Command::new("/usr/bin/sha256sum")
        .arg(path)
        .output()
        .unwrap();
    String::from_utf8(ran.stdout).unwrap()[..64].to_owned()
}

#[test]
fn the_record_of_a_program_is_that_of_a_run_without_a_task() {
    let lab = lab();
    lab.directory("data");
    for name in BOTH {
        let path = program(name);
        let arguments = [
            "--output",
            "json",
            "run",
            &path,
            "--dir",
            "data::/x::ro",
            "exit",
            "1",
        ];
        let record = lab.run(&arguments).exits(1).record();
        assert_eq!(record["format"], "host.run/1");
        assert_eq!(
            record["bundle"],
            json!({"id": digest(&path), "module": "", "version": "", "signers": []})
        );
        assert_eq!(
            (&record["task"], &record["value"]),
            (&json!(""), &json!({"_output": ""}))
        );
        assert_eq!(
            (&record["status"], &record["outcome"]["code"]),
            (&json!("failure"), &json!(1))
        );
        let capability = format!("fs.read:{}", lab.path("data"));
        let grant = json!([{"capability": capability, "origin": "caller", "rule": "--dir", "used": "unknown"}]);
        assert_eq!(record["grant"], grant);
        let runtime = record["runtime"].as_f64().unwrap();
        assert!((0.0..20.0).contains(&runtime), "{runtime}");
        // A page at least, and what its own stack and data take, but no more than it could have.
        let peak = record["usage"]["guest_memory_peak_bytes"].as_u64().unwrap();
        assert!((65_536..16 << 20).contains(&peak), "{peak} bytes");
        assert_eq!(
            (&record["artifacts"], &record["denials"]),
            (&json!([]), &json!([]))
        );
    }
}

#[test]
fn the_walls_of_a_program_are_those_of_any_run() {
    let lab = lab();
    for name in BOTH {
        let record = lab.record(&[&program(name), "exit", "0"]);
        let walls = &record["walls"];
        let wall = |name: &str| walls[name].as_str().unwrap_or_default();
        assert!(
            wall("memory").starts_with("the engine, to the byte"),
            "{walls:#}"
        );
        assert_eq!((wall("seccomp"), wall("no_new_privs")), ("yes", "yes"));
        for namespace in ["user", "mount", "pid", "ipc", "net"] {
            assert!(wall("namespaces").contains(namespace), "{walls:#}");
        }
        let user = if is_root() {
            "throw-away id"
        } else {
            "own user id"
        };
        assert!(wall("user").contains(user), "{walls:#}");
        assert!(walls.get("landlock").is_some(), "{walls:#}");
    }
}

#[test]
fn what_a_program_said_is_counted_and_kept() {
    let lab = lab();
    let path = program("misbehave-p1");
    let record = lab.record(&[&path, "--limit", "output=64KiB", "flood-stdout"]);
    assert_eq!(
        record["stdout"],
        json!({"bytes": 65_536, "truncated": true}),
        "{record:#}"
    );
    let spool = lab.spool(record["run"].as_str().unwrap());
    assert_eq!(fs::read(spool.join("stdout")).unwrap().len(), 65_536);
    let record = lab.record(&[&path, "flood-stderr", "640"]);
    assert_eq!(
        (&record["stderr"]["bytes"], &record["stderr"]["truncated"]),
        (&json!(640), &json!(false))
    );
    assert!(
        record["stderr"]["text"]
            .as_str()
            .unwrap()
            .starts_with("This line is one")
    );
    assert_eq!(
        record["value"]["_output"], "{\"mode\":\"flood-stderr\",\"wasi\":\"p1\",\"bytes\":640}\n",
        "what a program says is text, whatever it looks like"
    );
}

#[test]
fn the_journal_has_the_intent_before_and_the_end_after() {
    let lab = lab();
    let path = program("misbehave-p1");
    lab.directory("data");
    lab.run(&[
        "run", &path, "--dir", "data", "--limit", "wall=7s", "exit", "3",
    ])
    .exits(3);
    assert_eq!(lab.events(), ["intended", "finished"]);
    let journal = lab.journal();
    let intended = &journal[0];
    assert_eq!(
        intended["bundle"]["id"],
        json!(digest(&path)),
        "{intended:#}"
    );
    assert_eq!(
        (&intended["task"], &intended["limits"]["wall"]),
        (&json!(""), &json!("7s"))
    );
    assert_eq!(
        intended["grant"][0]["capability"],
        json!(format!("fs.write:{}", lab.path("data")))
    );
    let finished = &journal[1]["record"];
    assert_eq!(
        (&finished["run"], &finished["outcome"]["code"]),
        (&intended["run"], &json!(3))
    );
    let spool = lab.spool(intended["run"].as_str().unwrap());
    let kept: Value =
        serde_json::from_slice(&fs::read(spool.join("record.json")).unwrap()).unwrap();
    assert_eq!(kept, *finished);
}

#[test]
fn runs_of_one_program_differ_where_their_words_do() {
    let lab = lab();
    let path = program("misbehave-p1");
    for words in [
        &["exit", "0"][..],
        &["exit", "0"],
        &["exit", "00"],
        &["--env", "A=1", "exit", "0"],
    ] {
        lab.run(&[&["run", path.as_str()], words].concat()).exits(0);
    }
    let intents = lab
        .journal()
        .into_iter()
        .filter(|line| line["event"] == "intended");
    let digests: Vec<Value> = intents.map(|line| line["input"].clone()).collect();
    assert!(digests[0].is_string(), "{digests:?}");
    assert_eq!(digests[0], digests[1]);
    assert_ne!(digests[0], digests[2]);
    assert_ne!(digests[0], digests[3]);
}

#[test]
fn a_program_whose_directory_is_refused_is_on_record_as_refused() {
    let lab = lab();
    let arguments = [
        "--output",
        "json",
        "run",
        &program("misbehave-p1"),
        "--dir",
        "home/state",
        "env",
    ];
    let record = lab.run(&arguments).exits(125).record();
    assert_eq!(
        (&record["status"], &record["outcome"]["kind"]),
        (&json!("refused"), &json!("refused"))
    );
    assert!(
        record["outcome"]["reason"]
            .as_str()
            .unwrap()
            .contains("host's own"),
        "{record:#}"
    );
    assert_eq!(lab.events(), ["intended", "finished"]);
}

#[test]
fn a_program_that_cannot_be_recorded_is_not_run() {
    let lab = lab();
    lab.write("home/state/runs", "in the way");
    let ran = lab
        .run(&["run", &program("misbehave-p1"), "env"])
        .exits(125)
        .says(&["error:"]);
    assert_eq!(ran.text(), "");
    assert!(lab.events().is_empty(), "{:?}", lab.events());
}

#[test]
fn lines_of_json_end_with_the_record() {
    let lab = lab();
    let ran = lab.run(&[
        "--output",
        "jsonl",
        "run",
        &program("misbehave-p2"),
        "exit",
        "1",
    ]);
    let text = ran.exits(1).text();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["event"], &last["record"]["outcome"]["code"]),
        (&json!("record"), &json!(1))
    );
}
