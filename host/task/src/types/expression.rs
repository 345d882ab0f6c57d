//! Reads tokens into expressions: names with arguments, literals, lists and hashes.
//!
//! Nothing is known here of what a name means. Depth and the number of parts are limited, so that what
//! comes after may recurse.

use super::error::TypeError;
use super::lex::{Placed, Token};

/// How deeply brackets may be nested.
pub(super) const DEPTH_MAX: usize = 32;
/// How many expressions one type may have.
pub(super) const PARTS_MAX: usize = 4_096;

/// One expression and where it begins.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    pub(super) offset: usize,
    pub(super) form: Form,
}

/// What an expression is.
#[derive(Clone, Debug)]
pub(super) enum Form {
    Type {
        name: String,
        arguments: Option<Vec<Expression>>,
    },
    Word(String),
    Text(String),
    Regex(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Default,
    Undef,
    List(Vec<Expression>),
    Hash(Vec<(Expression, Expression)>),
}

/// Reads exactly one expression; `end` is the offset at which the text ends.
pub(super) fn expression(tokens: &[Placed], end: usize) -> Result<Expression, TypeError> {
    let mut parser = Parser {
        tokens,
        end,
        depth: 0,
        parts: 0,
    };
    let expression = parser.expression("a type such as `String[1]`")?;
    match parser.tokens.first() {
        None => Ok(expression),
        Some(_) => Err(parser.unexpected("the end of the type")),
    }
}

struct Parser<'a> {
    tokens: &'a [Placed],
    end: usize,
    depth: usize,
    parts: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.first().map(|placed| &placed.token)
    }

    fn offset(&self) -> usize {
        self.tokens.first().map_or(self.end, |placed| placed.offset)
    }

    fn next(&mut self) -> Option<&'a Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(&first.token)
    }

    fn take(&mut self, wanted: &Token) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.next();
        }
        found
    }

    fn unexpected(&self, expected: &'static str) -> TypeError {
        let found = self.peek().map_or("the end".to_owned(), describe);
        TypeError::Unexpected {
            offset: self.offset(),
            expected,
            found,
        }
    }

    fn expression(&mut self, expected: &'static str) -> Result<Expression, TypeError> {
        let offset = self.offset();
        self.parts += 1;
        if self.parts > PARTS_MAX {
            return Err(TypeError::TooManyParts {
                parts_max: PARTS_MAX,
            });
        }
        if self.depth >= DEPTH_MAX {
            return Err(TypeError::TooDeep {
                offset,
                depth_max: DEPTH_MAX,
            });
        }
        self.depth += 1;
        let form = self.form(expected)?;
        self.depth -= 1;
        Ok(Expression { offset, form })
    }

    fn form(&mut self, expected: &'static str) -> Result<Form, TypeError> {
        let unexpected = self.unexpected(expected);
        let form = match self.next() {
            Some(Token::Name(name)) => Form::Type {
                name: name.clone(),
                arguments: self.arguments()?,
            },
            Some(Token::Word(word)) => keyword(word),
            Some(Token::Text(text)) => Form::Text(text.clone()),
            Some(Token::Regex(source)) => Form::Regex(source.clone()),
            Some(Token::Integer(number)) => Form::Integer(*number),
            Some(Token::Float(number)) => Form::Float(*number),
            Some(Token::Minus) => self.negative()?,
            Some(Token::Open) => Form::List(self.list()?),
            Some(Token::OpenBrace) => Form::Hash(self.hash()?),
            _ => return Err(unexpected),
        };
        Ok(form)
    }

    fn negative(&mut self) -> Result<Form, TypeError> {
        let unexpected = self.unexpected("a number");
        match self.next() {
            Some(Token::Integer(number)) => Ok(Form::Integer(-number)),
            Some(Token::Float(number)) => Ok(Form::Float(-number)),
            _ => Err(unexpected),
        }
    }

    fn arguments(&mut self) -> Result<Option<Vec<Expression>>, TypeError> {
        if self.take(&Token::Open) {
            self.list().map(Some)
        } else {
            Ok(None)
        }
    }

    /// What stands between brackets, the closing one included.
    fn list(&mut self) -> Result<Vec<Expression>, TypeError> {
        let mut items = Vec::new();
        loop {
            if self.take(&Token::Close) {
                return Ok(items);
            }
            items.push(self.expression("an argument or `]`")?);
            if !self.take(&Token::Comma) && self.peek() != Some(&Token::Close) {
                return Err(self.unexpected("`,` or `]`"));
            }
        }
    }

    fn hash(&mut self) -> Result<Vec<(Expression, Expression)>, TypeError> {
        let mut entries = Vec::new();
        loop {
            if self.take(&Token::CloseBrace) {
                return Ok(entries);
            }
            let key = self.expression("a key or `}`")?;
            if !self.take(&Token::Arrow) {
                return Err(self.unexpected("`=>`"));
            }
            entries.push((key, self.expression("a type")?));
            if !self.take(&Token::Comma) && self.peek() != Some(&Token::CloseBrace) {
                return Err(self.unexpected("`,` or `}`"));
            }
        }
    }
}

fn keyword(word: &str) -> Form {
    match word {
        "default" => Form::Default,
        "undef" => Form::Undef,
        "true" => Form::Boolean(true),
        "false" => Form::Boolean(false),
        _ => Form::Word(word.to_owned()),
    }
}

fn describe(token: &Token) -> String {
    match token {
        Token::Name(text) | Token::Word(text) => format!("`{text}`"),
        Token::Text(text) => format!("the string `{text}`"),
        Token::Regex(_) => "a pattern".to_owned(),
        Token::Integer(number) => format!("`{number}`"),
        Token::Float(number) => format!("`{number:?}`"),
        Token::Open => "`[`".to_owned(),
        Token::Close => "`]`".to_owned(),
        Token::OpenBrace => "`{`".to_owned(),
        Token::CloseBrace => "`}`".to_owned(),
        Token::Comma => "`,`".to_owned(),
        Token::Arrow => "`=>`".to_owned(),
        Token::Equals => "`=`".to_owned(),
        Token::Minus => "`-`".to_owned(),
    }
}
