//! What one run can take from the machine or do to it by rights that nobody granted: each test is of a hole that was
//! found by attacking.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::scenery::{Picture, tree};
use crate::lab::{Lab, is_root};

/// The longest that an act of the machine takes which nobody holds up.
const PROMPT: Duration = Duration::from_secs(1);

/// Runs Python that says `up` when it has what it wants, looks at the machine meanwhile, and ends the run.
#[track_caller]
fn while_it_runs(lab: &Lab, program: &str, grants: &[&str], look: impl FnOnce()) {
    let module = lab.python(&format!(
        "import ctypes, fcntl, os, signal, sys, time\nlibc = ctypes.CDLL(None, use_errno=True)\n{program}\nprint('up', file=sys.stderr, flush=True)\ntime.sleep(60)"
    ));
    let mut live = lab.host(&[&["run", &module], grants].concat()).start();
    live.hears("up");
    // What fails here must not go on to take from the tests after it.
    let looked = catch_unwind(AssertUnwindSafe(look));
    live.signal(Signal::INT);
    live.end().exits(130);
    if let Err(failure) = looked {
        resume_unwind(failure);
    }
}

/// What a free program of the tests' own user is answered.
#[track_caller]
fn free(program: &str) -> String {
    let program =
        format!("import ctypes, os, signal\nlibc = ctypes.CDLL(None, use_errno=True)\n{program}");
    let output = std::process::Command::new("/usr/bin/python3")
        .args(["-c", &program])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The kernel counts them for the owner of the run's user namespace, who is root or the caller: 128 for all that runs
/// under that id on the machine.
#[test]
fn a_run_leaves_the_machine_its_watches_of_files() {
    let lab = Lab::new();
    let take = "while libc.inotify_init1(0) >= 0:\n    pass";
    while_it_runs(&lab, take, &[], || {
        assert_eq!(free("print(libc.inotify_init1(0) >= 0)"), "True\n");
    });
}

/// They too are counted for the owner of the namespace, whose timers then cannot be made either.
#[test]
fn a_run_leaves_the_machine_its_pending_signals() {
    let lab = Lab::new();
    let take = "signal.pthread_sigmask(signal.SIG_BLOCK, [40])\nwhile libc.sigqueue(os.getpid(), 40, None) == 0:\n    pass";
    while_it_runs(&lab, take, &[], || {
        let timer =
            "timer = ctypes.c_void_p()\nprint(libc.timer_create(1, None, ctypes.byref(timer)))";
        assert_eq!(free(timer), "0\n");
        let queue = "signal.pthread_sigmask(signal.SIG_BLOCK, [40])\nprint(libc.sigqueue(os.getpid(), 40, None))";
        assert_eq!(free(queue), "0\n");
    });
}

/// To the kernel a jailed task owns what it was granted to read, and an owner may have everybody wait who opens it for
/// writing: 45 s, again and again.
#[test]
fn who_may_only_read_a_file_holds_up_nobody_who_writes_it() {
    let lab = Lab::new();
    let file = lab.write("data/file", "kept");
    let take = format!(
        "signal.signal(signal.SIGIO, signal.SIG_IGN)
held = os.open('{file}', os.O_RDONLY)
try:
    fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_RDLCK)
except OSError:
    pass"
    );
    let grant = format!("fs.read:{}", lab.path("data"));
    while_it_runs(&lab, &take, &["--allow", &grant], || {
        let file = file.clone();
        let (done, waits) = std::sync::mpsc::channel();
        let writer = std::thread::spawn(move || {
            let since = Instant::now();
            fs::File::options().append(true).open(file).unwrap();
            let _ = done.send(since.elapsed());
        });
        let took = waits.recv_timeout(PROMPT);
        assert!(took.is_ok(), "it still waits to be opened");
        writer.join().unwrap();
    });
}

/// What waits in TCP and UDP sockets is counted nowhere, unless a control group of version 1 is asked to. As an ordinary
/// user a run is refused such a limit.
#[test]
fn memory_that_is_hoarded_in_sockets_is_held_to_the_limit() {
    if !is_root() {
        return;
    }
    let streams = "
listener = socket.socket()
listener.bind(('127.0.0.1', 0))
listener.listen(400)
for _ in range(120):
    one = socket.create_connection(listener.getsockname())
    other, _ = listener.accept()
    kept += [one, other]
    one.setblocking(False)
    try:
        while True:
            total += one.send(b'x' * (1 << 20))
    except BlockingIOError:
        pass
";
    let datagrams = "
for _ in range(400):
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind(('127.0.0.1', 0))
    one.setblocking(False)
    kept.append(one)
    for _ in range(8):
        kept[0].sendto(b'x' * 60000, one.getsockname())
for one in kept:
    try:
        while True:
            total += len(one.recv(1 << 16))
    except BlockingIOError:
        pass
";
    for act in [streams, datagrams] {
        let lab = Lab::new();
        let module = lab.python(&format!(
            "import socket\nkept, total = [], 0{act}print(total >> 20)"
        ));
        let ran = lab.run(&["run", &module, "--limit", "memory=48MiB"]);
        // It may be ended by its limit or told that there is no room.
        let mebibytes = ran.text().trim().parse::<u32>().unwrap_or(0);
        assert!(mebibytes <= 64, "{mebibytes} MiB waited in sockets");
    }
}

/// A move can leave a device behind in the place of what was moved, if one that leads nowhere.
#[test]
fn no_whiteout_is_left_behind_by_a_move() {
    let lab = Lab::new();
    let data = lab.directory("data");
    lab.write("data/file", "");
    let module = lab.python(&format!(
        "import ctypes\nlibc = ctypes.CDLL(None)\nfor place in ['{data}', '/out', '/scratch']:\n    open(place + '/file', 'a').close()\n    print(libc.renameat2(-100, (place + '/file').encode(), -100, (place + '/moved').encode(), 4))"
    ));
    let grant = format!("fs.write:{data}");
    let ran = lab.run(&["run", &module, "--allow", &grant]).exits(0);
    assert_eq!(ran.text(), "-1\n-1\n-1\n");
    for entry in tree(&lab.root().join("data")) {
        let kind = fs::symlink_metadata(&entry).unwrap().file_type();
        assert!(!kind.is_char_device(), "`{}`", entry.display());
    }
}

/// They were mounted as they are on the machine, so that whoever may write to one could set its times.
#[test]
fn the_devices_of_the_machine_keep_their_times() {
    let lab = Lab::new();
    let devices = ["null", "zero", "full", "random", "urandom"];
    let pictures = devices.map(|name| Picture::of(format!("/dev/{name}")));
    let module = lab.python(
        "import os\nfor name in ['null', 'zero', 'full', 'random', 'urandom']:\n    try:\n        os.utime('/dev/' + name)\n        print(name)\n    except OSError:\n        pass\nopen('/dev/null', 'w').write('x')",
    );
    assert_eq!(lab.run(&["run", &module]).exits(0).text(), "");
    pictures.iter().for_each(Picture::is_unchanged);
}

/// A limit of none for cores is not asked where the machine pipes them to a program of its own; one byte is.
#[test]
fn a_crash_inside_starts_no_program_of_the_machine() {
    let lab = Lab::new();
    let module = lab.shell("ulimit -c -H; cat /proc/self/limits | grep core");
    let ran = lab.run(&["run", &module]).exits(0);
    let text = ran.text();
    let limits: Vec<&str> = text.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(limits[4..6], ["1", "1"], "{text}");
}
