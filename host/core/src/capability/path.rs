//! Paths as policy speaks of them: absolute and lexically canonical.
//!
//! The disk is never read: a symlink is found when the path is opened, not here. `.` and `..` are refused and not
//! resolved, because resolving them by text is wrong where a link is on the way.

use std::fmt;
use std::str::FromStr;

use crate::serde_text::serde_as_text;

/// The directories of a machine that native tasks see without asking, read only.
pub const SYSTEM_PATHS: [&str; 6] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"];

/// The longest path, in bytes.
pub const PATH_BYTES_MAX: usize = 4096;

/// An absolute path without empty, `.` or `..` segments, and without control characters.
///
/// `//` is collapsed and a trailing `/` dropped when read. The root is `/`.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CanonicalPath(Box<str>);

impl CanonicalPath {
    /// Joins segments below the root.
    pub(crate) fn from_segments<S: AsRef<str>>(
        segments: impl IntoIterator<Item = S>,
    ) -> Result<Self, PathError> {
        let mut text = String::new();
        for segment in segments {
            check_segment(segment.as_ref())?;
            text.push('/');
            text.push_str(segment.as_ref());
        }
        if text.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong);
        }
        Ok(Self(if text.is_empty() {
            "/".into()
        } else {
            text.into()
        }))
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments from the root down; none for `/`.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|segment| !segment.is_empty())
    }

    /// Whether `other` is this path or lies below it, by whole segments.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        let mut below = other.segments();
        self.segments().all(|segment| below.next() == Some(segment))
    }
}

impl FromStr for CanonicalPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let below = text.strip_prefix('/').ok_or_else(|| PathError::Relative {
            path: text.to_owned(),
        })?;
        if text.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong);
        }
        Self::from_segments(below.split('/').filter(|segment| !segment.is_empty()))
    }
}

impl AsRef<str> for CanonicalPath {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for CanonicalPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl fmt::Debug for CanonicalPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "CanonicalPath({:?})", self.as_str())
    }
}

serde_as_text!(CanonicalPath);

/// Why a text is not a canonical path.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// It does not begin with `/`.
    #[error("path `{}` is not absolute", crate::Shown(.path))]
    Relative {
        /// What was given.
        path: String,
    },
    /// A segment is `.` or `..`.
    #[error("a path must not have the segment `{segment}`")]
    Dots {
        /// The segment.
        segment: String,
    },
    /// It has a control character, NUL among them.
    #[error("a path must not have control characters")]
    Control,
    /// It is longer than [`PATH_BYTES_MAX`].
    #[error("path is longer than {PATH_BYTES_MAX} bytes")]
    TooLong,
    /// An unquoted `*` or `{`, which looks like a pattern.
    #[error(
        "a path has no patterns: name the directory, or quote the `*` or `{{` if the name really has one"
    )]
    Pattern,
}

fn check_segment(segment: &str) -> Result<(), PathError> {
    if matches!(segment, "." | "..") {
        return Err(PathError::Dots {
            segment: segment.to_owned(),
        });
    }
    if segment.chars().any(char::is_control) {
        return Err(PathError::Control);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_made_canonical_by_text_alone() {
        for (text, canonical) in [
            ("/", "/"),
            ("//", "/"),
            ("/etc/app", "/etc/app"),
            ("/etc//app/", "/etc/app"),
            ("/a b/ü", "/a b/ü"),
            ("/...", "/..."),
            ("/.ssh", "/.ssh"),
        ] {
            assert_eq!(text.parse::<CanonicalPath>().unwrap().as_str(), canonical);
        }
    }

    #[test]
    fn paths_that_could_mislead_are_refused() {
        for (text, error) in [
            ("", "path `` is not absolute"),
            ("etc", "path `etc` is not absolute"),
            ("~/x", "path `~/x` is not absolute"),
            ("/etc/../shadow", "a path must not have the segment `..`"),
            ("/..", "a path must not have the segment `..`"),
            ("/./etc", "a path must not have the segment `.`"),
            ("/a\0b", "a path must not have control characters"),
            ("/a\nb", "a path must not have control characters"),
            ("/a\u{9b}b", "a path must not have control characters"),
        ] {
            assert_eq!(
                text.parse::<CanonicalPath>().unwrap_err().to_string(),
                error,
                "{text:?}"
            );
        }
        let longest = format!("/{}", "a".repeat(PATH_BYTES_MAX - 1));
        assert!(longest.parse::<CanonicalPath>().is_ok());
        assert_eq!(
            format!("{longest}a").parse::<CanonicalPath>(),
            Err(PathError::TooLong)
        );
    }

    #[test]
    fn containment_goes_by_whole_segments() {
        let contains = |outer: &str, inner: &str| {
            outer
                .parse::<CanonicalPath>()
                .unwrap()
                .contains(&inner.parse().unwrap())
        };
        assert!(contains("/", "/"));
        assert!(contains("/", "/etc"));
        assert!(contains("/etc", "/etc/app"));
        assert!(!contains("/etc", "/etcetera"));
        assert!(!contains("/etc/app", "/etc"));
        assert!(!contains("/etc", "/"));
    }

    proptest! {
        /// The oracle knows paths as the standard library's components.
        #[test]
        fn containment_agrees_with_the_standard_library(outer in "(/{1,2}(a|b|ab|a b)){0,3}/?", inner in "(/{1,2}(a|b|ab|a b)){0,4}/?") {
            let (outer, inner) = (format!("/{outer}"), format!("/{inner}"));
            let agrees = std::path::Path::new(&inner).starts_with(&outer);
            let (outer, inner): (CanonicalPath, CanonicalPath) = (outer.parse().unwrap(), inner.parse().unwrap());
            prop_assert_eq!(outer.contains(&inner), agrees);
        }

        #[test]
        fn a_path_reads_what_it_prints(text in "/[a/ .é]{0,20}") {
            if let Ok(path) = text.parse::<CanonicalPath>() {
                prop_assert_eq!(path.to_string().parse::<CanonicalPath>(), Ok(path));
            }
        }
    }
}
