//! What a process has in its memory that runs or compiles a stranger's WASI program: it is a copy of `host`, or was one,
//! and whoever breaks out of the engine finds whatever stands there.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::lab::{Lab, guests, is_root};

const CANARY: &str = "canary-of-the-environment-oo7Aeph4";
/// How long a process is waited for, and what is read of its memory at once.
const PATIENCE: Duration = Duration::from_secs(20);
const REGION_BYTES_MAX: u64 = 64 << 20;

fn program(name: &str) -> String {
    let path = guests().join("programs").join(format!("{name}.wasm"));
    path.to_str().unwrap().to_owned()
}

/// The processes that descend from `pid`.
fn descendants(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children: Vec<u32> = children
        .unwrap_or_default()
        .split_whitespace()
        .map(|child| child.parse().unwrap())
        .collect();
    let below = children.iter().flat_map(|child| descendants(*child));
    let below: Vec<u32> = below.collect();
    children.into_iter().chain(below).collect()
}

/// The task of a jail below `pid`: the second process of a namespace of its own, when it works.
fn worker_below(pid: u32) -> u32 {
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        let is_worker = |pid: &u32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let inside = status.lines().find(|line| line.starts_with("NSpid:"));
            let is_second = inside.is_some_and(|line| line.ends_with("\t2"));
            is_second && status.contains("Seccomp:\t2")
        };
        if let Some(worker) = descendants(pid).into_iter().find(is_worker) {
            return worker;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("no worker appeared");
}

/// How often each of `needles` stands in the writable memory of a process.
fn found(pid: u32, needles: &[&[u8]]) -> Vec<usize> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut counts = vec![0; needles.len()];
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [start, end] = [start, end].map(|at| u64::from_str_radix(at, 16).unwrap());
        if end - start > REGION_BYTES_MAX || line.contains("[v") {
            continue;
        }
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        memory.seek(SeekFrom::Start(start)).unwrap();
        let mut read = 0;
        while read < bytes.len() {
            match memory.read(&mut bytes[read..]) {
                Ok(0) | Err(_) => break,
                Ok(more) => read += more,
            }
        }
        for (count, needle) in counts.iter_mut().zip(needles) {
            *count += bytes
                .windows(needle.len())
                .filter(|window| window == needle)
                .count();
        }
    }
    counts
}

/// Once a copy of everything that `host` had read stood in every worker.
#[test]
fn a_worker_has_nothing_of_the_callers_environment_in_its_memory() {
    let lab = Lab::new();
    let path = program("misbehave-p1");
    lab.run(&["run", &path, "random-small"]).exits(0);
    let live = lab
        .host(&["run", &path, "sleep-forever"])
        .env("HOST_TEST_CANARY", CANARY)
        .start();
    let worker = worker_below(live.pid().as_raw_nonzero().get().unsigned_abs());
    if is_root() {
        let whole = found(worker, &[CANARY.as_bytes(), b"sleep-forever"]);
        assert_eq!(whole[0], 0, "the environment is in the worker's memory");
        assert!(whole[1] > 0, "the search finds what is there");
    } else {
        // Nobody but root may look into it, and nobody may.
        assert!(File::open(format!("/proc/{worker}/mem")).is_err());
    }
    live.signal(Signal::TERM);
    live.end().exits(143);
}

/// The compiler was forked from a process that had the cache's key and the input of the task.
#[test]
fn a_compiler_has_neither_key_nor_input_nor_environment_in_its_memory() {
    let lab = Lab::new();
    lab.run(&["run", &program("misbehave-p1"), "random-small"])
        .exits(0);
    let key = fs::read(lab.home().join("state/compiled.key")).unwrap();
    let secret = "canary-of-the-input-ieQu8aem";
    let input = lab.write("input.json", format!("{{\"password\": \"{secret}\"}}"));
    let module = lab
        .module("demo")
        .file(
            "tasks/init.wasm",
            fs::read(program("bomb-function")).unwrap(),
        )
        .file(
            "tasks/init.json",
            r#"{"parameters": {"password": {"type": "String", "sensitive": true}}}"#,
        )
        .build();
    let live = lab
        .host(&["run", &module, "--input", &format!("@{input}")])
        .env("HOST_TEST_CANARY", CANARY)
        .start();
    let compiler = worker_below(live.pid().as_raw_nonzero().get().unsigned_abs());
    // It has the program by then, and works on it for seconds.
    std::thread::sleep(Duration::from_millis(300));
    if is_root() {
        let needles: [&[u8]; 4] = [&key, secret.as_bytes(), CANARY.as_bytes(), b"Compile"];
        let counts = found(compiler, &needles);
        assert_eq!(counts[..3], [0, 0, 0], "key, input, environment");
        assert!(counts[3] > 0, "the search finds what is there");
    } else {
        assert!(File::open(format!("/proc/{compiler}/mem")).is_err());
    }
    live.end().exits(0);
}
