//! Subject: the check of signatures, given a sound one with a few edits.
//!
//! The text of a signature cannot be varied by who cannot make one: any edit but the loss of the last line feed is
//! refused, and so is the sound signature over other bytes or for another purpose.

use std::sync::LazyLock;

use host_trust::Signer as _;
use host_trust::sshsig::{Namespace, verify};

use crate::edits;
use crate::fixture::{key, signature};
use crate::signature::NAMESPACES;

const MESSAGE: &[u8] = b"the very bytes that were signed";

static SOUND: LazyLock<String> = LazyLock::new(|| signature(1, Namespace::Order, MESSAGE));

/// Panics when an edited signature holds, or the sound one holds over an edited message.
pub fn check(data: &[u8]) {
    let sound = SOUND.as_bytes();
    let edited = edits::apply(sound, data);
    let is_same = edited == sound || Some(edited.as_slice()) == sound.strip_suffix(b"\n");
    if let Ok(text) = str::from_utf8(&edited) {
        let verified = verify(text, Namespace::Order, MESSAGE);
        assert_eq!(verified.is_ok(), is_same, "{text}");
        assert!(verified.is_ok_and(|signer| signer == *key(1).public_key()) == is_same);
    }
    let message = edits::apply(MESSAGE, data);
    for namespace in NAMESPACES {
        let holds = verify(&SOUND, namespace, &message).is_ok();
        assert_eq!(holds, namespace == Namespace::Order && message == MESSAGE);
    }
}
