//! Prints strings that others chose so that they cannot act on a terminal or deceive a reader.
//!
//! Escaping is for people only; what is stored or signed stays as it was.

use std::fmt::{self, Write as _};

/// A foreign string, printed with every control, bidirectional and otherwise invisible character as `\u{..}`.
///
/// A backslash is doubled, so that the escapes cannot be imitated.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if character == '\\' {
                out.write_str("\\\\")?;
            } else if is_hidden(character) {
                write!(out, "\\u{{{:x}}}", u32::from(character))?;
            } else {
                out.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// Whether a character shows nothing, moves the cursor or changes the order of what is around it.
#[must_use]
pub fn is_hidden(character: char) -> bool {
    let invisible = matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{10ffff}');
    // A space other than the ordinary one can hide the end of a name.
    let odd_space = character.is_whitespace() && character != ' ';
    character.is_control() || invisible || odd_space
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_shown_as_it_is() {
        for text in ["", "service 1.4.0", "größe 大きさ", "it's \"quoted\""] {
            assert_eq!(Shown(text).to_string(), text);
        }
    }

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        for (text, shown) in [
            ("a\nb", "a\\u{a}b"),
            ("\u{1b}[31m", "\\u{1b}[31m"),
            ("\u{202e}gpj.exe", "\\u{202e}gpj.exe"),
            ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"),
            ("a\u{200b}b", "a\\u{200b}b"),
            ("a\u{a0}b", "a\\u{a0}b"),
            ("tag\u{e0041}", "tag\\u{e0041}"),
            ("c1\u{9b}", "c1\\u{9b}"),
            ("\\u{a}", "\\\\u{a}"),
        ] {
            assert_eq!(Shown(text).to_string(), shown);
        }
    }
}
