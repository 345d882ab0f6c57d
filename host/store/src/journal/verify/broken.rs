//! What can be wrong with a log, and where.

use std::fmt;

use host_core::Shown;

use super::counted;
use crate::journal::chain::Head;

/// Breaks that a verdict names; of the rest it has the number.
pub const BREAKS_MAX: usize = 256;

/// Something in a log that is not what was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Break {
    /// The line of the file, counted from 1; the one behind the last where something is missing at the end.
    pub line: u64,
    /// Where that line begins, in bytes.
    pub offset: u64,
    /// The number that the line's record has, or had.
    pub seq: Option<u64>,
    /// What is wrong.
    pub what: Broken,
}

/// What is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Broken {
    /// The line is not the one that the line behind it was written after.
    Changed,
    /// This line and the one behind it do not belong together, and nothing tells which of them was changed.
    ChangedEither,
    /// Something in the lines before the chain was changed.
    OldChanged {
        /// How many lines these are.
        lines: u64,
    },
    /// Records are missing before the line.
    Missing {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// Records became something that is none.
    Spoiled {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// The record belongs further up.
    Displaced,
    /// The record is there already.
    Repeated,
    /// Another line of records begins here.
    Branch {
        /// The record that both lines have behind them.
        after: u64,
    },
    /// The line is no record of this log.
    Foreign {
        /// How many such lines there are.
        lines: u64,
    },
    /// The line tells of a torn one that is not there, or is not as it was.
    TornChanged,
    /// The code was not made with the key of this line.
    Code,
    /// The checkpoint does not hold.
    Checkpoint {
        /// Why.
        why: String,
    },
    /// The log is shorter than it was.
    Cut {
        /// How many bytes there are.
        have_bytes: u64,
        /// How many there were.
        want_bytes: u64,
        /// The last record that was there.
        want_seq: u64,
    },
    /// The record is not the one that the state of the log has.
    NotAsInState,
    /// The log has records of the chain and no state.
    StateMissing,
    /// The state of the log is not what was written.
    StateDamaged,
    /// The log does not come as far as the head that was kept elsewhere.
    RolledBack {
        /// That head.
        want: Head,
    },
    /// The record is not the one of the head that was kept elsewhere: this is another log, or another branch of it.
    OtherBranch {
        /// That head.
        want: Head,
    },
    /// No record begins the key that was kept elsewhere.
    KeyUnknown,
    /// The log that was laid aside is not the one that the first line tells of.
    AsideChanged {
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Break {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {} (byte {}", self.line, self.offset)?;
        if let Some(seq) = self.seq {
            write!(out, ", record {seq}")?;
        }
        write!(out, "): {}", self.what)
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OldChanged { lines } => {
                let lines = counted(*lines, "line", "lines");
                write!(out, "changed: {lines} before the chain")
            }
            Self::Missing { from, to } => {
                let (records, are) = records(*from, *to);
                write!(out, "removed: {records} {are} missing before it")
            }
            Self::Spoiled { from, to } => {
                let (records, _) = records(*from, *to);
                write!(out, "changed: {records} stood here, and this is none")
            }
            Self::Branch { after } => write!(
                out,
                "branch: another line of records begins here, behind record {after}"
            ),
            Self::Foreign { lines: 1 } => {
                out.write_str("inserted: the line is no record of this log")
            }
            Self::Foreign { lines } => {
                write!(out, "inserted: {lines} lines are no records of this log")
            }
            Self::Checkpoint { why } => write!(out, "checkpoint does not hold: {}", Shown(why)),
            Self::Cut {
                have_bytes,
                want_bytes,
                want_seq,
            } => write!(
                out,
                "cut off: the log went on to record {want_seq}, with {want_bytes} bytes, and has {have_bytes}"
            ),
            Self::RolledBack { want } => write!(
                out,
                "rolled back: the log went on to record {} once",
                want.seq
            ),
            Self::OtherBranch { want } => write!(
                out,
                "another branch: record {} is not the one that was kept elsewhere",
                want.seq
            ),
            Self::AsideChanged { name } => write!(
                out,
                "changed: `{}`, which was laid aside, is not what it was then",
                Shown(name)
            ),
            Self::Changed
            | Self::ChangedEither
            | Self::Displaced
            | Self::Repeated
            | Self::TornChanged
            | Self::Code
            | Self::NotAsInState
            | Self::StateMissing
            | Self::StateDamaged
            | Self::KeyUnknown => out.write_str(self.plainly()),
        }
    }
}

impl Broken {
    /// What is wrong, where no number belongs to it.
    const fn plainly(&self) -> &'static str {
        match self {
            Self::Changed => "changed: the line behind it was written after another one",
            Self::ChangedEither => {
                "this line or the one behind it was changed: they do not belong together"
            }
            Self::Displaced => "moved: the record belongs further up",
            Self::Repeated => "repeated: the record is there already",
            Self::TornChanged => "changed: the torn line that it tells of is not as it was",
            Self::Code => "written anew: its code was not made with the key of this line",
            Self::NotAsInState => "changed: `journal.state` has another record with this number",
            Self::StateMissing => "`journal.state`, which knows the end of the log, is gone",
            Self::StateDamaged => "`journal.state`, which knows the end of the log, is damaged",
            Self::KeyUnknown => "no record of the log begins the key that was kept elsewhere",
            _ => "the log is not what was written",
        }
    }
}

/// One record or several, and their verb.
fn records(from: u64, to: u64) -> (String, &'static str) {
    if from == to {
        (format!("record {from}"), "is")
    } else {
        (format!("records {from} to {to}"), "are")
    }
}
