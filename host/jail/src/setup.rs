//! Why a jail could not be made, in words that reach the operator.

use std::io;

use serde::{Deserialize, Serialize};

/// The longest text of an error, in bytes: two of the longest paths.
const TEXT_BYTES_MAX: usize = 8 * 1024;

/// What kind of thing failed, which decides how the run is said to have ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetupKind {
    /// This machine could not put up a wall or impose a limit.
    Wall,
    /// A granted path cannot be opened to a run.
    Opening,
    /// The program could not be started.
    Program,
}

/// A step that failed before the task's first instruction.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, thiserror::Error)]
#[error("{step}: {cause}")]
pub struct SetupError {
    /// What kind of step it was.
    pub kind: SetupKind,
    /// The step, such as ``mount `/srv/app` ``.
    pub step: String,
    /// What the kernel answered, or what was found.
    pub cause: String,
    /// What to do about it, where that is known.
    pub hint: Option<String>,
}

impl SetupError {
    /// A wall that could not be put up.
    pub(crate) fn wall(step: &str, cause: impl Into<io::Error>) -> Self {
        Self::of(SetupKind::Wall, step.to_owned(), &cause.into())
    }

    /// A granted path that cannot be opened to a run.
    pub(crate) fn opening(step: String, cause: impl Into<io::Error>) -> Self {
        Self::of(SetupKind::Opening, step, &cause.into())
    }

    /// A granted path that must not be opened to a run.
    pub(crate) fn unfit(step: String, cause: &str) -> Self {
        Self {
            kind: SetupKind::Opening,
            step,
            cause: cause.to_owned(),
            hint: None,
        }
    }

    /// A program that could not be started.
    pub(crate) fn program(step: String, cause: impl Into<io::Error>) -> Self {
        Self::of(SetupKind::Program, step, &cause.into())
    }

    /// The same, no longer than a message may be.
    pub(crate) fn bounded(mut self) -> Self {
        for text in [
            Some(&mut self.step),
            Some(&mut self.cause),
            self.hint.as_mut(),
        ]
        .into_iter()
        .flatten()
        {
            if text.len() > TEXT_BYTES_MAX {
                *text = text.chars().take(TEXT_BYTES_MAX / 4).collect();
            }
        }
        self
    }

    /// The same with advice.
    pub(crate) fn hinting(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn of(kind: SetupKind, step: String, cause: &io::Error) -> Self {
        let text = cause.to_string();
        // The number of the errno helps nobody who reads the message.
        let cause = text
            .split(" (os error")
            .next()
            .unwrap_or(&text)
            .to_lowercase();
        Self {
            kind,
            step,
            cause,
            hint: None,
        }
    }
}

/// Names the step of a system call that put up a wall.
pub(crate) trait WallStep<T> {
    /// Turns a failure into a [`SetupError`] of this step.
    fn step(self, step: &str) -> Result<T, SetupError>;
}

impl<T, E: Into<io::Error>> WallStep<T> for Result<T, E> {
    fn step(self, step: &str) -> Result<T, SetupError> {
        self.map_err(|cause| SetupError::wall(step, cause))
    }
}
