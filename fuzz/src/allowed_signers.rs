//! Subject: `allowed_signers` files, given any text.
//!
//! What a line permits is computed a second time here, by a matcher that tries everything.

use host_trust::AllowedSigner;

use crate::public_key::check_key;
use crate::signature::NAMESPACES;

/// How many stars the second matcher follows: it tries every way to match them.
const STARS_MAX: usize = 4;

/// Panics unless `data` is refused as a whole, or each line is an entry that permits what its patterns say.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let Ok(entries) = AllowedSigner::read_all(text) else {
        return;
    };
    let is_entry = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with('#');
    assert_eq!(entries.len(), text.lines().filter(is_entry).count());
    for entry in &entries {
        check_key(&entry.key);
        assert!(!entry.principals.is_empty());
        let words = entry
            .principals
            .iter()
            .chain(entry.namespaces.iter().flatten());
        for word in words {
            assert!(
                !word.is_empty() && !word.chars().any(char::is_control),
                "{word:?}"
            );
        }
        check_namespaces(entry);
    }
}

fn check_namespaces(entry: &AllowedSigner) {
    let patterns = entry.namespaces.clone().unwrap_or(vec!["*".to_owned()]);
    let is_wild = |pattern: &String| pattern.matches('*').count() > STARS_MAX;
    if patterns.iter().any(is_wild) {
        return;
    }
    for namespace in NAMESPACES {
        let matches = |pattern: &str| glob(pattern.as_bytes(), namespace.as_str().as_bytes());
        let is_refused = patterns
            .iter()
            .any(|pattern| pattern.strip_prefix('!').is_some_and(matches));
        let is_named = patterns.iter().any(|pattern| matches(pattern));
        assert_eq!(
            entry.permits(namespace),
            is_named && !is_refused,
            "{patterns:?}"
        );
    }
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), None) => glob(rest, text),
        (Some((b'*', rest)), Some((_, tail))) => glob(rest, text) || glob(pattern, tail),
        (Some((want, rest)), Some((have, tail))) => {
            (*want == b'?' || want == have) && glob(rest, tail)
        }
        _ => false,
    }
}
