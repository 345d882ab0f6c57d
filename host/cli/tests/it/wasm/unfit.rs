//! What is no program, or none that runs here: one error that says what is wrong, one exit code, and nothing started.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::{command, lab, program, unstarted, wat};
use crate::lab::{Host, Lab, Ran, guests, is_root};

/// Asserts that a program was not run, with one error that says each of `texts`.
#[track_caller]
fn unfit(lab: &Lab, path: &str, texts: &[&str]) -> Ran {
    let ran = unstarted(lab, &["run", path]).exits(125).says(&["error:"]);
    assert_eq!(ran.text(), "", "{path}");
    let errors = ran.stderr.lines().filter(|line| line.starts_with("error:"));
    assert_eq!(errors.count(), 1, "{}", ran.stderr);
    ran.says(texts)
        .never_says("panicked")
        .never_says("bug in host")
}

/// Asserts that something was not even taken for a program, with one error that says each of `texts`.
#[track_caller]
fn refused(lab: &Lab, path: &str, texts: &[&str]) {
    let ran = lab.run(&["run", path]).says(&["error:"]).says(texts);
    assert_eq!(ran.text(), "", "{path}");
    assert!(lab.events().is_empty());
    ran.exits(125);
}

#[test]
fn what_is_not_there_is_not_run() {
    let lab = Lab::new();
    symlink("nowhere", lab.path("dangling.wasm")).unwrap();
    for name in ["missing.wasm", "dangling.wasm"] {
        refused(&lab, &lab.path(name), &[name]);
    }
}

#[test]
fn a_directory_with_the_name_of_a_program_is_not_run() {
    let lab = Lab::new();
    let path = lab.directory("directory.wasm");
    refused(&lab, &path, &["directory.wasm"]);
}

#[test]
fn a_file_that_may_not_be_read_is_not_run() {
    let lab = Lab::new();
    let path = wat(
        &lab,
        "private",
        r#"(module (func (export "_start") unreachable))"#,
    );
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if is_root() {
        lab.run(&["run", &path]).exits(134);
    } else {
        refused(&lab, &path, &["private.wasm"]);
    }
}

#[test]
fn what_does_not_begin_as_webassembly_is_told_so() {
    let lab = Lab::new();
    for (name, bytes, said) in [
        ("empty", &b""[..], "it is empty"),
        ("short", b"\0as", "it does not begin with `asm`"),
        (
            "shell",
            b"#!/bin/sh\necho ran\n",
            "it does not begin with `asm`",
        ),
        (
            "elf",
            b"\x7fELF\x02\x01\x01",
            "it does not begin with `asm`",
        ),
        ("cut", b"\0asm\x01\0\0", "cut short"),
        ("later", b"\0asm\x02\0\0\0", "version"),
        ("layer", b"\0asm\x0e\0\x01\0", "version"),
        ("old", b"\0asm\x0a\0\x01\0", "version"),
    ] {
        let path = lab.write(&format!("{name}.wasm"), bytes);
        unfit(&lab, &path, &[said, &format!("{name}.wasm")]);
    }
}

#[test]
fn webassembly_as_text_is_told_how_to_become_a_program() {
    let lab = Lab::new();
    for text in ["(module (func (export \"_start\")))", "\n  (component)"] {
        let path = lab.write("text.wasm", text);
        unfit(&lab, &path, &["written as text"]).hints("wasm-tools parse");
    }
}

#[test]
fn a_library_and_a_component_that_is_no_command_are_told_so() {
    let lab = Lab::new();
    for (name, text, said) in [
        ("bare", "(module)", "no function `_start`"),
        (
            "library",
            r#"(module (func (export "add") (result i32) (i32.const 1)))"#,
            "no function `_start`",
        ),
        (
            "takes",
            r#"(module (func (export "_start") (param i32)))"#,
            "no function `_start`",
        ),
        (
            "memory",
            r#"(module (memory (export "_start") 1))"#,
            "no function `_start`",
        ),
        ("component", "(component)", "no `wasi:cli/run`"),
    ] {
        let path = wat(&lab, name, text);
        unfit(&lab, &path, &[said, "no command"]).hints("build");
    }
    // Another version of the same interface.
    let text = command(r#"(func (export "run") (result i32) (i32.const 0))"#);
    let path = wat(&lab, "later", &text.replace("run@0.2.0", "run@0.3.0"));
    unfit(&lab, &path, &["no `wasi:cli/run` of WASI 0.2"]);
}

/// What only looked like a command was found out when it was called, and had trapped.
#[test]
fn what_cannot_be_called_as_a_command_is_not_started() {
    let lab = Lab::new();
    let text = command(r#"(func (export "run") (result i32) (i32.const 0))"#);
    for (name, edited) in [
        ("bare", text.replace("wasi:cli/run@0.2.0", "wasi:cli/run")),
        (
            "early",
            text.replace("run@0.2.0", "run@0.2.0-rc-2023-11-10"),
        ),
        (
            "other",
            text.replace(
                r#"(export "run" (func $run))"#,
                r#"(export "x" (func $run))"#,
            ),
        ),
        ("number", text.replace("(result (result))", "(result u32)")),
    ] {
        assert_ne!(edited, text, "{name}");
        let path = wat(&lab, name, &edited);
        unfit(&lab, &path, &["no `wasi:cli/run` of WASI 0.2"]);
    }
    lab.run(&["run", &wat(&lab, "command", &text)]).exits(0);
}

/// What is too large to be compiled was taken for a fault of this machine, and `bundle warm` compiled it all the same.
#[test]
fn a_program_that_is_too_large_is_told_so() {
    let lab = Lab::new();
    let large =
        std::fs::File::create_new(lab.write("module/tasks/init.wasm", "") + ".new").unwrap();
    large.set_len((256 << 20) + 1).unwrap();
    std::fs::rename(
        lab.path("module/tasks/init.wasm.new"),
        lab.path("module/tasks/init.wasm"),
    )
    .unwrap();
    let module = lab.path("module");
    let ran = unstarted(&lab, &["run", &module]).exits(1);
    ran.says(&["init.wasm", "longer than 268435456 bytes"]);
    let ran = lab.run(&["bundle", "warm", &module]).exits(1);
    assert!(
        ran.text().contains("longer than 268435456 bytes"),
        "{}",
        ran.text()
    );
}

/// A failure of ours had the exit code that failures of tasks have.
#[test]
fn without_room_for_its_keeper_a_program_is_not_run() {
    let lab = Lab::new();
    let path = wat(&lab, "command", r#"(module (func (export "_start")))"#);
    // No limit of processes holds root.
    if is_root() {
        return;
    }
    let script = "exec bash -c 'ulimit -u 1; exec \"$@\"' sh \"$@\"";
    let ran = Host::by_shell(&lab, script, &["run", &path]).run();
    ran.says(&["error: cannot start a keeper"]).exits(125);
    // Help needs none.
    let ran = Host::by_shell(&lab, script, &["run", &path, "--help"]).run();
    ran.exits(0);
    assert!(lab.events().is_empty());
}

#[test]
fn imports_that_nothing_provides_are_named_with_what_helps() {
    let lab = Lab::new();
    for (module, said, hint) in [
        ("env", "`env`", "wasm32-wasip1"),
        ("wasi_unstable", "`wasi_unstable`", "preview 0"),
        ("wasi_snapshot_preview2", "`wasi_snapshot_preview2`", "WASI"),
        ("gojs", "`gojs`", "another host"),
    ] {
        let text = format!(r#"(module (import "{module}" "f" (func)) (func (export "_start")))"#);
        let path = wat(&lab, "imports", &text);
        unfit(&lab, &path, &[said, "which nothing here provides"]).hints(hint);
    }
    for (interface, said) in [
        (
            "wasi:http/outgoing-handler@0.2.0",
            "`http.request:METHOD https://host/prefix`",
        ),
        (
            "wasi:http/types@0.2.6",
            "`http.request:METHOD https://host/prefix`",
        ),
        (
            "wasi:keyvalue/store@0.2.0-draft",
            "`wasi:keyvalue/store@0.2.0-draft`",
        ),
        ("wasi:cli/environment@0.3.0", "of another version than 0.2"),
        ("wasi:nn/tensor@0.2.0", "`wasi:nn/tensor@0.2.0`"),
    ] {
        let path = wat(
            &lab,
            "imports",
            &format!(r#"(component (import "{interface}" (instance)))"#),
        );
        unfit(&lab, &path, &[said]);
    }
}

/// A program of the right interfaces that wants of them what they do not have trapped, and was not told why.
#[test]
fn a_function_that_no_interface_has_is_no_trap() {
    let lab = Lab::new();
    let start = r#"(func (export "_start"))"#;
    let module =
        |import: &str| format!("(module (import \"wasi_snapshot_preview1\" {import}) {start})");
    let component =
        r#"(component (import "wasi:cli/nonsense@0.2.0" (instance (export "f" (func)))) "#;
    let run = command(r#"(func (export "run") (result i32) (i32.const 0))"#);
    for (name, text) in [
        ("missing", module(r#""fd_frobnicate" (func)"#)),
        (
            "mistyped",
            module(r#""fd_close" (func (param i64) (result i32))"#),
        ),
        ("component", run.replacen("(component", component, 1)),
    ] {
        let path = wat(&lab, name, &text);
        unfit(&lab, &path, &["import"]).never_says("trapped");
    }
}

#[test]
fn threads_wide_memories_and_collection_are_not_compiled() {
    let lab = Lab::new();
    for (name, part) in [
        ("threads", "(memory 1 1 shared)"),
        ("import", r#"(import "env" "memory" (memory 1 1 shared))"#),
        ("wide", "(memory i64 1)"),
        ("wide-table", "(table i64 1 funcref)"),
        ("collection", "(type (struct (field i32)))"),
        ("array", "(type (array i8))"),
        ("foreign", "(table 1 externref)"),
        ("exceptions", "(tag)"),
        ("stacks", "(type $f (func)) (type (cont $f))"),
    ] {
        let path = wat(
            &lab,
            name,
            &format!(r#"(module {part} (func (export "_start")))"#),
        );
        unfit(&lab, &path, &["cannot be compiled"]);
    }
}

#[test]
fn what_is_wrong_inside_is_told_with_its_place() {
    let lab = Lab::new();
    let good = wat::parse_str(r#"(module (func (export "_start") i32.const 1 drop))"#).unwrap();
    let mut wrong = good.clone();
    let last = wrong.len() - 2;
    wrong[last] = 0xff;
    let path = lab.write("wrong.wasm", wrong);
    unfit(&lab, &path, &["cannot be compiled", "offset"]);
    let trailing = lab.write("trailing.wasm", [good, b"junk".to_vec()].concat());
    unfit(&lab, &trailing, &["cannot be compiled", "offset"]);
}

/// What a terminal obeys, and what turns a line around.
const EVIL: &str = r"\1b[2J\u{202e}evil";

/// Asserts that a program does not run, and that what it calls things is shown and not obeyed.
#[track_caller]
fn is_told_safely(text: &str) {
    let lab = Lab::new();
    let ran = unfit(&lab, &wat(&lab, "evil", text), &["evil"]);
    assert!(
        !ran.stderr.contains(['\u{1b}', '\u{202e}']),
        "{:?}",
        ran.stderr
    );
}

#[test]
fn names_of_a_stranger_do_not_reach_the_terminal_as_they_are() {
    is_told_safely(&format!(
        r#"(module (import "{EVIL}" "f" (func)) (func (export "_start")))"#
    ));
    is_told_safely(&format!(
        r#"(module (func (export "_start")) (func (export "{EVIL}")) (func (export "{EVIL}")))"#
    ));
}

/// The name of a function that is not there is part of the reason for not running, and was printed as it is.
#[test]
fn the_name_of_an_import_does_not_reach_the_terminal_as_it_is() {
    let import = format!(r#"(import "wasi_snapshot_preview1" "{EVIL}" (func))"#);
    is_told_safely(&format!(r#"(module {import} (func (export "_start")))"#));
}

#[test]
fn a_program_cut_anywhere_never_crashes_hangs_or_half_runs() {
    let whole = fs::read(guests().join("checksum/tasks/init.wasm")).unwrap();
    cut(&whole, 97);
}

#[test]
fn a_component_cut_anywhere_never_crashes_hangs_or_half_runs() {
    let whole = fs::read(program("misbehave-p2")).unwrap();
    cut(&whole, 4_999);
}

/// Runs the first bytes of a program, for each multiple of `step`.
#[track_caller]
fn cut(whole: &[u8], step: usize) {
    let lab = lab();
    let path = lab.path("cut.wasm");
    for length in (0..whole.len()).step_by(step) {
        lab.write("cut.wasm", &whole[..length]);
        let live = lab.host(&["--output", "json", "run", &path]).start();
        let ran = live.end_swept_later();
        let said = ran.record();
        let outcome = &said["outcome"];
        // Cut where a section ends it may be whole, and then it runs to its own end.
        let expected = match outcome["kind"].as_str() {
            Some("could-not-start") => 125,
            Some("exited") => outcome["code"].as_i64().unwrap(),
            _ => panic!("{length}: {said}"),
        };
        assert_eq!(i64::from(ran.code()), expected, "{length}: {said}");
        assert_eq!(
            ran.stderr.matches("panicked").count(),
            0,
            "{length}: {}",
            ran.stderr
        );
    }
    // Asserts, once for all of them, that nothing is left.
    lab.write("cut.wasm", "");
    unfit(&lab, &path, &["it is empty"]);
}

#[test]
fn errors_are_data_too() {
    let lab = Lab::new();
    let path = lab.write("empty.wasm", "");
    let ran = unstarted(&lab, &["--output", "json", "run", &path]).exits(125);
    assert_eq!(ran.record(), lab.journal()[0]["record"]);
    assert_eq!(ran.record()["outcome"]["reason"], "it is empty");
    assert_eq!(ran.stderr, "");
    let ran = unstarted(&lab, &["--output", "jsonl", "run", &path]).exits(125);
    assert_eq!(ran.record()["record"], lab.journal()[1]["record"]);
    let missing = lab.path("missing.wasm");
    let ran = lab
        .host(&["--output", "json", "run", &missing])
        .start()
        .end_unsettled();
    let said = ran.exits(125).record();
    assert_eq!(
        (&said["format"], &said["error"]["exit"]),
        (&"host.error/1".into(), &125.into())
    );
}

#[test]
fn a_program_is_known_by_its_first_bytes_whatever_it_is_called() {
    let lab = lab();
    let bytes = fs::read(program("misbehave-p1")).unwrap();
    for name in ["program", "program.bin", "program.tar"] {
        let path = lab.write(name, &bytes);
        lab.run(&["run", &path, "exit", "42"]).exits(42);
    }
    symlink(lab.path("program"), lab.path("link")).unwrap();
    lab.run(&["run", &lab.path("link"), "exit", "42"]).exits(42);
}
