//! One pattern of a `Pattern` or `Regexp` type: kept as written, translated at once, compiled when first used.
//!
//! Matching takes time linear in the value, whatever the pattern, and memory under a limit. A pattern that
//! does not compile matches nothing.

use std::sync::OnceLock;

use regex::{Regex, RegexBuilder};

use super::error::PatternError;
use super::ruby;

/// How much memory one compiled pattern may take, in bytes.
const COMPILED_BYTES_MAX: usize = 256 * 1024;

/// A pattern in Ruby's syntax.
///
/// Two are equal when they were written alike.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    source: String,
    translated: String,
    compiled: OnceLock<Result<Regex, PatternError>>,
}

impl Pattern {
    /// Takes a pattern as it stands between slashes, or in a string.
    pub(super) fn new(source: &str) -> Result<Self, PatternError> {
        let source = unescape_slashes(source);
        let translated = ruby::translate(&source)?;
        Ok(Self {
            source,
            translated,
            compiled: OnceLock::new(),
        })
    }

    /// Whether the pattern occurs anywhere in the text.
    pub(super) fn is_match(&self, text: &str) -> bool {
        self.compiled().is_ok_and(|regex| regex.is_match(text))
    }

    /// The compiled pattern.
    pub(super) fn compiled(&self) -> Result<&Regex, &PatternError> {
        self.compiled
            .get_or_init(|| compile(&self.translated))
            .as_ref()
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

fn compile(translated: &str) -> Result<Regex, PatternError> {
    let built = RegexBuilder::new(translated)
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(COMPILED_BYTES_MAX)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => PatternError::TooLarge {
            max_bytes: COMPILED_BYTES_MAX,
        },
        // The message draws the translated pattern over several lines; the last one says what is wrong.
        other => {
            let text = other.to_string();
            let reason = text.lines().last().unwrap_or_default();
            PatternError::Invalid {
                reason: reason.trim_start_matches("error: ").to_owned(),
            }
        }
    })
}
