//! Tests of the data types, one file per subject.

mod aliases;
mod patterns;
mod properties;
mod real;
mod syntax;
mod values;

use serde_json::Value;

use super::{DataType, TypeAliases};

/// The type that a text denotes.
fn parsed(text: &str) -> DataType {
    text.parse()
        .unwrap_or_else(|error| panic!("`{text}`: {error}"))
}

/// An error with its causes.
fn told(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", told(source)),
        None => error.to_string(),
    }
}

/// All reasons against a value given as JSON text, separated by `; `, or `ok`.
fn verdict(wanted: &DataType, json: &str, aliases: &TypeAliases, sensitive: bool) -> String {
    let value: Value =
        serde_json::from_str(json).unwrap_or_else(|error| panic!("`{json}`: {error}"));
    let texts: Vec<_> = wanted
        .mismatches("", &value, aliases, sensitive)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        texts.is_empty(),
        wanted.accepts(&value, aliases),
        "`{wanted}` on `{json}`: {texts:?}"
    );
    if texts.is_empty() {
        "ok".to_owned()
    } else {
        texts.join("; ")
    }
}

/// Checks rows of (type, value as JSON, verdict) with the built-in aliases.
fn check(rows: &[(&str, &str, &str)]) {
    let aliases = TypeAliases::builtin();
    for (wanted, json, expected) in rows {
        assert_eq!(
            verdict(&parsed(wanted), json, &aliases, false),
            *expected,
            "`{wanted}` on `{json}`"
        );
    }
}
