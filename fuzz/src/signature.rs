//! Subject: armored SSHSIG signatures, given any text.
//!
//! A signature has one spelling, and whatever it says, it holds over no message that its key did not sign.

use host_trust::sshsig::{Namespace, SIGNATURE_BYTES_MAX, Signature};

/// Every purpose that a signature can have.
pub(crate) const NAMESPACES: [Namespace; 5] = [
    Namespace::Bundle,
    Namespace::Order,
    Namespace::Trust,
    Namespace::Receipt,
    Namespace::Audit,
];

/// Panics unless `data` is refused, or is the one spelling of a signature that holds for nothing.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let Ok(signature) = text.parse::<Signature>() else {
        return;
    };
    assert!(text.len() <= SIGNATURE_BYTES_MAX);
    let armored = signature.armored();
    assert!(text == armored || format!("{text}\n") == armored);
    assert_eq!(armored.parse::<Signature>().as_ref(), Ok(&signature));
    assert_eq!(signature.to_string(), armored);
    let key = signature.claimed_key();
    assert_eq!(key.to_string().parse().as_ref(), Ok(key));
    for namespace in NAMESPACES {
        // Nobody has ever signed the input together with this prefix.
        let message = [b"never signed: ", data].concat();
        assert!(signature.verify(namespace, &message).is_err());
    }
}
