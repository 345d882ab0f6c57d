//! How a program ends is how `host` ends, and what ends it otherwise has a number of its own.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::script::Script;
use super::{BOTH, command, configure, lab, program, wat};
use crate::lab::{Host, Lab, Live, cgroups_of};

#[track_caller]
fn outcome(lab: &Lab, arguments: &[&str]) -> Value {
    lab.record(arguments)["outcome"].clone()
}

#[test]
fn the_exit_code_is_the_programs_own() {
    let lab = lab();
    let path = program("misbehave-p1");
    for code in [0, 1, 2, 7, 42, 124, 125] {
        let ran = lab
            .run(&["run", &path, "exit", &code.to_string()])
            .exits(code);
        assert_eq!((ran.text(), ran.stderr.as_str()), (String::new(), ""));
        let expected =
            json!({"kind": "exited", "code": code, "signal": null, "limit": null, "reason": ""});
        assert_eq!(outcome(&lab, &[&path, "exit", &code.to_string()]), expected);
    }
    let path = program("misbehave-p2");
    for (code, expected) in [(0, 0), (1, 1), (42, 1)] {
        lab.run(&["run", &path, "exit", &code.to_string()])
            .exits(expected);
    }
}

#[test]
fn a_program_that_returns_is_done() {
    let lab = Lab::new();
    let module = wat(&lab, "module", r#"(module (func (export "_start")))"#);
    lab.run(&["run", &module]).exits(0);
    let answer = |code| format!(r#"(func (export "run") (result i32) (i32.const {code}))"#);
    for code in [0, 1] {
        let component = wat(&lab, "component", &command(&answer(code)));
        lab.run(&["run", &component]).exits(code);
    }
}

#[test]
fn a_trap_is_134_and_says_what_and_where() {
    let lab = lab();
    for name in BOTH {
        for mode in ["trap", "abort"] {
            let ran = lab.run(&["run", &program(name), mode]).exits(134);
            ran.says(&["trapped", "unreachable", "wasm backtrace"]);
            let outcome = outcome(&lab, &[&program(name), mode]);
            assert_eq!(outcome["kind"], "trapped");
            assert!(
                outcome["reason"].as_str().unwrap().contains("unreachable"),
                "{outcome}"
            );
        }
    }
}

#[test]
fn every_kind_of_trap_is_named() {
    let lab = Lab::new();
    for (name, body, said) in [
        (
            "divides",
            "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
            "divide by zero",
        ),
        (
            "reads",
            "(drop (i32.load (i32.const -8)))",
            "out of bounds memory access",
        ),
        (
            "calls",
            "(call_indirect (i32.const 0))",
            "uninitialized element",
        ),
        (
            "overflows",
            "(drop (i32.trunc_f32_s (f32.const 1e30)))",
            "integer overflow",
        ),
    ] {
        let text = format!(
            r#"(module (memory (export "memory") 1) (table 1 funcref) (func (export "_start") {body}))"#
        );
        let path = wat(&lab, name, &text);
        lab.run(&["run", &path]).exits(134).says(&[said]);
    }
}

#[test]
fn limits_end_with_numbers_of_their_own() {
    let lab = lab();
    for name in BOTH {
        let path = program(name);
        for (mode, limit, code) in [
            ("sleep-forever", "wall=200ms", 124),
            ("grow", "memory=16MiB", 137),
            ("flood-stdout", "output=64KiB", 137),
        ] {
            let ran = lab.run(&["run", &path, "--limit", limit, mode]).exits(code);
            let name = limit.split('=').next().unwrap();
            let said = format!("stopped by limit `{name}`");
            ran.says(&[&said, "nothing of it is left"]).hints("--limit");
        }
        let ran = lab.run(&["run", &path, "--timeout", "200ms", "sleep-forever"]);
        ran.exits(124);
    }
}

#[test]
fn compiling_takes_none_of_the_programs_own_time() {
    let lab = Lab::new();
    let since = Instant::now();
    lab.run(&["run", &program("bomb-function"), "--limit", "wall=1s"])
        .exits(0);
    assert!(
        since.elapsed() > Duration::from_secs(1),
        "it takes no time to compile"
    );
}

#[test]
fn a_limit_that_is_none_or_above_the_ceiling_runs_nothing() {
    let lab = lab();
    let path = program("misbehave-p1");
    for wrong in ["wall=soon", "patience=1", "wall", "memory=-1"] {
        lab.run(&["run", &path, "--limit", wrong, "env"]).exits(125);
    }
    let twice = ["run", &path, "--limit", "wall=1s", "--timeout", "2s", "env"];
    lab.run(&twice).exits(125).says(&["`wall`"]);
    configure(&lab, "[ceilings]\nmemory = \"64MiB\"\n");
    lab.run(&["run", &path, "--limit", "memory=65MiB", "env"])
        .exits(125)
        .says(&["`memory`", "ceiling"]);
    assert!(lab.events().is_empty());
}

/// Whoever started `host` may have less room for addresses than the engine reserves before it runs anything.
#[test]
fn a_caller_without_room_for_the_engine_is_told_so_and_of_no_trap() {
    let lab = lab();
    let script = "ulimit -v 2000000; exec \"$@\"";
    for name in BOTH {
        let ran = Host::by_shell(&lab, script, &["run", &program(name), "exit", "0"]).run();
        ran.never_says("trapped").exits(125).says(&["memory"]);
    }
}

/// A program that says `up` and then waits for ever, in one call of the host.
fn waiting(lab: &Lab) -> Live<'_> {
    let forever = Script::new().warn("up\n").pause(i64::MAX);
    let path = forever.build(lab, "waits");
    let mut live = lab.host(&["run", &path]).start();
    live.hears("up\n");
    live
}

#[test]
fn an_interrupt_ends_a_program_and_leaves_nothing() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let lab = Lab::new();
        let live = waiting(&lab);
        live.signal(signal);
        let ran = live.end().exits(code);
        ran.says(&["interrupted", "nothing of it is left running"]);
        assert_eq!(lab.events(), ["intended", "finished"]);
        let record = &lab.journal()[1]["record"];
        assert_eq!(record["outcome"]["kind"], "cancelled", "{record}");
        assert_eq!(record["stderr"]["text"], "up\n");
    }
}

#[test]
fn a_program_goes_with_the_host_that_is_killed() {
    let lab = Lab::new();
    let live = waiting(&lab);
    live.signal(Signal::KILL);
    // Asserts that no process, mount or control group is left.
    live.end_unsettled().exits(-9);
    let run = lab.journal()[0]["run"].as_str().unwrap().to_owned();
    assert!(cgroups_of(&[run]).is_empty());
}
