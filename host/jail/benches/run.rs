//! How long a run takes from a process that is there already, as a node's launcher will be: the fork of its keeper, the jail
//! with every wall, a program or a function that does nothing, and until nothing of it is left.
//!
//! Beside it what a program takes without a jail. Needs what runs need; as root and as an ordinary user it measures what
//! that user's runs have.

#![expect(clippy::unwrap_used, reason = "a bench reports by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "the program without a jail is started as anybody would"
)]

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::OwnedFd;
use std::process::Command;

use criterion::{Criterion, criterion_group, criterion_main};
use host_core::{Limits, RunId};
use host_jail::{Ending, Event, Guess, Inlets, JailRecipe, Outlets, Program, Report, Who};

/// A program that every machine has and that does nothing.
const NOTHING: &str = "/usr/bin/true";
/// An id that nobody has, from the top of those that are for runs.
const NOBODY: u32 = 0x7bff_fff0;

fn recipe(program: Program, number: u64) -> JailRecipe {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    let who = if uid.is_root() {
        Who::Throwaway { id: NOBODY }
    } else {
        Who::Caller {
            uid: uid.as_raw(),
            gid: gid.as_raw(),
        }
    };
    JailRecipe {
        run: RunId::from_parts(number, [7; 10]),
        who,
        user_name: "task".to_owned(),
        appear_root: false,
        system_paths: Vec::new(),
        openings: Vec::new(),
        never: Vec::new(),
        install: Vec::new(),
        program,
        environment: Vec::new(),
        stdin: Vec::new(),
        limits: Limits::default(),
    }
}

/// Runs it to its end, and returns what its keeper says.
fn run(program: Program, guess: Guess, number: u64) -> Report {
    let file = || tempfile::tempfile().unwrap();
    let mut report = file();
    let shared = |file: &File| -> OwnedFd { file.try_clone().unwrap().into() };
    let outlets = Outlets {
        stdout: file().into(),
        stderr: file().into(),
        report: shared(&report),
        artifacts: None,
        held: file().into(),
        held_too: None,
    };
    let by_root = rustix::process::geteuid().is_root();
    let keeper = host_jail::start(by_root, |_| 0, guess).unwrap();
    keeper
        .prepare(&recipe(program, number), &Inlets::default(), &outlets)
        .unwrap();
    keeper.go();
    while keeper.next() == Event::Output {}
    assert!(keeper.end(), "the keeper is still there");
    let mut said = String::new();
    report.rewind().unwrap();
    report.read_to_string(&mut said).unwrap();
    serde_json::from_str(&said).unwrap()
}

fn runs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("run");
    group.bench_function("program without a jail", |bencher| {
        bencher.iter(|| assert!(Command::new(NOTHING).status().unwrap().success()));
    });
    let mut number = 0;
    let mut next = || {
        number += 1;
        number
    };
    let ended = Ending::Exited { code: 0 };
    group.bench_function("program", |bencher| {
        bencher.iter(|| {
            let report = run(Program::File(NOTHING.into()), Guess::Program, next());
            assert_eq!(report.ending, ended);
        });
    });
    group.bench_function("function", |bencher| {
        let function = || Program::Function {
            order: String::new(),
            own_bytes: 1 << 20,
        };
        bencher.iter(|| {
            let report = run(function(), Guess::Function, next());
            assert_eq!(report.ending, ended);
        });
    });
    group.finish();
}

criterion_group!(benches, runs);
criterion_main!(benches);
