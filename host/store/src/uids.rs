//! Throw-away user ids, one for each run that a root process starts.
//!
//! A counter in the state directory goes round the range, so that an id comes back only after all others were used; the
//! caller says which are taken by someone else. The count is written before the id is used and is not synced: a crash of
//! our process leaves it in the kernel, and a power failure ends every process that ran under an id. A count that is
//! missing or damaged begins anew at a place that the caller draws by lot, not at the first id again.
//!
//! Nothing here looks for users or processes; whether an id is free is the caller's word.

use std::fs::File;
use std::os::unix::fs::FileExt;

use cap_std::fs::Dir;
use rustix::fs::{OFlags, ftruncate};
use rustix::io::Errno;

use crate::disk::{DiskError, FILE_MODE, open_file};
use crate::lock::lock;

/// The file in the state directory.
const COUNTER: &str = "uid";

/// Bytes of the count: ten digits and a newline, always, so that one write replaces all of it.
const COUNT_BYTES: usize = 11;

/// A new count begins at a multiple of this, so that a caller who looks ids up a block at a time has seen every block
/// from its beginning.
pub const UID_BLOCK: u32 = 16;

/// Taken ids in a row after which the range counts as used up.
const UID_TRIES_MAX: u32 = 4096;

/// Why a range of ids was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UidRangeError {
    /// The last id lies before the first, or is the first.
    #[error("range of uids {first} to {last} holds fewer than two")]
    Short {
        /// The first id.
        first: u32,
        /// The last id.
        last: u32,
    },
    /// The range holds an id of the system: those below 1000, and the two that mean "none".
    #[error("range of uids {first} to {last} holds ids of the system")]
    System {
        /// The first id.
        first: u32,
        /// The last id.
        last: u32,
    },
}

/// Why no id was given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UidError {
    /// All ids that were tried are taken.
    #[error("no free uid: {tried} in a row are taken")]
    Exhausted {
        /// How many were tried.
        tried: u32,
    },
    /// Another process kept the counter locked for about 10 s.
    #[error("counter of uids is kept locked by another process")]
    Busy,
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// The ids that runs may get, first and last included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UidRange {
    first: u32,
    last: u32,
}

impl UidRange {
    /// What is used where nothing else is configured: 0x78000000 to 0x7BFFFFFF, in no known program's range.
    pub const DEFAULT: Self = Self {
        first: 0x7800_0000,
        last: 0x7BFF_FFFF,
    };

    /// A range from `first` to `last`, both included.
    ///
    /// # Errors
    /// [`UidRangeError`] when it holds fewer than two ids, one below 1000, 65534, 65535 or the greatest number.
    pub fn new(first: u32, last: u32) -> Result<Self, UidRangeError> {
        if first >= last {
            return Err(UidRangeError::Short { first, last });
        }
        let reserved = [65_534, 65_535, u32::MAX];
        if first < 1000 || reserved.iter().any(|id| (first..=last).contains(id)) {
            return Err(UidRangeError::System { first, last });
        }
        Ok(Self { first, last })
    }

    fn count(self) -> u32 {
        // Less than 2^32, because the range does not begin at 0.
        self.last - self.first + 1
    }

    fn after(self, id: u32) -> u32 {
        if (self.first..self.last).contains(&id) {
            id + 1
        } else {
            self.first
        }
    }

    /// The first id.
    pub fn first(self) -> u32 {
        self.first
    }

    /// The id before the one where a new count begins, which is a multiple of [`UID_BLOCK`] or the range's first.
    fn drawn(self, random: [u8; 8]) -> u32 {
        let place = u64::from_le_bytes(random) % u64::from(self.count());
        let begin = self.first + u32::try_from(place).unwrap_or(0);
        (begin - begin % UID_BLOCK).max(self.first) - 1
    }
}

/// The counter of one store.
#[derive(Clone, Copy, Debug)]
pub struct Uids<'store> {
    state: &'store Dir,
    range: UidRange,
    random: [u8; 8],
}

impl<'store> Uids<'store> {
    pub(crate) fn new(state: &'store Dir, range: UidRange, random: [u8; 8]) -> Self {
        Self {
            state,
            range,
            random,
        }
    }

    /// The next id for which `taken` says no; never the one that was given before it.
    ///
    /// `taken` is called with the counter locked.
    ///
    /// # Errors
    /// [`UidError`]; no id was used up.
    pub fn next(&self, taken: impl Fn(u32) -> bool) -> Result<u32, UidError> {
        let file = self.open()?;
        lock(&file).map_err(|errno| match errno {
            Errno::WOULDBLOCK => UidError::Busy,
            _ => DiskError::when("lock the counter of uids")(errno).into(),
        })?;
        let last = read_count(&file)?.unwrap_or_else(|| self.range.drawn(self.random));
        let uid = self.free_after(last, taken)?;
        // ORDER: counted before anyone can use it.
        write_count(&file, uid)?;
        Ok(uid)
    }

    fn free_after(&self, last: u32, taken: impl Fn(u32) -> bool) -> Result<u32, UidError> {
        // One less than there are, so that going round never ends at the last one.
        let tried = UID_TRIES_MAX.min(self.range.count() - 1);
        let mut uid = last;
        for _ in 0..tried {
            uid = self.range.after(uid);
            if !taken(uid) {
                return Ok(uid);
            }
        }
        Err(UidError::Exhausted { tried })
    }

    fn open(&self) -> Result<File, DiskError> {
        let how = OFlags::RDWR | OFlags::CREATE;
        open_file(self.state, COUNTER, how, FILE_MODE)
            .map_err(DiskError::when("open the counter of uids"))
    }
}

/// The id that was given last; `None` for anything but a whole count.
fn read_count(file: &File) -> Result<Option<u32>, DiskError> {
    // One byte more, to see whether more follows.
    let mut bytes = [0; COUNT_BYTES + 1];
    let length = file
        .read_at(&mut bytes, 0)
        .map_err(DiskError::when("read the counter of uids"))?;
    let digits = bytes
        .get(..length)
        .and_then(|bytes| bytes.strip_suffix(b"\n"))
        .filter(|digits| digits.len() + 1 == COUNT_BYTES && digits.iter().all(u8::is_ascii_digit));
    let text = digits.and_then(|digits| str::from_utf8(digits).ok());
    Ok(text.and_then(|text| text.parse().ok()))
}

fn write_count(file: &File, uid: u32) -> Result<(), DiskError> {
    const DOING: &str = "write the counter of uids";
    let count = format!("{uid:010}\n");
    file.write_all_at(count.as_bytes(), 0)
        .map_err(DiskError::when(DOING))?;
    // Only a damaged file is longer.
    let size = u64::try_from(count.len()).unwrap_or(0);
    if file.metadata().map_err(DiskError::when(DOING))?.len() != size {
        ftruncate(file, size).map_err(DiskError::when(DOING))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
