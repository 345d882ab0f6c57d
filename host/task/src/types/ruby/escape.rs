//! What follows a backslash, and the sets behind names.

use super::{Member, Translator, push_literal};
use crate::types::error::PatternError;

impl Translator {
    /// An escape outside brackets, after its backslash.
    pub(super) fn escape(&mut self) -> Result<(), PatternError> {
        let anchor = match self.peek() {
            Some('A') => "\\A",
            Some('z' | 'Z') => "\\z",
            Some('b') => "\\b",
            Some('B') => "\\B",
            Some('1'..='9') => return Err(self.unsupported("a backreference")),
            Some('k') => return Err(self.unsupported("the backreference `\\k`")),
            Some('g') => return Err(self.unsupported("the call `\\g`")),
            Some('G') => return Err(self.unsupported("the anchor `\\G`")),
            Some('K') => return Err(self.unsupported("`\\K`")),
            Some('R') => return Err(self.unsupported("the line break `\\R`")),
            Some('X') => return Err(self.unsupported("the grapheme `\\X`")),
            _ => "",
        };
        if !anchor.is_empty() {
            self.position += 1;
            self.out.push_str(anchor);
            return Ok(());
        }
        match self.member_escape(false)? {
            Member::Char(c) => push_literal(&mut self.out, c),
            // Ruby's ASCII sets stay ASCII under (?i), which here would add the Kelvin sign to `\w`.
            Member::Set(set) => self.out.push_str(&format!("(?-i:{set})")),
        }
        Ok(())
    }

    /// An escape that stands for a character or a set, after its backslash.
    pub(super) fn member_escape(&mut self, in_brackets: bool) -> Result<Member, PatternError> {
        let unfinished = self.malformed("a backslash that escapes nothing");
        let c = self.next().ok_or(unfinished)?;
        let member = match c {
            'd' => Member::Set("[0-9]".to_owned()),
            'D' => Member::Set("[^0-9]".to_owned()),
            'w' => Member::Set("[0-9A-Za-z_]".to_owned()),
            'W' => Member::Set("[^0-9A-Za-z_]".to_owned()),
            's' => Member::Set("[\\x09-\\x0D\\x20]".to_owned()),
            'S' => Member::Set("[^\\x09-\\x0D\\x20]".to_owned()),
            'h' => Member::Set("[0-9A-Fa-f]".to_owned()),
            'H' => Member::Set("[^0-9A-Fa-f]".to_owned()),
            'p' | 'P' => Member::Set(self.property(c == 'P')?),
            'n' => Member::Char('\n'),
            't' => Member::Char('\t'),
            'r' => Member::Char('\r'),
            'f' => Member::Char('\x0C'),
            'v' => Member::Char('\x0B'),
            'a' => Member::Char('\x07'),
            'e' => Member::Char('\x1B'),
            'b' if in_brackets => Member::Char('\x08'),
            '0'..='7' => Member::Char(self.octal(c)?),
            'x' => Member::Char(self.hexadecimal()?),
            'u' => Member::Char(self.code_point()?),
            'c' | 'C' | 'M' => return Err(self.unsupported("a control or meta escape")),
            other => Member::Char(other),
        };
        Ok(member)
    }

    /// Up to three octal digits, the first of them read already.
    fn octal(&mut self, first: char) -> Result<char, PatternError> {
        let mut value = first.to_digit(8).unwrap_or(0);
        for _ in 0..2 {
            let Some(digit) = self.peek().and_then(|c| c.to_digit(8)) else {
                break;
            };
            value = value * 8 + digit;
            self.position += 1;
        }
        self.ascii(value)
    }

    fn hexadecimal(&mut self) -> Result<char, PatternError> {
        let mut value = None;
        for _ in 0..2 {
            let Some(digit) = self.peek().and_then(|c| c.to_digit(16)) else {
                break;
            };
            value = Some(value.unwrap_or(0) * 16 + digit);
            self.position += 1;
        }
        let value = value.ok_or_else(|| self.malformed("`\\x` without a number"))?;
        self.ascii(value)
    }

    fn ascii(&self, value: u32) -> Result<char, PatternError> {
        let c = char::from_u32(value).filter(char::is_ascii);
        c.ok_or_else(|| self.unsupported("a byte above 7F"))
    }

    /// `XXXX` or `{X...}`, after `\u`.
    fn code_point(&mut self) -> Result<char, PatternError> {
        let braced = self.take("{");
        let mut digits = String::new();
        while let Some(c) = self.peek().filter(char::is_ascii_hexdigit) {
            if digits.len() == if braced { 6 } else { 4 } {
                break;
            }
            digits.push(c);
            self.position += 1;
        }
        let ends_well = if braced {
            self.take("}")
        } else {
            digits.len() == 4
        };
        let value = u32::from_str_radix(&digits, 16).ok().filter(|_| ends_well);
        value
            .and_then(char::from_u32)
            .ok_or_else(|| self.malformed("`\\u` without one character's number"))
    }

    /// `{Name}` or `{^Name}`, after `\p` or `\P`.
    fn property(&mut self, outer_not: bool) -> Result<String, PatternError> {
        let malformed = self.malformed("`\\p` without the name of a property");
        if !self.take("{") {
            return Err(malformed);
        }
        let not = if self.take("^") != outer_not { "^" } else { "" };
        let name = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        if name.is_empty() || !self.take("}") {
            return Err(malformed);
        }
        Ok(match posix_set(&name.to_ascii_lowercase()) {
            Some(set) => format!("[{not}{set}]"),
            None => format!("[{not}\\p{{{name}}}]"),
        })
    }
}

/// The set behind a POSIX name, in Unicode as Ruby has it, without brackets.
pub(super) fn posix_set(name: &str) -> Option<&'static str> {
    let set = match name {
        "alnum" => "\\p{L}\\p{M}\\p{Nd}",
        "alpha" => "\\p{L}\\p{M}",
        "ascii" => "\\x00-\\x7F",
        "blank" => "\\p{Zs}\\x09",
        "cntrl" => "\\p{Cc}",
        "digit" => "\\p{Nd}",
        "graph" => "[^\\p{White_Space}\\p{Cc}\\p{Cn}]",
        "lower" => "\\p{Lowercase}",
        "print" => "[^\\p{White_Space}\\p{Cc}\\p{Cn}]\\p{Zs}",
        "punct" => "\\p{P}$+<=>\\^`|\\x7E",
        "space" => "\\p{White_Space}",
        "upper" => "\\p{Uppercase}",
        "word" => "\\p{L}\\p{M}\\p{Nd}\\p{Pc}",
        "xdigit" => "0-9A-Fa-f",
        _ => return None,
    };
    Some(set)
}
