//! Paths inside a bundle, and the rule that no two of them may be confused.
//!
//! A [`BundlePath`] can be joined to any directory without leaving it, printed without deceiving the
//! reader, and stored in a plain ustar header. A [`PathSet`] refuses paths that a file system without
//! case or Unicode normalisation would merge. Nothing here asks a file system anything.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use host_core::Shown;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::ustar;

/// Longest path, in bytes.
const PATH_BYTES_MAX: usize = 1024;

/// Longest segment of a path, in bytes.
const SEGMENT_BYTES_MAX: usize = 255;

/// Most segments in a path.
const PATH_SEGMENTS_MAX: usize = 32;

/// Where a file lies in a bundle, such as `tasks/init.sh`.
///
/// Relative, 1 to 32 segments separated by single slashes, none of them empty, `.` or `..`, each at
/// most 255 bytes of UTF-8 without backslash, control, bidi or other invisible characters; and fit for
/// the name (100 bytes) and prefix (155 bytes) of a ustar header.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct BundlePath(Box<str>);

impl BundlePath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not a path inside a bundle.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BundlePathError {
    /// The path has no characters.
    #[error("path is empty")]
    Empty,
    /// The path begins with a slash.
    #[error("path is absolute")]
    Absolute,
    /// The path has a segment without characters: a doubled or a trailing slash.
    #[error("path has an empty segment")]
    EmptySegment,
    /// The path has a `.` or `..` segment.
    #[error("path has the segment `{0}`")]
    DotSegment(&'static str),
    /// The path has a backslash, which some systems take for a separator.
    #[error("path has a backslash")]
    Backslash,
    /// The path has a character that cannot be seen or that changes how others are seen.
    #[error("path has the invisible character U+{:04X}", u32::from(*.0))]
    Invisible(char),
    /// The whole path or one segment is too long.
    #[error("path has {have} {unit}, {max} are allowed")]
    TooLong {
        /// How many there are.
        have: usize,
        /// How many are allowed.
        max: usize,
        /// What is counted.
        unit: &'static str,
    },
    /// The path fits the length limits but cannot be split into a ustar name and prefix.
    #[error(
        "path does not fit a tar header: the part after some slash must have at most 100 bytes, the part before it at most 155"
    )]
    DoesNotFitTar,
}

impl FromStr for BundlePath {
    type Err = BundlePathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(BundlePathError::Empty);
        }
        at_most(text.len(), PATH_BYTES_MAX, "bytes")?;
        if text.starts_with('/') {
            return Err(BundlePathError::Absolute);
        }
        at_most(text.split('/').count(), PATH_SEGMENTS_MAX, "segments")?;
        text.split('/').try_for_each(check_segment)?;
        if ustar::split_path(text).is_none() {
            return Err(BundlePathError::DoesNotFitTar);
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for BundlePath {
    type Error = BundlePathError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<BundlePath> for String {
    fn from(path: BundlePath) -> Self {
        path.0.into()
    }
}

impl AsRef<str> for BundlePath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BundlePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check_segment(segment: &str) -> Result<(), BundlePathError> {
    match segment {
        "" => return Err(BundlePathError::EmptySegment),
        "." => return Err(BundlePathError::DotSegment(".")),
        ".." => return Err(BundlePathError::DotSegment("..")),
        _ => at_most(segment.len(), SEGMENT_BYTES_MAX, "bytes in a segment")?,
    }
    for character in segment.chars() {
        if character == '\\' {
            return Err(BundlePathError::Backslash);
        }
        if is_invisible(character) {
            return Err(BundlePathError::Invisible(character));
        }
    }
    Ok(())
}

fn at_most(have: usize, max: usize, unit: &'static str) -> Result<(), BundlePathError> {
    if have > max {
        return Err(BundlePathError::TooLong { have, max, unit });
    }
    Ok(())
}

/// Whether people are shown an escape in place of this character.
fn is_invisible(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    Shown(character.encode_utf8(&mut [0; 4])).to_string() != character.to_string()
}

/// Paths of one tree, of which none can be mistaken for another.
#[derive(Debug, Default)]
pub(crate) struct PathSet {
    /// By folded spelling.
    nodes: HashMap<String, Node>,
}

#[derive(Debug)]
struct Node {
    spelling: Box<str>,
    is_file: bool,
}

/// A path that a [`PathSet`] holds already, in this or another spelling or role.
#[derive(Debug)]
pub(crate) struct Clash {
    /// The spelling that was there first.
    pub(crate) other: String,
}

impl PathSet {
    /// Adds a file and, implied, the directories above it.
    pub(crate) fn insert_file(&mut self, path: &str) -> Result<(), Clash> {
        for (slash, _) in path.match_indices('/') {
            self.insert_directory(path.get(..slash).unwrap_or_default())?;
        }
        let node = Node {
            spelling: path.into(),
            is_file: true,
        };
        match self.nodes.insert(fold(path), node) {
            None => Ok(()),
            Some(before) => Err(Clash {
                other: before.spelling.into(),
            }),
        }
    }

    /// Adds one directory; the same spelling may come again.
    pub(crate) fn insert_directory(&mut self, path: &str) -> Result<(), Clash> {
        let node = self.nodes.entry(fold(path)).or_insert_with(|| Node {
            spelling: path.into(),
            is_file: false,
        });
        if node.is_file || *node.spelling != *path {
            return Err(Clash {
                other: node.spelling.to_string(),
            });
        }
        Ok(())
    }
}

/// The spelling that all twins of a path share: normalised, and without case.
fn fold(path: &str) -> String {
    if path.is_ascii() {
        return path.to_ascii_lowercase();
    }
    // Up and down again: this also joins letters with two lower-case forms, such as the final sigma.
    path.nfd()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfc()
        .collect()
}

#[cfg(test)]
mod tests;
