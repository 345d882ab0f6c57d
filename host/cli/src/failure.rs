//! What a command ends with when it cannot do what was asked: a message, an exit code, and a hint.

use std::error::Error;
use std::fmt;

use crate::exit::Exit;
use crate::wording::plain;

/// A command that did not do its work.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How the process ends.
    pub(crate) exit: Exit,
    /// What happened, then why, outermost first.
    pub(crate) chain: Vec<String>,
    /// Lines to stand below the message, such as everything that is wrong with an input.
    pub(crate) details: Vec<String>,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// A failure with an error and its causes as the message.
    pub(crate) fn new(exit: Exit, error: &dyn Error) -> Self {
        let mut chain: Vec<String> = vec![plain(&error.to_string())];
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = plain(&error.to_string());
            // A wrapper that only passes its source on, or repeats it, says nothing new.
            if chain.last().is_none_or(|last| !last.ends_with(&text)) {
                chain.push(text);
            }
            cause = error.source();
        }
        Self {
            exit,
            chain,
            details: Vec::new(),
            hint: None,
        }
    }

    /// A failure with a message of its own.
    pub(crate) fn plain(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            chain: vec![message.into()],
            details: Vec::new(),
            hint: None,
        }
    }

    /// The command line is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::plain(Exit::Usage, message)
    }

    /// The same with a sentence before it that says of what.
    pub(crate) fn within(mut self, sentence: impl Into<String>) -> Self {
        self.chain.insert(0, sentence.into());
        self
    }

    /// The same with a cause behind the others.
    pub(crate) fn because(mut self, cause: impl Into<String>) -> Self {
        self.chain.push(cause.into());
        self
    }

    /// The same with advice.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with lines below the message.
    pub(crate) fn details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.chain.join(": "))
    }
}
