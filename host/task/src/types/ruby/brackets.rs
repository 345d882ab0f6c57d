//! Bracket expressions: members, ranges, POSIX names, intersections, nested brackets.

use super::escape::posix_set;
use super::{Member, NESTING_MAX, Translator, push_literal};
use crate::types::error::PatternError;

/// What was found in the outermost bracket expression that is open.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bracket {
    /// Whether something in it is not ASCII.
    wide: bool,
    /// Whether a set such as `\w` is in it.
    has_set: bool,
}

impl Translator {
    /// A bracket expression, after its `[`.
    pub(super) fn brackets(&mut self) -> Result<(), PatternError> {
        self.bracket = Bracket::default();
        let start = self.out.len();
        let negated = self.peek() == Some('^');
        self.nested(1)?;
        // Without a set, what is left out under (?i) is left out with all that folds to it, as in Ruby.
        let is_ascii = !self.bracket.wide && (!negated || self.bracket.has_set);
        if self.options_here().ignore_case && is_ascii {
            self.out.insert_str(start, "(?-i:");
            self.out.push(')');
        }
        Ok(())
    }

    /// A bracket expression inside `depth - 1` others, after its `[`.
    fn nested(&mut self, depth: usize) -> Result<(), PatternError> {
        if depth > NESTING_MAX {
            return Err(self.malformed("brackets nested too deeply"));
        }
        self.out.push('[');
        if self.take("^") {
            self.out.push('^');
        }
        // A `]` that comes first is a plain one.
        if self.take("]") {
            push_literal(&mut self.out, ']');
        }
        loop {
            let unclosed = self.malformed("a bracket expression without its `]`");
            match self.peek().ok_or(unclosed)? {
                ']' => break,
                '[' if self.peek_at(1) == Some(':') => self.posix()?,
                '[' => {
                    self.position += 1;
                    self.nested(depth + 1)?;
                }
                '&' if self.take("&&") => self.out.push_str("&&"),
                _ => self.member_or_range()?,
            }
        }
        self.position += 1;
        self.out.push(']');
        Ok(())
    }

    fn member_or_range(&mut self) -> Result<(), PatternError> {
        let first = match self.member()? {
            Member::Char(c) => c,
            Member::Set(set) => {
                self.push_set(&set);
                return Ok(());
            }
        };
        if self.peek() != Some('-') || matches!(self.peek_at(1), None | Some(']' | '[')) {
            self.push_range(first, first);
            return Ok(());
        }
        self.position += 1;
        match self.member()? {
            Member::Char(last) if last < first => {
                Err(self.malformed("a character range that is empty"))
            }
            Member::Char(last) => {
                self.push_range(first, last);
                Ok(())
            }
            Member::Set(set) => {
                self.push_range(first, first);
                push_literal(&mut self.out, '-');
                self.push_set(&set);
                Ok(())
            }
        }
    }

    fn push_set(&mut self, set: &str) {
        self.bracket.has_set = true;
        // Sets by name are Unicode's, the others are written out.
        self.bracket.wide |= set.contains("\\p");
        self.out.push_str(set);
    }

    /// The characters from `first` to `last`; where case is ignored, ASCII letters in both cases.
    fn push_range(&mut self, first: char, last: char) {
        self.bracket.wide |= !last.is_ascii();
        push_ends(&mut self.out, first, last);
        if !self.options_here().ignore_case {
            return;
        }
        for (from, to) in [('a', 'z'), ('A', 'Z')] {
            let (low, high) = (first.max(from), last.min(to));
            if low <= high {
                let other = |c: char| char::from_u32(u32::from(c) ^ 0x20).unwrap_or(c);
                push_ends(&mut self.out, other(low), other(high));
            }
        }
    }

    fn member(&mut self) -> Result<Member, PatternError> {
        let unclosed = self.malformed("a bracket expression without its `]`");
        match self.next().ok_or(unclosed)? {
            '\\' => self.member_escape(true),
            c => Ok(Member::Char(c)),
        }
    }

    /// `[:name:]` or `[:^name:]` inside brackets.
    fn posix(&mut self) -> Result<(), PatternError> {
        self.take("[:");
        let not = if self.take("^") { "^" } else { "" };
        let name = self.take_while(|c| c.is_ascii_alphabetic());
        let set = posix_set(&name).filter(|_| self.take(":]"));
        let set = set.ok_or_else(|| self.malformed("a POSIX bracket that is none"))?;
        self.push_set(&format!("[{not}{set}]"));
        Ok(())
    }
}

fn push_ends(out: &mut String, first: char, last: char) {
    push_literal(out, first);
    if first < last {
        out.push('-');
        push_literal(out, last);
    }
}
