//! Reads the journal line by line, from its beginning.
//!
//! A torn line is passed over: the last one, which has no newline yet, and those that a `recovered` line follows. Any
//! other line that is not a record is an error, and reading can go on behind it. No line takes more memory than
//! [`LINE_BYTES_MAX`].

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use cap_std::fs::Dir;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde_json::Value;

use super::{JOURNAL, JOURNAL_FORMAT, LINE_BYTES_MAX, RECOVERED};
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

/// The records of a journal, oldest first, each with its `format`.
///
/// Ends at the end of the file as it was when it came there, or after the disk failed.
#[derive(Debug)]
pub struct JournalReader {
    file: Option<BufReader<File>>,
    /// Lines taken so far, also the one ahead.
    line: u64,
    ahead: Option<Line>,
}

#[derive(Debug)]
enum Line {
    Record(Value),
    /// The notice that the line before it was torn.
    Recovered,
    Bad(ReadJournalError),
}

impl JournalReader {
    pub(super) fn open(state: &Dir) -> Result<Self, DiskError> {
        let file = match open_file(state, JOURNAL, OFlags::RDONLY, Mode::empty()) {
            Ok(file) => Some(BufReader::new(file)),
            Err(Errno::NOENT) => None,
            Err(errno) => return Err(DiskError::when("open the journal")(errno)),
        };
        Ok(Self {
            file,
            line: 0,
            ahead: None,
        })
    }

    fn take(&mut self) -> Option<Line> {
        if self.ahead.is_some() {
            return self.ahead.take();
        }
        let mut bytes = Vec::new();
        let line = read_line(self.file.as_mut()?, &mut bytes);
        self.line = self.line.saturating_add(1);
        match line {
            Ok(Ended::Whole) => Some(parse(&bytes, self.line)),
            Ok(Ended::TooLong) => Some(Line::Bad(ReadJournalError::TooLong { line: self.line })),
            Ok(Ended::Torn) => {
                self.file = None;
                None
            }
            Err(error) => {
                self.file = None;
                let error = DiskError::when("read the journal")(error);
                Some(Line::Bad(error.into()))
            }
        }
    }
}

impl Iterator for JournalReader {
    type Item = Result<Value, ReadJournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.take()? {
                Line::Record(record) => return Some(Ok(record)),
                Line::Recovered => {}
                Line::Bad(error) => {
                    self.ahead = self.take();
                    // A bad line that was closed by a notice is one that was never reported as written.
                    if !matches!(self.ahead, Some(Line::Recovered)) {
                        return Some(Err(error));
                    }
                }
            }
        }
    }
}

enum Ended {
    Whole,
    /// The file ends before the newline, or here.
    Torn,
    TooLong,
}

/// Reads one line without its newline; of one that is too long it reads, and forgets, everything up to the newline.
fn read_line(file: &mut BufReader<File>, bytes: &mut Vec<u8>) -> io::Result<Ended> {
    let mut too_long = false;
    loop {
        bytes.clear();
        let count = file
            .by_ref()
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', bytes)?;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            return Ok(if too_long {
                Ended::TooLong
            } else {
                Ended::Whole
            });
        }
        if count == 0 || u64::try_from(count).is_ok_and(|count| count < LINE_BYTES_MAX) {
            return Ok(Ended::Torn);
        }
        too_long = true;
    }
}

fn parse(bytes: &[u8], line: u64) -> Line {
    let Ok(Value::Object(record)) = serde_json::from_slice(bytes) else {
        return Line::Bad(ReadJournalError::Damaged { line });
    };
    let text = |name| record.get(name).and_then(Value::as_str);
    if text("format") != Some(JOURNAL_FORMAT) {
        return Line::Bad(ReadJournalError::Format { line });
    }
    if text("event") == Some(RECOVERED) {
        return Line::Recovered;
    }
    Line::Record(Value::Object(record))
}
