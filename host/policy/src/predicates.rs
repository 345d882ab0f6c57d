//! Named predicates: what a rule cannot say in Cedar, such as a regular expression, under a name that it can ask for.
//!
//! A file `predicates.toml` gives each name one condition on the caller, the node's facts or its classes. Before a question
//! is asked, [`Predicates::holding`] says which of the names hold, and a rule reads
//! `context.predicates.contains("NAME")`. A file is read whole or refused: unknown keys and kinds, names that could deceive
//! a reader, comparisons that cannot be made exactly, and regular expressions over a limit.
//!
//! ```toml
//! format = "host.predicates/1"
//!
//! [admins]
//! kind = "caller-matches"
//! prefix = "choria="
//! pattern = "^choria=admin-"
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use host_core::Shown;
use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Spanned;

mod facts;
#[cfg(test)]
mod tests;

pub use facts::{FactFault, Operator};
pub(crate) use facts::{ServerFact, TextFact, compile};

/// The file's name in a set.
pub const PREDICATES_FILE: &str = "predicates.toml";

/// The format that is written and accepted.
pub const PREDICATES_FORMAT: &str = "host.predicates/1";

/// Longest file of predicates, in bytes.
pub const PREDICATES_BYTES_MAX: usize = 1_024 * 1_024;

/// Most predicates in one file.
pub const PREDICATES_MAX: usize = 2_000;

/// Longest name of a predicate, in bytes.
pub const PREDICATE_NAME_BYTES_MAX: usize = 128;

/// Largest regular expression once it is compiled, in bytes.
pub const REGEX_BYTES_MAX: usize = 256 * 1_024;

/// Longest text in a predicate, in bytes.
const TEXT_BYTES_MAX: usize = 4_096;

/// One condition, as it is written.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Predicate {
    /// The caller's name behind `prefix` matches.
    CallerMatches {
        /// What is put before the name.
        #[serde(default)]
        prefix: String,
        /// A regular expression in our own engine's spelling.
        pattern: String,
    },
    /// One of the node's classes matches.
    ClassMatches {
        /// A regular expression in our own engine's spelling.
        pattern: String,
    },
    /// A fact compares so, by the rules of the Choria server.
    ChoriaFact {
        /// The fact's name, with dots into hashes.
        fact: String,
        /// One of `==`, `!=`, `<`, `<=`, `>`, `>=` and `=~`.
        operator: String,
        /// What it is compared with; for `=~` a regular expression, with or without slashes around it.
        value: String,
    },
    /// A fact's text compares so, byte by byte; a missing fact is an empty text.
    FactText {
        /// The fact's whole name; dots do not lead into hashes.
        fact: String,
        /// One of `==`, `<` and `>`.
        operator: String,
        /// What it is compared with.
        value: String,
    },
}

/// Why predicates are refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PredicatesError {
    /// The text is larger than a file may be.
    #[error("predicates are larger than {PREDICATES_BYTES_MAX} bytes")]
    TooLarge,
    /// There are more than one file may have.
    #[error("there are more than {PREDICATES_MAX} predicates")]
    TooMany,
    /// It is not TOML, or has a key twice.
    #[error("line {line}: {message}")]
    Syntax {
        /// Where, counted from 1; 1 where that is not known.
        line: usize,
        /// What the reader says.
        message: String,
    },
    /// The format is missing or another one.
    #[error("line {line}: `format` must be `{PREDICATES_FORMAT}`")]
    Format {
        /// Where, counted from 1.
        line: usize,
    },
    /// A name cannot be one.
    #[error(
        "line {line}: a name has 1 to {PREDICATE_NAME_BYTES_MAX} bytes, all visible, and no blanks around it"
    )]
    Name {
        /// Where, counted from 1.
        line: usize,
    },
    /// A predicate is not one, or cannot be kept exactly.
    #[error("line {line}: predicate `{}`: {reason}", Shown(.name))]
    Predicate {
        /// Where it begins, counted from 1.
        line: usize,
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl PredicatesError {
    /// The line that it is about, counted from 1, where it is about one.
    #[must_use]
    pub const fn line(&self) -> Option<usize> {
        match self {
            Self::TooLarge | Self::TooMany => None,
            Self::Syntax { line, .. }
            | Self::Format { line }
            | Self::Name { line }
            | Self::Predicate { line, .. } => Some(*line),
        }
    }
}

/// A set of named predicates, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct Predicates {
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    written: Predicate,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Caller { prefix: String, regex: Regex },
    Class(Regex),
    ServerFact(ServerFact),
    TextFact(TextFact),
}

impl Predicates {
    /// Reads a file of predicates.
    ///
    /// # Errors
    ///
    /// When any part of it is not understood, with the line of that part.
    pub fn read(text: &str) -> Result<Self, PredicatesError> {
        if text.len() > PREDICATES_BYTES_MAX {
            return Err(PredicatesError::TooLarge);
        }
        let parsed: BTreeMap<Spanned<String>, toml::Value> =
            toml::from_str(text).map_err(|error| PredicatesError::Syntax {
                line: error.span().map_or(1, |span| line_of(text, span.start)),
                message: error.message().to_owned(),
            })?;
        let mut entries = BTreeMap::new();
        let mut has_format = false;
        for (key, value) in parsed {
            let line = line_of(text, key.span().start);
            let name = key.into_inner();
            if name == "format" {
                if value.as_str() != Some(PREDICATES_FORMAT) {
                    return Err(PredicatesError::Format { line });
                }
                has_format = true;
                continue;
            }
            let entry = read_entry(&name, value, line)?;
            entries.insert(name, entry);
        }
        if !has_format {
            return Err(PredicatesError::Format { line: 1 });
        }
        Self { entries }.limited()
    }

    /// Makes a set of what is already at hand.
    ///
    /// # Errors
    ///
    /// When a name or predicate is one that [`Predicates::read`] would refuse; its line is then 0.
    pub fn new(
        written: impl IntoIterator<Item = (String, Predicate)>,
    ) -> Result<Self, PredicatesError> {
        let mut entries = BTreeMap::new();
        for (name, predicate) in written {
            check_name(&name, 0)?;
            let entry = Entry::new(predicate).map_err(|reason| PredicatesError::Predicate {
                line: 0,
                name: name.clone(),
                reason,
            })?;
            entries.insert(name, entry);
        }
        Self { entries }.limited()
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The names of the predicates that hold for this caller on a node with these facts and classes.
    #[must_use]
    pub fn holding(
        &self,
        caller: &str,
        facts: &Map<String, Value>,
        classes: &BTreeSet<String>,
    ) -> BTreeSet<String> {
        let holds = |entry: &Entry| match &entry.test {
            Test::Caller { prefix, regex } => regex.is_match(&format!("{prefix}{caller}")),
            Test::Class(regex) => classes.iter().any(|class| regex.is_match(class)),
            Test::ServerFact(fact) => fact.holds(facts),
            Test::TextFact(fact) => fact.holds(facts),
        };
        let held = self.entries.iter().filter(|(_, entry)| holds(entry));
        held.map(|(name, _)| name.clone()).collect()
    }

    /// The file that reads as this set.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut out = format!("format = {}\n", quoted(PREDICATES_FORMAT));
        for (name, entry) in &self.entries {
            let _ = writeln!(out, "\n[{}]", quoted(name));
            for (key, value) in entry.written.fields() {
                let _ = writeln!(out, "{key} = {}", quoted(value));
            }
        }
        out
    }

    fn limited(self) -> Result<Self, PredicatesError> {
        if self.entries.len() > PREDICATES_MAX {
            return Err(PredicatesError::TooMany);
        }
        Ok(self)
    }
}

impl Predicate {
    /// Keys and values in the order in which they are written.
    fn fields(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::CallerMatches { prefix, pattern } => vec![
                ("kind", "caller-matches"),
                ("prefix", prefix),
                ("pattern", pattern),
            ],
            Self::ClassMatches { pattern } => {
                vec![("kind", "class-matches"), ("pattern", pattern)]
            }
            Self::ChoriaFact {
                fact,
                operator,
                value,
            } => vec![
                ("kind", "choria-fact"),
                ("fact", fact),
                ("operator", operator),
                ("value", value),
            ],
            Self::FactText {
                fact,
                operator,
                value,
            } => vec![
                ("kind", "fact-text"),
                ("fact", fact),
                ("operator", operator),
                ("value", value),
            ],
        }
    }
}

impl Entry {
    fn new(written: Predicate) -> Result<Self, String> {
        let mut texts = written.fields().into_iter().map(|(_, text)| text.len());
        if texts.any(|bytes| bytes > TEXT_BYTES_MAX) {
            return Err(format!("a text is longer than {TEXT_BYTES_MAX} bytes"));
        }
        let operator =
            |text: &str| Operator::read(text).ok_or_else(|| "there is no such operator".to_owned());
        let test = match &written {
            Predicate::CallerMatches { prefix, pattern } => Test::Caller {
                prefix: prefix.clone(),
                regex: compile(pattern).map_err(|fault| fault.to_string())?,
            },
            Predicate::ClassMatches { pattern } => {
                Test::Class(compile(pattern).map_err(|fault| fault.to_string())?)
            }
            Predicate::ChoriaFact {
                fact,
                operator: text,
                value,
            } => Test::ServerFact(
                ServerFact::new(fact, operator(text)?, value).map_err(|fault| fault.to_string())?,
            ),
            Predicate::FactText {
                fact,
                operator: text,
                value,
            } => Test::TextFact(
                TextFact::new(fact, operator(text)?, value).map_err(|fault| fault.to_string())?,
            ),
        };
        Ok(Self { written, test })
    }
}

fn read_entry(name: &str, value: toml::Value, line: usize) -> Result<Entry, PredicatesError> {
    check_name(name, line)?;
    let refused = |reason: String| PredicatesError::Predicate {
        line,
        name: name.to_owned(),
        reason,
    };
    let written =
        Predicate::deserialize(value).map_err(|error| refused(error.message().to_owned()));
    Entry::new(written?).map_err(refused)
}

fn check_name(name: &str, line: usize) -> Result<(), PredicatesError> {
    let is_plain = Shown(&name.replace('\\', "/")).to_string() == name.replace('\\', "/");
    let is_short = (1..=PREDICATE_NAME_BYTES_MAX).contains(&name.len());
    if is_plain && is_short && name.trim() == name && name != "format" {
        Ok(())
    } else {
        Err(PredicatesError::Name { line })
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.bytes().take(offset);
    before.filter(|byte| *byte == b'\n').count() + 1
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
