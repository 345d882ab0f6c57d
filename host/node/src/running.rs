//! A run that has been started, and putting its outcome on record.
//!
//! INVARIANT: the line `finished` is on disk before the record is returned.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::Duration;

use host_core::{Artifact, Digest, LimitName, Outcome, Record, RunId, Status, Timestamp};
use host_jail::{Event, Keeper, LeftFile, Report, SetupError, SetupKind};
use host_store::{ActiveRun, Exclusive, Journal, JournalError, ReadRunError, RunSpool, SpoolFile};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::draft::{Draft, LearnedLine, RECORD_STDERR_BYTES_MAX, ResultValue};
use crate::ended::Ended;

/// The most of a report that is read, in bytes.
const REPORT_BYTES_MAX: u64 = 4 << 20;
/// How long the control groups of a run whose keeper was killed may take to become empty.
pub(crate) const GROUPS_WAIT_MAX: Duration = Duration::from_secs(2);
/// How long a value may be in the journal, in bytes.
const JOURNAL_VALUE_BYTES_MAX: usize = 64 << 10;
/// How much of standard output a result is read from, in bytes; more than that is no JSON that anyone wants.
pub(crate) const RESULT_BYTES_MAX: u64 = 64 << 20;

/// Why the outcome of a run that was started is not on record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FinishError {
    /// The line could not be written.
    #[error("run {run} has ended, and its outcome cannot be recorded")]
    Journal {
        /// The run.
        run: RunId,
        /// Why.
        #[source]
        source: JournalError,
    },
    /// Its output cannot be read back or put in order.
    #[error("run {run} has ended, and its output cannot be read")]
    Spool {
        /// The run.
        run: RunId,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A run that has been started.
#[derive(Debug)]
pub struct Running<'s> {
    pub(crate) keeper: Keeper,
    pub(crate) spool: RunSpool,
    pub(crate) journal: Journal<'s>,
    pub(crate) draft: Draft,
    pub(crate) by_root: bool,
    pub(crate) wall_ms: u64,
    pub(crate) live: [Tail; 2],
    pub(crate) mark: ActiveRun,
    pub(crate) _exclusive: Option<Exclusive>,
}

/// A run that has ended, on record.
#[derive(Debug)]
pub struct Finished {
    /// Its record.
    pub record: Record<ResultValue>,
    /// Why it never started, where it did not.
    pub setup: Option<SetupError>,
    /// Names of files that the task left and that did not come back, with the reason.
    pub left_out: Vec<(String, String)>,
    /// Limits that the kernel answered with an error inside.
    pub reached: Vec<LimitName>,
    /// What was noted of a run that learns; nothing of any other, or where nobody could take note.
    pub learned: Option<LearnedRun>,
}

/// What was noted of a run that learns. It comes from the run's own memory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LearnedRun {
    /// Each thing once.
    pub lines: Vec<LearnedLine>,
    /// Calls that no line tells of.
    pub beyond: u64,
    /// Whether some of what the run did could not be seen at all.
    pub blind: bool,
}

impl LearnedRun {
    /// Adds it to the line that says how the run ended.
    fn add_to(&self, line: &mut Value) {
        if let Some(line) = line.as_object_mut() {
            line.insert("learned".to_owned(), json!(self.lines));
            if self.beyond > 0 {
                line.insert("learned_beyond".to_owned(), json!(self.beyond));
            }
            if self.blind {
                line.insert("learned_blind".to_owned(), json!(true));
            }
        }
    }
}

/// A place in a growing file.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) file: File,
}

/// Which output stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StreamName {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Running<'_> {
    /// The id of the run.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.draft.run
    }

    /// The next thing that happened; waits for it.
    #[must_use]
    pub fn next(&self) -> Event {
        self.keeper.next()
    }

    /// Asks the keeper to end the run.
    pub fn cancel(&self) {
        self.keeper.cancel();
    }

    /// Kills the keeper itself, which does not answer; the run dies with it and counts as lost.
    pub fn abandon(&self) {
        self.keeper.kill();
    }

    /// The time that the run may take, in milliseconds, as granted.
    #[must_use]
    pub fn wall_ms(&self) -> u64 {
        self.wall_ms
    }

    /// What a stream holds beyond what was read before, at most `buffer.len()` bytes of it.
    ///
    /// # Errors
    /// When the spool cannot be read.
    pub fn read(&mut self, stream: StreamName, buffer: &mut [u8]) -> io::Result<usize> {
        let [stdout, stderr] = &mut self.live;
        match stream {
            StreamName::Stdout => stdout.file.read(buffer),
            StreamName::Stderr => stderr.file.read(buffer),
        }
    }

    /// Puts the outcome on record at this time, after the keeper said that the run has ended or is gone itself.
    ///
    /// # Errors
    /// [`FinishError`] when the outcome cannot be kept.
    pub fn finish(self, time: Timestamp) -> Result<Finished, FinishError> {
        let run = self.draft.run;
        let failed = |source| FinishError::Spool { run, source };
        let report = read_report(&self.spool).map_err(failed)?;
        let stdout =
            read_stream(&self.spool, SpoolFile::Stdout, RESULT_BYTES_MAX).map_err(failed)?;
        let stderr =
            read_stream(&self.spool, SpoolFile::Stderr, RECORD_STDERR_BYTES_MAX).map_err(failed)?;
        let (artifacts, is_cleared) = match &report {
            Some(report) => {
                let kept = keep_artifacts(&self.spool, &report.left).map_err(failed)?;
                (kept, true)
            }
            None => {
                // Init dies with it, and the rest with init.
                let _ = self.keeper.wait();
                let groups = self.mark.notes().into_iter().map(PathBuf::from).collect();
                let is_cleared =
                    host_jail::remove_left(self.by_root, &run, groups, GROUPS_WAIT_MAX);
                (Vec::new(), is_cleared)
            }
        };
        let ended = Ended::new(&self.draft, report, stdout, stderr, artifacts);
        if let Some(public) = &ended.redacted {
            self.spool
                .redact(SpoolFile::Stdout, public)
                .map_err(|error| failed(io::Error::other(error)))?;
        }
        let record = &ended.finished.record;
        keep_record(&self.spool, record).map_err(failed)?;
        if record.stdout.bytes > 0 || record.stderr.bytes > 0 || !record.artifacts.is_empty() {
            self.spool
                .sync()
                .map_err(|error| failed(io::Error::other(error)))?;
        }
        self.put_on_record(time, &ended.finished)
            .map_err(|source| FinishError::Journal { run, source })?;
        // Its last act was to say that the run has ended; by now it is gone too.
        let is_gone = self.keeper.wait();
        // A mark that stays is found at the next start, which then looks for what is left. So it stays where something
        // of the run is still there.
        if is_gone && is_cleared && !matches!(record.outcome, Outcome::Unkillable { .. }) {
            let _ = self.mark.done();
        }
        Ok(ended.finished)
    }

    /// Whatever a task did to make its record long, that it ended and how is on record.
    fn put_on_record(&self, time: Timestamp, finished: &Finished) -> Result<(), JournalError> {
        let (record, learned) = (&finished.record, finished.learned.as_ref());
        let lines = [
            (finished_line as fn(&Record<ResultValue>) -> Value, learned),
            (short_line, learned),
            // ORDER: the last one has nothing in it that a run could make long.
            (short_line, None),
        ];
        let judgment = self.draft.judgment();
        let mut appended = Ok(());
        for (line, learned) in lines {
            let mut line = line(record);
            judgment.add_to(&mut line, false);
            if let Some(learned) = learned {
                learned.add_to(&mut line);
            }
            appended = self.journal.append(time, &line);
            if !matches!(appended, Err(JournalError::TooLong { .. })) {
                break;
            }
        }
        appended
    }
}

impl AsFd for Running<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.keeper.as_fd()
    }
}

/// Puts the record beside the output, where people look for it; what must not be lost of it is in the journal.
fn keep_record(spool: &RunSpool, record: &Record<ResultValue>) -> io::Result<()> {
    let mut file = spool
        .create_file(SpoolFile::Record)
        .map_err(io::Error::other)?;
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    file.write_all(&line)
}

/// The line that says how a run ended. A long value is left to the output that it was read from.
fn finished_line(record: &Record<ResultValue>) -> Value {
    let is_long = serde_json::to_string(&record.value)
        .is_ok_and(|value| value.len() > JOURNAL_VALUE_BYTES_MAX);
    let mut line = json!({"event": "finished", "record": record});
    if is_long && let Some(value) = line.pointer_mut("/record/value") {
        *value = json!({"_omitted": "too long for the journal; it is in the run's own directory"});
    }
    line
}

/// The line of a record that is too long: what cannot be long, and where the rest is.
fn short_line(record: &Record<ResultValue>) -> Value {
    json!({
        "event": "finished",
        "run": record.run,
        "caller": record.caller.as_ref().map_or("", AsRef::as_ref),
        "task": record.task.as_ref().map_or("", AsRef::as_ref),
        "status": record.status,
        "outcome": record.outcome.kind(),
        "runtime": record.runtime,
        "_omitted": "too long for the journal; it is in the run's own directory",
    })
}

/// What a stream holds, as far as a result or a record ever repeats it.
pub(crate) fn read_stream(
    spool: &RunSpool,
    file: SpoolFile,
    bytes_max: u64,
) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    spool
        .open_file(file)
        .map_err(io::Error::other)?
        .take(bytes_max)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The report, or nothing when the keeper did not live to write it.
fn read_report(spool: &RunSpool) -> io::Result<Option<Report>> {
    let bytes = match spool.read(SpoolFile::Report, REPORT_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(ReadRunError::TooLarge { .. }) => return Ok(None),
        Err(error) => return Err(io::Error::other(error)),
    };
    Ok(if bytes.ends_with(b"\n") {
        serde_json::from_slice(&bytes).ok()
    } else {
        None
    })
}

/// Renames what came back to its digest.
fn keep_artifacts(spool: &RunSpool, left: &[LeftFile]) -> io::Result<Vec<Artifact>> {
    let Some(directory) = spool.artifacts().map_err(io::Error::other)? else {
        return Ok(Vec::new());
    };
    let mut artifacts = Vec::with_capacity(left.len());
    for file in left {
        let mut hasher = Sha256::new();
        let bytes = io::copy(&mut directory.open(&file.copy)?, &mut hasher)?;
        let digest = Digest::from_bytes(hasher.finalize().into());
        directory.rename(&file.copy, &directory, digest.to_string())?;
        artifacts.push(Artifact {
            name: file.name.clone(),
            digest,
            bytes,
        });
    }
    Ok(artifacts)
}

/// Whether the machine is to blame that a run did not start.
#[must_use]
pub fn is_machines_fault(finished: &Finished) -> bool {
    let wall = finished
        .setup
        .as_ref()
        .is_some_and(|error| error.kind == SetupKind::Wall);
    wall || (finished.record.status == Status::Lost && !finished.record.walls.is_empty())
}
