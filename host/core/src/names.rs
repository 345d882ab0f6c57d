//! The names of things: modules, tasks, parameters, users, variables, secrets, nodes and callers.
//!
//! Each is plain ASCII with a fixed alphabet and length, so that a name can never be a path, an option, a pattern or a
//! line of a log. What does not fit is refused, never mended.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use crate::serde_text::serde_as_text;

/// Defines a name: its documentation, the word for it in messages, its longest form in bytes, and its alphabet.
macro_rules! name {
    ($(#[$doc:meta])+ $name:ident, $noun:literal, $bytes_max:literal, $first:expr, $other:expr, $rule:literal) => {
        $(#[$doc])+
        #[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(Box<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                check(text, $noun, $bytes_max, $first, $other, $rule)?;
                Ok(Self(text.into()))
            }
        }

        as_text!($name);
    };
}

/// Gives a name the traits of a text.
macro_rules! as_text {
    ($name:ident) => {
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, concat!(stringify!($name), "({})"), self.as_str())
            }
        }

        serde_as_text!($name);
    };
}

name!(
    /// A module's name, such as `service`: 1 to 64 characters of `a-z`, `0-9` and `_`, starting with a letter.
    ModuleName, "module name", 64, |c| c.is_ascii_lowercase(), is_snake,
    "use a-z, 0-9 and _, starting with a letter"
);

name!(
    /// A parameter's name, such as `dry_run`: 1 to 64 characters of `a-z`, `0-9` and `_`, starting with a letter.
    ParameterName, "parameter name", 64, |c| c.is_ascii_lowercase(), is_snake,
    "use a-z, 0-9 and _, starting with a letter"
);

name!(
    /// A user of the node, by name: 1 to 32 characters of `A-Z`, `a-z`, `0-9`, `_`, `.` and `-`, starting with a letter
    /// or `_`. Never a number, so that no user is addressed by id.
    UserName, "user name", 32, is_letter_or_underscore, |c| c.is_ascii_alphanumeric() || b"_.-".contains(&c),
    "use letters, 0-9, _, . and -, starting with a letter or _"
);

name!(
    /// An environment variable's name: 1 to 128 characters of `A-Z`, `a-z`, `0-9` and `_`, not starting with a digit.
    EnvName, "variable name", 128, is_letter_or_underscore, |c| c.is_ascii_alphanumeric() || c == b'_',
    "use letters, 0-9 and _, not starting with a digit"
);

name!(
    /// A secret's name in the node's store, and its file name inside: 1 to 64 characters of `A-Z`, `a-z`, `0-9`, `_`,
    /// `.` and `-`, starting with a letter or digit.
    SecretName, "secret name", 64, |c| c.is_ascii_alphanumeric(), |c| c.is_ascii_alphanumeric() || b"_.-".contains(&c),
    "use letters, 0-9, _, . and -, starting with a letter or digit"
);

name!(
    /// The name a node answers to, such as `db-03.fra`: 1 to 64 characters of `a-z`, `0-9`, `-` and `.`, starting with a
    /// letter or digit.
    NodeName, "node name", 64, |c| c.is_ascii_lowercase() || c.is_ascii_digit(),
    |c| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-.".contains(&c),
    "use a-z, 0-9, - and ., starting with a letter or digit"
);

name!(
    /// Who orders: 1 to 64 characters of `A-Z`, `a-z`, `0-9`, `_`, `.` and `-`, starting with a letter, a digit or `_`.
    CallerName, "caller name", 64, |c| c.is_ascii_alphanumeric() || c == b'_',
    |c| c.is_ascii_alphanumeric() || b"_.-".contains(&c),
    "use letters, 0-9, _, . and -, starting with a letter, a digit or _"
);

/// A task's name: `service` for the module's own task, `service::report` for another one.
///
/// Both parts are spelled like a [`ModuleName`]. `service::init` is read and is the same name as `service`.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TaskName {
    module: ModuleName,
    /// The part after `::`, or `init`.
    short: ModuleName,
    text: Box<str>,
}

impl TaskName {
    /// The module that the task belongs to.
    #[must_use]
    pub fn module(&self) -> &ModuleName {
        &self.module
    }

    /// The task's name within its module, `init` for the module's own.
    #[must_use]
    pub fn short(&self) -> &str {
        self.short.as_str()
    }

    /// Whether this is the module's own task, which carries the module's name.
    #[must_use]
    pub fn is_init(&self) -> bool {
        self.short() == INIT
    }

    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for TaskName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (module, short) = text.split_once("::").unwrap_or((text, INIT));
        let part = |part: &str| {
            check(
                part,
                "task name",
                64,
                |c| c.is_ascii_lowercase(),
                is_snake,
                "write `module` or `module::task`",
            )?;
            Ok(ModuleName(part.into()))
        };
        let (module, short) = (part(module)?, part(short)?);
        let text = if short.as_str() == INIT {
            module.0.clone()
        } else {
            text.into()
        };
        Ok(Self {
            module,
            short,
            text,
        })
    }
}

as_text!(TaskName);

/// Why a text is not a name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// There is nothing.
    #[error("{noun} is empty")]
    Empty {
        /// What kind of name was expected.
        noun: &'static str,
    },
    /// Longer than such a name may be.
    #[error("{noun} is longer than {bytes_max} characters")]
    TooLong {
        /// What kind of name was expected.
        noun: &'static str,
        /// How long it may be.
        bytes_max: usize,
    },
    /// A character does not belong in it, or not at its start.
    #[error("`{}` is not a {noun}: {rule}", crate::Shown(.text))]
    Alphabet {
        /// What kind of name was expected.
        noun: &'static str,
        /// What was given.
        text: String,
        /// How to write it.
        rule: &'static str,
    },
}

const INIT: &str = "init";

fn check(
    text: &str,
    noun: &'static str,
    bytes_max: usize,
    first: impl Fn(u8) -> bool,
    other: impl Fn(u8) -> bool,
    rule: &'static str,
) -> Result<(), NameError> {
    let (head, tail) = text
        .as_bytes()
        .split_first()
        .ok_or(NameError::Empty { noun })?;
    if text.len() > bytes_max {
        return Err(NameError::TooLong { noun, bytes_max });
    }
    if first(*head) && tail.iter().all(|byte| other(*byte)) {
        Ok(())
    } else {
        Err(NameError::Alphabet {
            noun,
            text: text.to_owned(),
            rule,
        })
    }
}

fn is_snake(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'
}

fn is_letter_or_underscore(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn task_names_are_canonical() {
        for (text, canonical, module, short) in [
            ("service", "service", "service", "init"),
            ("service::init", "service", "service", "init"),
            ("service::report", "service::report", "service", "report"),
        ] {
            let task: TaskName = text.parse().unwrap();
            assert_eq!(
                (task.as_str(), task.module().as_str(), task.short()),
                (canonical, module, short)
            );
            assert_eq!(task.is_init(), short == "init");
        }
        assert_eq!("a::init".parse::<TaskName>(), "a".parse::<TaskName>());
    }

    #[test]
    fn names_keep_to_their_alphabet() {
        let refused = |result: Result<(), NameError>| assert!(result.is_err());
        for bad in [
            "", "A", "1a", "a-b", "../x", "a b", "é", "a::b::c", "a::", "::a", "a:b",
        ] {
            refused(bad.parse::<TaskName>().map(drop));
        }
        for bad in ["", "-x", "0", "root;", "a/b", "+x", "ü", "a\n"] {
            refused(bad.parse::<UserName>().map(drop));
        }
        for bad in ["", "1A", "A=B", "A B", "A.B", "A\0"] {
            refused(bad.parse::<EnvName>().map(drop));
        }
        for bad in ["", ".", "..", ".x", "a/b", "-x"] {
            refused(bad.parse::<SecretName>().map(drop));
        }
        for bad in ["", "*", "DB", "-a", ".a", "a b"] {
            refused(bad.parse::<NodeName>().map(drop));
        }
        for bad in ["", "a/b", "..", "a@b", "alice\u{202e}"] {
            refused(bad.parse::<CallerName>().map(drop));
        }
    }

    #[test]
    fn a_name_has_a_greatest_length() {
        assert!("a".repeat(64).parse::<ModuleName>().is_ok());
        let error = "a".repeat(65).parse::<ModuleName>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "module name is longer than 64 characters"
        );
    }

    #[test]
    fn a_bad_name_is_shown_escaped() {
        let error = "x\u{1b}[2J".parse::<ParameterName>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`x\\u{1b}[2J` is not a parameter name: use a-z, 0-9 and _, starting with a letter"
        );
    }

    #[test]
    fn a_name_travels_as_its_text() {
        let task: TaskName = serde_json::from_str("\"disk::init\"").unwrap();
        assert_eq!(serde_json::to_string(&task).unwrap(), "\"disk\"");
        assert!(serde_json::from_str::<TaskName>("\"Disk\"").is_err());
    }
}
