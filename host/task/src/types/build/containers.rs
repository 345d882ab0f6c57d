//! Types that have a size or contain others: their arguments may be types, sizes, or both.

use super::{Call, data_type, is_type, string};
use crate::types::DataType;
use crate::types::error::TypeError;
use crate::types::expression::{Expression, Form};
use crate::types::kind::{Bounds, Field, Kind, Presence, Size};

impl Call<'_> {
    /// The size of a type that takes nothing else.
    pub(super) fn only_size(&self) -> Result<Size, TypeError> {
        if self.arguments.is_none() {
            return Ok(Size::ALL);
        }
        self.size(self.given())?
            .ok_or_else(|| self.count("one or two sizes"))
    }

    /// A size given by one number, two of them, or an `Integer` type; `None` if nothing is given.
    fn size(&self, arguments: &[Expression]) -> Result<Option<Size>, TypeError> {
        let bounds = match arguments {
            [] => return Ok(None),
            [one] => match self.size_type(one)? {
                Some(bounds) => bounds,
                None => Bounds {
                    min: self.size_end(one)?,
                    max: None,
                },
            },
            [min, max] => Bounds {
                min: self.size_end(min)?,
                max: self.size_end(max)?,
            },
            _ => return Err(self.count("fewer arguments")),
        };
        if bounds.is_empty() {
            return Err(self.empty_range());
        }
        // A negative size is none, as in Puppet.
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        Ok(Some(Size {
            min: bounds.min.map_or(0, count),
            max: bounds.max.map(count),
        }))
    }

    fn size_type(&self, argument: &Expression) -> Result<Option<Bounds<i64>>, TypeError> {
        if !is_type(argument) {
            return Ok(None);
        }
        match data_type(argument)?.kind {
            Kind::Integer(bounds) => Ok(Some(bounds)),
            _ => Err(self.argument(argument, "a size, which is a number")),
        }
    }

    fn size_end(&self, argument: &Expression) -> Result<Option<i64>, TypeError> {
        match argument.form {
            Form::Integer(number) => Ok(Some(number)),
            Form::Default => Ok(None),
            _ => Err(self.argument(argument, "a size, which is a number or `default`")),
        }
    }

    pub(super) fn array(&self) -> Result<Kind, TypeError> {
        let any = || Box::new(DataType::ANY);
        let (element, size) = match self.given() {
            [] if self.arguments.is_none() => (any(), None),
            [one] if !is_type(one) => {
                let hint = match one.form {
                    Form::Integer(size) => format!(": write `Array[Any, {size}]`"),
                    _ => String::new(),
                };
                return Err(self.argument_with(one, "the type of its elements first", &hint));
            }
            [first, rest @ ..] if is_type(first) && rest.len() <= 2 => {
                (Box::new(data_type(first)?), self.size(rest)?)
            }
            both @ [_, _] => (any(), self.size(both)?),
            _ => return Err(self.count("a type and one or two sizes")),
        };
        Ok(Kind::Array {
            element,
            size: size.unwrap_or(Size::ALL),
        })
    }

    pub(super) fn hash(&self) -> Result<Kind, TypeError> {
        let (key, value, size) = match self.given() {
            [] if self.arguments.is_none() => (DataType::ANY, DataType::ANY, None),
            both @ [first, second] if !is_type(first) && !is_type(second) => {
                (DataType::ANY, DataType::ANY, self.size(both)?)
            }
            [key, value, rest @ ..] if rest.len() <= 2 => {
                (self.inner(key)?, self.inner(value)?, self.size(rest)?)
            }
            _ => return Err(self.count("the types of keys and values, and one or two sizes")),
        };
        let size = size.unwrap_or(Size::ALL);
        Ok(Kind::Hash {
            key: Box::new(key),
            value: Box::new(value),
            size,
        })
    }

    pub(super) fn tuple(&self) -> Result<Kind, TypeError> {
        let given = self.given();
        if self.arguments.is_some() && given.is_empty() {
            return Err(self.count("one or more types"));
        }
        let is_size =
            |argument: &Expression| matches!(argument.form, Form::Integer(_) | Form::Default);
        let sizes = given
            .iter()
            .rev()
            .take(2)
            .take_while(|argument| is_size(argument))
            .count();
        let (types, sizes) = given.split_at(given.len() - sizes);
        let elements = types
            .iter()
            .map(|argument| self.inner(argument))
            .collect::<Result<_, _>>()?;
        Ok(Kind::Tuple {
            elements,
            size: self.size(sizes)?,
        })
    }

    pub(super) fn structure(&self) -> Result<Kind, TypeError> {
        let entries = match (self.arguments, self.given()) {
            (None, _) => return Ok(Kind::Struct(Vec::new())),
            (
                _,
                [
                    Expression {
                        form: Form::Hash(entries),
                        ..
                    },
                ],
            ) => entries,
            (_, [one]) => return Err(self.argument(one, "a hash such as `{ 'key' => String }`")),
            _ => return Err(self.count("one hash")),
        };
        let mut fields: Vec<Field> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let (name, presence) = self.key(key)?;
            if fields.iter().any(|field| field.name == name) {
                return Err(TypeError::TwinKey {
                    offset: key.offset,
                    key: name.to_owned(),
                });
            }
            fields.push(Field {
                name: name.to_owned(),
                presence,
                value: data_type(value)?,
            });
        }
        Ok(Kind::Struct(fields))
    }

    /// A key of a `Struct`: a string, or one inside `Optional`, `NotUndef` or `Enum`.
    fn key<'k>(&self, key: &'k Expression) -> Result<(&'k str, Presence), TypeError> {
        let wrong = || self.argument(key, "keys such as `'name'` or `Optional['name']`");
        let (inner, presence) = match &key.form {
            Form::Type {
                name,
                arguments: Some(arguments),
            } => match (name.to_ascii_lowercase().as_str(), &**arguments) {
                ("optional", [inner]) => (inner, Presence::Optional),
                ("notundef", [inner]) => (inner, Presence::Required),
                ("enum", _) => (key, Presence::Inferred),
                _ => return Err(wrong()),
            },
            _ => (key, Presence::Inferred),
        };
        let text = match &inner.form {
            Form::Type {
                name,
                arguments: Some(arguments),
            } if name.eq_ignore_ascii_case("enum") => match &**arguments {
                [one] => string(one),
                _ => None,
            },
            _ => string(inner),
        };
        Ok((
            text.filter(|text| !text.is_empty()).ok_or_else(wrong)?,
            presence,
        ))
    }
}
