//! Subject: the manifest of a bundle, given any bytes.
//!
//! A manifest has one spelling, its files are in order, and none of their paths can be mistaken for another or lead out
//! of the directory that it is unpacked in.

use std::collections::BTreeMap;

use host_bundle::{BUNDLE_BYTES_MAX, FILE_BYTES_MAX, FILES_MAX, FileEntry, Manifest};

use crate::received::sha256;

/// Panics unless `data` is refused, or is the one spelling of a legal manifest.
pub fn check(data: &[u8]) {
    let Ok(manifest) = Manifest::read(data) else {
        return;
    };
    assert_eq!(manifest.to_bytes(), data);
    assert_eq!(manifest.id(), sha256(data));
    assert!(manifest.files().len() <= FILES_MAX);
    assert!(manifest.files_bytes() <= BUNDLE_BYTES_MAX);
    check_order(manifest.files());
    for entry in manifest.files() {
        assert!(entry.size <= FILE_BYTES_MAX);
        assert_eq!(manifest.file(entry.path.as_str()), Some(entry));
        check_path(entry.path.as_str());
        check_place(entry.path.as_str(), manifest.module().as_str());
    }
    let mut reversed = manifest.files().to_vec();
    reversed.reverse();
    let again = Manifest::new(
        manifest.module().clone(),
        manifest.version().clone(),
        reversed,
    );
    assert_eq!(again.ok(), Some(manifest), "the order of files matters");
}

/// Panics when a path could lead elsewhere or deceive who reads it.
pub(crate) fn check_path(path: &str) {
    assert!(!path.is_empty() && !path.starts_with('/') && !path.contains('\\'));
    assert!(!path.chars().any(char::is_control), "{path:?}");
    for segment in path.split('/') {
        assert!(!matches!(segment, "" | "." | ".."), "{path:?}");
    }
}

fn check_order(files: &[FileEntry]) {
    for (first, second) in files.iter().zip(files.iter().skip(1)) {
        assert!(first.path.as_str().as_bytes() < second.path.as_str().as_bytes());
    }
    let mut spellings: BTreeMap<String, &str> = BTreeMap::new();
    for entry in files {
        let path = entry.path.as_str();
        let ends = path.match_indices('/').map(|(slash, _)| slash);
        for end in ends.chain([path.len()]) {
            let above = path.get(..end).unwrap_or_default();
            let before = *spellings.entry(above.to_lowercase()).or_insert(above);
            assert_eq!(before, above, "two spellings of one path");
            let is_file = files.iter().any(|other| other.path.as_str() == above);
            assert!(!is_file || end == path.len(), "{above} is both");
        }
    }
}

/// Below `host/` lie the asks and files of other modules, and nothing else.
fn check_place(path: &str, module: &str) {
    let lower = path.to_lowercase();
    let Some(rest) = lower.strip_prefix("host/") else {
        assert_ne!(lower, "host");
        return;
    };
    let other = rest.strip_prefix("modules/").unwrap_or_default();
    let is_needed = !other.is_empty() && !other.starts_with(&format!("{module}/"));
    assert!(
        path == "host/asks.json" || is_needed,
        "{path:?} is host's own place"
    );
}
