//! Runs whose processes were killed, or that a power failure ended: their end is put on record, late.

use host_jail::Report;
use host_store::{ActiveRun, SpoolFile, Store};
use serde_json::json;

/// Orphans that one start looks after; the rest waits for the next.
const ORPHANS_MAX: usize = 16;
/// The most of a report that is read, in bytes.
const REPORT_BYTES_MAX: u64 = 4 << 20;

/// Records the end of every run that nobody looks after, and removes what it left in control groups.
///
/// What cannot be recorded keeps its mark and is tried again at the next start.
pub(crate) fn sweep(store: &Store, by_root: bool) {
    for orphan in store.orphans(ORPHANS_MAX).unwrap_or_default() {
        host_jail::remove_left(by_root, &orphan.run());
        if record(store, &orphan) {
            // A mark that stays is found again, which records the same once more and harms nothing.
            let _ = orphan.done();
        }
    }
}

fn record(store: &Store, orphan: &ActiveRun) -> bool {
    let run = orphan.run();
    let report = store
        .open_run(run)
        .ok()
        .and_then(|spool| spool.read(SpoolFile::Report, REPORT_BYTES_MAX).ok())
        .and_then(|bytes| serde_json::from_slice::<Report>(&bytes).ok());
    let line = json!({
        "event": "finished",
        "run": run,
        "status": "lost",
        "outcome": "lost",
        "reason": "host was killed while it ran",
        "ending": report.map(|report| report.ending),
    });
    store.journal().append(&line).is_ok()
}
