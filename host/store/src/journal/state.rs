//! `journal.state`: where the audit log ends, and the key of its next line.
//!
//! A private file of one fixed length, with a checksum of its own. It is written in one piece after each append, when the
//! lines are on disk, and is not synced: so after a crash of the machine it can be older than the log, never newer. An
//! older one is brought forward by reading the lines behind it, which its key proves; that costs less than a second
//! wait for the disk at every start of a run. What is short, or has another checksum, is refused.

use std::fs::File;
use std::os::unix::fs::FileExt;

use cap_std::fs::Dir;
use host_core::{Digest, Timestamp};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::JournalError;
use super::chain::{CHAIN_KEY_BYTES, Chain, ChainKey, Head};
use crate::disk::{DiskError, FILE_MODE, open_file, read_whole};
use crate::replace::replace;

/// The file in the state directory.
pub(super) const STATE: &str = "journal.state";

/// How the file begins: its format.
const FORMAT: &[u8; 24] = b"host.journal.state/1\n\0\0\0";

/// The length of the file, in bytes.
const STATE_BYTES: usize = 256;
/// The length of what its checksum covers.
const BODY_BYTES: usize = STATE_BYTES - CHECKSUM_BYTES;
const CHECKSUM_BYTES: usize = 32;

/// Where the log stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct State {
    pub(super) chain: Chain,
    /// Where the last line ends in the file, its newline included.
    pub(super) end: u64,
    /// Its length, with its newline; nothing while there is none.
    pub(super) last_bytes: u64,
    /// The last checkpoint, or where counting for the first began.
    pub(super) checkpoint: Mark,
    /// A key that is to follow: the line that says so may be on disk already.
    pub(super) pending: Option<ChainKey>,
}

/// A place in the log, by number and time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Mark {
    pub(super) seq: u64,
    pub(super) time: Timestamp,
}

impl State {
    /// The state of a log without lines.
    pub(super) fn begun(key: ChainKey) -> Self {
        let head = Head {
            seq: 0,
            hash: Digest::from_bytes([0; 32]),
        };
        Self {
            chain: Chain::resume(head, key),
            end: 0,
            last_bytes: 0,
            checkpoint: Mark::default(),
            pending: None,
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let head = self.chain.head();
        let mut bytes = FORMAT.to_vec();
        let numbers = [
            head.seq,
            self.end,
            self.last_bytes,
            self.checkpoint.seq,
            self.checkpoint.time.unix_ms(),
            u64::from(self.pending.is_some()),
        ];
        bytes.extend(numbers.into_iter().flat_map(u64::to_be_bytes));
        bytes.extend(head.hash.as_bytes());
        bytes.extend(self.chain.key().as_bytes());
        let none = ChainKey::from_bytes([0; CHAIN_KEY_BYTES]);
        bytes.extend(self.pending.as_ref().unwrap_or(&none).as_bytes());
        bytes.resize(BODY_BYTES, 0);
        let checksum = Sha256::digest(&bytes);
        bytes.extend(checksum);
        bytes
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (body, checksum) = bytes.split_at_checked(BODY_BYTES)?;
        if checksum != Sha256::digest(body).as_slice() {
            return None;
        }
        let mut fields = Fields(body.strip_prefix(FORMAT)?);
        let [
            seq,
            end,
            last_bytes,
            checkpoint_seq,
            checkpoint_ms,
            has_pending,
        ] = fields.numbers()?;
        let hash = Digest::from_bytes(fields.take()?);
        let key = ChainKey::from_bytes(fields.take()?);
        let pending = ChainKey::from_bytes(fields.take()?);
        Some(Self {
            chain: Chain::resume(Head { seq, hash }, key),
            end,
            last_bytes,
            checkpoint: Mark {
                seq: checkpoint_seq,
                time: of_ms(checkpoint_ms)?,
            },
            pending: (has_pending == 1).then_some(pending),
        })
    }
}

fn of_ms(ms: u64) -> Option<Timestamp> {
    let nanos = u32::try_from(ms % 1_000).ok()?.checked_mul(1_000_000)?;
    Some(Timestamp::from_unix(ms / 1_000, nanos))
}

/// What is left of the bytes.
struct Fields<'b>(&'b [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn numbers<const N: usize>(&mut self) -> Option<[u64; N]> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            *number = u64::from_be_bytes(self.take()?);
        }
        Some(numbers)
    }
}

/// What lies in the place of the state.
#[derive(Debug)]
pub(super) enum Found {
    Missing,
    Damaged,
    State(Box<State>),
}

/// Reads the state; to be called while the log is locked.
pub(super) fn read_state(dir: &Dir) -> Result<Found, DiskError> {
    const DOING: &str = "read the state of the audit log";
    let file = match open_file(dir, STATE, OFlags::RDONLY, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(Found::Missing),
        Err(errno) => return Err(DiskError::when(DOING)(errno)),
    };
    let size = STATE_BYTES as u64;
    let bytes = read_whole(&file, size, size).map_err(DiskError::when(DOING))?;
    let state = bytes.and_then(|bytes| State::of_bytes(&bytes));
    Ok(state.map_or(Found::Damaged, |state| Found::State(Box::new(state))))
}

/// Makes the file, on disk when this returns: a line of the chain is worth nothing without its key.
pub(super) fn make_state(dir: &Dir, state: &State) -> Result<(), DiskError> {
    replace(dir, STATE, &state.to_bytes(), FILE_MODE)
}

/// Writes the state over the one before, in one piece; to be called while the log is locked.
pub(super) fn write_state(dir: &Dir, state: &State) -> Result<File, DiskError> {
    const DOING: &str = "write the state of the audit log";
    let file = open_file(dir, STATE, OFlags::WRONLY, Mode::empty());
    let file = file.map_err(DiskError::when(DOING))?;
    let written = file.write_at(&state.to_bytes(), 0);
    match written.map_err(DiskError::when(DOING))? {
        STATE_BYTES => Ok(file),
        _ => Err(DiskError::when(DOING)(Errno::NOSPC)),
    }
}

impl Found {
    /// The state that is there.
    pub(super) fn state(self) -> Result<Option<State>, JournalError> {
        match self {
            Self::Missing => Ok(None),
            Self::Damaged => Err(JournalError::StateDamaged),
            Self::State(state) => Ok(Some(*state)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Lab, get, mode_of, put};

    fn state() -> State {
        State {
            chain: Chain::resume(
                Head {
                    seq: 9,
                    hash: Digest::from_bytes([3; 32]),
                },
                ChainKey::from_bytes([4; 32]),
            ),
            end: 1_000,
            last_bytes: 70,
            checkpoint: Mark {
                seq: 5,
                time: Timestamp::from_unix(1_795_252_811, 42_000_000),
            },
            pending: Some(ChainKey::from_bytes([6; 32])),
        }
    }

    #[test]
    fn what_is_written_is_read_back_from_a_private_file() {
        let lab = Lab::new();
        let store = lab.store();
        let dir = store.state().dir();
        assert!(matches!(read_state(dir).unwrap(), Found::Missing));
        make_state(dir, &state()).unwrap();
        assert_eq!(mode_of(&lab.path("state/journal.state")), 0o600);
        let other = State {
            pending: None,
            ..state()
        };
        for state in [state(), other] {
            write_state(dir, &state).unwrap();
            assert_eq!(read_state(dir).unwrap().state().unwrap(), Some(state));
            assert_eq!(get(&lab.path("state/journal.state")).len(), STATE_BYTES);
        }
    }

    #[test]
    fn any_changed_byte_and_any_other_length_is_damage() {
        let lab = Lab::new();
        let store = lab.store();
        let path = lab.path("state/journal.state");
        let good = state().to_bytes();
        let mut bad: Vec<Vec<u8>> = (0..good.len())
            .map(|at| {
                let mut changed = good.clone();
                changed[at] ^= 1;
                changed
            })
            .collect();
        bad.push(Vec::new());
        bad.push(good[..good.len() - 1].to_vec());
        bad.push([good.clone(), vec![0]].concat());
        for bytes in bad {
            put(&path, &bytes, 0o600);
            let found = read_state(store.state().dir()).unwrap();
            assert!(matches!(found, Found::Damaged), "{}", bytes.escape_ascii());
        }
    }
}
