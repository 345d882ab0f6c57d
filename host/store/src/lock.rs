//! Exclusive locks on open files, waited for only so long.
//!
//! A lock belongs to one opening of a file (flock), so whoever wants one opens the file anew: then threads and forked
//! keepers exclude each other as strangers do, and a process that dies lets go.

use std::io;
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// How long a lock is waited for that is held for a few writes only.
pub(crate) const LOCK_WAIT_MAX: Duration = Duration::from_secs(10);

/// Pause between two tries: short against what a lock is held for.
const LOCK_PAUSE: Duration = Duration::from_micros(250);

/// Takes the lock, waiting for up to [`LOCK_WAIT_MAX`].
///
/// # Errors
/// `Errno::WOULDBLOCK` when another kept it all the time; else what the system says.
pub(crate) fn lock(file: impl AsFd) -> Result<(), Errno> {
    wait(file, LOCK_WAIT_MAX)
}

/// Takes the exclusive lock of an open file, waiting for up to `wait_max`; the lock ends with that opening.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] when another kept it all the time; else what the system says.
pub fn lock_within(file: impl AsFd, wait_max: Duration) -> io::Result<()> {
    wait(file, wait_max).map_err(io::Error::from)
}

/// Takes the lock if nobody has it.
///
/// # Errors
/// `Errno::WOULDBLOCK` when another has it; else what the system says.
pub(crate) fn try_lock(file: impl AsFd) -> Result<(), Errno> {
    flock(file, FlockOperation::NonBlockingLockExclusive)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a count of pauses is no bound of a wait: on a busy machine each of them is longer than it says"
)]
fn wait(file: impl AsFd, wait_max: Duration) -> Result<(), Errno> {
    let began = Instant::now();
    // LIMIT: `wait_max`.
    loop {
        match try_lock(&file) {
            Err(Errno::WOULDBLOCK) if began.elapsed() >= wait_max => return Err(Errno::WOULDBLOCK),
            Err(Errno::WOULDBLOCK) => thread::sleep(LOCK_PAUSE),
            Err(Errno::INTR) => {}
            taken => return taken,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "what is tested is how long it takes"
    )]
    fn a_lock_that_another_keeps_is_waited_for_as_long_as_was_said() {
        let lab = tempfile::tempdir().unwrap();
        let path = lab.path().join("lock");
        let held = File::create(&path).unwrap();
        lock_within(&held, Duration::ZERO).unwrap();
        let other = File::open(&path).unwrap();
        let wait_max = Duration::from_millis(200);
        let began = std::time::Instant::now();
        let waited = lock_within(&other, wait_max);
        assert_eq!(waited.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(began.elapsed() >= wait_max, "{:?}", began.elapsed());
        drop(held);
        lock_within(&other, wait_max).unwrap();
    }
}
