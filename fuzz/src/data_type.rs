//! Subject: Puppet data types. The first line is a type, what follows is a value in JSON; without one it is `null`.
//!
//! Types around the type are checked against it by algebra: `Optional[T]` takes what `T` takes and undef, and so on. A
//! secret is found in a message by a word and a number planted in it.

mod algebra;

use host_task::types::{DataType, PatternError, TypeAliases};
use serde_json::{Map, Value};

/// A word that no type and no message has by itself.
pub(crate) const CANARY: &str = "Qz7canary";

/// A number of the same sort.
const CANARY_NUMBER: i64 = 735_197_351;

/// Most reasons that are given for one value.
const MISMATCHES_MAX: usize = 16;

/// Longest text that is read as a type, in bytes; printing may escape beyond it.
const TYPE_BYTES_MAX: usize = 64 * 1024;

/// Panics when a type does not read what it prints, judges a value inconsistently, or tells a secret.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let (written, json) = text.split_once('\n').unwrap_or((text, "null"));
    let Ok(wanted) = written.parse::<DataType>() else {
        return;
    };
    check_text(&wanted);
    let aliases = TypeAliases::builtin();
    if let Err(error) = wanted.compile(&aliases) {
        assert!(may_fail(&error), "{wanted}: {error}");
    }
    assert_eq!(
        wanted.accepts_undef(&aliases),
        wanted.accepts(&Value::Null, &aliases)
    );
    let Ok(value) = serde_json::from_str::<Value>(json) else {
        return;
    };
    check_value(&wanted, &value, &aliases);
    algebra::check(&wanted, &value, &aliases);
    for keeps_keys in [true, false] {
        check_secret(&wanted, &planted(&value, keeps_keys), &aliases);
    }
}

/// Whether a pattern that was read may still fail to compile for this reason: nobody looks at the names of
/// properties, at what a repetition follows, and at the size before.
fn may_fail(error: &PatternError) -> bool {
    let reasons = [
        "Unicode property not found",
        "Unicode property value not found",
        "repetition operator missing expression",
        "exceeded the maximum number of nested parentheses/brackets",
    ];
    match error {
        PatternError::TooLarge { .. } | PatternError::TooMuch { .. } => true,
        PatternError::Invalid { reason } => {
            reasons.iter().any(|allowed| reason.starts_with(allowed))
        }
        _ => false,
    }
}

/// Panics unless a type reads what it prints.
pub(crate) fn check_text(wanted: &DataType) {
    let printed = wanted.to_string();
    if printed.len() <= TYPE_BYTES_MAX {
        let again = printed.parse::<DataType>();
        assert_eq!(again.as_ref(), Ok(wanted), "{printed}");
    }
}

fn check_value(wanted: &DataType, value: &Value, aliases: &TypeAliases) {
    let accepts = wanted.accepts(value, aliases);
    for sensitive in [false, true] {
        let found = wanted.mismatches("p", value, aliases, sensitive);
        assert_eq!(accepts, found.is_empty(), "{wanted} {value}");
        assert!(found.len() <= MISMATCHES_MAX);
        for mismatch in found {
            assert!(mismatch.to_string().starts_with("p "), "{mismatch}");
        }
    }
}

fn check_secret(wanted: &DataType, value: &Value, aliases: &TypeAliases) {
    let printed = wanted.to_string();
    let number = CANARY_NUMBER.to_string();
    if printed.contains(CANARY) || printed.contains(&number) {
        return;
    }
    for mismatch in wanted.mismatches("p", value, aliases, true) {
        let told = mismatch.to_string();
        assert!(!told.contains(CANARY) && !told.contains(&number), "{told}");
    }
    if wanted.is_sensitive(aliases) {
        let told = wanted.mismatches("p", value, aliases, false);
        assert_eq!(told, wanted.mismatches("p", value, aliases, true));
    }
}

/// The value with the canaries in its texts, its numbers and, unless they are kept, its keys.
fn planted(value: &Value, keeps_keys: bool) -> Value {
    match value {
        Value::Null | Value::Bool(_) => value.clone(),
        Value::Number(number) if number.is_f64() => Value::from(735_197_351.5),
        Value::Number(_) => Value::from(CANARY_NUMBER),
        Value::String(text) => Value::from(format!("{text}{CANARY}")),
        Value::Array(items) => items.iter().map(|item| planted(item, keeps_keys)).collect(),
        Value::Object(entries) => {
            let key = |key: &String| {
                if keeps_keys {
                    key.clone()
                } else {
                    format!("{key}{CANARY}")
                }
            };
            let entries = entries
                .iter()
                .map(|(name, value)| (key(name), planted(value, keeps_keys)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
    }
}
