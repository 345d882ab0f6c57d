//! Reads the journal line by line, from its beginning, without asking whether the chain holds.
//!
//! A torn line is passed over: the last one, which has no newline yet, and those that a `recovered` line follows. Any
//! other line that is not a record is an error, and reading can go on behind it. No line takes more memory than
//! [`LINE_BYTES_MAX`].

use std::fs::File;
use std::io::{self, BufReader, Seek as _, SeekFrom};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, Mode, OFlags, fstat, statat};
use rustix::io::Errno;
use serde_json::Value;

use super::line::{LINE_BEGIN, RECOVERED};
use super::lines::{Taken, take_line};
use super::{JOURNAL, JOURNAL_FORMAT, JOURNAL_FORMAT_BEFORE, LINE_BYTES_MAX};
use crate::disk::{DiskError, open_file};

/// Why a line of the journal was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadJournalError {
    /// The line is longer than [`LINE_BYTES_MAX`].
    #[error("line {line} of the journal is longer than {LINE_BYTES_MAX} bytes")]
    TooLong {
        /// Counted from 1.
        line: u64,
    },
    /// The line is not a JSON object.
    #[error("line {line} of the journal is damaged")]
    Damaged {
        /// Counted from 1.
        line: u64,
    },
    /// The line was written by another version.
    #[error("line {line} of the journal has not the format {JOURNAL_FORMAT}")]
    Format {
        /// Counted from 1.
        line: u64,
    },
    /// The disk failed; nothing follows.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// A line of the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalLine {
    /// Counted from 1.
    pub line: u64,
    /// All its fields.
    pub record: Value,
    /// The bytes of the line, without its newline, where it is one of the chain: for whoever wants their hash.
    pub hash: Option<host_core::Digest>,
}

impl JournalLine {
    /// What the line is about.
    #[must_use]
    pub fn event(&self) -> Option<&str> {
        self.record.get("event").and_then(Value::as_str)
    }
}

/// The lines of a journal, oldest first.
///
/// Ends at the end of the file, or after the disk failed. Whoever asks again later gets what was appended meanwhile.
#[derive(Debug)]
pub struct JournalLines {
    file: Option<BufReader<File>>,
    /// Lines taken so far.
    line: u64,
    /// Where the next one begins.
    offset: u64,
}

impl JournalLines {
    pub(super) fn open(state: &Dir) -> Result<Self, DiskError> {
        let file = match open_file(state, JOURNAL, OFlags::RDONLY, Mode::empty()) {
            Ok(file) => Some(BufReader::new(file)),
            Err(Errno::NOENT) => None,
            Err(errno) => return Err(DiskError::when("open the journal")(errno)),
        };
        Ok(Self {
            file,
            line: 0,
            offset: 0,
        })
    }

    /// Whether the name still leads to the file that is read here.
    pub(super) fn is_of(&self, state: &Dir) -> bool {
        let named = statat(state, JOURNAL, AtFlags::SYMLINK_NOFOLLOW);
        let named = named.ok().map(|found| (found.st_dev, found.st_ino));
        let read = self
            .file
            .as_ref()
            .and_then(|file| fstat(file.get_ref()).ok());
        named == read.map(|found| (found.st_dev, found.st_ino))
    }

    /// The next line that has its newline.
    fn take(&mut self, line: &mut Vec<u8>) -> io::Result<Option<Taken>> {
        let Some(file) = &mut self.file else {
            return Ok(None);
        };
        let taken = take_line(file, line, |_| {})?;
        let Some(taken) = taken.filter(|taken| taken.is_ended) else {
            // It may get the rest later.
            file.seek(SeekFrom::Start(self.offset))?;
            return Ok(None);
        };
        self.line = self.line.saturating_add(1);
        self.offset = self.offset.saturating_add(taken.bytes);
        Ok(Some(taken))
    }
}

impl Iterator for JournalLines {
    type Item = Result<JournalLine, ReadJournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut bytes = Vec::new();
        match self.take(&mut bytes) {
            Ok(None) => None,
            Ok(Some(taken)) if taken.is_whole => Some(parse(&bytes, self.line)),
            Ok(Some(_)) => Some(Err(ReadJournalError::TooLong { line: self.line })),
            Err(error) => {
                self.file = None;
                let error = DiskError::when("read the journal")(error);
                Some(Err(error.into()))
            }
        }
    }
}

/// The records of a journal, oldest first, each with the frame of its line.
///
/// Ends at the end of the file as it was when it came there, or after the disk failed.
#[derive(Debug)]
pub struct JournalReader {
    lines: JournalLines,
    ahead: Option<Result<JournalLine, ReadJournalError>>,
}

impl JournalReader {
    pub(super) fn new(lines: JournalLines) -> Self {
        Self { lines, ahead: None }
    }
}

impl Iterator for JournalReader {
    type Item = Result<Value, ReadJournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.ahead.take().or_else(|| self.lines.next())? {
                Ok(line) if line.event() == Some(RECOVERED) => {}
                Ok(line) => return Some(Ok(line.record)),
                Err(error) => {
                    self.ahead = self.lines.next();
                    // A bad line that was closed by a notice is one that was never reported as written.
                    let is_closed =
                        matches!(&self.ahead, Some(Ok(line)) if line.event() == Some(RECOVERED));
                    if !is_closed {
                        return Some(Err(error));
                    }
                }
            }
        }
    }
}

fn parse(bytes: &[u8], line: u64) -> Result<JournalLine, ReadJournalError> {
    let Ok(record @ Value::Object(_)) = serde_json::from_slice(bytes) else {
        return Err(ReadJournalError::Damaged { line });
    };
    let format = record.get("format").and_then(Value::as_str);
    if !matches!(format, Some(JOURNAL_FORMAT | JOURNAL_FORMAT_BEFORE)) {
        return Err(ReadJournalError::Format { line });
    }
    let is_chained = bytes.starts_with(LINE_BEGIN);
    Ok(JournalLine {
        line,
        record,
        hash: is_chained.then(|| super::chain::hash_of_line(bytes)),
    })
}
