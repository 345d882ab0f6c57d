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

/// How deep brackets of a rule may be in each other.
const BRACKETS_MAX: usize = 64;
/// How many `&&` and `||`, and how many of other operators that nest, a rule may have.
const JUNCTIONS_MAX: usize = 500;
const OPERATORS_MAX: usize = 64;
/// How many names may follow each other with a dot between them.
const DOTS_MAX: usize = 32;

/// Why a statement is too much for a reader that calls itself for what is inside.
pub(crate) fn too_deep(statement: &str) -> Option<String> {
    let (mut depth, mut junctions, mut operators, mut dots) = (0_usize, 0, 0, 0);
    let mut letters = statement.char_indices().peekable();
    let mut word_start = None;
    while let Some((at, letter)) = letters.next() {
        let is_word = letter.is_alphanumeric() || letter == '_';
        if is_word {
            word_start.get_or_insert(at);
        } else if let Some(start) = word_start.take() {
            operators += usize::from(statement.get(start..at) == Some("if"));
        }
        match letter {
            '/' if letters.next_if(|(_, next)| *next == '/').is_some() => {
                while letters.next_if(|(_, next)| !is_line_end(*next)).is_some() {}
            }
            '"' => skip_string(&mut letters),
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '.' => dots += 1,
            '&' | '|' if letters.next_if(|(_, next)| *next == letter).is_some() => {
                (junctions, dots) = (junctions + 1, 0);
            }
            '+' | '-' | '*' => (operators, dots) = (operators + 1, 0),
            ',' | ';' | '=' | '<' | '>' | '!' => dots = 0,
            _ => {}
        }
        let over = [
            (depth, BRACKETS_MAX, "brackets in each other"),
            (junctions, JUNCTIONS_MAX, "`&&` and `||`"),
            (operators, OPERATORS_MAX, "of `if`, `+`, `-` and `*`"),
            (dots, DOTS_MAX, "names behind each other"),
        ];
        if let Some((_, most, what)) = over.into_iter().find(|(count, most, _)| count > most) {
            return Some(format!("a rule has {most} {what} at most"));
        }
    }
    None
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
    fn what_nests_deeper_than_any_rule_needs_is_refused() {
        let deep = |open: &str, count: usize, close: &str| {
            format!(
                "permit (x) when {{ {}true{} }};",
                open.repeat(count),
                close.repeat(count)
            )
        };
        for (text, wrong) in [
            (deep("(", 100, ")"), "64 brackets"),
            (deep("true && ", 1_000, ""), "500 `&&` and `||`"),
            (deep("if true then ", 100, " else true"), "64 of `if`"),
            (deep("1 + ", 100, ""), "64 of `if`, `+`"),
            (deep("", 1, &".a".repeat(40)), "32 names"),
        ] {
            assert!(
                too_deep(&text).is_some_and(|why| why.contains(wrong)),
                "{wrong}"
            );
        }
        assert_eq!(too_deep(&deep("(", 50, ")")), None);
        assert_eq!(
            too_deep("permit (x) when { a == \"((((((&&&&\" }; // ((("),
            None
        );
        let wide = "context.input.hasTag(\"a\") && ".repeat(200);
        assert_eq!(
            too_deep(&format!("permit (x) when {{ {wide} true }};")),
            None
        );
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
