//! Versions of modules, compared as semantic versioning compares them.
//!
//! The numbers before the first `-` or `+` are compared as numbers, and those that are missing are zero, so that
//! `1.10` is above `1.9` and equal to `1.10.0`. What follows `-` is a pre-release, below the release itself;
//! what follows `+` does not count. Refused is what cannot be compared: empty parts, more numbers than
//! [`VERSION_NUMBERS_MAX`], numbers beyond 64 bits, other characters.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

#[cfg(test)]
mod tests;

/// Longest version that is read, in bytes.
pub const VERSION_BYTES_MAX: usize = 128;

/// Most dotted numbers in a version.
pub const VERSION_NUMBERS_MAX: usize = 8;

/// Why a text is not a version.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a version such as `1.4.0` or `2.0.0-rc.1`")]
pub struct VersionError;

/// A version that can be compared with another; keeps the text it was read from.
#[derive(Clone, Debug)]
pub struct Version {
    text: String,
    numbers: [u64; VERSION_NUMBERS_MAX],
    before_release: Vec<Identifier>,
}

/// One dotted part of a pre-release. The order of the cases matters: numbers are below words.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Identifier {
    Number(u64),
    Word(String),
}

impl Version {
    /// The text that the version was read from.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this version comes before `other`.
    ///
    /// There is no `Ord`: `1.4` and `1.4.0+build` are different texts of one version.
    #[must_use]
    pub fn is_below(&self, other: &Self) -> bool {
        self.compare(other) == Ordering::Less
    }

    fn compare(&self, other: &Self) -> Ordering {
        let numbers = self.numbers.cmp(&other.numbers);
        let release = match (
            self.before_release.is_empty(),
            other.before_release.is_empty(),
        ) {
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            _ => self.before_release.cmp(&other.before_release),
        };
        numbers.then(release)
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > VERSION_BYTES_MAX {
            return Err(VersionError);
        }
        let (rest, build) = split(text, '+');
        let (dotted, before_release) = split(rest, '-');
        for part in build.into_iter().flat_map(|build| build.split('.')) {
            word(part)?;
        }
        let mut numbers = [0; VERSION_NUMBERS_MAX];
        let mut slots = numbers.iter_mut();
        for part in dotted.split('.') {
            *slots.next().ok_or(VersionError)? = number(part)?;
        }
        let before_release = before_release
            .into_iter()
            .flat_map(|identifiers| identifiers.split('.'))
            .map(identifier)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            text: text.to_owned(),
            numbers,
            before_release,
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at)
        .map_or((text, None), |(head, tail)| (head, Some(tail)))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn number(text: &str) -> Result<u64, VersionError> {
    if !is_number(text) {
        return Err(VersionError);
    }
    text.parse().map_err(|_| VersionError)
}

fn word(text: &str) -> Result<&str, VersionError> {
    let is_word = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_word { Ok(text) } else { Err(VersionError) }
}

fn identifier(text: &str) -> Result<Identifier, VersionError> {
    if is_number(text) {
        return number(text).map(Identifier::Number);
    }
    word(text).map(|text| Identifier::Word(text.to_owned()))
}
