//! Commands that may have placeholders: a whole user, segments of the program's path, text inside one argument.
//!
//! What comes from a value is literal: it is never read as a pattern, and at the start of an argument it may not look
//! like an option unless a literal `--` stands before it.

use crate::capability::{
    ARGUMENT_BYTES_MAX, ARGUMENTS_MAX, ArgumentPattern, CapabilityError, Command, ExecError,
};
use crate::names::UserName;
use crate::words::{Part, Word, parts};

use super::fill::{FillError, ValueFault, Values};
use super::slot::{PathShape, Slot, first_hole};

/// A command that may have placeholders.
#[derive(Clone, Debug)]
pub(crate) struct CommandShape {
    user: Option<Slot<UserName>>,
    program: PathShape,
    arguments: Vec<ArgumentShape>,
}

#[derive(Clone, Debug)]
enum ArgumentShape {
    Known(ArgumentPattern),
    Parts(Vec<Part>),
}

impl CommandShape {
    pub(crate) fn read(words: &[Word]) -> Result<Self, CapabilityError> {
        let (program, arguments) = words.split_first().ok_or(ExecError::NoProgram)?;
        if program.wild {
            return Err(ExecError::Pattern {
                word: program.text.clone(),
            }
            .into());
        }
        if arguments.len() > ARGUMENTS_MAX {
            return Err(ExecError::TooManyArguments {
                have: arguments.len(),
            }
            .into());
        }
        let (user, path) = match program.text.split_once('@') {
            Some((user, path)) if !program.text.starts_with('/') => (Some(user), path),
            _ => (None, program.text.as_str()),
        };
        let path = PathShape::rooted(path)?;
        if let PathShape::Known(program) = &path {
            // The program alone must make a command already.
            Command::new(None, program.clone(), Vec::new())?;
        }
        let read_user = |user| {
            Slot::read(
                user,
                "beside other text in a user name",
                str::parse::<UserName>,
            )
        };
        Ok(Self {
            user: user.map(read_user).transpose()?,
            program: path,
            arguments: arguments
                .iter()
                .map(read_argument)
                .collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn fill(&self, values: &Values<'_>) -> Result<Command, FillError> {
        let user = self
            .user
            .as_ref()
            .map(|user| user.fill(values, "a user name", str::parse))
            .transpose()?;
        let mut after_dashes = false;
        let mut arguments = Vec::with_capacity(self.arguments.len());
        for shape in &self.arguments {
            match shape {
                ArgumentShape::Known(pattern) => {
                    after_dashes |=
                        matches!(pattern, ArgumentPattern::Literal(text) if text == "--");
                    arguments.push(pattern.clone());
                }
                ArgumentShape::Parts(parts) => {
                    arguments.push(ArgumentPattern::Literal(fill_argument(
                        parts,
                        values,
                        after_dashes,
                    )?));
                }
            }
        }
        Ok(Command::new(user, self.program.fill(values)?, arguments)
            .map_err(CapabilityError::from)?)
    }
}

fn read_argument(word: &Word) -> Result<ArgumentShape, ExecError> {
    let parts = parts(&word.text);
    if first_hole(&parts).is_none()
        && !word.quoted
        && let Some(pattern) = ArgumentPattern::read(&word.text)?
    {
        return Ok(ArgumentShape::Known(pattern));
    }
    if word.wild {
        return Err(ExecError::Pattern {
            word: word.text.clone(),
        });
    }
    if word.text.len() > ARGUMENT_BYTES_MAX {
        return Err(ExecError::LongArgument);
    }
    Ok(match first_hole(&parts) {
        Some(_) => ArgumentShape::Parts(parts),
        None => ArgumentShape::Known(ArgumentPattern::Literal(word.text.clone())),
    })
}

fn fill_argument(
    parts: &[Part],
    values: &Values<'_>,
    after_dashes: bool,
) -> Result<String, FillError> {
    let has_dots = |text: &str| text.split('/').any(|segment| matches!(segment, "." | ".."));
    let (mut filled, mut last) = (String::new(), None);
    for part in parts {
        match part {
            Part::Text(text) => filled.push_str(text),
            Part::Hole(name) => {
                let value = values.get(name)?;
                if filled.is_empty() && value.starts_with('-') && !after_dashes {
                    return Err(FillError::value(name, ValueFault::Dash));
                }
                if has_dots(value) {
                    return Err(FillError::value(name, ValueFault::Dots));
                }
                filled.push_str(value);
                last = Some(name);
            }
        }
    }
    // A look at the whole, because text on either side and a value can make dots together.
    match last {
        Some(name) if has_dots(&filled) => Err(FillError::value(name, ValueFault::Dots)),
        _ => Ok(filled),
    }
}
