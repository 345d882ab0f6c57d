//! Prints data types in Puppet's canonical form; what is printed reads back as the same type.

use std::fmt::{self, Display, Formatter, Write as _};

use super::DataType;
use super::expression::{Expression, Form};
use super::kind::{Bounds, Field, Kind, Presence, Size};

/// How much of an argument an error shows at most, in characters.
const SHOWN_CHARS_MAX: usize = 80;

impl Display for DataType {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Foreign {
                arguments: Some(arguments),
                ..
            } => {
                write!(f, "{}[{arguments}]", self.kind.name())
            }
            kind => named(f, kind.name(), &kind.arguments()),
        }
    }
}

fn named(f: &mut Formatter<'_>, name: &str, arguments: &[String]) -> fmt::Result {
    f.write_str(name)?;
    if arguments.is_empty() {
        Ok(())
    } else {
        write!(f, "[{}]", arguments.join(", "))
    }
}

impl Kind {
    /// The name without arguments.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Any => "Any",
            Self::Data => "Data",
            Self::RichData => "RichData",
            Self::Undef => "Undef",
            Self::Scalar => "Scalar",
            Self::ScalarData => "ScalarData",
            Self::Numeric => "Numeric",
            Self::Boolean(_) => "Boolean",
            Self::Integer(_) => "Integer",
            Self::Float(_) => "Float",
            Self::String(_) => "String",
            Self::Enum { .. } => "Enum",
            Self::Pattern(_) => "Pattern",
            Self::Collection(_) => "Collection",
            Self::Array { .. } => "Array",
            Self::Hash { .. } => "Hash",
            Self::Tuple { .. } => "Tuple",
            Self::Struct(_) => "Struct",
            Self::Variant(_) => "Variant",
            Self::Optional(_) => "Optional",
            Self::NotUndef(_) => "NotUndef",
            Self::Sensitive(_) => "Sensitive",
            Self::Iterable(_) => "Iterable",
            Self::Foreign { name, .. } => name,
            Self::Alias(name) => name,
        }
    }

    fn arguments(&self) -> Vec<String> {
        match self {
            Self::Boolean(value) => value.iter().map(bool::to_string).collect(),
            Self::Integer(bounds) => ends(bounds, i64::to_string),
            Self::Float(bounds) => ends(bounds, |number| format!("{number:?}")),
            Self::String(size) | Self::Collection(size) => sizes(*size),
            Self::Enum {
                values,
                ignore_case,
            } => {
                let case = ignore_case.then(|| "true".to_owned());
                values
                    .iter()
                    .map(|value| quoted(value))
                    .chain(case)
                    .collect()
            }
            Self::Pattern(patterns) => patterns
                .iter()
                .map(super::pattern::Pattern::delimited)
                .collect(),
            Self::Array { element, size } => with_sizes(&[element], *size),
            Self::Hash { key, value, size } => with_sizes(&[key, value], *size),
            Self::Tuple { elements, size } => {
                let elements = elements.iter().map(DataType::to_string);
                elements
                    .chain(size.map(all_sizes).unwrap_or_default())
                    .collect()
            }
            Self::Struct(fields) if fields.is_empty() => Vec::new(),
            Self::Struct(fields) => {
                let fields: Vec<_> = fields.iter().map(field).collect();
                vec![format!("{{{}}}", fields.join(", "))]
            }
            Self::Variant(types) => types.iter().map(DataType::to_string).collect(),
            Self::Optional(inner)
            | Self::NotUndef(inner)
            | Self::Sensitive(inner)
            | Self::Iterable(inner) => with_sizes(&[inner], Size::ALL),
            _ => Vec::new(),
        }
    }
}

fn field(field: &Field) -> String {
    let name = quoted(&field.name);
    let key = match field.presence {
        Presence::Inferred => name,
        Presence::Optional => format!("Optional[{name}]"),
        Presence::Required => format!("NotUndef[{name}]"),
    };
    format!("{key} => {}", field.value)
}

fn ends<N: PartialOrd + Copy>(bounds: &Bounds<N>, print: impl Fn(&N) -> String) -> Vec<String> {
    if bounds.is_all() {
        return Vec::new();
    }
    let min = bounds
        .min
        .as_ref()
        .map_or_else(|| "default".to_owned(), &print);
    std::iter::once(min)
        .chain(bounds.max.as_ref().map(print))
        .collect()
}

fn sizes(size: Size) -> Vec<String> {
    if size.is_all() {
        Vec::new()
    } else {
        all_sizes(size)
    }
}

fn all_sizes(size: Size) -> Vec<String> {
    std::iter::once(size.min)
        .chain(size.max)
        .map(|end| end.to_string())
        .collect()
}

/// Inner types and a size; nothing if both are the default.
fn with_sizes(types: &[&DataType], size: Size) -> Vec<String> {
    if size.is_all() && types.iter().all(|inner| **inner == DataType::ANY) {
        return Vec::new();
    }
    types
        .iter()
        .map(ToString::to_string)
        .chain(sizes(size))
        .collect()
}

/// A string in single quotes, or in double quotes if something in it must be escaped.
pub(super) fn quoted(text: &str) -> String {
    // `escape_debug` gives more than two characters for what cannot be seen, such as controls and bidi marks.
    let unseen = |c: char| c.escape_debug().count() > 2;
    if !text
        .chars()
        .any(|c| matches!(c, '\'' | '\\') || c.is_control() || unseen(c))
    {
        return format!("'{text}'");
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' | '$' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if unseen(c) || c.is_control() => {
                quoted.push_str(&format!("\\u{{{:X}}}", u32::from(c)))
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Arguments of a type that is kept as text.
pub(super) fn expressions(expressions: &[Expression]) -> String {
    let texts: Vec<_> = expressions.iter().map(plain).collect();
    texts.join(", ")
}

/// One expression, for an error; cut if it is long.
pub(super) fn expression(expression: &Expression) -> String {
    let text = plain(expression);
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("`{}...`", text.get(..end).unwrap_or_default()),
        None => format!("`{text}`"),
    }
}

/// One expression as it would be written.
pub(super) fn plain(expression: &Expression) -> String {
    match &expression.form {
        Form::Type {
            name,
            arguments: None,
        } => name.clone(),
        Form::Type {
            name,
            arguments: Some(arguments),
        } => format!("{name}[{}]", expressions(arguments)),
        Form::Word(text) | Form::Text(text) => quoted(text),
        Form::Regex(source) => format!("/{}/", source.replace('/', "\\/")),
        Form::Integer(number) => number.to_string(),
        Form::Float(number) => format!("{number:?}"),
        Form::Boolean(value) => value.to_string(),
        Form::Default => "default".to_owned(),
        Form::Undef => "undef".to_owned(),
        Form::List(items) => format!("[{}]", expressions(items)),
        Form::Hash(entries) => {
            let mut text = String::from("{");
            for (index, (key, value)) in entries.iter().enumerate() {
                let comma = if index == 0 { "" } else { ", " };
                // Writing to a string cannot fail.
                let _ = write!(text, "{comma}{} => {}", plain(key), plain(value));
            }
            text.push('}');
            text
        }
    }
}
