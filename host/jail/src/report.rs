//! What the keeper leaves in the spool when a run has ended: facts, which the path of a run turns into a record.

use host_core::{Capability, Connection, LimitName};
use serde::{Deserialize, Serialize};

use crate::setup::SetupError;

/// The format of a report on disk.
pub const REPORT_FORMAT: &str = "host.report/1";

/// How the task's program ended.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It exited with this code.
    Exited {
        /// 0 to 255.
        code: i32,
    },
    /// A signal ended it that was not ours.
    Signalled {
        /// Its number.
        signal: i32,
    },
    /// It passed a limit and was killed.
    Limit {
        /// Which limit.
        name: LimitName,
    },
    /// Whoever started it called it off.
    Cancelled,
    /// It never started.
    NotStarted(SetupError),
    /// It was killed, and a process of it did not die in the time that is waited for that.
    Unkillable,
    /// Its output could not be kept, so it was killed.
    OutputLost {
        /// What the file system answered.
        cause: String,
    },
    /// Who took note of it died, and with that who answers for its filter, so it was killed.
    RecorderLost,
}

/// One output stream as it was kept.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct StreamKept {
    /// Bytes in the spool.
    pub bytes: u64,
    /// Whether the task wrote more.
    pub truncated: bool,
}

/// One file that the task left to be brought back.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LeftFile {
    /// Its path below `$HOST_OUT`.
    pub name: String,
    /// The name of its copy in the run's artifacts directory.
    pub copy: String,
    /// How long it is.
    pub bytes: u64,
}

/// Something that a task tried and was refused.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Refused {
    /// The capability that was missing.
    pub capability: String,
    /// What was tried, in a word or two.
    pub what: String,
    /// How often.
    pub times: u64,
}

/// Something that a run that learns was seen to use, or to look for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Noted {
    /// The capability that it takes.
    pub capability: Capability,
    /// Whether the run had it: it was mounted for it, and not hidden.
    pub granted: bool,
    /// Whether it is of one file, as it was there when the run was over.
    pub file: bool,
    /// How often.
    pub times: u64,
}

/// What was noted of a run that learns. It comes from the run's own memory, so it is as little to be believed as what the
/// run says.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Learned {
    /// Each thing once.
    pub noted: Vec<Noted>,
    /// Calls that no note tells of: beyond the number of notes that are kept, or not to be read or named.
    pub beyond: u64,
    /// Whether callers were met whose memory may not be read, so that nobody knows what was not used.
    pub blind: bool,
}

/// What the keeper saw of a run.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Report {
    /// [`REPORT_FORMAT`].
    pub format: String,
    /// How it ended.
    pub ending: Ending,
    /// From the first instruction to the death of the last process, in milliseconds.
    pub runtime_ms: u64,
    /// The standard output that was kept.
    pub stdout: StreamKept,
    /// The standard error that was kept.
    pub stderr: StreamKept,
    /// The files that were left.
    pub left: Vec<LeftFile>,
    /// Names of files that were left and could not come back, with the reason.
    pub left_out: Vec<(String, String)>,
    /// What the task tried and was refused, as far as the kernel tells.
    pub refused: Vec<Refused>,
    /// The connections that it made, as far as they are told one by one.
    pub connections: Vec<Connection>,
    /// What was noted of a run that learns; nothing of any other, or where nobody could take note.
    pub learned: Option<Learned>,
    /// Openings that could not be made: the capability, and why.
    pub not_opened: Vec<(String, String)>,
    /// Each wall with what holds it up.
    pub walls: Vec<(String, String)>,
    /// What was used, by name, in the unit that the name ends with.
    pub usage: Vec<(String, u64)>,
    /// Limits that the kernel answered with an error inside, so that the task could go on.
    pub reached: Vec<LimitName>,
    /// What a function said last; as little to be believed as any output of a run.
    pub last_words: String,
}
