//! Holds the source files against two rules of the house: where `unsafe` may stand, and what a file may not be named.

use std::path::Path;

/// The only files with `unsafe` in them.
const UNSAFE_FILES: &[&str] = &["host/jail/src/sys.rs", "host/wasm/src/cache.rs"];

/// Names that become drawers for everything.
const DRAWERS: &[&str] = &["common", "helper", "helpers", "misc", "util", "utils"];

/// What follows the keyword where it opens a block, an item or an attribute.
const AFTER_UNSAFE: &[&str] = &["{", "(", "fn ", "impl ", "impl<", "trait ", "extern "];

/// Says how the file at `path` (from the root) with this text breaks the rules; empty when it does not.
pub(crate) fn complaints(path: &Path, text: &str) -> Vec<String> {
    let shown = path.display();
    let mut complaints = Vec::new();
    let drawers = path
        .components()
        .filter_map(|component| Path::new(component.as_os_str()).file_stem());
    for drawer in drawers.filter(|stem| DRAWERS.iter().any(|drawer| *stem == *drawer)) {
        complaints.push(format!(
            "`{shown}`: `{}` says nothing about what is inside",
            drawer.display()
        ));
    }
    if has_unsafe(text) && !UNSAFE_FILES.iter().any(|file| path == Path::new(file)) {
        complaints.push(format!("`{shown}` has `unsafe` in it"));
    }
    complaints
}

/// Whether the keyword stands there as code would have it; the name of the lint, and prose, do not count.
fn has_unsafe(text: &str) -> bool {
    text.match_indices("unsafe").any(|(at, word)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + word.len()..).unwrap_or_default().trim_start();
        !before.is_some_and(|before| before.is_alphanumeric() || before == '_')
            && AFTER_UNSAFE.iter().any(|start| after.starts_with(start))
    })
}
