//! Which values each type accepts, and what is said of the others.

use serde_json::{Value, json};

use super::{check, parsed, verdict};
use crate::types::TypeAliases;

#[test]
fn plain_types_accept_their_own_values_only() {
    check(&[
        ("Any", "null", "ok"),
        ("Any", "[1]", "ok"),
        ("Data", r#"{"a": [1, null, 1.5, "x", true]}"#, "ok"),
        ("RichData", r#"{"a": []}"#, "ok"),
        ("Undef", "null", "ok"),
        ("Undef", "1", "expects an Undef value, got Integer"),
        ("Default", "null", "expects a Default value, got Undef"),
        ("Scalar", "true", "ok"),
        ("ScalarData", "1.5", "ok"),
        ("ScalarData", "[]", "expects a ScalarData value, got Array"),
        ("Numeric", "1", "ok"),
        ("Numeric", "1.0", "ok"),
        ("Numeric", "\"1\"", "expects a Numeric value, got String"),
        ("Boolean", "false", "ok"),
        ("Boolean", "\"true\"", "expects a Boolean value, got String"),
        (
            "Boolean[true]",
            "false",
            "expects a Boolean[true] value, got Boolean[false]",
        ),
        ("Integer", "1", "ok"),
        ("Integer", "18446744073709551615", "ok"),
        ("Integer", "18446744073709551616", "ok"),
        ("Integer", "-9223372036854775809", "ok"),
        ("Integer[0, 0]", "-0", "ok"),
        ("Numeric", "18446744073709551616", "ok"),
        (
            "Float",
            "18446744073709551616",
            "expects a Float value, got Integer",
        ),
        ("Integer", "1.0", "expects an Integer value, got Float"),
        ("Integer", "\"1\"", "expects an Integer value, got String"),
        ("Integer[1, 10]", "10", "ok"),
        (
            "Integer[1, 10]",
            "20",
            "expects an Integer[1, 10] value, got Integer[20, 20]",
        ),
        (
            "Integer[default, 9223372036854775807]",
            "9223372036854775808",
            "expects an Integer[default, 9223372036854775807] value, got Integer[9223372036854775808, 9223372036854775808]",
        ),
        ("Float", "1.0", "ok"),
        ("Float", "1", "expects a Float value, got Integer"),
        ("Float[0, 1.5]", "1e0", "ok"),
        (
            "Float[0.0, 1.5]",
            "2.5",
            "expects a Float[0.0, 1.5] value, got Float[2.5, 2.5]",
        ),
        ("Regexp[/a/]", "\"a\"", "expects a Regexp value, got String"),
        (
            "Timestamp",
            "\"2000-01-01\"",
            "expects a Timestamp value, got String",
        ),
        (
            "Type[String]",
            "\"String\"",
            "expects a Type value, got String",
        ),
    ]);
}

#[test]
fn strings_are_measured_in_characters() {
    check(&[
        ("String", "\"\"", "ok"),
        ("String", "1", "expects a String value, got Integer"),
        ("String[1]", "\"\"", "expects a String[1] value, got String"),
        ("String[3, 3]", "\"äöü\"", "ok"),
        (
            "String[0, 2]",
            "\"äöü\"",
            "expects a String[0, 2] value, got String",
        ),
        ("Enum['a', 'b']", "\"b\"", "ok"),
        (
            "Enum['a', 'b']",
            "\"c\"",
            "expects a match for Enum['a', 'b'], got 'c'",
        ),
        (
            "Enum['a', 'b']",
            "1",
            "expects a match for Enum['a', 'b'], got Integer",
        ),
        (
            "Enum['a', 'b']",
            "\"A\"",
            "expects a match for Enum['a', 'b'], got 'A'",
        ),
        ("Enum['a', 'b', true]", "\"A\"", "ok"),
        ("Enum", "\"a\"", "expects a match for Enum, got 'a'"),
        ("Pattern", "\"a\"", "ok"),
        ("Pattern[/b/, 'd']", "\"abc\"", "ok"),
        (
            "Pattern[/\\Ab\\z/]",
            "\"abc\"",
            "expects a match for Pattern[/\\Ab\\z/], got 'abc'",
        ),
        (
            "Optional[Pattern[/b/]]",
            "\"x\"",
            "expects an undef value or a match for Pattern[/b/], got 'x'",
        ),
    ]);
}

#[test]
fn wrappers_allow_or_refuse_undef() {
    check(&[
        ("Optional[Integer]", "null", "ok"),
        (
            "Optional[Integer[1]]",
            "0",
            "expects a value of type Undef or Integer[1], got Integer[0, 0]",
        ),
        (
            "Optional[Integer[1]]",
            "\"x\"",
            "expects a value of type Undef or Integer, got String",
        ),
        (
            "Optional['on']",
            "\"off\"",
            "expects an undef value or a match for Enum['on'], got 'off'",
        ),
        ("NotUndef", "null", "expects a NotUndef value, got Undef"),
        (
            "NotUndef[String]",
            "null",
            "expects a String value, got Undef",
        ),
        (
            "NotUndef[Optional[String]]",
            "null",
            "expects a NotUndef[Optional] value, got Undef",
        ),
        (
            "NotUndef[Optional[String]]",
            "1",
            "expects a value of type Undef or String, got Integer",
        ),
        ("NotUndef['x']", "\"x\"", "ok"),
        ("Sensitive[String[1]]", "\"x\"", "ok"),
        ("Optional[Sensitive[String[1]]]", "null", "ok"),
    ]);
}

#[test]
fn containers_say_which_part_is_wrong() {
    check(&[
        ("Array", "[1, null]", "ok"),
        ("Array", "{}", "expects an Array value, got Hash"),
        (
            "Array[String]",
            "\"x\"",
            "expects an Array value, got String",
        ),
        (
            "Array[String]",
            "[\"a\", 1]",
            "index 1 expects a String value, got Integer",
        ),
        (
            "Array[String, 1, 3]",
            "[]",
            "expects size to be between 1 and 3, got 0",
        ),
        (
            "Array[String, 1]",
            "[]",
            "expects size to be at least 1, got 0",
        ),
        (
            "Array[0, 1]",
            "[1, 2]",
            "expects size to be at most 1, got 2",
        ),
        ("Hash", "{}", "ok"),
        ("Hash", "[1]", "expects a Hash value, got Tuple"),
        ("Hash[Integer, Any]", "{}", "ok"),
        (
            "Hash[Integer, Any]",
            r#"{"1": 2}"#,
            "key of entry '1' expects an Integer value, got String",
        ),
        (
            "Hash[String, Array[Integer]]",
            r#"{"a": [1, "x"]}"#,
            "entry 'a' index 1 expects an Integer value, got String",
        ),
        (
            "Hash[String, Any, 2, 2]",
            r#"{"a": 1}"#,
            "expects size to be 2, got 1",
        ),
        (
            "Collection[1]",
            "[]",
            "expects a Collection[1] value, got Array",
        ),
        ("Collection[1]", r#"{"a": 1}"#, "ok"),
        ("Collection", "1", "expects a Collection value, got Integer"),
        ("Iterable", "3", "ok"),
        ("Iterable", "-3", "expects an Iterable value, got Integer"),
        ("Iterable", "\"text\"", "ok"),
        ("Iterable[Integer]", "[1]", "ok"),
        (
            "Iterable[Integer]",
            "[\"a\"]",
            "expects an Iterable[Integer] value, got Tuple",
        ),
        ("Tuple[String, Integer]", "[\"a\", 1]", "ok"),
        (
            "Tuple[String, Integer]",
            "[\"a\"]",
            "expects size to be 2, got 1",
        ),
        ("Tuple[String, Integer, 1, 3]", "[\"a\", 1, 2]", "ok"),
        (
            "Tuple[String, Integer, 1, 3]",
            "[\"a\", 1, \"b\"]",
            "index 2 expects an Integer value, got String",
        ),
        ("Tuple", "[1, 2]", "ok"),
    ]);
}

#[test]
fn structs_know_missing_and_unknown_keys() {
    let point = "Struct[{x => Integer, Optional[y] => Integer, z => Optional[Integer], NotUndef[n] => Any}]";
    check(&[
        (point, r#"{"x": 1, "n": null}"#, "ok"),
        (point, r#"{"x": 1, "y": 2, "z": null, "n": 1}"#, "ok"),
        (
            point,
            r#"{"x": 1, "y": null, "n": 1}"#,
            "entry 'y' expects an Integer value, got Undef",
        ),
        (point, r#"{"n": 1}"#, "expects a value for key 'x'"),
        (
            point,
            "{}",
            "expects a value for key 'x'; expects a value for key 'n'",
        ),
        (point, r#"{"x": 1, "n": 1, "w": 2}"#, "unrecognized key 'w'"),
        (
            point,
            r#"{"x": "a", "n": 1}"#,
            "entry 'x' expects an Integer value, got String",
        ),
        (point, "[1]", "expects a Struct value, got Tuple"),
        ("Struct", "{}", "ok"),
    ]);
}

#[test]
fn variants_join_what_fails_alike() {
    check(&[
        ("Variant", "1", "expects a Variant value, got Integer"),
        (
            "Variant[String, Integer]",
            "true",
            "expects a value of type String or Integer, got Boolean",
        ),
        (
            "Variant[String, Undef]",
            "1",
            "expects a value of type Undef or String, got Integer",
        ),
        (
            "Variant[String, String[2]]",
            "1",
            "expects a String value, got Integer",
        ),
        (
            "Variant[Integer[1, 2], Integer[5, 6]]",
            "9",
            "expects a value of type Integer[1, 2] or Integer[5, 6], got Integer[9, 9]",
        ),
        (
            "Variant[Enum[a], Enum[b]]",
            "\"c\"",
            "expects a match for Variant[Enum['a'], Enum['b']], got 'c'",
        ),
        (
            "Variant[Boolean,Enum['true','false']]",
            "\"x\"",
            "expects a value of type Boolean or Enum['true', 'false'], got String",
        ),
        (
            "Optional[Variant[String[1], Array[String[1]]]]",
            "5",
            "expects a value of type Undef, String, or Array, got Integer",
        ),
        (
            "Variant[Array[String, 1, 2], Array[Integer, 4, 5]]",
            "[]",
            "expects size to be between 1 and 5, got 0",
        ),
        (
            "Variant[Array[Integer], Array[Boolean]]",
            "[\"x\"]",
            "index 0 expects a value of type Integer or Boolean, got String",
        ),
        (
            "Variant[Array[Integer], String]",
            "[\"x\"]",
            "variant 0 index 0 expects an Integer value, got String; variant 1 expects a String value, got Tuple",
        ),
    ]);
}

#[test]
fn a_path_begins_every_sentence() {
    let aliases = TypeAliases::builtin();
    let found = parsed("Array[Integer]").mismatches(
        "parameter 'p'",
        &json!(["a", 1, true]),
        &aliases,
        false,
    );
    let texts: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "parameter 'p' index 0 expects an Integer value, got String",
            "parameter 'p' index 2 expects an Integer value, got Boolean",
        ]
    );
}

#[test]
fn no_more_than_sixteen_reasons_are_given() {
    let aliases = TypeAliases::builtin();
    let many = Value::Array(vec![json!("x"); 1_000]);
    assert_eq!(
        parsed("Array[Integer]")
            .mismatches("", &many, &aliases, false)
            .len(),
        16
    );
    let keys: serde_json::Map<_, _> = (0..1_000).map(|key| (key.to_string(), json!(1))).collect();
    assert_eq!(
        parsed("Struct[{a => Any}]")
            .mismatches("", &Value::Object(keys), &aliases, false)
            .len(),
        16
    );
}

#[test]
fn secrets_do_not_appear_in_messages() {
    let aliases = TypeAliases::builtin();
    let rows = [
        (
            "Enum['a']",
            r#""canary""#,
            "expects a match for Enum['a'], got String",
        ),
        (
            "Pattern[/\\A\\d+\\z/]",
            r#""canary""#,
            "expects a match for Pattern[/\\A\\d+\\z/], got String",
        ),
        (
            "Integer[1, 2]",
            "424242",
            "expects an Integer[1, 2] value, got Integer",
        ),
        (
            "Float[1, 2]",
            "4.25",
            "expects a Float[1.0, 2.0] value, got Float",
        ),
        (
            "Boolean[true]",
            "false",
            "expects a Boolean[true] value, got Boolean",
        ),
        (
            "String[100]",
            r#""canary""#,
            "expects a String[100] value, got String",
        ),
        (
            "String",
            r#"["canary"]"#,
            "expects a String value, got Array",
        ),
        ("String", "[]", "expects a String value, got Array"),
        (
            "Array[Integer]",
            r#"[1, "canary", "canary"]"#,
            "an element expects an Integer value, got String",
        ),
        (
            "Array[Any, 3]",
            r#"["canary"]"#,
            "expects size to be at least 3",
        ),
        (
            "Hash[Integer, Integer]",
            r#"{"canary": "x"}"#,
            "a key expects an Integer value, got String; an entry expects an Integer value, got String",
        ),
        (
            "Struct[{a => String}]",
            r#"{"canary": 1}"#,
            "expects a value for key 'a'; has an unrecognized key",
        ),
    ];
    for (wanted, json, expected) in rows {
        assert_eq!(
            verdict(&parsed(wanted), json, &aliases, true),
            expected,
            "`{wanted}`"
        );
        // The type itself can say it too, without help by the caller.
        let sensitive = parsed(&format!("Sensitive[{wanted}]"));
        assert_eq!(
            verdict(&sensitive, json, &aliases, false),
            expected,
            "`{sensitive}`"
        );
    }
}

#[test]
fn sensitive_is_found_wherever_it_stands() {
    let aliases = TypeAliases::builtin();
    let rows = [
        ("Sensitive", true),
        ("Sensitive[String]", true),
        ("Optional[Sensitive[String[1]]]", true),
        ("Variant[String, Sensitive[String]]", true),
        ("Struct[{password => Sensitive[String]}]", true),
        ("Stdlib::File::Content", true),
        ("Optional[String]", false),
        ("Stdlib::Port", false),
    ];
    for (text, expected) in rows {
        assert_eq!(parsed(text).is_sensitive(&aliases), expected, "`{text}`");
    }
}

#[test]
fn undef_decides_what_is_optional() {
    let aliases = TypeAliases::builtin();
    let rows = [
        ("Optional[String]", true),
        ("Any", true),
        ("Data", true),
        ("Undef", true),
        ("Variant[String, Undef]", true),
        ("Optional[Sensitive[String]]", true),
        ("Stdlib::Compat::String", true),
        ("String", false),
        ("NotUndef", false),
        ("Sensitive[String]", false),
        ("Unknown::Name", false),
    ];
    for (text, expected) in rows {
        assert_eq!(parsed(text).accepts_undef(&aliases), expected, "`{text}`");
    }
}

#[test]
fn foreign_text_cannot_deceive_the_reader() {
    check(&[
        (
            "Enum['a']",
            r#""x\u001b[2J\u202ey""#,
            "expects a match for Enum['a'], got 'x\\u{1b}[2J\\u{202e}y'",
        ),
        ("Struct", r#"{"a\nb": 1}"#, "unrecognized key 'a\\u{a}b'"),
        (
            "Hash[Any, Integer]",
            r#"{"k\r": "v"}"#,
            "entry 'k\\u{d}' expects an Integer value, got String",
        ),
    ]);
    let long = format!("\"{}\"", "x".repeat(100_000));
    assert!(verdict(&parsed("Enum['a']"), &long, &TypeAliases::builtin(), false).len() < 300);
}

#[test]
fn hints_see_through_wrappers_and_aliases() {
    let aliases = TypeAliases::builtin();
    let rows = [
        ("Optional[String[1]]", "STRING", None, false, false),
        (
            "Optional[Enum[a, b]]",
            "STRING",
            Some(vec!["a", "b"]),
            false,
            false,
        ),
        (
            "Stdlib::Ensure::Service",
            "STRING",
            Some(vec!["stopped", "running"]),
            false,
            false,
        ),
        ("Optional[Boolean]", "BOOLEAN", None, true, false),
        ("Stdlib::Compat::Bool", "BOOLEAN", None, true, false),
        ("Optional[Array[String]]", "LIST", None, false, true),
        ("Stdlib::Port", "INTEGER", None, false, false),
        ("Hash", "HASH", None, false, false),
        ("Numeric", "NUMBER", None, false, false),
        ("Stdlib::Absolutepath", "STRING", None, false, false),
        ("Variant[Integer, Boolean]", "VALUE", None, false, false),
        ("Unknown::Name", "VALUE", None, false, false),
    ];
    for (text, name, values, boolean, array) in rows {
        let wanted = parsed(text);
        assert_eq!(wanted.value_name(&aliases), name, "`{text}`");
        assert_eq!(wanted.enum_values(&aliases), values, "`{text}`");
        assert_eq!(
            (wanted.is_boolean(&aliases), wanted.is_array(&aliases)),
            (boolean, array),
            "`{text}`"
        );
    }
}
