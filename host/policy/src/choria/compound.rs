//! Compound statements: facts and classes joined by `and`, `or`, `not`, `!` and parentheses.
//!
//! Only the Ruby plugin evaluates them, and it did so by making a Ruby program of the statement. Hence `and` and `or` bind
//! alike, from left to right, `not` binds closer, facts are compared as texts, and classes with regard to case. Refused is
//! what asks a data plugin, and what the plugin took but never answered as it reads: `<=`, `>=`, `!=`, `=~`, `==` and a
//! regular expression for a fact.

use super::fault::Fault;
use super::term::{Term, plugin_term};

/// Most words and parentheses in one statement.
const TOKENS_MAX: usize = 128;

/// Most parentheses and negations within each other.
const DEPTH_MAX: usize = 24;

/// What facts and classes must be.
#[derive(Clone, Debug)]
pub(super) enum Expression {
    Always,
    Term(Term),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
}

/// Whether the readers of old took a column for a compound statement.
pub(super) fn is_compound(column: &str) -> bool {
    let holds_pair = |word: &str| {
        let open = word.find('(');
        let close = word.rfind(')');
        matches!((open, close), (Some(open), Some(close)) if close > open + 1)
    };
    column.split(' ').any(|word| {
        word.starts_with('!') || matches!(word, "not" | "or" | "and") || holds_pair(word)
    })
}

/// Reads a compound statement; says too whether it mixes `and` with `or`.
pub(super) fn read(column: &str) -> Result<(Expression, bool), Fault> {
    let tokens = tokens(column)?;
    let has = |wanted: &Token<'_>| tokens.contains(wanted);
    let is_mixed = has(&Token::And) && has(&Token::Or);
    let mut reader = Reader {
        tokens: &tokens,
        depth: 0,
    };
    let expression = reader.expression()?;
    match reader.tokens.first() {
        None => Ok((expression, is_mixed)),
        Some(token) => Err(token.unexpected()),
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Token<'a> {
    Open,
    Close,
    Not,
    And,
    Or,
    Word(&'a str),
}

impl Token<'_> {
    fn unexpected(&self) -> Fault {
        let text = match self {
            Self::Open => "(",
            Self::Close => ")",
            Self::Not => "not",
            Self::And => "and",
            Self::Or => "or",
            Self::Word(word) => word,
        };
        Fault::Compound(text.to_owned())
    }
}

fn tokens(column: &str) -> Result<Vec<Token<'_>>, Fault> {
    let mut tokens = Vec::new();
    let mut rest = column;
    while let Some(first) = rest.chars().next() {
        if tokens.len() == TOKENS_MAX {
            return Err(Fault::Depth);
        }
        let (token, used) = match first {
            ' ' => (None, 1),
            '(' => (Some(Token::Open), 1),
            ')' => (Some(Token::Close), 1),
            '!' => (Some(Token::Not), 1),
            _ => word(rest)?,
        };
        tokens.extend(token);
        rest = rest.get(used..).unwrap_or_default();
    }
    Ok(tokens)
}

/// A keyword where a blank or parenthesis follows, else whatever is not blank.
fn word(rest: &str) -> Result<(Option<Token<'_>>, usize), Fault> {
    for (keyword, token) in [("not", Token::Not), ("and", Token::And), ("or", Token::Or)] {
        let behind = rest.strip_prefix(keyword);
        if behind.is_some_and(|behind| behind.starts_with([' ', '('])) {
            return Ok((Some(token), keyword.len()));
        }
    }
    let ends = |character: char| character == ' ' || (character == ')' && !rest.starts_with('/'));
    let length = rest.find(ends).unwrap_or(rest.len());
    let (word, _) = rest.split_at(length);
    if matches!(word, "not" | "and" | "or") {
        return Err(Fault::Compound(word.to_owned()));
    }
    if word.contains('(') && !word.starts_with('/') {
        let call = rest.split(' ').next().unwrap_or(word);
        // A regular expression with a group looks like a call as well.
        return Err(if call.contains("=/") || call.contains("=~") {
            Fault::PluginOperator(call.to_owned())
        } else {
            Fault::DataPlugin(call.to_owned())
        });
    }
    Ok((Some(Token::Word(word)), length))
}

struct Reader<'a> {
    tokens: &'a [Token<'a>],
    depth: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<Token<'a>> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(*first)
    }

    fn expression(&mut self) -> Result<Expression, Fault> {
        let mut left = self.operand()?;
        while let Some(Token::And | Token::Or) = self.tokens.first() {
            let is_and = self.next() == Some(Token::And);
            let right = Box::new(self.operand()?);
            left = if is_and {
                Expression::And(Box::new(left), right)
            } else {
                Expression::Or(Box::new(left), right)
            };
        }
        Ok(left)
    }

    fn operand(&mut self) -> Result<Expression, Fault> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Fault::Depth);
        }
        let found = match self.next() {
            Some(Token::Not) => Expression::Not(Box::new(self.operand()?)),
            Some(Token::Open) => {
                let inner = self.expression()?;
                match self.next() {
                    Some(Token::Close) => inner,
                    Some(token) => return Err(token.unexpected()),
                    None => return Err(Fault::Compound("(".to_owned())),
                }
            }
            Some(Token::Word(word)) => Expression::Term(plugin_term(word)?),
            Some(token) => return Err(token.unexpected()),
            None => return Err(Fault::Compound("its end".to_owned())),
        };
        self.depth -= 1;
        Ok(found)
    }
}

impl Expression {
    /// All of them.
    pub(super) fn all(terms: impl IntoIterator<Item = Term>) -> Self {
        let mut all = Self::Always;
        for term in terms {
            all = match all {
                Self::Always => Self::Term(term),
                before => Self::And(Box::new(before), Box::new(Self::Term(term))),
            };
        }
        all
    }

    /// Whether one of its terms is such.
    pub(super) fn any_term(&self, is_such: &dyn Fn(&Term) -> bool) -> bool {
        match self {
            Self::Always => false,
            Self::Term(term) => is_such(term),
            Self::Not(inner) => inner.any_term(is_such),
            Self::And(left, right) | Self::Or(left, right) => {
                left.any_term(is_such) || right.any_term(is_such)
            }
        }
    }
}
