//! Reads what `--input` gives as one JSON text, from JSON or YAML.
//!
//! Nothing is guessed: a key that stands twice is refused, and so is a number with a leading zero, which is most often a
//! file mode whose author did not think of a number at all. Other numbers lose no digit; exponents are written as `e+N`.
//! No message repeats a value, as it may be a secret.

use std::collections::BTreeSet;
use std::fmt;

use host_core::Shown;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Location, Spanned};

use crate::exit::Exit;
use crate::failure::Failure;

/// The JSON text of the document in `bytes`.
pub(super) fn read(bytes: Vec<u8>) -> Result<Vec<u8>, Failure> {
    let is_braced = bytes.trim_ascii_start().starts_with(b"{");
    let json_error = if is_braced {
        match serde_json::from_slice::<IgnoredAny>(&bytes) {
            Ok(_) => return unique(bytes),
            Err(error) => Some(error),
        }
    } else {
        None
    };
    let text = String::from_utf8(bytes).map_err(|_| Failure::usage("input is not UTF-8"))?;
    let node: Node =
        serde_saphyr::from_str(&text).map_err(|error| fault(&error, &text, json_error.as_ref()))?;
    let value = node.value(&text)?;
    serde_json::to_vec(&value).map_err(|error| Failure::new(Exit::Usage, &error))
}

/// The same bytes, unless a key stands twice in them.
fn unique(bytes: Vec<u8>) -> Result<Vec<u8>, Failure> {
    let mut repeated = None;
    let keys = Keys {
        repeated: &mut repeated,
    };
    // What is nested too deeply ends the search, and is refused where the input is read.
    let _ = keys.deserialize(&mut serde_json::Deserializer::from_slice(&bytes));
    repeated.map_or(Ok(bytes), |key| Err(twice(&key)))
}

fn twice(key: &str) -> Failure {
    Failure::usage(format!("input has the key `{}` twice", Shown(key)))
}

/// Why the text is no YAML; where it begins like JSON, why it is no JSON.
fn fault(
    error: &serde_saphyr::Error,
    text: &str,
    json_error: Option<&serde_json::Error>,
) -> Failure {
    if let serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } = error.without_snippet()
    {
        return twice(key);
    }
    if let Some(place) = error.location().filter(|place| is_endless(text, place)) {
        return Failure::usage(format!(
            "input has a number that JSON does not have: {}",
            Place(&place)
        ))
        .hint("put it in quotes if it is a text");
    }
    if let Some(error) = json_error {
        let (line, column) = (error.line(), error.column());
        return Failure::usage(format!("input is not JSON: line {line}, column {column}"));
    }
    let place = error.location().map(|place| format!(": {}", Place(&place)));
    Failure::usage(format!(
        "input is neither JSON nor YAML{}",
        place.unwrap_or_default()
    ))
}

/// Whether an infinite number, or one that is none, is written at a place.
fn is_endless(text: &str, place: &Location) -> bool {
    let before = |number: u64| {
        usize::try_from(number)
            .unwrap_or_default()
            .saturating_sub(1)
    };
    let line = text.lines().nth(before(place.line()));
    let rest: String = line
        .unwrap_or_default()
        .chars()
        .skip(before(place.column()))
        .collect();
    let number = rest.trim_start_matches(['-', '+']).to_ascii_lowercase();
    number.starts_with(".inf") || number.starts_with(".nan")
}

struct Place<'l>(&'l Location);

impl fmt::Display for Place<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}, column {}", self.0.line(), self.0.column())
    }
}

/// Goes over JSON and notes the first key that stands twice in one object.
struct Keys<'r> {
    repeated: &'r mut Option<String>,
}

impl Keys<'_> {
    fn inside(&mut self) -> Keys<'_> {
        Keys {
            repeated: self.repeated,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Keys<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// The visits of values that have no keys.
macro_rules! no_keys {
    ($($visit:ident: $value:ty),+) => {
        $(fn $visit<E>(self, _: $value) -> Result<(), E> {
            Ok(())
        })+
    };
}

impl<'de> Visitor<'de> for Keys<'_> {
    type Value = ();

    no_keys!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self.inside())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if keys.contains(&key) {
                self.repeated.get_or_insert_with(|| key.clone());
            }
            keys.insert(key);
            map.next_value_seed(self.inside())?;
        }
        Ok(())
    }
}

/// A value of YAML with its place in the text.
#[derive(Deserialize)]
struct Node(Spanned<Kind>);

enum Kind {
    /// Everything that has one spelling in JSON.
    Plain(Value),
    /// A number that is a float to the parser, be it for its size alone.
    Float(f64),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    /// The value, with numbers taken from `text`.
    fn value(self, text: &str) -> Result<Value, Failure> {
        let place = self.0.defined;
        match self.0.value {
            Kind::Plain(value) => Ok(value),
            Kind::Float(number) => float(number, written(text, &place), &place),
            Kind::List(items) => items.into_iter().map(|item| item.value(text)).collect(),
            Kind::Map(entries) => {
                let entries = entries
                    .into_iter()
                    .map(|(key, node)| Ok((key, node.value(text)?)));
                entries.collect::<Result<Map<_, _>, _>>().map(Value::Object)
            }
        }
    }
}

/// What stands at `place`.
fn written<'t>(text: &'t str, place: &Location) -> &'t str {
    let span = place.span();
    let range = span
        .byte_offset()
        .zip(span.byte_len())
        .and_then(|(start, length)| {
            Some(usize::try_from(start).ok()?..usize::try_from(start.checked_add(length)?).ok()?)
        });
    range
        .and_then(|range| text.get(range))
        .unwrap_or_default()
        .trim()
}

/// A number that was `written` so, by its text where JSON has that too.
fn float(number: f64, written: &str, place: &Location) -> Result<Value, Failure> {
    let digits = written.trim_start_matches(['-', '+']);
    let is_whole = digits.bytes().all(|digit| digit.is_ascii_digit());
    if is_whole && digits.len() > 1 && digits.starts_with('0') {
        let failure = Failure::usage(format!(
            "input has a number with a leading zero: {}",
            Place(place)
        ));
        return Err(failure.hint("put it in quotes if it is a text, such as a file mode"));
    }
    let exact = serde_json::from_str::<Number>(written.trim_start_matches('+'));
    Ok(exact.map_or_else(|_| Value::from(number), Value::Number))
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

/// The visits of values that have one spelling in JSON.
macro_rules! plain {
    ($($visit:ident: $value:ty),+) => {
        $(fn $visit<E>(self, value: $value) -> Result<Kind, E> {
            Ok(Kind::Plain(value.into()))
        })+
    };
}

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    plain!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_str: &str, visit_string: String);

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value that JSON has too")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Plain(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Plain(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        Kind::deserialize(deserializer)
    }

    fn visit_f64<E>(self, value: f64) -> Result<Kind, E> {
        Ok(Kind::Float(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Kind::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> String {
        match read(text.as_bytes().to_vec()) {
            Ok(json) => String::from_utf8(json).unwrap(),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn yaml_becomes_json_and_json_stays_as_it_is() {
        for (text, json) in [
            ("{\"a\":  1.10}", "{\"a\":  1.10}"),
            (
                "a: 1\nb: [x, ~, true]\nc: {d: 'e'}",
                r#"{"a":1,"b":["x",null,true],"c":{"d":"e"}}"#,
            ),
            (
                "a: '017'\nb: \"0644\"\nc: |\n  017\n",
                r#"{"a":"017","b":"0644","c":"017\n"}"#,
            ),
            (
                "a: 1.10\nb: 1e3\nc: 0.5\nd: 0",
                r#"{"a":1.10,"b":1e+3,"c":0.5,"d":0}"#,
            ),
            (
                "a: 18446744073709551616\nb: -9223372036854775809",
                r#"{"a":18446744073709551616,"b":-9223372036854775809}"#,
            ),
            ("ü: &x 1.50\nb: *x", r#"{"ü":1.50,"b":1.50}"#),
            ("1: 2\ntrue: no", r#"{"1":2,"true":false}"#),
            ("", "null"),
        ] {
            assert_eq!(value(text), json, "{text}");
        }
    }

    /// Such numbers once became floats.
    #[test]
    fn a_leading_zero_is_refused_and_quotes_are_asked_for() {
        for (text, place) in [
            ("mode: 0644", "line 1, column 7"),
            ("a: 1\nn: [1, -017]", "line 2, column 8"),
            ("{n: 00}", "line 1, column 5"),
        ] {
            let told = value(text);
            let wanted = format!("input has a number with a leading zero: {place}");
            assert!(told.starts_with(&wanted), "{told}");
        }
    }

    /// The last one once won without a word.
    #[test]
    fn a_key_that_stands_twice_is_named() {
        for text in [
            "{\"a\": 1, \"b\": 2, \"a\": 3}",
            "{\"x\": [{\"a\": 1.5, \"\\u0061\": 1}]}",
            "a: 1\na: 2",
            "x:\n  - a: 1\n    a: 2",
            "{a: 1, a: 2}",
        ] {
            assert!(
                value(text).starts_with("input has the key `a` twice"),
                "{text}: {}",
                value(text)
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_placed_and_not_repeated() {
        for (text, told) in [
            (
                "{\"a\": hunter2, \"b\": }}",
                "input is not JSON: line 1, column 7",
            ),
            (
                "{\n\"a\": \"hunter2",
                "input is not JSON: line 2, column 13",
            ),
            ("a: [hunter2", "input is neither JSON nor YAML: line 1"),
            (
                "f: .inf",
                "input has a number that JSON does not have: line 1, column 4",
            ),
            (
                "a: 1\nb: [-.Inf]",
                "input has a number that JSON does not have: line 2, column 5",
            ),
            (
                "{a: .NaN}",
                "input has a number that JSON does not have: line 1, column 5",
            ),
        ] {
            let found = value(text);
            assert!(
                found.starts_with(told) && !found.contains("hunter2"),
                "{text}: {found}"
            );
        }
    }
}
