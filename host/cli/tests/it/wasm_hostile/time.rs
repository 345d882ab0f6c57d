//! Programs that do not end: with work of their own, with work of the host's, or with none.

use serde_json::json;

use super::{BOTH, PATIENCE, PREVIEWS, program, record, stopped, task};
use crate::lab::Lab;
use crate::wasm::{command, lab, wat};

#[test]
fn a_program_that_never_ends_ends_with_its_time() {
    let lab = lab();
    for name in BOTH {
        for mode in ["spin", "poll-busy", "sleep-forever"] {
            let record = stopped(
                &lab,
                &program(name),
                &["--limit", "wall=500ms", mode],
                "wall",
            );
            let runtime = record["runtime"].as_f64().unwrap();
            assert!((0.5..4.0).contains(&runtime), "{name} {mode}: {runtime} s");
        }
    }
}

#[test]
fn a_task_that_never_ends_ends_with_its_time() {
    let lab = lab();
    for preview in PREVIEWS {
        let (ran, record) = task(&lab, preview, &["mode=poll-busy", "--limit", "wall=400ms"]);
        assert_eq!(record["outcome"]["limit"], "wall", "{record:#}");
        assert_eq!(record["value"]["_error"]["kind"], "host/limit");
        assert!(ran.exits(1).took < PATIENCE);
    }
}

/// For root and for an ordinary user alike: it is one process, which the kernel counts exactly.
#[test]
fn a_busy_program_ends_with_its_cpu_time() {
    let lab = lab();
    for name in BOTH {
        // The second burns it in the host, in calls that come back at once.
        for mode in ["spin", "poll-busy"] {
            let limits = ["--limit", "cpu=500ms", "--limit", "wall=20s", mode];
            let record = stopped(&lab, &program(name), &limits, "cpu");
            let used = record["usage"]["cpu_ms"].as_u64().unwrap();
            assert!((450..2_500).contains(&used), "{name} {mode}: {used} ms");
        }
    }
}

#[test]
fn a_program_that_only_waits_uses_up_no_cpu_time() {
    let lab = lab();
    for name in BOTH {
        let limits = [
            "--limit",
            "wall=500ms",
            "--limit",
            "cpu=300ms",
            "sleep-forever",
        ];
        let record = stopped(&lab, &program(name), &limits, "wall");
        assert!(
            record["usage"]["cpu_ms"].as_u64().unwrap() < 300,
            "{record:#}"
        );
    }
}

const ENDLESS: &str = "(loop $l (br $l))";

/// Code that is run before the program itself is called.
#[test]
fn what_runs_while_a_program_is_made_is_held_to_its_limits_too() {
    let lab = Lab::new();
    let module = format!(r#"(module (func $f {ENDLESS}) (start $f) (func (export "_start")))"#);
    let path = wat(&lab, "module", &module);
    stopped(&lab, &path, &["--limit", "wall=300ms"], "wall");
    let module = format!(
        r#"(func $f {ENDLESS}) (start $f) (func (export "run") (result i32) (i32.const 0))"#
    );
    let path = wat(&lab, "component", &command(&module));
    stopped(&lab, &path, &["--limit", "wall=300ms"], "wall");
}

/// One instruction that works for a long time: nothing inside the program is looked at in between.
#[test]
fn one_instruction_that_takes_long_is_ended_in_its_midst() {
    let lab = Lab::new();
    let body = "(memory.fill (i32.const 0) (i32.const 1) (i32.const 0x10000000)) (memory.copy (i32.const 0) (i32.const 8) (i32.const 0x0ffffff0)) (br $l)";
    let text = format!(r#"(module (memory 4096) (func (export "_start") (loop $l {body})))"#);
    let path = wat(&lab, "fills", &text);
    stopped(&lab, &path, &["--limit", "wall=500ms"], "wall");
}

#[test]
fn an_endless_program_prints_what_it_printed() {
    let lab = lab();
    let text = r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "\08\00\00\00\06\00\00\00begun\0a")
        (func (export "_start")
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
            (loop $l (br $l))))"#;
    let path = wat(&lab, "begins", text);
    let ran = lab.run(&["run", &path, "--limit", "wall=400ms"]).exits(124);
    assert_eq!(ran.text(), "begun\n");
    let (_, record) = record(&lab, &path, &["--limit", "wall=400ms"]);
    assert_eq!(record["stdout"], json!({"bytes": 6, "truncated": false}));
}
