//! Decides whether a JSON value is an instance of a type.
//!
//! Aliases are resolved here, so recursive ones work. Depth and the number of steps are limited; a value
//! that passes a limit is not accepted. A step is about what it costs to ask whether a number fits; what
//! costs more is charged more, before it is done.

use serde_json::{Number, Value};

use super::DataType;
use super::alias::{Resolved, TypeAliases};
use super::kind::{Field, Kind, Presence, Size};
use super::pattern::Pattern;
use crate::number;

/// How deeply types, aliases and values may be followed together.
const DEPTH_MAX: u32 = 256;
/// How many steps one check may take.
const STEPS_MAX: usize = 8_000_000;
/// How many bytes of a text are gone over in one step, where it is only counted.
const STEP_TEXT_BYTES: usize = 64;

/// One check of one value, with its limits.
#[derive(Debug)]
pub(super) struct Matcher<'a> {
    pub(super) aliases: &'a TypeAliases,
    depth: u32,
    steps: usize,
    /// Whether it was a pattern that could not be paid for.
    is_spent_by_pattern: bool,
}

impl<'a> Matcher<'a> {
    pub(super) fn new(aliases: &'a TypeAliases) -> Self {
        Self {
            aliases,
            depth: 0,
            steps: 0,
            is_spent_by_pattern: false,
        }
    }

    /// Counts one step down; `None` when a limit is passed. Each success is paired with [`Self::leave`].
    pub(super) fn enter(&mut self) -> Option<()> {
        if self.depth >= DEPTH_MAX {
            // Once passed, everything is refused, or a `Variant` would go on with its other types.
            self.steps = STEPS_MAX;
        }
        if !self.may_take(1) {
            return None;
        }
        self.depth += 1;
        Some(())
    }

    /// Counts steps; `false` when there are more than are left.
    fn may_take(&mut self, steps: usize) -> bool {
        self.steps = self.steps.saturating_add(steps).min(STEPS_MAX);
        !self.is_exhausted()
    }

    pub(super) fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Whether a limit was passed.
    pub(super) fn is_exhausted(&self) -> bool {
        self.steps >= STEPS_MAX
    }

    /// Whether a limit was passed because a pattern costs too much to match.
    pub(super) fn is_spent_by_pattern(&self) -> bool {
        self.is_spent_by_pattern
    }

    /// Whether the value is an instance of the type.
    pub(super) fn accepts(&mut self, wanted: &DataType, value: &Value) -> bool {
        if self.enter().is_none() {
            return false;
        }
        let accepted = self.accepts_kind(&wanted.kind, value);
        self.leave();
        accepted && !self.is_exhausted()
    }

    fn accepts_kind(&mut self, kind: &Kind, value: &Value) -> bool {
        match kind {
            Kind::Any | Kind::Data | Kind::RichData => true,
            Kind::Undef => value.is_null(),
            Kind::Scalar | Kind::ScalarData => {
                value.is_string() || value.is_number() || value.is_boolean()
            }
            Kind::Numeric => value.is_number(),
            Kind::Boolean(wanted) => value
                .as_bool()
                .is_some_and(|value| wanted.is_none_or(|wanted| wanted == value)),
            Kind::Integer(bounds) => self
                .number(value)
                .and_then(number::whole)
                .is_some_and(|number| bounds.contains(number)),
            Kind::Float(bounds) => self
                .number(value)
                .and_then(number::float)
                .is_some_and(|number| bounds.contains(number)),
            Kind::String(size) => value
                .as_str()
                .is_some_and(|text| size.is_all() || self.has_size(*size, text)),
            Kind::Enum {
                values,
                ignore_case,
            } => value.as_str().is_some_and(|text| {
                self.may_take(values.len()) && is_one_of(values, *ignore_case, text)
            }),
            Kind::Pattern(patterns) => value.as_str().is_some_and(|text| {
                patterns.is_empty() || patterns.iter().any(|pattern| self.matches(pattern, text))
            }),
            Kind::Collection(size) => match value {
                Value::Array(items) => size.contains(items.len()),
                Value::Object(entries) => size.contains(entries.len()),
                _ => false,
            },
            Kind::Iterable(element) => self.accepts_iterable(element, value),
            Kind::Array { element, size } => value.as_array().is_some_and(|items| {
                size.contains(items.len()) && items.iter().all(|item| self.accepts(element, item))
            }),
            Kind::Tuple { elements, size } => value
                .as_array()
                .is_some_and(|items| self.accepts_tuple(elements, *size, items)),
            Kind::Hash {
                key,
                value: wanted,
                size,
            } => value.as_object().is_some_and(|entries| {
                size.contains(entries.len())
                    && entries.iter().all(|(name, value)| {
                        self.accepts_key(key, name) && self.accepts(wanted, value)
                    })
            }),
            Kind::Struct(fields) => self.accepts_struct(fields, value),
            Kind::Variant(types) => types.iter().any(|wanted| self.accepts(wanted, value)),
            Kind::Optional(inner) => value.is_null() || self.accepts(inner, value),
            Kind::NotUndef(inner) => !value.is_null() && self.accepts(inner, value),
            Kind::Sensitive(inner) => self.accepts(inner, value),
            Kind::Foreign { .. } => false,
            Kind::Alias(name) => match self.aliases.resolve(name) {
                Resolved::Type(wanted) => self.accepts(wanted, value),
                Resolved::Unusable(_) | Resolved::Unknown => false,
            },
        }
    }

    /// The number that the value is, once its digits are paid for.
    fn number<'v>(&mut self, value: &'v Value) -> Option<&'v Number> {
        let number = value.as_number()?;
        self.may_take(number.as_str().len() / STEP_TEXT_BYTES)
            .then_some(number)
    }

    fn has_size(&mut self, size: Size, text: &str) -> bool {
        self.may_take(text.len() / STEP_TEXT_BYTES) && size.contains(text.chars().count())
    }

    /// Whether the pattern occurs in the text; one that does not compile occurs nowhere.
    fn matches(&mut self, pattern: &Pattern, text: &str) -> bool {
        let Ok(compiled) = self.aliases.patterns().compiled(pattern) else {
            return false;
        };
        let may_match = self.may_take(compiled.steps(text));
        self.is_spent_by_pattern |= !may_match;
        may_match && compiled.is_match(text)
    }

    /// Without an element type everything one can iterate over, else only lists of such elements.
    fn accepts_iterable(&mut self, element: &DataType, value: &Value) -> bool {
        match value {
            Value::Array(items) => items.iter().all(|item| self.accepts(element, item)),
            _ if *element != DataType::ANY => false,
            Value::String(_) | Value::Object(_) => true,
            Value::Number(number) => number::whole(number).is_some_and(|number| number >= 0),
            _ => false,
        }
    }

    fn accepts_tuple(
        &mut self,
        elements: &[DataType],
        size: Option<Size>,
        items: &[Value],
    ) -> bool {
        tuple_size(elements, size).contains(items.len())
            && tuple_pairs(elements, items).all(|(wanted, item)| self.accepts(wanted, item))
    }

    /// Whether the key of an entry is an instance of the type.
    pub(super) fn accepts_key(&mut self, key: &DataType, name: &str) -> bool {
        *key == DataType::ANY || self.accepts(key, &Value::String(name.to_owned()))
    }

    fn accepts_struct(&mut self, fields: &[Field], value: &Value) -> bool {
        let Some(entries) = value.as_object() else {
            return false;
        };
        let mut known = 0;
        for field in fields {
            let fits = match entries.get(&field.name) {
                Some(value) => {
                    known += 1;
                    self.accepts(&field.value, value)
                }
                None => self.may_be_missing(field),
            };
            if !fits {
                return false;
            }
        }
        known == entries.len()
    }

    /// Whether a key of a `Struct` may be left out.
    pub(super) fn may_be_missing(&mut self, field: &Field) -> bool {
        match field.presence {
            Presence::Optional => true,
            Presence::Required => false,
            Presence::Inferred => self.accepts(&field.value, &Value::Null),
        }
    }
}

/// The size that a `Tuple` demands.
pub(super) fn tuple_size(elements: &[DataType], size: Option<Size>) -> Size {
    match size {
        Some(size) => size,
        None if elements.is_empty() => Size::ALL,
        None => Size::exactly(u64::try_from(elements.len()).unwrap_or(u64::MAX)),
    }
}

/// Each item with its type: the last type stands for all items that follow.
pub(super) fn tuple_pairs<'t, 'v>(
    elements: &'t [DataType],
    items: &'v [Value],
) -> impl Iterator<Item = (&'t DataType, &'v Value)> {
    let last = elements.last();
    let types = elements
        .iter()
        .chain(std::iter::repeat_with(move || last).map_while(|last| last));
    types.zip(items)
}

fn is_one_of(values: &[String], ignore_case: bool, text: &str) -> bool {
    values
        .iter()
        .any(|value| value == text || (ignore_case && value.eq_ignore_ascii_case(text)))
}
