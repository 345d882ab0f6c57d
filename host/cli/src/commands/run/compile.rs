//! Has a WASI program compiled, and says so where that takes long.

use std::io;

use host_bundle::FileEntry;
use host_core::{Digest, Shown};
use host_node::{CompileError, Compiled, Compiling, Machine, Moment};
use host_store::Store;

use super::live::Signals;
use crate::app::Context;
use crate::clock;
use crate::commands::patience::Waiting;
use crate::exit::Exit;
use crate::failure::Failure;

/// What compiling takes from outside.
pub(crate) fn compiling<'c>(
    machine: &'c Machine,
    store: &'c Store,
    moment: &'c Moment,
) -> Result<Compiling<'c>, Failure> {
    Ok(Compiling {
        machine,
        store,
        moment,
        fresh_key: clock::random()?,
    })
}

/// The machine code of a program in a bundle, with what is wrong with the program itself apart from other failures.
pub(crate) fn compile_bundled(
    context: &Context,
    signals: &Signals,
    program: &FileEntry,
    compiling: &Compiling<'_>,
) -> Result<Result<Compiled, CompileError>, Failure> {
    let name = Shown(program.path.as_str()).to_string();
    let read = || host_node::read_program(program, compiling.store);
    try_to_compile(context, signals, &name, &program.sha256, read, compiling)
}

/// The same for any program with this `digest`, which is called `name` on the command line.
pub(super) fn try_to_compile(
    context: &Context,
    signals: &Signals,
    name: &str,
    digest: &Digest,
    read: impl FnOnce() -> io::Result<Vec<u8>>,
    compiling: &Compiling<'_>,
) -> Result<Result<Compiled, CompileError>, Failure> {
    let mut waiting = Waiting::new(context.printer, format!("compiling `{name}`, once"));
    let mut signal = None;
    let mut goes_on = || {
        waiting.nudge();
        signal = signals.take();
        signal.is_none()
    };
    match host_node::compile(digest, read, compiling, &mut goes_on) {
        Err(CompileError::Interrupted) => {
            let exit = Exit::Interrupted(signal.unwrap_or(2));
            Err(Failure::plain(
                exit,
                format!("compiling `{name}` was interrupted"),
            ))
        }
        Err(error) if !error.is_the_programs() => {
            Err(Failure::new(Exit::Machine, &error).within(format!("`{name}` cannot be compiled")))
        }
        compiled => Ok(compiled),
    }
}
