//! Has a WASI program compiled, and says so where that takes long.

use host_core::Digest;
use host_node::{CompileError, Compiled, Compiling};

use super::live::Signals;
use crate::app::Context;
use crate::commands::patience::Waiting;
use crate::exit::Exit;
use crate::failure::Failure;

/// The machine code of a program that is called `name` on the command line, with what is wrong with the program itself
/// apart from other failures.
pub(crate) fn try_to_compile(
    context: &Context,
    signals: &Signals,
    name: &str,
    program: &[u8],
    digest: &Digest,
    compiling: &Compiling<'_>,
) -> Result<Result<Compiled, CompileError>, Failure> {
    let mut waiting = Waiting::new(context.printer, format!("compiling `{name}`, once"));
    let mut signal = None;
    let mut goes_on = || {
        waiting.nudge();
        signal = signals.take();
        signal.is_none()
    };
    match host_node::compile(program, digest, compiling, &mut goes_on) {
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
