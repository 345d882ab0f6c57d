//! A new log in the place of one that takes no further line: the old one is kept aside, and the new one begins with its
//! hash, its length, and the reason.
//!
//! Nothing is deleted. A crash on the way leaves a log that still takes no line, so that it is begun anew once more; no
//! step leaves a log that looks as if it had been the first.

use std::fs::File;
use std::io::Write as _;

use cap_std::fs::Dir;
use host_core::{Digest, Timestamp};
use rustix::fs::{AtFlags, OFlags, fsync, linkat, renameat, unlinkat};
use rustix::io::Errno;
use serde_json::json;

use super::aside::hash_whole;
use super::chain::{BlockHash, Chain, Head};
use super::line::{Body, RESTARTED};
use super::open_log::{LockedLog, lock_log, new_key};
use super::state::{Found, STATE, State, make_state, read_state};
use super::{JOURNAL, Journal, JournalError};
use crate::disk::{DiskError, FILE_MODE, open_file};
use crate::names::with_fresh_name;

/// The longest reason, in bytes.
pub const REASON_BYTES_MAX: usize = 4_096;

/// Why no new log was begun.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestartError {
    /// The reason is empty, or longer than [`REASON_BYTES_MAX`].
    #[error("reason is empty, or longer than {REASON_BYTES_MAX} bytes")]
    Reason,
    /// A log was laid aside in the same millisecond.
    #[error("there is a `{name}` already")]
    Taken {
        /// The name that the old log would get.
        name: String,
    },
    /// The log cannot be had, or the new one not be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl From<DiskError> for RestartError {
    fn from(error: DiskError) -> Self {
        Self::Journal(error.into())
    }
}

/// A log that was begun anew.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Restarted {
    /// The name of the old log in the state directory; none where there was no log.
    pub aside: Option<String>,
    /// The head of the new log.
    pub head: Head,
}

/// The old log, by what the new one says of it.
struct Old {
    name: String,
    bytes: u64,
    sha256: Digest,
}

impl Journal<'_> {
    /// Lays the log aside and begins a new one, whose first line says of which log it takes the place, and why.
    ///
    /// # Errors
    /// [`RestartError`]. What was written until then stays; doing it again goes on.
    pub fn restart(&self, time: Timestamp, reason: &str) -> Result<Restarted, RestartError> {
        if reason.trim().is_empty() || reason.len() > REASON_BYTES_MAX {
            return Err(RestartError::Reason);
        }
        let dir = self.state;
        // The lock is kept until the new log is in its place.
        let old_log = LockedLog::open(dir, OFlags::RDWR)?;
        let stamp = stamp(time);
        let old = old_log
            .as_ref()
            .map(|log| old_of(log, &stamp))
            .transpose()?;
        let mut state = begun()?;
        let body = first_body(dir, old.as_ref(), reason)?;
        let mut line = Vec::new();
        state.write(time, &body, &mut line)?;
        let (_new_log, temporary) = write_new(dir, &line)?;
        let placed = place(dir, &temporary, old.as_ref(), &stamp, &state);
        if placed.is_err() {
            // Where it has its name already this fails, and is not needed.
            let _ = unlinkat(dir, &*temporary, AtFlags::empty());
        }
        placed?;
        Ok(Restarted {
            aside: old.map(|old| old.name),
            head: state.chain.head(),
        })
    }
}

fn begun() -> Result<State, DiskError> {
    let mut state = State::begun(new_key()?);
    let hash = BlockHash::new().end();
    let key = state.chain.key().clone();
    state.chain = Chain::resume(Head { seq: 0, hash }, key);
    Ok(state)
}

fn old_of(log: &LockedLog, stamp: &str) -> Result<Old, DiskError> {
    let (_, sha256) = hash_whole(&log.file).map_err(DiskError::when("read the journal"))?;
    Ok(Old {
        name: format!("{JOURNAL}.{stamp}"),
        bytes: log.size,
        sha256,
    })
}

fn first_body(dir: &Dir, old: Option<&Old>, reason: &str) -> Result<Body, JournalError> {
    let claimed = match read_state(dir)? {
        Found::Missing => "missing".to_owned(),
        Found::Damaged => "damaged".to_owned(),
        Found::State(state) => state.chain.head().to_string(),
    };
    let old = old.map(
        |old| json!({"file": old.name, "bytes": old.bytes, "sha256": old.sha256, "state": claimed}),
    );
    Body::own(&json!({"event": RESTARTED, "reason": reason, "old": old}))
}

/// Writes the new log under a name that nobody looks for, locked and on disk.
fn write_new(dir: &Dir, line: &[u8]) -> Result<(File, String), JournalError> {
    let how = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL;
    let temporary = |fresh: &str| format!(".{JOURNAL}.{fresh}.new");
    let (mut file, fresh) =
        with_fresh_name(|fresh| open_file(dir, &temporary(fresh), how, FILE_MODE))
            .map_err(DiskError::when("create a new journal"))?;
    let name = temporary(&fresh);
    lock_log(&file)?;
    let filled = file.write_all(line).and_then(|()| file.sync_all());
    if filled.is_err() {
        // The first error is the one to report; a leftover costs only its space.
        let _ = unlinkat(dir, &*name, AtFlags::empty());
    }
    filled.map_err(DiskError::when("write a new journal"))?;
    Ok((file, name))
}

/// ORDER: the old log has its second name, then the new one takes its first, then the state is the new one's. Whatever
/// is missing of this, the log does not fit its state.
fn place(
    dir: &Dir,
    temporary: &str,
    old: Option<&Old>,
    stamp: &str,
    state: &State,
) -> Result<(), RestartError> {
    if let Some(old) = old {
        linkat(dir, JOURNAL, dir, &*old.name, AtFlags::empty()).map_err(|errno| match errno {
            Errno::EXIST => RestartError::Taken {
                name: old.name.clone(),
            },
            _ => DiskError::when("lay the old journal aside")(errno).into(),
        })?;
        // It is kept as evidence only, and the first line repeats what it says.
        let _ = linkat(
            dir,
            STATE,
            dir,
            format!("{STATE}.{stamp}"),
            AtFlags::empty(),
        );
    }
    fsync(dir).map_err(DiskError::when("sync the state directory"))?;
    renameat(dir, temporary, dir, JOURNAL).map_err(DiskError::when("place a new journal"))?;
    fsync(dir).map_err(DiskError::when("sync the state directory"))?;
    Ok(make_state(dir, state)?)
}

/// The time as a piece of a file's name.
fn stamp(time: Timestamp) -> String {
    let text = time.to_string();
    text.chars()
        .filter(|character| !matches!(character, '-' | ':'))
        .collect()
}
