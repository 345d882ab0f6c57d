//! WASI programs: compiled in one jailed process, run in another, each for one program and one time.
//!
//! [`work`] is the whole of such a process. It has given up everything by then, is told one [`Order`], and says in a
//! [`Verdict`] how it ended. It runs preview 1 modules and preview 2 components of `wasi:cli/command`, with what the
//! order opens and nothing else. Time is not measured here: whoever keeps the jail ends a run that takes too long, also
//! in the midst of a call into the host. How much a program has in its memories and tables together is, to the byte.
//!
//! What compiling makes is machine code, which is believed only under the tag that [`cache`] puts on it.
//!
//! Read in this order: [`order`], [`verdict`], `run`, `compile`, [`cache`].

pub mod artifact;
pub mod cache;
pub mod order;
pub mod verdict;

mod asked_stdin;
mod budget;
mod compile;
mod engine;
mod exit_code;
mod imports;
mod no_network;
mod preopens;
mod run;
mod trailing_slash;

use std::fs::File;
use std::os::fd::OwnedFd;

pub use artifact::{Artifact, ProgramKind};
pub use compile::compile_here;
pub use engine::engine_id;
pub use order::{Order, Preopen, RunOrder};
pub use verdict::{Attempt, End, Tried, Verdict};

/// How much memory a worker needs for itself, beside its guest's and the machine code, in bytes.
pub const WORKER_BYTES: u64 = 96 << 20;
/// The most that one call may hand to the host, in bytes; a program with little memory may hand over a quarter of it.
const CALL_BYTES_MAX: u64 = 128 << 20;

/// How many bytes one call of a program may hand to the host whose limit `memory` is this.
#[must_use]
pub fn call_bytes(memory_bytes: u64) -> u64 {
    (memory_bytes / 4).min(CALL_BYTES_MAX)
}

/// Does what `order` says and nothing else, and says how that ended; returns the exit code of the process.
///
/// `code` is the machine code of the program to run.
///
/// The code is loaded as it is: whoever hands it over has checked its tag.
pub fn work(order: &str, code: Option<OwnedFd>, last_words: OwnedFd) -> i32 {
    let verdict = match serde_json::from_str(order) {
        Ok(Order::Compile) => compile::compile(),
        Ok(Order::Run(order)) => run::run(&order, code),
        Err(error) => Verdict::of(End::Broken {
            reason: format!("the order cannot be read: {error}"),
        }),
    };
    let code = verdict.exit_code();
    // Without a verdict the run counts as ended by the engine, which then is what has happened.
    let _ = verdict.say(&mut File::from(last_words));
    code
}
