//! Subject: public keys in the form of OpenSSH, given any line.

use host_trust::{Fingerprint, PUBLIC_KEY_BYTES_MAX, PublicKey};

/// Panics unless `data` is refused, or is an Ed25519 key that reads what it prints.
pub fn check(data: &[u8]) {
    let Ok(line) = str::from_utf8(data) else {
        return;
    };
    if let Ok(fingerprint) = line.parse::<Fingerprint>() {
        assert_eq!(fingerprint.to_string(), line);
    }
    if let Ok(key) = line.parse::<PublicKey>() {
        check_key(&key);
    }
}

/// Panics when a key that was accepted is none that may be.
pub(crate) fn check_key(key: &PublicKey) {
    let printed = key.to_string();
    assert!(printed.len() <= PUBLIC_KEY_BYTES_MAX);
    assert!(!printed.chars().any(char::is_control), "{printed:?}");
    let again: PublicKey = printed.parse().expect("a printed key is a key");
    assert_eq!((&again, again.to_string()), (key, printed.clone()));
    assert_eq!(again.comment(), key.comment());
    assert_eq!(again.fingerprint(), key.fingerprint());
    assert_eq!(again.raw(), key.raw());
    let shown = key.fingerprint().to_string();
    assert_eq!(shown.parse().ok(), Some(key.fingerprint()));
    let algorithm = if key.is_on_token() {
        "sk-ssh-ed25519@openssh.com"
    } else {
        "ssh-ed25519"
    };
    assert_eq!(key.algorithm(), algorithm);
    assert!(printed.starts_with(&format!("{algorithm} AAAA")));
}
