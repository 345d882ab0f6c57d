//! How the two readers of action policies compared facts.
//!
//! The Go server looks at the type of the fact, and some of its answers surprise: a fact that is `false` equals every value
//! that does not mean true, and a fraction loses its digits before it is compared with an integer. The Ruby plugin made a
//! text of every fact and compared that, with nothing in place of a fact that is missing.
//!
//! To the server a name with dots leads into hashes, and by numbers into lists; the plugin looks for a fact of the whole
//! name. Two corners are ours: an integer beyond 64 bits is the nearest one within, and a list or hash has no text.

use std::cmp::Ordering;

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Number, Value};

use super::REGEX_BYTES_MAX;
use crate::choria::{PatternFault, rewrite};

/// Longest name of a fact, in bytes.
pub(crate) const FACT_BYTES_MAX: usize = 256;

/// Longest value that a fact is compared with, in bytes.
pub(crate) const VALUE_BYTES_MAX: usize = 512;

/// A comparison.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Operator {
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `=~`
    Matches,
}

const OPERATORS: [(Operator, &str); 7] = [
    (Operator::Equal, "=="),
    (Operator::Unequal, "!="),
    (Operator::Less, "<"),
    (Operator::LessOrEqual, "<="),
    (Operator::Greater, ">"),
    (Operator::GreaterOrEqual, ">="),
    (Operator::Matches, "=~"),
];

impl Operator {
    /// The operator as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = OPERATORS.iter().find(|(operator, _)| *operator == self);
        found.map_or("==", |(_, text)| text)
    }

    /// The operator that is written so.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let found = OPERATORS.iter().find(|(_, written)| *written == text);
        found.map(|(operator, _)| *operator)
    }

    fn accepts(self, ordering: Option<Ordering>) -> bool {
        let Some(ordering) = ordering else {
            return false;
        };
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Unequal => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
            Self::Matches => false,
        }
    }
}

/// Why a comparison cannot be kept exactly.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FactFault {
    /// The name has characters that are patterns or operators to the server.
    #[error(
        "the fact's name must be of letters, digits, `_`, `-` and `:`, with dots between its parts"
    )]
    Name,
    /// The value is missing or too long.
    #[error("the value is empty or longer than {VALUE_BYTES_MAX} bytes")]
    Value,
    /// Versions of the server differ about it.
    #[error("`>` with a fraction meant `>=` in some versions of the server")]
    GreaterFraction,
    /// A number that only Go reads.
    #[error("the value is a hexadecimal fraction")]
    Hexadecimal,
    /// A regular expression that is read differently elsewhere.
    #[error("its regular expression is not carried: {0}")]
    Pattern(#[source] PatternFault),
    /// The plugin compares by `=`, `<` and `>` only.
    #[error("the plugin compares by `=`, `<` and `>` only")]
    TextOperator,
    /// Quotes and backslashes had a meaning to the plugin, which made a program of the value.
    #[error("the value has a quote or a backslash")]
    Quote,
}

/// A comparison as the Go server makes it.
#[derive(Clone, Debug)]
pub(crate) struct ServerFact {
    fact: String,
    operator: Operator,
    value: String,
    /// For text facts: the value as it is compared, or the expression.
    pattern: Option<Regex>,
}

impl ServerFact {
    pub(crate) fn new(fact: &str, operator: Operator, value: &str) -> Result<Self, FactFault> {
        check_name(fact)?;
        check_value(value)?;
        let digits = value.trim_start_matches(['+', '-']);
        if value.contains('.') && (digits.starts_with("0x") || digits.starts_with("0X")) {
            return Err(FactFault::Hexadecimal);
        }
        if operator == Operator::Greater && fraction(value).is_some() {
            return Err(FactFault::GreaterFraction);
        }
        let pattern = match operator {
            Operator::Equal | Operator::Unequal => {
                Some(format!("(?is)\\A{}\\z", regex::escape(value)))
            }
            Operator::Matches => {
                let inner = value.trim_start_matches('/').trim_end_matches('/');
                Some(rewrite(inner, true).map_err(FactFault::Pattern)?)
            }
            _ => None,
        };
        let compiled = pattern.map(|pattern| compile(&pattern)).transpose();
        Ok(Self {
            fact: fact.to_owned(),
            operator,
            value: value.to_owned(),
            pattern: compiled.map_err(FactFault::Pattern)?,
        })
    }

    pub(crate) fn holds(&self, facts: &Map<String, Value>) -> bool {
        match find(facts, &self.fact) {
            Some(Value::String(text)) => self.holds_for_text(text),
            Some(Value::Number(number)) => self.holds_for_number(number),
            Some(Value::Bool(is_true)) => self.holds_for_bool(*is_true),
            _ => false,
        }
    }

    fn holds_for_text(&self, text: &str) -> bool {
        let is_match = |text: &str| self.pattern.as_ref().is_some_and(|it| it.is_match(text));
        match self.operator {
            Operator::Equal | Operator::Matches => is_match(text),
            Operator::Unequal => !is_match(text),
            operator => operator.accepts(Some(lower(text).cmp(&lower(&self.value)))),
        }
    }

    fn holds_for_number(&self, number: &Number) -> bool {
        let Some(float) = number.as_f64() else {
            return false;
        };
        let has_dot = self.value.contains('.');
        let whole = integer(float);
        match self.operator {
            Operator::Matches => {
                let text = if has_dot {
                    format!("{float:.4}")
                } else {
                    whole.to_string()
                };
                self.pattern.as_ref().is_some_and(|it| it.is_match(&text))
            }
            operator if has_dot => {
                let value = fraction(&self.value);
                operator.accepts(value.and_then(|value| float.partial_cmp(&value)))
            }
            Operator::Equal => whole.to_string() == self.value,
            Operator::Unequal => whole.to_string() != self.value,
            operator => operator.accepts(self.value.parse().ok().map(|value| whole.cmp(&value))),
        }
    }

    fn holds_for_bool(&self, is_true: bool) -> bool {
        let folded = self.value.to_lowercase();
        match (self.operator, is_true) {
            (Operator::Equal, true) => is_truthy(&self.value),
            (Operator::Equal, false) => !is_truthy(&self.value),
            (Operator::Matches, true) => is_truthy(&folded),
            (Operator::Matches | Operator::Unequal, false) | (Operator::Unequal, true) => {
                !is_truthy(&folded)
            }
            _ => false,
        }
    }
}

/// A comparison as the Ruby plugin makes it: of texts, byte by byte.
#[derive(Clone, Debug)]
pub(crate) struct TextFact {
    pub(crate) fact: String,
    pub(crate) operator: Operator,
    pub(crate) value: String,
}

impl TextFact {
    pub(crate) fn new(fact: &str, operator: Operator, value: &str) -> Result<Self, FactFault> {
        check_name(fact)?;
        check_value(value)?;
        let is_known = matches!(
            operator,
            Operator::Equal | Operator::Less | Operator::Greater
        );
        if !is_known {
            return Err(FactFault::TextOperator);
        }
        if value.contains(['\'', '"', '\\']) {
            return Err(FactFault::Quote);
        }
        Ok(Self {
            fact: fact.to_owned(),
            operator,
            value: value.to_owned(),
        })
    }

    pub(crate) fn holds(&self, facts: &Map<String, Value>) -> bool {
        let text = match facts.get(&self.fact) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Bool(is_true)) => is_true.to_string(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Array(_) | Value::Object(_)) => return false,
        };
        let ordering = text.as_bytes().cmp(self.value.as_bytes());
        self.operator.accepts(Some(ordering))
    }
}

/// Compiles an expression of our engine within its limit.
pub(crate) fn compile(pattern: &str) -> Result<Regex, PatternFault> {
    RegexBuilder::new(pattern)
        .size_limit(REGEX_BYTES_MAX)
        .build()
        .map_err(|_| PatternFault::Engine)
}

fn find<'a>(facts: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let mut parts = name.split('.');
    let mut found = facts.get(parts.next()?)?;
    for part in parts {
        found = match found {
            Value::Object(map) => map.get(part)?,
            Value::Array(list) => list.get(part.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(found)
}

fn check_name(name: &str) -> Result<(), FactFault> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-:".contains(&byte);
    let is_sound =
        |part: &str| !part.is_empty() && !part.starts_with(':') && part.bytes().all(is_plain);
    if name.len() <= FACT_BYTES_MAX && name.split('.').all(is_sound) {
        Ok(())
    } else {
        Err(FactFault::Name)
    }
}

fn check_value(value: &str) -> Result<(), FactFault> {
    if (1..=VALUE_BYTES_MAX).contains(&value.len()) {
        Ok(())
    } else {
        Err(FactFault::Value)
    }
}

/// The value as a fraction, where it has a dot and is a number in range.
fn fraction(value: &str) -> Option<f64> {
    let float: f64 = value.parse().ok()?;
    Some(float).filter(|float| value.contains('.') && float.is_finite())
}

/// A number as the server makes an integer of it: without its fraction.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the digits behind the point are dropped on purpose, and what is too large becomes the largest"
)]
fn integer(float: f64) -> i64 {
    float as i64
}

fn lower(text: &str) -> String {
    let first = |character: char| character.to_lowercase().next().unwrap_or(character);
    text.chars().map(first).collect()
}

fn is_truthy(value: &str) -> bool {
    matches!(value, "1" | "t" | "T" | "TRUE" | "true" | "True")
}
