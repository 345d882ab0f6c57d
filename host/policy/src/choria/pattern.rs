//! Regular expressions that mean one thing in Go, in Ruby and here.
//!
//! What one of the three reads differently from the others is refused, and the rest is spelled out for our engine, whose
//! `\d`, `\w`, `\s` and `\b` know more of Unicode than Go's do. Not carried: groups other than `(?:..)`, flags other than a
//! leading `(?i)`, lookaround and backreferences, `\Z`, classes by name, sets within sets, and possessive repetition.

use std::iter::Peekable;
use std::str::Chars;

use host_core::Shown;

/// Longest expression that is read, in bytes.
pub const PATTERN_BYTES_MAX: usize = 512;

/// Most repetitions that a count may ask for.
const COUNT_MAX: u16 = 250;

/// Most groups within groups.
const DEPTH_MAX: usize = 16;

/// What `\d`, `\w` and `\s` stand for inside a set.
const DIGITS: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
const SPACE: &str = "\\t\\n\\f\\r ";

/// Why an expression is not carried.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternFault {
    /// There is nothing between the slashes.
    #[error("it is empty")]
    Empty,
    /// Longer than one may be.
    #[error("it is longer than {PATTERN_BYTES_MAX} bytes")]
    TooLong,
    /// A group that captures by name, looks around or sets flags.
    #[error("`(?` is carried in `(?:` and in a leading `(?i)` only")]
    Group,
    /// A parenthesis without its other one, or too many within each other.
    #[error("its parentheses do not match, or are nested more than {DEPTH_MAX} deep")]
    Parentheses,
    /// An escape that is read differently, or not at all, by one of the engines.
    #[error("`\\{}` does not mean the same everywhere", Shown(&.0.to_string()))]
    Escape(char),
    /// It ends in a backslash.
    #[error("it ends in a backslash")]
    Backslash,
    /// Repetition of nothing, of another repetition, or by a count that is too large or stands behind a group.
    #[error("`{0}` repeats what cannot be repeated everywhere")]
    Repetition(char),
    /// A set that is read differently by one of the engines.
    #[error("its set `[..]` does not mean the same everywhere")]
    Set,
    /// A character that cannot stand there by itself.
    #[error("`{}` stands by itself", Shown(&.0.to_string()))]
    Stray(char),
    /// Our engine does not take it.
    #[error("it is too large or not a regular expression")]
    Engine,
}

/// The same expression in our engine's spelling; upper and lower case are one if `fold` says so.
pub(crate) fn rewrite(pattern: &str, fold: bool) -> Result<String, PatternFault> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(PatternFault::TooLong);
    }
    let (body, fold) = match pattern.strip_prefix("(?i)") {
        Some(rest) => (rest, true),
        None => (pattern, fold),
    };
    if body.is_empty() {
        return Err(PatternFault::Empty);
    }
    let mut rewriter = Rewriter {
        rest: body.chars().peekable(),
        out: if fold { "(?i)" } else { "" }.to_owned(),
        fold,
        depth: 0,
        last: Last::Nothing,
    };
    while let Some(character) = rewriter.rest.next() {
        rewriter.step(character)?;
    }
    if rewriter.depth != 0 {
        return Err(PatternFault::Parentheses);
    }
    Ok(rewriter.out)
}

/// What stands before, for the sake of what repeats it.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Last {
    /// Nothing that can be repeated.
    Nothing,
    Atom,
    Group,
}

struct Rewriter<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
    fold: bool,
    depth: usize,
    last: Last,
}

impl Rewriter<'_> {
    fn step(&mut self, character: char) -> Result<(), PatternFault> {
        match character {
            '\\' => self.escape(),
            '[' => self.set(),
            '(' => self.open(),
            ')' => self.close(),
            '|' | '^' | '$' => {
                self.out.push(character);
                self.last = Last::Nothing;
                Ok(())
            }
            '*' | '+' | '?' => self.repeat(character),
            '{' => self.count(),
            '}' | ']' => Err(PatternFault::Stray(character)),
            _ if character.is_control() || character.is_whitespace() => {
                Err(PatternFault::Stray(character))
            }
            _ => {
                self.out.push(character);
                self.last = Last::Atom;
                Ok(())
            }
        }
    }

    fn open(&mut self) -> Result<(), PatternFault> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(PatternFault::Parentheses);
        }
        self.last = Last::Nothing;
        self.out.push('(');
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        self.rest.next_if_eq(&':').ok_or(PatternFault::Group)?;
        self.out.push_str("?:");
        Ok(())
    }

    fn close(&mut self) -> Result<(), PatternFault> {
        self.depth = self.depth.checked_sub(1).ok_or(PatternFault::Parentheses)?;
        self.out.push(')');
        self.last = Last::Group;
        Ok(())
    }

    fn repeat(&mut self, character: char) -> Result<(), PatternFault> {
        if self.last == Last::Nothing {
            return Err(PatternFault::Repetition(character));
        }
        self.out.push(character);
        if self.rest.next_if_eq(&'?').is_some() {
            self.out.push('?');
        }
        self.last = Last::Nothing;
        Ok(())
    }

    /// Counts: `{2}`, `{2,}` and `{2,5}`, of something that is not a group (Go adds up what is nested).
    fn count(&mut self) -> Result<(), PatternFault> {
        let fault = PatternFault::Repetition('{');
        if self.last != Last::Atom {
            return Err(fault);
        }
        let mut text = String::new();
        loop {
            match self.rest.next() {
                Some('}') => break,
                Some(character) => text.push(character),
                None => return Err(fault),
            }
        }
        let (least, most) = match text.split_once(',') {
            Some((least, "")) => (number(least), number(least)),
            Some((least, most)) => (number(least), number(most)),
            None => (number(&text), number(&text)),
        };
        match (least, most) {
            (Some(least), Some(most)) if least <= most => {
                self.out.push_str(&format!("{{{text}}}"));
                self.last = Last::Nothing;
                Ok(())
            }
            _ => Err(fault),
        }
    }

    fn escape(&mut self) -> Result<(), PatternFault> {
        let character = self.rest.next().ok_or(PatternFault::Backslash)?;
        self.last = Last::Atom;
        match character {
            'd' => self.out.push_str("[0-9]"),
            'D' => self.out.push_str("[^0-9]"),
            'w' => self.out.push_str("(?-i:[0-9A-Za-z_])"),
            'W' => self.out.push_str("(?-i:[^0-9A-Za-z_])"),
            's' => self.out.push_str("[\\t\\n\\f\\r ]"),
            'S' => self.out.push_str("[^\\t\\n\\f\\r ]"),
            't' | 'n' => self.out.extend(['\\', character]),
            'b' => {
                self.out.push_str("(?-u:\\b)");
                self.last = Last::Nothing;
            }
            'A' | 'z' => {
                self.out.extend(['\\', character]);
                self.last = Last::Nothing;
            }
            _ if character.is_ascii_punctuation() => self.literal(character),
            _ => return Err(PatternFault::Escape(character)),
        }
        Ok(())
    }

    /// A punctuation mark as itself.
    fn literal(&mut self, character: char) {
        push_literal(&mut self.out, character);
    }

    fn set(&mut self) -> Result<(), PatternFault> {
        let negated = self.rest.next_if_eq(&'^').is_some();
        let (classes, own) = self.members()?;
        if negated && self.fold && !classes.is_empty() {
            return Err(PatternFault::Set);
        }
        let text = match (negated, classes.is_empty(), own.is_empty()) {
            (_, true, true) => return Err(PatternFault::Set),
            (true, _, _) => format!("[^{classes}{own}]"),
            (false, true, false) => format!("[{own}]"),
            (false, false, true) => format!("(?-i:[{classes}])"),
            (false, false, false) => format!("(?:(?-i:[{classes}])|[{own}])"),
        };
        self.out.push_str(&text);
        self.last = Last::Atom;
        Ok(())
    }

    /// What stands in a set up to its `]`: the classes like `\d`, and everything else.
    fn members(&mut self) -> Result<(String, String), PatternFault> {
        let (mut classes, mut own) = (String::new(), String::new());
        let mut is_first = true;
        loop {
            let character = self.rest.next().ok_or(PatternFault::Set)?;
            match character {
                ']' => return Ok((classes, own)),
                '-' if is_first || self.rest.peek() == Some(&']') => own.push_str("\\-"),
                '-' | '[' => return Err(PatternFault::Set),
                '&' if self.rest.peek() == Some(&'&') => return Err(PatternFault::Set),
                '\\' => match self.rest.next().ok_or(PatternFault::Backslash)? {
                    'd' => classes.push_str(DIGITS),
                    'w' => classes.push_str(WORD),
                    's' => classes.push_str(SPACE),
                    escaped if escaped.is_ascii_punctuation() => self.range(&mut own, escaped)?,
                    other => return Err(PatternFault::Escape(other)),
                },
                _ if character.is_control() || character.is_whitespace() => {
                    return Err(PatternFault::Stray(character));
                }
                _ => self.range(&mut own, character)?,
            }
            is_first = false;
        }
    }

    /// One character of a set, or a range that starts with it.
    fn range(&mut self, own: &mut String, first: char) -> Result<(), PatternFault> {
        push_literal(own, first);
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('-') || matches!(ahead.peek(), Some(']') | None) {
            return Ok(());
        }
        self.rest.next();
        let last = self.rest.next().ok_or(PatternFault::Set)?;
        let is_plain = first.is_alphanumeric() && last.is_alphanumeric();
        if !is_plain || first > last {
            return Err(PatternFault::Set);
        }
        own.push('-');
        own.push(last);
        Ok(())
    }
}

fn push_literal(out: &mut String, character: char) {
    // `\<` is the start of a word to our engine, and `\_` looks odd.
    if character.is_ascii_punctuation() && !matches!(character, '<' | '>' | '_') {
        out.push('\\');
    }
    out.push(character);
}

fn number(text: &str) -> Option<u16> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| *number <= COUNT_MAX);
    number.filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_match(pattern: &str, fold: bool, text: &str) -> bool {
        let pattern = rewrite(pattern, fold).unwrap();
        regex::Regex::new(&pattern).unwrap().is_match(text)
    }

    #[test]
    fn an_expression_keeps_its_meaning() {
        for (pattern, text, wanted) in [
            ("^choria=.+$", "choria=a", true),
            ("cert=.+_admin", "cert=db_admin", true),
            ("cert=.+_admin", "cert=db_admn", false),
            ("a{2,3}$", "aa", true),
            ("^(?:a|b)+?c", "abc", true),
            (r"\Arip\.mcollective\z", "rip.mcollective", true),
            (r"\Arip\.mcollective\z", "ripxmcollective", false),
            (r"^\d+$", "\u{664}", false),
            (r"^\w+$", "\u{e9}", false),
            (r"^[\w.-]+$", "a.b-c", true),
            (r"^[^\d]+$", "ab1", false),
            (r"\bdb\b", "x=db.y", true),
            (r"a\<b", "a<b", true),
            ("(?i)ADMIN", "admin", true),
            ("^[-a]$", "-", true),
            ("^[a-]$", "-", true),
            ("^[a~]$", "~", true),
            ("x$", "x\n", false),
        ] {
            assert_eq!(is_match(pattern, false, text), wanted, "{pattern} {text}");
        }
    }

    #[test]
    fn folded_case_does_not_reach_into_classes() {
        assert!(is_match("^os$", true, "OS"));
        assert!(is_match("^\u{e9}$", true, "\u{c9}"));
        // The long s is a lower-case s to who folds, but never of `\w`.
        assert!(is_match("^s$", true, "\u{17f}"));
        assert!(!is_match(r"^\w$", true, "\u{17f}"));
        assert!(!is_match(r"^[\w.]$", true, "\u{17f}"));
        assert!(is_match(r"^[s.]$", true, "\u{17f}"));
    }

    #[test]
    fn what_means_something_else_somewhere_is_refused() {
        for pattern in [
            "",
            "(?i)",
            "(?=a)",
            "(?!a)",
            "(?<n>a)",
            "(?P<n>a)",
            "(?m)a",
            "a(?i)b",
            "(",
            ")",
            "a)(",
            r"\Z",
            r"\h",
            r"\1",
            r"\p{L}",
            r"\Qa\E",
            r"\B",
            r"\",
            "a**",
            "a++",
            "a{2}?",
            "a{2}{3}",
            "(a){2}",
            "a{",
            "a{,3}",
            "a{3,2}",
            "a{251}",
            "a{x}",
            "*a",
            "^*",
            "]",
            "}",
            "[]a]",
            "[[:alpha:]]",
            "[a&&b]",
            "[z-a]",
            "[a-c-e]",
            r"[\D]",
            r"[\b]",
            "[a",
            "[",
            "a b",
            "[^]",
            "[!-~]",
        ] {
            assert!(rewrite(pattern, false).is_err(), "{pattern}");
        }
        assert_eq!(rewrite(r"[^\w]", true), Err(PatternFault::Set));
        assert_eq!(
            rewrite(&"a".repeat(PATTERN_BYTES_MAX + 1), false),
            Err(PatternFault::TooLong)
        );
        assert_eq!(
            rewrite(&"(".repeat(DEPTH_MAX + 1), false),
            Err(PatternFault::Parentheses)
        );
    }
}
