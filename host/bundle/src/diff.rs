//! What differs between two bundles, file by file, as their manifests say it.

use std::cmp::Ordering;

use crate::{FileEntry, Manifest};

/// One difference between two manifests.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change<'a> {
    /// The later one has a file more.
    Added(&'a FileEntry),
    /// The later one lacks a file.
    Removed(&'a FileEntry),
    /// The contents or the mode of a file are others.
    Changed {
        /// The file in the earlier one.
        before: &'a FileEntry,
        /// The file in the later one.
        after: &'a FileEntry,
    },
}

/// Lists what changed from one manifest to another, in the order of the paths.
///
/// Names and versions are not compared: they are there to be read from the manifests.
pub fn diff<'a>(before: &'a Manifest, after: &'a Manifest) -> Vec<Change<'a>> {
    let mut changes = Vec::new();
    let (mut old, mut new) = (
        before.files().iter().peekable(),
        after.files().iter().peekable(),
    );
    loop {
        // INVARIANT: both lists are sorted by path, so the lesser head is in one of them only.
        let order = match (old.peek(), new.peek()) {
            (None, None) => return changes,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.path.cmp(&new.path),
        };
        let removed = old.next_if(|_| order.is_le());
        let added = new.next_if(|_| order.is_ge());
        match (removed, added) {
            (Some(before), Some(after)) if before == after => {}
            (Some(before), Some(after)) => changes.push(Change::Changed { before, after }),
            (Some(before), None) => changes.push(Change::Removed(before)),
            (None, added) => changes.extend(added.map(Change::Added)),
        }
    }
}

#[cfg(test)]
mod tests;
