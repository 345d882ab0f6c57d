//! One pattern of a `Pattern` or `Regexp` type: kept as written, translated at once, compiled when first used.
//!
//! Compiled patterns belong to the [`Patterns`] of a module, which has each source once and all of them within a limit.
//! Matching takes time linear in the value and in the compiled pattern. A pattern that does not compile matches
//! nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use regex::{Regex, RegexBuilder};

use super::error::PatternError;
use super::ruby;

/// How much memory one compiled pattern may take, in bytes: enough for every Unicode letter some hundred times.
const COMPILED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How much memory all compiled patterns of a module may take that one process uses, in bytes.
const COMPILED_SUM_BYTES_MAX: usize = 128 * 1024 * 1024;

/// How much memory a pattern may take while it matches, in bytes, beyond what its size demands.
const CACHE_BYTES_MAX: usize = 256 * 1024;

/// The compiled size that matches one byte at the cost of one step, in bytes.
const STEP_BYTES: usize = 4 * 1024;

/// Up to which compiled size matching is charged less, in bytes: everyday patterns, such as a host name or a class of
/// Unicode, hardly ever cost what they could at worst.
const SMALL_BYTES_MAX: usize = 64 * 1024;

/// How much less.
const SMALL_DISCOUNT: usize = 4;

/// By which factor the size grows that is tried next.
const SIZE_FACTOR: usize = 4;

/// A pattern in Ruby's syntax.
///
/// Two are equal when they were written alike.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    source: String,
    translated: String,
}

impl Pattern {
    /// Takes a pattern as it stands between slashes, or in a string.
    pub(super) fn new(source: &str) -> Result<Self, PatternError> {
        let source = unescape_slashes(source);
        let translated = ruby::translate(&source)?;
        Ok(Self { source, translated })
    }

    /// The pattern between slashes, as Puppet prints it.
    pub(super) fn delimited(&self) -> String {
        let mut text = String::from("/");
        let mut chars = self.source.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => {
                    text.push(c);
                    text.extend(chars.next());
                }
                '/' => text.push_str("\\/"),
                _ => text.push(c),
            }
        }
        text.push('/');
        text
    }

    #[cfg(test)]
    pub(super) fn translated(&self) -> &str {
        &self.translated
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

/// The compiled patterns of one module.
#[derive(Debug, Default)]
pub(super) struct Patterns(Mutex<Store>);

#[derive(Debug, Default)]
struct Store {
    /// By the translated source.
    compiled: BTreeMap<String, Result<Arc<Compiled>, PatternError>>,
    /// How much memory they may take together.
    bytes: usize,
}

/// A pattern ready to match.
#[derive(Debug)]
pub(super) struct Compiled {
    regex: Regex,
    size_bytes: usize,
}

impl Patterns {
    /// The compiled pattern.
    pub(super) fn compiled(&self, pattern: &Pattern) -> Result<Arc<Compiled>, PatternError> {
        // A panic of another thread leaves at worst one pattern out, which is compiled again.
        let mut store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = store.compiled.get(&pattern.translated) {
            return known.clone();
        }
        if store.bytes > COMPILED_SUM_BYTES_MAX - COMPILED_BYTES_MAX {
            return Err(PatternError::TooMuch {
                max_bytes: COMPILED_SUM_BYTES_MAX,
            });
        }
        let compiled = compile(&pattern.translated).map(Arc::new);
        store.bytes += match &compiled {
            Ok(compiled) => compiled.size_bytes + CACHE_BYTES_MAX,
            // What is too large took the time of a large one, though it keeps no memory.
            Err(PatternError::TooLarge { .. }) => COMPILED_BYTES_MAX,
            Err(_) => CACHE_BYTES_MAX,
        };
        let source = pattern.translated.clone();
        store.compiled.insert(source, compiled.clone());
        compiled
    }
}

#[cfg(test)]
impl Patterns {
    pub(super) fn is_empty(&self) -> bool {
        let store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        store.compiled.is_empty()
    }
}

impl Compiled {
    /// Whether the pattern occurs anywhere in the text.
    pub(super) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// How many steps it is charged to match the text: what it takes at worst, or less where the pattern is small.
    pub(super) fn steps(&self, text: &str) -> usize {
        let steps = text.len().saturating_mul(self.size_bytes / STEP_BYTES);
        if self.size_bytes <= SMALL_BYTES_MAX {
            steps / SMALL_DISCOUNT
        } else {
            steps
        }
    }
}

/// Makes `\/` a plain slash, so that a pattern is the same whether it came from a literal or a string.
fn unescape_slashes(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some('/') => text.push('/'),
            Some(other) => text.extend([c, other]),
            None => text.push(c),
        }
    }
    text
}

/// Compiles a pattern within the smallest of a few sizes, since it does not tell its own.
fn compile(translated: &str) -> Result<Compiled, PatternError> {
    let mut size_bytes = STEP_BYTES;
    loop {
        let built = RegexBuilder::new(translated)
            .size_limit(size_bytes)
            .dfa_size_limit(CACHE_BYTES_MAX)
            .build();
        match built {
            Ok(regex) => return Ok(Compiled { regex, size_bytes }),
            Err(regex::Error::CompiledTooBig(_)) if size_bytes < COMPILED_BYTES_MAX => {
                size_bytes = COMPILED_BYTES_MAX.min(size_bytes * SIZE_FACTOR);
            }
            Err(error) => return Err(fault(&error)),
        }
    }
}

fn fault(error: &regex::Error) -> PatternError {
    if let regex::Error::CompiledTooBig(_) = error {
        return PatternError::TooLarge {
            max_bytes: COMPILED_BYTES_MAX,
        };
    }
    // The message draws the translated pattern over several lines; the last one says what is wrong.
    let text = error.to_string();
    let reason = text.lines().last().unwrap_or_default();
    PatternError::Invalid {
        reason: reason.trim_start_matches("error: ").to_owned(),
    }
}
