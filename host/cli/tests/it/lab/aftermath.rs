//! What the machine must look like when a `host` has ended.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Lab;

/// How long the kernel may take to bury what was killed.
const BURIAL_WAIT_MAX: Duration = Duration::from_secs(5);
/// How deep control groups are searched.
const CGROUP_DEPTH_MAX: usize = 5;

/// Asserts that no process, mount or control group of the lab's runs is left.
#[track_caller]
pub(crate) fn assert_nothing_lives(lab: &Lab) {
    let since = Instant::now();
    loop {
        let left = living(lab);
        if left.is_empty() {
            return;
        }
        assert!(since.elapsed() < BURIAL_WAIT_MAX, "left behind: {left:#?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Asserts that the journal and the spool tell one story: each intended run came to an end that is on record, and nobody
/// changed a line.
#[track_caller]
pub(crate) fn assert_settled(lab: &Lab) {
    let log = fs::read(lab.home().join("state/journal.jsonl")).unwrap_or_default();
    let verdict = host_store::verify_log(&*log, &host_store::Evidence::default()).unwrap();
    assert!(verdict.is_whole(), "{:?}", verdict.breaks);
    let mut open: BTreeMap<String, String> = BTreeMap::new();
    for line in lab.journal() {
        let format = line["format"].as_str();
        let is_known = matches!(format, Some("host.journal/1" | "host.journal/2"));
        assert!(is_known, "{line}");
        let run = line
            .pointer("/record/run")
            .unwrap_or(&line["run"])
            .as_str()
            .unwrap_or_default()
            .to_owned();
        match line["event"].as_str().unwrap() {
            "intended" => assert!(
                open.insert(run, "intended".to_owned()).is_none(),
                "intended twice: {line}"
            ),
            "finished" => {
                assert_eq!(
                    open.insert(run.clone(), "finished".to_owned()).as_deref(),
                    Some("intended"),
                    "{line}"
                );
                let spool = lab.spool(&run);
                for file in ["stdout", "stderr", "record.json"] {
                    assert!(
                        spool.join(file).is_file(),
                        "run {run} has no `{file}` in the spool"
                    );
                }
                let record: serde_json::Value =
                    serde_json::from_slice(&fs::read(spool.join("record.json")).unwrap()).unwrap();
                assert_eq!(
                    record["status"], line["record"]["status"],
                    "spool and journal differ"
                );
            }
            "abandoned" => {
                open.insert(run, "abandoned".to_owned());
            }
            "recovered" | "checkpoint" | "rekeyed" | "restarted" => {}
            "refused" | "unstarted" => assert!(
                !open.contains_key(&run) && !lab.spool(&run).exists(),
                "nothing was about to be started: {line}"
            ),
            other => panic!("unknown event `{other}`"),
        }
    }
    let unsettled: Vec<_> = open
        .iter()
        .filter(|(_, state)| *state == "intended")
        .collect();
    assert!(
        unsettled.is_empty(),
        "runs without an end in the journal: {unsettled:?}"
    );
    let mut kept = lab.spooled();
    kept.retain(|run| open.get(run).map(String::as_str) != Some("finished"));
    assert!(
        kept.is_empty(),
        "spools of runs that the journal does not know as finished: {kept:?}"
    );
}

/// Directories of control groups of these runs.
pub(crate) fn cgroups_of(runs: &[String]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    gather_cgroups(Path::new("/sys/fs/cgroup"), 0, runs, &mut found);
    found
}

fn gather_cgroups(directory: &Path, depth: usize, runs: &[String], found: &mut Vec<PathBuf>) {
    // Groups of other tests come and go while this looks.
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
    {
        let name = entry.file_name().into_string().unwrap_or_default();
        if name
            .strip_prefix("run-")
            .is_some_and(|run| runs.iter().any(|known| known == run))
        {
            found.push(entry.path());
        } else if depth < CGROUP_DEPTH_MAX {
            gather_cgroups(&entry.path(), depth + 1, runs, found);
        }
    }
}

fn living(lab: &Lab) -> Vec<String> {
    let intended: Vec<_> = lab
        .journal()
        .into_iter()
        .filter(|line| line["event"] == "intended")
        .collect();
    let runs: Vec<String> = intended
        .iter()
        .filter_map(|line| Some(line["run"].as_str()?.to_owned()))
        .collect();
    // A throw-away user has no process but its run's; anybody else's run is known by its command line.
    let uids: Vec<u64> = intended
        .iter()
        .filter_map(|line| line["uid"].as_u64())
        .filter(|uid| *uid >= 0x7800_0000)
        .collect();
    let mut left = processes(lab.marker(), &uids);
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    left.extend(
        mounts
            .lines()
            .filter(|line| line.contains(lab.marker()))
            .map(|line| format!("mount {line}")),
    );
    left.extend(
        cgroups_of(&runs)
            .iter()
            .map(|group| format!("control group {}", group.display())),
    );
    left
}

fn processes(marker: &str, uids: &[u64]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let owned = entry
            .metadata()
            .is_ok_and(|owner| uids.contains(&u64::from(owner.uid())));
        if (line.contains(marker) || owned) && !is_dead(pid) {
            found.push(format!("process {pid}: {line}"));
        }
    }
    found
}

/// A zombie is the business of whoever is to reap it, and is no process any more.
fn is_dead(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return true;
    };
    stat.rsplit_once(") ")
        .is_none_or(|(_, rest)| rest.starts_with('Z'))
}

#[test]
fn what_is_left_behind_is_found() {
    let lab = Lab::new();
    assert!(living(&lab).is_empty());
    let waiter = format!("read _; : {}", lab.marker());
    let mut command = std::process::Command::new("sh");
    let mut left = command
        .args(["-c", &waiter])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let since = Instant::now();
    // A program that has just started has no command line for a moment.
    while living(&lab).is_empty() {
        assert!(
            since.elapsed() < BURIAL_WAIT_MAX,
            "a living process is not found"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    left.kill().unwrap();
    left.wait().unwrap();
    assert!(living(&lab).is_empty());
}
