//! Looks at the keys of JSON text: at a name that the parser keeps for itself, and at names that stand twice.
//!
//! The parser hands numbers on as objects with one key of its own. An object of a stranger that has this key would be
//! taken for a number, so no object may have it. Nothing here recurses, and text that is no JSON does no harm.

use std::collections::BTreeSet;

/// The key by which the parser knows a number again.
const RESERVED: &str = "$serde_json::private::Number";

/// Whether an object in `text` has the key that the parser keeps for itself.
pub(super) fn has_reserved(text: &str) -> bool {
    let may_have = text.contains(RESERVED) || text.contains("\\u");
    may_have
        && marks(text)
            .any(|mark| matches!(mark, Mark::Key(key) if name(key).as_deref() == Some(RESERVED)))
}

/// The first key that stands twice in one object of `text`.
pub(super) fn repeated(text: &str) -> Option<String> {
    let mut open: Vec<BTreeSet<String>> = Vec::new();
    for mark in marks(text) {
        match mark {
            Mark::Open => open.push(BTreeSet::new()),
            Mark::Close => drop(open.pop()),
            Mark::Key(key) => {
                let key = name(key)?;
                if let Some(keys) = open.last_mut()
                    && !keys.insert(key.clone())
                {
                    return Some(key);
                }
            }
        }
    }
    None
}

/// What a key between its quotes says.
fn name(quoted: &str) -> Option<String> {
    serde_json::from_str(quoted).ok()
}

/// A mark outside of the values.
enum Mark<'t> {
    Open,
    Close,
    /// With its quotes.
    Key(&'t str),
}

fn marks(text: &str) -> impl Iterator<Item = Mark<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let start = rest.find(['{', '[', '}', ']', '"'])?;
            let (mark, after) = rest.get(start..)?.split_at_checked(1)?;
            rest = after;
            match mark {
                "{" | "[" => return Some(Mark::Open),
                "}" | "]" => return Some(Mark::Close),
                _ => {}
            }
            let end = string_end(after)?;
            let from_quote = text.get(text.len() - after.len() - 1..)?;
            rest = after.get(end..)?;
            if rest.trim_ascii_start().starts_with(':') {
                return from_quote.get(..=end).map(Mark::Key);
            }
        }
    })
}

/// Where the string ends, behind its closing quote, that begins with `text`.
fn string_end(text: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let found = from + text.get(from..)?.find(['"', '\\'])?;
        if text.as_bytes().get(found) == Some(&b'"') {
            return Some(found + 1);
        }
        let escaped = text.get(found + 1..)?.chars().next()?;
        from = found + 1 + escaped.len_utf8();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserved_key_is_found_however_it_is_spelled_and_only_as_a_key() {
        for text in [
            r#"{"$serde_json::private::Number": "12"}"#,
            r#"{"a": [{"b\"": 1, "\u0024serde_json::private::Number" : 1}]}"#,
            r#"{"$serde_json::private::Number": "#,
        ] {
            assert!(has_reserved(text), "{text}");
        }
        for text in [
            r#"{"a": "$serde_json::private::Number"}"#,
            r#"["$serde_json::private::Number"]"#,
            r#"{"a": "{\"$serde_json::private::Number\": 1}"}"#,
            r#"{"serde_json::private::Number": 1, "\u"#,
            "\\",
            "\"\\",
        ] {
            assert!(!has_reserved(text), "{text}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_in_one_object_is_named() {
        for (text, key) in [
            (r#"{"a": 1, "b": 2, "\u0061": 3}"#, Some("a")),
            (r#"[{"x": {"é": "}", "é": 1}}]"#, Some("é")),
            (r#"{"a": {"a": [{"a": "a"}, {"a": 1}]}, "b": "a"}"#, None),
            ("]}{", None),
        ] {
            assert_eq!(repeated(text).as_deref(), key, "{text}");
        }
    }
}
