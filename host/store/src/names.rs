//! Names for temporary files and directories that no other living process uses.
//!
//! They need neither clock nor random numbers: the process id keeps processes apart, a counter keeps apart what one
//! process makes, and whoever makes the file asks for a new one and takes the next name when an old process left its own.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;

/// How many names are tried; each failure is the leftover of a crashed process with our id.
const NAME_TRIES_MAX: u32 = 1024;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Calls `make` with fresh names until one does not exist yet.
///
/// # Errors
/// What `make` says, `Errno::EXIST` when all names are taken.
pub(crate) fn with_fresh_name<T>(
    mut make: impl FnMut(&str) -> Result<T, Errno>,
) -> Result<(T, String), Errno> {
    for _ in 0..NAME_TRIES_MAX {
        let count = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{count}", process::id());
        match make(&name) {
            Err(Errno::EXIST) => {}
            made => return made.map(|made| (made, name)),
        }
    }
    Err(Errno::EXIST)
}
