//! Splits the text of a capability into words, as a shell would, but expands nothing.
//!
//! Spaces separate; single quotes, double quotes and backslash join and protect. `${name}` is a placeholder wherever it
//! stands, quoted or not. An open quote, a control character, and a `${` that is no placeholder are refused.

use std::iter::Peekable;
use std::str::Chars;

use crate::names::ParameterName;

/// One word, and what is known of how it was quoted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Word {
    /// The word without its quotes. Placeholders stand in it as `${name}`, and nothing else in it has a `${`.
    pub(crate) text: String,
    /// Whether any of it was quoted.
    pub(crate) quoted: bool,
    /// Whether it has a `*` or `{` that was not quoted.
    pub(crate) wild: bool,
}

impl Word {
    /// Adds a character that stands for itself.
    fn push(&mut self, character: char) -> Result<(), WordsError> {
        // INVARIANT: a placeholder ends in `}`, so a `$` at the end was pushed here and stands for itself.
        if character == '{' && self.text.ends_with('$') {
            return Err(WordsError::Placeholder);
        }
        self.text.push(character);
        Ok(())
    }
}

/// A piece of a word, or of a part of one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    /// Text that stands for itself.
    Text(String),
    /// A placeholder.
    Hole(ParameterName),
}

/// Takes a word's text, or what was cut out of it, apart at its placeholders.
pub(crate) fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let hole = rest.split_once("${").and_then(|(before, hole)| {
            let (name, after) = hole.split_once('}')?;
            Some((before, name.parse().ok()?, after))
        });
        let Some((before, name, after)) = hole else {
            parts.push(Part::Text(rest.to_owned()));
            break;
        };
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        parts.push(Part::Hole(name));
        rest = after;
    }
    parts
}

/// Why a text cannot be split into words.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WordsError {
    /// A quote is opened and never closed.
    #[error("a quote is not closed")]
    OpenQuote,
    /// The text ends in a backslash.
    #[error("nothing follows the last backslash")]
    LooseBackslash,
    /// A control character, of which NUL, tab and line break are the usual ones.
    #[error("control character U+{:04X} has no place here", u32::from(*.character))]
    Control {
        /// The character.
        character: char,
    },
    /// `${` that does not begin a placeholder.
    #[error("`${{` must begin a placeholder such as `${{name}}`")]
    Placeholder,
}

/// Splits a text into words.
pub(crate) fn split(text: &str) -> Result<Vec<Word>, WordsError> {
    if let Some(character) = text.chars().find(|c| c.is_control()) {
        return Err(WordsError::Control { character });
    }
    let mut words = Vec::new();
    let mut rest = text.chars().peekable();
    while rest.next_if_eq(&' ').is_some() || rest.peek().is_some() {
        if rest.peek().is_some_and(|c| *c != ' ') {
            words.push(read_word(&mut rest)?);
        }
    }
    Ok(words)
}

/// Prints a literal word: bare where that is safe, else in single quotes.
pub(crate) fn quote(word: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(bare) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn read_word(rest: &mut Peekable<Chars<'_>>) -> Result<Word, WordsError> {
    let mut word = Word::default();
    while let Some(character) = rest.next_if(|c| *c != ' ') {
        match character {
            '\'' => read_quoted(rest, '\'', &mut word)?,
            '"' => read_quoted(rest, '"', &mut word)?,
            '\\' => {
                word.quoted = true;
                word.push(rest.next().ok_or(WordsError::LooseBackslash)?)?;
            }
            '$' if rest.next_if_eq(&'{').is_some() => read_hole(rest, &mut word)?,
            _ => {
                word.wild |= matches!(character, '*' | '{');
                word.push(character)?;
            }
        }
    }
    Ok(word)
}

/// Reads on to the closing quote. In double quotes a backslash protects `"`, `\`, `$` and a backquote, as in a shell.
fn read_quoted(
    rest: &mut Peekable<Chars<'_>>,
    closing: char,
    word: &mut Word,
) -> Result<(), WordsError> {
    word.quoted = true;
    loop {
        match rest.next().ok_or(WordsError::OpenQuote)? {
            character if character == closing => return Ok(()),
            '$' if rest.next_if_eq(&'{').is_some() => read_hole(rest, word)?,
            '\\' if closing == '"' => {
                word.push(rest.next_if(|c| "\"\\$`".contains(*c)).unwrap_or('\\'))?;
            }
            character => word.push(character)?,
        }
    }
}

/// Reads the name and the `}` of a placeholder whose `${` is behind.
fn read_hole(rest: &mut Peekable<Chars<'_>>, word: &mut Word) -> Result<(), WordsError> {
    let mut name = String::new();
    while let Some(character) = rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
        name.push(character);
    }
    rest.next_if_eq(&'}').ok_or(WordsError::Placeholder)?;
    let name: ParameterName = name.parse().map_err(|_| WordsError::Placeholder)?;
    word.text.push_str("${");
    word.text.push_str(name.as_str());
    word.text.push('}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(text: &str) -> Vec<String> {
        split(text)
            .unwrap()
            .into_iter()
            .map(|word| word.text)
            .collect()
    }

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        for (text, words) in [
            ("", vec![]),
            ("   ", vec![]),
            ("a  b ", vec!["a", "b"]),
            ("'a b' c", vec!["a b", "c"]),
            (r#"a"b c"d"#, vec!["ab cd"]),
            (r"a\ b", vec!["a b"]),
            ("''", vec![""]),
            (r#""\"\\\n""#, vec![r#""\\n"#]),
            (r"'\'", vec![r"\"]),
            ("~ # $x `y` ; |", vec!["~", "#", "$x", "`y`", ";", "|"]),
            ("${a}x '${a} b'", vec!["${a}x", "${a} b"]),
            ("\"${a}\"", vec!["${a}"]),
        ] {
            assert_eq!(texts(text), words, "{text}");
        }
    }

    #[test]
    fn what_is_not_words_is_refused() {
        for (text, error) in [
            ("'a", WordsError::OpenQuote),
            ("\"a", WordsError::OpenQuote),
            ("\"a\\\"", WordsError::OpenQuote),
            ("a\\", WordsError::LooseBackslash),
            ("a\tb", WordsError::Control { character: '\t' }),
            ("'a\nb'", WordsError::Control { character: '\n' }),
            ("a\0", WordsError::Control { character: '\0' }),
            ("${", WordsError::Placeholder),
            ("${a", WordsError::Placeholder),
            ("${}", WordsError::Placeholder),
            ("${A}", WordsError::Placeholder),
            ("${a b}", WordsError::Placeholder),
            ("\\${a}", WordsError::Placeholder),
            ("\"\\${a}\"", WordsError::Placeholder),
            ("'$'{a}", WordsError::Placeholder),
            ("$\"{a}\"", WordsError::Placeholder),
        ] {
            assert_eq!(split(text), Err(error), "{text}");
        }
    }

    #[test]
    fn only_bare_stars_and_braces_are_wild() {
        for (text, wild) in [
            ("*", true),
            ("a*", true),
            ("{int}", true),
            ("'*'", false),
            ("\\*", false),
            ("${a}", false),
        ] {
            assert_eq!(split(text).unwrap()[0].wild, wild, "{text}");
        }
    }

    #[test]
    fn a_word_comes_apart_at_its_placeholders() {
        let (text, hole) = (
            |text: &str| Part::Text(text.to_owned()),
            |name: &str| Part::Hole(name.parse().unwrap()),
        );
        for (word, apart) in [
            ("", vec![]),
            ("ab", vec![text("ab")]),
            ("${a}", vec![hole("a")]),
            (
                "x${a}${b_1}y",
                vec![text("x"), hole("a"), hole("b_1"), text("y")],
            ),
            ("$${a}$", vec![text("$"), hole("a"), text("$")]),
        ] {
            assert_eq!(parts(word), apart, "{word}");
        }
    }

    proptest! {
        #[test]
        fn a_quoted_word_is_read_back_whole(word in "[^\\p{Cc}]{0,30}") {
            prop_assume!(!word.contains("${"));
            let words = split(&quote(&word)).unwrap();
            prop_assert_eq!(words.len(), 1);
            prop_assert_eq!(&words[0].text, &word);
        }

        #[test]
        fn no_text_makes_the_splitter_panic(text in any::<String>()) {
            let _ = split(&text);
        }
    }
}
