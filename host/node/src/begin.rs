//! From a plan to a running keeper: the intent made durable, the recipe written, the keeper started.
//!
//! INVARIANT: the line `intended` is on disk before the program starts. If it cannot be written it never does.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use host_core::{
    BundleSummary, CallerName, Decision, Denial, Digest, Grant, Outcome, Record, SecretName, Status,
};
use host_jail::{Keeper, Outlets, SecretFile, SetupError, SetupKind, StartError, Who};
use host_store::{
    ActiveRun, CreateRunError, DiskError, Exclusive, ExclusiveError, JournalError, ReadRunError,
    RunSpool, SecretError, SpoolFile, Store, UidError,
};
use serde_json::{Map, json};

use crate::draft::{Draft, Moment, ResultValue, Subject};
use crate::ended::stopped_value;
use crate::judgment::KeptJudgment;
use crate::machine::{Machine, Starter, TakenIds, UserError};
use crate::plan::Plan;
use crate::running::{Finished, GROUPS_WAIT_MAX, Running, Tail};
use crate::sweep::sweep;
use crate::work::Work;

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
    /// A secret that was granted cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A file of the spool cannot be opened.
    #[error("the run has no place for its output, so it was not started")]
    SpoolRead(#[from] ReadRunError),
    /// No keeper could be started.
    #[error(transparent)]
    Keeper(#[from] StartError),
}

/// Records the intent and starts `work` with `grant`, under a keeper that was told nothing yet.
///
/// # Errors
/// [`BeginError`]; nothing runs then.
pub fn begin<'s>(
    work: Work,
    grant: &Grant,
    machine: &Machine,
    store: &'s Store,
    moment: &Moment,
    keeper: Keeper,
) -> Result<Running<'s>, BeginError> {
    let exclusive = work
        .exclusive
        .as_ref()
        .map(|task| store.exclusive(task))
        .transpose()?;
    let who = who(grant, machine, store, moment)?;
    let Work {
        subject,
        noop,
        input_digest,
        inlets,
        ..
    } = &work;
    let draft = Draft::new(subject.clone(), Some(grant), moment);
    let relay = relay_id(grant, machine, store, moment)?;
    let secrets = secrets(grant, machine)?;
    let recipe = work.recipe(grant, machine, draft.run, who, relay, secrets);
    let journal = store.journal();
    journal.reserve()?;
    sweep(store, machine.by_root(), moment.timestamp());
    // ORDER: marked before anything else of the run exists, so that whoever finds a piece of it finds the mark.
    let mark = store.mark_active(draft.run)?;
    let spool = match store.create_run(draft.run) {
        Ok(spool) => spool,
        Err(error) => {
            let _ = mark.done();
            return Err(error.into());
        }
    };
    let started = (|| {
        let (outlets, live) = outlets(&spool, &mark, exclusive.as_ref())?;
        // The jail is made while the disk takes the intent; the program waits for both.
        keeper.prepare(&recipe, inlets, &outlets)?;
        let intended = draft.intended(*noop, input_digest, &recipe);
        journal.append(moment.timestamp(), &intended)?;
        // ORDER: only now, with the intent durable.
        keeper.go();
        Ok(live)
    })();
    match started {
        Ok(live) => Ok(Running {
            keeper,
            spool,
            journal,
            draft,
            by_root: machine.by_root(),
            wall_ms: grant.limits().wall().ms(),
            live,
            mark,
            _exclusive: exclusive,
        }),
        Err(error) => {
            // ORDER: what the keeper has begun ends before its files go. Where it does not, the mark stays for the next
            // start.
            let is_gone = keeper.end();
            let groups = mark.notes().into_iter().map(PathBuf::from).collect();
            let wait = GROUPS_WAIT_MAX;
            if host_jail::remove_left(machine.by_root(), &draft.run, groups, wait) && is_gone {
                let _ = spool.abandon();
                let _ = mark.done();
            }
            Err(error)
        }
    }
}

/// The files of a run, for its keeper to fill and for us to read meanwhile.
fn outlets(
    spool: &RunSpool,
    mark: &ActiveRun,
    exclusive: Option<&Exclusive>,
) -> Result<(Outlets, [Tail; 2]), BeginError> {
    let outlets = Outlets {
        stdout: spool.create_file(SpoolFile::Stdout)?.into(),
        stderr: spool.create_file(SpoolFile::Stderr)?.into(),
        report: spool.create_file(SpoolFile::Report)?.into(),
        artifacts: Some(OwnedFd::from(spool.create_artifacts()?)),
        held: mark.share()?,
        held_too: exclusive.map(Exclusive::share).transpose()?,
    };
    let tail = |file| -> Result<Tail, BeginError> {
        Ok(Tail {
            file: spool.open_file(file)?,
        })
    };
    let live = [tail(SpoolFile::Stdout)?, tail(SpoolFile::Stderr)?];
    Ok((outlets, live))
}

/// Records that the run of `plan` was refused, and returns the record.
///
/// # Errors
/// When the refusal cannot be recorded.
pub fn refuse(
    plan: &Plan<'_>,
    store: &Store,
    moment: &Moment,
) -> Result<Record<ResultValue>, JournalError> {
    let input = &plan.input_digest;
    record_refusal(plan.subject(), input, &plan.decision, store, moment)
}

pub(crate) fn record_refusal(
    subject: Subject,
    input: &Digest,
    decision: &Decision,
    store: &Store,
    moment: &Moment,
) -> Result<Record<ResultValue>, JournalError> {
    let mut draft = Draft::new(subject, None, moment);
    let mut reasons = Vec::new();
    if let Decision::Refused(refusal) = decision {
        reasons.extend(refusal.denied.iter().map(ToString::to_string));
        draft
            .denials
            .extend(refusal.denied.iter().map(|denied| Denial {
                capability: denied.question.to_string(),
                reason: match denied.rules.as_slice() {
                    [] => "it was not granted".to_owned(),
                    rules => rules.join("; "),
                },
            }));
    }
    let outcome = Outcome::Refused {
        reason: reasons.join("; "),
    };
    let judgment = draft.judgment();
    let record = draft.record(outcome, Map::new(), None);
    let reason = reasons.first().map_or("", String::as_str);
    append(
        store,
        moment,
        &judgment,
        ("refused", input, reason),
        &record,
    )?;
    Ok(record)
}

/// What stands in a line for what would make it too long.
const TOO_LONG: &str = "too long for the journal";
/// How much of one reason a short line has, in characters.
const REASON_CHARACTERS_MAX: usize = 1_000;

fn cut(text: &str) -> String {
    text.chars().take(REASON_CHARACTERS_MAX).collect()
}

/// Appends the line of a run that never began, or a short one in its place: whoever asks for very much is still on record.
///
/// Room for what goes on is reserved anew, so that nobody who is refused takes what a running one needs for its end.
fn append(
    store: &Store,
    moment: &Moment,
    judgment: &KeptJudgment,
    (event, input, reason): (&str, &Digest, &str),
    record: &Record<ResultValue>,
) -> Result<(), JournalError> {
    let journal = store.journal();
    journal.reserve()?;
    let mut line = json!({"event": event, "input": input, "by": moment.person, "record": record});
    judgment.add_to(&mut line, true);
    match journal.append(moment.timestamp(), &line) {
        Err(JournalError::TooLong { .. }) => {
            let mut short = json!({
                "event": event,
                "input": input,
                "by": moment.person,
                "run": record.run,
                "caller": record.caller.as_ref().map_or("", AsRef::as_ref),
                "task": record.task.as_ref().map_or("", AsRef::as_ref),
                "bundle": record.bundle,
                "status": record.status,
                "denied": record.denials.len(),
                "reason": cut(reason),
                "_omitted": TOO_LONG,
            });
            judgment.add_to(&mut short, false);
            journal.append(moment.timestamp(), &short)
        }
        appended => appended,
    }
}

/// What was asked of this machine by somebody whom rules were to decide on, and came to no decision.
#[derive(Debug)]
pub struct TurnedAway<'a> {
    /// Who asked.
    pub caller: &'a CallerName,
    /// For what, as it was typed.
    pub task: &'a str,
    /// In which bundle.
    pub bundle: &'a BundleSummary,
    /// Why nothing came of it.
    pub reason: &'a str,
}

/// Records that nothing was decided, and so nothing run.
///
/// # Errors
/// When that cannot be recorded.
pub fn turn_away(
    turned: &TurnedAway<'_>,
    store: &Store,
    moment: &Moment,
) -> Result<(), JournalError> {
    let line = json!({
        "event": "refused",
        "by": moment.person,
        "run": moment.run_id(),
        "caller": turned.caller,
        "task": cut(turned.task),
        "bundle": turned.bundle,
        "status": Status::Refused,
        "reason": cut(turned.reason),
    });
    let journal = store.journal();
    journal.reserve()?;
    journal.append(moment.timestamp(), &line)
}

/// Records that the program of `plan` could not be started by anyone, for a `reason` that it is to blame for.
///
/// # Errors
/// When that cannot be recorded.
pub fn unstarted(
    plan: &Plan<'_>,
    store: &Store,
    moment: &Moment,
    reason: &str,
    hint: Option<&str>,
) -> Result<Finished, JournalError> {
    let input = &plan.input_digest;
    record_unstarted(plan.subject(), input, store, moment, reason, hint)
}

pub(crate) fn record_unstarted(
    subject: Subject,
    input: &Digest,
    store: &Store,
    moment: &Moment,
    reason: &str,
    hint: Option<&str>,
) -> Result<Finished, JournalError> {
    let draft = Draft::new(subject, None, moment);
    let outcome = Outcome::CouldNotStart {
        reason: reason.to_owned(),
    };
    let value = stopped_value(draft.task.as_ref(), &outcome);
    let judgment = draft.judgment();
    let record = draft.record(outcome, value, None);
    append(
        store,
        moment,
        &judgment,
        ("unstarted", input, reason),
        &record,
    )?;
    Ok(Finished {
        record,
        setup: Some(SetupError {
            kind: SetupKind::Program,
            step: "compile".to_owned(),
            cause: reason.to_owned(),
            hint: hint.map(str::to_owned),
        }),
        left_out: Vec::new(),
        reached: Vec::new(),
        learned: None,
    })
}

/// Who the run is on the machine.
fn who(
    grant: &Grant,
    machine: &Machine,
    store: &Store,
    moment: &Moment,
) -> Result<Who, BeginError> {
    match grant.run_as() {
        Some(user) => Ok(machine.user(user)?),
        None => nobody(machine, store, moment),
    }
}

/// What a run is given in confidence.
fn secrets(grant: &Grant, machine: &Machine) -> Result<Vec<SecretFile>, BeginError> {
    let secret = |name: &SecretName| {
        Ok(SecretFile {
            name: name.clone(),
            bytes: machine.secret(name)?,
        })
    };
    grant.secrets().map(secret).collect()
}

/// The throw-away id of who connects for a run, where it may connect to something and has its own id.
fn relay_id(
    grant: &Grant,
    machine: &Machine,
    store: &Store,
    moment: &Moment,
) -> Result<Option<u32>, BeginError> {
    if grant.connects().next().is_none() {
        return Ok(None);
    }
    Ok(match nobody(machine, store, moment)? {
        Who::Throwaway { id } => Some(id),
        Who::RunAs { .. } | Who::Caller { .. } => None,
    })
}

/// A throw-away user, or whoever started this where that is not root.
pub(crate) fn nobody(machine: &Machine, store: &Store, moment: &Moment) -> Result<Who, BeginError> {
    match machine.starter {
        Starter::Root { uids } => {
            let taken = TakenIds::of(uids);
            Ok(Who::Throwaway {
                id: store.uids(uids, moment.seed()).next(|id| taken.has(id))?,
            })
        }
        Starter::User { uid, gid } => Ok(Who::Caller { uid, gid }),
    }
}
