//! Subject: the trust list, given any bytes, and its judgement over a bundle that three fixed keys signed.
//!
//! A list reads what it writes. Whoever counts as a signer has an entry for his key, his module and this second, is not
//! revoked, and never do two names for one raw key reach a threshold of two.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use host_core::ModuleName;
use host_trust::sshsig::Namespace;
use host_trust::{Author, SignedBy, Signer as _, TrustList};

use crate::fixture::{MODULE, NOW_UNIX, VERSION, key, signature};
use crate::public_key::check_key;
use crate::received::sha256;

const MANIFEST: &[u8] = b"a manifest as it was signed";

/// Seeds of the keys that signed.
const SEEDS: [u8; 3] = [1, 2, 3];

static SIGNATURES: LazyLock<Vec<String>> = LazyLock::new(|| {
    SEEDS
        .iter()
        .map(|seed| signature(*seed, Namespace::Bundle, MANIFEST))
        .collect()
});

/// Panics unless `data` is refused, or is a list that reads what it writes and judges as it says.
pub fn check(data: &[u8]) {
    let Ok(list) = TrustList::read(data) else {
        return;
    };
    let written = list.to_json();
    let again = TrustList::read(written.as_bytes()).expect("a written list is a list");
    assert_eq!(again.to_json(), written);
    assert_eq!(again.serial(), list.serial());
    assert_eq!(again.threshold(), list.threshold());
    assert_eq!(again.authors(), list.authors());
    assert_eq!(again.revoked_keys(), list.revoked_keys());
    assert_eq!(again.revoked_bundles(), list.revoked_bundles());
    assert_eq!(again.least().len(), list.least().len());
    assert!((1..=8).contains(&list.threshold()));
    list.authors()
        .iter()
        .for_each(|author| check_key(&author.key));
    check_judgement(&list);
    check_adding(list);
}

fn check_judgement(list: &TrustList) {
    let module: ModuleName = MODULE.parse().expect("a module name");
    let id = sha256(MANIFEST);
    let judge =
        |signatures: &[String]| list.judge(&module, VERSION, &id, signatures, MANIFEST, NOW_UNIX);
    assert!(judge(&[]).is_err(), "unsigned, and trusted");
    let Ok(signers) = judge(&SIGNATURES) else {
        return;
    };
    assert!(!list.revoked_bundles().contains(&id));
    let mut raw = BTreeSet::new();
    let mut owners = BTreeSet::new();
    for signer in &signers {
        let seed = SEEDS
            .iter()
            .find(|seed| key(**seed).public_key().fingerprint() == signer.fingerprint);
        raw.insert(*seed.expect("a signer who signed"));
        owners.insert(signer.owner.as_str());
        assert!(!list.revoked_keys().contains(&signer.fingerprint));
        let counts = |author: &Author| is_entry(author, signer, &module);
        assert!(list.authors().iter().any(counts), "{signer:?} has no entry");
    }
    assert!(raw.len() >= list.threshold(), "one key counted twice");
    let persons = persons(list.authors(), &owners);
    assert!(persons >= list.threshold(), "one person counted twice");
}

/// How many people these owners are at least, if owners who share a raw key, at any distance, are one.
fn persons(authors: &[Author], owners: &BTreeSet<&str>) -> usize {
    let mut rest: BTreeSet<&str> = owners.clone();
    let mut persons = 0;
    while let Some(first) = rest.pop_first() {
        persons += 1;
        let mut names = BTreeSet::from([first]);
        let mut before = 0;
        while before < names.len() {
            before = names.len();
            let of_them = |author: &&Author| names.contains(author.owner.as_str());
            let keys: BTreeSet<_> = authors
                .iter()
                .filter(of_them)
                .map(|author| author.key.raw())
                .collect();
            let sharing = authors
                .iter()
                .filter(|author| keys.contains(author.key.raw()));
            names.extend(sharing.map(|author| author.owner.as_str()));
        }
        rest.retain(|owner| !names.contains(owner));
    }
    persons
}

fn is_entry(author: &Author, signer: &SignedBy, module: &ModuleName) -> bool {
    author.owner == signer.owner
        && author.key.fingerprint() == signer.fingerprint
        && author.modules.covers(module)
        && author.not_before.is_none_or(|day| !day.is_after(NOW_UNIX))
        && author.not_after.is_none_or(|day| !day.is_before(NOW_UNIX))
}

/// Adding the same author again changes nothing, and a change raises the serial by one.
fn check_adding(mut list: TrustList) {
    let Some(author) = list.authors().first().cloned() else {
        return;
    };
    let before = (list.serial(), list.to_json());
    if list.add_author(author.clone()).is_ok() && list.serial() == before.0 {
        assert_eq!(list.to_json(), before.1);
    }
    let serial = list.serial();
    if list.add_author(author).is_ok() {
        assert_eq!(list.serial(), serial, "the same author was added twice");
    }
}
