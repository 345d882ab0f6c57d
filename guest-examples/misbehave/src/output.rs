//! Modes that print without end, and one that prints what it reads.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::{Argument, say};

/// How much is written at a time.
const BLOCK_BYTES: usize = 64 * 1024;

/// Writes lines to standard output, without end or as many bytes as the argument says, and reports on standard error.
pub(crate) fn flood_stdout(argument: &Argument) -> Option<Value> {
    let managed = flood(io::stdout(), argument);
    say(io::stderr(), "flood-stdout", &managed);
    None
}

/// The same with the two streams swapped.
pub(crate) fn flood_stderr(argument: &Argument) -> Option<Value> {
    Some(flood(io::stderr(), argument))
}

/// Copies its input to its output, byte by byte.
pub(crate) fn echo(_: &Argument) -> Option<Value> {
    let copied = io::copy(&mut io::stdin().lock(), &mut io::stdout().lock());
    if let Err(error) = copied {
        say(io::stderr(), "echo", &json!({"error": error.to_string()}));
    }
    None
}

fn flood(mut to: impl Write, argument: &Argument) -> Value {
    let limit = argument.number(u64::MAX);
    let block: Vec<u8> = b"This line is one of too many, and it has sixty-four characters.\n"
        .iter()
        .copied()
        .cycle()
        .take(BLOCK_BYTES)
        .collect();
    let mut written = 0_u64;
    while written < limit {
        let rest = usize::try_from(limit - written).unwrap_or(BLOCK_BYTES);
        let piece = block.get(..rest.min(BLOCK_BYTES)).unwrap_or_default();
        if let Err(error) = to.write_all(piece).and_then(|()| to.flush()) {
            return json!({"bytes": written, "error": error.to_string()});
        }
        written += piece.len() as u64;
    }
    json!({"bytes": written})
}
