//! Which keys are revoked: the raw key is, however it is labelled.
//!
//! The list names fingerprints, and one 32-byte key has several: as a plain key, and as a key of a security token under
//! any application. Whoever took a plain key can sign as a token would, so a revoked key must not come back under
//! another label. Of a fingerprint the key cannot be had; so each key is asked for the labels that it can have.

use std::collections::BTreeSet;

use super::TrustList;
use crate::key::{Fingerprint, PublicKey};

/// The revoked keys of one list.
pub(super) struct Revoked<'a> {
    fingerprints: &'a BTreeSet<Fingerprint>,
    /// The raw keys of entries whose own label is revoked, whatever application that has.
    raw: BTreeSet<&'a [u8; 32]>,
}

impl TrustList {
    /// The revoked keys, ready to be asked about many.
    pub(super) fn revoked(&self) -> Revoked<'_> {
        let fingerprints = &self.revoked_keys;
        let is_revoked = |key: &&PublicKey| fingerprints.contains(&key.fingerprint());
        let keys = self.authors.iter().map(|entry| &entry.key);
        Revoked {
            fingerprints,
            raw: keys.filter(is_revoked).map(PublicKey::raw).collect(),
        }
    }
}

impl Revoked<'_> {
    /// Whether this key is revoked under its own label or another.
    pub(super) fn covers(&self, key: &PublicKey) -> bool {
        if self.fingerprints.is_empty() {
            return false;
        }
        self.raw.contains(key.raw())
            || key
                .fingerprints()
                .any(|fingerprint| self.fingerprints.contains(&fingerprint))
    }
}
