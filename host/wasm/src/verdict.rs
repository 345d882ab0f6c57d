//! How a worker says its task ended: one line of JSON.
//!
//! A program that has broken out of the engine could say anything here. What it says concerns nothing but its own run.

use std::io::{self, Write};

use host_core::LimitName;
use serde::{Deserialize, Serialize};

/// The longest reason, in bytes, so that a verdict fits into what a pipe takes at once.
const REASON_BYTES_MAX: usize = 1_024;
/// The longest name that is told of, in bytes.
const NAME_BYTES_MAX: usize = 100;
/// What follows a reason that was cut.
const CUT: &str = " ...";

/// The last words of a worker.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Verdict {
    /// How it ended.
    pub end: End,
    /// The most that the guest's memories and tables had together, in bytes.
    pub memory_peak_bytes: u64,
    /// What it tried that takes a capability which no WASI program can be granted yet.
    pub tried: Vec<Tried>,
}

/// Something that a program tried in vain.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Tried {
    /// What.
    pub what: Attempt,
    /// How often.
    pub times: u64,
}

/// What a program can try in vain.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Attempt {
    /// To make a TCP socket.
    Tcp,
    /// To make a UDP socket.
    Udp,
    /// To look up a name.
    Lookup {
        /// The name, as far as it is a name of a host; empty if it cannot be one.
        name: String,
    },
}

impl Attempt {
    /// The look-up of what a program gave for a name.
    pub(crate) fn lookup(name: &str) -> Self {
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-._:".contains(letter);
        let is_name = name.len() <= NAME_BYTES_MAX && name.chars().all(is_letter);
        Self::Lookup {
            name: if is_name { name } else { "" }.to_owned(),
        }
    }
}

/// How a worker's task ended.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum End {
    /// The program ended by itself, or was compiled.
    Exited {
        /// What it ended with.
        code: i32,
    },
    /// It did what no program may.
    Trapped {
        /// What that was.
        reason: String,
    },
    /// It passed a limit.
    Limit {
        /// Which.
        name: LimitName,
        /// What it wanted.
        reason: String,
    },
    /// It is no program that can run here.
    Unfit {
        /// Why.
        reason: String,
        /// What to do about it, where that is known.
        hint: Option<String>,
    },
    /// The worker could not do its task.
    Broken {
        /// Why.
        reason: String,
    },
}

impl Verdict {
    pub(crate) fn of(end: End) -> Self {
        Self {
            end,
            memory_peak_bytes: 0,
            tried: Vec::new(),
        }
    }

    /// Reads what a worker said; nothing if it did not get that far, or said something else.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The exit code of the process, which can hold less than a verdict.
    pub(crate) fn exit_code(&self) -> i32 {
        match self.end {
            End::Exited { code } => code & 0xff,
            End::Trapped { .. } | End::Limit { .. } | End::Unfit { .. } | End::Broken { .. } => 1,
        }
    }

    pub(crate) fn say(mut self, out: &mut impl Write) -> io::Result<()> {
        match &mut self.end {
            End::Exited { .. } => {}
            End::Trapped { reason }
            | End::Limit { reason, .. }
            | End::Unfit { reason, .. }
            | End::Broken { reason } => cut(reason),
        }
        out.write_all(&serde_json::to_vec(&self)?)
    }
}

/// Leaves no more of a reason than fits, by what JSON makes of it: six bytes of a control character.
fn cut(reason: &mut String) {
    let mut written = 0;
    let end = reason.char_indices().find(|(_, letter)| {
        written += match letter {
            '\0'..='\u{1f}' | '\u{7f}' => 6,
            '"' | '\\' => 2,
            other => other.len_utf8(),
        };
        written > REASON_BYTES_MAX
    });
    if let Some((end, _)) = end {
        reason.truncate(end);
        reason.push_str(CUT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_read_as_it_was_said_and_always_fits() {
        let long = "\u{1}\\\u{202e}".repeat(4_000);
        for end in [
            End::Exited { code: -1 },
            End::Trapped { reason: long },
            End::Limit {
                name: LimitName::Memory,
                reason: "more".to_owned(),
            },
            End::Unfit {
                reason: "no".to_owned(),
                hint: Some("do".to_owned()),
            },
        ] {
            let mut said = Vec::new();
            let mut verdict = Verdict::of(end.clone());
            let lookup = Tried {
                what: Attempt::lookup(&"a".repeat(NAME_BYTES_MAX)),
                times: u64::MAX,
            };
            verdict.tried = vec![lookup; 12];
            verdict.say(&mut said).unwrap();
            assert!(said.len() < 4_096, "{} bytes", said.len());
            let read = Verdict::read(std::str::from_utf8(&said).unwrap()).unwrap();
            match (read.end, end) {
                (End::Trapped { reason }, End::Trapped { .. }) => assert!(reason.ends_with(CUT)),
                (read, end) => assert_eq!(read, end),
            }
        }
    }

    #[test]
    fn what_cannot_be_a_name_is_told_without_it() {
        let name = |text: &str| match Attempt::lookup(text) {
            Attempt::Lookup { name } => name,
            other => panic!("{other:?}"),
        };
        assert_eq!(name("db-1.example.com"), "db-1.example.com");
        assert_eq!(name("fd00::1"), "fd00::1");
        for odd in ["a b", "\u{1b}[2J", "é", &"a".repeat(101)] {
            assert_eq!(name(odd), "", "{odd}");
        }
    }

    #[test]
    fn an_exit_code_of_a_process_has_eight_bits() {
        let code = |code| Verdict::of(End::Exited { code }).exit_code();
        assert_eq!([code(0), code(300), code(-1)], [0, 44, 255]);
    }

    #[test]
    fn what_is_no_verdict_is_none() {
        assert_eq!(Verdict::read(""), None);
        assert_eq!(Verdict::read(r#"{"end":{"Exited":{}}}"#), None);
    }
}
