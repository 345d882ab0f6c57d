//! Attacks: each test is one that a reviewer of the binary got through with, and looks at the machine afterwards.
//!
//! Attacks that mount something do it in a mount namespace of their own and need root; an ordinary user's branch
//! asserts what holds without.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use crate::lab::{Host, Lab, Live, cgroups_of, is_root};

/// What a run takes at the most that has nothing to wait for.
const QUICK: Duration = Duration::from_secs(15);
/// How long the kernel may take to bury what was killed.
const BURIAL_WAIT_MAX: Duration = Duration::from_secs(5);

/// `host` started by `script` in a mount namespace that shares its mounts with itself alone. Needs root; the
/// script finds `host` and its arguments in `"$@"` and has no single quote.
fn among_own_mounts<'l>(lab: &'l Lab, script: &str, arguments: &[&str]) -> Host<'l> {
    assert!(is_root() && !script.contains('\''));
    let script =
        format!("exec unshare -m sh -c 'set -e; mount --make-rshared /; {script}' sh \"$@\"");
    Host::by_shell(lab, &script, arguments)
}

/// A run whose task says `up` and then stays with two daemons.
fn lingering(lab: &Lab) -> Live<'_> {
    let linger = lab.lingerer();
    let module = lab.shell(&format!(
        "setsid {linger} & echo partly; echo up >&2; {linger}"
    ));
    let mut live = lab.host(&["run", &module]).start();
    live.hears("up");
    live
}

fn only_child(pid: Pid) -> Pid {
    let pid = pid.as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let child = children.split_whitespace().next().unwrap();
    Pid::from_raw(child.parse().unwrap()).unwrap()
}

fn allow(access: &str, path: &str) -> String {
    format!("{access}:{path}")
}

fn mode(path: &str, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The names of the files that came back.
fn artifacts(record: &Value) -> Vec<&str> {
    let artifacts = record["artifacts"].as_array().unwrap();
    artifacts
        .iter()
        .map(|file| file["name"].as_str().unwrap())
        .collect()
}

/// The room on disk that a directory of the lab takes, in bytes.
fn room(lab: &Lab, below: &str) -> u64 {
    let files = lab.files(below);
    files
        .iter()
        .map(|file| fs::symlink_metadata(file).unwrap().blocks() * 512)
        .sum()
}

/// The channel of a killed init was closed for ever, and the keeper span on it without ending the run.
#[test]
fn an_init_killed_from_outside_ends_its_run() {
    let lab = Lab::new();
    let live = lingering(&lab);
    let since = Instant::now();
    rustix::process::kill_process(only_child(live.keeper()), Signal::KILL).unwrap();
    live.end().exits(1);
    assert!(since.elapsed() < BURIAL_WAIT_MAX, "{:?}", since.elapsed());
    let finished = &lab.journal()[1]["record"];
    assert_eq!(
        (&finished["outcome"]["kind"], &finished["status"]),
        (&json!("signalled"), &json!("failure")),
        "{finished:#}"
    );
    assert_eq!(finished["value"]["_output"], "partly\n");
}

/// Init has the user id of its task, which could lend it a limit on CPU time and so kill it.
#[test]
fn a_task_sets_no_limit_of_init() {
    let lab = Lab::new();
    let module = lab.python(
        r#"import errno, json, resource
def tried(pid, *limit):
    try:
        resource.prlimit(pid, *limit)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"
cpu = resource.RLIMIT_CPU
print(json.dumps({"set": tried(1, cpu, (1, 1)), "read": tried(1, cpu), "own": tried(0, cpu, (1, 1))}))"#,
    );
    let record = lab.record(&[&module]);
    assert_eq!(
        record["value"],
        json!({"set": "EPERM", "read": "EPERM", "own": "done"})
    );
    assert_eq!(record["outcome"]["kind"], "exited", "{record:#}");
}

/// On a shared tree the covers of host's own places were mounted on the machine too, where they hid `HOST_HOME`.
#[test]
fn no_mount_of_a_run_reaches_the_machine() {
    let lab = Lab::new();
    let module = lab.shell("echo ran");
    let grant = allow("fs.read", lab.root().to_str().unwrap());
    let arguments = ["run", module.as_str(), "--allow", &grant];
    if is_root() {
        let (before, after) = (lab.path("before"), lab.path("after"));
        let script = format!(
            "cat /proc/self/mountinfo > {before}; \"$@\"; \"$@\"; cat /proc/self/mountinfo > {after}; exec \"$@\""
        );
        let ran = among_own_mounts(&lab, &script, &arguments).run().exits(0);
        assert_eq!(ran.text(), "ran\nran\nran\n");
        assert!(lab.read("before").contains(" shared:"));
        assert_eq!(lab.read("before"), lab.read("after"));
    } else {
        let mounts = || fs::read_to_string("/proc/self/mountinfo").unwrap();
        let before = mounts();
        lab.run(&arguments).exits(0);
        lab.run(&arguments).exits(0);
        assert_eq!(before, mounts());
    }
    assert_eq!(lab.run(&arguments).exits(0).text(), "ran\n");
}

/// What the machine mounted below a grant during the run was propagated into the jail, without any wall of the grant.
#[test]
fn a_mount_that_is_made_during_a_run_does_not_appear_inside() {
    let lab = Lab::new();
    let data = lab.directory("data");
    lab.write("data/sub/old", "");
    let module = lab.shell(&format!(
        "echo up >&2; n=0; until test -e {data}/go || test $n -gt 200; do sleep 0.05; n=$((n+1)); done; ls {data}; ls {data}/sub"
    ));
    let grant = allow("fs.read", &data);
    let arguments = ["run", module.as_str(), "--allow", &grant];
    let ran = if is_root() {
        let said = lab.path("said");
        let script = format!(
            "\"$@\" 2> {said} & run=$!; n=0; until grep -q up {said} || test $n -gt 200; do sleep 0.05; n=$((n+1)); done; touch {data}/go; mount -t tmpfs none {data}/sub; touch {data}/sub/new; mv {data}/go {data}/gone; mv {data}/gone {data}/go; wait $run"
        );
        among_own_mounts(&lab, &script, &arguments).run().exits(0)
    } else {
        let mut live = lab.host(&arguments).start();
        live.hears("up");
        lab.write("data/go", "");
        live.end().exits(0)
    };
    assert_eq!(ran.text(), "go\nsub\nold\n");
}

/// `/var/tmp` was a link to `/tmp` in the jail's root, and mount points were made below it while that root was attached
/// nowhere: in the machine's `/tmp`, and through a link there in any directory.
#[test]
fn a_grant_below_var_tmp_makes_nothing_on_the_machine() {
    let lab = Lab::new();
    let twin = |parent: &str| {
        tempfile::Builder::new()
            .prefix(lab.marker())
            .rand_bytes(0)
            .tempdir_in(parent)
    };
    let Ok(granted) = twin("/var/tmp") else {
        assert!(!is_root(), "root cannot write `/var/tmp`");
        let path = format!("/var/tmp/{}", lab.marker());
        let module = lab.shell(&format!("cat {path} 2>/dev/null || echo absent"));
        let ran = lab.run(&["run", &module, "--allow", &allow("fs.read", &path)]);
        assert_eq!(ran.exits(0).text(), "absent\n");
        assert!(!Path::new(&path).exists());
        return;
    };
    let decoy = twin("/tmp").unwrap();
    let victim = PathBuf::from(lab.directory("victim"));
    symlink(&victim, decoy.path().join("b")).unwrap();
    fs::create_dir(granted.path().join("b")).unwrap();
    let payload = granted.path().join("b/payload");
    fs::write(&payload, "payload\n").unwrap();
    let module = lab.shell(&format!("cat {}", payload.display()));
    for path in [&payload, &granted.path().join("b"), granted.path()] as [&Path; 3] {
        let grant = allow("fs.read", path.to_str().unwrap());
        let ran = lab.run(&["run", &module, "--allow", &grant]).exits(0);
        assert_eq!(ran.text(), "payload\n", "{grant}");
        assert_eq!(fs::read_dir(&victim).unwrap().count(), 0, "{grant}");
        assert_eq!(fs::read_dir(decoy.path()).unwrap().count(), 1, "{grant}");
    }
}

/// A hole takes no room in the scratch directory, and was copied as three gigabytes of zeros into the spool.
#[test]
fn a_sparse_file_that_is_left_takes_no_room() {
    let lab = Lab::new();
    let module =
        lab.shell("truncate -s 3G $HOST_OUT/hollow; printf in > $HOST_OUT/solid; echo done");
    let ran = lab.run(&["run", &module, "--limit", "scratch=1MiB"]);
    let ran = ran.exits(0).says(&["hollow"]);
    assert_eq!(ran.text(), "done\n");
    assert!(ran.took < QUICK, "it took {:?}", ran.took);
    let taken = room(&lab, "home/state/runs");
    assert!(taken < 1 << 20, "the spool takes {taken} bytes");
    assert_eq!(artifacts(&lab.journal()[1]["record"]), ["solid"]);
}

/// The names of all that was left made a report and a journal line that were too long to be kept.
#[test]
fn thousands_of_odd_names_do_not_keep_a_run_from_the_record() {
    let lab = Lab::new();
    let module = lab.python(
        r#"import os
os.chdir(os.environ["HOST_OUT"])
for n in range(9000):
    os.symlink("/nonexistent", f"{n:04}" + "\x1b[2J" * 50)
for n in range(900):
    open(f"{n:03}" + "\x01\x02" * 125, "w").close()
print("done")"#,
    );
    let ran = lab.run(&["run", &module]).exits(0).says(&["more"]);
    assert_eq!(ran.text(), "done\n");
    assert!(
        !ran.stderr.contains(['\x1b', '\x01']),
        "names reach the terminal as they are"
    );
    assert!(ran.stderr.len() < 1 << 20, "{} bytes", ran.stderr.len());
    assert_eq!(lab.events(), ["intended", "finished"]);
    let record = fs::read(lab.spool(&lab.spooled()[0]).join("record.json")).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    assert_eq!(record["status"], "success");
    let back = artifacts(&record);
    assert!((100..900).contains(&back.len()), "{} files", back.len());
}

/// host's own places were hidden and held only where they themselves lie, so that another mount of them below a grant
/// was open, for writing too.
#[test]
fn another_mount_of_hosts_own_place_is_no_way_into_it() {
    let lab = Lab::new();
    let quiet = lab.shell("true");
    lab.run(&["run", &quiet]).exits(0);
    let (above, alias) = (lab.directory("above"), lab.directory("above/alias"));
    lab.write("above/plain", "plain\n");
    let module = lab.shell(&format!("cat {above}/plain; ls -A {alias}"));
    if !is_root() {
        let state = lab.path("home/state");
        for access in ["fs.read", "fs.write"] {
            let ran = lab.run(&["run", &module, "--allow", &allow(access, &state)]);
            ran.exits(3).says(&["host's own"]);
        }
        return;
    }
    let run = |grant: &str| {
        let script = format!("mount --bind \"$HOST_HOME/state\" {alias}; exec \"$@\"");
        among_own_mounts(&lab, &script, &["run", &module, "--allow", grant]).run()
    };
    for grant in [
        allow("fs.read", &alias),
        allow("fs.read", &format!("{alias}/runs")),
        allow("fs.read", &format!("{alias}/journal.jsonl")),
        allow("fs.write", &alias),
        allow("fs.write", &above),
    ] {
        let ran = run(&grant).exits(3).says(&["host's own"]);
        assert_eq!(ran.text(), "", "{grant}");
    }
    assert_eq!(run(&allow("fs.read", &above)).exits(0).text(), "plain\n");
}

/// The rule for the run's own directories was made by their paths, and fell to the machine's that were granted there.
#[test]
fn a_grant_in_the_place_of_scratch_is_not_opened_like_it() {
    if !is_root() {
        return;
    }
    let lab = Lab::new();
    let script = "for d in /var /dev/shm; do mount -t tmpfs none $d; chmod 755 $d; done; mkdir /var/tmp; \
        for d in /var /var/tmp /dev/shm; do mkfifo -m 666 $d/pipe; done; \
        if test -n \"$PIPELESS\"; then rm /var/tmp/pipe /dev/shm/pipe; echo > /var/tmp/file; echo > /dev/shm/file; fi; exec \"$@\"";
    let module = lab.python(
        r#"import errno, os
for place in ("/var", "/var/tmp", "/tmp", "/dev/shm"):
    for name in ("pipe", "file", "new"):
        try:
            flags = os.O_WRONLY | os.O_NONBLOCK | (os.O_CREAT if name == "new" else 0)
            os.close(os.open(f"{place}/{name}", flags))
            print(place, name, "opened")
        except OSError as error:
            print(place, name, errno.errorcode[error.errno])
"#,
    );
    let run = |grant: &str, pipeless: &str| {
        let grant = allow("fs.read", grant);
        let host = among_own_mounts(&lab, script, &["run", &module, "--allow", &grant]);
        host.env("PIPELESS", pipeless).run()
    };
    for place in ["/var/tmp", "/dev/shm"] {
        run(place, "").exits(3).says(&["a named pipe"]);
        let said = run(place, "yes").exits(0).text();
        for name in ["file", "new"] {
            assert!(!said.contains(&format!("{place} {name} opened")), "{said}");
        }
        // Its own directories stay its own.
        assert!(said.contains("/tmp new opened"), "{said}");
    }
    let own = format!("mkdir -p /dev/other; mount -t tmpfs none /dev/other; {script}");
    let read = allow("fs.read", "/dev/other");
    among_own_mounts(&lab, &own, &["run", &module, "--allow", &read])
        .run()
        .exits(3)
        .says(&["every run has one of its own there"]);
    let said = run("/var", "").exits(0).text();
    for place in ["/var", "/var/tmp"] {
        assert!(said.contains(&format!("{place} pipe EACCES")), "{said}");
        assert!(!said.contains(&format!("{place} new opened")), "{said}");
    }
    assert!(said.contains("/dev/shm new opened"), "{said}");
}

/// Where the owner of a grant cannot be had, the run is a stranger there, and is never let write as one.
#[test]
fn without_id_maps_a_run_is_a_stranger() {
    if !is_root() {
        return;
    }
    let lab = Lab::new();
    let granted = lab.directory("granted");
    mode(lab.root().to_str().unwrap(), 0o755);
    // No kernel maps ids on a ramfs.
    let script = format!(
        "mount -t ramfs none {granted}; echo open > {granted}/open; echo shut > {granted}/shut; \
         chmod 755 {granted}; chmod 644 {granted}/open; chmod 600 {granted}/shut; exec \"$@\""
    );
    let module = lab.shell(&format!("cat {granted}/open {granted}/shut"));
    let (read, write) = (allow("fs.read", &granted), allow("fs.write", &granted));
    let ran = among_own_mounts(&lab, &script, &["run", &module, "--allow", &read]).run();
    let ran = ran.exits(1).says(&[
        "Permission denied",
        "idmap",
        "with the rights of a stranger",
    ]);
    assert_eq!(ran.text(), "open\n");
    among_own_mounts(&lab, &script, &["run", &module, "--allow", &write])
        .run()
        .exits(3)
        .says(&["no id-mapped mounts"]);
}

/// A directory of `system_paths` was no grant, so nothing kept a task from the sockets in it.
#[test]
fn a_socket_below_a_system_path_is_not_reached() {
    let lab = Lab::new();
    let tools = lab.directory("tools");
    let socket = lab.path("tools/socket");
    let listener = UnixListener::bind(&socket).unwrap();
    listener.set_nonblocking(true).unwrap();
    lab.write(
        "home/config/config.toml",
        format!("system_paths = [\"{tools}\"]\n"),
    );
    mode(lab.root().to_str().unwrap(), 0o755);
    mode(&lab.path("home"), 0o700);
    mode(&tools, 0o755);
    mode(&socket, 0o777);
    let module = lab.python(&format!(
        r#"import errno, json, os, socket, stat
found = {{"is": stat.S_ISSOCK(os.stat("{socket}").st_mode)}}
for kind in ["STREAM", "DGRAM", "SEQPACKET"]:
    try:
        socket.socket(socket.AF_UNIX, getattr(socket, "SOCK_" + kind)).connect("{socket}")
        found[kind] = "done"
    except OSError as error:
        found[kind] = errno.errorcode[error.errno]
print(json.dumps(found))"#
    ));
    let value = lab.record(&[&module])["value"].clone();
    assert_eq!(value["is"], true, "the socket is not there: {value}");
    for kind in ["STREAM", "DGRAM", "SEQPACKET"] {
        let answer = value[kind].as_str().unwrap();
        // Where Landlock cannot keep a task from a socket's path, there are no such sockets at all.
        assert!(
            ["EACCES", "EPERM", "EAFNOSUPPORT"].contains(&answer),
            "{kind}: {value}"
        );
    }
    let nobody = listener.accept().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}

/// What could not be opened was told in one message with whole paths, which was too long and lost all that came after.
#[test]
fn many_asks_that_cannot_be_had_lose_nothing_of_the_run() {
    let lab = Lab::new();
    let missing = |n: usize| lab.path(&format!("{}/{}-{n}", "a".repeat(150), "b".repeat(150)));
    let capabilities: Vec<String> = (0..60).map(|n| allow("fs.read", &missing(n))).collect();
    let asks: Vec<Value> = capabilities
        .iter()
        .map(|capability| json!({"capability": capability, "optional": true}))
        .collect();
    let metadata = json!({"extensions": {"host": {"asks": asks}}});
    let program = "#!/bin/sh\nprintf kept > $HOST_OUT/kept\necho done\n";
    let module = lab
        .module("demo")
        .task("init.sh", program, metadata)
        .build();
    let ran = lab.run(&["--output", "json", "run", &module, "--allow-asked"]);
    let record = ran.exits(0).record();
    assert_eq!(record["value"]["_output"], "done\n");
    assert_eq!(artifacts(&record), ["kept"]);
    let mut denied: Vec<&str> = record["denials"]
        .as_array()
        .unwrap()
        .iter()
        .map(|denial| denial["capability"].as_str().unwrap())
        .collect();
    denied.sort_unstable();
    let mut expected = capabilities.clone();
    expected.sort();
    assert_eq!(denied, expected);
    assert_eq!(record["grant"], json!([]));
}

/// The directory for results was opened a second time after the run, when its owner could have closed it, and what
/// an ordinary user's run had said was lost with what it had left.
#[test]
fn a_task_that_closes_its_directory_for_results_loses_nothing() {
    let lab = Lab::new();
    let module = lab.shell("printf kept > /out/kept; echo done; chmod 000 /out");
    let record = lab.run(&["--output", "json", "run", &module]);
    let record = record.exits(0).record();
    assert_eq!(record["value"]["_output"], "done\n");
    assert_eq!(artifacts(&record), ["kept"], "{record:#}");
    let kept = lab.files("home/state/runs");
    assert!(kept.iter().any(|file| fs::read(file).unwrap() == b"kept"));
}

/// What could not be printed was dropped, and the run was reported as done to whoever had not got its record.
#[test]
fn a_record_that_cannot_be_printed_is_no_success() {
    for output in ["json", "jsonl", "human"] {
        let lab = Lab::new();
        let module = lab.shell("echo done");
        let arguments = ["--output", output, "run", &module];
        let ran = Host::by_shell(&lab, "exec \"$@\" > /dev/full", &arguments).run();
        ran.exits(7);
        assert_eq!(lab.events(), ["intended", "finished"]);
        assert_eq!(lab.journal()[1]["record"]["status"], "success", "{output}");
    }
}

/// Init became user 0 of a map that did not hold it for a granted user, so that such a run never started.
#[test]
fn a_granted_user_can_look_like_root() {
    let lab = Lab::new();
    let data = lab.directory("data");
    let module = lab.shell(&format!(
        "id -u; id -un; sed -n 's/^CapEff:.//p' /proc/self/status; echo x > {data}/file"
    ));
    let write = allow("fs.write", &data);
    let grants = ["run.as:nobody", "appear.root", &write];
    let mut arguments = vec!["run", module.as_str()];
    arguments.extend(grants.iter().flat_map(|grant| ["--allow", grant]));
    if !is_root() {
        lab.run(&arguments)
            .exits(3)
            .says(&["run.as:nobody", "needs root"]);
        return;
    }
    std::os::unix::fs::chown(&data, Some(65_534), Some(65_534)).unwrap();
    let ran = lab.run(&arguments).exits(0);
    assert_eq!(ran.text(), "0\nroot\n0000000000000000\n");
    assert_eq!(fs::metadata(lab.path("data/file")).unwrap().uid(), 65_534);
}

/// A directory with a path of more than 4,096 bytes could not be looked into and was passed over.
#[test]
fn a_set_id_program_that_lies_too_deep_to_name_is_found() {
    let lab = Lab::new();
    let data = lab.directory("data");
    let build = r#"import os, sys
os.chdir(sys.argv[1])
for _ in range(25):
    os.mkdir("d" * 200)
    os.chdir("d" * 200)
open("tool", "w").close()
os.chmod("tool", 0o4755)"#;
    let mut built = Command::new("/usr/bin/python3");
    assert!(built.args(["-c", build, &data]).status().unwrap().success());
    let module = lab.shell("echo ran");
    let ran = lab.run(&["run", &module, "--allow", &allow("fs.write", &data)]);
    assert_eq!(ran.exits(3).hints("grant").text(), "");
    // Below `/tmp` what is only read is looked through too, for pipes.
    let ran = lab.run(&["run", &module, "--allow", &allow("fs.read", &data)]);
    assert_eq!(ran.exits(3).hints("grant").text(), "");
}

/// With host and keeper dead nobody removed the control groups of their run, then or later.
#[test]
fn what_a_killed_host_and_keeper_leave_is_swept_by_the_next_run() {
    let lab = Lab::new();
    let live = lingering(&lab);
    let run = lab.spooled();
    let keeper = live.keeper();
    let init = only_child(keeper);
    // A stopped host cannot clean up after its keeper.
    live.signal(Signal::STOP);
    rustix::process::kill_process(keeper, Signal::KILL).unwrap();
    live.signal(Signal::KILL);
    let since = Instant::now();
    while rustix::process::test_kill_process(init).is_ok() {
        assert!(
            since.elapsed() < BURIAL_WAIT_MAX,
            "process 1 of the jail lives"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let module = lab.shell("echo next");
    // Asserts that no process, mount or control group of either run is left.
    let next = lab.host(&["run", &module]).start().end_unsettled();
    assert_eq!(next.exits(0).text(), "next\n");
    live.end_unsettled().exits(-9);
    assert!(cgroups_of(&run).is_empty());
}
