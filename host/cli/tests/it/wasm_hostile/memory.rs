//! Programs that want more memory than they may have: of their own, of tables, of the host's.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{BOTH, PREVIEWS, program, record, stopped, task};
use crate::lab::Lab;
use crate::wasm::script::{Arg, CREATE, FIRST_DIR, Script, WRITE, told};
use crate::wasm::{command, lab, unstarted, wat};

const MIB: u64 = 1 << 20;

#[track_caller]
fn peak(record: &Value) -> u64 {
    record["usage"]["guest_memory_peak_bytes"].as_u64().unwrap()
}

#[test]
fn a_memory_that_grows_for_ever_ends_at_its_limit() {
    let lab = lab();
    for name in BOTH {
        let record = stopped(
            &lab,
            &program(name),
            &["--limit", "memory=24MiB", "grow"],
            "memory",
        );
        let peak = peak(&record);
        assert!((20 * MIB..=24 * MIB).contains(&peak), "{peak} bytes");
        assert!(
            record["stderr"]["text"]
                .as_str()
                .unwrap()
                .contains("limit `memory`")
        );
    }
}

/// Five hundred mebibytes and twelve, touched: the machine has them, and the program not one more.
#[test]
fn without_a_limit_of_its_own_a_program_has_the_default() {
    let lab = lab();
    let record = stopped(&lab, &program("misbehave-p1"), &["grow"], "memory");
    let peak = peak(&record);
    assert!((500 * MIB..=512 * MIB).contains(&peak), "{peak} bytes");
}

#[test]
fn a_task_that_grows_for_ever_ends_at_its_limit() {
    let lab = lab();
    for preview in PREVIEWS {
        let (ran, record) = task(&lab, preview, &["mode=grow", "--limit", "memory=16MiB"]);
        assert_eq!(record["outcome"]["limit"], "memory", "{record:#}");
        assert_eq!(record["value"]["_error"]["kind"], "host/limit");
        ran.exits(1);
    }
}

/// A program that has so many pages and ends.
fn pages(lab: &Lab, count: u32) -> String {
    let text = format!(r#"(module (memory (export "memory") {count}) (func (export "_start")))"#);
    wat(lab, &format!("pages-{count}"), &text)
}

#[test]
fn the_limit_of_memory_is_exact_to_the_page() {
    let lab = Lab::new();
    for count in [16, 17, 1_000] {
        let path = pages(&lab, count);
        let enough = format!("memory={}KiB", count * 64);
        let (ran, record) = record(&lab, &path, &["--limit", &enough]);
        ran.exits(0);
        assert_eq!(peak(&record), u64::from(count) * 65_536);
        // No run can have less than 1 MiB.
        if count > 16 {
            let short = format!("memory={}", u64::from(count) * 65_536 - 1);
            stopped(&lab, &path, &["--limit", &short], "memory");
            let one_less = format!("memory={}KiB", (count - 1) * 64);
            stopped(&lab, &path, &["--limit", &one_less], "memory");
        }
    }
}

#[test]
fn growth_is_exact_to_the_page_too() {
    let lab = Lab::new();
    let text = r#"(module (memory (export "memory") 1) (func (export "_start")
        (if (i32.ne (memory.grow (i32.const 31)) (i32.const 1)) (then (unreachable)))))"#;
    let path = wat(&lab, "grows", text);
    let (ran, record) = record(&lab, &path, &["--limit", "memory=2MiB"]);
    ran.exits(0);
    assert_eq!(peak(&record), 2 * MIB);
    stopped(&lab, &path, &["--limit", "memory=2047KiB"], "memory");
}

/// What a program says itself of how large it gets is no limit of ours: it hears of it, and goes on.
#[test]
fn a_maximum_of_its_own_ends_no_program() {
    let lab = Lab::new();
    let text = r#"(module (memory (export "memory") 1 2) (func (export "_start")
        (if (i32.ne (memory.grow (i32.const 9)) (i32.const -1)) (then (unreachable)))))"#;
    let (ran, record) = record(&lab, &wat(&lab, "modest", text), &[]);
    ran.exits(0);
    assert_eq!(
        record["outcome"],
        json!({"kind": "exited", "code": 0, "signal": null, "limit": null, "reason": ""})
    );
}

#[test]
fn many_memories_count_together() {
    let lab = Lab::new();
    let memories = "(memory 16)".repeat(50);
    let path = wat(
        &lab,
        "many",
        &format!(r#"(module {memories} (func (export "_start")))"#),
    );
    let (ran, record) = record(&lab, &path, &["--limit", "memory=50MiB"]);
    ran.exits(0);
    assert_eq!(peak(&record), 50 * MIB);
    stopped(&lab, &path, &["--limit", "memory=49MiB"], "memory");
}

#[test]
fn memories_of_many_instances_count_together() {
    let lab = Lab::new();
    let text = copies("(memory 16)", 60);
    let path = wat(&lab, "instances", &text);
    let (ran, record) = record(&lab, &path, &["--limit", "memory=60MiB"]);
    ran.exits(0);
    assert_eq!(peak(&record), 60 * MIB);
    stopped(&lab, &path, &["--limit", "memory=59MiB"], "memory");
}

/// A command that instantiates a module with these parts so many times beside its own.
fn copies(parts: &str, count: u32) -> String {
    let run = command(r#"(func (export "run") (result i32) (i32.const 0))"#);
    let mut more = format!("(component (core module $copied {parts})");
    for number in 0..count {
        write!(more, "(core instance $copy{number} (instantiate $copied))").unwrap();
    }
    run.replacen("(component", &more, 1)
}

#[test]
fn a_table_is_memory_too() {
    let lab = Lab::new();
    // A million references at a time, for ever.
    let text = r#"(module (table $t 0 funcref) (func (export "_start")
        (loop $l (br_if $l (i32.ne (table.grow $t (ref.null func) (i32.const 1000000)) (i32.const -1))))))"#;
    let record = stopped(
        &lab,
        &wat(&lab, "table", text),
        &["--limit", "memory=64MiB"],
        "memory",
    );
    let peak = peak(&record);
    assert!((50 * MIB..=64 * MIB).contains(&peak), "{peak} bytes");
    stopped(&lab, &program("bomb-table"), &[], "memory");
}

#[test]
fn tables_and_memories_count_together() {
    let lab = Lab::new();
    // 4 MiB, and half a million references of eight bytes.
    let text = r#"(module (memory 64) (table 524288 funcref) (func (export "_start")))"#;
    let path = wat(&lab, "both", text);
    let (ran, record) = record(&lab, &path, &["--limit", "memory=8MiB"]);
    ran.exits(0);
    assert_eq!(peak(&record), 8 * MIB);
    stopped(&lab, &path, &["--limit", "memory=8191KiB"], "memory");
}

#[test]
fn more_parts_than_a_program_may_be_made_of_are_no_crash() {
    let lab = Lab::new();
    // More instances than a component may have, which is seen when it is compiled.
    let path = wat(&lab, "instances", &copies("", 1_100));
    let ran = unstarted(&lab, &["run", &path]).exits(125);
    ran.says(&["cannot be compiled", "instances"]);
    let lab = Lab::new();
    // More memories and tables than are counted one by one, in instances of which there are not too many.
    for (name, parts) in [
        ("memories", "(memory 0) (memory 0)"),
        ("tables", "(table 0 funcref) (table 0 funcref)"),
    ] {
        let (ran, record) = record(&lab, &wat(&lab, name, &copies(parts, 900)), &[]);
        ran.exits(134);
        let reason = record["outcome"]["reason"].as_str().unwrap();
        assert!(reason.contains("resource limit exceeded"), "{reason}");
        let path = wat(&lab, name, &copies(parts, 400));
        lab.run(&["run", &path]).exits(0);
    }
}

/// Variables of a module are held outside of its memory: here a gibibyte of them, in a program of 400 kB.
#[test]
fn variables_of_many_instances_are_held_to_the_limit_of_memory() {
    let lab = Lab::new();
    let path = wat(
        &lab,
        "variables",
        &copies(
            &"(global (mut v128) (v128.const i64x2 0 0))".repeat(70_000),
            990,
        ),
    );
    stopped(&lab, &path, &["--limit", "wall=20s"], "memory");
}

#[test]
fn recursion_without_end_is_a_trap() {
    let lab = lab();
    for name in BOTH {
        let (ran, record) = record(&lab, &program(name), &["recurse"]);
        ran.exits(134);
        assert_eq!(record["outcome"]["kind"], "trapped", "{record:#}");
        assert!(
            record["outcome"]["reason"]
                .as_str()
                .unwrap()
                .contains("call stack exhausted")
        );
        let deep = lab
            .run(&["run", &program(name), "recurse", "5000"])
            .exits(0);
        assert_eq!(deep.record()["depth"], 5_000);
    }
}

/// Calls into the host from where the program's own stack is nearly at its end.
#[test]
fn a_call_of_the_host_from_the_end_of_the_stack_is_no_crash() {
    let lab = Lab::new();
    let text = r#"(module
        (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 64) "a/b/c/d/../../../x")
        (func $down (param i64 i64 i64 i64)
            (drop (call $open (i32.const 3) (i32.const 1) (i32.const 64) (i32.const 18) (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 32)))
            (call $down (local.get 3) (local.get 2) (local.get 1) (local.get 0)) (call $down (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
        (func (export "_start") (call $down (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4))))"#;
    let path = wat(&lab, "deep", text);
    lab.directory("data/a/b/c/d");
    let (ran, record) = record(&lab, &path, &["--dir", "data::/x::ro"]);
    ran.exits(134);
    assert!(
        record["outcome"]["reason"]
            .as_str()
            .unwrap()
            .contains("call stack exhausted"),
        "{record:#}"
    );
}

/// Of each listing of a directory the engine holds all, and counts a handle.
#[test]
fn what_the_engine_holds_for_a_program_has_an_end_too() {
    let lab = lab();
    let limits = ["--limit", "memory=16MiB", "--limit", "scratch=16MiB"];
    let arguments = [&["mode=list-directories", "arg=/tmp"][..], &limits].concat();
    let (ran, record) = task(&lab, "p2", &arguments);
    assert_eq!(record["outcome"]["limit"], "memory", "{record:#}");
    ran.exits(1);
    let (ran, record) = task(&lab, "p1", &arguments);
    assert_eq!(record["value"]["listings"], 200, "{record:#}");
    ran.exits(0);
}

/// All of its own memory touched, and then one path that is as long as a call may be: the engine copies it.
#[test]
fn a_call_that_hands_over_all_that_it_may_ends_in_an_answer_or_at_a_limit() {
    let lab = Lab::new();
    lab.directory("data");
    let text = r#"(module
        (import "wasi_snapshot_preview1" "path_create_directory" (func $make (param i32 i32 i32) (result i32)))
        (memory (export "memory") 8192)
        (func (export "_start")
            (memory.fill (i32.const 0) (i32.const 97) (i32.const 536870912))
            (drop (call $make (i32.const 3) (i32.const 0) (i32.const 134217727)))))"#;
    let path = wat(&lab, "hands-over", text);
    let (_, record) = record(&lab, &path, &["--dir", "data::/x"]);
    let outcome = &record["outcome"];
    let is_answered = outcome["kind"] == "exited" && outcome["code"] == 0;
    assert!(is_answered || outcome["limit"] == "memory", "{record:#}");
    assert_eq!(std::fs::read_dir(lab.path("data")).unwrap().count(), 0);
}

#[test]
fn words_that_have_no_room_are_a_limit_and_others_arrive() {
    let lab = lab();
    let word = "x".repeat(120_000);
    let arguments = [&["--", "env"][..], &[word.as_str(); 14]].concat();
    let variables = (0..14).map(|number| format!("V{number}={word}"));
    let variables: Vec<String> = variables
        .flat_map(|text| ["--env".to_owned(), text])
        .collect();
    let mut environment: Vec<&str> = variables.iter().map(String::as_str).collect();
    environment.extend(["--", "env"]);
    for name in BOTH {
        for words in [&arguments, &environment] {
            let little = [&["--limit", "memory=2MiB"][..], words].concat();
            stopped(&lab, &program(name), &little, "memory");
            let enough = [&["--limit", "memory=64MiB"][..], words].concat();
            record(&lab, &program(name), &enough).0.exits(0);
        }
        let control = ["--limit", "memory=2MiB", "--", "env"];
        record(&lab, &program(name), &control).0.exits(0);
    }
}

/// The names that a program gives its functions stand in what the engine says of a trap.
#[test]
fn a_trap_is_not_taken_for_a_limit_that_the_program_talks_of() {
    let lab = Lab::new();
    for name in [
        "handle limit exceeded",
        "fuel allocated for hostcalls has been exhausted",
        "requested len exceeds limit",
        "out of memory",
    ] {
        let text = format!(
            r#"(module (func $"{name}" unreachable) (func (export "_start") (call $"{name}")))"#
        );
        let (ran, record) = record(&lab, &wat(&lab, "named", &text), &[]);
        ran.exits(134);
        assert_eq!(record["outcome"]["kind"], "trapped", "{record:#}");
    }
}

#[test]
fn more_random_bytes_than_anyone_needs_are_a_limit() {
    let lab = lab();
    for name in BOTH {
        stopped(&lab, &program(name), &["random"], "memory");
        let some = lab
            .run(&["run", &program(name), "random", "1000000"])
            .exits(0);
        assert_eq!(some.record()["bytes"], 1_000_000);
        let small = lab
            .run(&["run", &program(name), "random-small"])
            .exits(0)
            .record();
        assert_eq!(small["differ"], true);
        assert_ne!(small["bytes"][0], "00".repeat(32));
    }
}

#[test]
fn an_argument_as_large_as_memory_is_a_limit_or_refused() {
    let lab = lab();
    for name in BOTH {
        let mut handed = vec!["path", "write"];
        if name.ends_with("p2") {
            handed.push("name");
        }
        for what in handed {
            // It takes more than half of its address space, and is no further than asking for it.
            for limit in ["memory=512MiB", "memory=16MiB"] {
                stopped(
                    &lab,
                    &program(name),
                    &["--limit", limit, "huge-argument", what],
                    "memory",
                );
            }
        }
    }
}

/// What a program hands to the host in one call is copied there, and so is bounded beside its own memory.
#[test]
fn large_arguments_of_a_program_within_its_memory_take_no_more_of_the_host() {
    let lab = lab();
    let path = format!("(i32.const 65536) (i32.const {})", 60 << 20);
    let text = format!(
        r#"(module
        (import "wasi_snapshot_preview1" "path_create_directory" (func $make (param i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1000)
        (func (export "_start")
            (memory.fill {fill})
            (call $exit (call $make (i32.const 3) {path}))))"#,
        fill = "(i32.const 65536) (i32.const 97) (i32.const 62914560)",
    );
    lab.directory("data");
    let (ran, record) = record(
        &lab,
        &wat(&lab, "long", &text),
        &["--dir", "data", "--limit", "memory=63MiB"],
    );
    let outcome = &record["outcome"];
    let is_error = outcome["kind"] == "exited" && outcome["code"] != 0;
    assert!(is_error || outcome["limit"] == "memory", "{record:#}");
    assert_ne!(ran.code(), 0);
    if let Some(used) = record["usage"]["memory_peak_bytes"].as_u64() {
        assert!(used < 100 * MIB, "{used} bytes");
    }
}

#[test]
fn handles_without_end_are_a_limit() {
    let lab = lab();
    for preview in PREVIEWS {
        for limit in ["files=64", "files=1000"] {
            let (ran, record) = task(&lab, preview, &["mode=open-handles", "--limit", limit]);
            assert_eq!(record["outcome"]["limit"], "files", "{record:#}");
            ran.exits(1);
        }
    }
}

/// In preview 1 a million timers are one argument of one call.
#[test]
fn a_million_timers_are_a_limit() {
    let lab = lab();
    for name in BOTH {
        for limit in ["files=64", "files=1024"] {
            stopped(
                &lab,
                &program(name),
                &["--limit", limit, "subscribe"],
                "files",
            );
        }
        let some = lab
            .run(&["run", &program(name), "subscribe", "500"])
            .exits(0);
        let some = some.record();
        assert_eq!(
            (&some["subscriptions"], &some["error"]),
            (&json!(500), &json!(null))
        );
    }
}

/// Handles that are closed again are none.
#[test]
fn handles_that_are_closed_can_be_had_without_end() {
    let lab = Lab::new();
    lab.directory("data");
    let dir = Arg::Int(FIRST_DIR);
    let open = [
        dir,
        Arg::Int(0),
        Arg::Text("file"),
        Arg::Int(CREATE),
        Arg::Long(WRITE),
        Arg::Long(WRITE),
        Arg::Int(0),
        Arg::Into(0),
    ];
    let script = Script::new()
        .repeat(3_000, |script| {
            script
                .quietly("path_open", &open)
                .quietly("fd_close", &[Arg::Slot(0)])
        })
        .call("once more", "path_open", &open);
    let ran = lab
        .run(&[
            "run",
            &script.build(&lab, "opens"),
            "--dir",
            "data",
            "--limit",
            "files=70",
        ])
        .exits(0);
    assert_eq!(told(&ran), [("once more".to_owned(), "done")]);
}

#[test]
fn output_without_end_is_a_limit_and_what_came_before_is_kept() {
    let lab = lab();
    for name in BOTH {
        for (mode, stream) in [("flood-stdout", "stdout"), ("flood-stderr", "stderr")] {
            let record = stopped(
                &lab,
                &program(name),
                &["--limit", "output=256KiB", mode],
                "output",
            );
            assert_eq!(
                (&record[stream]["bytes"], &record[stream]["truncated"]),
                (&json!(256 << 10), &json!(true))
            );
        }
        let ran = lab.run(&[
            "run",
            &program(name),
            "--limit",
            "output=256KiB",
            "flood-stdout",
        ]);
        assert_eq!(ran.exits(137).stdout.len(), 256 << 10);
    }
}
