//! Descriptors and directories that whoever starts `host` leaks on purpose (CVE-2024-21626 of runc), and the streams.

use std::fs;

use serde_json::Value;

use super::scenery::Picture;
use crate::lab::{Host, Lab};

/// Python that says of every number what is open there, and what can be reached through it.
const LOOK: &str = r#"import errno, fcntl, json, os
found = {}
for number in [*range(0, 1100), 4000, 65000]:
    try:
        os.fstat(number)
    except OSError:
        continue
    found[str(number)] = os.readlink(f"/proc/self/fd/{number}")
ways = {}
for number in list(found):
    for way in ["victim/secret", "../victim/secret", "etc/shadow", "data/victim/secret"]:
        try:
            os.open(way, os.O_RDONLY, dir_fd=int(number))
            ways[number] = way
        except OSError:
            pass
for way in ["victim/secret", "../victim/secret", "../../../../../../etc/shadow"]:
    try:
        os.open(way, os.O_RDONLY)
        ways["cwd"] = way
    except OSError:
        pass
"#;

fn look(lab: &Lab, script: &str, rest: &str) -> Value {
    lab.write("victim/secret", "outside");
    lab.write("victim/open", "kept");
    let module = lab.python(&format!(
        "{LOOK}\n{rest}\nprint(json.dumps({{'open': found, 'ways': ways, 'cwd': os.getcwd()}}))"
    ));
    let ran = Host::by_shell(lab, script, &["--output", "json", "run", &module]).run();
    ran.exits(0).record()["value"].clone()
}

#[track_caller]
fn only_the_streams(value: &Value) {
    let open = value["open"].as_object().unwrap();
    let numbers: Vec<&String> = open.keys().collect();
    assert_eq!(numbers, ["0", "1", "2"], "{value:#}");
    assert!(
        open["0"].as_str().unwrap().starts_with("/memfd:"),
        "{value:#}"
    );
    for stream in ["1", "2"] {
        assert!(
            open[stream].as_str().unwrap().starts_with("pipe:"),
            "{value:#}"
        );
    }
    assert_eq!(value["ways"], serde_json::json!({}), "{value:#}");
}

#[test]
fn directories_files_and_pipes_that_are_leaked_stay_outside() {
    let lab = Lab::new();
    let root = lab.root().display().to_string();
    let script = format!(
        "exec 3</ 4<{root} 5</proc 6</sys/fs/cgroup 7</proc/self/ns/net 8<>{root}/victim/open 9>>{root}/victim/open; exec \"$@\""
    );
    lab.write("victim/open", "kept");
    let value = look(&lab, &script, "");
    only_the_streams(&value);
    assert_eq!(lab.read("victim/open"), "kept");
}

#[test]
fn numbers_beyond_the_usual_are_closed_too() {
    let lab = Lab::new();
    let script = "exec /usr/bin/python3 -c 'import os, resource, sys
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
for number in [3, 63, 255, 1023, min(1024, most - 1), min(4000, most - 1), min(65000, most - 1)]:
    os.dup2(os.open(\"/\", os.O_RDONLY), number, inheritable=True)
os.execv(sys.argv[1], sys.argv[1:])' \"$@\"";
    only_the_streams(&look(&lab, script, ""));
}

#[test]
fn sockets_and_handles_of_the_kernel_that_are_leaked_stay_outside() {
    let lab = Lab::new();
    let script = "exec /usr/bin/python3 -c 'import os, socket, select, sys
kept = [socket.socket(), *socket.socketpair(), select.epoll(), os.pidfd_open(os.getpid()), os.memfd_create(\"x\"), os.eventfd(1)]
for one in kept:
    os.set_inheritable(one if isinstance(one, int) else one.fileno(), True)
os.execv(sys.argv[1], sys.argv[1:])' \"$@\"";
    only_the_streams(&look(&lab, script, ""));
}

#[test]
fn the_directory_that_host_is_started_in_is_not_the_tasks() {
    let lab = Lab::new();
    for start in ["victim", "."] {
        lab.directory("victim");
        let value = look(&lab, &format!("cd {start} && exec \"$@\""), "");
        only_the_streams(&value);
        assert_eq!(value["cwd"], "/scratch");
    }
}

#[test]
fn a_directory_that_is_gone_is_no_way_up() {
    let lab = Lab::new();
    let gone = lab.directory("gone");
    let value = look(
        &lab,
        &format!("cd {gone} && rmdir {gone} && exec \"$@\""),
        "",
    );
    only_the_streams(&value);
}

#[test]
fn streams_that_are_closed_are_no_other_files() {
    let lab = Lab::new();
    lab.write("victim/open", "kept");
    let picture = Picture::of(lab.root().join("victim"));
    let module = lab.python(&format!(
        "{LOOK}\nos.write(1, json.dumps({{'open': found, 'ways': ways}}).encode())"
    ));
    // What is closed is not what `host` opens next: nothing of a run is ever written to its own files.
    for script in [
        "exec \"$@\" <&-",
        "exec \"$@\" 2>&-",
        "exec \"$@\" <&- 2>&-",
    ] {
        let ran = Host::by_shell(&lab, script, &["--output", "json", "run", &module]).run();
        only_the_streams(&ran.exits(0).record()["value"]);
    }
    let closed = Host::by_shell(
        &lab,
        "exec \"$@\" >&-",
        &["--output", "json", "run", &module],
    );
    assert!([0, 7].contains(&closed.run().code()));
    picture.is_unchanged();
    assert!(lab.events().len() >= 8, "{:?}", lab.events());
}

/// Standard output of a task is a pipe of its run, whatever that of `host` is.
#[test]
fn what_host_writes_to_is_out_of_the_tasks_reach() {
    let lab = Lab::new();
    lab.write("victim/log", "kept\n");
    let log = lab.path("victim/log");
    let acts = "for number in [0, 1, 2]:
    for act in [
        lambda: os.close(os.open(f'/proc/self/fd/{number}', os.O_WRONLY | os.O_TRUNC | os.O_NONBLOCK)),
        lambda: os.ftruncate(number, 0),
        lambda: os.lseek(number, 0, 0),
        lambda: fcntl.fcntl(number, fcntl.F_SETFL, os.O_DIRECT),
    ]:
        try:
            act()
        except OSError:
            pass
os.write(2, b'said\\n')";
    let script = format!("exec \"$@\" 2>>{log}");
    let value = look(&lab, &script, acts);
    only_the_streams(&value);
    let kept = fs::read_to_string(&log).unwrap();
    assert!(kept.starts_with("kept\n"), "{kept}");
    assert!(kept.contains("said\n"), "{kept}");
}
