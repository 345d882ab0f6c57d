//! Writes conditions in Cedar, and gives a name to each that Cedar has no words for.
//!
//! Every text that comes out binds as one operand, and long lists are split in halves so that they nest no deeper than
//! their logarithm.

use std::collections::{BTreeMap, BTreeSet};

use super::compound::Expression;
use super::policy::{CallerTerm, Callers};
use super::term::Term;
use crate::predicates::{Operator, PREDICATE_NAME_BYTES_MAX, Predicate, TextFact};

/// Most operands beside each other before they are split.
const OPERANDS_MAX: usize = 8;

/// The predicates that were needed, with their names.
#[derive(Debug, Default)]
pub(super) struct Names {
    names: BTreeMap<Predicate, String>,
    taken: BTreeSet<String>,
}

impl Names {
    /// Every predicate under its name.
    pub(super) fn predicates(&self) -> impl Iterator<Item = (String, Predicate)> {
        let swap = |(predicate, name): (&Predicate, &String)| (name.clone(), predicate.clone());
        self.names.iter().map(swap)
    }

    /// The condition that a predicate holds; it is named after its text where that is plain, else by a number.
    fn holds(&mut self, noun: &str, text: &str, predicate: Predicate) -> String {
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        let bytes = noun.len() + 1 + text.len();
        let is_sound = text.bytes().all(is_plain) && bytes <= PREDICATE_NAME_BYTES_MAX;
        let taken = &mut self.taken;
        let name = self.names.entry(predicate).or_insert_with(|| {
            let mut number = 1;
            let mut name = if is_sound {
                format!("{noun} {text}")
            } else {
                format!("{noun} #1")
            };
            while !taken.insert(name.clone()) {
                number += 1;
                name = format!("{noun} #{number}");
            }
            name
        });
        format!("context.predicates.contains(\"{name}\")")
    }

    /// The condition on the caller; none where anyone is meant. `prefix` is what stood before every name.
    pub(super) fn callers(&mut self, callers: &Callers, prefix: &str) -> Option<String> {
        let Callers::Any(terms) = callers else {
            return None;
        };
        let terms = terms.iter().map(|term| match term {
            CallerTerm::Named(caller) => format!("principal == Caller::\"{}\"", caller.name),
            CallerTerm::Group(group) => format!("principal in Group::\"{group}\""),
            CallerTerm::Pattern {
                source, pattern, ..
            } => {
                let predicate = Predicate::CallerMatches {
                    prefix: prefix.to_owned(),
                    pattern: pattern.clone(),
                };
                self.holds("caller", source, predicate)
            }
        });
        let terms = terms.collect();
        Some(any_of(terms))
    }

    /// The condition on the node; none where any is meant.
    pub(super) fn node(&mut self, expression: &Expression) -> Option<String> {
        match expression {
            Expression::Always => None,
            Expression::Term(term) => Some(self.term(term)),
            Expression::Not(inner) => self.node(inner).map(|inner| format!("!({inner})")),
            Expression::And(..) => {
                let mut operands = Vec::new();
                self.conjuncts(expression, &mut operands);
                Some(all_of(operands))
            }
            Expression::Or(left, right) => {
                let operands = [self.node(left), self.node(right)];
                Some(any_of(operands.into_iter().flatten().collect()))
            }
        }
    }

    fn conjuncts(&mut self, expression: &Expression, operands: &mut Vec<String>) {
        if let Expression::And(left, right) = expression {
            self.conjuncts(left, operands);
            self.conjuncts(right, operands);
        } else {
            operands.extend(self.node(expression));
        }
    }

    fn term(&mut self, term: &Term) -> String {
        match term {
            Term::Class(name) => format!("context.node.classes.contains(\"{name}\")"),
            Term::ClassPattern {
                source, pattern, ..
            } => {
                let pattern = pattern.clone();
                // The same text can be meant with and without regard to case.
                let noun = if pattern.starts_with("(?i)") {
                    "class"
                } else {
                    "exact class"
                };
                self.holds(noun, source, Predicate::ClassMatches { pattern })
            }
            Term::ServerFact {
                fact,
                operator,
                value,
                ..
            } => {
                let predicate = Predicate::ChoriaFact {
                    fact: fact.clone(),
                    operator: operator.as_str().to_owned(),
                    value: value.clone(),
                };
                let text = format!("{fact}{}{value}", operator.as_str());
                self.holds("fact", &text, predicate)
            }
            Term::TextFact(text) if is_plain(text) => {
                let (fact, value) = (&text.fact, &text.value);
                format!(
                    "(context.facts.hasTag(\"{fact}\") && context.facts.getTag(\"{fact}\") == \"{value}\")"
                )
            }
            Term::TextFact(text) => {
                let predicate = Predicate::FactText {
                    fact: text.fact.clone(),
                    operator: text.operator.as_str().to_owned(),
                    value: text.value.clone(),
                };
                let shown = format!("{}{}{}", text.fact, text.operator.as_str(), text.value);
                self.holds("text", &shown, predicate)
            }
        }
    }
}

/// Whether the fact's tag equals the value exactly when the fact's text does: it is of the first level, and the value is
/// neither how a number, a list, a hash or nothing could be written, nor in need of quoting.
fn is_plain(text: &TextFact) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphabetic() || b"_-:".contains(&byte);
    text.operator == Operator::Equal
        && !text.fact.contains('.')
        && text.value.bytes().all(is_word)
        && text.value.bytes().any(|byte| byte.is_ascii_alphabetic())
        && text.value != "null"
}

/// Any of the operands; at least one is expected.
pub(super) fn any_of(operands: Vec<String>) -> String {
    joined(operands, " || ")
}

/// All of the operands; at least one is expected.
pub(super) fn all_of(operands: Vec<String>) -> String {
    joined(operands, " && ")
}

fn joined(mut operands: Vec<String>, operator: &str) -> String {
    while operands.len() > OPERANDS_MAX {
        let chunks = operands.chunks(OPERANDS_MAX);
        operands = chunks.map(|chunk| group(chunk, operator)).collect();
    }
    group(&operands, operator)
}

fn group(operands: &[String], operator: &str) -> String {
    match operands {
        [only] => only.clone(),
        _ => format!("({})", operands.join(operator)),
    }
}
