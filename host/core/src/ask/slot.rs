//! The places where a placeholder may stand, and what a value must be to stand there.
//!
//! A slot is one whole component, a segment is what lies between two slashes, a path is segments or one whole value.

use crate::capability::{CanonicalPath, CapabilityError, PathError};
use crate::names::ParameterName;
use crate::words::{Part, Word, parts};

use super::fill::{FillError, ValueFault, Values};

/// One whole component: known, or a placeholder.
#[derive(Clone, Debug)]
pub(crate) enum Slot<T> {
    /// Read when the text was.
    Known(T),
    /// To be filled.
    Hole(ParameterName),
}

impl<T: Clone> Slot<T> {
    /// Reads a component. `place` ends the message `.. cannot stand ..` when a placeholder is not all of it.
    pub(crate) fn read<E: Into<CapabilityError>>(
        text: &str,
        place: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Self, CapabilityError> {
        let parts = parts(text);
        if let [Part::Hole(name)] = parts.as_slice() {
            return Ok(Self::Hole(name.clone()));
        }
        refuse_holes(&parts, place)?;
        read(text).map(Self::Known).map_err(Into::into)
    }

    /// The component, with the value read as `noun` where it is a placeholder.
    pub(crate) fn fill<E>(
        &self,
        values: &Values<'_>,
        noun: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, FillError> {
        match self {
            Self::Known(known) => Ok(known.clone()),
            Self::Hole(name) => {
                let value = values.get(name)?;
                read(value).map_err(|_| FillError::value(name, ValueFault::Not { noun }))
            }
        }
    }
}

/// Text and placeholders between two slashes.
#[derive(Clone, Debug)]
pub(crate) struct Segment(Vec<Part>);

impl Segment {
    /// A segment of these parts, in which no text has a slash.
    pub(crate) fn new(parts: Vec<Part>) -> Self {
        Self(parts)
    }

    /// The segment with its values, which have no slash.
    pub(crate) fn fill(&self, values: &Values<'_>) -> Result<String, FillError> {
        let (mut filled, mut last) = (String::new(), None);
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Hole(name) => {
                    let value = values.get(name)?;
                    if value.contains(['/', '\\']) {
                        return Err(FillError::value(name, ValueFault::Slash));
                    }
                    filled.push_str(value);
                    last = Some(name);
                }
            }
        }
        // INVARIANT: no value is empty, `.` or `..`, so a value and its neighbours never make `.` or `..`.
        match last {
            // A look at the whole, because text on either side and a value can make it together.
            Some(name) if filled.contains("${") => {
                Err(FillError::value(name, ValueFault::Placeholder))
            }
            _ => Ok(filled),
        }
    }
}

/// A path that may have placeholders.
#[derive(Clone, Debug)]
pub(crate) enum PathShape {
    /// Read when the text was.
    Known(CanonicalPath),
    /// One placeholder is the whole path.
    Whole(ParameterName),
    /// Placeholders stand in segments.
    Segments(Vec<Segment>),
}

impl PathShape {
    /// Reads a word as the target of a capability: a path, or one placeholder for all of it.
    pub(crate) fn target(word: &Word) -> Result<Self, CapabilityError> {
        if word.wild {
            return Err(PathError::Pattern.into());
        }
        match parts(&word.text).as_slice() {
            [Part::Hole(name)] => Ok(Self::Whole(name.clone())),
            _ => Self::rooted(&word.text),
        }
    }

    /// Reads a path that begins with a literal `/`.
    pub(crate) fn rooted(text: &str) -> Result<Self, CapabilityError> {
        let all = parts(text);
        let Some(hole) = first_hole(&all) else {
            return Ok(Self::Known(text.parse()?));
        };
        if !text.starts_with('/') {
            let parameter = hole.to_string();
            return Err(CapabilityError::Misplaced {
                parameter,
                place: "at the start of a path, before its first `/`",
            });
        }
        let pieces = text.split('/').filter(|piece| !piece.is_empty());
        // A literal `..` can be told at once, and with it whatever else would make the literal segments no path.
        let literal = |piece: &&str| first_hole(&parts(piece)).is_none();
        CanonicalPath::from_segments(pieces.clone().filter(literal))?;
        Ok(Self::Segments(
            pieces.map(|piece| Segment::new(parts(piece))).collect(),
        ))
    }

    /// The path with its values.
    pub(crate) fn fill(&self, values: &Values<'_>) -> Result<CanonicalPath, FillError> {
        match self {
            Self::Known(path) => Ok(path.clone()),
            Self::Whole(name) => {
                let value = values.get(name)?;
                value.parse().map_err(|_| {
                    FillError::value(
                        name,
                        ValueFault::Not {
                            noun: "an absolute path without `..`",
                        },
                    )
                })
            }
            Self::Segments(segments) => {
                let filled: Vec<String> = segments
                    .iter()
                    .map(|segment| segment.fill(values))
                    .collect::<Result<_, _>>()?;
                Ok(CanonicalPath::from_segments(filled).map_err(CapabilityError::from)?)
            }
        }
    }
}

/// The first placeholder among parts.
pub(crate) fn first_hole(parts: &[Part]) -> Option<&ParameterName> {
    parts.iter().find_map(|part| match part {
        Part::Hole(name) => Some(name),
        Part::Text(_) => None,
    })
}

/// Refuses placeholders where none may stand.
pub(crate) fn refuse_holes(parts: &[Part], place: &'static str) -> Result<(), CapabilityError> {
    match first_hole(parts) {
        Some(name) => Err(CapabilityError::Misplaced {
            parameter: name.to_string(),
            place,
        }),
        None => Ok(()),
    }
}
