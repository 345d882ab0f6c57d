//! Processes that try to live on, to end others, or to pass for the end of their task.

use std::fs;
use std::process::{Child, Command};

use rustix::process::Signal;
use serde_json::json;

use super::Attacker;
use crate::lab::{Lab, is_root};

/// Python that starts a process which no signal ends but one, in a session of its own and with nobody to miss it.
const DAEMON: &str = r#"import ctypes, os, signal, sys, time
prctl = ctypes.CDLL(None).prctl
def daemon(lives):
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    prctl(1, 0, 0, 0, 0)   # whose death is its own
    prctl(36, 1, 0, 0, 0)  # whose orphans are its own
    prctl(15, b"[kworker/0:1]", 0, 0, 0)
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    os.closerange(0, 3)
    while True:
        time.sleep(lives)
"#;

/// A process of the machine that a task with the same user id might reach.
struct Bystander(Child);

impl Bystander {
    fn new() -> Self {
        Self(Command::new("sleep").arg("120").spawn().unwrap())
    }

    fn nice(&self) -> String {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        fields.split_whitespace().nth(16).unwrap().to_owned()
    }

    fn lives(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_daemon_that_hears_nothing_ends_with_its_task() {
    let lab = Lab::new();
    let module = lab.python(&format!(
        "{DAEMON}\nfor _ in range(5):\n    daemon(300)\ntime.sleep(0.2)\nprint('left')"
    ));
    let ran = lab.run(&["run", &module]).exits(0);
    assert_eq!(ran.text(), "left\n");
}

#[test]
fn a_daemon_that_hears_nothing_ends_with_a_host_or_keeper_that_is_killed() {
    let lab = Lab::new();
    let program = format!(
        "{DAEMON}\nprctl(1, 0, 0, 0, 0)\ndaemon(300)\nprint('up', file=sys.stderr, flush=True)\ntime.sleep(300)"
    );
    for whom in ["host", "keeper"] {
        let module = lab.python(&program);
        let mut live = lab.host(&["run", &module]).start();
        live.hears("up");
        if whom == "host" {
            live.signal(Signal::KILL);
        } else {
            rustix::process::kill_process(live.keeper(), Signal::KILL).unwrap();
        }
        // What is left of processes by then fails the test; control groups are the next run's to clear away.
        let ended = live.end_swept_later();
        assert_ne!(ended.code(), 0, "{whom}");
        let next = lab.module("next");
        let next = next.task("init.sh", "#!/bin/sh\necho next\n", serde_json::Value::Null);
        let next = next.build();
        let ran = lab.host(&["run", &next]).start().end_unsettled();
        assert_eq!(ran.exits(0).text(), "next\n", "{whom}");
    }
}

/// For an ordinary user's run they all have one user id.
#[test]
fn a_signal_to_everybody_reaches_nobody_outside() {
    let lab = Lab::new();
    let mut bystander = Bystander::new();
    let program = "import os, time\nif os.fork() == 0:\n    os.kill(-1, 9)\ntime.sleep(60)";
    let record = lab.record(&[&lab.python(program)]);
    assert_eq!(
        record["outcome"],
        json!({"kind": "signalled", "code": null, "signal": 9, "limit": null, "reason": ""})
    );
    assert!(bystander.lives());
    // Outside it reaches whoever is in the same namespace, but for process 1 of that.
    let mut free = Command::new("unshare");
    free.args(["--pid", "--fork", "--kill-child"]);
    if !is_root() {
        free.args(["--user", "--map-root-user"]);
    }
    let script = "/usr/bin/python3 -c \"$0\"; echo $?";
    let output = free.args(["sh", "-c", script, program]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "137\n");
    assert!(bystander.lives());
}

#[test]
fn what_is_done_to_all_of_a_user_is_done_inside_alone() {
    let lab = Lab::new();
    let bystander = Bystander::new();
    let act = "os.setpriority(os.PRIO_USER, os.getuid(), 19)";
    let program: String = format!("ATTEMPTS['be_nice'] = lambda: {act}");
    let before = bystander.nice();
    let attacker = Attacker::new(Box::leak(program.into_boxed_str()));
    attacker.attempts(&lab, "be_nice done -", &[]);
    assert_eq!(bystander.nice(), before);
}

/// Init waits for all processes, and knows its task by its number alone.
#[test]
fn the_end_of_a_sibling_is_not_taken_for_the_end_of_the_task() {
    let lab = Lab::new();
    let module = lab.python(
        r#"import ctypes, os, platform, signal, sys, time
clone = 56 if platform.machine() == "x86_64" else 220
number = lambda value: ctypes.c_long(value)
def sibling(ends_with):
    # A child of the task's own parent.
    child = ctypes.CDLL(None, use_errno=True).syscall(number(clone), number(0x8000 | signal.SIGCHLD), number(0), number(0), number(0), number(0))
    if child == 0:
        os._exit(ends_with)
    return child
made = [sibling(ends_with) > 0 for ends_with in [0, 1, 77]]
time.sleep(0.3)
print(made)
sys.stdout.flush()
sys.exit(5)"#,
    );
    let record = lab.record(&[&module]);
    assert_eq!(record["outcome"]["code"], 5, "{record:#}");
    let said = record["value"]["_output"].clone();
    assert_eq!(said, "[True, True, True]\n", "{record:#}");
}

#[test]
fn a_task_that_stops_itself_ends_with_its_time() {
    let lab = Lab::new();
    let module = lab.shell("(sleep 0.1; kill -STOP -1) & kill -STOP $$");
    let record = lab.record(&[&module, "--limit", "wall=500ms"]);
    assert_eq!(record["outcome"]["limit"], "wall", "{record:#}");
}

/// A task that is hard to kill while it is in the midst of starting and ending others.
#[test]
fn processes_that_follow_one_another_without_end_end_all_at_once() {
    let lab = Lab::new();
    let module = lab.python(
        r#"import os, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    try:
        if os.fork():
            os._exit(0)
        os.setsid()
    except OSError:
        pass"#,
    );
    // The task itself ends at once; what followed it is gone with its end.
    let ran = lab.run(&["run", &module, "--limit", "wall=3s"]);
    assert_eq!(ran.exits(0).text(), "");
}

/// Names are what a task is called by in tools that an operator looks at.
#[test]
fn a_name_that_acts_on_a_terminal_is_nowhere_repeated() {
    let lab = Lab::new();
    let module = lab.python(
        "import ctypes, os\nctypes.CDLL(None).prctl(15, b'\\x1b[2J\\x1b]0;x', 0, 0, 0)\nos.kill(os.getpid(), 11)",
    );
    let ran = lab.run(&["run", &module]).exits(1);
    assert!(!ran.stderr.contains('\x1b'), "{}", ran.stderr);
    assert!(ran.stderr.contains("signal 11"), "{}", ran.stderr);
}

/// Numbers are used again: the one of a process that has ended may be somebody else's.
#[test]
fn a_run_that_ends_while_it_is_interrupted_ends_nobody_else() {
    let lab = Lab::new();
    let mut bystander = Bystander::new();
    let module = lab.shell("sleep 0.05");
    for _ in 0..10 {
        let live = lab.host(&["run", &module]).start();
        std::thread::sleep(std::time::Duration::from_millis(60));
        let _ = rustix::process::kill_process(live.pid(), Signal::INT);
        let code = live.end_unsettled().code();
        assert!([0, 130, -2].contains(&code), "{code}");
    }
    assert!(bystander.lives());
}
