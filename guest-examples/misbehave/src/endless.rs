//! Modes that do not end by themselves, and one that never reads what it is given.

use std::hint::black_box;

use serde_json::{Value, json};

use crate::{Argument, wasi};

/// Counts, without a single call to the system.
pub(crate) fn spin(_: &Argument) -> Option<Value> {
    let mut count = 0_u64;
    loop {
        count = black_box(count.wrapping_add(1));
    }
}

/// Waits for a timer that has run out, over and over: next to no instruction of its own, all of the work is the host's.
pub(crate) fn poll_busy(_: &Argument) -> Option<Value> {
    loop {
        wasi::wait(0);
    }
}

/// Waits for a timer of 584 years, in one call.
pub(crate) fn sleep_forever(_: &Argument) -> Option<Value> {
    wasi::wait(u64::MAX);
    Some(json!({"woke": true}))
}

/// Leaves its input alone, however much of it there is.
pub(crate) fn stdin_never(_: &Argument) -> Option<Value> {
    Some(json!({"read": 0}))
}
