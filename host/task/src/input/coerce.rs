//! Reads the text of `name=value` by the type that the parameter declares.
//!
//! A text can mean itself or the JSON that it spells; a JSON string is never meant, so a text in quotes keeps them.
//! Where the type takes only one of the two readings, that one is meant. Where it takes both, JSON is meant only if
//! it is plain to see: an object, an array, `true`, `false`, or an integer in its shortest spelling. So `version=1.10`
//! stays a text wherever a text will do, and `null` is a text for every type that takes the string. A parameter
//! without a type follows the same rule, save that there `null` means undef. Where nothing else fits, a whole number
//! is tried as a float.
//!
//! A text repeated, or given once for a list, stands for one element each time.

use serde_json::Value;

use crate::json;
use crate::number;
use crate::types::{DataType, TypeAliases};

/// How much text is tried as JSON, in bytes.
const JSON_BYTES_MAX: usize = super::INPUT_BYTES_MAX;

/// What one text means for a parameter without a type.
pub(super) fn untyped(text: &str) -> Value {
    if text == "null" {
        return Value::Null;
    }
    plain(text).unwrap_or_else(|| text.into())
}

/// A key that stands twice in one of `texts`, where that was read as JSON for `value`.
pub(super) fn repeated_key(texts: &[&str], value: &Value) -> Option<String> {
    let is_read = |index: usize, text: &str| {
        let is_part =
            |read: &Value| read == value || value.get(index).is_some_and(|element| element == read);
        text.trim_start().starts_with(['{', '[']) && spelled(text).as_ref().is_some_and(is_part)
    };
    let read = texts
        .iter()
        .enumerate()
        .filter(|(index, text)| is_read(*index, text));
    read.into_iter()
        .find_map(|(_, text)| json::repeated_key(text))
}

/// What texts mean for a type.
pub(super) enum Reading {
    /// A value that the type accepts.
    Fits(Value),
    /// One that it does not accept: the likeliest reading, for the message.
    Likeliest(Value),
}

/// What `texts`, given one after the other for one parameter, mean for its type. `None`: more were given than the
/// type can hold.
pub(super) fn typed(
    texts: &[&str],
    data_type: &DataType,
    aliases: &TypeAliases,
) -> Option<Reading> {
    let fits = |value: &Value| data_type.accepts(value, aliases);
    let of_lists = || first(list_readings(), |read| Some(read(texts)), fits);
    let [text] = texts else {
        let is_array = data_type.is_array(aliases);
        return of_lists()
            .map(Reading::Fits)
            .or_else(|| is_array.then(|| Reading::Likeliest(strings(texts))));
    };
    let found = first(TEXT_READINGS, |read| read(text), fits);
    if let Some(value) = found {
        return Some(Reading::Fits(value));
    }
    if data_type.is_array(aliases) && !text.starts_with('[') {
        let list = of_lists().map(Reading::Fits);
        return Some(list.unwrap_or_else(|| Reading::Likeliest(strings(texts))));
    }
    Some(Reading::Likeliest(likeliest(text, data_type, aliases)))
}

/// The first value among the readings that fits. None is asked about twice.
fn first<R>(
    readings: impl IntoIterator<Item = R>,
    read: impl Fn(R) -> Option<Value>,
    fits: impl Fn(&Value) -> bool,
) -> Option<Value> {
    let mut asked: Vec<Value> = Vec::new();
    for value in readings.into_iter().filter_map(read) {
        if asked.contains(&value) {
            continue;
        }
        if fits(&value) {
            return Some(value);
        }
        asked.push(value);
    }
    None
}

/// What one text can mean, the likelier first.
const TEXT_READINGS: [fn(&str) -> Option<Value>; 4] =
    [plain, |text| Some(text.into()), spelled, floating];

/// What several texts can mean as a list, the likelier first.
fn list_readings() -> impl Iterator<Item = impl Fn(&[&str]) -> Value> {
    TEXT_READINGS.into_iter().map(|read| {
        move |texts: &[&str]| {
            let element = |text: &&str| read(text).unwrap_or_else(|| Value::from(*text));
            texts.iter().map(element).collect()
        }
    })
}

fn strings(texts: &[&str]) -> Value {
    texts.iter().copied().collect()
}

/// The reading that tells most about why `text` does not fit: the text itself, unless the type wants no string at
/// all. So `50` is too large for `Integer[0, 10]`, and `5` is none of an `Enum`.
fn likeliest(text: &str, data_type: &DataType, aliases: &TypeAliases) -> Value {
    let itself = Value::from(text);
    let Some(json) = spelled(text) else {
        return itself;
    };
    let mismatches = data_type.mismatches("", &itself, aliases, false);
    let wants_no_string = mismatches
        .iter()
        .any(|mismatch| mismatch.to_string().ends_with(", got String"));
    if wants_no_string { json } else { itself }
}

/// The JSON that `text` spells, where nobody would take it for anything else.
fn plain(text: &str) -> Option<Value> {
    spelled(text).filter(|value| match value {
        Value::Null | Value::String(_) => false,
        // Longer ones are as likely serial numbers as they are counts, and a text keeps them for either use.
        Value::Number(number) => {
            (number.is_i64() || number.is_u64()) && number.as_str() == text && text != "-0"
        }
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => true,
    })
}

/// The JSON that `text` spells, as a float where it is a whole number.
fn floating(text: &str) -> Option<Value> {
    match spelled(text)? {
        Value::Number(number) if number::is_whole(&number) => {
            serde_json::from_str(&format!("{number}.0")).ok()
        }
        other => Some(other),
    }
}

/// The JSON that `text` spells, unless that is a string.
fn spelled(text: &str) -> Option<Value> {
    json::read(text.as_bytes(), JSON_BYTES_MAX)
        .ok()
        .filter(|value| !value.is_string())
}
