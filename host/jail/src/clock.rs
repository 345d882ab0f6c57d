//! What time it is for a keeper and who works beside it: they are the clock of a run.

use std::time::{Duration, Instant};

use rustix::time::Timespec;

#[expect(
    clippy::disallowed_methods,
    reason = "the jail keeps the time of a run, which nobody else sees"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// So long, as the kernel is told it.
pub(crate) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: duration.as_secs().cast_signed(),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
