//! Signatures in a bundle: added, replaced, and worth only what the trust list says.

use host_bundle::{AddSignatureError, SignaturesError, add_signature, open};
use host_trust::sshsig::{Namespace, sign};
use host_trust::{Modules, TrustList};

use crate::fixtures::{
    Files, NOW, chain, headers, key, manifest_of, receive, receive_signed, sealed, signature,
    signed, trusting,
};

#[test]
fn signing_changes_nothing_but_the_signatures() {
    let bundle = sealed(&Files::small());
    let once = signed(&bundle, 1);
    let (before, after) = (headers(&bundle), headers(&once));
    assert_eq!(bundle[..before[1]], once[..after[1]]);
    assert_eq!(bundle[before[2]..], once[after[2]..]);
    let (verified, _) = receive_signed(&once, &trusting(&[1], Modules::All)).unwrap();
    assert_eq!(verified.id(), receive(bundle.as_slice()).unwrap().0.id());
    assert_eq!(verified.signers()[0].owner.as_str(), "owner1");
}

#[test]
fn a_second_signature_of_one_key_replaces_the_first() {
    let once = signed(&sealed(&Files::small()), 1);
    assert_eq!(signed(&once, 1), once);
    let both = signed(&once, 2);
    assert_eq!(open(both.as_slice()).unwrap().signatures().len(), 2);
    // The later one stands last.
    let again = signed(&both, 1);
    let signatures = open(both.as_slice()).unwrap().signatures().to_vec();
    let turned: Vec<_> = signatures.into_iter().rev().collect();
    assert_eq!(open(again.as_slice()).unwrap().signatures(), turned);
}

#[test]
fn a_ninth_signature_does_not_fit() {
    let mut bundle = sealed(&Files::small());
    for seed in 1..=8 {
        bundle = signed(&bundle, seed);
    }
    let ninth = signature(&mut key(9), &manifest_of(&bundle));
    let error = add_signature(bundle.as_slice(), &mut Vec::new(), &ninth).unwrap_err();
    let AddSignatureError::Signatures(SignaturesError::TooMany { have: 9 }) = error else {
        panic!("{error}");
    };
}

#[test]
fn a_signature_of_something_else_is_not_added() {
    let bundle = sealed(&Files::small());
    let manifest = manifest_of(&bundle);
    let order = sign(&mut key(1), Namespace::Order, &manifest)
        .unwrap()
        .armored()
        .to_owned();
    for text in ["", "x", &order, &signature(&mut key(1), b"other")] {
        let error = add_signature(bundle.as_slice(), &mut Vec::new(), text).unwrap_err();
        assert!(matches!(error, AddSignatureError::Signature(_)), "{error}");
    }
}

/// Each signature must hold, so one more would be worth nothing.
#[test]
fn a_bundle_with_a_signature_that_does_not_hold_is_not_signed() {
    let bundle = signed(&sealed(&Files::small()), 1);
    let other = manifest_of(&bundle);
    let mut files = Files::small();
    files.0[1].2[0] = b'!';
    let evil = sealed(&files);
    let (front, moved) = (headers(&evil), headers(&bundle));
    let mut mixed = evil[..front[1]].to_vec();
    mixed.extend_from_slice(&bundle[moved[1]..moved[2]]);
    mixed.extend_from_slice(&evil[front[2]..]);
    assert_ne!(manifest_of(&mixed), other);
    let second = signature(&mut key(2), &manifest_of(&mixed));
    let error = add_signature(mixed.as_slice(), &mut Vec::new(), &second).unwrap_err();
    assert!(
        matches!(error, AddSignatureError::Earlier { number: 1, .. }),
        "{error}"
    );
    // One by the same key is replaced, and does no harm.
    let first = signature(&mut key(1), &manifest_of(&mixed));
    let mut again = Vec::new();
    add_signature(mixed.as_slice(), &mut again, &first).unwrap();
    assert!(receive_signed(&again, &trusting(&[1], Modules::All)).is_ok());
}

#[test]
fn a_damaged_bundle_is_not_signed() {
    let mut bundle = sealed(&Files::small());
    let signature = signature(&mut key(1), &manifest_of(&bundle));
    let last = bundle.len() - 1025;
    bundle[last] ^= 1;
    let error = add_signature(bundle.as_slice(), &mut Vec::new(), &signature).unwrap_err();
    assert!(
        chain(&error).contains("do not match the manifest"),
        "{}",
        chain(&error)
    );
}

#[test]
fn only_the_trust_list_makes_a_bundle_believed() {
    let bundle = sealed(&Files::small());
    let once = signed(&bundle, 1);
    let other = Modules::Named(["other".parse().unwrap()].into());
    for (bundle, list, expected) in [
        (&bundle, trusting(&[1], Modules::All), "not signed"),
        (&once, TrustList::empty(), "no trusted key"),
        (&once, trusting(&[2], Modules::All), "no trusted key"),
        (
            &once,
            trusting(&[1], other),
            "not trusted for module `disk`",
        ),
    ] {
        let error = receive_signed(bundle, &list).unwrap_err();
        assert!(
            error.starts_with("bundle `disk` 1.0.0 is not trusted: "),
            "{error}"
        );
        assert!(error.contains(expected), "{error}");
    }
}

/// The signatures are no part of what is signed, so they could be moved to another bundle.
#[test]
fn a_signature_of_one_bundle_is_worth_nothing_in_another() {
    let mut files = Files::small();
    let list = trusting(&[1], Modules::All);
    let good = signed(&sealed(&files), 1);
    files.0[1].2[0] = b'!';
    let evil = sealed(&files);
    let (good_headers, evil_headers) = (headers(&good), headers(&evil));
    let mut mixed = evil[..evil_headers[1]].to_vec();
    mixed.extend_from_slice(&good[good_headers[1]..good_headers[2]]);
    mixed.extend_from_slice(&evil[evil_headers[2]..]);
    assert!(receive(mixed.as_slice()).is_ok());
    assert!(open(mixed.as_slice()).unwrap().verify(&list, NOW).is_err());
}
