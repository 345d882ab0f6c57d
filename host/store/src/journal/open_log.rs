//! The log opened, locked, and found to be what was written: the one place that appends.
//!
//! ORDER of an append: the lines in one write, the disk waited for, the state written over the one before. Where the
//! first two fail the log is cut back to what it was. Where the last one fails the lines stand: the state is older than
//! the log then, as after a crash.

use std::fs::File;

use cap_std::fs::Dir;
use host_core::Timestamp;
use rustix::fs::{AtFlags, OFlags, fdatasync, fstat, fsync, ftruncate, statat};
use rustix::io::{Errno, write};

use super::catch_up::{Ending, catch_up};
use super::chain::{CHAIN_KEY_BYTES, ChainKey};
use super::checkpoint::{self, Sealer};
use super::line::Body;
use super::state::{Mark, State, make_state, read_state, write_state};
use super::{GROUP_BYTES_MAX, JOURNAL, JournalError};
use crate::disk::{DiskError, FILE_MODE, open_file};
use crate::lock::lock;

/// How often the log is opened again because another was put in its place while its lock was waited for.
const REOPEN_MAX: u32 = 16;

/// The log, locked.
#[derive(Debug)]
pub(super) struct LockedLog {
    pub(super) file: File,
    pub(super) size: u64,
}

impl LockedLog {
    /// Opens and locks the log that has the name now; makes it where it is missing if `how` has `CREATE`.
    ///
    /// # Errors
    /// [`JournalError::Busy`] when another keeps it locked for too long; `None` where it is missing and not to be made.
    pub(super) fn open(dir: &Dir, how: OFlags) -> Result<Option<Self>, JournalError> {
        for _ in 0..REOPEN_MAX {
            let file = match open_file(dir, JOURNAL, how, FILE_MODE) {
                Ok(file) => file,
                Err(Errno::NOENT) if !how.contains(OFlags::CREATE) => return Ok(None),
                Err(errno) => return Err(DiskError::when("open the journal")(errno).into()),
            };
            lock_log(&file)?;
            let found = fstat(&file).map_err(DiskError::when("look at the journal"))?;
            // Whoever begins a new log does so under the lock of the old one.
            let named = match statat(dir, JOURNAL, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(named) => (named.st_dev, named.st_ino),
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(DiskError::when("look at the journal")(errno).into()),
            };
            if named == (found.st_dev, found.st_ino) {
                let size = u64::try_from(found.st_size).unwrap_or(0);
                return Ok(Some(Self { file, size }));
            }
        }
        Err(JournalError::Busy)
    }
}

/// Takes the lock of an open log.
pub(super) fn lock_log(file: &File) -> Result<(), JournalError> {
    lock(file).map_err(|errno| match errno {
        Errno::WOULDBLOCK => JournalError::Busy,
        _ => DiskError::when("lock the journal")(errno).into(),
    })
}

/// The log, locked, with the state that its next line needs.
#[derive(Debug)]
pub(super) struct OpenLog<'d> {
    dir: &'d Dir,
    log: LockedLog,
    state: State,
    ending: Ending,
}

impl<'d> OpenLog<'d> {
    /// Opens the log for appending, and makes it where there is none.
    ///
    /// # Errors
    /// [`JournalError`], also when what is there is not what was written.
    pub(super) fn open(dir: &'d Dir) -> Result<Self, JournalError> {
        let how = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE;
        let log = LockedLog::open(dir, how)?.ok_or(JournalError::Busy)?;
        if log.size == 0 {
            // ORDER: the name of the file is on disk before its first line is, which is only as durable as the name.
            fsync(dir).map_err(DiskError::when("sync the state directory"))?;
        }
        let found = read_state(dir)?.state()?;
        let is_new = found.is_none();
        let mut state = match found {
            Some(state) => state,
            None => State::begun(new_key()?),
        };
        if is_new {
            let ending = catch_up_old(&log, &mut state)?;
            // ORDER: the key is on disk before the first line that it is needed for.
            make_state(dir, &state)?;
            return Ok(Self {
                dir,
                log,
                state,
                ending,
            });
        }
        let ending = catch_up(&log.file, log.size, &mut state)?;
        Ok(Self {
            dir,
            log,
            state,
            ending,
        })
    }

    /// Where the log stands.
    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// Appends a line for each body, and a checkpoint where one is due; nothing where this fails.
    pub(super) fn append(
        &mut self,
        time: Timestamp,
        bodies: &[Body],
        sealer: Option<&dyn Sealer>,
    ) -> Result<(), JournalError> {
        let mut state = self.state.clone();
        let mut bytes = self.closing(&mut state, time)?;
        for body in bodies {
            state.write(time, body, &mut bytes)?;
        }
        let head = state.chain.head();
        let sealer = sealer.filter(|_| checkpoint::is_due(state.checkpoint, head, time));
        if let Some(record) = sealer.and_then(|sealer| checkpoint::record(sealer, head)) {
            state.write(time, &Body::own(&record)?, &mut bytes)?;
            let seq = state.chain.head().seq;
            state.checkpoint = Mark { seq, time };
        }
        self.commit(state, &bytes)
    }

    /// Appends one line, and with it takes another key for the next.
    pub(super) fn append_rekeyed(
        &mut self,
        time: Timestamp,
        body: &Body,
        key: &ChainKey,
    ) -> Result<(), JournalError> {
        // What is left of a crash is settled first: the key that it may need is in the place of the pending one.
        self.append(time, &[], None)?;
        let mut state = self.state.clone();
        state.pending = Some(key.clone());
        // ORDER: the new key is on disk before the line that needs it, so that whoever finds the line has the key.
        self.keep_state(&state)?;
        self.state = state.clone();
        let mut bytes = Vec::new();
        state.write(time, body, &mut bytes)?;
        state.pending = None;
        state.chain.take_key(key.clone());
        self.commit(state, &bytes)?;
        // The line is on disk, and so the key counts. The state on disk knows it too, as the one to come.
        let _ = self.keep_state(&self.state);
        Ok(())
    }

    /// What must precede the next line: nothing, a newline, or that and the notice of what was torn.
    fn closing(&self, state: &mut State, time: Timestamp) -> Result<Vec<u8>, JournalError> {
        state.close(self.ending, self.log.size);
        match self.ending {
            Ending::Whole => Ok(Vec::new()),
            Ending::Unended => Ok(vec![b'\n']),
            Ending::Torn(torn) => {
                let mut bytes = Vec::new();
                if !torn.is_ended {
                    bytes.push(b'\n');
                }
                state.write(time, &Body::own(&torn.notice())?, &mut bytes)?;
                Ok(bytes)
            }
        }
    }

    fn commit(&mut self, state: State, bytes: &[u8]) -> Result<(), JournalError> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if length > GROUP_BYTES_MAX {
            return Err(JournalError::TooLong { bytes: length });
        }
        if bytes.is_empty() {
            return Ok(());
        }
        if let Err(error) = append_whole(&self.log.file, bytes) {
            // Should this fail too, what is left is torn and closed by the next append, or is whole and the disk dying.
            let _ = ftruncate(&self.log.file, self.log.size);
            return Err(error.into());
        }
        // The lines are on disk. A state that cannot be written is one that is older than they are.
        let _ = write_state(self.dir, &state);
        self.log.size = self.log.size.saturating_add(length);
        self.state = state;
        self.ending = Ending::Whole;
        Ok(())
    }

    fn keep_state(&self, state: &State) -> Result<(), JournalError> {
        let file = write_state(self.dir, state)?;
        fdatasync(file).map_err(DiskError::when("sync the state of the audit log"))?;
        Ok(())
    }
}

/// Passes a log that no key belongs to: one that is empty, or that has no line of the chain yet.
fn catch_up_old(log: &LockedLog, state: &mut State) -> Result<Ending, JournalError> {
    let size = log.size;
    let passed = catch_up(&log.file, size, state);
    match passed {
        // Behind the old part stands what begins like a line of the chain, and no key that is made now fits it.
        Ok(ending @ (Ending::Whole | Ending::Torn(_)))
            if state.chain.head().seq == 0 && state.end == size =>
        {
            Ok(ending)
        }
        Ok(_) | Err(JournalError::Altered { .. }) => Err(JournalError::StateMissing),
        Err(error) => Err(error),
    }
}

/// Whether a log without a state has no line of the chain either.
pub(super) fn check_unbegun(log: &LockedLog) -> Result<(), JournalError> {
    // The key opens nothing: a log that has been begun is refused whatever it is.
    let none = ChainKey::from_bytes([0; CHAIN_KEY_BYTES]);
    catch_up_old(log, &mut State::begun(none)).map(|_| ())
}

/// A key that nobody knows.
pub(super) fn new_key() -> Result<ChainKey, DiskError> {
    const DOING: &str = "get random bytes for the key of the audit log";
    let mut bytes = [0; CHAIN_KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| {
        let errno = error.raw_os_error();
        DiskError::when(DOING)(errno.map_or(Errno::IO, Errno::from_raw_os_error))
    })?;
    Ok(ChainKey::from_bytes(bytes))
}

/// Writes all bytes in one piece and waits for the disk; on an error some of them may be in the file.
pub(super) fn append_whole(file: &File, bytes: &[u8]) -> Result<(), DiskError> {
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

/// Opens a log that is there for looking at it, locked.
pub(super) fn open_to_look(dir: &Dir) -> Result<Option<LockedLog>, JournalError> {
    LockedLog::open(dir, OFlags::RDONLY)
}
