//! Types put around a type, and what follows for the values that they accept.

use host_task::types::{DataType, TypeAliases};
use serde_json::{Value, json};

/// Longest type that is put into others, in bytes: the limits of depth and parts are not what is tested here.
const INNER_BYTES_MAX: usize = 400;

/// Deepest nesting of brackets in it.
const INNER_BRACKETS_MAX: usize = 12;

/// Panics when a type around `inner` accepts other values than it must.
pub(super) fn check(inner: &DataType, value: &Value, aliases: &TypeAliases) {
    let printed = inner.to_string();
    let brackets = printed.matches(['[', '{']).count();
    if printed.len() > INNER_BYTES_MAX || brackets > INNER_BRACKETS_MAX {
        return;
    }
    let accepts = inner.accepts(value, aliases);
    let undef = inner.accepts_undef(aliases);
    let pair = json!([value, value]);
    let entry = json!({ "key": value });
    let cases = [
        ("Optional[T]", value, accepts || value.is_null()),
        ("Variant[T, Undef]", value, accepts || value.is_null()),
        (
            "Variant[Enum['no such value'], T]",
            value,
            accepts || *value == "no such value",
        ),
        ("NotUndef[T]", value, accepts && !value.is_null()),
        ("Sensitive[T]", value, accepts),
        ("Array[T]", &pair, accepts),
        ("Array[T, 3]", &pair, false),
        ("Iterable[T]", &pair, accepts),
        ("Tuple[T, T]", &pair, accepts),
        ("Tuple[T, 1, 2]", &pair, accepts),
        ("Tuple[T]", &pair, false),
        ("Hash[String, T]", &entry, accepts),
        ("Hash[Integer, T]", &entry, false),
        ("Struct[{key => T}]", &entry, accepts),
        ("Struct[{Optional[key] => T}]", &entry, accepts),
        ("Struct[{other => Optional[T]}]", &entry, false),
        ("Struct[{key => T, other => T}]", &entry, accepts && undef),
        ("Struct[{key => T, NotUndef[other] => T}]", &entry, false),
    ];
    for (form, value, wanted) in cases {
        let text = form
            .replace('T', "\0")
            .replace("\0uple", "Tuple")
            .replace('\0', &printed);
        let outer: DataType = text.parse().expect("a type around a type");
        assert_eq!(outer.accepts(value, aliases), wanted, "{text} {value}");
    }
}
