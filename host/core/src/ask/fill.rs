//! Values for placeholders: which may be used at all, and how a list becomes several capabilities.
//!
//! Sensitive values are refused and never named; where a value may stand is decided in the shapes.

use std::collections::BTreeMap;

use crate::capability::{Capability, CapabilityError, PATH_BYTES_MAX};
use crate::names::ParameterName;

use super::shape::Shape;

/// How many elements a list placeholder may have.
pub const FILL_ELEMENTS_MAX: usize = 64;

/// What the checked input has for a placeholder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Placeholder {
    /// No value, or undef.
    Absent,
    /// A value that must not appear in a capability.
    Sensitive,
    /// One scalar, as text.
    One(String),
    /// A list of scalars: one capability for each.
    Many(Vec<String>),
    /// A value that has no single text, and what it is, such as `is a hash`.
    Unfit(&'static str),
}

/// Why an ask could not be filled.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FillError {
    /// No value, an empty one, or an empty list: a required ask is refused, an optional one dropped.
    #[error("`{parameter}` has no value")]
    Absent {
        /// The parameter.
        parameter: ParameterName,
    },
    /// The value is a secret.
    #[error("`{parameter}` is sensitive and cannot stand in an ask")]
    Sensitive {
        /// The parameter.
        parameter: ParameterName,
    },
    /// The value is not text, a number or a boolean, nor a list of them.
    #[error("`{parameter}` {why} and cannot stand in an ask")]
    Unfit {
        /// The parameter.
        parameter: ParameterName,
        /// What the value is.
        why: &'static str,
    },
    /// The value cannot stand where the placeholder does.
    #[error("the value of `{parameter}` {fault}")]
    Value {
        /// The parameter.
        parameter: ParameterName,
        /// What is wrong with it.
        fault: ValueFault,
    },
    /// Two placeholders of one ask are lists.
    #[error("`{first}` and `{second}` are both lists: an ask can have one")]
    TwoLists {
        /// One of them.
        first: ParameterName,
        /// The other.
        second: ParameterName,
    },
    /// A list has more than [`FILL_ELEMENTS_MAX`] elements.
    #[error("`{parameter}` has {have} elements: at most {FILL_ELEMENTS_MAX} can stand in an ask")]
    TooManyElements {
        /// The parameter.
        parameter: ParameterName,
        /// How many there are.
        have: usize,
    },
    /// The values fit, but what they make does not.
    #[error(transparent)]
    Capability(#[from] CapabilityError),
}

impl FillError {
    /// Whether there was nothing to fill in, so that an optional ask is dropped.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent { .. })
    }

    pub(crate) fn value(parameter: &ParameterName, fault: ValueFault) -> Self {
        Self::Value {
            parameter: parameter.clone(),
            fault,
        }
    }
}

/// What is wrong with a value where it would stand.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueFault {
    /// It is longer than any path or argument.
    #[error("is longer than {PATH_BYTES_MAX} bytes")]
    TooLong,
    /// It has a control character.
    #[error("must not have control characters")]
    Control,
    /// It has `${`.
    #[error("must not have `${{` in it")]
    Placeholder,
    /// It is, or makes, a `.` or `..`.
    #[error("must not be `.` or `..`, nor have it between slashes")]
    Dots,
    /// It has a slash or backslash, and stands in one segment.
    #[error("must not have a slash in it")]
    Slash,
    /// It begins an argument with `-`.
    #[error("must not begin with `-`")]
    Dash,
    /// It is an address outside the range of the ask.
    #[error("lies outside the range of the ask")]
    OutsideRange,
    /// It is not what is wanted there.
    #[error("is not {noun}")]
    Not {
        /// What is wanted.
        noun: &'static str,
    },
}

/// One value for each placeholder.
#[derive(Debug, Default)]
pub(crate) struct Values<'a>(BTreeMap<&'a ParameterName, &'a str>);

impl<'a> Values<'a> {
    /// The value for a parameter; it is not empty and has no control characters.
    pub(crate) fn get(&self, parameter: &ParameterName) -> Result<&'a str, FillError> {
        self.0
            .get(parameter)
            .copied()
            .ok_or_else(|| FillError::Absent {
                parameter: parameter.clone(),
            })
    }

    fn put(&mut self, parameter: &'a ParameterName, value: &'a str) -> Result<(), FillError> {
        check(value).map_err(|fault| FillError::value(parameter, fault))?;
        if value.is_empty() {
            return Err(FillError::Absent {
                parameter: parameter.clone(),
            });
        }
        self.0.insert(parameter, value);
        Ok(())
    }
}

/// What becomes of elements of a list that are empty.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Empty {
    /// They refuse all of it.
    Refused,
    /// They ask for nothing.
    LeftOut,
}

/// Fills a shape; see [`super::AskTemplate::fill`].
pub(crate) fn fill(
    shape: &Shape,
    holes: &[ParameterName],
    lookup: &dyn Fn(&ParameterName) -> Placeholder,
    empty: Empty,
) -> Result<Vec<Capability>, FillError> {
    let found: Vec<(&ParameterName, Placeholder)> =
        holes.iter().map(|name| (name, lookup(name))).collect();
    let mut values = Values::default();
    let mut list: Option<(&ParameterName, &[String])> = None;
    for (name, placeholder) in &found {
        let parameter = (*name).clone();
        match placeholder {
            Placeholder::Absent => return Err(FillError::Absent { parameter }),
            Placeholder::Sensitive => return Err(FillError::Sensitive { parameter }),
            Placeholder::Unfit(why) => return Err(FillError::Unfit { parameter, why }),
            Placeholder::One(value) => values.put(name, value)?,
            Placeholder::Many(elements) => {
                if let Some((first, _)) = list {
                    return Err(FillError::TwoLists {
                        first: first.clone(),
                        second: parameter,
                    });
                }
                list = Some((name, elements));
            }
        }
    }
    match list {
        None => Ok(vec![shape.fill(&values)?]),
        Some((name, elements)) => fill_each(shape, values, (name, elements), empty),
    }
}

fn fill_each<'a>(
    shape: &Shape,
    mut values: Values<'a>,
    (parameter, elements): (&'a ParameterName, &'a [String]),
    empty: Empty,
) -> Result<Vec<Capability>, FillError> {
    if elements.len() > FILL_ELEMENTS_MAX {
        return Err(FillError::TooManyElements {
            parameter: parameter.clone(),
            have: elements.len(),
        });
    }
    let mut filled = Vec::with_capacity(elements.len());
    for element in elements {
        if element.is_empty() && empty == Empty::LeftOut {
            continue;
        }
        values.put(parameter, element)?;
        filled.push(shape.fill(&values)?);
    }
    if filled.is_empty() {
        let parameter = parameter.clone();
        return Err(FillError::Absent { parameter });
    }
    Ok(filled)
}

/// What no value may be, wherever it stands.
fn check(value: &str) -> Result<(), ValueFault> {
    if value.len() > PATH_BYTES_MAX {
        Err(ValueFault::TooLong)
    } else if value.chars().any(char::is_control) {
        Err(ValueFault::Control)
    } else if value.contains("${") {
        Err(ValueFault::Placeholder)
    } else if matches!(value, "." | "..") {
        Err(ValueFault::Dots)
    } else {
        Ok(())
    }
}
