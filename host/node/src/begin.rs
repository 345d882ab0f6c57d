//! From a plan to a running keeper: the intent made durable, the recipe written, the keeper started.
//!
//! INVARIANT: the line `intended` is on disk before the program starts. If it cannot be written it never does.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use host_core::{Denial, Grant, Outcome, Record};
use host_jail::{InstalledFile, JailRecipe, Keeper, Opening, Outlets, StartError, Who};
use host_store::{
    CreateRunError, DiskError, Exclusive, ExclusiveError, JournalError, ReadRunError, SpoolFile,
    Store, UidError,
};
use serde_json::{Map, json};

use crate::draft::{Draft, Moment, ResultValue};
use crate::load::{is_executable, read_file};
use crate::machine::{FIXED_ENVIRONMENT, Machine, Starter, TakenIds, UserError};
use crate::plan::{INSTALL_DIR, Plan};
use crate::running::{GROUPS_WAIT_MAX, Running, Tail};
use crate::sweep::sweep;

/// The most that the files of one task take in its jail, in bytes.
const INSTALL_BYTES_MAX: u64 = 512 << 20;

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

/// Records the intent and starts the run of `plan` with `grant`, under a keeper that was told nothing yet.
///
/// # Errors
/// [`BeginError`]; nothing runs then.
pub fn begin<'s>(
    plan: &Plan<'_>,
    grant: &Grant,
    machine: &Machine,
    store: &'s Store,
    moment: &Moment,
    keeper: Keeper,
) -> Result<Running<'s>, BeginError> {
    let draft = Draft::new(plan, Some(grant), moment);
    let exclusive = plan
        .task
        .asks
        .exclusive
        .then(|| store.exclusive(&plan.task.name))
        .transpose()?;
    let install = install(plan, store)?;
    let who = who(grant, machine, store, moment)?;
    let recipe = recipe(plan, grant, machine, &draft, who, install);
    let journal = store.journal();
    journal.reserve()?;
    sweep(store, machine.by_root());
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
        let stdout = spool.create_file(SpoolFile::Stdout)?;
        let stderr = spool.create_file(SpoolFile::Stderr)?;
        let report = spool.create_file(SpoolFile::Report)?;
        let artifacts = spool.create_artifacts()?;
        let live = [
            Tail {
                file: spool.open_file(SpoolFile::Stdout)?,
            },
            Tail {
                file: spool.open_file(SpoolFile::Stderr)?,
            },
        ];
        let outlets = Outlets {
            stdout: stdout.into(),
            stderr: stderr.into(),
            report: report.into(),
            artifacts: OwnedFd::from(artifacts),
            held: mark.share()?,
            held_too: exclusive.as_ref().map(Exclusive::share).transpose()?,
        };
        // The jail is made while the disk takes the intent; the program waits for both.
        keeper.prepare(&recipe, &outlets)?;
        journal.append(&draft.intended(plan, &recipe))?;
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

/// Records that the run of `plan` was refused, and returns the record.
///
/// # Errors
/// When the refusal cannot be recorded.
pub fn refuse(
    plan: &Plan<'_>,
    store: &Store,
    moment: &Moment,
) -> Result<Record<ResultValue>, JournalError> {
    let mut draft = Draft::new(plan, None, moment);
    let mut reasons = Vec::new();
    if let host_core::Decision::Refused(refusal) = &plan.decision {
        reasons.extend(refusal.denied.iter().map(ToString::to_string));
        draft.denials.extend(refusal.denied.iter().map(|denied| {
            Denial {
                capability: denied.question.to_string(),
                reason: denied
                    .rules
                    .first()
                    .cloned()
                    .unwrap_or_else(|| "it was not granted".to_owned()),
            }
        }));
    }
    let outcome = Outcome::Refused {
        reason: reasons.join("; "),
    };
    let record = draft.record(outcome, Map::new(), None);
    store
        .journal()
        .append(&json!({"event": "refused", "record": record}))?;
    Ok(record)
}

fn install(plan: &Plan<'_>, store: &Store) -> Result<Vec<InstalledFile>, BeginError> {
    let mut room = INSTALL_BYTES_MAX;
    let mut files = Vec::with_capacity(plan.installation.files.len());
    for file in &plan.installation.files {
        let bundle = &plan.loaded.bundle;
        let bytes =
            read_file(bundle, &file.from, room, store).map_err(|source| BeginError::Install {
                path: file.from.clone(),
                source,
            })?;
        room = room.saturating_sub(bytes.len() as u64);
        let executable =
            file.to == plan.installation.executable || is_executable(bundle, &file.from);
        files.push(InstalledFile {
            path: PathBuf::from(&file.to),
            executable,
            bytes,
        });
    }
    Ok(files)
}

fn who(
    grant: &Grant,
    machine: &Machine,
    store: &Store,
    moment: &Moment,
) -> Result<Who, BeginError> {
    if let Some(user) = grant.run_as() {
        return Ok(machine.user(user)?);
    }
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

fn recipe(
    plan: &Plan<'_>,
    grant: &Grant,
    machine: &Machine,
    draft: &Draft,
    who: Who,
    install: Vec<InstalledFile>,
) -> JailRecipe {
    let required = |text: &str| {
        !plan
            .asks
            .iter()
            .any(|ask| ask.optional && ask.capability.to_string() == text)
    };
    let openings = grant.iter().filter_map(|granted| {
        let (path, writable) = match &granted.capability {
            host_core::Capability::FsRead(path) => (path, false),
            host_core::Capability::FsWrite(path) => (path, true),
            _ => return None,
        };
        let optional = !required(&granted.capability.to_string());
        Some(Opening {
            path: PathBuf::from(path.as_str()),
            writable,
            optional,
            capabilities: vec![granted.capability.to_string()],
        })
    });
    let user_name = grant
        .run_as()
        .map_or_else(|| "task".to_owned(), ToString::to_string);
    JailRecipe {
        run: draft.run,
        user_name: if grant.appears_root() {
            "root".to_owned()
        } else {
            user_name
        },
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
                known
                    .capabilities
                    .extend(opening.capabilities.iter().cloned());
            })
            .or_insert(opening);
    }
    by_path.into_values().collect()
}

/// The fixed variables, then those that were granted, then the input's, which nothing replaces.
fn environment(plan: &Plan<'_>, grant: &Grant, machine: &Machine) -> Vec<(String, String)> {
    let fixed = FIXED_ENVIRONMENT
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let granted = grant.env().filter_map(|name| {
        machine
            .environment
            .get(name.as_str())
            .map(|value| (name.to_string(), value.clone()))
    });
    let input = plan.process.environment.iter().cloned();
    let merged: BTreeMap<String, String> = fixed.chain(granted).chain(input).collect();
    merged.into_iter().collect()
}
