//! Single conditions on a node: facts as each of the two readers compares them, and classes.
//!
//! Of facts, what versions of the server split or compare differently is refused, and what the plugin took but never
//! answered as it reads.

use regex::Regex;

use super::fault::Fault;
use super::pattern::rewrite;
use crate::predicates::{Operator, ServerFact, TextFact, compile};

/// One condition on the node.
#[derive(Clone, Debug)]
pub(super) enum Term {
    /// A comparison as the Go server makes it.
    ServerFact {
        fact: String,
        operator: Operator,
        value: String,
        test: ServerFact,
    },
    /// A comparison as the Ruby plugin makes it.
    TextFact(TextFact),
    /// A class by its name.
    Class(String),
    /// A class by a regular expression in our own spelling.
    ClassPattern {
        source: String,
        pattern: String,
        regex: Regex,
    },
}

/// Reads one comparison as the Go server does.
pub(super) fn server_fact(word: &str) -> Result<Term, Fault> {
    let is_operator = |character: char| matches!(character, '=' | '<' | '>');
    let not_one = || Fault::Fact(word.to_owned());
    let start = word.find(is_operator).ok_or_else(not_one)?;
    let start = if word.get(..start).is_some_and(|left| left.ends_with('!')) {
        start - 1
    } else {
        start
    };
    let (fact, rest) = word.split_at(start);
    let (written, operator) = [
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("=>", Operator::GreaterOrEqual),
        ("=<", Operator::LessOrEqual),
        ("!=", Operator::Unequal),
        ("=~", Operator::Matches),
        ("==", Operator::Equal),
        ("=", Operator::Equal),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ]
    .into_iter()
    .find(|(written, _)| rest.starts_with(written))
    .ok_or_else(not_one)?;
    let value = rest.strip_prefix(written).unwrap_or_default();
    if fact.is_empty() || value.is_empty() {
        return Err(not_one());
    }
    if value.contains(is_operator) || value.starts_with('~') {
        return Err(Fault::Operators(word.to_owned()));
    }
    let operator =
        by_slashes(operator, written, value).ok_or_else(|| Fault::OddPattern(word.to_owned()))?;
    let faulty = |fault| Fault::FactFault(word.to_owned(), fault);
    let test = ServerFact::new(fact, operator, value).map_err(faulty)?;
    Ok(Term::ServerFact {
        fact: fact.to_owned(),
        operator,
        value: value.to_owned(),
        test,
    })
}

/// A value between slashes is a regular expression behind `=` too, and behind others only in some versions.
fn by_slashes(operator: Operator, written: &str, value: &str) -> Option<Operator> {
    let slashes = (value.starts_with('/'), value.ends_with('/'));
    match (operator, slashes) {
        (Operator::Matches, (true, true)) => {
            let inner = value.get(1..value.len() - 1)?;
            let is_plain = !inner.starts_with('/') && !inner.ends_with('/');
            is_plain.then_some(operator)
        }
        (Operator::Matches, (false, false)) => Some(operator),
        (Operator::Matches, _) => None,
        (Operator::Equal, (true, true)) if written == "=" && value.len() > 2 => {
            by_slashes(Operator::Matches, written, value)
        }
        (_, (true, true)) => None,
        _ => Some(operator),
    }
}

/// Reads one fact or class as the plugin does.
pub(super) fn plugin_term(word: &str) -> Result<Term, Fault> {
    if word.contains(['=', '<', '>']) && !word.starts_with('/') {
        text_fact(word)
    } else {
        class(word, false)
    }
}

/// Reads one fact as the plugin does.
pub(super) fn text_fact(word: &str) -> Result<Term, Fault> {
    let odd = || Fault::PluginOperator(word.to_owned());
    let start = word.find(['=', '<', '>']).ok_or_else(odd)?;
    let (fact, rest) = word.split_at(start);
    let mut characters = rest.chars();
    let operator = match characters.next() {
        Some('=') => Operator::Equal,
        Some('<') => Operator::Less,
        _ => Operator::Greater,
    };
    let value = characters.as_str();
    let is_odd = fact.ends_with('!')
        || value.contains(['=', '<', '>'])
        || value.starts_with('~')
        || value.starts_with('/');
    if is_odd {
        return Err(odd());
    }
    let fact = TextFact::new(fact, operator, value);
    let fact = fact.map_err(|fault| Fault::FactFault(word.to_owned(), fault))?;
    Ok(Term::TextFact(fact))
}

/// Reads one class; `fold` says that the Go server reads it, to which upper and lower case are one.
pub(super) fn class(word: &str, fold: bool) -> Result<Term, Fault> {
    if word.starts_with('/') || word.ends_with('/') {
        let inner = inner_of(word).ok_or_else(|| Fault::Slashes(word.to_owned()))?;
        let faulty = |fault| Fault::Pattern(word.to_owned(), fault);
        let pattern = rewrite(inner, fold).map_err(faulty)?;
        let regex = compile(&pattern).map_err(faulty)?;
        return Ok(Term::ClassPattern {
            source: word.to_owned(),
            pattern,
            regex,
        });
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_:.-".contains(&byte);
    if word.is_empty() || !word.bytes().all(is_plain) {
        return Err(Fault::Class(word.to_owned()));
    }
    // The server compares the word in lower case with the class as it is.
    let name = if fold {
        word.to_ascii_lowercase()
    } else {
        word.to_owned()
    };
    Ok(Term::Class(name))
}

/// What stands between two slashes, where there are no others.
fn inner_of(word: &str) -> Option<&str> {
    let inner = word.strip_prefix('/')?.strip_suffix('/')?;
    Some(inner).filter(|inner| !inner.contains('/'))
}
