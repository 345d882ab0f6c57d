//! What is wrong with a set, and where.

use std::fmt;
use std::ops::Range;

/// One thing that is wrong with a set, or looks wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The file of the set; none where it is about the set itself.
    pub file: Option<String>,
    /// The bytes of that file that it is about.
    pub span: Option<Range<usize>>,
    /// The line of them, from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Problem {
    pub(crate) fn of_set(message: impl Into<String>) -> Self {
        Self {
            file: None,
            span: None,
            line: None,
            message: message.into(),
            help: None,
        }
    }

    pub(crate) fn of_file(file: &str, message: impl Into<String>) -> Self {
        Self {
            file: Some(file.to_owned()),
            ..Self::of_set(message)
        }
    }

    pub(crate) fn at(
        file: &str,
        text: &str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Self {
        let (line, _) = crate::statements::line_and_column(text, span.start);
        Self {
            span: Some(span),
            line: Some(line),
            ..Self::of_file(file, message)
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(out, "{file}:{line}: ")?,
            (Some(file), None) => write!(out, "{file}: ")?,
            (None, _) => {}
        }
        out.write_str(&self.message)
    }
}

/// Why a set cannot be used. Nothing of it is: there is no half-loaded policy.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", first(.problems))]
pub struct ReadSetError {
    /// Everything that was found, in the order of the files; never empty.
    pub problems: Vec<Problem>,
}

fn first(problems: &[Problem]) -> String {
    match problems {
        [] => "the policy set cannot be used".to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}
