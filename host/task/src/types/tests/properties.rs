//! What holds for all types, texts and values.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::types::pattern::{Pattern, Patterns};
use crate::types::{DataType, PatternError, TypeAliases};

/// Texts of types of every form.
fn type_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec![
            "Any",
            "Data",
            "Undef",
            "Default",
            "Scalar",
            "ScalarData",
            "Numeric",
            "Boolean",
            "Boolean[true]",
            "Integer",
            "Float",
            "String",
            "Collection[1, 2]",
            "Pattern",
            "Enum",
            "Struct",
            "Tuple",
            "Variant",
            "Timestamp['x']",
            "Stdlib::Port",
            "Stdlib::Absolutepath",
            "No::Such",
            "Iterable",
            "Callable[[String], Integer]",
        ])
        .prop_map(str::to_owned),
        (0_u8..9, 0_u8..9).prop_map(|(min, more)| format!("String[{min}, {}]", min + more)),
        (-9_i64..9, 0_i64..9).prop_map(|(min, more)| format!("Integer[{min}, {}]", min + more)),
        (-1e9_f64..1e9).prop_map(|min| format!("Float[{min:?}]")),
        prop::collection::vec(
            "[a-z][a-z_-]{0,3}[a-z]|'[^'\\\\]{0,4}'|\"[^\"\\\\$]{0,4}\"",
            1..4
        )
        .prop_map(|words| format!("Enum[{}]", words.join(", "))),
        "[ab./ \\[\\]]{0,3}"
            .prop_filter("a pattern", |text| Pattern::new(text).is_ok())
            .prop_map(|text| format!("Pattern['{text}']")),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let many = prop::collection::vec(inner.clone(), 1..3);
        prop_oneof![
            (
                prop::sample::select(vec![
                    "Optional",
                    "NotUndef",
                    "Sensitive",
                    "Iterable",
                    "Array"
                ]),
                inner.clone()
            )
                .prop_map(|(name, inner)| format!("{name}[{inner}]")),
            (inner.clone(), 0_u8..3).prop_map(|(inner, min)| format!("Array[{inner}, {min}]")),
            (inner.clone(), inner.clone())
                .prop_map(|(key, value)| format!("Hash[{key}, {value}, 0, 3]")),
            (many.clone(), prop::option::of(0_u8..3)).prop_map(|(types, min)| {
                format!(
                    "Tuple[{}{}]",
                    types.join(", "),
                    min.map_or(String::new(), |min| format!(", {min}"))
                )
            }),
            many.prop_map(|types| format!("Variant[{}]", types.join(", "))),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!(
                "Struct[{{a => {a}, Optional[b] => {b}, NotUndef['c'] => {c}}}]"
            )),
        ]
    })
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-10_i64..10).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-2.0_f64..2.0).prop_map(Value::from),
        "[ab./A\\n]{0,3}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec(("[abcd]", inner), 0..3)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Whether a pattern that was translated may still fail to compile for this reason: the translation knows neither
/// the names of properties nor what a repetition follows, nor how large a pattern becomes.
fn is_allowed(error: &PatternError) -> bool {
    match error {
        PatternError::TooLarge { .. } => true,
        PatternError::Invalid { reason } => [
            "Unicode property not found",
            "Unicode property value not found",
            "repetition operator missing expression",
            "exceeded the maximum number of nested parentheses/brackets",
        ]
        .iter()
        .any(|allowed| reason.starts_with(allowed)),
        _ => false,
    }
}

proptest! {
    #[test]
    fn a_printed_type_reads_back_as_itself(text in type_text()) {
        let wanted: DataType = text.parse().expect("a type");
        let printed = wanted.to_string();
        prop_assert_eq!(printed.parse::<DataType>().expect("printed"), wanted, "`{}`", printed);
    }

    #[test]
    fn a_value_is_accepted_exactly_if_nothing_is_said_against_it(text in type_text(), value in value(), sensitive: bool) {
        let (wanted, aliases) = (text.parse::<DataType>().expect("a type"), TypeAliases::builtin());
        let found = wanted.mismatches("p", &value, &aliases, sensitive);
        prop_assert_eq!(wanted.accepts(&value, &aliases), found.is_empty());
        prop_assert!(found.len() <= 16);
    }

    #[test]
    fn nothing_of_a_secret_is_told(text in type_text(), canary in "[A-Z]{12}") {
        let (wanted, aliases) = (text.parse::<DataType>().expect("a type"), TypeAliases::builtin());
        let mut nested = serde_json::Map::new();
        nested.insert(canary.clone(), json!([canary]));
        for value in [json!(canary), json!([canary, {"a": canary}]), Value::Object(nested)] {
            for mismatch in wanted.mismatches("p", &value, &aliases, true) {
                prop_assert!(!mismatch.to_string().contains(&canary), "{}", mismatch);
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*|[A-Za-z\\[\\]{}'\"/,=>0-9:\\\\ \\n-]{0,60}") {
        if let Ok(wanted) = text.parse::<DataType>() {
            prop_assert_eq!(wanted.to_string().parse::<DataType>().expect("printed"), wanted);
        }
        let files = [("m/types/x.pp", text.as_str())];
        let mut refused = 0;
        let aliases = TypeAliases::with_module_types(files.into_iter(), &mut |_, _| refused += 1).expect("one alias");
        prop_assert!(refused <= 1 && aliases.unusable().count() <= 1 - refused);
    }

    #[test]
    fn any_pattern_is_translated_or_refused(source in "\\PC{0,20}|[ab()\\[\\]{}?*+|^$.\\\\&:<>=!,0-9imx#pPhdwsuAZz\\n -]{0,24}") {
        if let Ok(pattern) = Pattern::new(&source) {
            if let Err(error) = Patterns::default().compiled(&pattern) {
                prop_assert!(is_allowed(&error), "`{}`: {}", source, error);
            }
            let again = format!("Pattern[{}]", pattern.delimited()).parse::<DataType>().expect("delimited");
            prop_assert_eq!(again.to_string(), format!("Pattern[{}]", pattern.delimited()));
        }
    }

    #[test]
    fn a_literal_in_brackets_or_outside_matches_itself(text in "\\PC{1,8}") {
        let escaped: String = text.chars().flat_map(|c| if c.is_alphanumeric() { vec![c] } else { vec!['\\', c] }).collect();
        let outside = Pattern::new(&format!("^{escaped}$")).expect("a literal");
        let patterns = Patterns::default();
        let is_match = |pattern: &Pattern, text: &str| patterns.compiled(pattern).is_ok_and(|compiled| compiled.is_match(text));
        prop_assert!(is_match(&outside, &text));
        let class = Pattern::new(&format!("^[{escaped}]+$")).expect("a class");
        prop_assert!(is_match(&class, &text));
        let more = text + "\n";
        prop_assert!(!is_match(&outside, &more) && !is_match(&class, &more));
    }
}
