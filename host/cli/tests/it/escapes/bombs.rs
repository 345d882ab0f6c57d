//! Bombs of every kind: each is refused or ends its run by a limit that has a name, and takes nothing from the machine.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use super::Attacker;
use crate::lab::{Lab, Ran, is_root};

/// How long after its limit a run may take to be over, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(15);

#[test]
fn what_is_had_without_end_is_refused_at_its_limit() {
    let lab = Lab::new();
    let limits = ["files=64", "processes=20", "inodes=2000", "scratch=8MiB"];
    let limits: Vec<&str> = limits.iter().flat_map(|limit| ["--limit", limit]).collect();
    Attacker::new(include_str!("bombs.py")).attempts(
        &lab,
        "descriptors EMFILE -
         pipes EMFILE -
         events EMFILE -
         files_in_memory EMFILE -
         timers_as_descriptors EMFILE -
         signals_as_descriptors EMFILE -
         sockets EMFILE -
         polls EMFILE|ELOOP -
         processes EAGAIN -
         threads EAGAIN -
         files ENOSPC -
         directories ENOSPC -
         links ENOSPC -
         pipes_with_names ENOSPC -
         semaphores ENOSPC -
         queues ENOSPC -
         segments ENOSPC -
         namespaces EPERM -
         disk ENOSPC -
         disk_that_is_reserved ENOSPC -
         disk_without_a_name ENOSPC -
         directories_in_directories ENOSPC -
         locked_memory ENOMEM|EPERM|EAGAIN -
         all_memory_locked ENOMEM|EPERM|EAGAIN -
         large_pages ENOMEM -
         large_pages_in_a_file ENOMEM -
         arguments_without_end E2BIG -
         stack_without_end SIGSEGV -
         larger_pipe_than_allowed EPERM -",
        &limits,
    );
}

/// Each way to hold memory, without end.
const HOARDS: [(&str, &str); 9] = [
    ("of its own", "kept.append(bytearray(b'x') * (4 << 20))"),
    (
        "shared",
        "m = mmap.mmap(-1, 4 << 20); m.write(b'x' * (4 << 20)); kept.append(m)",
    ),
    (
        "in files without a name",
        "f = os.memfd_create('x'); os.write(f, b'x' * (4 << 20)); kept.append(f)",
    ),
    (
        "in segments of nobody",
        "s = libc.shmget(0, 4 << 20, 0o1600); a = libc.shmat(s, None, 0); ctypes.memset(a, 1, 4 << 20); libc.shmdt(ctypes.c_void_p(a))",
    ),
    (
        "in pipes",
        "r, w = os.pipe(); os.set_blocking(w, False); kept += [r, w]; os.write(w, b'x' * 65536)",
    ),
    (
        "in sockets",
        "a, b = socket.socketpair(); a.setblocking(False); kept += [a, b]; a.send(b'x' * (1 << 20))",
    ),
    (
        "in a file of the scratch directory",
        "open('/dev/shm/hoard', 'ab').write(b'x' * (4 << 20))",
    ),
    (
        "in many processes",
        "os.fork() == 0 and (kept.append(bytearray(b'x') * (8 << 20)), time.sleep(300))",
    ),
    (
        "in tables of pages",
        "m = mmap.mmap(-1, 1 << 30); kept.append(m); [m.__setitem__(n, 1) for n in range(0, 1 << 30, 2 << 20)]",
    ),
];

fn hoard(lab: &Lab, act: &str) -> Ran {
    let module = lab.python(&format!(
        "import ctypes, mmap, os, socket, time
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
kept = []
for child in range(200):
    if os.fork() == 0:
        try:
            while True:
                {act}
        except OSError:
            time.sleep(300)
time.sleep(300)"
    ));
    let arguments = [
        "--output",
        "json",
        "run",
        &module,
        "--limit",
        "memory=48MiB",
        "--limit",
        "wall=20s",
    ];
    lab.run(&arguments)
}

/// A control group counts whatever the kernel holds for a run. Where there is none, an ordinary user's run is refused
/// such a limit.
#[test]
fn memory_that_is_hoarded_anywhere_ends_the_run_at_its_limit() {
    let hoarded = |place: &str, act: &str| {
        let lab = Lab::new();
        let ran = hoard(&lab, act);
        if ran.code() == 7 && !is_root() {
            return;
        }
        let record = ran.record();
        assert_eq!(record["outcome"]["limit"], "memory", "{place}: {record:#}");
        assert!(ran.took < PATIENCE, "{place}: {:?}", ran.took);
    };
    std::thread::scope(|all| {
        for (place, act) in HOARDS {
            all.spawn(move || hoarded(place, act));
        }
    });
}

#[test]
fn output_of_many_processes_counts_together() {
    let lab = Lab::new();
    let module = lab.shell("for i in 1 2 3 4; do yes & yes >&2 & done; wait");
    let limit = ["--limit", "output=64KiB", "--limit", "processes=30"];
    let ran = lab.run(&[&["--output", "json", "run", &module], &limit[..]].concat());
    let record = ran.exits(1).record();
    assert_eq!(record["outcome"]["limit"], "output", "{record:#}");
    let kept = fs::metadata(lab.spool(record["run"].as_str().unwrap()).join("stdout")).unwrap();
    assert!(kept.len() <= 64 << 10, "{} bytes", kept.len());
}

/// Bytes one by one, and lines without an end.
#[test]
fn output_in_the_smallest_pieces_holds_nobody_up() {
    let lab = Lab::new();
    let module = lab.python("import os\nwhile True:\n    os.write(1, b'x')");
    let ran = lab.run(&["--output", "json", "run", &module, "--limit", "output=20kB"]);
    let record: Value = ran.record();
    assert_eq!(record["outcome"]["limit"], "output", "{record:#}");
    assert!(ran.took < PATIENCE, "{:?}", ran.took);
}

#[test]
fn a_bomb_of_threads_and_one_of_starts_end_with_their_time() {
    for (name, program) in [
        (
            "threads",
            "import threading\ndef more():\n    while True:\n        try:\n            threading.Thread(target=more).start()\n        except RuntimeError:\n            pass\nmore()",
        ),
        (
            "starts",
            "import os\nwhile True:\n    try:\n        if os.fork() == 0:\n            os.execv('/bin/sh', ['sh', '-c', '/bin/true & /bin/true'])\n    except OSError:\n        os.waitpid(-1, 0)",
        ),
        (
            "sessions",
            "import os\nwhile True:\n    try:\n        if os.fork() == 0:\n            os.setsid()\n    except OSError:\n        pass",
        ),
    ] {
        let lab = Lab::new();
        let module = lab.python(program);
        let limits = ["--limit", "processes=40", "--limit", "wall=700ms"];
        let ran = lab.run(&[&["--output", "json", "run", &module], &limits[..]].concat());
        let record = ran.record();
        assert_eq!(record["outcome"]["limit"], "wall", "{name}: {record:#}");
        assert!(ran.took < PATIENCE, "{name}: {:?}", ran.took);
    }
}

/// What a task leaves for its collector to look through.
#[test]
fn results_without_end_are_looked_through_up_to_a_number() {
    for (name, program) in [
        (
            "flat",
            "for n in range(60000):\n    os.symlink('x', str(n))",
        ),
        (
            "deep",
            "for n in range(300):\n    os.mkdir('d' * 200)\n    os.chdir('d' * 200)",
        ),
        (
            "wide",
            "for a in range(120):\n    os.mkdir(str(a))\n    for b in range(120):\n        os.mkdir(f'{a}/{b}')",
        ),
        (
            "hollow",
            "for n in range(900):\n    open(str(n), 'w').truncate(1 << 42)",
        ),
        ("large", "open('large', 'wb').write(bytes(7 << 20))"),
    ] {
        let lab = Lab::new();
        let module = lab.python(&format!(
            "import os\nos.chdir('/out')\n{program}\nprint('done')"
        ));
        let ran = lab.run(&["run", &module, "--limit", "scratch=8MiB"]);
        assert!([0, 1].contains(&ran.code()), "{name}: {}", ran.stderr);
        assert!(ran.took < PATIENCE, "{name}: {:?}", ran.took);
        let kept: u64 = lab
            .files("home/state/runs")
            .iter()
            .map(|file| fs::metadata(file).unwrap().len())
            .sum();
        assert!(kept < 12 << 20, "{name}: {kept} bytes");
        assert_eq!(lab.events(), ["intended", "finished"], "{name}");
    }
}
