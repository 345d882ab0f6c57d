//! From a plan to a record: the intent made durable, the keeper started, the outcome made durable, then told.
//!
//! INVARIANT: the line `intended` is on disk before anything starts, and the line `finished` before the record
//! is returned. If the first cannot be written nothing starts.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use host_core::{
    Artifact, BundleSummary, Denial, Digest, Grant, GrantLine, LimitName, Outcome, Record, RecordFormat, RunId, Status,
    StreamSummary, StreamText, TaskName, Timestamp, Used,
};
use host_jail::{
    Ending, Event, InstalledFile, JailRecipe, Keeper, LeftFile, Opening, Outlets, Report, SetupError, SetupKind,
    StartError, Who,
};
use host_store::{
    CreateRunError, DiskError, Exclusive, ExclusiveError, Journal, JournalError, ReadRunError, RunSpool, SpoolFile, Store, UidError,
};
use host_task::TaskResult;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::load::{is_executable, read_file};
use crate::machine::{FIXED_ENVIRONMENT, Machine, Starter, TakenIds, UserError};
use crate::plan::{INSTALL_DIR, Plan};

/// The most that the files of one task take in its jail, in bytes.
const INSTALL_BYTES_MAX: u64 = 512 << 20;
/// The most of a report that is read, in bytes.
const REPORT_BYTES_MAX: u64 = 4 << 20;
/// How long a value may be in the journal, in bytes.
const JOURNAL_VALUE_BYTES_MAX: usize = 64 << 10;
/// How much of standard error a record repeats, in bytes.
const RECORD_STDERR_BYTES_MAX: u64 = 64 << 10;
/// How much of standard output a result is read from, in bytes; more than that is no JSON that anyone wants.
const RESULT_BYTES_MAX: u64 = 64 << 20;

/// The value of a task's result.
pub type ResultValue = Map<String, Value>;

/// What comes from outside at the moment of a start: time and chance are values.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Seconds since 1970.
    pub unix_seconds: u64,
    /// And nanoseconds.
    pub nanos: u32,
    /// Random bytes.
    pub random: [u8; 18],
}

impl Moment {
    /// A fresh run id.
    #[must_use]
    pub fn run_id(&self) -> RunId {
        let [a, b, c, d, e, f, g, h, i, j, ..] = self.random;
        let unix_ms = self.unix_seconds * 1_000 + u64::from(self.nanos / 1_000_000);
        RunId::from_parts(unix_ms, [a, b, c, d, e, f, g, h, i, j])
    }

    fn timestamp(&self) -> Timestamp {
        Timestamp::from_unix(self.unix_seconds, self.nanos)
    }

    fn seed(&self) -> [u8; 8] {
        let [.., a, b, c, d, e, f, g, h] = self.random;
        [a, b, c, d, e, f, g, h]
    }
}

/// Why a run could not be started; it is as if it had not been asked for, but for the journal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BeginError {
    /// The intent cannot be recorded.
    #[error("the run cannot be recorded, so it was not started")]
    Journal(#[from] JournalError),
    /// The spool of the run cannot be made.
    #[error("the run has no place for its output, so it was not started")]
    Spool(#[from] CreateRunError),
    /// A file of the spool cannot be made.
    #[error("the run has no place for its output, so it was not started")]
    SpoolFile(#[from] DiskError),
    /// A file of the bundle cannot be read any more.
    #[error("file `{path}` of the bundle cannot be laid into the jail")]
    Install {
        /// Its path in the bundle.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another run of the task is going on, and they may not overlap.
    #[error(transparent)]
    Exclusive(#[from] ExclusiveError),
    /// There is no id for the run's user.
    #[error("no user id can be had for the run")]
    Uid(#[from] UidError),
    /// The user that was granted cannot be had.
    #[error(transparent)]
    User(#[from] UserError),
    /// A file of the spool cannot be opened.
    #[error("the run has no place for its output, so it was not started")]
    SpoolRead(#[from] ReadRunError),
    /// No keeper could be started.
    #[error(transparent)]
    Keeper(#[from] StartError),
}

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
    keeper: Keeper,
    spool: RunSpool,
    journal: Journal<'s>,
    draft: Draft,
    by_root: bool,
    live: [Tail; 2],
    _exclusive: Option<Exclusive>,
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
}

/// What of a record is known before the run starts.
#[derive(Clone, Debug)]
struct Draft {
    run: RunId,
    task: TaskName,
    bundle: BundleSummary,
    started: Timestamp,
    grant: Vec<GrantLine>,
    denials: Vec<Denial>,
}

/// A place in a growing file.
#[derive(Debug)]
struct Tail {
    file: File,
}

/// Which output stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StreamName {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Records the intent and starts the run of `plan` with `grant`.
///
/// # Errors
/// [`BeginError`]; nothing runs then.
pub fn begin<'s>(
    plan: &Plan<'_>,
    grant: &Grant,
    machine: &Machine,
    store: &'s Store,
    moment: &Moment,
) -> Result<Running<'s>, BeginError> {
    let draft = Draft::new(plan, Some(grant), moment);
    let exclusive = plan.task.asks.exclusive.then(|| store.exclusive(&plan.task.name)).transpose()?;
    let install = install(plan, store)?;
    let who = who(grant, machine, store, moment)?;
    let recipe = recipe(plan, grant, machine, &draft, who, install);
    let journal = store.journal();
    journal.reserve()?;
    let spool = store.create_run(draft.run)?;
    let started = (|| {
        let stdout = spool.create_file(SpoolFile::Stdout)?;
        let stderr = spool.create_file(SpoolFile::Stderr)?;
        let report = spool.create_file(SpoolFile::Report)?;
        let artifacts = spool.create_artifacts()?;
        let live = [Tail { file: spool.open_file(SpoolFile::Stdout)? }, Tail { file: spool.open_file(SpoolFile::Stderr)? }];
        journal.append(&draft.intended(plan, &recipe))?;
        let outlets = Outlets {
            stdout: stdout.into(),
            stderr: stderr.into(),
            report: report.into(),
            artifacts: OwnedFd::from(artifacts),
        };
        let keeper = host_jail::start(&recipe, outlets).inspect_err(|error| {
            // The intent is on record, so that nothing came of it should be too.
            let _ = journal.append(&json!({"event": "abandoned", "run": draft.run, "reason": error.to_string()}));
        })?;
        Ok((keeper, live))
    })();
    match started {
        Ok((keeper, live)) => Ok(Running { keeper, spool, journal, draft, by_root: machine.by_root(), live, _exclusive: exclusive }),
        Err(error) => {
            // The journal says what became of it; an empty spool would say nothing more.
            let _ = spool.abandon();
            Err(error)
        }
    }
}

/// Records that the run of `plan` was refused, and returns the record.
///
/// # Errors
/// When the refusal cannot be recorded.
pub fn refuse(plan: &Plan<'_>, store: &Store, moment: &Moment) -> Result<Record<ResultValue>, JournalError> {
    let mut draft = Draft::new(plan, None, moment);
    let mut reasons = Vec::new();
    if let host_core::Decision::Refused(refusal) = &plan.decision {
        reasons.extend(refusal.denied.iter().map(ToString::to_string));
        draft.denials.extend(refusal.denied.iter().map(|denied| Denial {
            capability: denied.question.to_string(),
            reason: denied.rules.first().cloned().unwrap_or_else(|| "it was not granted".to_owned()),
        }));
    }
    let outcome = Outcome::Refused { reason: reasons.join("; ") };
    let record = draft.record(outcome, Map::new(), None);
    store.journal().append(&json!({"event": "refused", "record": record}))?;
    Ok(record)
}

fn install(plan: &Plan<'_>, store: &Store) -> Result<Vec<InstalledFile>, BeginError> {
    let mut room = INSTALL_BYTES_MAX;
    let mut files = Vec::with_capacity(plan.installation.files.len());
    for file in &plan.installation.files {
        let bundle = &plan.loaded.bundle;
        let bytes = read_file(bundle, &file.from, room, store)
            .map_err(|source| BeginError::Install { path: file.from.clone(), source })?;
        room = room.saturating_sub(bytes.len() as u64);
        let executable = file.to == plan.installation.executable || is_executable(bundle, &file.from);
        files.push(InstalledFile { path: PathBuf::from(&file.to), executable, bytes });
    }
    Ok(files)
}

fn who(grant: &Grant, machine: &Machine, store: &Store, moment: &Moment) -> Result<Who, BeginError> {
    if let Some(user) = grant.run_as() {
        return Ok(machine.user(user)?);
    }
    match machine.starter {
        Starter::Root { uids } => {
            let taken = TakenIds::of(uids);
            Ok(Who::Throwaway { id: store.uids(uids, moment.seed()).next(|id| taken.has(id))? })
        }
        Starter::User { uid, gid } => Ok(Who::Caller { uid, gid }),
    }
}

fn recipe(
    plan: &Plan<'_>,
    grant: &Grant,
    machine: &Machine,
    draft: &Draft,
    who: Who,
    install: Vec<InstalledFile>,
) -> JailRecipe {
    let required = |text: &str| !plan.asks.iter().any(|ask| ask.optional && ask.capability.to_string() == text);
    let openings = grant.iter().filter_map(|granted| {
        let (path, writable) = match &granted.capability {
            host_core::Capability::FsRead(path) => (path, false),
            host_core::Capability::FsWrite(path) => (path, true),
            _ => return None,
        };
        let optional = !required(&granted.capability.to_string());
        Some(Opening { path: PathBuf::from(path.as_str()), writable, optional })
    });
    let user_name = grant.run_as().map_or_else(|| "task".to_owned(), ToString::to_string);
    JailRecipe {
        run: draft.run,
        user_name: if grant.appears_root() { "root".to_owned() } else { user_name },
        who,
        appear_root: grant.appears_root(),
        system_paths: machine.system_paths.clone(),
        openings: widest(openings),
        never: machine.never.clone(),
        install,
        program: PathBuf::from(INSTALL_DIR).join(&plan.installation.executable),
        environment: environment(plan, grant, machine),
        stdin: plan.process.stdin.clone(),
        limits: grant.limits().clone(),
    }
}

/// One opening for each path: writable if any grant of it is.
fn widest(openings: impl Iterator<Item = Opening>) -> Vec<Opening> {
    let mut by_path: BTreeMap<PathBuf, Opening> = BTreeMap::new();
    for opening in openings {
        by_path
            .entry(opening.path.clone())
            .and_modify(|known| {
                known.writable |= opening.writable;
                known.optional &= opening.optional;
            })
            .or_insert(opening);
    }
    by_path.into_values().collect()
}

/// The fixed variables, then those that were granted, then the input's, which nothing replaces.
fn environment(plan: &Plan<'_>, grant: &Grant, machine: &Machine) -> Vec<(String, String)> {
    let fixed = FIXED_ENVIRONMENT.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let granted = grant
        .env()
        .filter_map(|name| machine.environment.get(name.as_str()).map(|value| (name.to_string(), value.clone())));
    let input = plan.process.environment.iter().cloned();
    let merged: BTreeMap<String, String> = fixed.chain(granted).chain(input).collect();
    merged.into_iter().collect()
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

    /// Puts the outcome on record, after the keeper said that the run has ended or is gone itself.
    ///
    /// # Errors
    /// [`FinishError`] when the outcome cannot be kept.
    pub fn finish(self) -> Result<Finished, FinishError> {
        let run = self.draft.run;
        self.keeper.finish();
        let failed = |source| FinishError::Spool { run, source };
        let report = read_report(&self.spool).map_err(failed)?;
        let stdout = read_stream(&self.spool, SpoolFile::Stdout, RESULT_BYTES_MAX).map_err(failed)?;
        let stderr = read_stream(&self.spool, SpoolFile::Stderr, RECORD_STDERR_BYTES_MAX).map_err(failed)?;
        let artifacts = match &report {
            Some(report) => keep_artifacts(&self.spool, &report.left).map_err(failed)?,
            None => {
                host_jail::remove_left(self.by_root, &run);
                Vec::new()
            }
        };
        let ended = Ended::new(&self.draft, report, stdout, stderr, artifacts);
        if let Some(public) = &ended.redacted {
            self.spool.redact(SpoolFile::Stdout, public).map_err(|error| failed(io::Error::other(error)))?;
        }
        let record = &ended.finished.record;
        keep_record(&self.spool, record).map_err(failed)?;
        if record.stdout.bytes > 0 || record.stderr.bytes > 0 || !record.artifacts.is_empty() {
            self.spool.sync().map_err(|error| failed(io::Error::other(error)))?;
        }
        self.journal.append(&finished_line(record)).map_err(|source| FinishError::Journal { run, source })?;
        Ok(ended.finished)
    }
}

impl AsFd for Running<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.keeper.as_fd()
    }
}

/// Puts the record beside the output, where people look for it; what must not be lost of it is in the journal.
fn keep_record(spool: &RunSpool, record: &Record<ResultValue>) -> io::Result<()> {
    let mut file = spool.create_file(SpoolFile::Record).map_err(io::Error::other)?;
    serde_json::to_writer(&mut file, record)?;
    file.write_all(b"\n")
}

/// The line that says how a run ended. A long value is left to the output that it was read from.
fn finished_line(record: &Record<ResultValue>) -> Value {
    let is_long = serde_json::to_string(&record.value).is_ok_and(|value| value.len() > JOURNAL_VALUE_BYTES_MAX);
    let mut line = json!({"event": "finished", "record": record});
    if is_long && let Some(value) = line.pointer_mut("/record/value") {
        *value = json!({"_omitted": "too long for the journal; it is in the run's own directory"});
    }
    line
}

/// What a stream holds, as far as a result or a record ever repeats it.
fn read_stream(spool: &RunSpool, file: SpoolFile, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    spool.open_file(file).map_err(io::Error::other)?.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The report, or nothing when the keeper did not live to write it.
fn read_report(spool: &RunSpool) -> io::Result<Option<Report>> {
    let bytes = spool.read(SpoolFile::Report, REPORT_BYTES_MAX).map_err(io::Error::other)?;
    Ok(if bytes.ends_with(b"\n") { serde_json::from_slice(&bytes).ok() } else { None })
}

/// Renames what came back to its digest.
fn keep_artifacts(spool: &RunSpool, left: &[LeftFile]) -> io::Result<Vec<Artifact>> {
    let Some(directory) = spool.artifacts().map_err(io::Error::other)? else { return Ok(Vec::new()) };
    let mut artifacts = Vec::with_capacity(left.len());
    for file in left {
        let mut hasher = Sha256::new();
        let bytes = io::copy(&mut directory.open(&file.copy)?, &mut hasher)?;
        let digest = Digest::from_bytes(hasher.finalize().into());
        directory.rename(&file.copy, &directory, digest.to_string())?;
        artifacts.push(Artifact { name: file.name.clone(), digest, bytes });
    }
    Ok(artifacts)
}

impl Draft {
    fn new(plan: &Plan<'_>, grant: Option<&Grant>, moment: &Moment) -> Self {
        let manifest = plan.loaded.bundle.manifest();
        let lines = grant.into_iter().flat_map(Grant::iter).map(|granted| GrantLine {
            capability: granted.capability.to_string(),
            origin: granted.origin,
            rule: granted.rule.clone(),
            used: Used::Unknown,
        });
        let dropped = grant.into_iter().flat_map(Grant::dropped).map(|ask| Denial {
            capability: ask.capability.to_string(),
            reason: "optional, and not granted".to_owned(),
        });
        Self {
            run: moment.run_id(),
            task: plan.task.name.clone(),
            bundle: BundleSummary {
                id: plan.loaded.bundle.id(),
                module: Some(manifest.module().clone()),
                version: manifest.version().to_string(),
                signers: plan.loaded.bundle.signers().iter().map(|signed| signed.owner.to_string()).collect(),
            },
            started: moment.timestamp(),
            grant: lines.collect(),
            denials: plan.denials.iter().cloned().chain(dropped).collect(),
        }
    }

    /// The line that says what is about to start.
    fn intended(&self, plan: &Plan<'_>, recipe: &JailRecipe) -> Value {
        let limits: BTreeMap<&str, String> =
            LimitName::ALL.into_iter().map(|name| (name.as_str(), plan.limits.text(name))).collect();
        json!({
            "event": "intended",
            "run": self.run,
            "task": self.task,
            "bundle": self.bundle,
            "started": self.started,
            "noop": plan.noop,
            "input": plan.input_digest,
            "grant": self.grant,
            "limits": limits,
            "uid": recipe.who.outside().0,
        })
    }

    fn record(self, outcome: Outcome, value: ResultValue, report: Option<&Report>) -> Record<ResultValue> {
        let status = outcome.status(value.contains_key("_error"));
        Record {
            format: RecordFormat::V1,
            run: self.run,
            node: None,
            caller: None,
            task: Some(self.task),
            bundle: self.bundle,
            status,
            outcome,
            value,
            stdout: report.map_or_else(StreamSummary::default, |report| StreamSummary {
                bytes: report.stdout.bytes,
                truncated: report.stdout.truncated,
            }),
            stderr: StreamText::default(),
            artifacts: Vec::new(),
            started: self.started,
            runtime: report.map_or(0.0, |report| std::time::Duration::from_millis(report.runtime_ms).as_secs_f64()),
            grant: self.grant,
            denials: self.denials,
            walls: report.map(|report| report.walls.iter().cloned().collect()).unwrap_or_default(),
            usage: report.map(|report| report.usage.iter().cloned().collect()).unwrap_or_default(),
        }
    }
}

/// A finished run with what its spool shall hold instead of a secret.
struct Ended {
    finished: Finished,
    redacted: Option<Vec<u8>>,
}

impl Ended {
    fn new(
        draft: &Draft,
        report: Option<Report>,
        stdout: Vec<u8>,
        stderr: Vec<u8>,
        artifacts: Vec<Artifact>,
    ) -> Self {
        let outcome = outcome(report.as_ref());
        let result = result(&draft.task, &outcome, &stdout, &stderr);
        let public = result.public_value();
        let redacted = result.sensitive.then(|| Value::Object(public.clone()).to_string().into_bytes());
        let mut draft = draft.clone();
        draft.denials.extend(report.iter().flat_map(|report| &report.not_opened).map(|(path, cause)| Denial {
            capability: path.clone(),
            reason: cause.clone(),
        }));
        let mut record = draft.record(outcome, public, report.as_ref());
        let kept = report.as_ref().map(|report| report.stderr).unwrap_or_default();
        let bytes = kept.bytes.max(stderr.len() as u64);
        record.stderr = StreamText {
            text: String::from_utf8_lossy(&stderr).into_owned(),
            bytes,
            truncated: kept.truncated || bytes > stderr.len() as u64,
        };
        record.artifacts = artifacts;
        let setup = match report.as_ref().map(|report| &report.ending) {
            Some(Ending::NotStarted(error)) => Some(error.clone()),
            _ => None,
        };
        let (left_out, reached) = report.map(|report| (report.left_out, report.reached)).unwrap_or_default();
        Self { finished: Finished { record, setup, left_out, reached }, redacted }
    }
}

fn outcome(report: Option<&Report>) -> Outcome {
    let Some(report) = report else {
        return Outcome::Lost { reason: "the keeper of the run was killed".to_owned() };
    };
    match &report.ending {
        Ending::Exited { code } => Outcome::Exited { code: *code },
        Ending::Signalled { signal } => Outcome::Signalled { signal: *signal },
        Ending::Limit { name } => Outcome::Limit { limit: *name },
        Ending::Cancelled => Outcome::Cancelled { reason: "interrupted".to_owned() },
        Ending::NotStarted(error) if error.kind == SetupKind::Program => {
            Outcome::CouldNotStart { reason: error.to_string() }
        }
        Ending::NotStarted(error) => Outcome::Refused { reason: error.to_string() },
        Ending::Unkillable => Outcome::Unkillable { reason: "a process of it does not die".to_owned() },
        Ending::OutputLost { cause } => Outcome::Lost { reason: format!("its output could not be kept: {cause}") },
    }
}

/// The result by the Puppet rules; a run that did not end by itself has an error of ours in it.
fn result(task: &TaskName, outcome: &Outcome, stdout: &[u8], stderr: &[u8]) -> TaskResult {
    let (kind, msg) = match outcome {
        Outcome::Exited { code } => return TaskResult::read(task, stdout, stderr, *code),
        Outcome::Signalled { signal } => ("host/signalled", format!("the task was killed by signal {signal}")),
        Outcome::Trapped { reason } => ("host/trapped", reason.clone()),
        Outcome::Limit { limit } => ("host/limit", format!("the task was stopped by limit `{limit}`")),
        Outcome::Cancelled { reason } => ("host/cancelled", format!("the run was called off: {reason}")),
        Outcome::CouldNotStart { reason } => ("host/could-not-start", reason.clone()),
        Outcome::Refused { reason } => ("host/refused", reason.clone()),
        Outcome::Lost { reason } => ("host/lost", reason.clone()),
        Outcome::Unkillable { reason } => ("host/unkillable", reason.clone()),
    };
    TaskResult::stopped(stdout, kind, &msg)
}

/// Whether the machine is to blame that a run did not start.
#[must_use]
pub fn is_machines_fault(finished: &Finished) -> bool {
    let wall = finished.setup.as_ref().is_some_and(|error| error.kind == SetupKind::Wall);
    wall || (finished.record.status == Status::Lost && !finished.record.walls.is_empty())
}
