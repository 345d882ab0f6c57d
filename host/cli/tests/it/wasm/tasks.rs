//! Tasks that are WASI programs, where they differ from bare ones: how they are chosen, and what comes of a bad one.

use std::fs;

use serde_json::json;

use super::{BOTH, lab, program, unstarted, wat};
use crate::lab::{Lab, ModuleDraft, is_root};

const SHELL: &str = "#!/bin/sh\necho shell\n";

/// A module whose own task is the shell script `init.sh` and a WASI program, with `implementations` as given.
fn two_ways(lab: &Lab, implementations: &serde_json::Value) -> String {
    let metadata = json!({"implementations": implementations, "input_method": "environment"});
    let program = fs::read(program("misbehave-p1")).unwrap();
    lab.module("demo")
        .task("init.sh", SHELL, metadata)
        .file("tasks/init.wasm", program)
        .build()
}

#[test]
fn of_two_implementations_the_first_that_this_machine_can_run_is_chosen() {
    let wasm = json!({"name": "init.wasm", "requirements": ["wasm"]});
    let shell = json!({"name": "init.sh", "requirements": ["shell"]});
    let never = json!({"name": "init.wasm", "requirements": ["wasm", "nonexistent"]});
    for (implementations, is_wasm) in [
        (json!([wasm, shell]), true),
        (json!([shell, wasm]), false),
        (json!([never, shell]), false),
        (json!([never, wasm]), true),
    ] {
        let lab = lab();
        let module = two_ways(&lab, &implementations);
        let record = lab.record(&[&module, "mode=env"]);
        let value = &record["value"];
        if is_wasm {
            assert_eq!(value["mode"], "env", "{implementations}");
            assert!(
                record["usage"]["guest_memory_peak_bytes"].is_u64(),
                "{record:#}"
            );
        } else {
            assert_eq!(value["_output"], "shell\n", "{implementations}");
        }
    }
}

#[test]
fn a_task_that_is_a_program_needs_no_metadata() {
    let lab = Lab::new();
    let draft = lab
        .module("demo")
        .file("tasks/init.wasm", wat::parse_str(super::HELLO).unwrap());
    let record = lab.record(&[&draft.build()]);
    assert_eq!(
        (&record["task"], &record["value"]["_output"]),
        (&json!("demo"), &json!("hello\n"))
    );
    assert_eq!(record["bundle"]["module"], "demo");
}

/// A task of which nothing but the first bytes is a program.
fn damaged(lab: &Lab) -> ModuleDraft {
    let whole = fs::read(program("misbehave-p1")).unwrap();
    lab.module("demo").file("tasks/init.wasm", &whole[..5_000])
}

#[test]
fn a_damaged_program_of_a_task_is_on_record_as_not_started() {
    let lab = Lab::new();
    let module = damaged(&lab).build();
    let ran = unstarted(&lab, &["--output", "json", "run", &module]).exits(1);
    let record = ran.record();
    assert_eq!(record, lab.journal()[0]["record"]);
    let reason = record["outcome"]["reason"].as_str().unwrap();
    assert!(
        reason.contains("`init.wasm`") && reason.contains("cannot be compiled"),
        "{reason}"
    );
    assert_eq!(record["value"]["_error"]["kind"], "host/could-not-start");
    assert_eq!(record["task"], "demo");
    assert!(lab.files("home/cache/compiled").is_empty() && lab.spooled().is_empty());
}

#[test]
fn a_damaged_program_of_a_task_is_one_clear_error() {
    let lab = Lab::new();
    let module = damaged(&lab).build();
    let ran = unstarted(&lab, &["run", &module])
        .exits(1)
        .says(&["`init.wasm`", "cannot be compiled", "offset"])
        .never_says("panicked");
    assert_eq!(
        ran.stderr.matches("cannot be compiled").count(),
        1,
        "{}",
        ran.stderr
    );
    assert_eq!(ran.text(), "");
}

#[test]
fn what_is_called_a_program_and_is_none_is_not_started_as_a_script() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task("init.wasm", SHELL, json!({}))
        .build();
    let ran = unstarted(&lab, &["run", &module]).exits(1);
    assert_eq!(ran.says(&["it is not WebAssembly"]).text(), "");
}

#[test]
fn a_bundle_with_a_program_that_was_changed_is_not_believed() {
    let lab = lab();
    let draft = lab.module("demo").file(
        "tasks/init.wasm",
        fs::read(program("misbehave-p1")).unwrap(),
    );
    let module = draft.build();
    let public = lab
        .run(&["key", "new", "--comment", "me@example.com"])
        .exits(0);
    let public = lab.write("me.pub", public.text());
    let bundle = lab.path("demo.tar");
    lab.run(&[
        "bundle",
        "pack",
        &module,
        "--version",
        "1.0.0",
        "-o",
        &bundle,
    ])
    .exits(0);
    lab.run(&["trust", "add", &public]).exits(0);
    lab.run(&["run", &bundle, "mode=exit"]).exits(1);
    let mut bytes = fs::read(&bundle).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let changed = lab.write("changed.tar", bytes);
    lab.run(&["run", &changed, "mode=exit"]).exits(4);
}

/// Machine code for the machine that the bundle was packed on, or for none.
#[test]
fn machine_code_in_a_bundle_is_no_program() {
    let lab = Lab::new();
    let path = wat(&lab, "hello", r#"(module (func (export "_start")))"#);
    lab.run(&["run", &path]).exits(0);
    let code = fs::read(&lab.files("home/cache/compiled")[0]).unwrap();
    for skipped in [0, 32, 72] {
        let module = lab
            .module("demo")
            .file("tasks/init.wasm", &code[skipped..])
            .build();
        let ran = unstarted(&lab, &["run", &module]).exits(1);
        ran.says(&["it is not WebAssembly"]);
        let bare = lab.write("bare.wasm", &code[skipped..]);
        unstarted(&lab, &["run", &bare]).exits(125);
    }
}

#[test]
fn a_task_sees_its_own_directories_and_no_file_of_the_machine() {
    let lab = lab();
    for name in BOTH {
        let draft = lab
            .module("demo")
            .file("tasks/init.wasm", fs::read(program(name)).unwrap());
        let record = lab.record(&[&draft.build(), "mode=env"]);
        let value = &record["value"];
        assert_eq!(
            value["preopens"],
            json!(["/scratch", ".", "/tmp", "/out"]),
            "{value:#}"
        );
        let expected = json!({
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/scratch", "LANG": "C.UTF-8",
            "TMPDIR": "/tmp", "HOST_OUT": "/out", "PT_mode": "env", "PT__task": "demo",
        });
        assert_eq!(value["environment"], expected);
        assert_eq!(value["arguments"], json!(["init.wasm"]));
    }
}

#[test]
fn a_task_that_runs_as_a_user_is_that_user_to_the_files_that_it_is_given() {
    let lab = lab();
    let data = lab.directory("data");
    let module = lab
        .module("demo")
        .file(
            "tasks/init.wasm",
            fs::read(program("misbehave-p1")).unwrap(),
        )
        .build();
    let write = format!("fs.write:{data}");
    let arg = format!("arg={data}");
    let arguments = [
        "run",
        &module,
        "mode=open-handles",
        &arg,
        "--limit",
        "files=70",
        "--allow",
        "run.as:nobody",
        "--allow",
        &write,
    ];
    let ran = lab.run(&arguments);
    if is_root() {
        // The directory is root's, and `nobody` may make nothing in it.
        assert_eq!(ran.exits(0).record()["opened"], 0);
        std::os::unix::fs::chown(&data, Some(65_534), Some(65_534)).unwrap();
        lab.run(&arguments).exits(1).says(&["limit `files`"]);
        assert!(fs::metadata(lab.path("data/misbehave-handle")).is_ok());
    } else {
        ran.exits(3).says(&["needs root"]);
    }
}
