//! Subject: the reader of sealed bundles, given a sound signed bundle with a few edits, by a stranger who trusts its
//! signer.
//!
//! Every edit is refused, save one that touches nothing but the list of signatures: that list is no part of what is
//! signed, and whatever it becomes, the same manifest, files and signer remain.

use host_bundle::{VerifiedBundle, open};

use crate::bundle::check_whole;
use crate::edits;
use crate::fixture::{NOW_UNIX, SIGNED, TRUSTING, module};
use crate::received::Received;

/// Panics unless the edited bundle is refused, or says exactly what its author signed.
pub fn check(data: &[u8]) {
    let edited = edits::apply(&SIGNED, data);
    let Some((verified, received, signatures)) = receive(&edited) else {
        assert_ne!(edited, *SIGNED, "the sound bundle is refused");
        return;
    };
    check_whole(verified.manifest(), &received);
    assert_eq!(received, module(), "other files than were signed");
    let original = open(SIGNED.as_slice()).expect("our own bundle");
    assert_eq!(verified.id(), original.id());
    let signers: Vec<&str> = verified
        .signers()
        .iter()
        .map(|signed| signed.owner.as_str())
        .collect();
    assert_eq!(signers, ["alice"]);
    if signatures == original.signatures() {
        assert_eq!(edited, *SIGNED, "a second spelling of one bundle");
    }
}

fn receive(bytes: &[u8]) -> Option<(VerifiedBundle, Received, Vec<String>)> {
    let sealed = open(bytes).ok()?;
    let signatures = sealed.signatures().to_vec();
    let mut received = Received::default();
    let authentic = sealed.verify(&TRUSTING, NOW_UNIX).ok()?;
    let verified = authentic.receive(&mut received).ok()?;
    Some((verified, received, signatures))
}
