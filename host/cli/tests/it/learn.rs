//! Runs that learn: what is noted of them, what becomes of it, and that nothing is allowed or held up for it.

mod automounter;
mod rules;
mod seen;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use crate::lab::{Lab, Live};
use crate::wasm::script::{CREATE, FOLLOW, READ, Script, WRITE};

/// A file that most machines have, that everybody may read, and that no run has.
fn not_in_the_jail() -> String {
    let known = [
        "/etc/profile",
        "/etc/bash.bashrc",
        "/etc/fstab",
        "/etc/issue",
    ];
    let found = known.iter().find(|path| {
        let is_file = fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
        is_file && fs::File::open(path).is_ok()
    });
    (*found.expect("this machine has none of the files that most have")).to_owned()
}

/// A program of the machine that no run has: its package manager's, or one of its start.
fn not_a_program_in_the_jail() -> String {
    let directories = ["/var/lib/dpkg/info", "/etc/init.d", "/etc/cron.daily"];
    let files = directories
        .iter()
        .filter_map(|path| fs::read_dir(path).ok());
    let programs = files.flatten().flatten().filter(|entry| {
        let found = entry.metadata();
        found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    });
    let mut paths: Vec<String> = programs
        .filter_map(|entry| entry.path().to_str().map(str::to_owned))
        .filter(|path| !path.contains(':'))
        .collect();
    paths.sort();
    paths.first().expect("a program outside of /usr").clone()
}

/// What the last run was seen to use or to want: by capability, whether it had it.
#[track_caller]
fn learned(lab: &Lab) -> BTreeMap<String, bool> {
    let journal = lab.journal();
    let line = journal.iter().rfind(|line| line["event"] == "finished");
    let lines = line.unwrap()["learned"].as_array();
    let lines = lines.unwrap_or_else(|| panic!("nothing was learned: {journal:#?}"));
    let of = |line: &Value| {
        assert!(line["times"].as_u64().unwrap() > 0, "{line}");
        let capability = line["capability"].as_str().unwrap().to_owned();
        (capability, line["granted"].as_bool().unwrap())
    };
    lines.iter().map(of).collect()
}

fn expected<'e>(
    lines: impl IntoIterator<Item = (&'e str, &'e str, bool)>,
) -> BTreeMap<String, bool> {
    let lines = lines.into_iter();
    lines
        .map(|(kind, rest, granted)| (format!("{kind}:{rest}"), granted))
        .collect()
}

/// How the record of the last run says that its grants were used.
fn used(record: &Value) -> Vec<&str> {
    let grant = record["grant"].as_array().unwrap().iter();
    grant.map(|line| line["used"].as_str().unwrap()).collect()
}

#[test]
fn what_a_run_uses_and_wants_is_noted_and_nothing_else() {
    let lab = Lab::new();
    let (one, two) = (lab.write("data/one", "1"), lab.write("data/two", "2"));
    let (three, idle) = (lab.write("data/three", "3"), lab.write("data/idle", "4"));
    let (there, program) = (not_in_the_jail(), not_a_program_in_the_jail());
    let module = lab.shell(&format!(
        "cat {one} {two} >/dev/null; cat {two} >/dev/null\n\
         echo x > {three}; echo y >/tmp/own; cat /etc/passwd >/dev/null\n\
         cat {there} /etc/no-such-file 2>/dev/null\n\
         {program} --flag 'a b' 2>/dev/null\n\
         bash -c '(exec 3<>/dev/tcp/127.0.0.1/9) 2>/dev/null'\n\
         exit 0"
    ));
    let grants = [
        format!("fs.read:{one}"),
        format!("fs.read:{two}"),
        format!("fs.write:{three}"),
        format!("fs.read:{idle}"),
        "env:IT_VARIABLE".to_owned(),
    ];
    let mut arguments = vec!["--output", "json", "run", &module, "--learn"];
    arguments.extend(grants.iter().flat_map(|grant| ["--allow", grant]));
    let ran = lab
        .host(&arguments)
        .env("IT_VARIABLE", "1")
        .run()
        .exits(0)
        .says(&[
            "used     fs.read:",
            "wanted   fs.read:",
            "unused   fs.read:",
        ])
        .hints("host policy learn --run");
    let noted = learned(&lab);
    assert_eq!(
        noted,
        expected([
            ("fs.read", one.as_str(), true),
            ("fs.read", &two, true),
            ("fs.write", &three, true),
            ("fs.read", &there, false),
            ("net.connect", "127.0.0.1:9", false),
            ("exec", &format!("{program} --flag 'a b'"), false),
        ])
    );
    let record = ran.record();
    let used: BTreeMap<&str, &str> = record["grant"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            (
                line["capability"].as_str().unwrap(),
                line["used"].as_str().unwrap(),
            )
        })
        .collect();
    for (grant, is_used) in grants.iter().zip(["yes", "yes", "yes", "no", "unknown"]) {
        assert_eq!(used[grant.as_str()], is_used, "{grant}");
    }
    assert!(record.get("learned").is_none(), "{record:#}");
}

#[test]
fn nothing_is_noted_of_a_run_that_does_not_learn() {
    let lab = Lab::new();
    let file = lab.write("data/file", "1");
    let module = lab.shell(&format!("cat {file}"));
    let record = lab.record(&[&module, "--allow", &format!("fs.read:{file}")]);
    assert_eq!(used(&record), ["unknown"]);
    let journal = lab.journal();
    assert!(journal.iter().all(|line| line.get("learned").is_none()));
    lab.run(&["policy", "learn"])
        .exits(2)
        .says(&["no run on record was made with --learn"])
        .hints("host run BUNDLE TASK --learn");
}

/// Files are told by the name that a grant of them has to have: by no link, and from wherever they were named.
#[test]
fn files_are_noted_by_the_name_that_the_machine_has_for_them() {
    let lab = Lab::new();
    let file = lab.write("data/releases/5/app.conf", "1");
    symlink("releases/5", lab.path("data/current")).unwrap();
    let data = lab.path("data");
    let module = lab.shell(&format!(
        "cd {data}/current && cat app.conf ./../5/app.conf ../../current/app.conf > /dev/null; cat app.conf > /dev/null"
    ));
    lab.record(&[&module, "--learn", "--allow", &format!("fs.read:{data}")]);
    assert_eq!(learned(&lab), expected([("fs.read", file.as_str(), true)]));
    let journal = lab.journal();
    let line = journal.last().unwrap();
    assert_eq!(line["learned"][0]["times"], 4);
}

#[test]
fn what_is_made_moved_or_removed_takes_the_directory() {
    let lab = Lab::new();
    lab.write("data/old", "1");
    let data = lab.path("data");
    for (script, takes) in [
        ("echo x > new; cat new", data.clone()),
        ("mv old older", data.clone()),
        ("rm older", data.clone()),
        ("mkdir -p sub/sub", lab.path("data")),
        ("echo x >> sub/kept", lab.path("data/sub")),
        ("echo x >> sub/kept", lab.path("data/sub/kept")),
        (
            "touch sub/kept; chmod 600 sub/kept",
            lab.path("data/sub/kept"),
        ),
    ] {
        let module = lab.shell(&format!("set -e; cd {data}; ( {script} ) >/dev/null"));
        lab.record(&[&module, "--learn", "--allow", &format!("fs.write:{data}")]);
        let noted = learned(&lab);
        let takes = format!("fs.write:{takes}");
        assert!(noted.contains_key(&takes), "{script}: {noted:?}");
        let widest = noted.keys().filter(|key| key.starts_with("fs.write:"));
        assert!(
            widest.clone().all(|key| key.starts_with(&takes)),
            "{script}: {noted:?}"
        );
    }
}

/// What was learned is enough for the same run, and without it there is none.
#[test]
fn the_rules_and_asks_that_were_learned_permit_the_run_again() {
    let lab = Lab::new();
    let (one, two) = (lab.write("data/one", "1"), lab.write("data/two words", "2"));
    let out = lab.directory("data/out");
    let script = format!("set -e; cat {one} '{two}'; echo x > {out}/result; echo \"$IT_VARIABLE\"");
    let module = lab.shell(&script);
    let grants = [
        format!("fs.read:{}", lab.path("data")),
        format!("fs.write:{out}"),
        "env:IT_VARIABLE".to_owned(),
    ];
    let mut arguments = vec!["run", &module, "--learn"];
    arguments.extend(grants.iter().flat_map(|grant| ["--allow", grant]));
    let host = |arguments: &[&str]| lab.host(arguments).env("IT_VARIABLE", "set").run();
    host(&arguments).exits(0);

    let asks = lab.path("asks.json");
    let rules = lab
        .run(&["policy", "learn", "--asks", &asks])
        .exits(0)
        .hints("host bundle pack MODULE --asks");
    lab.directory("set");
    lab.write("set/learned.cedar", rules.text());
    fs::set_permissions(lab.path("set"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(
        lab.path("set/learned.cedar"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    lab.run(&["policy", "check", "set"])
        .exits(0)
        .never_says("warning");

    let written: Value = serde_json::from_str(&lab.read("asks.json")).unwrap();
    let expected = json!([
        format!("fs.read:{one}"),
        format!("fs.read:'{two}'"),
        format!("fs.write:{out}"),
        "env:IT_VARIABLE",
    ]);
    assert_eq!(
        written,
        json!({"format": "host.asks/1", "tasks": {"demo": {"asks": expected}}})
    );
    let key = lab.path("key");
    lab.run(&["key", "new", &key]).exits(0);
    lab.run(&["trust", "add", &format!("{key}.pub")]).exits(0);
    let sign = format!("--sign={key}");
    let pack = [
        "bundle",
        "pack",
        &module,
        "--version",
        "1.0.0",
        "-o",
        "demo.tar",
    ];
    lab.run(&[&pack[..], &["--asks", &asks, &sign]].concat())
        .exits(0);

    let by_rules = ["run", "demo.tar", "--policy", "set", "--as", "alice"];
    let ran = host(&by_rules).exits(0);
    assert_eq!(ran.text(), "12set\n");
    host(&["run", "demo.tar"]).exits(3);
    lab.write(
        "other/other.cedar",
        "permit (principal, action == Action::\"run\", resource == Task::\"demo\");\n",
    );
    fs::set_permissions(lab.path("other"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(
        lab.path("other/other.cedar"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    host(&["run", "demo.tar", "--policy", "other", "--as", "alice"]).exits(3);

    // The request that was allowed is on record, and decided the same once more.
    lab.run(&["policy", "diff", "set", "set"]).exits(0);
    // Whoever ran it by rules is whom the rules are for then.
    host(&[&by_rules[..], &["--learn"]].concat()).exits(0);
    let run = lab.journal().last().unwrap()["record"]["run"]
        .as_str()
        .unwrap()
        .to_owned();
    let again = lab.run(&["policy", "learn", "--run", &run]).exits(0);
    assert!(
        again.text().contains("principal == Caller::\"alice\""),
        "{}",
        again.text()
    );
    let asked = lab.run(&["policy", "learn", "--asks", &asks]).exits(2);
    assert!(
        asked.stderr.contains("cannot be written"),
        "{}",
        asked.stderr
    );
}

#[test]
fn rules_are_learned_of_the_runs_that_are_named_and_as_widely_as_is_asked() {
    let lab = Lab::new();
    for name in ["a", "b", "c", "d"] {
        lab.write(&format!("data/{name}"), "1");
    }
    let data = lab.path("data");
    let there = not_in_the_jail();
    let module = lab.shell(&format!(
        "cat {data}/a {data}/b {data}/c {data}/d >/dev/null; cat {there} 2>/dev/null; true"
    ));
    let allow = format!("fs.read:{data}");
    let first = lab.record(&[&module, "--learn", "--allow", &allow]);
    let other = lab
        .module("other")
        .task("init.sh", "#!/bin/sh\ntrue\n", Value::Null)
        .build();
    lab.record(&[&other, "--learn"]);
    let json = |arguments: &[&str]| {
        let arguments = [&["--output", "json", "policy", "learn"], arguments].concat();
        lab.run(&arguments).exits(0).record()
    };
    let all = json(&[]);
    assert_eq!(all["tasks"].as_array().unwrap().len(), 2);
    assert_eq!(all["tasks"][0]["asks"].as_array().unwrap().len(), 4);
    assert_eq!(
        all["tasks"][0]["wanted"],
        json!([format!("fs.read:{there}")])
    );
    assert_eq!(all["tasks"][1]["asks"], json!([]));
    let run = first["run"].as_str().unwrap();
    let named = json(&["--run", run, "--directories"]);
    assert_eq!(named["tasks"].as_array().unwrap().len(), 1);
    assert_eq!(named["tasks"][0]["asks"], json!([allow]));
    let wanted = json(&[
        "--task",
        "demo",
        "--wanted",
        "--group",
        "ops",
        "--directories",
    ]);
    assert_eq!(
        wanted["tasks"][0]["asks"],
        json!([format!("fs.read:{there}"), allow])
    );
    assert_eq!(wanted["tasks"][0]["wanted"], json!([]));
    assert!(
        wanted["rules"]
            .as_str()
            .unwrap()
            .contains("principal in Group::\"ops\"")
    );
    let said = lab
        .run(&["policy", "learn", "--task", "demo"])
        .exits(0)
        .hints("--wanted");
    assert!(
        said.text()
            .contains(&format!("did not have it: fs.read:{there}")),
        "{}",
        said.text()
    );
    lab.run(&["policy", "learn", "--asks", "asks.json"])
        .exits(2)
        .says(&["of several: demo, other"])
        .hints("--task");
    assert!(!Path::new(&lab.path("asks.json")).exists());
    lab.run(&["policy", "learn", "--task", "none"])
        .exits(2)
        .hints("--learn");
    let stranger = "0192f3c1a2b4714f8c6e1f0a9d3b5c77";
    lab.run(&["policy", "learn", "--run", stranger])
        .exits(2)
        .says(&[stranger]);
}

/// A WASI program opens below its directories alone, one step at a time.
#[test]
fn a_program_of_wasi_is_noted_as_any_other() {
    let lab = crate::wasm::lab();
    lab.write("data/sub/read", "1");
    lab.write("data/never", "1");
    let out = lab.directory("out");
    // Its own directories come first, then what was granted, by path.
    let (data, written) = (
        crate::wasm::script::Arg::Int(7),
        crate::wasm::script::Arg::Int(8),
    );
    let script = Script::new()
        .open("read", (data, "sub/read"), (FOLLOW, 0, READ), 0)
        .open("new", (written, "new"), (FOLLOW, CREATE, WRITE), 1)
        .at("remove", "path_unlink_file", (written, "new"));
    let path = script.build(&lab, "script");
    let bytes = fs::read(path).unwrap();
    let module = lab.module("demo").file("tasks/init.wasm", bytes).build();
    let grants = [
        format!("fs.read:{}", lab.path("data")),
        format!("fs.write:{out}"),
    ];
    let record = lab.record(&[
        &module, "--learn", "--allow", &grants[0], "--allow", &grants[1],
    ]);
    assert_eq!(record["status"], "success", "{record:#}");
    assert_eq!(
        learned(&lab),
        expected([
            ("fs.read", lab.path("data/sub/read").as_str(), true),
            ("fs.write", out.as_str(), true),
        ]),
        "{record:#}"
    );
    assert_eq!(used(&record), ["yes", "yes"]);
    let idle = Script::new().build(&lab, "idle");
    let module = lab
        .module("idle")
        .file("tasks/init.wasm", fs::read(idle).unwrap())
        .build();
    let record = lab.record(&[&module, "--learn", "--allow", &grants[0]]);
    assert_eq!(used(&record), ["no"], "{:?}", learned(&lab));
}

/// What a task was told in confidence it may hand to a program or write into a name, and nothing of it is kept.
#[test]
fn nothing_that_was_told_in_confidence_is_noted() {
    let lab = Lab::new();
    let data = lab.directory("data");
    let program = not_a_program_in_the_jail();
    let script = format!(
        "#!/bin/sh\ncat {data}/$PT_secret 2>/dev/null; {program} --password=$PT_secret $PT_secret 2>/dev/null; cat {data}/open 2>/dev/null; true\n"
    );
    let metadata = json!({"parameters": {"secret": {"type": "String", "sensitive": true}}, "input_method": "environment"});
    let module = lab
        .module("demo")
        .task("init.sh", &script, metadata)
        .build();
    let input = lab.write("input.json", json!({"secret": "c4n4ry"}).to_string());
    let ran = lab
        .run(&[
            "run",
            &module,
            "--learn",
            "--input",
            &format!("@{input}"),
            "--allow",
            &format!("fs.read:{data}"),
        ])
        .exits(0)
        .never_says("c4n4ry");
    assert!(ran.stderr.contains("could not be noted"), "{}", ran.stderr);
    assert_eq!(
        learned(&lab),
        expected([("fs.read", format!("{data}/open").as_str(), true)])
    );
    lab.nowhere("home", "c4n4ry");
}

/// A record is no wall, and no door either.
#[test]
fn a_run_that_learns_may_do_what_it_may_do_otherwise() {
    let lab = Lab::new();
    let (granted, secret) = (
        lab.write("data/granted", "1"),
        lab.write("data/secret", "canary"),
    );
    let there = not_in_the_jail();
    let module = lab.shell(&format!(
        "for file in {granted} {secret} {there} {}/host.toml; do cat $file >/dev/null 2>&1; echo $?; done\n\
         echo x 2>/dev/null > {granted}; echo $?; rm {granted} 2>/dev/null; echo $?\n\
         sed -n '/^Groups\\|^Cap\\|^NoNewPrivs\\|^Seccomp:/p' /proc/self/status; ls /; ls -l /proc/self/fd | wc -l",
        lab.home().display()
    ));
    let allow = format!("fs.read:{granted}");
    let plain = lab.record(&[&module, "--allow", &allow]);
    let learning = lab.record(&[&module, "--allow", &allow, "--learn"]);
    for field in ["status", "outcome", "value", "denials"] {
        assert_eq!(plain[field], learning[field], "{field}");
    }
    let walls = |record: &Value| {
        let mut walls = record["walls"].clone();
        // Root's runs have a throw-away id each.
        walls.as_object_mut().unwrap().remove("user");
        walls
    };
    assert_eq!(walls(&plain), walls(&learning));
    assert_eq!(lab.read("data/granted"), "1");
}

/// Everything that a hostile task does to what takes note of it. It ends as it would otherwise.
#[test]
fn notes_have_an_end_whatever_a_task_does() {
    let lab = Lab::new();
    lab.write("data/file", "1");
    let data = lab.path("data");
    let module = lab.python(&format!(
        r#"import ctypes, mmap, os, signal, threading, time
libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
def opened(path, flags=0):
    file = libc.openat(AT_FDCWD, path, flags)
    if file >= 0:
        os.close(file)
# Many paths, in a grant and out of it.
for number in range(10_000):
    opened(b"{data}/%d" % number)
    opened(b"/nowhere/%d" % number)
# Long ones, those without an end, and none.
for length in (255, 4_000, 4_095, 4_096, 5_000, 1_000_000):
    opened(b"{data}/" + b"a/" * (length // 2))
for address in (1, 8, 4_095, 2**47 - 1, 2**63 - 1, 2**63, 2**64 - 1):
    opened(ctypes.c_void_p(address))
    libc.execve(ctypes.c_void_p(address), ctypes.c_void_p(address), None)
    libc.connect(0, ctypes.c_void_p(address), ctypes.c_uint(2**31))
    libc.renameat(AT_FDCWD, ctypes.c_void_p(address), AT_FDCWD, ctypes.c_void_p(address))
page = mmap.mmap(-1, 2 * mmap.PAGESIZE)
base = ctypes.addressof(ctypes.c_char.from_buffer(page))
libc.mprotect(ctypes.c_void_p(base + mmap.PAGESIZE), mmap.PAGESIZE, 0)
tail = b"{data}/file"
end = base + mmap.PAGESIZE - len(tail)
ctypes.memmove(end, tail, len(tail))
opened(ctypes.c_void_p(end))                     # runs into a page that nobody may read
ctypes.memmove(end - 1, tail + b"\0", len(tail) + 1)
opened(ctypes.c_void_p(end - 1))                 # ends with the last byte before it
opened(b"\xff\xfe"); opened(b"{data}/\x1b[2J\n")
# Names that are no paths.
reading, writing = os.pipe()
for file in (reading, 0, 999, -5, 2**31 - 1):
    libc.openat(ctypes.c_int(file), b"x", 0)
os.mkdir("/scratch/gone"); os.chdir("/scratch/gone"); os.rmdir("/scratch/gone")
opened(b"x"); os.chdir("/")
# Arguments without an end.
many = (ctypes.c_char_p * 100)(*[b"x" * 5_000] * 99, None)
libc.execve(b"/opt/nothing", many, None)
# A path that changes while it is read.
changing = ctypes.create_string_buffer(b"{data}/file")
stop = False
def change():
    while not stop:
        changing.value = b"{data}/file"
        changing.value = b"/etc/shadow"
changer = threading.Thread(target=change)
changer.start()
for _ in range(2_000):
    opened(changing)
stop = True
changer.join()
# Killed in the midst of calls, many at once.
children = []
for number in range(40):
    child = os.fork()
    if child == 0:
        while True:
            opened(b"{data}/%d" % os.getpid())
    children.append(child)
time.sleep(0.2)
for child in children:
    os.kill(child, signal.SIGKILL)
for child in children:
    os.waitpid(child, 0)
# And threads that die with their process in the midst of it.
child = os.fork()
if child == 0:
    for _ in range(20):
        threading.Thread(target=lambda: [opened(b"{data}/file") for _ in iter(int, 1)], daemon=True).start()
    time.sleep(0.1)
    os._exit(0)
os.waitpid(child, 0)
print(open("{data}/file").read())"#
    ));
    let allow = format!("fs.read:{data}");
    let record = lab.record(&[&module, "--learn", "--allow", &allow]);
    assert_eq!(record["status"], "success", "{record:#}");
    assert_eq!(record["value"]["_output"], "1\n");
    assert_eq!(used(&record), ["yes"]);
    let journal = lab.journal();
    let line = journal.last().unwrap();
    let noted = learned(&lab);
    assert!(noted.len() < 2_100, "{}", noted.len());
    assert!(
        noted[&allow],
        "what is beyond the notes is the grant itself"
    );
    assert!(
        line["learned_beyond"].as_u64().unwrap() > 5_000,
        "{}",
        line["learned_beyond"]
    );
    assert!(line.to_string().len() < 1 << 20);
    assert!(!noted.keys().any(|noted| noted.contains("nowhere")));
}

/// The recorder of a run: the child of its keeper that is no init.
fn recorder(live: &Live<'_>) -> Pid {
    let keeper = live.keeper().as_raw_nonzero();
    let path = format!("/proc/{keeper}/task/{keeper}/children");
    let children = fs::read_to_string(path).unwrap();
    let found = children.split_whitespace().find(|child| {
        // Init has left everything that it was born with, and is its own first process.
        let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap();
        let ids = status
            .lines()
            .find(|line| line.starts_with("NSpid:"))
            .unwrap();
        ids.split_whitespace().count() == 2
    });
    Pid::from_raw(found.expect("a recorder").parse().unwrap()).unwrap()
}

fn opening_for_ever(lab: &Lab) -> String {
    lab.shell("echo up >&2; while :; do : < /etc/passwd; done")
}

/// What does not answer holds up the run alone, whose limits bind.
#[test]
fn a_recorder_that_hangs_holds_up_no_keeper() {
    let lab = Lab::new();
    let module = opening_for_ever(&lab);
    let mut live = lab
        .host(&[
            "--output",
            "json",
            "run",
            &module,
            "--learn",
            "--limit",
            "wall=1500ms",
        ])
        .start();
    live.hears("up");
    let recorder = recorder(&live);
    // Of the rights of root it has two: to read what others may not, and other processes.
    let status = fs::read_to_string(format!("/proc/{}/status", recorder.as_raw_nonzero())).unwrap();
    let has = if crate::lab::is_root() { 0x8_0004 } else { 0 };
    assert!(
        status.contains(&format!("CapPrm:\t{has:016x}\n")),
        "{status}"
    );
    rustix::process::kill_process(recorder, Signal::STOP).unwrap();
    let ran = live.end();
    assert!(ran.took < Duration::from_secs(15), "{:?}", ran.took);
    let ran = ran.exits(1).says(&["nobody could take note"]);
    let record = ran.record();
    assert_eq!(record["outcome"]["limit"], "wall", "{record:#}");
    let refusals = record["walls"]["refusals"].as_str().unwrap();
    assert!(refusals.starts_with("lost"), "{record:#}");
}

/// Without whoever answers the kernel refuses what it was to be asked about, and the run ends: it would go on without what it
/// is allowed, and nobody would hear of what it is refused.
#[test]
fn a_recorder_that_dies_opens_nothing() {
    let lab = Lab::new();
    let module = lab.shell("echo up >&2; sleep 1; cat /etc/passwd; unshare -r true; sleep 30");
    let mut live = lab
        .host(&["--output", "json", "run", &module, "--learn"])
        .start();
    live.hears("up");
    rustix::process::kill_process(recorder(&live), Signal::KILL).unwrap();
    let ran = live.end();
    assert!(ran.took < Duration::from_secs(15), "{:?}", ran.took);
    let ran = ran.exits(7).says(&["nobody could take note"]);
    let record = ran.record();
    assert_eq!(record["status"], "lost", "{record:#}");
    assert_eq!(
        record["outcome"]["reason"], "who took note of it with --learn was killed",
        "{record:#}"
    );
    assert_eq!(record["value"]["_output"], Value::Null, "{record:#}");
    assert!(
        record["walls"]["refusals"]
            .as_str()
            .unwrap()
            .starts_with("lost"),
        "{record:#}"
    );
    assert!(!ran.text().contains("root:"), "{record:#}");
}

#[test]
fn a_recorder_dies_with_its_keeper() {
    let lab = Lab::new();
    let module = opening_for_ever(&lab);
    let mut live = lab.host(&["run", &module, "--learn"]).start();
    live.hears("up");
    rustix::process::kill_process(live.keeper(), Signal::KILL).unwrap();
    live.end_unsettled();
}

/// A signal breaks off no call where its handler says that calls are to go on. Where it says nothing of that, it may break one
/// off that nobody has heard of yet, and nothing else comes of it.
#[test]
fn a_signal_breaks_off_no_call_that_is_to_go_on() {
    let lab = Lab::new();
    let file = lab.write("data/file", "1");
    let run = |interrupts: &str| {
        let module = lab.python(&format!(
            r#"import ctypes, errno, os, signal
libc = ctypes.CDLL(None, use_errno=True)
def nothing(number, frame):
    pass
signal.signal(signal.SIGALRM, nothing)
signal.siginterrupt(signal.SIGALRM, {interrupts})
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
failed = set()
opened = 0
while opened < 5_000:
    file = libc.openat(-100, b"{file}", 0)
    if file < 0:
        failed.add(errno.errorcode[ctypes.get_errno()])
    else:
        os.close(file)
        opened += 1
signal.setitimer(signal.ITIMER_REAL, 0)
print(*failed)"#
        ));
        let record = lab.record(&[&module, "--learn", "--allow", &format!("fs.read:{file}")]);
        assert_eq!(record["status"], "success", "{record:#}");
        assert_eq!(used(&record), ["yes"], "{record:#}");
        record["value"]["_output"]
            .as_str()
            .unwrap()
            .trim()
            .to_owned()
    };
    assert_eq!(run("False"), "");
    assert!(["", "EINTR"].contains(&run("True").as_str()));
}
