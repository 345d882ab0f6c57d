//! Gives expressions their meaning: built-in names, their arguments, aliases; refuses what no task can use.
//!
//! Names are compared without case, as Puppet does. A name that is not built in is an alias, to be looked
//! up when a value is matched.

mod containers;

use super::DataType;
use super::error::TypeError;
use super::expression::{self, Expression, Form};
use super::kind::{Bounds, Kind};
use super::lex::Placed;
use super::pattern::Pattern;
use super::print;

/// Types of the Puppet language and of Bolt whose values JSON cannot express.
const FOREIGN: &[&str] = &[
    "ApplyResult",
    "Binary",
    "Callable",
    "CatalogEntry",
    "Class",
    "ContainerResult",
    "Default",
    "Deferred",
    "Error",
    "Future",
    "Init",
    "Iterator",
    "Object",
    "Regexp",
    "ResourceInstance",
    "Resource",
    "Result",
    "ResultSet",
    "Runtime",
    "SemVer",
    "SemVerRange",
    "Target",
    "Timespan",
    "Timestamp",
    "Type",
    "TypeAlias",
    "TypeReference",
    "TypeSet",
    "Unit",
    "URI",
];

/// Resource types that come with Puppet.
const RESOURCES: &[&str] = &[
    "Augeas",
    "Component",
    "Cron",
    "Exec",
    "File",
    "Filebucket",
    "Group",
    "Host",
    "Mailalias",
    "Mount",
    "Node",
    "Notify",
    "Package",
    "Resources",
    "Schedule",
    "Scheduled_task",
    "Selboolean",
    "Selmodule",
    "Service",
    "Ssh_authorized_key",
    "Sshkey",
    "Stage",
    "Tidy",
    "User",
    "Whit",
    "Yumrepo",
    "Zfs",
    "Zone",
    "Zpool",
];

/// How many patterns one type may have, each of which may take memory once it is used.
const PATTERNS_MAX: usize = 64;

/// The type that tokens denote; `end` is the offset at which their text ends.
pub(super) fn read(tokens: &[Placed], end: usize) -> Result<DataType, TypeError> {
    let wanted = data_type(&expression::expression(tokens, end)?)?;
    if wanted.patterns() > PATTERNS_MAX {
        return Err(TypeError::TooManyPatterns {
            patterns_max: PATTERNS_MAX,
        });
    }
    Ok(wanted)
}

/// The type that an expression denotes.
fn data_type(expression: &Expression) -> Result<DataType, TypeError> {
    let Form::Type { name, arguments } = &expression.form else {
        return Err(TypeError::Unexpected {
            offset: expression.offset,
            expected: "a type such as `Array[String[1]]`",
            found: print::expression(expression),
        });
    };
    let call = Call {
        name,
        offset: expression.offset,
        arguments: arguments.as_deref(),
    };
    call.kind().map(DataType::new)
}

/// A name with its arguments.
struct Call<'a> {
    name: &'a str,
    offset: usize,
    arguments: Option<&'a [Expression]>,
}

impl<'a> Call<'a> {
    fn kind(&self) -> Result<Kind, TypeError> {
        match self.name.to_ascii_lowercase().as_str() {
            "any" => self.plain(Kind::Any),
            "data" => self.plain(Kind::Data),
            "richdata" => self.plain(Kind::RichData),
            "undef" => self.plain(Kind::Undef),
            "scalar" => self.plain(Kind::Scalar),
            "scalardata" => self.plain(Kind::ScalarData),
            "numeric" => self.plain(Kind::Numeric),
            "boolean" => self.boolean(),
            "integer" => self.integer(),
            "float" => self.float(),
            "string" => Ok(Kind::String(self.only_size()?)),
            "collection" => Ok(Kind::Collection(self.only_size()?)),
            "enum" => self.enumeration(),
            "pattern" => self.pattern(),
            "array" => self.array(),
            "hash" => self.hash(),
            "tuple" => self.tuple(),
            "struct" => self.structure(),
            "variant" => self.types("one or more types").map(Kind::Variant),
            "optional" => self.wrapper(true).map(Kind::Optional),
            "notundef" => self.wrapper(true).map(Kind::NotUndef),
            "sensitive" => self.wrapper(false).map(Kind::Sensitive),
            "iterable" => self.wrapper(false).map(Kind::Iterable),
            "regexp" => self.regexp(),
            _ => self.other(),
        }
    }

    fn given(&self) -> &'a [Expression] {
        self.arguments.unwrap_or_default()
    }

    fn count(&self, expected: &'static str) -> TypeError {
        TypeError::Count {
            offset: self.offset,
            name: self.name.to_owned(),
            expected,
            have: self.given().len(),
        }
    }

    fn argument(&self, argument: &Expression, expected: &'static str) -> TypeError {
        self.argument_with(argument, expected, "")
    }

    /// `hint` is empty, or how to write the argument, beginning with a colon.
    fn argument_with(
        &self,
        argument: &Expression,
        expected: &'static str,
        hint: &str,
    ) -> TypeError {
        TypeError::Argument {
            offset: argument.offset,
            name: self.name.to_owned(),
            expected,
            found: print::expression(argument) + hint,
        }
    }

    fn plain(&self, kind: Kind) -> Result<Kind, TypeError> {
        if self.arguments.is_some() {
            Err(self.count("no arguments"))
        } else {
            Ok(kind)
        }
    }

    /// Names that are not built in with a meaning of their own.
    fn other(&self) -> Result<Kind, TypeError> {
        let known = |names: &[&'static str]| {
            names
                .iter()
                .copied()
                .find(|name| name.eq_ignore_ascii_case(self.name))
        };
        if let Some(name) = known(FOREIGN) {
            let arguments = self.arguments.map(print::expressions);
            return Ok(Kind::Foreign { name, arguments });
        }
        if known(RESOURCES).is_some() {
            return Err(TypeError::Resource {
                offset: self.offset,
                name: self.name.to_owned(),
            });
        }
        self.plain(Kind::Alias(self.name.to_owned()))
    }

    fn boolean(&self) -> Result<Kind, TypeError> {
        match (self.arguments, self.given()) {
            (None, _) => Ok(Kind::Boolean(None)),
            (_, [one]) => match one.form {
                Form::Boolean(value) => Ok(Kind::Boolean(Some(value))),
                _ => Err(self.argument(one, "`true` or `false`")),
            },
            _ => Err(self.count("`true` or `false`")),
        }
    }

    /// The ends of a range: nothing, one or two of them.
    fn range<N: PartialOrd + Copy>(
        &self,
        end: impl Fn(&Form) -> Option<Option<N>>,
        expected: &'static str,
    ) -> Result<Bounds<N>, TypeError> {
        let end = |argument: &Expression| {
            end(&argument.form).ok_or_else(|| self.argument(argument, expected))
        };
        let bounds = match (self.arguments, self.given()) {
            (None, _) => Bounds::ALL,
            (_, [min]) => Bounds {
                min: end(min)?,
                max: None,
            },
            (_, [min, max]) => Bounds {
                min: end(min)?,
                max: end(max)?,
            },
            _ => return Err(self.count("one or two numbers")),
        };
        if bounds.is_empty() {
            Err(self.empty_range())
        } else {
            Ok(bounds)
        }
    }

    fn empty_range(&self) -> TypeError {
        TypeError::EmptyRange {
            offset: self.offset,
            name: self.name.to_owned(),
        }
    }

    fn integer(&self) -> Result<Kind, TypeError> {
        let end = |form: &Form| match form {
            Form::Integer(number) => Some(Some(*number)),
            Form::Default => Some(None),
            _ => None,
        };
        self.range(end, "whole numbers or `default`")
            .map(Kind::Integer)
    }

    fn float(&self) -> Result<Kind, TypeError> {
        let end = |form: &Form| match form {
            #[expect(
                clippy::cast_precision_loss,
                reason = "Puppet compares a Float with the nearest float too"
            )]
            Form::Integer(number) => Some(Some(*number as f64)),
            Form::Float(number) => Some(Some(*number)),
            Form::Default => Some(None),
            _ => None,
        };
        self.range(end, "numbers or `default`").map(Kind::Float)
    }

    fn enumeration(&self) -> Result<Kind, TypeError> {
        let (mut given, mut ignore_case) = (self.given(), false);
        if self.arguments.is_some() && given.is_empty() {
            return Err(self.count("one or more strings"));
        }
        if let [before @ .., last] = given
            && let Form::Boolean(value) = last.form
        {
            (given, ignore_case) = (before, value);
        }
        let values = given.iter().map(|argument| {
            string(argument).map(str::to_owned).ok_or_else(|| {
                let hint = match &argument.form {
                    Form::Type {
                        name,
                        arguments: None,
                    } => format!(": write '{name}'"),
                    Form::Integer(_)
                    | Form::Float(_)
                    | Form::Boolean(_)
                    | Form::Default
                    | Form::Undef => {
                        format!(": write '{}'", print::plain(argument))
                    }
                    _ => String::new(),
                };
                self.argument_with(
                    argument,
                    "quoted strings or words that begin with a small letter",
                    &hint,
                )
            })
        });
        Ok(Kind::Enum {
            values: values.collect::<Result<_, _>>()?,
            ignore_case,
        })
    }

    fn pattern(&self) -> Result<Kind, TypeError> {
        if self.arguments.is_some() && self.given().is_empty() {
            return Err(self.count("one or more patterns"));
        }
        let mut patterns = Vec::new();
        for argument in self.given() {
            match &argument.form {
                Form::Regex(source) | Form::Text(source) | Form::Word(source) => {
                    patterns.push(pattern(argument, source)?)
                }
                Form::Type {
                    name,
                    arguments: Some(inner),
                } if is_pattern(name) => {
                    let call = Call {
                        name,
                        offset: argument.offset,
                        arguments: Some(inner),
                    };
                    if let Kind::Pattern(inner) = call.pattern()? {
                        patterns.extend(inner);
                    }
                }
                _ => {
                    let expected = "patterns such as `/\\A[a-z]+\\z/`";
                    return Err(self.argument(argument, expected));
                }
            }
        }
        Ok(Kind::Pattern(patterns))
    }

    /// `Regexp` takes one pattern, and accepts only values that JSON cannot express.
    fn regexp(&self) -> Result<Kind, TypeError> {
        let arguments = match (self.arguments, self.given()) {
            (None, _) => None,
            (_, [one]) => match &one.form {
                Form::Regex(source) | Form::Text(source) | Form::Word(source) => {
                    Some(pattern(one, source)?.delimited())
                }
                _ => return Err(self.argument(one, "a pattern")),
            },
            _ => return Err(self.count("one pattern")),
        };
        Ok(Kind::Foreign {
            name: "Regexp",
            arguments,
        })
    }

    fn types(&self, expected: &'static str) -> Result<Vec<DataType>, TypeError> {
        if self.arguments.is_some() && self.given().is_empty() {
            return Err(self.count(expected));
        }
        self.given()
            .iter()
            .map(|argument| self.inner(argument))
            .collect()
    }

    /// The one type inside; where a string may stand for it, it means just that string.
    fn wrapper(&self, takes_string: bool) -> Result<Box<DataType>, TypeError> {
        let inner = match (self.arguments, self.given()) {
            (None, _) => DataType::ANY,
            (_, [one]) => match string(one).filter(|_| takes_string) {
                Some(text) => DataType::new(Kind::Enum {
                    values: vec![text.to_owned()],
                    ignore_case: false,
                }),
                None => self.inner(one)?,
            },
            _ => return Err(self.count("one type")),
        };
        Ok(Box::new(inner))
    }

    fn inner(&self, argument: &Expression) -> Result<DataType, TypeError> {
        if is_type(argument) {
            return data_type(argument);
        }
        Err(self.argument(argument, "types"))
    }
}

fn is_type(expression: &Expression) -> bool {
    matches!(expression.form, Form::Type { .. })
}

fn is_pattern(name: &str) -> bool {
    name.eq_ignore_ascii_case("Pattern") || name.eq_ignore_ascii_case("Regexp")
}

fn string(expression: &Expression) -> Option<&str> {
    match &expression.form {
        Form::Text(text) | Form::Word(text) => Some(text),
        _ => None,
    }
}

fn pattern(at: &Expression, source: &str) -> Result<Pattern, TypeError> {
    Pattern::new(source).map_err(|source| TypeError::Pattern {
        offset: at.offset,
        source,
    })
}
