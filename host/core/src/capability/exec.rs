//! `exec:[user@]/program argument...`: one command outside the jail, with these arguments and no others.
//!
//! An argument is a literal or a pattern, and a pattern stands for exactly one argument. What a program makes of an
//! argument is not known here, so a pattern refuses whatever begins like an option.

use std::fmt;

use super::path::{CanonicalPath, PathError};
use crate::names::{NameError, UserName};
use crate::words::quote;

/// How many arguments may follow the program.
pub const ARGUMENTS_MAX: usize = 16;
/// The longest argument, in bytes.
pub const ARGUMENT_BYTES_MAX: usize = 4096;

/// A command that a run may have executed for it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Command {
    user: Option<UserName>,
    program: CanonicalPath,
    arguments: Vec<ArgumentPattern>,
}

impl Command {
    /// A command of these parts; without a user it runs as the run's own.
    ///
    /// # Errors
    /// When there are too many arguments, or a literal one is too long or has control characters.
    pub fn new(
        user: Option<UserName>,
        program: CanonicalPath,
        arguments: Vec<ArgumentPattern>,
    ) -> Result<Self, ExecError> {
        if program.segments().next().is_none() {
            return Err(ExecError::NoProgram);
        }
        if arguments.len() > ARGUMENTS_MAX {
            return Err(ExecError::TooManyArguments {
                have: arguments.len(),
            });
        }
        for argument in &arguments {
            if let ArgumentPattern::Literal(text) = argument {
                check_literal(text)?;
            }
        }
        Ok(Self {
            user,
            program,
            arguments,
        })
    }

    /// The user to run it as; the run's own if there is none.
    #[must_use]
    pub const fn user(&self) -> Option<&UserName> {
        self.user.as_ref()
    }

    /// The program.
    #[must_use]
    pub const fn program(&self) -> &CanonicalPath {
        &self.program
    }

    /// What stands after the program.
    #[must_use]
    pub fn arguments(&self) -> &[ArgumentPattern] {
        &self.arguments
    }

    /// Whether a call is this command. `argv` begins with the program's absolute path.
    #[must_use]
    pub fn matches<S: AsRef<str>>(&self, argv: &[S]) -> bool {
        let Some((program, arguments)) = argv.split_first() else {
            return false;
        };
        program.as_ref() == self.program.as_str()
            && arguments.len() == self.arguments.len()
            && self
                .arguments
                .iter()
                .zip(arguments)
                .all(|(pattern, argument)| pattern.matches(argument.as_ref()))
    }

    /// Whether every call that `other` allows is allowed by this.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.user == other.user
            && self.program == other.program
            && self.arguments.len() == other.arguments.len()
            && self
                .arguments
                .iter()
                .zip(&other.arguments)
                .all(|(mine, theirs)| mine.covers(theirs))
    }

    /// Whether it runs as root or lets any argument through.
    #[must_use]
    pub fn is_dangerous(&self) -> bool {
        self.user
            .as_ref()
            .is_some_and(|user| user.as_str() == "root")
            || self.arguments.contains(&ArgumentPattern::Raw)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.user {
            Some(user) => out.write_str(&quote(&format!("{user}@{}", self.program)))?,
            None => out.write_str(&quote(self.program.as_str()))?,
        }
        self.arguments
            .iter()
            .try_for_each(|argument| write!(out, " {argument}"))
    }
}

/// What one argument may be.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ArgumentPattern {
    /// Exactly this text.
    Literal(String),
    /// `*`: anything that is not empty, does not begin with `-` or `/`, and has no glob or control characters and no
    /// `.` or `..` segment.
    Any,
    /// `{unit}`: a systemd unit's name: letters, digits and `:_.@\-`, beginning with a letter, digit, `_` or `:`.
    Unit,
    /// `{int}`: 1 to 19 decimal digits, without sign.
    Int,
    /// `{name}`: letters, digits and `_.-`, beginning with a letter, digit or `_`.
    Name,
    /// `{path:/dir}`: that directory or a canonical path below it, without glob characters.
    Path(CanonicalPath),
    /// `{raw}`: anything at all. Dangerous.
    Raw,
}

impl ArgumentPattern {
    /// Whether an argument is what this means.
    #[must_use]
    pub fn matches(&self, argument: &str) -> bool {
        if argument.len() > ARGUMENT_BYTES_MAX {
            return false;
        }
        match self {
            Self::Literal(text) => text == argument,
            Self::Any => {
                !argument.is_empty()
                    && !argument.starts_with(['-', '/'])
                    && is_plain(argument)
                    && !argument
                        .split('/')
                        .any(|segment| matches!(segment, "." | ".."))
            }
            Self::Unit => is_word(argument, b"_:", br":_.@\-"),
            Self::Int => {
                (1..=INT_DIGITS_MAX).contains(&argument.len())
                    && argument.bytes().all(|byte| byte.is_ascii_digit())
            }
            Self::Name => is_word(argument, b"_", b"_.-"),
            Self::Path(above) => {
                let canonical = argument
                    .parse::<CanonicalPath>()
                    .ok()
                    .filter(|path| path.as_str() == argument);
                is_plain(argument) && canonical.is_some_and(|path| above.contains(&path))
            }
            Self::Raw => !argument.contains('\0'),
        }
    }

    /// Whether every argument that `other` means is meant by this.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Literal(text)) => self.matches(text),
            (Self::Raw, _)
            | (Self::Any, Self::Any | Self::Unit | Self::Name | Self::Int)
            | (Self::Unit, Self::Unit | Self::Name | Self::Int)
            | (Self::Name, Self::Name | Self::Int)
            | (Self::Int, Self::Int) => true,
            (Self::Path(above), Self::Path(below)) => above.contains(below),
            _ => false,
        }
    }

    /// Reads a whole, unquoted word as a pattern, if it is one.
    pub(crate) fn read(word: &str) -> Result<Option<Self>, ExecError> {
        let pattern = match word {
            "*" => Self::Any,
            "{unit}" => Self::Unit,
            "{int}" => Self::Int,
            "{name}" => Self::Name,
            "{raw}" => Self::Raw,
            _ => {
                let Some(path) = word
                    .strip_prefix("{path:")
                    .and_then(|rest| rest.strip_suffix('}'))
                else {
                    return Ok(None);
                };
                if path != quote(path) {
                    return Err(ExecError::PatternPath {
                        path: path.to_owned(),
                    });
                }
                Self::Path(path.parse()?)
            }
        };
        Ok(Some(pattern))
    }
}

impl fmt::Display for ArgumentPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A literal that reads as a pattern has a `*` or a `{` and is therefore quoted.
            Self::Literal(text) => out.write_str(&quote(text)),
            Self::Any => out.write_str("*"),
            Self::Unit => out.write_str("{unit}"),
            Self::Int => out.write_str("{int}"),
            Self::Name => out.write_str("{name}"),
            Self::Path(above) => write!(out, "{{path:{above}}}"),
            Self::Raw => out.write_str("{raw}"),
        }
    }
}

/// Why a text is not a command.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// There is no program.
    #[error("expected a program's absolute path, such as `exec:/usr/bin/systemctl restart nginx`")]
    NoProgram,
    /// The user is not a user name.
    #[error(transparent)]
    User(#[from] NameError),
    /// A path is not canonical.
    #[error(transparent)]
    Path(#[from] PathError),
    /// More than [`ARGUMENTS_MAX`] arguments.
    #[error("{have} arguments: at most {ARGUMENTS_MAX} may follow the program")]
    TooManyArguments {
        /// How many there are.
        have: usize,
    },
    /// An argument longer than [`ARGUMENT_BYTES_MAX`].
    #[error("an argument is longer than {ARGUMENT_BYTES_MAX} bytes")]
    LongArgument,
    /// A control character in an argument.
    #[error("an argument must not have control characters")]
    Control,
    /// `${`, which is kept for placeholders.
    #[error("an argument must not have `${{` in it")]
    Placeholder,
    /// A `*` or `{` in a word that is no pattern.
    #[error(
        "`{}` is not a pattern: use `*`, `{{unit}}`, `{{int}}`, `{{name}}`, `{{path:/dir}}` or `{{raw}}` as a whole argument, or quote it",
        crate::Shown(.word)
    )]
    Pattern {
        /// The word.
        word: String,
    },
    /// The directory of `{path:/dir}` has a character that would need quoting.
    #[error("the directory `{}` of a path pattern may have only letters, digits and _@%+=:,./-", crate::Shown(.path))]
    PatternPath {
        /// The directory.
        path: String,
    },
}

/// Longest `{unit}` and `{name}`, in bytes.
const WORD_BYTES_MAX: usize = 255;
/// Longest `{int}`, in digits: as many as always fit 64 bits.
const INT_DIGITS_MAX: usize = 19;

fn check_literal(text: &str) -> Result<(), ExecError> {
    if text.len() > ARGUMENT_BYTES_MAX {
        Err(ExecError::LongArgument)
    } else if text.chars().any(char::is_control) {
        Err(ExecError::Control)
    } else if text.contains("${") {
        Err(ExecError::Placeholder)
    } else {
        Ok(())
    }
}

/// Whether it has neither control characters nor what shells and `systemctl` expand.
fn is_plain(argument: &str) -> bool {
    !argument
        .chars()
        .any(|c| c.is_control() || "*?[]{}".contains(c))
}

fn is_word(argument: &str, first: &[u8], other: &[u8]) -> bool {
    let Some((head, tail)) = argument.as_bytes().split_first() else {
        return false;
    };
    argument.len() <= WORD_BYTES_MAX
        && (head.is_ascii_alphanumeric() || first.contains(head))
        && tail
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || other.contains(byte))
}
