//! Cuts the text of rules into statements, each with its place.
//!
//! A statement ends with a semicolon outside of strings and comments, as in Cedar. Nothing is judged here: what is cut off
//! wrongly is refused by Cedar's own reader, and a fuzz oracle holds that cutting and reading agree with reading whole.

use std::ops::Range;

/// Where each statement of `text` is, without the space and comments before it. The last one may lack its semicolon.
pub(crate) fn statements(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = None;
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '/' if letters.next_if(|(_, next)| *next == '/').is_some() => {
                while letters.next_if(|(_, next)| !is_line_end(*next)).is_some() {}
            }
            '"' => {
                start.get_or_insert(at);
                skip_string(&mut letters);
            }
            ';' => {
                let from = start.take().unwrap_or(at);
                found.push(from..at + 1);
            }
            letter if letter.is_whitespace() => {}
            _ => {
                start.get_or_insert(at);
            }
        }
    }
    if let Some(from) = start {
        found.push(from..text.len());
    }
    found
}

/// Cedar's comments end at either.
fn is_line_end(letter: char) -> bool {
    matches!(letter, '\n' | '\r')
}

fn skip_string(letters: &mut std::iter::Peekable<std::str::CharIndices<'_>>) {
    while let Some((_, letter)) = letters.next() {
        match letter {
            '\\' => {
                letters.next();
            }
            '"' => return,
            _ => {}
        }
    }
}

/// The line of a byte of `text`, and the column on it in characters; both from 1.
pub(crate) fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let column = before.get(start..).unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<&str> {
        statements(text)
            .into_iter()
            .map(|range| &text[range])
            .collect()
    }

    #[test]
    fn semicolons_end_statements_but_not_in_strings_or_comments() {
        assert_eq!(
            cut("// a; b\npermit(x); @id(\"a;\\\"b\") forbid // ;\n(y);  "),
            ["permit(x);", "@id(\"a;\\\"b\") forbid // ;\n(y);"]
        );
    }

    #[test]
    fn what_is_not_closed_is_still_handed_to_the_reader() {
        assert_eq!(cut("permit(x)"), ["permit(x)"]);
        assert_eq!(cut("permit(\"x); forbid(y);"), ["permit(\"x); forbid(y);"]);
        assert_eq!(cut(";"), [";"]);
        assert_eq!(cut("// only a comment"), Vec::<&str>::new());
        assert_eq!(cut(""), Vec::<&str>::new());
    }

    #[test]
    fn places_are_lines_and_columns_from_one() {
        let text = "ab\ncäd\n";
        assert_eq!(line_and_column(text, 0), (1, 1));
        assert_eq!(line_and_column(text, 3), (2, 1));
        assert_eq!(line_and_column(text, 6), (2, 3));
        assert_eq!(line_and_column(text, 99), (3, 1));
    }
}
