//! The names of limits, what each is measured in, and its default.
//!
//! A value is read by the unit of its limit; zero is refused, and so is what no run could start with.

use std::fmt;
use std::str::FromStr;

use super::LimitError;
use crate::serde_text::serde_as_text;
use crate::size::ByteSize;
use crate::span::Span;

/// What a run is limited in.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum LimitName {
    /// Time from start to end.
    Wall,
    /// Processor time of all its processes.
    Cpu,
    /// Processors at one time.
    Share,
    /// Memory of all its processes.
    Memory,
    /// Processes and threads at one time.
    Processes,
    /// Bytes of stdout, and of stderr.
    Output,
    /// Bytes of the scratch directory with `/tmp`.
    Scratch,
    /// Files and directories there.
    Inodes,
    /// Open files of one process.
    Files,
    /// Bytes of the input.
    Input,
    /// Calls of granted commands.
    Calls,
}

/// What a limit is measured in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LimitUnit {
    /// Milliseconds, written as a [`Span`].
    Span,
    /// Bytes, written as a [`ByteSize`].
    Size,
    /// A plain number.
    Count,
    /// Hundredths of one processor, written as `50%`, or `all` for as much as the machine has.
    Percent,
}

/// The largest share that is a bound, in percent: 10,000 processors.
const PERCENT_MAX: u64 = 1_000_000;
/// The value of a share that bounds nothing, and how it is written.
pub(super) const ALL_PROCESSORS: u64 = u64::MAX;
const ALL_WORD: &str = "all";

impl LimitName {
    /// Every limit, in the order in which people are shown them.
    pub const ALL: [Self; 11] = [
        Self::Wall,
        Self::Cpu,
        Self::Share,
        Self::Memory,
        Self::Processes,
        Self::Output,
        Self::Scratch,
        Self::Inodes,
        Self::Files,
        Self::Input,
        Self::Calls,
    ];

    /// The name as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::Cpu => "cpu",
            Self::Share => "share",
            Self::Memory => "memory",
            Self::Processes => "processes",
            Self::Output => "output",
            Self::Scratch => "scratch",
            Self::Inodes => "inodes",
            Self::Files => "files",
            Self::Input => "input",
            Self::Calls => "calls",
        }
    }

    /// What it is measured in.
    #[must_use]
    pub const fn unit(self) -> LimitUnit {
        match self {
            Self::Wall | Self::Cpu => LimitUnit::Span,
            Self::Memory | Self::Output | Self::Scratch | Self::Input => LimitUnit::Size,
            Self::Processes | Self::Inodes | Self::Files | Self::Calls => LimitUnit::Count,
            Self::Share => LimitUnit::Percent,
        }
    }

    /// Reads a value of this limit, in milliseconds, bytes or as a number.
    pub(super) fn read(self, text: &str) -> Result<u64, LimitError> {
        let value = match self.unit() {
            LimitUnit::Span => text
                .parse()
                .map(Span::ms)
                .map_err(|source| LimitError::Span {
                    limit: self,
                    source,
                })?,
            LimitUnit::Size => {
                text.parse()
                    .map(ByteSize::bytes)
                    .map_err(|source| LimitError::Size {
                        limit: self,
                        source,
                    })?
            }
            LimitUnit::Count => read_count(text).ok_or_else(|| LimitError::Count {
                limit: self,
                text: text.into(),
            })?,
            LimitUnit::Percent => read_percent(text).ok_or_else(|| LimitError::Percent {
                limit: self,
                text: text.into(),
            })?,
        };
        if value == 0 {
            Err(LimitError::Zero { limit: self })
        } else if value < self.least() {
            Err(LimitError::TooLow {
                limit: self,
                value: self.show(value),
                least: self.show(self.least()),
            })
        } else {
            Ok(value)
        }
    }

    /// The least that any run can start with: walls are built with open files, directories and memory of its own.
    const fn least(self) -> u64 {
        match self {
            Self::Files => 64,
            Self::Inodes => 16,
            Self::Memory => ByteSize::mib(1).bytes(),
            // With less a run would hold locks of the kernel's for seconds while it waits for its turn.
            Self::Share => 5,
            _ => 1,
        }
    }

    /// Prints a value of this limit so that [`LimitName::read`] reads it.
    pub(super) fn show(self, value: u64) -> String {
        match self.unit() {
            LimitUnit::Span => Span::from_ms(value).to_string(),
            LimitUnit::Size => ByteSize::from_bytes(value).to_string(),
            LimitUnit::Count => value.to_string(),
            LimitUnit::Percent if value == ALL_PROCESSORS => ALL_WORD.to_owned(),
            LimitUnit::Percent => format!("{value}%"),
        }
    }

    /// What a run has when no one asked.
    pub(super) const fn default_value(self) -> u64 {
        match self {
            Self::Wall => Span::from_secs(600).ms(),
            Self::Cpu => Span::from_secs(300).ms(),
            Self::Share => ALL_PROCESSORS,
            Self::Memory => ByteSize::mib(512).bytes(),
            Self::Processes => 256,
            Self::Output => ByteSize::mib(8).bytes(),
            Self::Scratch => ByteSize::mib(256).bytes(),
            Self::Inodes => 65_536,
            Self::Files => 1_024,
            Self::Input => ByteSize::mib(1).bytes(),
            Self::Calls => 1_000,
        }
    }
}

impl FromStr for LimitName {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|name| name.as_str() == text);
        known.ok_or_else(|| LimitError::Name {
            name: text.to_owned(),
        })
    }
}

impl fmt::Display for LimitName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

serde_as_text!(LimitName);

fn read_percent(text: &str) -> Option<u64> {
    if text == ALL_WORD {
        return Some(ALL_PROCESSORS);
    }
    // More than that many processors is no bound that a kernel takes.
    read_count(text.strip_suffix('%')?).filter(|percent| *percent <= PERCENT_MAX)
}

fn read_count(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}
