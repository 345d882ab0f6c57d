//! The clock and the randomness of this machine, read here and handed on as values.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use host_core::Timestamp;
use host_node::{Moment, Person};

use crate::exit::Exit;
use crate::failure::Failure;

/// Time since 1970, by the machine's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line reads the clock for everyone"
)]
fn since_1970() -> Duration {
    // A clock before 1970 reads as 1970.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// Seconds since 1970.
pub(crate) fn now_unix() -> u64 {
    since_1970().as_secs()
}

/// A clock for how long something takes.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line reads the clock for everyone"
)]
pub(crate) fn stopwatch() -> Instant {
    Instant::now()
}

/// Random bytes of the kernel.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new(Exit::Machine, &error).within("no random numbers"))?;
    Ok(bytes)
}

/// This moment, as records write it.
pub(crate) fn timestamp() -> Timestamp {
    let now = since_1970();
    Timestamp::from_unix(now.as_secs(), now.subsec_nanos())
}

/// Time and chance for the start of a run.
pub(crate) fn moment() -> Result<Moment, Failure> {
    let now = since_1970();
    Ok(Moment {
        unix_seconds: now.as_secs(),
        nanos: now.subsec_nanos(),
        random: random()?,
        person: person(),
    })
}

/// Who started this.
fn person() -> Person {
    /// What the kernel says where nobody logged in, or nobody keeps account of it.
    const NOBODY: u32 = u32::MAX;
    let login = std::fs::read_to_string("/proc/self/loginuid");
    let login = login.ok().and_then(|text| text.trim().parse().ok());
    Person {
        uid: rustix::process::getuid().as_raw(),
        login: login.filter(|login| *login != NOBODY),
    }
}
