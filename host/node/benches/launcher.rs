//! A launcher that is there already, as a node's will be, for `cargo xtask bench` and for profilers: it runs what it is asked
//! to over and over, each in a jail of its own with every wall, and says how long that took.
//!
//! `launcher PROGRAM.wasm` reads lines. `once WHAT` is answered by the nanoseconds from the recipe to the end of everything,
//! where one keeper has been started that waits for it; `for SECONDS WHAT` by how many came to their end in that time, then
//! what this process holds after a tenth of it and at its end, each as resident kilobytes and open files. WHAT is `program` for `/usr/bin/true`, `function` for nothing
//! but the jail, `wasi` for the program that it was given, compiled before, or `exec COMMAND...` for a command without a jail.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a bench reports by panicking"
)]
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it measures, and its words are its output"
)]

use std::fs::File;
use std::io::{BufRead, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::time::{Duration, Instant};

use host_core::{Digest, Limits, RunId};
use host_jail::{
    Call, Ending, Event, Guess, Inlets, JailRecipe, Keeper, Outlets, Program, Report, Who,
};
use host_wasm::cache::{CacheKey, Opened};
use host_wasm::{Order, RunOrder, WORKER_BYTES};
use rustix::fs::MemfdFlags;

/// What makes it compile a program instead.
const COMPILE: &str = "--compile";
/// More than a keeper needs until it waits.
const WARMING: Duration = Duration::from_millis(15);
/// A program that every machine has and that does nothing.
const NOTHING: &str = "/usr/bin/true";
/// The first of the users that are for runs, and how many take turns; those of launchers beside one another differ.
const FIRST_ID: u32 = 0x7bff_0000;
const IDS: u32 = 0x1000;
const LAUNCHERS: u32 = 8;

fn main() {
    let mut words = std::env::args().skip(1);
    let program = words.next();
    if program.as_deref() == Some("--bench") {
        return println!("`cargo xtask bench --only launcher` asks it");
    }
    if let (Some(program), Some(COMPILE)) = (&program, words.next().as_deref()) {
        let artifact = host_wasm::compile_here(&std::fs::read(program).unwrap());
        return std::io::stdout()
            .write_all(&artifact.unwrap().unwrap())
            .unwrap();
    }
    let mut launcher = Launcher {
        program: program.map(|path| compiled(&path)),
        number: 0,
        waiting: None,
    };
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["once", what @ ..] => println!("{}", launcher.once(what).as_nanos()),
            ["for", seconds, what @ ..] => {
                let whole = Duration::from_secs(seconds.parse().unwrap());
                let (runs, early, late) = launcher.keep_at_it(what, whole);
                println!("{runs} {} {} {} {}", early.0, early.1, late.0, late.1);
            }
            _ => panic!("`{line}` is no order"),
        }
        std::io::stdout().flush().unwrap();
    }
}

/// Compiled by another process: a launcher has one thread, and the compiler leaves several.
fn compiled(program: &str) -> Opened {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args([program, COMPILE]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let (key, digest) = (CacheKey::new([7; 32]), Digest::from_bytes([7; 32]));
    let mut kept = tempfile::tempfile().unwrap();
    kept.write_all(&key.seal(&digest, "bench", &output.stdout))
        .unwrap();
    key.open(&digest, "bench", &kept).unwrap()
}

struct Launcher {
    program: Option<Opened>,
    number: u32,
    /// A keeper that has been told nothing yet.
    waiting: Option<(Guess, Keeper)>,
}

impl Launcher {
    fn once(&mut self, what: &[&str]) -> Duration {
        self.prepare_for(what);
        std::thread::sleep(WARMING);
        let started = Instant::now();
        self.run(what);
        started.elapsed()
    }

    fn keep_at_it(&mut self, what: &[&str], whole: Duration) -> (u64, (u64, usize), (u64, usize)) {
        let started = Instant::now();
        let (mut runs, mut early) = (0, None);
        while started.elapsed() < whole {
            self.prepare_for(what);
            self.run(what);
            runs += 1;
            if early.is_none() && started.elapsed() >= whole / 10 {
                early = Some(held());
            }
        }
        (runs, early.unwrap_or_else(held), held())
    }

    fn run(&mut self, what: &[&str]) {
        self.number += 1;
        match what {
            ["exec", command, words @ ..] => {
                let status = Command::new(command).args(words).status().unwrap();
                assert!(status.success(), "{command} ended with {status}");
            }
            ["program"] => self.in_jail(Program::File(NOTHING.into()), Inlets::default()),
            ["function"] => {
                let nothing = Program::Function {
                    order: String::new(),
                    own_bytes: 1 << 20,
                };
                self.in_jail(nothing, Inlets::default());
            }
            ["wasi"] => self.wasi(),
            other => panic!("{other:?} is nothing to run"),
        }
    }

    fn wasi(&mut self) {
        let opened = self.program.as_ref().unwrap();
        let memory_bytes = Limits::default().memory().bytes();
        let call_bytes = host_wasm::call_bytes(memory_bytes);
        let order = Order::Run(RunOrder {
            kind: opened.kind,
            arguments: vec!["nothing".to_owned()],
            environment: Vec::new(),
            preopens: Vec::new(),
            memory_bytes,
            call_bytes,
            handles: Limits::default().files(),
            streams_stdin: false,
        });
        let program = Program::Function {
            order: serde_json::to_string(&order).unwrap(),
            own_bytes: WORKER_BYTES + call_bytes + opened.bytes,
        };
        let inlets = Inlets {
            stdin: None,
            file: Some(opened.code.as_fd().try_clone_to_owned().unwrap()),
        };
        self.in_jail(program, inlets);
    }

    /// Lets a keeper begin with what it can do before it knows for what.
    fn prepare_for(&mut self, what: &[&str]) {
        let guess = match what {
            ["program"] => Guess::Program,
            ["function" | "wasi"] => Guess::Function,
            _ => return,
        };
        if !matches!(&self.waiting, Some((guessed, _)) if *guessed == guess) {
            let by_root = rustix::process::geteuid().is_root();
            let keeper = host_jail::start(by_root, payload, guess).unwrap();
            self.waiting = Some((guess, keeper));
        }
    }

    fn in_jail(&mut self, program: Program, inlets: Inlets) {
        let (_, keeper) = self.waiting.take().unwrap();
        // In memory: what a disk takes is no part of it.
        let file = || {
            let made = rustix::fs::memfd_create("spool", MemfdFlags::CLOEXEC);
            File::from(made.unwrap())
        };
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
        keeper
            .prepare(&self.recipe(program), &inlets, &outlets)
            .unwrap();
        keeper.go();
        while keeper.next() == Event::Output {}
        assert!(keeper.end(), "the keeper is still there");
        let mut said = String::new();
        report.rewind().unwrap();
        report.read_to_string(&mut said).unwrap();
        let report: Report = serde_json::from_str(&said).unwrap();
        assert_eq!(report.ending, Ending::Exited { code: 0 });
    }

    fn recipe(&self, program: Program) -> JailRecipe {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        let who = if uid.is_root() {
            let turn = self.number % IDS;
            let id = FIRST_ID + std::process::id() % LAUNCHERS * IDS + turn;
            Who::Throwaway { id }
        } else {
            Who::Caller {
                uid: uid.as_raw(),
                gid: gid.as_raw(),
            }
        };
        JailRecipe {
            run: RunId::from_parts(self.number.into(), own_bytes()),
            who,
            user_name: "task".to_owned(),
            appear_root: false,
            system_paths: Vec::new(),
            openings: Vec::new(),
            hidden: Vec::new(),
            apart: host_jail::recipe::Apart::default(),
            egress: Vec::new(),
            relay: None,
            secrets: Vec::new(),
            never: Vec::new(),
            install: Vec::new(),
            program,
            environment: Vec::new(),
            stdin: Vec::new(),
            limits: Limits::default(),
            learn: None,
        }
    }
}

/// Launchers beside one another share no run ids.
fn own_bytes() -> [u8; 10] {
    let mut bytes = [7; 10];
    for (place, byte) in bytes.iter_mut().zip(std::process::id().to_ne_bytes()) {
        *place = byte;
    }
    bytes
}

/// Does nothing if it is told nothing.
fn payload(call: Call) -> i32 {
    if call.order.is_empty() {
        0
    } else {
        host_node::worker(call)
    }
}

/// What this process holds: kilobytes that are resident, and open files.
fn held() -> (u64, usize) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kilobytes = resident.trim().trim_end_matches(" kB").parse().unwrap();
    let files = std::fs::read_dir("/proc/self/fd").unwrap().count();
    (kilobytes, files)
}
