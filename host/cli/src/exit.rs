//! How `host` ends, by meaning. These numbers are a promise to scripts.

/// An exit code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// The task failed: its exit, its `_error`, a trap or a limit.
    TaskFailed,
    /// The command line or the input is wrong.
    Usage,
    /// Policy refused, or a grant is missing.
    Refused,
    /// The bundle is not trusted, or damaged.
    Untrusted,
    /// Nobody knows how the run ended.
    Lost,
    /// This machine cannot hold or record the run.
    Machine,
    /// A bug of ours.
    Bug,
    /// A program that is run as it is ended with this.
    Program(u8),
    /// Such a program was stopped by its limit of time.
    ProgramTimedOut,
    /// Such a program was not run, or we failed it.
    NotRun,
    /// Ended by this signal.
    Interrupted(u8),
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::TaskFailed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Untrusted => 4,
            Self::Lost => 5,
            Self::Machine => 7,
            Self::Bug => 70,
            Self::Program(code) => code,
            Self::ProgramTimedOut => 124,
            Self::NotRun => 125,
            Self::Interrupted(signal) => 128u8.saturating_add(signal),
        }
    }
}
