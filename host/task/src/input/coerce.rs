//! Reads the text of `name=value` by the type that the parameter declares.
//!
//! A text can mean itself or the JSON that it spells; a JSON string is never meant, so a text in quotes keeps them.
//! Where the type takes only one of the two readings, that one is meant. Where it takes both, JSON is meant only if
//! it is plain to see: an object, an array, `true`, `false`, or an integer in its shortest spelling. So `version=1.10`
//! stays a text wherever a text will do, and `null` is a text for every type that takes the string. A parameter
//! without a type follows the same rule, save that there `null` means undef.
//!
//! A text repeated, or given once for a list, stands for one element each time.

use serde_json::Value;

use crate::json;
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

/// What `texts`, given one after the other for one parameter, mean for its type. `None`: more were given than the
/// type can hold. A single text that fits nowhere comes back in its likeliest reading, for the message.
pub(super) fn typed(texts: &[&str], data_type: &DataType, aliases: &TypeAliases) -> Option<Value> {
    let fits = |value: &Value| data_type.accepts(value, aliases);
    let [text] = texts else {
        return lists(texts)
            .into_iter()
            .find(fits)
            .or_else(|| data_type.is_array(aliases).then(|| strings(texts)));
    };
    let itself = Value::from(*text);
    let takes_text = fits(&itself);
    let readings = [plain(text), takes_text.then_some(itself), spelled(text)];
    if let Some(value) = readings.into_iter().flatten().find(fits) {
        return Some(value);
    }
    if data_type.is_array(aliases) && !text.starts_with('[') {
        return Some(
            lists(texts)
                .into_iter()
                .find(fits)
                .unwrap_or_else(|| strings(texts)),
        );
    }
    Some(likeliest(text, data_type, aliases))
}

/// The lists that `texts` can mean, the likelier first.
fn lists(texts: &[&str]) -> [Value; 3] {
    let each = |read: fn(&str) -> Option<Value>| -> Value {
        texts
            .iter()
            .map(|text| read(text).unwrap_or_else(|| Value::from(*text)))
            .collect()
    };
    [each(plain), strings(texts), each(spelled)]
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

/// The JSON that `text` spells, unless that is a string.
fn spelled(text: &str) -> Option<Value> {
    json::read(text.as_bytes(), JSON_BYTES_MAX)
        .ok()
        .filter(|value| !value.is_string())
}
