//! Modes that look around: what the world of a program is made of.

use std::thread;

use serde_json::{Map, Value, json};

use crate::{Argument, wasi};

/// Prints its environment, its arguments and the directories that are open.
pub(crate) fn env(_: &Argument) -> Option<Value> {
    let environment: Map<String, Value> = std::env::vars()
        .map(|(name, value)| (name, Value::String(value)))
        .collect();
    let arguments: Vec<String> = std::env::args().collect();
    let preopens: Vec<String> = wasi::preopens().into_iter().map(|(name, _)| name).collect();
    Some(json!({"environment": environment, "arguments": arguments, "preopens": preopens}))
}

/// Reads the clocks, and looks how fine they are.
pub(crate) fn clocks(_: &Argument) -> Option<Value> {
    Some(wasi::clocks())
}

/// Tries to make sockets, to use them, and to look names up; the argument is an IPv4 address to connect to.
pub(crate) fn network(argument: &Argument) -> Option<Value> {
    Some(wasi::network(argument.text("127.0.0.1:1")))
}

/// Tries to start a thread.
pub(crate) fn threads(_: &Argument) -> Option<Value> {
    let started = thread::Builder::new().spawn(|| 1);
    Some(match started.map(thread::JoinHandle::join) {
        Ok(joined) => json!({"started": true, "joined": joined.is_ok()}),
        Err(error) => json!({"started": false, "error": error.to_string()}),
    })
}

/// Counts, among what was tried, what had no error.
pub(crate) fn tried(tried: Vec<Value>) -> Value {
    let managed = tried
        .iter()
        .filter(|one| one.get("error").is_none_or(Value::is_null))
        .count();
    json!({"managed": managed, "tried": tried})
}

/// The smallest step between two readings of a clock that are not the same.
pub(crate) fn finest_step(readings: &[u64]) -> Option<u64> {
    readings
        .windows(2)
        .filter_map(|pair| match pair {
            [first, second] => second.checked_sub(*first),
            _ => None,
        })
        .filter(|step| *step > 0)
        .min()
}
