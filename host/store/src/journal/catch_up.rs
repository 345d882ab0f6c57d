//! Finds where a log ends: what its state says, and what was written behind that before a crash.
//!
//! Every line behind the state must be the next one by number, link and code. What is left then is what a crash can have
//! torn, or somebody else's work, and nothing is appended to that.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt;

use host_core::Timestamp;

use super::chain::{BlockHash, Chain, ChainKey, Head, hash_of_line};
use super::line::{Body, CHECKPOINT, Frame, LINE_BEGIN, REKEYED, Told};
use super::lines::take_line;
use super::state::{Mark, State};
use super::torn::{Tail, Torn};
use super::{JournalError, LINE_BYTES_MAX, TORN_BYTES_MAX};
use crate::disk::DiskError;

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// What is behind the last whole line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    /// Nothing.
    Whole,
    /// Nothing, and the line's own newline is missing.
    Unended,
    /// A piece of a line.
    Torn(Torn),
}

impl State {
    /// Goes on behind this line, where it is the next one, or the one that closes what is torn before it.
    fn pass(&mut self, line: &[u8], bytes: u64, tail: &Tail) -> bool {
        let next = Frame::of(line).filter(|frame| self.chain.continues_with(frame));
        let (Some(frame), Some(told)) = (next, Told::of(line)) else {
            return false;
        };
        let is_closed = tail.is_empty() || tail.is_told_by(&told);
        is_closed && self.pass_next(&frame, &told, line, bytes.saturating_add(tail.length()))
    }

    fn pass_next(&mut self, frame: &Frame<'_>, told: &Told, line: &[u8], bytes: u64) -> bool {
        let key = self.key_behind(told);
        if told.is(REKEYED) && key.is_none() {
            return false;
        }
        self.stand_behind(frame.seq, frame.time, bytes);
        self.chain.step(frame.seq, hash_of_line(line));
        if let Some(key) = key {
            self.chain.take_key(key);
            self.pending = None;
        }
        if told.is(CHECKPOINT) {
            self.checkpoint = Mark {
                seq: frame.seq,
                time: frame.time,
            };
        }
        true
    }

    /// The key that begins behind a line, where it is the one that is to follow.
    fn key_behind(&self, told: &Told) -> Option<ChainKey> {
        let begun = told.digest().filter(|_| told.is(REKEYED))?;
        self.pending.clone().filter(|key| key.commitment() == begun)
    }

    /// Writes the next line behind the bytes that are to be appended.
    pub(super) fn write(
        &mut self,
        time: Timestamp,
        body: &Body,
        bytes: &mut Vec<u8>,
    ) -> Result<(), JournalError> {
        let line = self.chain.write_body(time, body)?;
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        self.stand_behind(self.chain.head().seq, time, length);
        bytes.extend(line);
        Ok(())
    }

    fn stand_behind(&mut self, seq: u64, time: Timestamp, bytes: u64) {
        self.end = self.end.saturating_add(bytes);
        self.last_bytes = bytes;
        if seq == 1 {
            self.checkpoint = Mark { seq: 0, time };
        }
    }

    /// Counts what closes the end of the file, behind everything that is there.
    pub(super) fn close(&mut self, ending: Ending, size: u64) {
        match ending {
            Ending::Whole => {}
            Ending::Unended => {
                self.end = size.saturating_add(1);
                self.last_bytes = self.last_bytes.saturating_add(1);
            }
            Ending::Torn(torn) => self.end = size.saturating_add(u64::from(!torn.is_ended)),
        }
    }
}

/// Brings the state forward to the end of the log, which has `size` bytes.
///
/// # Errors
/// [`JournalError::Cut`] and [`JournalError::Altered`] when the log is not what was written.
pub(super) fn catch_up(file: &File, size: u64, state: &mut State) -> Result<Ending, JournalError> {
    if size < state.end {
        return Err(JournalError::Cut {
            have_bytes: size,
            want_bytes: state.end,
        });
    }
    if state.chain.head().seq == 0 {
        if let Some(torn) = pass_old(file, size, state)? {
            return Ok(Ending::Torn(torn));
        }
    } else {
        check_last(file, state)?;
    }
    let mut log = log_at(file, state.end, size).map_err(unread)?;
    let mut tail = Tail::new();
    let mut line = Vec::new();
    while let Some(taken) =
        take_line(&mut log, &mut line, |piece| tail.add_piece(piece)).map_err(unread)?
    {
        if !(taken.is_whole && state.pass(&line, taken.bytes, &tail)) {
            tail.add(&line, taken);
            continue;
        }
        tail = Tail::new();
        if !taken.is_ended {
            return Ok(Ending::Unended);
        }
    }
    judge(&tail, state.end)
}

/// Whether the line that the state ends with is still there.
fn check_last(file: &File, state: &State) -> Result<(), JournalError> {
    let altered = |offset| JournalError::Altered { offset };
    let begin = state.end.checked_sub(state.last_bytes);
    let begin = begin.filter(|_| (1..=LINE_BYTES_MAX).contains(&state.last_bytes));
    let begin = begin.ok_or(JournalError::StateDamaged)?;
    let mut line = vec![0; usize::try_from(state.last_bytes).unwrap_or(0)];
    file.read_exact_at(&mut line, begin).map_err(unread)?;
    let is_ended = line.pop() == Some(b'\n');
    if is_ended && hash_of_line(&line) == state.chain.head().hash {
        Ok(())
    } else {
        Err(altered(begin))
    }
}

/// Takes everything before the first line of the chain as one block; says what is torn where the file ends in it.
fn pass_old(file: &File, size: u64, state: &mut State) -> Result<Option<Torn>, JournalError> {
    let mut log = log_at(file, 0, size).map_err(unread)?;
    let mut block = BlockHash::new();
    let mut line = Vec::new();
    let mut torn = None;
    state.end = 0;
    loop {
        let mut longer = block.clone();
        let taken = take_line(&mut log, &mut line, |piece| longer.add(piece)).map_err(unread)?;
        let Some(taken) = taken.filter(|_| !line.starts_with(LINE_BEGIN)) else {
            break;
        };
        if taken.is_whole {
            longer.add(&line);
        }
        if taken.is_ended {
            longer.add(b"\n");
        }
        block = longer;
        if !taken.is_ended {
            // The newline that will close it is before the first line too.
            block.add(b"\n");
            torn = Some(tail_from(file, state.end, size)?.torn());
        }
        state.end = state.end.saturating_add(taken.bytes);
    }
    let hash = block.end();
    state.chain = Chain::resume(Head { seq: 0, hash }, state.chain.key().clone());
    Ok(torn)
}

/// Judges what is behind the last line that is one.
fn judge(tail: &Tail, offset: u64) -> Result<Ending, JournalError> {
    if tail.is_empty() {
        Ok(Ending::Whole)
    } else if tail.may_be_torn() && tail.length() <= TORN_BYTES_MAX {
        Ok(Ending::Torn(tail.torn()))
    } else {
        Err(JournalError::Altered { offset })
    }
}

fn tail_from(file: &File, at: u64, size: u64) -> Result<Tail, JournalError> {
    let mut log = log_at(file, at, size).map_err(unread)?;
    let mut tail = Tail::new();
    let mut line = Vec::new();
    while let Some(taken) =
        take_line(&mut log, &mut line, |piece| tail.add_piece(piece)).map_err(unread)?
    {
        tail.add(&line, taken);
    }
    Ok(tail)
}

/// The log from one place to another.
fn log_at(mut file: &File, from: u64, to: u64) -> io::Result<impl BufRead> {
    file.seek(SeekFrom::Start(from))?;
    Ok(BufReader::with_capacity(
        BUFFER_BYTES,
        file.take(to.saturating_sub(from)),
    ))
}

fn unread(error: io::Error) -> JournalError {
    DiskError::when("read the journal")(error).into()
}
