//! The sentences about values that do not fit, in Puppet's words.
//!
//! With `sensitive` no sentence depends on more of the value than its type: no text, number, key, index or
//! length. Long texts are cut.

use serde_json::Value;

use super::DataType;
use super::alias::{Resolved, TypeAliases};
use super::describe::{Finding, Flaw, Step};
use super::error::{PatternError, TypeError};
use super::kind::{Kind, Size};
use super::shown::chain;
use crate::number;

/// How much of a value is shown, in characters.
const VALUE_CHARS_MAX: usize = 128;
/// How much of a type is shown, in characters.
const TYPE_CHARS_MAX: usize = 1_024;
/// Up to which length the definition of an alias is shown beside its name, in characters.
const DEFINITION_CHARS_MAX: usize = 160;

/// What a value is, as far as sentences need it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Actual {
    sort: Sort,
    /// The type with its range, such as `Integer[20, 20]`.
    detail: String,
    /// The text of a string.
    text: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sort {
    Undef,
    Boolean,
    Integer,
    Float,
    String,
    List,
    Hash,
}

impl Actual {
    pub(super) fn of(value: &Value) -> Self {
        let (sort, detail) = match value {
            Value::Null => (Sort::Undef, "Undef".to_owned()),
            Value::Bool(value) => (Sort::Boolean, format!("Boolean[{value}]")),
            Value::Number(number) => {
                let shown = cut(number.as_str(), VALUE_CHARS_MAX);
                if number::is_whole(number) {
                    (Sort::Integer, format!("Integer[{shown}, {shown}]"))
                } else {
                    (Sort::Float, format!("Float[{shown}, {shown}]"))
                }
            }
            Value::String(_) => (Sort::String, "String".to_owned()),
            Value::Array(items) => (
                Sort::List,
                if items.is_empty() { "Array" } else { "Tuple" }.to_owned(),
            ),
            Value::Object(entries) => (
                Sort::Hash,
                if entries.is_empty() { "Hash" } else { "Struct" }.to_owned(),
            ),
        };
        Self {
            sort,
            detail,
            text: value.as_str().map(|text| cut(text, VALUE_CHARS_MAX)),
        }
    }
}

/// How to speak of one value.
pub(super) struct Wording<'a> {
    pub(super) aliases: &'a TypeAliases,
    pub(super) sensitive: bool,
    /// Begins each sentence; may be empty.
    pub(super) subject: &'a str,
}

impl Wording<'_> {
    /// The sentence for a finding.
    pub(super) fn sentence(&self, finding: &Finding<'_>) -> String {
        let text = match &finding.flaw {
            Flaw::Type {
                expected,
                actual,
                by_match: true,
            } => self.no_match(expected, actual),
            Flaw::Type {
                expected,
                actual,
                by_match: false,
            } => self.no_type(expected, actual),
            Flaw::Size { expected, .. } if self.sensitive => {
                format!("expects size to be {}", range(*expected))
            }
            Flaw::Size { expected, actual } => {
                format!("expects size to be {}, got {actual}", range(*expected))
            }
            Flaw::MissingKey(key) => format!("expects a value for key '{key}'"),
            Flaw::UnknownKey(_) if self.sensitive => "has an unrecognized key".to_owned(),
            Flaw::UnknownKey(key) => format!("unrecognized key '{}'", cut(key, VALUE_CHARS_MAX)),
            Flaw::PatternCost => {
                "cannot be matched: its pattern costs too much for so much text".to_owned()
            }
            Flaw::TooMuch => "is too deep or too large to be checked".to_owned(),
        };
        self.begin(&finding.path, &text)
    }

    pub(super) fn unresolved(&self, name: &str) -> String {
        self.begin(&[], &format!("references an unresolved type '{name}'"))
    }

    pub(super) fn unusable_alias(&self, name: &str, error: &TypeError) -> String {
        self.begin(
            &[],
            &format!(
                "references the type '{name}', whose definition cannot be used: {}",
                chain(error)
            ),
        )
    }

    pub(super) fn unusable_pattern(&self, pattern: &str, error: &PatternError) -> String {
        let pattern = cut(pattern, DEFINITION_CHARS_MAX);
        self.begin(
            &[],
            &format!(
                "has a pattern that cannot be used, {pattern}: {}",
                chain(error)
            ),
        )
    }

    fn begin(&self, path: &[Step], text: &str) -> String {
        let mut words = Vec::new();
        if !self.subject.is_empty() {
            words.push(self.subject.to_owned());
        }
        words.extend(path.iter().map(|step| self.step(step)));
        words.push(text.to_owned());
        words.join(" ")
    }

    fn step(&self, step: &Step) -> String {
        match step {
            Step::Variant(index) => format!("variant {index}"),
            Step::Index(_) if self.sensitive => "an element".to_owned(),
            Step::Entry(_) if self.sensitive => "an entry".to_owned(),
            Step::KeyOf(_) if self.sensitive => "a key".to_owned(),
            Step::Index(index) => format!("index {index}"),
            Step::Entry(key) => format!("entry '{}'", cut(key, VALUE_CHARS_MAX)),
            Step::KeyOf(key) => format!("key of entry '{}'", cut(key, VALUE_CHARS_MAX)),
        }
    }

    fn no_match(&self, expected: &[&DataType], actual: &Actual) -> String {
        let types: Vec<_> = expected
            .iter()
            .filter(|wanted| wanted.kind != Kind::Undef)
            .collect();
        let undef = if types.len() < expected.len() {
            "an undef value or "
        } else {
            ""
        };
        let names: Vec<_> = types.iter().map(|wanted| self.full_name(wanted)).collect();
        let names = match &names[..] {
            [one] => one.clone(),
            several => format!("Variant[{}]", several.join(", ")),
        };
        let got = match &actual.text {
            Some(text) if !self.sensitive => format!("'{text}'"),
            _ => self.name_of(actual).to_owned(),
        };
        format!("expects {undef}a match for {names}, got {got}")
    }

    fn no_type(&self, expected: &[&DataType], actual: &Actual) -> String {
        let types: Vec<_> = expected
            .iter()
            .filter(|wanted| wanted.kind != Kind::Undef)
            .collect();
        let is_detailed = types.iter().any(|wanted| self.is_detailed(wanted, actual));
        let is_same_sort = types.iter().any(|wanted| self.sort_is(wanted, actual));
        let mut names: Vec<String> = Vec::new();
        if types.len() < expected.len() {
            names.push("Undef".to_owned());
        }
        for wanted in types {
            let name = if is_detailed {
                self.full_name(wanted)
            } else {
                short_name(wanted)
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let got = if is_same_sort && !self.sensitive {
            &actual.detail
        } else {
            self.name_of(actual)
        };
        match &names[..] {
            [first @ .., last] if first.len() > 1 => {
                format!(
                    "expects a value of type {}, or {last}, got {got}",
                    first.join(", ")
                )
            }
            [one, other] => format!("expects a value of type {one} or {other}, got {got}"),
            _ => {
                let name = names.concat();
                format!("expects {} {name} value, got {got}", article(&name))
            }
        }
    }

    /// What a value is called by its type alone. Puppet calls a list with elements a `Tuple` and a hash
    /// with entries a `Struct`, which tells whether it has any.
    fn name_of(&self, actual: &Actual) -> &'static str {
        match actual.sort {
            Sort::Undef => "Undef",
            Sort::Boolean => "Boolean",
            Sort::Integer => "Integer",
            Sort::Float => "Float",
            Sort::String => "String",
            Sort::List if self.sensitive || actual.detail == "Array" => "Array",
            Sort::List => "Tuple",
            Sort::Hash if self.sensitive || actual.detail == "Hash" => "Hash",
            Sort::Hash => "Struct",
        }
    }

    /// Whether the type is told with its arguments: where the bare name would not explain the refusal.
    fn is_detailed(&self, wanted: &DataType, actual: &Actual) -> bool {
        let container = matches!(actual.sort, Sort::List | Sort::Hash);
        match wanted.kind {
            Kind::Alias(_) => true,
            Kind::Enum { .. } | Kind::Pattern(_) => actual.sort == Sort::String,
            Kind::Collection(_) | Kind::Iterable(_) => container,
            _ => self.sort_is(wanted, actual),
        }
    }

    fn sort_is(&self, wanted: &DataType, actual: &Actual) -> bool {
        let sort = match self.aliases.follow(wanted).map(|plain| &plain.kind) {
            Some(Kind::Undef) => Sort::Undef,
            Some(Kind::Boolean(_)) => Sort::Boolean,
            Some(Kind::Integer(_)) => Sort::Integer,
            Some(Kind::Float(_)) => Sort::Float,
            Some(Kind::String(_)) => Sort::String,
            Some(Kind::Array { .. } | Kind::Tuple { .. }) => Sort::List,
            Some(Kind::Hash { .. } | Kind::Struct(_)) => Sort::Hash,
            _ => return false,
        };
        sort == actual.sort
    }

    /// The type with its arguments; an alias with its definition, if that is short.
    fn full_name(&self, wanted: &DataType) -> String {
        let name = cut(&wanted.to_string(), TYPE_CHARS_MAX);
        let Kind::Alias(alias) = &wanted.kind else {
            return name;
        };
        match self.aliases.resolve(alias) {
            Resolved::Type(meaning) => {
                let meaning = meaning.to_string();
                let is_short = meaning.chars().nth(DEFINITION_CHARS_MAX).is_none();
                if is_short {
                    format!("{name} = {meaning}")
                } else {
                    name
                }
            }
            Resolved::Unusable(_) | Resolved::Unknown => name,
        }
    }
}

/// The name of the type, and of the type inside a wrapper.
fn short_name(wanted: &DataType) -> String {
    match &wanted.kind {
        Kind::Optional(inner) | Kind::NotUndef(inner) | Kind::Sensitive(inner)
            if **inner != DataType::ANY =>
        {
            format!("{}[{}]", wanted.kind.name(), inner.kind.name())
        }
        kind => kind.name().to_owned(),
    }
}

fn article(name: &str) -> &'static str {
    if name.starts_with(['A', 'E', 'I', 'O', 'U']) {
        "an"
    } else {
        "a"
    }
}

fn range(size: Size) -> String {
    match (size.min, size.max) {
        (0, None) => "unlimited".to_owned(),
        (min, None) => format!("at least {min}"),
        (min, Some(max)) if min == max => min.to_string(),
        (0, Some(max)) => format!("at most {max}"),
        (min, Some(max)) => format!("between {min} and {max}"),
    }
}

fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
