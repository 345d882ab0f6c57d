//! Bracket expressions: members, ranges, POSIX names, intersections, nested brackets.

use super::escape::posix_set;
use super::{Member, NESTING_MAX, Translator, push_literal};
use crate::types::error::PatternError;

impl Translator {
    /// A bracket expression, after its `[`.
    pub(super) fn brackets(&mut self, depth: usize) -> Result<(), PatternError> {
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
                    self.brackets(depth + 1)?;
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
                self.out.push_str(&set);
                return Ok(());
            }
        };
        push_literal(&mut self.out, first);
        if self.peek() != Some('-') || matches!(self.peek_at(1), None | Some(']' | '[')) {
            return Ok(());
        }
        self.position += 1;
        match self.member()? {
            Member::Char(last) if last < first => {
                Err(self.malformed("a character range that is empty"))
            }
            Member::Char(last) => {
                self.out.push('-');
                push_literal(&mut self.out, last);
                Ok(())
            }
            Member::Set(set) => {
                push_literal(&mut self.out, '-');
                self.out.push_str(&set);
                Ok(())
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
        self.out.push_str(&format!("[{not}{set}]"));
        Ok(())
    }
}
