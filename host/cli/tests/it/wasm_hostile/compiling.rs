//! Programs that are hard on the compiler.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::program;
use crate::lab::{Lab, Live};
use crate::wasm::{command, configure, wat};

/// A process, and when it was started: numbers of processes are used again.
type Process = (i32, String);

/// All that descends from a process.
fn descendants(pid: i32) -> Vec<Process> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let children = children
        .split_whitespace()
        .map(|child| child.parse().unwrap());
    children
        .flat_map(|child: i32| {
            let own = field(child, STARTED).map(|started| (child, started));
            own.into_iter().chain(descendants(child))
        })
        .collect()
}

/// Fields of what the kernel says of a process, counted from its state on: the time that it has had, and its start.
const STATE: usize = 0;
const USER_TICKS: usize = 11;
const STARTED: usize = 19;

fn field(pid: i32, number: usize) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(number).map(str::to_owned)
}

/// A `host` that compiles for more than a minute, with all of its processes.
fn compiling(lab: &Lab) -> (Live<'_>, Vec<Process>) {
    let mut live = lab.host(&["run", &program("bomb-locals")]).start();
    let since = Instant::now();
    loop {
        let all = descendants(live.pid().as_raw_nonzero().get());
        let ticks = |(pid, _): &Process| field(*pid, USER_TICKS).unwrap_or_default();
        // A tenth of a second is more than any other of them has to do.
        if all
            .iter()
            .any(|process| ticks(process).parse::<u32>().is_ok_and(|ticks| ticks > 10))
        {
            return (live, all);
        }
        assert!(
            live.lives() && since.elapsed() < super::PATIENCE,
            "nothing is compiled"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Asserts that none of these is left, except as what its parent has not looked at yet.
#[track_caller]
fn all_are_gone(processes: &[Process]) {
    let since = Instant::now();
    for (pid, started) in processes {
        while field(*pid, STARTED).as_ref() == Some(started)
            && field(*pid, STATE).as_deref() != Some("Z")
        {
            assert!(
                since.elapsed() < super::PATIENCE,
                "process {pid} of the compiler lives"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn an_interrupt_while_compiling_ends_that_and_leaves_nothing() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let lab = Lab::new();
        let (live, processes) = compiling(&lab);
        live.signal(signal);
        let ran = live.end().exits(code).says(&["interrupted"]);
        assert!(ran.took < super::PATIENCE, "it took {:?}", ran.took);
        all_are_gone(&processes);
        assert!(lab.events().is_empty(), "{:?}", lab.events());
        assert!(lab.files("home/cache").is_empty() && lab.spooled().is_empty());
    }
}

#[test]
fn a_compiler_goes_with_the_host_that_is_killed() {
    let lab = Lab::new();
    let (live, processes) = compiling(&lab);
    live.signal(Signal::KILL);
    live.end_unsettled().exits(-9);
    all_are_gone(&processes);
    // The next run finds nothing that is in its way.
    let small = wat(&lab, "small", r#"(module (func (export "_start")))"#);
    lab.run(&["run", &small]).exits(0);
    assert_eq!(lab.files("home/cache/compiled").len(), 1);
}

#[test]
fn a_program_that_compiles_for_too_long_is_stopped_by_the_ceiling() {
    let lab = Lab::new();
    ceiling(&lab, "wall", "2s");
    let (live, processes) = compiling(&lab);
    let ran = live.end_unsettled().exits(125);
    let ran = ran.says(&["limit `wall`", "(2s)", "compiling"]);
    assert!(ran.took < super::PATIENCE, "it took {:?}", ran.took);
    all_are_gone(&processes);
    assert!(
        lab.files("home/cache").is_empty(),
        "something of it was kept"
    );
}

/// Settings under which compiling has no more than this of a limit.
fn ceiling(lab: &Lab, limit: &str, value: &str) {
    let line = format!("{limit} = \"{value}\"\n");
    configure(lab, &format!("[limits]\n{line}\n[ceilings]\n{line}"));
}

/// Asserts that a program is compiled and runs, or is refused for what it is or by a limit of compiling; gives why.
#[track_caller]
fn contained(lab: &Lab, path: &str) -> Option<String> {
    let live = lab.host(&["--output", "json", "run", path]).start();
    let ran = live.end_unsettled();
    let outcome = ran.record()["outcome"].clone();
    assert!(ran.took < super::PATIENCE, "it took {:?}", ran.took);
    if ran.code() == 0 {
        assert_eq!(outcome["kind"], "exited", "{outcome}");
        return None;
    }
    assert_eq!(ran.code(), 125, "{outcome}");
    assert_eq!(outcome["kind"], "could-not-start", "{outcome}");
    let reason = outcome["reason"].as_str().unwrap();
    let expected = ["it cannot be compiled: ", "compiling it passed the limit "];
    assert!(
        expected.iter().any(|start| reason.starts_with(start)),
        "{reason}"
    );
    Some(reason.to_owned())
}

/// What a component begins with.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// The section of a component that holds a component, which holds one, and so on.
fn nested(depth: usize) -> Vec<u8> {
    let mut fronts = Vec::with_capacity(depth);
    let mut length = COMPONENT.len();
    for _ in 0..depth {
        let mut front = vec![4];
        leb(&mut front, length);
        length += front.len() + COMPONENT.len();
        fronts.push(front);
    }
    // The outermost is the section alone; whoever it is put into begins otherwise.
    let parts = fronts
        .iter()
        .rev()
        .flat_map(|front| [front.as_slice(), COMPONENT]);
    parts.collect::<Vec<_>>().concat()
}

/// A command that holds so many components in each other is run, or refused as a program that cannot be.
#[test]
fn components_that_are_nested_crash_nothing() {
    let lab = Lab::new();
    let run = wat::parse_str(command(
        r#"(func (export "run") (result i32) (i32.const 0))"#,
    ))
    .unwrap();
    ceiling(&lab, "memory", "512MiB");
    for depth in [1, 50, 1_000, 20_000, 100_000] {
        let path = lab.write("nested.wasm", [run.clone(), nested(depth)].concat());
        let refused = contained(&lab, &path);
        assert!(depth > 1 || refused.is_none(), "{refused:?}");
    }
}

fn leb(bytes: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

#[test]
fn blocks_that_are_nested_without_end_crash_nothing() {
    let lab = Lab::new();
    // `block` and `end`, as bytes: 100,000 of each in one function.
    let count = 100_000;
    ceiling(&lab, "wall", "2s");
    let mut body = vec![0];
    body.extend([0x02, 0x40].repeat(count));
    body.extend([0x0b].repeat(count + 1));
    let path = lab.write("blocks.wasm", module_of(&body));
    contained(&lab, &path);
}

/// A module whose `_start` has this body.
fn module_of(body: &[u8]) -> Vec<u8> {
    let mut bytes =
        b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x07\x0a\x01\x06_start\0\0\x0a".to_vec();
    let mut code = vec![1];
    leb(&mut code, body.len());
    code.extend(body);
    leb(&mut bytes, code.len());
    bytes.extend(code);
    bytes
}

#[test]
fn numbers_of_parts_that_are_lies_crash_nothing() {
    let lab = Lab::new();
    // Sections that promise 2^32 - 1 entries: types, imports, functions, tables, memories, globals, exports, code, data.
    for section in [1_u8, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12] {
        let mut bytes = b"\0asm\x01\0\0\0".to_vec();
        bytes.extend([section, 5, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert!(contained(&lab, &lab.write("lies.wasm", bytes)).is_some());
    }
    for kind in 0..12_u8 {
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        bytes.extend([kind, 5, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert!(contained(&lab, &lab.write("lies.wasm", bytes)).is_some());
    }
}

#[test]
fn many_functions_and_types_are_compiled_or_refused_within_limits() {
    let lab = Lab::new();
    let mut text = String::from("(module ");
    for number in 0..20_000 {
        write!(text, "(func (result i32) (i32.const {number}))").unwrap();
    }
    text.push_str(r#"(func (export "_start")))"#);
    lab.run(&["run", &wat(&lab, "functions", &text)]).exits(0);
    // A type that holds the one before it twice doubles with each: 2^40 parts if it is ever written out.
    let mut types = String::from("(type $t0 (tuple u8 u8))");
    for number in 1..40 {
        let before = number - 1;
        write!(types, "(type $t{number} (tuple $t{before} $t{before}))").unwrap();
    }
    let run = command(r#"(func (export "run") (result i32) (i32.const 0))"#);
    let path = wat(
        &lab,
        "types",
        &run.replacen("(component", &format!("(component {types}"), 1),
    );
    contained(&lab, &path);
}

#[test]
fn the_compiler_has_no_more_than_the_ceiling_of_memory() {
    let lab = Lab::new();
    ceiling(&lab, "memory", "64MiB");
    let refused = contained(&lab, &program("bomb-function")).unwrap();
    assert!(refused.contains("limit `memory` (64MiB)"), "{refused}");
    let small = wat(&lab, "small", r#"(module (func (export "_start")))"#);
    assert_eq!(contained(&lab, &small), None);
}
