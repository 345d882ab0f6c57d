//! Limits of a run: their names, their defaults, who may change them and how far.
//!
//! Every limit always has a value. A request replaces a default, a ceiling stops both, and nothing raises a ceiling.
//! Zero is refused, because programs disagree on whether it means none or no limit.

mod name;
mod request;

#[cfg(test)]
mod tests;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::ask::Origin;
use crate::size::{ByteSize, ByteSizeError};
use crate::span::{Span, SpanError};

use name::ALL_PROCESSORS;
pub use name::{LimitName, LimitUnit};
pub use request::{Ceilings, LimitRequests};

/// The limits of a run: a value for each, and whether someone asked for it.
///
/// A default may fall back where the machine cannot impose it; what was asked for may not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    wall: Limit,
    cpu: Limit,
    share: Limit,
    memory: Limit,
    processes: Limit,
    output: Limit,
    scratch: Limit,
    inodes: Limit,
    files: Limit,
    input: Limit,
    calls: Limit,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Limit {
    value: u64,
    asked: bool,
}

impl Limits {
    /// The limits of a run: `defaults`, replaced by the requests in their order, the last one winning.
    ///
    /// A default above a ceiling is lowered to it, and counts as asked for.
    ///
    /// # Errors
    /// When a request that takes effect is above its ceiling; the error names both.
    pub fn resolve(
        defaults: &Self,
        requests: &[(Origin, &LimitRequests)],
        ceilings: &Ceilings,
    ) -> Result<Self, LimitError> {
        let mut limits = defaults.clone();
        for name in LimitName::ALL {
            let ceiling = ceilings.of(name);
            let last = requests
                .iter()
                .rev()
                .find_map(|(origin, asked)| Some((*origin, asked.get(name)?)));
            let limit = match last {
                Some((origin, value)) if value > ceiling => {
                    let (value, ceiling) = (name.show(value), name.show(ceiling));
                    return Err(LimitError::AboveCeiling {
                        limit: name,
                        value,
                        ceiling,
                        origin,
                    });
                }
                Some((_, value)) => Limit { value, asked: true },
                None => {
                    let default = defaults.of(name);
                    // What a ceiling bounds must be imposed: it is the most that any run gets.
                    Limit {
                        value: default.value.min(ceiling),
                        asked: default.asked || default.value > ceiling,
                    }
                }
            };
            *limits.of_mut(name) = limit;
        }
        Ok(limits)
    }

    /// These limits with some of them replaced, as defaults that nobody asked for.
    #[must_use]
    pub fn with_defaults(&self, defaults: &LimitRequests) -> Self {
        let mut limits = self.clone();
        for (name, value) in &defaults.0 {
            *limits.of_mut(*name) = Limit {
                value: *value,
                asked: false,
            };
        }
        limits
    }

    /// Whether someone asked for this limit, so that it must be imposed.
    #[must_use]
    pub const fn asked(&self, name: LimitName) -> bool {
        self.of(name).asked
    }

    /// The value in milliseconds, bytes or as a number, by the limit's unit.
    #[must_use]
    pub const fn value(&self, name: LimitName) -> u64 {
        self.of(name).value
    }

    /// The value as people write it.
    #[must_use]
    pub fn text(&self, name: LimitName) -> String {
        name.show(self.value(name))
    }

    /// Time from start to end.
    #[must_use]
    pub const fn wall(&self) -> Span {
        Span::from_ms(self.wall.value)
    }

    /// Processor time of all processes.
    #[must_use]
    pub const fn cpu(&self) -> Span {
        Span::from_ms(self.cpu.value)
    }

    /// Processors at one time, in hundredths of one; nothing where it may use all that there are.
    #[must_use]
    pub const fn share(&self) -> Option<u64> {
        let percent = self.share.value;
        if percent == ALL_PROCESSORS {
            None
        } else {
            Some(percent)
        }
    }

    /// Memory of all processes.
    #[must_use]
    pub const fn memory(&self) -> ByteSize {
        ByteSize::from_bytes(self.memory.value)
    }

    /// Processes and threads at one time.
    #[must_use]
    pub const fn processes(&self) -> u64 {
        self.processes.value
    }

    /// Bytes of each output stream.
    #[must_use]
    pub const fn output(&self) -> ByteSize {
        ByteSize::from_bytes(self.output.value)
    }

    /// Bytes of scratch directory and `/tmp`.
    #[must_use]
    pub const fn scratch(&self) -> ByteSize {
        ByteSize::from_bytes(self.scratch.value)
    }

    /// Files and directories in scratch directory and `/tmp`.
    #[must_use]
    pub const fn inodes(&self) -> u64 {
        self.inodes.value
    }

    /// Open files of one process.
    #[must_use]
    pub const fn files(&self) -> u64 {
        self.files.value
    }

    /// Bytes of the input.
    #[must_use]
    pub const fn input(&self) -> ByteSize {
        ByteSize::from_bytes(self.input.value)
    }

    /// Calls of granted commands.
    #[must_use]
    pub const fn calls(&self) -> u64 {
        self.calls.value
    }

    const fn of(&self, name: LimitName) -> Limit {
        match name {
            LimitName::Wall => self.wall,
            LimitName::Cpu => self.cpu,
            LimitName::Share => self.share,
            LimitName::Memory => self.memory,
            LimitName::Processes => self.processes,
            LimitName::Output => self.output,
            LimitName::Scratch => self.scratch,
            LimitName::Inodes => self.inodes,
            LimitName::Files => self.files,
            LimitName::Input => self.input,
            LimitName::Calls => self.calls,
        }
    }

    const fn of_mut(&mut self, name: LimitName) -> &mut Limit {
        match name {
            LimitName::Wall => &mut self.wall,
            LimitName::Cpu => &mut self.cpu,
            LimitName::Share => &mut self.share,
            LimitName::Memory => &mut self.memory,
            LimitName::Processes => &mut self.processes,
            LimitName::Output => &mut self.output,
            LimitName::Scratch => &mut self.scratch,
            LimitName::Inodes => &mut self.inodes,
            LimitName::Files => &mut self.files,
            LimitName::Input => &mut self.input,
            LimitName::Calls => &mut self.calls,
        }
    }
}

/// The limits of a run for which no one asked anything.
impl Default for Limits {
    fn default() -> Self {
        let of = |name: LimitName| Limit {
            value: name.default_value(),
            asked: false,
        };
        Self {
            wall: of(LimitName::Wall),
            cpu: of(LimitName::Cpu),
            share: of(LimitName::Share),
            memory: of(LimitName::Memory),
            processes: of(LimitName::Processes),
            output: of(LimitName::Output),
            scratch: of(LimitName::Scratch),
            inodes: of(LimitName::Inodes),
            files: of(LimitName::Files),
            input: of(LimitName::Input),
            calls: of(LimitName::Calls),
        }
    }
}

/// Serialised as an object of name and text, every limit in it.
impl Serialize for Limits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(LimitName::ALL.len()))?;
        for name in LimitName::ALL {
            map.serialize_entry(name.as_str(), &self.text(name))?;
        }
        map.end()
    }
}

/// Why a limit was not accepted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// There is no such limit.
    #[error(
        "`{}` is not a limit: use wall, cpu, share, memory, processes, output, scratch, inodes, files, input or calls",
        crate::Shown(.name)
    )]
    Name {
        /// What was given.
        name: String,
    },
    /// The value is not a length of time.
    #[error("limit `{limit}`: {source}")]
    Span {
        /// The limit.
        limit: LimitName,
        /// What is wrong with its value.
        source: SpanError,
    },
    /// The value is not an amount of bytes.
    #[error("limit `{limit}`: {source}")]
    Size {
        /// The limit.
        limit: LimitName,
        /// What is wrong with its value.
        source: ByteSizeError,
    },
    /// The value is not a number.
    #[error("limit `{limit}`: `{}` is not a whole number", crate::Shown(.text))]
    Count {
        /// The limit.
        limit: LimitName,
        /// What was given.
        text: String,
    },
    /// The value is not a share.
    #[error(
        "limit `{limit}`: `{}` is no share of processors, such as 50%, 200% or all",
        crate::Shown(.text)
    )]
    Percent {
        /// The limit.
        limit: LimitName,
        /// What was given.
        text: String,
    },
    /// The value is zero.
    #[error("limit `{limit}` cannot be zero")]
    Zero {
        /// The limit.
        limit: LimitName,
    },
    /// No run could start with so little.
    #[error("limit `{limit}`: {value} is too little for any run, which takes {least}")]
    TooLow {
        /// The limit.
        limit: LimitName,
        /// What was given.
        value: String,
        /// The least that there may be.
        least: String,
    },
    /// More was asked than the node gives.
    #[error("limit `{limit}`: {value}, asked by the {origin}, is above the ceiling of {ceiling}")]
    AboveCeiling {
        /// The limit.
        limit: LimitName,
        /// What was asked.
        value: String,
        /// The most there is.
        ceiling: String,
        /// Who asked.
        origin: Origin,
    },
}
