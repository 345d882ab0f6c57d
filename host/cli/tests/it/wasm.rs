//! WASI programs as they are, and tasks that are WASI programs: what they are given, what they give back, what is wrong
//! with them, and what is kept of them.
//!
//! The larger programs are those of guest-examples/, from `cargo xtask guests`; the small ones are written here as text.
//! What a program does on purpose that it should not is in `wasm_hostile`.

pub(crate) mod script;

mod cache;
mod directories;
mod endings;
mod records;
mod streams;
mod tasks;
mod unfit;
mod words;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::LazyLock;

use crate::lab::{Lab, Ran, guests};

/// The guests whose compiling takes long enough to be done once for all tests.
const LARGE: [&str; 2] = ["misbehave-p1", "misbehave-p2"];

/// The same misbehaviour for both previews.
pub(crate) const BOTH: [&str; 2] = ["misbehave-p1", "misbehave-p2"];

/// What `host` keeps to know its own machine code by, below its home.
const KEY: &str = "state/compiled.key";
/// Where that code lies, below the same.
const COMPILED: &str = "cache/compiled";

/// A file below the home of `host`, with what it holds.
type Kept = (String, Vec<u8>);

/// The path of a bare program among the guests.
#[track_caller]
pub(crate) fn program(name: &str) -> String {
    let path = guests().join(format!("programs/{name}.wasm"));
    path.to_str().unwrap().to_owned()
}

/// A lab in which the larger guests have been run before, so that none of them is compiled again.
pub(crate) fn lab() -> Lab {
    static COMPILED_ONCE: LazyLock<Vec<Kept>> = LazyLock::new(compile_once);
    let lab = Lab::new();
    for (below, bytes) in COMPILED_ONCE.iter() {
        let path = lab.write(&format!("home/{below}"), bytes);
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    for below in ["", "/state", "/cache", "/cache/compiled"] {
        let path = lab.path(&format!("home{below}"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
    }
    lab
}

fn compile_once() -> Vec<Kept> {
    let lab = Lab::new();
    for name in LARGE {
        lab.run(&["run", &program(name), "exit", "0"]).exits(0);
    }
    let home = lab.home();
    let kept = lab.files(&format!("home/{COMPILED}")).into_iter();
    kept.chain([home.join(KEY)])
        .map(|path| {
            let below = path.strip_prefix(&home).unwrap().to_str().unwrap();
            (below.to_owned(), fs::read(&path).unwrap())
        })
        .collect()
}

/// A program that says hello.
pub(crate) const HELLO: &str = r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 8) "hello\n")
        (func (export "_start")
            (i32.store (i32.const 0) (i32.const 8)) (i32.store (i32.const 4) (i32.const 6))
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))))"#;

/// A program of the lab, from WebAssembly as text; returns its path.
#[track_caller]
pub(crate) fn wat(lab: &Lab, name: &str, text: &str) -> String {
    let binary = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    lab.write(&format!("{name}.wasm"), binary)
}

/// Runs `host` on what nobody can start, and looks at what it left.
///
/// Such a run is on record in one line, without an intent: nothing was about to be started.
#[track_caller]
pub(crate) fn unstarted(lab: &Lab, arguments: &[&str]) -> Ran {
    let before = lab.journal().len();
    let ran = lab.host(arguments).start().end();
    let journal = lab.journal();
    assert_eq!(journal.len(), before + 1, "{journal:#?}\n{}", ran.stderr);
    let (event, record) = (&journal[before]["event"], &journal[before]["record"]);
    let seen = (event, &record["outcome"]["kind"], &record["status"]);
    assert_eq!(
        seen,
        (
            &"unstarted".into(),
            &"could-not-start".into(),
            &"failure".into()
        )
    );
    ran
}

/// Settings of a lab's own.
pub(crate) fn configure(lab: &Lab, settings: &str) {
    lab.write("home/config/config.toml", settings);
    for below in ["home", "home/config"] {
        fs::set_permissions(lab.path(below), fs::Permissions::from_mode(0o700)).unwrap();
    }
}

/// A component that is a command around a core module, whose function `run` gives 0 when it has done its work.
pub(crate) fn command(module: &str) -> String {
    format!(
        r#"(component
            (core module $m {module})
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $command (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $command)))"#
    )
}
