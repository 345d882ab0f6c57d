//! Runs in a row: as many as fit into the time there is leave the machine as they found it.
//!
//! `HOST_TEST_RUNS` says how many, for thousands of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use super::scenery::{THROWAWAY_IDS, no_throwaway_owners};
use crate::lab::{Lab, cgroups_of};

/// How long they go on where nobody says how many.
const TIME: Duration = Duration::from_secs(8);
/// One of so many is looked at for what it left of processes and mounts.
const LOOKED_AT: usize = 50;

/// How many runs were asked for.
fn asked() -> Option<usize> {
    let runs = std::env::var("HOST_TEST_RUNS").ok()?;
    Some(runs.parse().expect("HOST_TEST_RUNS is a number"))
}

#[test]
fn runs_in_a_row_leave_nothing_behind() {
    let lab = Lab::new();
    let data = lab.directory("data");
    let bodies = [
        "echo x > $HOST_OUT/file; echo done".to_owned(),
        format!(
            "echo x > {data}/file; mkdir -p {data}/sub; rm -r {data}/sub; sleep 300 & echo done"
        ),
        "exit 3".to_owned(),
        "kill -9 $$".to_owned(),
        "echo 1; (setsid sleep 300 &) ; head -c 300000 /dev/zero > /dev/shm/file; echo done"
            .to_owned(),
    ];
    let modules: Vec<String> = (0..)
        .zip(&bodies)
        .map(|(n, body)| {
            let module = lab.module(&format!("demo{n}"));
            module
                .task(
                    "init.sh",
                    &format!("#!/bin/sh\n{body}\n"),
                    serde_json::Value::Null,
                )
                .build()
        })
        .collect();
    let write = format!("fs.write:{data}");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let (since, mut runs, mut codes) = (Instant::now(), 0, BTreeMap::new());
    while asked().map_or_else(|| since.elapsed() < TIME, |asked| runs < asked) {
        let module = &modules[runs % modules.len()];
        let live = lab.host(&["run", module, "--allow", &write]).start();
        runs += 1;
        let ran = if runs % LOOKED_AT == 0 {
            live.end()
        } else {
            live.end_swept_later()
        };
        *codes.entry(ran.code()).or_insert(0) += 1;
    }
    let took = since.elapsed();
    writeln!(std::io::stderr(), "{runs} runs in {took:?}: {codes:?}").unwrap();
    assert!(runs >= modules.len());
    assert_eq!(codes.keys().copied().collect::<Vec<_>>(), [0, 1]);
    // The last is looked at as every run of every test is: no process, mount or control group, and one story each.
    lab.run(&["run", &modules[0]]).exits(0);
    assert_eq!(lab.spooled().len(), runs + 1);
    assert!(cgroups_of(&lab.spooled()).is_empty());
    assert_eq!(
        fs::read_dir(lab.home().join("state/active"))
            .unwrap()
            .count(),
        0
    );
    assert_eq!(
        fs::read_dir(lab.home().join("cache/staging"))
            .unwrap()
            .count(),
        0
    );
    assert_eq!(fs::read_dir(&data).unwrap().count(), 1);
    no_throwaway_owners(&[lab.root()]);
    let journal = lab.journal();
    let users: BTreeSet<u64> = journal
        .iter()
        .filter_map(|line| line["uid"].as_u64())
        .collect();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let user = process.metadata().map_or(0, |found| found.uid());
        let ours = THROWAWAY_IDS.contains(&user) && users.contains(&u64::from(user));
        assert!(!ours, "`{}` is alive", process.path().display());
    }
    // Other tests mount and open things too, never of this lab's.
    let mine = |text: &str| {
        text.lines()
            .filter(|line| line.contains(lab.marker()))
            .count()
    };
    let after = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert_eq!((mine(&mounts), mine(&after)), (0, 0));
}
