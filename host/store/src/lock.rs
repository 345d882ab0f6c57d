//! Exclusive locks on open files, waited for only so long.
//!
//! A lock belongs to one opening of a file (flock), so whoever wants one opens the file anew: then threads and forked
//! keepers exclude each other as strangers do, and a process that dies lets go.

use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// How often a lock that another holds is tried.
const LOCK_TRIES_MAX: u32 = 40_000;

/// Pause between two tries; with [`LOCK_TRIES_MAX`] about 10 s in all.
const LOCK_PAUSE: Duration = Duration::from_micros(250);

/// Takes the lock, waiting for up to about 10 s.
///
/// # Errors
/// `Errno::WOULDBLOCK` when another kept it all the time; else what the system says.
pub(crate) fn lock(file: impl AsFd) -> Result<(), Errno> {
    for _ in 0..LOCK_TRIES_MAX {
        match try_lock(&file) {
            Err(Errno::WOULDBLOCK) => thread::sleep(LOCK_PAUSE),
            Err(Errno::INTR) => {}
            taken => return taken,
        }
    }
    Err(Errno::WOULDBLOCK)
}

/// Takes the lock if nobody has it.
///
/// # Errors
/// `Errno::WOULDBLOCK` when another has it; else what the system says.
pub(crate) fn try_lock(file: impl AsFd) -> Result<(), Errno> {
    flock(file, FlockOperation::NonBlockingLockExclusive)
}
