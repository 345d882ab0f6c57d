//! Sets of places of the machine, looked up by those around them.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::path::{Path, PathBuf};

/// Places, in order: what lies below one stands behind it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places<'p>(BTreeSet<&'p Path>);

impl<'p> Places<'p> {
    /// The places in `paths`.
    pub(crate) fn of(paths: &'p [PathBuf]) -> Self {
        paths.iter().map(PathBuf::as_path).collect()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `path` is one of them, or lies in one.
    pub(crate) fn cover(&self, path: &Path) -> bool {
        path.ancestors().any(|above| self.0.contains(above))
    }

    /// Whether `path` lies in one of them.
    pub(crate) fn are_above(&self, path: &Path) -> bool {
        path.parent().is_some_and(|above| self.cover(above))
    }

    /// Whether one of them lies in `path`.
    pub(crate) fn are_in(&self, path: &Path) -> bool {
        let mut behind = self
            .0
            .range::<Path, _>((Bound::Excluded(path), Bound::Unbounded));
        behind.next().is_some_and(|next| next.starts_with(path))
    }
}

impl<'p> FromIterator<&'p Path> for Places<'p> {
    fn from_iter<I: IntoIterator<Item = &'p Path>>(paths: I) -> Self {
        Self(paths.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_by_what_lies_around_them_and_by_no_name_that_only_begins_like_it() {
        let places: Places<'_> = ["/a/b", "/a-b", "/x/"].map(Path::new).into_iter().collect();
        let said = |path: &str| {
            let path = Path::new(path);
            (
                places.cover(path),
                places.are_above(path),
                places.are_in(path),
            )
        };
        for (path, expected) in [
            ("/", (false, false, true)),
            ("/a", (false, false, true)),
            ("/a/b", (true, false, false)),
            ("/a/b/c", (true, true, false)),
            ("/a/bc", (false, false, false)),
            ("/a-", (false, false, false)),
            ("/x", (true, false, false)),
        ] {
            assert_eq!(said(path), expected, "{path}");
        }
    }
}
