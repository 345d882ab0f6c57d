//! Runs whose processes are killed at odd moments, or cannot be killed: what is on record, and what is left.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::Value;

use crate::lab::{Host, Lab, Live, cgroups_of, is_root};

/// Runs that are killed, each a little later in its life than the one before.
const KILLED_RUNS: u32 = 60;
/// By how much later.
const KILL_STEP: Duration = Duration::from_micros(400);
/// How long a run that cannot be ended may keep its `host`: a killed run gets 5 s to die, a keeper 15 s to answer.
const STUCK_WAIT_MAX: Duration = Duration::from_secs(25);

/// The marks of runs under way.
fn marks(lab: &Lab) -> Vec<PathBuf> {
    let marks = fs::read_dir(lab.home().join("state/active")).unwrap();
    marks.map(|mark| mark.unwrap().path()).collect()
}

/// How often each run is in the journal as intended and as finished.
fn stories(lab: &Lab) -> BTreeMap<String, (u32, u32)> {
    let mut stories: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    for line in lab.journal() {
        let run = line.pointer("/record/run").unwrap_or(&line["run"]);
        let Some(run) = run.as_str() else { continue };
        let (intended, finished) = stories.entry(run.to_owned()).or_default();
        match line["event"].as_str() {
            Some("intended") => *intended += 1,
            Some("finished") => *finished += 1,
            _ => {}
        }
    }
    stories
}

/// Runs that had ended were recorded as lost, some several times, and some that had never been intended; marks and
/// spools of others stayed for ever.
#[test]
fn whenever_host_is_killed_each_run_has_one_story() {
    let lab = Lab::new();
    let module = lab.shell("echo done");
    lab.run(&["run", &module]).exits(0);
    for step in 0..KILLED_RUNS {
        let live = lab.host(&["run", &module]).start();
        std::thread::sleep(KILL_STEP * step);
        // One that has ended meanwhile is not there to be killed.
        let _ = rustix::process::kill_process(live.pid(), Signal::KILL);
        live.end_swept_later();
    }
    // Each looks after so many.
    for _ in 0..KILLED_RUNS / 8 {
        lab.host(&["run", &module]).start().end_swept_later();
    }
    let stories = stories(&lab);
    for (run, story) in &stories {
        assert_eq!(
            *story,
            (1, 1),
            "run {run} is intended and finished so often"
        );
    }
    assert_eq!(marks(&lab), [] as [PathBuf; 0]);
    let unknown: Vec<String> = lab.spooled();
    let unknown: Vec<&String> = unknown
        .iter()
        .filter(|run| !stories.contains_key(*run))
        .collect();
    assert!(
        unknown.is_empty(),
        "spools that no line tells of: {unknown:?}"
    );
    let runs: Vec<String> = stories.into_keys().collect();
    assert!(cgroups_of(&runs).is_empty());
}

/// Appends the first intent of the journal once more, as that of another run.
fn append_intent(lab: &Lab, run: &str) {
    let mut intent = lab.journal()[0].clone();
    let fields = intent.as_object_mut().unwrap();
    for name in ["format", "seq", "prev", "time", "mac"] {
        fields.remove(name);
    }
    fields.insert("run".to_owned(), run.into());
    let at = |name: &str| lab.home().join(name);
    let places = host_store::Places {
        config: at("config"),
        state: at("state"),
        cache: at("cache"),
        runtime: at("runtime"),
    };
    let store = host_store::Store::open(&places, host_store::OpenMode::Write).unwrap();
    let time = host_core::Timestamp::from_unix(1_795_252_811, 0);
    store.journal().append(time, &intent).unwrap();
}

/// What was under way when the machine went down is lost, and its mark may be too: it was not synced.
#[test]
fn after_a_start_of_the_machine_the_journal_alone_is_believed() {
    let lab = Lab::new();
    let module = lab.shell("echo done");
    lab.run(&["run", &module]).exits(0);
    let run = lab.spooled()[0].clone();
    let other = run.replace(&run[8..12], "0000");
    assert_ne!(run, other);
    append_intent(&lab, &other);
    lab.host(&["run", &module]).start().end_unsettled().exits(0);
    assert_eq!(
        stories(&lab)[&other],
        (1, 0),
        "a run of this boot may be under way"
    );
    fs::write(
        lab.home().join("state/boot"),
        "another start of the machine",
    )
    .unwrap();
    for _ in 0..2 {
        lab.host(&["run", &module]).start().end_unsettled().exits(0);
        assert_eq!(stories(&lab)[&other], (1, 1));
        assert_eq!(stories(&lab)[&run], (1, 1));
    }
    let lost = lab
        .journal()
        .into_iter()
        .find(|line| line["run"] == *other && line["event"] == "finished");
    assert_eq!(lost.unwrap()["status"], "lost");
}

/// A group of version 1 in which processes stand still and cannot be killed, like those that wait for a dead disk.
struct Freezer(PathBuf);

impl Freezer {
    /// Nothing where this machine has no such groups.
    fn new(lab: &Lab) -> Option<Self> {
        let groups = Path::new("/sys/fs/cgroup/freezer");
        let group = groups.join(lab.marker());
        let made = fs::create_dir(&group);
        assert!(made.is_ok() || !is_root() || !groups.exists());
        made.ok().map(|()| Self(group))
    }

    fn freeze(&self, pid: Pid) {
        let pid = pid.as_raw_nonzero().to_string();
        fs::write(self.0.join("cgroup.procs"), pid).unwrap();
        fs::write(self.0.join("freezer.state"), "FROZEN").unwrap();
    }

    fn thaw(&self) {
        fs::write(self.0.join("freezer.state"), "THAWED").unwrap();
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        self.thaw();
        let since = Instant::now();
        while fs::remove_dir(&self.0).is_err() && since.elapsed() < STUCK_WAIT_MAX {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn init_of(live: &Live<'_>) -> Pid {
    let keeper = live.keeper().as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{keeper}/task/{keeper}/children")).unwrap();
    Pid::from_raw(children.split_whitespace().next().unwrap().parse().unwrap()).unwrap()
}

fn stuck<'l>(lab: &'l Lab, limit: &str) -> Live<'l> {
    let linger = lab.lingerer();
    let module = lab.shell(&format!("echo up >&2; {linger}"));
    let mut live = lab.host(&["run", &module, "--limit", limit]).start();
    live.hears("up");
    live
}

fn ends(live: &mut Live<'_>) {
    let since = Instant::now();
    while live.lives() {
        assert!(since.elapsed() < STUCK_WAIT_MAX, "host waits for ever");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Its control groups stayed for ever, since nobody remembered that there was something to remove.
#[test]
fn a_run_that_cannot_be_killed_is_cleared_away_when_it_can() {
    let lab = Lab::new();
    let Some(freezer) = Freezer::new(&lab) else {
        return;
    };
    let mut live = stuck(&lab, "wall=1s");
    freezer.freeze(init_of(&live));
    ends(&mut live);
    let finished = lab.journal()[1]["record"]["outcome"]["kind"].clone();
    assert_eq!(finished, "unkillable");
    let runs = lab.spooled();
    assert!(!cgroups_of(&runs).is_empty(), "they cannot be removed yet");
    freezer.thaw();
    live.end_swept_later().exits(1);
    let module = lab.shell("echo next");
    lab.host(&["run", &module]).start().end_unsettled().exits(0);
    assert!(cgroups_of(&runs).is_empty());
    assert_eq!(marks(&lab), [] as [PathBuf; 0]);
    assert!(stories(&lab).values().all(|story| *story == (1, 1)));
}

/// Init held the keeper's end of the socket, so that nobody heard of the keeper's death.
#[test]
fn a_keeper_that_is_killed_is_missed_even_if_its_run_cannot_die() {
    let lab = Lab::new();
    let Some(freezer) = Freezer::new(&lab) else {
        return;
    };
    let mut live = stuck(&lab, "wall=10m");
    freezer.freeze(init_of(&live));
    rustix::process::kill_process(live.keeper(), Signal::KILL).unwrap();
    ends(&mut live);
    freezer.thaw();
    live.end_swept_later().exits(5);
    assert_eq!(lab.journal()[1]["record"]["status"], "lost");
    let module = lab.shell("echo next");
    lab.host(&["run", &module]).start().end_unsettled().exits(0);
    assert!(cgroups_of(&lab.spooled()).is_empty());
    assert_eq!(marks(&lab), [] as [PathBuf; 0]);
}

/// Nobody else may be who a process still is.
#[test]
fn the_user_of_a_run_that_cannot_be_killed_is_given_to_no_other() {
    let lab = Lab::new();
    let Some(freezer) = Freezer::new(&lab) else {
        return;
    };
    // Going round never ends at the last one, so that of three there are two to be given.
    let users = 1_900_000_016..=1_900_000_018;
    let range = format!("uid_range = [{}, {}]\n", users.start(), users.end());
    lab.write("home/config/config.toml", range);
    let mut live = stuck(&lab, "wall=1s");
    freezer.freeze(init_of(&live));
    ends(&mut live);
    let quarantined = lab.journal()[0]["uid"].clone();
    let module = lab.shell("true");
    for _ in 0..3 {
        lab.host(&["run", &module])
            .start()
            .end_swept_later()
            .exits(0);
    }
    let journal = lab.journal();
    let given: Vec<&Value> = journal
        .iter()
        .filter(|line| line["event"] == "intended")
        .map(|line| &line["uid"])
        .collect();
    assert_eq!(given.len(), 4);
    assert!(given[1..].iter().all(|user| **user != quarantined));
    freezer.thaw();
    live.end_swept_later().exits(1);
    lab.host(&["run", &module]).start().end_unsettled().exits(0);
}

/// Limits that are looked at in `/proc` were said to hold where it shows nothing.
#[test]
fn where_proc_hides_a_run_the_record_says_what_is_not_looked_at() {
    if !is_root() {
        return;
    }
    let lab = Lab::new();
    let home = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(home.path(), Some(65_534), Some(65_534)).unwrap();
    fs::set_permissions(lab.root(), fs::Permissions::from_mode(0o755)).unwrap();
    let module = lab.shell("echo ran");
    let script = format!(
        "HOST_HOME={0}/home HOME={0} exec unshare -m -p --fork sh -c 'set -e; mount --make-rprivate /; mount -t proc -o hidepid=2 none /proc; exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$@\"' sh \"$@\"",
        home.path().display()
    );
    let arguments = ["--output", "json", "run", module.as_str()];
    let record = Host::by_shell(&lab, &script, &arguments)
        .run()
        .exits(0)
        .record();
    for wall in ["memory", "cpu"] {
        let held = record["walls"][wall].as_str().unwrap();
        assert!(held.contains("/proc hides"), "{wall}: {held}");
    }
}

/// The lock was let go with `host`, though a keeper that hung kept the task alive.
#[test]
fn an_exclusive_task_is_alone_as_long_as_its_keeper_lives() {
    let lab = Lab::new();
    let linger = lab.lingerer();
    let metadata = serde_json::json!({"extensions": {"host": {"asks": [], "exclusive": true}}});
    let program = format!("#!/bin/sh\necho up >&2\n{linger}\n");
    let module = lab
        .module("demo")
        .task("init.sh", &program, metadata)
        .build();
    let mut live = lab.host(&["run", &module]).start();
    live.hears("up");
    let keeper = live.keeper();
    rustix::process::kill_process(keeper, Signal::STOP).unwrap();
    live.signal(Signal::KILL);
    live.end_swept_later().exits(-9);
    let second = lab.host(&["run", &module]).start().end_swept_later();
    second.exits(7).says(&["going on"]);
    rustix::process::kill_process(keeper, Signal::CONT).unwrap();
    let since = Instant::now();
    while rustix::process::test_kill_process(keeper).is_ok() {
        assert!(since.elapsed() < STUCK_WAIT_MAX, "the keeper goes on");
        std::thread::sleep(Duration::from_millis(5));
    }
    let module = lab.shell("echo next");
    lab.host(&["run", &module]).start().end_unsettled().exits(0);
}

/// The keeper was in the group of the terminal for a moment, where an interrupt killed it, and the run counted as lost.
#[test]
fn an_interrupt_at_any_moment_loses_no_run() {
    let lab = Lab::new();
    let module = lab.shell("sleep 0.02; echo done");
    for step in 0..KILLED_RUNS {
        // A group of its own, as a terminal gives it, with interrupts that are not ignored.
        let script = format!(
            "exec python3 -c 'import os, signal, subprocess, sys, time\nrun = subprocess.Popen(sys.argv[1:], start_new_session=True)\ntime.sleep({})\nos.killpg(run.pid, signal.SIGINT)\nsys.exit(run.wait() % 256)' \"$@\"",
            (KILL_STEP * step).as_secs_f64() / 2.0
        );
        let ran = Host::by_shell(&lab, &script, &["run", &module])
            .start()
            .end_swept_later();
        // Before it listens to interrupts one ends it, as any program.
        let interrupted = 256 - Signal::INT.as_raw();
        assert!(
            [0, 130, interrupted].contains(&ran.code()),
            "{}: {}",
            ran.code(),
            ran.stderr
        );
    }
    lab.host(&["run", &module])
        .start()
        .end_swept_later()
        .exits(0);
    let lost = lab.journal().into_iter().find(|line| {
        line["status"] == "lost"
            || line
                .pointer("/record/status")
                .is_some_and(|status| status == "lost")
    });
    assert_eq!(lost, None);
    assert_eq!(marks(&lab), [] as [PathBuf; 0]);
}

/// The wait for the journal counted as the task's time, which then had none left.
#[test]
fn a_journal_that_is_busy_takes_no_time_from_the_run() {
    let lab = Lab::new();
    let module = lab.shell("echo done");
    lab.run(&["run", &module]).exits(0);
    let journal = lab.home().join("state/journal.jsonl");
    let file = fs::File::options().append(true).open(journal).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let live = lab.host(&["run", &module, "--limit", "wall=300ms"]).start();
    std::thread::sleep(Duration::from_millis(900));
    drop(file);
    assert_eq!(live.end().exits(0).text(), "done\n");
}

/// Control groups are made below those of whoever starts a run, and the next start may come from another.
#[test]
fn groups_are_cleared_away_from_anywhere() {
    if !is_root() {
        return;
    }
    let lab = Lab::new();
    let live = stuck(&lab, "wall=10m");
    let keeper = live.keeper();
    let runs = lab.spooled();
    live.signal(Signal::STOP);
    rustix::process::kill_process(keeper, Signal::KILL).unwrap();
    live.signal(Signal::KILL);
    live.end_swept_later().exits(-9);
    assert!(!cgroups_of(&runs).is_empty());
    std::thread::sleep(Duration::from_millis(100));
    let module = lab.shell("echo next");
    let script = "exec unshare -C \"$@\"";
    let next = Host::by_shell(&lab, script, &["run", &module])
        .start()
        .end_swept_later();
    next.exits(0);
    assert!(cgroups_of(&runs).is_empty());
}
