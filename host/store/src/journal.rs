//! What happened, one JSON object a line, in `journal.jsonl` of the state directory.
//!
//! A line is appended whole and is on disk before anyone is told, or it is not there at all: it is written in one piece
//! under a lock, and taken back when the disk had no room for all of it. A power failure can still tear the last line;
//! the next append closes it and says so with an `event` of `recovered`. Every line begins with its `format`.
//!
//! The file is opened anew for each append. A lock belongs to an opening, so this is what makes threads and forked
//! keepers wait for each other; it costs two microseconds. Lines are never rewritten, and what they mean is the affair of
//! those who write them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use cap_std::fs::Dir;
use rustix::fs::{FallocateFlags, OFlags, fallocate, fdatasync, fstat, fsync, ftruncate};
use rustix::io::{Errno, write};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::disk::{DiskError, FILE_MODE, open_file};
use crate::lock::lock;

mod read;

pub use read::{JournalReader, ReadJournalError};

/// The `format` of every line.
pub const JOURNAL_FORMAT: &str = "host.journal/1";

/// Bytes of one line, its newline included.
pub const LINE_BYTES_MAX: u64 = 1024 * 1024;

/// The file in the state directory.
const JOURNAL: &str = "journal.jsonl";

/// The `event` of the line that closes a torn one.
const RECOVERED: &str = "recovered";

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
    /// The record is not a JSON object, or brings a `format` of its own.
    #[error("record is not an object without `format`")]
    NotRecord,
    /// The record could not be written as JSON.
    #[error("record cannot be written as JSON")]
    Json(#[source] serde_json::Error),
    /// The line would be longer than [`LINE_BYTES_MAX`].
    #[error("record has {bytes} bytes, more than {LINE_BYTES_MAX}")]
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
    /// The disk failed.
    #[error(transparent)]
    Disk(DiskError),
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
}

impl<'store> Journal<'store> {
    pub(crate) fn new(state: &'store Dir) -> Self {
        Self { state }
    }

    /// Appends one record, which must be a JSON object; `format` is put before its fields.
    ///
    /// When this returns the line is on disk. Waits for about 10 s at most for other appends.
    ///
    /// # Errors
    /// [`JournalError`]; the line is then not in the journal.
    pub fn append(&self, record: &impl Serialize) -> Result<(), JournalError> {
        let line = line_of(record)?;
        let file = self.open()?;
        lock(&file).map_err(|errno| match errno {
            Errno::WOULDBLOCK => JournalError::Busy,
            _ => DiskError::when("lock the journal")(errno).into(),
        })?;
        let size_old = size_of(&file)?;
        if size_old == 0 {
            // ORDER: the name of the file is on disk before its first line is, which is only as durable as the name.
            fsync(self.state).map_err(DiskError::when("sync the state directory"))?;
        }
        let mut bytes = torn_line_closed(&file, size_old)?;
        bytes.extend_from_slice(&line);
        let appended = append_whole(&file, &bytes);
        if appended.is_err() {
            // Should this fail too, what is left is torn and closed by the next append, or is whole and the disk dying.
            let _ = ftruncate(&file, size_old);
        }
        Ok(appended?)
    }

    /// Makes sure, before a run starts, that there is room for the record that finishes it.
    ///
    /// One reserve serves all runs that are under way. A file system that cannot reserve is taken at its word that
    /// there is room.
    ///
    /// # Errors
    /// [`JournalError::Full`] when there is no room; [`JournalError::Disk`] when the disk failed.
    pub fn reserve(&self) -> Result<(), JournalError> {
        let file = self.open()?;
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

    /// Reads the journal from its beginning.
    ///
    /// # Errors
    /// [`DiskError`] when the file cannot be opened; a journal that does not exist is empty.
    pub fn read(&self) -> Result<JournalReader, DiskError> {
        JournalReader::open(self.state)
    }

    fn open(&self) -> Result<File, DiskError> {
        let how = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE;
        open_file(self.state, JOURNAL, how, FILE_MODE).map_err(DiskError::when("open the journal"))
    }
}

/// The line of one record, newline included.
fn line_of(record: &impl Serialize) -> Result<Vec<u8>, JournalError> {
    let record = serde_json::to_value(record).map_err(JournalError::Json)?;
    let Value::Object(fields) = record else {
        return Err(JournalError::NotRecord);
    };
    if fields.contains_key("format") {
        return Err(JournalError::NotRecord);
    }
    let mut line = Map::new();
    line.insert("format".to_owned(), JOURNAL_FORMAT.into());
    line.extend(fields);
    let mut line = serde_json::to_vec(&line).map_err(JournalError::Json)?;
    line.push(b'\n');
    let bytes = u64::try_from(line.len()).unwrap_or(u64::MAX);
    if bytes > LINE_BYTES_MAX {
        return Err(JournalError::TooLong { bytes });
    }
    Ok(line)
}

fn size_of(file: &File) -> Result<u64, DiskError> {
    let found = fstat(file).map_err(DiskError::when("look at the journal"))?;
    Ok(u64::try_from(found.st_size).unwrap_or(0))
}

/// What must precede the next line: nothing, or the end of a torn line and the notice of it.
fn torn_line_closed(file: &File, size: u64) -> Result<Vec<u8>, DiskError> {
    let torn = torn_bytes(file, size).map_err(DiskError::when("read the end of the journal"))?;
    if torn == 0 {
        return Ok(Vec::new());
    }
    let notice = json!({"format": JOURNAL_FORMAT, "event": RECOVERED, "bytes": torn});
    Ok(format!("\n{notice}\n").into_bytes())
}

/// How many bytes follow the last newline; at most [`LINE_BYTES_MAX`] are looked at.
fn torn_bytes(file: &File, size: u64) -> io::Result<usize> {
    let Some(last_at) = size.checked_sub(1) else {
        return Ok(0);
    };
    let mut last = [0];
    file.read_exact_at(&mut last, last_at)?;
    if last == *b"\n" {
        return Ok(0);
    }
    let length = size.min(LINE_BYTES_MAX);
    let mut tail = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_exact_at(&mut tail, size - length)?;
    Ok(tail.iter().rev().take_while(|byte| **byte != b'\n').count())
}

/// Writes all bytes in one piece and waits for the disk; on an error some of them may be in the file.
fn append_whole(file: &File, bytes: &[u8]) -> Result<(), DiskError> {
    let append = || DiskError::when("append to the journal");
    let written = loop {
        match write(file, bytes) {
            // Nothing was written yet, so this is still one piece.
            Err(Errno::INTR) => {}
            written => break written.map_err(append())?,
        }
    };
    if written != bytes.len() {
        return Err(append()(Errno::NOSPC));
    }
    fdatasync(file).map_err(DiskError::when("sync the journal"))
}

#[cfg(test)]
mod tests;
