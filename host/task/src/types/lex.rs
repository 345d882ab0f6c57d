//! Splits the text of a data type into words, as Puppet's lexer does.
//!
//! It knows only what can occur in a type: no operators but `-`, `=`, `=>` and the brackets, no variables,
//! and no interpolation inside strings. Its size is limited before the first byte is looked at.

use super::error::TypeError;

/// The longest text that is read as a type, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 64 * 1024;

/// One word of a type.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name that begins with a capital, such as `Stdlib::Port`.
    Name(String),
    /// A word that begins with a small letter, such as `dist-upgrade`.
    Word(String),
    /// A quoted string, without its quotes and escapes.
    Text(String),
    /// The text between two slashes, with `\/` made `/`.
    Regex(String),
    Integer(i64),
    Float(f64),
    Open,
    Close,
    OpenBrace,
    CloseBrace,
    Comma,
    Arrow,
    Equals,
    Minus,
}

/// A token and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed {
    pub(super) offset: usize,
    pub(super) token: Token,
}

/// Reads all tokens of a text.
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, TypeError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(TypeError::TooLong {
            have_bytes: text.len(),
            max_bytes: TEXT_BYTES_MAX,
        });
    }
    let mut lexer = Lexer { text, offset: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_space();
        let offset = lexer.offset;
        let Some(first) = lexer.peek() else {
            return Ok(tokens);
        };
        let token = lexer.token(first)?;
        tokens.push(Placed { offset, token });
    }
}

struct Lexer<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.offset += next.len_utf8();
        Some(next)
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !keep(c)).unwrap_or(rest.len());
        self.offset += end;
        rest.get(..end).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        loop {
            self.take_while(char::is_whitespace);
            if self.peek() != Some('#') {
                return;
            }
            self.take_while(|c| c != '\n');
        }
    }

    fn token(&mut self, first: char) -> Result<Token, TypeError> {
        match first {
            'A'..='Z' | 'a'..='z' | '_' | ':' => self.name(),
            '0'..='9' => self.number(),
            '\'' => self.single_quoted(),
            '"' => self.double_quoted(),
            '/' => self.regex(),
            _ => self.symbol(),
        }
    }

    fn symbol(&mut self) -> Result<Token, TypeError> {
        let offset = self.offset;
        let token = match self.next() {
            Some('[') => Token::Open,
            Some(']') => Token::Close,
            Some('{') => Token::OpenBrace,
            Some('}') => Token::CloseBrace,
            Some(',') => Token::Comma,
            Some('-') => Token::Minus,
            Some('=') if self.peek() == Some('>') => {
                self.offset += 1;
                Token::Arrow
            }
            Some('=') => Token::Equals,
            other => {
                let character = other.unwrap_or('\0');
                return Err(TypeError::Character { offset, character });
            }
        };
        Ok(token)
    }

    /// A name or word: segments of word characters, joined by `::`, all of one case at their head.
    fn name(&mut self) -> Result<Token, TypeError> {
        let offset = self.offset;
        let mut text = String::new();
        if self.rest().starts_with("::") {
            self.offset += 2;
        }
        let capital = self.peek().is_some_and(|c| c.is_ascii_uppercase());
        loop {
            let segment = self.segment(capital);
            let fits = segment.chars().next().is_some_and(|c| {
                if capital {
                    c.is_ascii_uppercase()
                } else {
                    c.is_ascii_lowercase() || c == '_'
                }
            });
            if !fits {
                let found = self
                    .peek()
                    .map_or("the end".to_owned(), |c| format!("`{c}`"));
                let expected = if capital {
                    "a name such as `Mymod::Port`"
                } else {
                    "a name or a word"
                };
                let found = if segment.is_empty() {
                    found
                } else {
                    format!("`{segment}`")
                };
                return Err(TypeError::Unexpected {
                    offset,
                    expected,
                    found,
                });
            }
            text.push_str(segment);
            if !self.rest().starts_with("::") {
                break;
            }
            self.offset += 2;
            text.push_str("::");
        }
        Ok(if capital {
            Token::Name(text)
        } else {
            Token::Word(text)
        })
    }

    /// One segment; words, unlike names, may have hyphens inside.
    fn segment(&mut self, capital: bool) -> &'a str {
        let start = self.offset;
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || (!capital && c == '-');
        let taken = self.take_while(word).trim_end_matches('-');
        self.offset = start + taken.len();
        taken
    }

    fn number(&mut self) -> Result<Token, TypeError> {
        let offset = self.offset;
        let rest = self.rest();
        let exponent_minus = |index: usize| {
            let before = rest.get(..index).unwrap_or_default();
            before.ends_with(['e', 'E']) && !before.starts_with("0x") && !before.starts_with("0X")
        };
        let end = rest
            .char_indices()
            .find(|&(index, c)| {
                !(c.is_ascii_alphanumeric()
                    || c == '.'
                    || c == '_'
                    || (c == '-' && exponent_minus(index)))
            })
            .map_or(rest.len(), |(index, _)| index);
        self.offset += end;
        let text = rest.get(..end).unwrap_or_default();
        number(text).ok_or_else(|| TypeError::Number {
            offset,
            text: text.to_owned(),
        })
    }

    fn single_quoted(&mut self) -> Result<Token, TypeError> {
        let offset = self.offset;
        self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                Some('\'') => return Ok(Token::Text(text)),
                Some('\\') if matches!(self.peek(), Some('\'' | '\\')) => text.extend(self.next()),
                Some(other) => text.push(other),
                None => {
                    return Err(TypeError::Unclosed {
                        offset,
                        what: "string",
                    });
                }
            }
        }
    }

    fn double_quoted(&mut self) -> Result<Token, TypeError> {
        let offset = self.offset;
        self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(Token::Text(text)),
                Some('\\') => self.escape(offset, &mut text)?,
                Some('$')
                    if self.peek().is_some_and(|c| {
                        c == '{' || c == ':' || c == '_' || c.is_ascii_alphabetic()
                    }) =>
                {
                    return Err(TypeError::Text {
                        offset,
                        what: "a variable; a type cannot have one",
                    });
                }
                Some(other) => text.push(other),
                None => {
                    return Err(TypeError::Unclosed {
                        offset,
                        what: "string",
                    });
                }
            }
        }
    }

    /// What follows a backslash between double quotes; an unknown escape stands for itself, as in Puppet.
    fn escape(&mut self, offset: usize, text: &mut String) -> Result<(), TypeError> {
        let unclosed = TypeError::Unclosed {
            offset,
            what: "string",
        };
        match self.next().ok_or(unclosed)? {
            'n' => text.push('\n'),
            't' => text.push('\t'),
            'r' => text.push('\r'),
            's' => text.push(' '),
            '\n' => {}
            plain @ ('"' | '\'' | '$' | '\\') => text.push(plain),
            'u' => {
                let bad = TypeError::Text {
                    offset,
                    what: "an escape `\\u` without a character's number",
                };
                text.push(self.code_point().ok_or(bad)?);
            }
            other => text.extend(['\\', other]),
        }
        Ok(())
    }

    /// `XXXX` or `{X...}`, after `\u`.
    fn code_point(&mut self) -> Option<char> {
        let braced = self.peek() == Some('{');
        let digits = if braced {
            self.offset += 1;
            let digits = self.take_while(|c| c.is_ascii_hexdigit());
            self.next().filter(|&c| c == '}')?;
            digits
        } else {
            let digits = self.rest().get(..4)?;
            self.offset += 4;
            digits
        };
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        char::from_u32(u32::from_str_radix(digits, 16).ok()?)
    }

    fn regex(&mut self) -> Result<Token, TypeError> {
        let offset = self.offset;
        self.next();
        let mut source = String::new();
        loop {
            match self.next() {
                Some('/') => return Ok(Token::Regex(source)),
                Some('\\') => match self.next() {
                    Some('/') => source.push('/'),
                    Some(other) => source.extend(['\\', other]),
                    None => {
                        return Err(TypeError::Unclosed {
                            offset,
                            what: "pattern",
                        });
                    }
                },
                Some(other) => source.push(other),
                None => {
                    return Err(TypeError::Unclosed {
                        offset,
                        what: "pattern",
                    });
                }
            }
        }
    }
}

/// `0x` hex, leading zero octal, decimal, or a float; finite and within 64 bits.
fn number(text: &str) -> Option<Token> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return i64::from_str_radix(hex, 16).ok().map(Token::Integer);
    }
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        let fraction_ends_well =
            !text.ends_with('.') && !text.contains(".e") && !text.contains(".E");
        let float: f64 = text.parse().ok()?;
        return (fraction_ends_well && float.is_finite()).then_some(Token::Float(float));
    }
    if text.len() > 1 && text.starts_with('0') {
        return i64::from_str_radix(text, 8).ok().map(Token::Integer);
    }
    text.parse().ok().map(Token::Integer)
}
