//! Subject: the reader of sealed bundles, given any bytes.
//!
//! What is received whole has, file by file, the size and digest of a manifest that has one spelling only; so the
//! bundle itself has only one, and sealing what was received gives the same bytes again.

use host_bundle::{Manifest, open};

use crate::fixture::sealed_as;
use crate::received::{Received, sha256};

/// Panics unless `data` is refused, or is exactly one sound bundle.
pub fn check(data: &[u8]) {
    let Ok(sealed) = open(data) else { return };
    assert_eq!(sealed.manifest().to_bytes(), sealed.manifest_bytes());
    assert_eq!(sealed.id(), sha256(sealed.manifest_bytes()));
    let is_signed = !sealed.signatures().is_empty();
    let mut received = Received::default();
    let verified = sealed.of_local_author().receive(&mut received);
    assert!(
        received.bytes() <= data.len(),
        "more came out than was in it"
    );
    let Ok(verified) = verified else { return };
    assert!(verified.signers().is_empty(), "nobody was asked");
    check_whole(verified.manifest(), &received);
    let is_plain = received.0.keys().all(|path| !path.starts_with("host/"));
    if is_plain && !is_signed {
        check_spelling(verified.manifest(), &received, data);
    }
}

/// Panics unless the files are those of the manifest.
pub(crate) fn check_whole(manifest: &Manifest, received: &Received) {
    let listed: Vec<&str> = manifest
        .files()
        .iter()
        .map(|entry| entry.path.as_str())
        .collect();
    let have: Vec<&str> = received.0.keys().map(String::as_str).collect();
    assert_eq!(have, listed);
}

fn check_spelling(manifest: &Manifest, received: &Received, data: &[u8]) {
    let module = manifest.module().as_str();
    let again = sealed_as(received, module, manifest.version().as_str());
    assert_eq!(
        again.as_deref(),
        Some(data),
        "a second spelling of one bundle"
    );
}
