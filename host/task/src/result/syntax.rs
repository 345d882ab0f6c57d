//! Looks at the marks of JSON text where the parser gave up: is it one object, and which words are in it?
//!
//! Text that a task meant as its result may be refused all the same, by its depth, by half of a surrogate pair or by a
//! word such as `NaN`. What was meant must not be lost with it: an error would pass for success, and a secret for
//! ordinary output. Nothing here recurses, so that no depth of nesting is too much.

/// What is written in place of a surrogate without its other half.
const REPLACEMENT: &str = "\\ufffd";

/// Whether `text` is one object by its brackets, keys, colons and commas. Depth is not limited, and the other words
/// in it are not looked at.
pub(super) fn is_object(text: &str) -> bool {
    scan(text).is_some()
}

/// `text` with `\ufffd` for each surrogate escape that lacks its other half, such as Python writes for a byte that is
/// no UTF-8; `None` where there is none.
pub(super) fn without_lone_surrogates(text: &str) -> Option<String> {
    let mut mended = String::with_capacity(text.len());
    let (mut rest, mut found) = (text, false);
    while let Some(place) = rest.find('\\') {
        let (before, escape) = rest.split_at(place);
        mended.push_str(before);
        let length = match (code_unit(escape), escape.get(6..).and_then(code_unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                found = true;
                mended.push_str(REPLACEMENT);
                rest = escape.get(6..).unwrap_or_default();
                continue;
            }
            _ => escape.chars().take(2).map(char::len_utf8).sum(),
        };
        let (whole, after) = escape.split_at_checked(length).unwrap_or((escape, ""));
        mended.push_str(whole);
        rest = after;
    }
    mended.push_str(rest);
    found.then_some(mended)
}

/// Whether `word` stands anywhere in `text`, be it spelled with escapes such as `\u005f`.
pub(super) fn mentions(text: &str, word: &str) -> bool {
    if text.contains(word) {
        return true;
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find("\\u") {
        let (before, escape) = rest.split_at(place);
        plain.push_str(before);
        let letter = code_unit(escape).and_then(char::from_u32);
        plain.extend(letter);
        rest = escape
            .get(if letter.is_some() { 6 } else { 2 }..)
            .unwrap_or_default();
    }
    plain.push_str(rest);
    plain.contains(word)
}

/// The number in `\uXXXX`, with which `text` begins.
fn code_unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let are_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|_| are_hex)
}

/// What may come next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
}

/// Goes over one object and nothing else; `None` where a mark is out of place.
fn scan(text: &str) -> Option<()> {
    let mut rest = text.as_bytes().trim_ascii_start().strip_prefix(b"{")?;
    let (mut next, mut open) = (Next::KeyOrEnd, vec![b'}']);
    while let Some(end) = open.last().copied() {
        rest = rest.trim_ascii_start();
        let (first, after) = rest.split_first()?;
        (next, rest) = match (next, first) {
            (Next::Value | Next::ValueOrEnd, b'{') => {
                open.push(b'}');
                (Next::KeyOrEnd, after)
            }
            (Next::Value | Next::ValueOrEnd, b'[') => {
                open.push(b']');
                (Next::ValueOrEnd, after)
            }
            (Next::KeyOrEnd | Next::ValueOrEnd | Next::CommaOrEnd, mark) if *mark == end => {
                open.pop();
                (Next::CommaOrEnd, after)
            }
            (Next::Key | Next::KeyOrEnd, b'"') => (Next::Colon, behind_string(after)?),
            (Next::Colon, b':') => (Next::Value, after),
            (Next::CommaOrEnd, b',') if end == b'}' => (Next::Key, after),
            (Next::CommaOrEnd, b',') => (Next::Value, after),
            (Next::Value | Next::ValueOrEnd, b'"') => (Next::CommaOrEnd, behind_string(after)?),
            (Next::Value | Next::ValueOrEnd, _) => (Next::CommaOrEnd, behind_word(rest)?),
            _ => return None,
        };
    }
    rest.trim_ascii_start().is_empty().then_some(())
}

/// What follows the string whose opening quote was before `text`.
fn behind_string(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    loop {
        rest = match rest.split_first()? {
            (b'"', after) => return Some(after),
            (b'\\', after) => after.split_first()?.1,
            (0..=0x1f, _) => return None,
            (_, after) => after,
        };
    }
}

/// What follows the number, or the word such as `true`, at the start of `text`.
fn behind_word(text: &[u8]) -> Option<&[u8]> {
    let is_in_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._".contains(byte);
    let length = text.iter().take_while(|byte| is_in_word(byte)).count();
    text.get(length..).filter(|_| length > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_told_by_its_marks_at_any_depth() {
        let deep = format!("{{\"a\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let good = [
            "{}",
            " {\"a\": [1, {\"b\": \"]}\\\"\"}, []], \"c\": NaN}\n",
            "{\"a\": 1e999, \"\\udce9\": -Infinity}",
            &deep,
        ];
        for text in good {
            assert!(is_object(text), "{text:.60}");
        }
        for text in [
            "",
            "{",
            "[]",
            "{}x",
            "{} {}",
            "{\"a\"}",
            "{\"a\" => 1}",
            "{'a': 1}",
            "{\"a\": 1,}",
            "{a: 1}",
            "{\"a\": [1}}",
            "{\"a\": 1]",
            "{\"a\": \"\n\"}",
            "{\"a\": \"b}",
            "{\"a\": 1 2}",
            "{\"a\":: 1}",
        ] {
            assert!(!is_object(text), "{text}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_replaced_and_nothing_else() {
        for (text, wanted) in [
            ("\"\\udce9\"", Some("\"\\ufffd\"")),
            (
                "\\ud83d\\ude00 \\ud83d\\ud83d\\ude00",
                Some("\\ud83d\\ude00 \\ufffd\\ud83d\\ude00"),
            ),
            ("\\ude00\\ud83d", Some("\\ufffd\\ufffd")),
            ("\\ud83dx", Some("\\ufffdx")),
            ("\\\\udce9", None),
            ("\\u00e9\\ud83d\\ude00é\\é\\", None),
            ("\\u+123\\ud8", None),
        ] {
            assert_eq!(without_lone_surrogates(text).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn a_word_is_found_however_it_is_spelled() {
        for text in [
            "{\"_sensitive\": 1",
            "\\u005fsensitive",
            "_\\u0073ensitiv\\u0065",
            "\\u\\u005Fsensitive",
        ] {
            assert!(mentions(text, "_sensitive"), "{text}");
        }
        assert!(!mentions("sensitive \\u005", "_sensitive"));
    }
}
