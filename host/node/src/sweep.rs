//! Runs whose processes were killed, or that a power failure ended: their end is put on record, late.
//!
//! INVARIANT: the journal decides. A run is lost if its intent is there and its end is not; one that has an end keeps it,
//! and one that was never intended never was.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use host_core::{RunId, Timestamp};
use host_jail::Report;
use host_store::{DiskError, JournalError, NewBoot, ReadJournalError, RunSpool, SpoolFile, Store};
use host_task::TaskResult;
use serde_json::{Value, json};

use crate::running::{RESULT_BYTES_MAX, read_stream};
/// Orphans that one start looks after; the rest waits for the next.
const ORPHANS_MAX: usize = 64;
/// The most of a report that is read, in bytes.
const REPORT_BYTES_MAX: u64 = 4 << 20;
/// How long a start waits for the control groups of an orphan to become empty; the next one tries again.
const GROUPS_WAIT_MAX: Duration = Duration::from_millis(50);
/// Where the kernel says which start of the machine this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Records the end of every run that nobody looks after, and removes what it left in control groups.
///
/// What cannot be recorded keeps its mark and is tried again at the next start.
pub(crate) fn sweep(store: &Store, by_root: bool, time: Timestamp) {
    // What is wrong with the journal or the disk is found by the run itself, which then does not start. Neither half
    // waits for the other.
    let _ = look_after_orphans(store, by_root, time);
    let _ = look_after_last_boot(store, time);
}

#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

fn look_after_orphans(store: &Store, by_root: bool, time: Timestamp) -> Result<(), SweepError> {
    let orphans = store.orphans(ORPHANS_MAX)?;
    if orphans.is_empty() {
        return Ok(());
    }
    let stories = stories(store)?;
    for orphan in orphans {
        let run = orphan.run();
        match stories.get(&run) {
            Some(Story::Intended) => record_lost(store, run, time, "host was killed while it ran")?,
            Some(Story::Ended) => {}
            // Nothing was started, and nobody was told of it.
            None => {
                let _ = store.open_run(run).map(host_store::RunSpool::abandon);
            }
        }
        // Processes that do not die keep their groups, and the groups keep the mark.
        let groups = orphan.notes().into_iter().map(PathBuf::from);
        if host_jail::remove_left(by_root, &run, groups.collect(), GROUPS_WAIT_MAX) {
            orphan.done()?;
        }
    }
    Ok(())
}

/// After a start of the machine no run goes on that was under way before it, whatever became of the marks.
fn look_after_last_boot(store: &Store, time: Timestamp) -> Result<(), SweepError> {
    let Some(boot) = new_boot(store)? else {
        return Ok(());
    };
    let before = stories(store)?;
    // ORDER: a run of this boot that is in the list is still marked now, or its end is found by the second reading.
    let marked: BTreeSet<RunId> = store.marked()?.into_iter().collect();
    let after = stories(store)?;
    let unended = before
        .into_iter()
        .filter(|(run, story)| *story == Story::Intended && after.get(run) == Some(story));
    for (run, _) in unended.filter(|(run, _)| !marked.contains(run)) {
        record_lost(store, run, time, "the machine went down while it ran")?;
    }
    Ok(boot.done()?)
}

fn new_boot(store: &Store) -> Result<Option<NewBoot>, DiskError> {
    match std::fs::read_to_string(BOOT_ID) {
        Ok(name) => store.new_boot(name.trim()),
        // Without a name no boot is known from another, and marks have to do.
        Err(_) => Ok(None),
    }
}

/// What the journal knows of a run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Story {
    Intended,
    Ended,
}

/// The runs that the journal tells of.
fn stories(store: &Store) -> Result<BTreeMap<RunId, Story>, SweepError> {
    let mut stories = BTreeMap::new();
    for line in store.journal().read()? {
        let line = match line {
            Ok(line) => line,
            Err(ReadJournalError::Disk(error)) => return Err(error.into()),
            // A damaged line is no reason to doubt the others.
            Err(_) => continue,
        };
        let Some(run) = run_of(&line) else { continue };
        match line.get("event").and_then(Value::as_str) {
            Some("intended") => {
                stories.entry(run).or_insert(Story::Intended);
            }
            Some("finished" | "abandoned") => {
                stories.insert(run, Story::Ended);
            }
            _ => {}
        }
    }
    Ok(stories)
}

fn run_of(line: &Value) -> Option<RunId> {
    let run = line.get("run").or_else(|| line.pointer("/record/run"))?;
    run.as_str()?.parse().ok()
}

fn record_lost(store: &Store, run: RunId, time: Timestamp, reason: &str) -> Result<(), SweepError> {
    let spool = store.open_run(run).ok();
    if let Some(spool) = &spool {
        redact(spool)?;
    }
    let report = spool
        .and_then(|spool| spool.read(SpoolFile::Report, REPORT_BYTES_MAX).ok())
        .and_then(|bytes| serde_json::from_slice::<Report>(&bytes).ok());
    let line = json!({
        "event": "finished",
        "run": run,
        "status": "lost",
        "outcome": "lost",
        "reason": reason,
        "ending": report.map(|report| report.ending),
    });
    Ok(store.journal().append(time, &line)?)
}

/// Leaves no secret in the output of a run whose end nobody was there to see.
fn redact(spool: &RunSpool) -> Result<(), SweepError> {
    let Ok(stdout) = read_stream(spool, SpoolFile::Stdout, RESULT_BYTES_MAX) else {
        return Ok(());
    };
    let result = TaskResult::stopped(&stdout, "host/lost", "the run was lost");
    if result.sensitive {
        let public = Value::Object(result.public_value()).to_string();
        spool.redact(SpoolFile::Stdout, public.as_bytes())?;
    }
    Ok(())
}
