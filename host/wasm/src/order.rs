//! What a worker is told to do.

use serde::{Deserialize, Serialize};

use crate::artifact::ProgramKind;

/// One task of a worker.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Order {
    /// Compile the program on standard input; what comes out goes to standard output as an
    /// [`Artifact`](crate::Artifact).
    Compile,
    /// Run a program that was compiled.
    Run(RunOrder),
}

/// How to run a program.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RunOrder {
    /// What kind of program it is.
    pub kind: ProgramKind,
    /// Its arguments, its own name first.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: Vec<(String, String)>,
    /// The directories that it can open files in, in the order in which it is told of them.
    pub preopens: Vec<Preopen>,
    /// How many bytes its memories and tables may have together.
    pub memory_bytes: u64,
    /// How many bytes one of its calls may hand to the host, or have made there.
    pub call_bytes: u64,
    /// How many handles it may have at one time: files, directories, streams and what it waits for.
    pub handles: u64,
    /// Whether standard input is a socket that is asked for each piece of it, and is a file otherwise.
    pub streams_stdin: bool,
}

/// A directory, or a file as the only thing in its directory.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Preopen {
    /// Its path in the jail.
    pub place: String,
    /// Its path as the program knows it.
    pub name: String,
    /// Whether the program may write.
    pub writable: bool,
}
