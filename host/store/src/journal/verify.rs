//! Walks the whole log and says what of it is not what was written, where, and what nobody could tell.
//!
//! A verdict is about bytes: [`verify_log`] reads them once, in bounded memory, and compares them with what is brought
//! along as [`Evidence`]. Without any, it finds what does not fit within the log itself. What the evidence does not reach
//! is said in words ([`Unproven`]), never passed over.
//!
//! Nothing here writes, and a log that is broken is walked to its end.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read as _, Seek as _};

use host_core::{Shown, Timestamp};
use rustix::fs::{FlockOperation, flock};

use super::aside::{self, Fate};
use super::catch_up::catch_up;
use super::chain::{ChainKey, Head};
use super::checkpoint::CheckSeal;
use super::open_log::{check_unbegun, open_to_look};
use super::state::{Found, State, read_state};
use super::{Journal, JournalError};
use crate::disk::DiskError;

mod broken;
mod link;
mod proofs;
mod walk;

#[cfg(test)]
mod tests;

pub use broken::{BREAKS_MAX, Break, Broken};

use walk::Walk;

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 256 * 1_024;

/// What a log is compared with.
#[derive(Clone, Default)]
pub struct Evidence<'e> {
    /// What is known of its end.
    pub claim: Claim,
    /// A head of this log that was kept elsewhere.
    pub against: Option<Head>,
    /// A key that was begun with [`Journal::rekey`] and kept elsewhere.
    pub key: Option<ChainKey>,
    /// Who says whether the signature of a checkpoint holds.
    pub seals: Option<CheckSeal<'e>>,
}

impl fmt::Debug for Evidence<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Evidence")
            .field("claim", &self.claim)
            .field("against", &self.against)
            .field("key", &self.key)
            .field("seals", &self.seals.is_some())
            .finish()
    }
}

/// What `journal.state` says of the end of a log.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Claim {
    /// Nobody looked.
    #[default]
    Unasked,
    /// There is no such file.
    Missing,
    /// It is not what was written.
    Damaged,
    /// The log ends here, or goes on behind it.
    End(StateClaim),
}

/// Where a log ends, as its state has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StateClaim {
    head: Head,
    end: u64,
    key: ChainKey,
    pending: Option<ChainKey>,
}

impl From<State> for StateClaim {
    fn from(state: State) -> Self {
        Self {
            head: state.chain.head(),
            end: state.end,
            key: state.chain.key().clone(),
            pending: state.pending,
        }
    }
}

impl From<Found> for Claim {
    fn from(found: Found) -> Self {
        match found {
            Found::Missing => Self::Missing,
            Found::Damaged => Self::Damaged,
            Found::State(state) => Self::End((*state).into()),
        }
    }
}

/// Something that the evidence does not reach.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Unproven {
    /// No head from elsewhere was brought.
    NoHead,
    /// No key from elsewhere was brought.
    NoKey,
    /// The key from elsewhere proves only what is behind its line.
    BeforeKey {
        /// The number of the line that begins the key.
        seq: u64,
    },
    /// Behind this line another key begins, which was not brought.
    BehindKey {
        /// The number of the line.
        seq: u64,
    },
    /// There is no checkpoint whose signature was checked.
    NoCheckpoint,
    /// Lines behind the last checkpoint.
    BehindCheckpoint {
        /// How many.
        lines: u64,
    },
    /// Lines before there was a chain are held together by one hash.
    OldLines {
        /// How many.
        lines: u64,
    },
    /// No line of the log is of the chain.
    NoChain,
    /// The end of the log was compared with nothing.
    NoState,
    /// A log that was laid aside is not there any more.
    AsideGone {
        /// Its name.
        name: String,
    },
    /// The last line is torn; the next append closes it and says so.
    Torn {
        /// How many bytes of it there are.
        bytes: u64,
    },
}

impl fmt::Display for Unproven {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHead => out.write_str(
                "whether the whole log was set back together with its state, or is another one: that takes a head \
                 that was kept elsewhere",
            ),
            Self::NoKey => out.write_str(
                "whether somebody with the rights of this log's owner wrote all of it anew: that takes a key that was \
                 kept elsewhere",
            ),
            Self::BeforeKey { seq } => write!(
                out,
                "whether records before number {seq} were written anew before the key was begun there"
            ),
            Self::BehindKey { seq } => {
                write!(out, "codes behind record {seq}, where another key begins")
            }
            Self::NoCheckpoint => out.write_str("signatures: there is no checkpoint that was checked"),
            Self::BehindCheckpoint { lines } => write!(
                out,
                "the last {} no checkpoint yet: only the chain and the state of the log hold them",
                counted(*lines, "record has", "records have")
            ),
            Self::OldLines { lines } => write!(
                out,
                "what the first {} said before there was a chain: one hash holds them as they were then",
                counted(*lines, "line", "lines")
            ),
            Self::NoChain => out.write_str("anything: no line of the log is of the chain"),
            Self::NoState => out.write_str("whether records at the end are missing: its state was not looked at"),
            Self::AsideGone { name } => write!(
                out,
                "what `{}` said, which was laid aside and is gone",
                Shown(name)
            ),
            Self::Torn { bytes } => write!(
                out,
                "what the torn line at the end, {} of it, would have said",
                counted(*bytes, "byte", "bytes")
            ),
        }
    }
}

/// A number with its word.
fn counted(count: u64, one: &str, many: &str) -> String {
    if count == 1 {
        format!("{count} {one}")
    } else {
        format!("{count} {many}")
    }
}

/// What came of walking a log.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Verdict {
    /// Lines that were walked.
    pub lines: u64,
    /// Those before the first of the chain.
    pub old_lines: u64,
    /// Bytes that were walked.
    pub bytes: u64,
    /// The last record of the chain.
    pub head: Option<Head>,
    /// When it was written, as it says itself.
    pub last: Option<Timestamp>,
    /// Checkpoints that hold.
    pub checkpoints: u64,
    /// Checkpoints whose signature nobody could check.
    pub checkpoints_unchecked: u64,
    /// Records whose code was checked.
    pub codes: u64,
    /// Torn lines that were closed and told of.
    pub recovered: u64,
    /// What is not what was written, in the order of the log; at most [`BREAKS_MAX`].
    pub breaks: Vec<Break>,
    /// How many there are besides.
    pub breaks_more: u64,
    /// What nobody could tell.
    pub unproven: Vec<Unproven>,
}

impl Verdict {
    fn add_fates(&mut self, fates: Vec<(String, Fate)>) {
        for (name, fate) in fates {
            match fate {
                Fate::Same => {}
                Fate::Gone => self.unproven.push(Unproven::AsideGone { name }),
                Fate::Changed => self.breaks.push(Break {
                    line: 1,
                    offset: 0,
                    seq: Some(1),
                    what: Broken::AsideChanged { name },
                }),
            }
        }
    }

    /// Whether nothing was found that is not what was written.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.breaks.is_empty() && self.breaks_more == 0
    }
}

/// Why a log was not walked to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyJournalError {
    /// It cannot be opened or locked.
    #[error(transparent)]
    Open(#[from] JournalError),
    /// It cannot be read.
    #[error("the audit log cannot be read")]
    Read(#[source] io::Error),
}

impl From<DiskError> for VerifyJournalError {
    fn from(error: DiskError) -> Self {
        Self::Open(error.into())
    }
}

/// Walks a log from its first byte to its last.
///
/// # Errors
/// Only those of the reader.
pub fn verify_log(log: impl BufRead, evidence: &Evidence<'_>) -> io::Result<Verdict> {
    Walk::new(evidence).walk(log)
}

impl Journal<'_> {
    /// Walks this log as it is now, with what its state says as evidence besides; appends do not wait for it.
    ///
    /// # Errors
    /// [`VerifyJournalError`] when it cannot be read. What is wrong with it is in the verdict.
    pub fn verify(&self, evidence: Evidence<'_>) -> Result<Verdict, VerifyJournalError> {
        let log = open_to_look(self.state)?;
        let claim = Claim::from(read_state(self.state)?);
        let evidence = Evidence { claim, ..evidence };
        let Some(mut log) = log else {
            return verify_log(io::empty(), &evidence).map_err(VerifyJournalError::Read);
        };
        // What is appended from now on lies behind the size, and a log that is laid aside meanwhile is still this one.
        flock(&log.file, FlockOperation::Unlock)
            .map_err(|errno| VerifyJournalError::Read(errno.into()))?;
        let fates = aside::fates(self.state, &log.file)?;
        log.file.rewind().map_err(VerifyJournalError::Read)?;
        let log = BufReader::with_capacity(BUFFER_BYTES, log.file.take(log.size));
        let mut verdict = verify_log(log, &evidence).map_err(VerifyJournalError::Read)?;
        verdict.add_fates(fates);
        Ok(verdict)
    }

    /// How far the log has come; `None` while no line of it is of the chain.
    ///
    /// # Errors
    /// [`JournalError`], also when the log is not what was written.
    pub fn head(&self) -> Result<Option<Head>, JournalError> {
        let Some(log) = open_to_look(self.state)? else {
            return match read_state(self.state)?.state()? {
                Some(state) if state.end > 0 => Err(JournalError::Cut {
                    have_bytes: 0,
                    want_bytes: state.end,
                }),
                _ => Ok(None),
            };
        };
        let Some(mut state) = read_state(self.state)?.state()? else {
            return check_unbegun(&log).map(|()| None);
        };
        catch_up(&log.file, log.size, &mut state)?;
        Ok(Some(state.chain.head()).filter(|head| head.seq > 0))
    }
}
