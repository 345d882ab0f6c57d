//! The audit log: what happened, one JSON object a line, in `journal.jsonl` of the state directory.
//!
//! A line is appended whole and is on disk before anyone is told, or it is not there at all: it is written in one piece
//! under a lock, and taken back when the disk had no room for all of it. A power failure can still tear the last line;
//! the next append closes it and says so with an `event` of `recovered`.
//!
//! Each line names the one before it by its hash, and has a code by a key that is gone when the line is there
//! ([`chain`]); from time to time a line is a signed [`Checkpoint`]. `journal.state` knows where the log ends. A log that
//! is shorter than it was, or ends with something else, takes no further line until it was looked at ([`Journal::verify`])
//! and laid aside ([`Journal::restart`]). Lines of the format before this one stay where they are: the first line of the
//! chain names them all by one hash.
//!
//! The file is opened anew for each append. A lock belongs to an opening, so this is what makes threads and forked
//! keepers wait for each other; it costs two microseconds. Lines are never rewritten, and what they mean is the affair of
//! those who write them.

use cap_std::fs::Dir;
use host_core::Timestamp;
use rustix::fs::{FallocateFlags, OFlags, fallocate, fstat};
use rustix::io::Errno;
use serde::Serialize;
use serde_json::json;

use crate::disk::{DiskError, FILE_MODE, open_file};

mod chain;
mod line;

mod checkpoint;
mod state;

mod catch_up;
mod open_log;
mod torn;

mod restart;
mod verify;

mod aside;
mod lines;
mod read;

pub use chain::{CHAIN_KEY_BYTES, Chain, ChainKey, Head, HeadError};
pub use checkpoint::{
    CHECKPOINT_BYTES_MAX, CHECKPOINT_LINES, CHECKPOINT_MS, CheckSeal, Checkpoint, Sealer,
};
pub use read::{JournalLine, JournalLines, JournalReader, ReadJournalError};
pub use restart::{REASON_BYTES_MAX, RestartError, Restarted};
pub use verify::{
    BREAKS_MAX, Break, Broken, Claim, Evidence, StateClaim, Unproven, Verdict, VerifyJournalError,
    verify_log,
};

use line::{Body, REKEYED};
use open_log::OpenLog;

/// The `format` of every line that is written.
pub const JOURNAL_FORMAT: &str = "host.journal/2";

/// The `format` of lines before there was a chain.
pub const JOURNAL_FORMAT_BEFORE: &str = "host.journal/1";

/// Bytes of one line, its newline included.
pub const LINE_BYTES_MAX: u64 = 1024 * 1024;

/// Bytes of all lines that are appended at once.
pub const GROUP_BYTES_MAX: u64 = 16 * LINE_BYTES_MAX;

/// Bytes of what a crash can have torn: one group, and what closed one before it.
const TORN_BYTES_MAX: u64 = 2 * GROUP_BYTES_MAX;

/// The file in the state directory.
const JOURNAL: &str = "journal.jsonl";

/// Room behind the last line that every start makes sure of: the finishing records of some hundred runs.
const RESERVE_BYTES_MIN: u64 = 1024 * 1024;

/// Room that is taken when there is less; the difference is what many starts live on without asking again.
const RESERVE_BYTES: u64 = 2 * RESERVE_BYTES_MIN;

/// Bytes of a block as `st_blocks` counts them.
const BLOCK_BYTES: u64 = 512;

/// Why a line was not appended; the journal is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The record is not a JSON object, brings a field of the line's frame, or is an event of the log's own.
    #[error(
        "record is not an object without `format`, `seq`, `prev`, `time`, `mac` and own events"
    )]
    NotRecord,
    /// The record could not be written as JSON.
    #[error("record cannot be written as JSON")]
    Json(#[source] serde_json::Error),
    /// The line would be longer than [`LINE_BYTES_MAX`], or the lines together than [`GROUP_BYTES_MAX`].
    #[error("record has {bytes} bytes, more than fit into the journal at once")]
    TooLong {
        /// Length of the line in bytes.
        bytes: u64,
    },
    /// Another process kept the journal locked for about 10 s.
    #[error("journal is kept locked by another process")]
    Busy,
    /// There is no room for the line, or none for the records that finish runs.
    #[error("no room on the disk for the journal")]
    Full(#[source] DiskError),
    /// The log is shorter than it was: lines at its end are gone.
    #[error("audit log is shorter than it was: {have_bytes} of {want_bytes} bytes")]
    Cut {
        /// Its length in bytes.
        have_bytes: u64,
        /// What it was.
        want_bytes: u64,
    },
    /// What stands at the end of the log is not what was written there.
    #[error("audit log was changed at or behind byte {offset}")]
    Altered {
        /// Where in the file.
        offset: u64,
    },
    /// The log has lines of the chain, and the file that knows its end is gone.
    #[error("audit log has lost its `journal.state`")]
    StateMissing,
    /// The file that knows the end of the log is not what was written.
    #[error("`journal.state` of the audit log is damaged")]
    StateDamaged,
    /// The disk failed.
    #[error(transparent)]
    Disk(DiskError),
}

impl JournalError {
    /// Whether the log is not what was written: it takes no line until it was looked at and begun anew.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Cut { .. } | Self::Altered { .. } | Self::StateMissing | Self::StateDamaged
        )
    }
}

impl From<DiskError> for JournalError {
    fn from(error: DiskError) -> Self {
        if error.is_full() {
            Self::Full(error)
        } else {
            Self::Disk(error)
        }
    }
}

/// The journal of one store.
#[derive(Clone, Copy, Debug)]
pub struct Journal<'store> {
    state: &'store Dir,
    sealer: Option<&'store dyn Sealer>,
}

impl<'store> Journal<'store> {
    pub(crate) fn new(state: &'store Dir, sealer: Option<&'store dyn Sealer>) -> Self {
        Self { state, sealer }
    }

    /// Appends one record, which must be a JSON object; the line's frame is put around its fields.
    ///
    /// `time` is when it is written. When this returns the line is on disk. Waits for about 10 s at most for other
    /// appends.
    ///
    /// # Errors
    /// [`JournalError`]; the line is then not in the journal.
    pub fn append(&self, time: Timestamp, record: &impl Serialize) -> Result<(), JournalError> {
        self.append_all(time, std::slice::from_ref(record))
    }

    /// Appends several records with one write and one wait for the disk: all of them, or none.
    ///
    /// # Errors
    /// [`JournalError`]; none of the lines is then in the journal.
    pub fn append_all<R: Serialize>(
        &self,
        time: Timestamp,
        records: &[R],
    ) -> Result<(), JournalError> {
        let bodies: Result<Vec<Body>, JournalError> = records.iter().map(Body::of).collect();
        OpenLog::open(self.state)?.append(time, &bodies?, self.sealer)
    }

    /// Begins a new key, and says so under the old one; whoever has the new key can check all codes behind that line.
    ///
    /// # Errors
    /// [`JournalError`]; the old key goes on then.
    pub fn rekey(&self, time: Timestamp, key: &ChainKey) -> Result<Head, JournalError> {
        let record = json!({"event": REKEYED, "sha256": key.commitment()});
        let mut log = OpenLog::open(self.state)?;
        log.append_rekeyed(time, &Body::own(&record)?, key)?;
        Ok(log.state().chain.head())
    }

    /// Makes sure, before a run starts, that there is room for the record that finishes it.
    ///
    /// One reserve serves all runs that are under way. A file system that cannot reserve is taken at its word that
    /// there is room.
    ///
    /// # Errors
    /// [`JournalError::Full`] when there is no room; [`JournalError::Disk`] when the disk failed.
    pub fn reserve(&self) -> Result<(), JournalError> {
        let how = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE;
        let file = open_file(self.state, JOURNAL, how, FILE_MODE);
        let file = file.map_err(DiskError::when("open the journal"))?;
        let found = fstat(&file).map_err(DiskError::when("look at the journal"))?;
        let size = u64::try_from(found.st_size).unwrap_or(0);
        let had = u64::try_from(found.st_blocks)
            .unwrap_or(0)
            .saturating_mul(BLOCK_BYTES);
        if had >= size.saturating_add(RESERVE_BYTES_MIN) {
            return Ok(());
        }
        match fallocate(&file, FallocateFlags::KEEP_SIZE, size, RESERVE_BYTES) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(errno) => Err(DiskError::when("reserve room for the journal")(errno).into()),
        }
    }

    /// Reads the records of the journal from its beginning.
    ///
    /// # Errors
    /// [`DiskError`] when the file cannot be opened; a journal that does not exist is empty.
    pub fn read(&self) -> Result<JournalReader, DiskError> {
        Ok(JournalReader::new(self.lines()?))
    }

    /// Reads the lines of the journal from its beginning, also those that are the log's own.
    ///
    /// # Errors
    /// [`DiskError`] when the file cannot be opened; a journal that does not exist is empty.
    pub fn lines(&self) -> Result<JournalLines, DiskError> {
        JournalLines::open(self.state)
    }

    /// Whether these lines are still those of the journal, and not of one that was laid aside.
    #[must_use]
    pub fn is_read_by(&self, lines: &JournalLines) -> bool {
        lines.is_of(self.state)
    }
}

#[cfg(test)]
mod tests;
