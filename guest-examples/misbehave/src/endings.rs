//! Modes that end at once, each in its own way.

use std::process;

use serde_json::Value;

use crate::{Argument, wasi};

/// Executes the instruction `unreachable`.
pub(crate) fn trap(_: &Argument) -> Option<Value> {
    core::arch::wasm32::unreachable()
}

/// Ends as a program does that found itself broken.
pub(crate) fn abort(_: &Argument) -> Option<Value> {
    process::abort()
}

/// Exits with a code, 7 by default. Preview 2 has but two: what is not 0 is 1.
pub(crate) fn exit(argument: &Argument) -> Option<Value> {
    process::exit(i32::try_from(argument.number(7)).unwrap_or(i32::MAX))
}

/// Exits with a code that no shell has room for.
pub(crate) fn exit_high(argument: &Argument) -> Option<Value> {
    wasi::exit(u32::try_from(argument.number(300)).unwrap_or(u32::MAX))
}
