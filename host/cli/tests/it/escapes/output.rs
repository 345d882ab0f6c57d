//! Output: files that are left to be brought back and are none, and words that act on whoever reads them.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use serde_json::{Value, json};

use super::scenery::{Picture, no_throwaway_owners, tree};
use crate::lab::{Lab, is_root};

/// What acts on a terminal, on a reader of logs, or on a reader of lines.
const WORDS: &str = "\u{1b}[2J\u{1b}]0;taken\u{7}\u{202e}desrever\u{2066}\r\n{\"event\":\"forged\"}\u{9b}31m\u{8}\u{0}x";
/// Letters that none of our own words for people may hold when they repeat what a stranger said.
const ACTING: [char; 7] = [
    '\u{1b}', '\u{7}', '\u{202e}', '\u{2066}', '\u{9b}', '\u{8}', '\r',
];

#[track_caller]
fn acts_on_nobody(text: &str) {
    assert!(!text.contains(ACTING), "{}", text.escape_debug());
}

fn names(record: &Value) -> Vec<&str> {
    let artifacts = record["artifacts"].as_array().unwrap();
    artifacts
        .iter()
        .map(|file| file["name"].as_str().unwrap())
        .collect()
}

/// The files of the first run in the spool: for their owner alone, of the owner of the spool, with one link.
#[track_caller]
fn spool_is_plain(lab: &Lab) {
    let owner = rustix::process::geteuid().as_raw();
    for path in tree(&lab.home().join("state/runs")) {
        let found = fs::symlink_metadata(&path).unwrap();
        let shown = path.display();
        assert!(found.is_dir() || found.is_file(), "`{shown}`");
        assert!(
            found.is_dir() || found.nlink() == 1,
            "`{shown}` has other names"
        );
        assert_eq!(found.permissions().mode() & 0o6077, 0, "`{shown}`");
        assert_eq!(found.uid(), owner, "`{shown}`");
        let length = rustix::fs::llistxattr(&path, &mut [0; 256]).unwrap_or(0);
        assert_eq!(length, 0, "`{shown}` has attributes");
    }
    no_throwaway_owners(&[lab.root()]);
}

/// What is left is named beside the record with why it stays behind.
#[test]
fn what_is_no_file_of_its_own_does_not_come_back() {
    let lab = Lab::new();
    let secret = lab.write("victim/secret", "outside");
    lab.write("data/granted", "granted");
    let data = lab.path("data");
    let picture = Picture::of(lab.root().join("victim"));
    let module = lab.python(&format!(
        r#"import errno, os, socket, stat
os.chdir("/out")
def tried(name, act):
    try:
        act()
    except OSError as error:
        print(name, errno.errorcode[error.errno])
open("kept", "w").write("kept")
open("twice", "w").write("twice")
os.link("twice", "again")
os.symlink("{secret}", "secret")
os.symlink("/etc/passwd", "passwd")
os.symlink("/proc/self/environ", "environ")
os.symlink("../../../../../etc/shadow", "up")
os.symlink(".", "itself")
os.symlink("loop", "loop")
os.mkfifo("pipe")
os.mkdir("directory")
os.symlink("../kept", "directory/link")
os.symlink("{data}", "directory/data")
tried("socket", lambda: socket.socket(socket.AF_UNIX).bind("socket"))
tried("device", lambda: os.mknod("device", 0o600 | stat.S_IFBLK, os.makedev(254, 0)))
tried("null", lambda: os.mknod("null", 0o666 | stat.S_IFCHR, os.makedev(1, 3)))
tried("linked", lambda: os.link("{data}/granted", "granted"))
tried("linked", lambda: os.link("/usr/bin/env", "env"))
tried("lent", lambda: os.chmod("kept", 0o4755))
tried("capable", lambda: os.setxattr("kept", "security.capability", bytes(20)))
tried("moved", lambda: os.rename("/out", "/moved"))
tried("removed", lambda: os.rmdir("/out"))
tried("replaced", lambda: os.symlink("/etc", "/out"))
try:
    os.setxattr("kept", "user.note", b"x")
except OSError:
    pass
os.chmod("kept", 0o777)
"#
    ));
    let write = format!("fs.write:{data}");
    let ran = lab.run(&["--output", "json", "run", &module, "--allow", &write]);
    let ran = ran
        .exits(0)
        .says(&["secret", "pipe", "again", "directory/link"]);
    let record = ran.record();
    assert_eq!(names(&record), ["kept"], "{record:#}");
    let said = record["value"]["_output"].as_str().unwrap();
    for kind in [
        "device", "null", "linked", "lent", "capable", "moved", "removed", "replaced",
    ] {
        assert!(
            said.contains(&format!("{kind} E")),
            "{kind} got through:\n{said}"
        );
    }
    lab.nowhere("home/state/runs", "outside");
    lab.nowhere("home/state/runs", "root:x:0");
    assert_eq!(lab.read("data/granted"), "granted");
    picture.is_unchanged();
    spool_is_plain(&lab);
}

#[test]
fn a_name_of_a_file_is_only_ever_a_name() {
    let lab = Lab::new();
    let module = lab.python(
        r#"import os
os.chdir("/out")
odd = ["record.json", "stdout", "0", "..hidden", " ", "-rf", "a\nb", "a\x1b[2Jb", "a\u202eb", "\u2028", "x" * 255, "*", "$(id)", "`id`", "a\\b", "CON", "~", "%s%n", "\x7f", "é" * 120]
for name in odd:
    open(name, "w").write("x")
for name in [b"\xff\xfe", b"\xc3("]:
    open(name, "wb").write(b"x")
place = "."
for _ in range(40):
    place += "/deep"
    os.mkdir(place)
    open(place + "/file", "w").write("x")
print(len(odd))"#,
    );
    let ran = lab.run(&["--output", "json", "run", &module]).exits(0);
    acts_on_nobody(&ran.stderr);
    let record = ran.record();
    let count = record["value"]["_output"]
        .as_str()
        .unwrap()
        .trim()
        .parse::<usize>();
    let back = names(&record);
    assert!(back.len() >= count.unwrap(), "{back:?}");
    assert!(
        back.iter().filter(|name| name.starts_with("deep/")).count() < 20,
        "{back:?}"
    );
    assert!(
        back.iter()
            .all(|name| !name.starts_with('/') && !name.split('/').any(|part| part == ".."))
    );
    acts_on_nobody(&lab.run(&["run", &module]).exits(0).stderr);
    // In the spool they are called by what they hold.
    for file in lab.files("home/state/runs") {
        let name = file.file_name().unwrap().to_str().unwrap();
        let is_digest = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(
            is_digest || ["stdout", "stderr", "record.json", "report.json"].contains(&name),
            "{name}"
        );
    }
    assert_eq!(
        lab.events(),
        ["intended", "finished", "intended", "finished"]
    );
    spool_is_plain(&lab);
}

#[test]
fn what_is_closed_or_growing_is_brought_back_or_named() {
    let lab = Lab::new();
    let module = lab.python(
        r#"import os
os.chdir("/out")
open("closed", "w").write("x")
os.chmod("closed", 0)
os.mkdir("shut")
open("shut/file", "w").write("x")
os.chmod("shut", 0)
for n in range(3):
    if os.fork() == 0:
        os.setsid()
        file = open(f"growing-{n}", "w")
        while True:
            file.write("x" * 4096)
            file.flush()
            if file.tell() > 1 << 20:
                file.truncate(0)
                file.seek(0)
open("nameless", "w").write("x")
held = os.open("nameless", os.O_RDONLY)
os.unlink("nameless")
open("hollow", "w").truncate(1 << 40)
print("done", flush=True)
os._exit(0)"#,
    );
    let ran = lab.run(&["--output", "json", "run", &module]).exits(0);
    let record = ran.record();
    let back = names(&record);
    // An ordinary user cannot open what the task has closed, and says so.
    for closed in ["closed", "shut/file"] {
        assert_eq!(back.contains(&closed), is_root(), "{back:?}");
    }
    assert!(
        !back.contains(&"hollow") && !back.contains(&"nameless"),
        "{back:?}"
    );
    spool_is_plain(&lab);
}

/// In every field that a task can fill.
#[test]
fn words_that_act_on_a_terminal_are_shown_escaped() {
    let lab = Lab::new();
    let said = json!({
        "_error": {"kind": WORDS, "msg": WORDS, "details": {WORDS: WORDS}},
        WORDS: WORDS,
    });
    let program = format!(
        "import os, sys\nsys.stdout.write(r'''{said}''')\nopen('/out/a' + {:?}, 'w').close()\nsys.exit(1)",
        "\u{1b}[2J\u{202e}\n"
    );
    let module = lab.python(&program);
    let ran = lab.run(&["run", &module]).exits(1);
    acts_on_nobody(&ran.stderr);
    assert!(
        !ran.stderr
            .lines()
            .any(|line| line.starts_with("{\"event\"")),
        "{}",
        ran.stderr
    );
    for form in ["json", "jsonl"] {
        let ran = lab.run(&["--output", form, "run", &module]).exits(1);
        let text = ran.text();
        for line in text.lines().filter(|_| form == "jsonl") {
            let event: Value = serde_json::from_str(line).unwrap();
            assert_ne!(event["event"], "forged", "{line}");
        }
        let acting = text
            .chars()
            .find(|letter| letter.is_control() && *letter != '\n');
        assert_eq!(acting, None, "{}", text.escape_debug());
    }
    // A line of the journal is one line, whatever stands in it.
    assert_eq!(lab.events(), ["intended", "finished"].repeat(3));
    let journal = fs::read_to_string(lab.home().join("state/journal.jsonl")).unwrap();
    assert_eq!(journal.lines().count(), 6);
    assert!(!journal.contains(['\u{1b}', '\r', '\u{8}']));
}

/// From the command line, too: an input is another's word as soon as a script passes it on.
#[test]
fn words_in_the_input_are_shown_escaped_where_it_is_refused() {
    let lab = Lab::new();
    let metadata = json!({"parameters": {"name": {"type": "Integer"}}});
    let module = lab
        .module("demo")
        .task("init.sh", "#!/bin/sh\n", metadata)
        .build();
    let words = WORDS.replace('\0', "");
    for argument in [
        format!("name={words}"),
        format!("{words}=1"),
        format!("n{words}"),
    ] {
        let ran = lab.run(&["run", &module, &argument]).exits(2);
        acts_on_nobody(&ran.stderr);
    }
    let ran = lab.run(&["run", &module, "--allow", &words]).exits(2);
    acts_on_nobody(&ran.stderr);
    let grant = format!("fs.read:/nonexistent/{}", words.replace(['\r', '\n'], ""));
    acts_on_nobody(
        &lab.run(&["run", &module, "name=1", "--allow", &grant])
            .stderr,
    );
}

#[test]
fn output_that_is_made_to_be_misread_is_kept_as_it_is() {
    let lab = Lab::new();
    for (script, status) in [
        ("yes '{' | head -c 60000", "success"),
        ("yes '[' | tr -d '\\n' | head -c 200000", "success"),
        (
            "printf '{\"a\":'; yes '[' | tr -d '\\n' | head -c 200000",
            "success",
        ),
        ("printf '{\"a\": 1e999999}'", ""),
        ("printf '{\"a\": 1, \"a\": 2}'", ""),
        ("printf '\\357\\273\\277{\"_error\": {}}'", ""),
        ("printf '{\"_error\": {\"kind\": 1}}'", "failure"),
        (
            "printf '{\"_sensitive\": 5, \"status\": \"success\"}'; exit 3",
            "failure",
        ),
        ("head -c 100000 /dev/urandom", ""),
    ] {
        let module = lab.shell(script);
        let ran = lab.run(&["--output", "json", "run", &module]);
        assert!([0, 1].contains(&ran.code()), "{script}: {}", ran.stderr);
        let record = ran.record();
        if !status.is_empty() {
            assert_eq!(record["status"], status, "{script}");
        }
        assert_eq!(record["outcome"]["kind"], "exited", "{script}");
    }
}
