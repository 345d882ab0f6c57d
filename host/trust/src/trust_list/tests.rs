//! What a list may say, what adding to it does, and whom it trusts.

mod adding;

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::Signer;
use crate::sshsig::tests::{key_file, token};
use crate::sshsig::{self, Namespace};

const MANIFEST: &[u8] = b"{\"format\":\"host.bundle/1\",\"module\":\"service\"}";

/// 2026-11-21T08:30:00Z.
const NOW: u64 = 1_795_249_800;

fn id() -> Digest {
    Digest::from_bytes(Sha256::digest(MANIFEST).into())
}

fn signed(signer: &mut dyn Signer) -> String {
    sshsig::sign(signer, Namespace::Bundle, MANIFEST)
        .unwrap()
        .to_string()
}

/// A signature by the key that is made of this byte.
fn by(byte: u8) -> String {
    signed(&mut key_file(byte))
}

fn fingerprint(byte: u8) -> Fingerprint {
    key_file(byte).public_key().fingerprint()
}

/// An entry of a list as JSON: owner, key by number, and more members.
fn entry(owner: &str, byte: u8, more: &str) -> String {
    let key = key_file(byte).public_key().to_string();
    format!("{{\"owner\": \"{owner}\", \"key\": \"{key}\", \"modules\": [\"*\"]{more}}}")
}

/// A list of these entries, with more members.
fn file(entries: &[String], more: &str) -> String {
    let entries = entries.join(", ");
    format!("{{\"format\": \"host.trust/1\", \"serial\": 7, \"authors\": [{entries}]{more}}}")
}

fn read(text: &str) -> TrustList {
    TrustList::read(text.as_bytes()).unwrap()
}

fn judge(list: &TrustList, signatures: &[String]) -> Result<Vec<SignedBy>, DistrustError> {
    list.judge(
        &"service".parse().unwrap(),
        "1.4.0",
        &id(),
        signatures,
        MANIFEST,
        NOW,
    )
}

/// The owners whose signatures counted, or the refusal.
fn verdict(list: &str, signatures: &[String]) -> String {
    match judge(&read(list), signatures) {
        Ok(signed_by) => {
            let mut owners: Vec<_> = signed_by
                .iter()
                .map(|signed| signed.owner.to_string())
                .collect();
            owners.sort();
            format!("trusted by {}", owners.join(" "))
        }
        Err(refused) => refused.to_string(),
    }
}

fn author(owner: &str, byte: u8, modules: &[&str]) -> Author {
    let names = modules.iter().map(|name| name.parse().unwrap());
    Author {
        owner: owner.parse().unwrap(),
        key: key_file(byte).public_key().clone(),
        modules: if modules == ["*"] {
            Modules::All
        } else {
            Modules::Named(names.collect())
        },
        not_before: None,
        not_after: None,
        comment: None,
    }
}

#[test]
fn a_bundle_signed_by_a_trusted_key_is_trusted() {
    let list = read(&file(&[entry("ann", 1, "")], ""));
    let signed_by = judge(&list, &[by(1)]).unwrap();
    assert_eq!(
        signed_by,
        [SignedBy {
            owner: "ann".parse().unwrap(),
            fingerprint: fingerprint(1)
        }]
    );
}

#[test]
fn a_bundle_without_signatures_differs_from_one_signed_by_strangers() {
    let list = file(&[entry("ann", 1, "")], "");
    assert_eq!(verdict(&list, &[]), "bundle is not signed");
    let refused = judge(&read(&list), &[by(2), by(3)])
        .unwrap_err()
        .to_string();
    assert!(
        refused.starts_with("no trusted key signed the bundle, only `SHA256:"),
        "{refused}"
    );
    for stranger in [2, 3] {
        assert!(
            refused.contains(&format!("`{}`", fingerprint(stranger))),
            "{refused}"
        );
    }
}

#[test]
fn signatures_by_strangers_add_nothing_and_take_nothing_away() {
    assert_eq!(
        verdict(&file(&[entry("ann", 1, "")], ""), &[by(2), by(1)]),
        "trusted by ann"
    );
}

#[test]
fn a_signature_that_does_not_hold_refuses_beside_a_good_one() {
    let list = file(&[entry("ann", 1, "")], "");
    let over_other_bytes = sshsig::sign(&mut key_file(2), Namespace::Bundle, b"other").unwrap();
    let as_order = sshsig::sign(&mut key_file(1), Namespace::Order, MANIFEST).unwrap();
    for bad in [
        over_other_bytes.to_string(),
        as_order.to_string(),
        "junk".to_owned(),
    ] {
        assert_eq!(
            verdict(&list, &[by(1), bad]),
            "signature 2 of the bundle does not hold"
        );
    }
}

#[test]
fn more_than_eight_signatures_are_refused() {
    let list = file(&[entry("ann", 1, "")], "");
    let signatures: Vec<_> = (1..=9).map(by).collect();
    assert_eq!(verdict(&list, &signatures[..8]), "trusted by ann");
    assert_eq!(
        verdict(&list, &signatures),
        "bundle has 9 signatures, at most 8 are accepted"
    );
}

#[test]
fn a_threshold_counts_owners() {
    let needed = |have| format!("bundle is signed by {have} of the 2 owners that are needed");
    let two = ", \"threshold\": 2";
    let list = file(&[entry("ann", 1, ""), entry("bob", 2, "")], two);
    assert_eq!(verdict(&list, &[by(1), by(2)]), "trusted by ann bob");
    assert_eq!(verdict(&list, &[by(1)]), needed(1));
    assert_eq!(verdict(&list, &[by(1), by(1)]), needed(1));
    assert_eq!(verdict(&list, &[by(1), by(3)]), needed(1));
    let two_keys = file(&[entry("ann", 1, ""), entry("ann", 2, "")], two);
    assert_eq!(verdict(&two_keys, &[by(1), by(2)]), needed(1));
}

#[test]
fn one_key_under_two_owners_counts_once() {
    let needed = "bundle is signed by 1 of the 2 owners that are needed";
    let two = ", \"threshold\": 2";
    let shared = file(&[entry("ann", 1, ""), entry("bob", 1, "")], two);
    assert_eq!(verdict(&shared, &[by(1)]), needed);
    // Whoever holds key 1 is both ann and bob, so key 2 adds nobody.
    let chained = file(
        &[
            entry("ann", 1, ""),
            entry("bob", 1, ""),
            entry("bob", 2, ""),
        ],
        two,
    );
    assert_eq!(verdict(&chained, &[by(1), by(2)]), needed);
    let with_eve = file(
        &[
            entry("bob", 2, ""),
            entry("ann", 1, ""),
            entry("bob", 1, ""),
            entry("eve", 3, ""),
        ],
        two,
    );
    assert_eq!(verdict(&with_eve, &[by(2), by(3)]), "trusted by bob eve");
}

#[test]
fn one_key_in_a_file_and_on_a_token_counts_once() {
    let mut token = token(1);
    let on_token = entry("bob", 1, "").replace(
        &key_file(1).public_key().to_string(),
        &token.public_key().to_string(),
    );
    let list = file(&[entry("ann", 1, ""), on_token], ", \"threshold\": 2");
    let signatures = [by(1), signed(&mut token)];
    assert_eq!(
        verdict(&list, &signatures),
        "bundle is signed by 1 of the 2 owners that are needed"
    );
}

#[test]
fn a_plain_signature_is_not_that_of_the_listed_token() {
    let token = token(1);
    let on_token = entry("ann", 1, "").replace(
        &key_file(1).public_key().to_string(),
        &token.public_key().to_string(),
    );
    let refused = verdict(&file(&[on_token], ""), &[by(1)]);
    assert!(refused.starts_with("no trusted key signed"), "{refused}");
}

#[test]
fn revoked_keys_and_bundles_are_refused() {
    let key = fingerprint(1);
    let revoked = format!(", \"revoked\": {{\"keys\": [\"{key}\"]}}");
    let list = file(&[entry("ann", 1, ""), entry("bob", 2, "")], &revoked);
    assert_eq!(
        verdict(&list, &[by(1)]),
        format!("key `{key}` that signed the bundle is revoked")
    );
    assert_eq!(verdict(&list, &[by(1), by(2)]), "trusted by bob");
    let revoked = format!(", \"revoked\": {{\"bundles\": [\"{}\"]}}", id());
    let list = file(&[entry("ann", 1, "")], &revoked);
    assert_eq!(
        verdict(&list, &[by(1)]),
        format!("bundle `{}` is revoked", id())
    );
}

/// Whoever took a plain key can sign with it as a token would.
#[test]
fn a_revoked_key_does_not_come_back_as_a_key_on_a_token_or_the_other_way() {
    let plain = key_file(1).public_key().clone();
    let on_token = token(1).public_key().clone();
    let elsewhere = on_token_for("ssh:elsewhere");
    for (revoked, again) in [
        (&plain, &on_token),
        (&plain, &elsewhere),
        (&on_token, &plain),
        (&on_token, &elsewhere),
    ] {
        let more = format!(
            ", \"revoked\": {{\"keys\": [\"{}\"]}}",
            revoked.fingerprint()
        );
        let listed = entry("ann", 1, "").replace(&plain.to_string(), &again.to_string());
        let list = read(&file(&[listed], &more));
        let (fingerprint, label) = (again.fingerprint(), again.algorithm());
        assert!(list.revoked().covers(again), "{label}");
        let mut list = read(&file(&[], &more));
        let added = list.add_author(Author {
            key: again.clone(),
            ..author("ann", 1, &["*"])
        });
        assert_eq!(
            added,
            Err(AddAuthorError::Revoked { fingerprint }),
            "{label}"
        );
    }
    let more = format!(", \"revoked\": {{\"keys\": [\"{}\"]}}", plain.fingerprint());
    let listed = entry("ann", 1, "").replace(&plain.to_string(), &on_token.to_string());
    assert_eq!(
        verdict(&file(&[listed], &more), &[signed(&mut token(1))]),
        format!(
            "key `{}` that signed the bundle is revoked",
            on_token.fingerprint()
        )
    );
}

/// Of a fingerprint nobody can tell the application; of an entry with that label one can.
#[test]
fn a_key_that_is_listed_under_a_revoked_label_is_revoked_under_all_of_them() {
    let elsewhere = on_token_for("ssh:elsewhere");
    let more = format!(
        ", \"revoked\": {{\"keys\": [\"{}\"]}}",
        elsewhere.fingerprint()
    );
    let plain = key_file(1).public_key().to_string();
    let listed = entry("ann", 1, "").replace(&plain, &elsewhere.to_string());
    let list = file(&[listed, entry("ann", 1, ""), entry("bob", 2, "")], &more);
    assert_eq!(
        verdict(&list, &[by(1)]),
        format!("key `{}` that signed the bundle is revoked", fingerprint(1))
    );
    assert_eq!(verdict(&list, &[by(2)]), "trusted by bob");
}

fn on_token_for(application: &str) -> PublicKey {
    use ssh_key::public::{Ed25519PublicKey, KeyData, SkEd25519};
    let raw = Ed25519PublicKey(*key_file(1).public_key().raw());
    PublicKey::from_data(KeyData::SkEd25519(SkEd25519::new(raw, application)), "").unwrap()
}

#[test]
fn a_key_counts_between_its_dates_only() {
    let key = fingerprint(1);
    let expired = |until: &str| format!("key `{key}` of `ann` was trusted until {until}");
    let early = |from: &str| format!("key `{key}` of `ann` is trusted from {from} on");
    let trusted = "trusted by ann".to_owned();
    for (member, date, expected) in [
        ("not_after", "2026-11-21", trusted.clone()),
        ("not_after", "2026-11-20", expired("2026-11-20")),
        ("not_after", "2026-11-21T08:30:00Z", trusted.clone()),
        (
            "not_after",
            "2026-11-21T08:29:59Z",
            expired("2026-11-21T08:29:59Z"),
        ),
        ("not_before", "2026-11-21", trusted.clone()),
        ("not_before", "2026-11-22", early("2026-11-22")),
        ("not_before", "2026-11-21T08:30:00Z", trusted),
        (
            "not_before",
            "2026-11-21T08:30:01Z",
            early("2026-11-21T08:30:01Z"),
        ),
    ] {
        let dated = entry("ann", 1, &format!(", \"{member}\": \"{date}\""));
        assert_eq!(
            verdict(&file(&[dated], ""), &[by(1)]),
            expected,
            "{member} {date}"
        );
    }
}

#[test]
fn a_key_counts_for_its_modules_only() {
    let narrow = |modules: &str| entry("ann", 1, "").replace("[\"*\"]", modules);
    let list = file(&[narrow("[\"disk\", \"service\"]")], "");
    assert_eq!(verdict(&list, &[by(1)]), "trusted by ann");
    let key = fingerprint(1);
    assert_eq!(
        verdict(&file(&[narrow("[\"disk\"]")], ""), &[by(1)]),
        format!("key `{key}` of `ann` is not trusted for module `service`")
    );
    let old = entry("ann", 1, ", \"not_after\": \"2020-01-01\"");
    assert_eq!(
        verdict(&file(&[narrow("[\"disk\"]"), old.clone()], ""), &[by(1)]),
        format!("key `{key}` of `ann` was trusted until 2020-01-01")
    );
    let renewed = narrow("[\"service\"]");
    assert_eq!(
        verdict(&file(&[old, renewed], ""), &[by(1)]),
        "trusted by ann"
    );
}

#[test]
fn versions_below_the_least_are_refused() {
    let list = |least: &str| file(&[entry("ann", 1, "")], &format!(", \"least\": {{{least}}}"));
    for (least, expected) in [
        ("\"service\": \"1.4.0\"", "trusted by ann"),
        (
            "\"service\": \"1.4.0-rc.1\", \"disk\": \"9\"",
            "trusted by ann",
        ),
        (
            "\"service\": \"1.10\"",
            "version `1.4.0` of module `service` is below 1.10, the lowest accepted",
        ),
    ] {
        assert_eq!(verdict(&list(least), &[by(1)]), expected);
    }
    let list = read(&list("\"service\": \"1\""));
    let module = "service".parse().unwrap();
    let refused = list
        .judge(&module, "new\u{202e}", &id(), &[by(1)], MANIFEST, NOW)
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "version `new\\u{202e}` of module `service` cannot be compared with 1, the lowest accepted"
    );
}

#[test]
fn an_id_that_is_not_the_manifests_is_refused() {
    let list = read(&file(&[entry("ann", 1, "")], ""));
    let other = Digest::from_bytes([0; 32]);
    let module = "service".parse().unwrap();
    let refused = list.judge(&module, "1.4.0", &other, &[by(1)], MANIFEST, NOW);
    assert_eq!(refused, Err(DistrustError::OtherManifest { bundle: other }));
}

#[test]
fn a_list_is_written_in_one_way() {
    let mut list = TrustList::empty();
    list.add_author(author("ann@fleet", 1, &["service", "disk"]))
        .unwrap();
    let key = key_file(1).public_key().to_string();
    let expected = format!(
        r#"{{
  "format": "host.trust/1",
  "serial": 1,
  "threshold": 1,
  "authors": [
    {{
      "owner": "ann@fleet",
      "key": "{key}",
      "modules": [
        "disk",
        "service"
      ]
    }}
  ],
  "revoked": {{
    "keys": [],
    "bundles": []
  }},
  "least": {{}}
}}
"#
    );
    assert_eq!(list.to_json(), expected);
    assert_eq!(read(&expected).to_json(), expected);
}

#[test]
fn an_absent_threshold_is_one() {
    assert_eq!(read(&file(&[], "")).threshold(), 1);
    assert_eq!(read(&file(&[], ", \"threshold\": 3")).threshold(), 3);
}

/// Checks that a text is refused and that the error, with its sources, says why.
fn refused(text: &str, why: &str) {
    let error = TrustList::read(text.as_bytes()).expect_err(text);
    let mut said = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        said = format!("{said}: {error}");
        source = error.source();
    }
    assert!(
        said.contains(why),
        "`{said}` does not say `{why}` of {text}"
    );
}

#[test]
fn unknown_missing_and_duplicate_members_are_refused_at_every_level() {
    let ann = || entry("ann", 1, "");
    let good = file(&[ann()], "");
    read(&good);
    refused(&file(&[ann()], ", \"extra\": 1"), "unknown field `extra`");
    refused(
        &file(&[entry("ann", 1, ", \"role\": 1")], ""),
        "unknown field `role`",
    );
    refused(
        &file(&[], ", \"revoked\": {\"people\": []}"),
        "unknown field `people`",
    );
    refused(&file(&[], ", \"serial\": 8"), "duplicate field `serial`");
    refused(
        &file(&[], ", \"format\": \"host.trust/1\""),
        "duplicate field `format`",
    );
    refused(
        &file(&[entry("ann", 1, ", \"owner\": \"eve\"")], ""),
        "duplicate field `owner`",
    );
    refused(
        &file(&[], ", \"revoked\": {\"keys\": [], \"keys\": []}"),
        "duplicate field `keys`",
    );
    refused(
        &file(&[], ", \"least\": {\"disk\": \"1\", \"disk\": \"2\"}"),
        "twice `disk` among its least versions",
    );
    refused(
        &good.replace("\"serial\": 7, ", ""),
        "missing field `serial`",
    );
    refused(
        &good.replace("\"owner\": \"ann\", ", ""),
        "missing field `owner`",
    );
    refused(
        &good.replace("\"format\": \"host.trust/1\", ", ""),
        "missing field `format`",
    );
}

#[test]
fn values_of_other_shapes_are_refused() {
    let ann = |more| entry("ann", 1, more);
    let key = fingerprint(1);
    let modules = |modules: &str| file(&[ann("").replace("[\"*\"]", modules)], "");
    for (text, why) in [
        (
            file(&[], "").replace("trust/1", "trust/2"),
            "format `host.trust/2`, expected `host.trust/1`",
        ),
        (
            "[\"host.trust/1\", 7, 1, []]".to_owned(),
            "expected an object",
        ),
        (file(&["[\"ann\"]".to_owned()], ""), "expected an object"),
        (file(&[], ", \"revoked\": [[], []]"), "expected an object"),
        (file(&[], ", \"least\": []"), "expected an object"),
        (file(&[], "") + "x", "trailing characters"),
        (file(&[], "").replace("7", "-7"), "invalid value"),
        (file(&[], "").replace("7", "7.0"), "invalid type"),
        (
            file(&[], "").replace("7", "18446744073709551616"),
            "trust list is not readable",
        ),
        (file(&[], ", \"threshold\": 0"), "threshold of 0 owners"),
        (file(&[], ", \"threshold\": 9"), "threshold of 9 owners"),
        (
            file(&[ann(", \"not_after\": null")], ""),
            "invalid type: null",
        ),
        (
            file(&[ann(", \"comment\": null")], ""),
            "invalid type: null",
        ),
        (
            file(&[ann(", \"not_after\": \"soon\"")], ""),
            "not a date such as `2026-11-21`",
        ),
        (
            file(&[entry("", 1, "")], ""),
            "not a name of 1 to 128 visible characters",
        ),
        (
            file(&[entry("a\u{200b}nn", 1, "")], ""),
            "not a name of 1 to 128 visible characters",
        ),
        (
            file(&[entry(" ann", 1, "")], ""),
            "not a name of 1 to 128 visible characters",
        ),
        (
            file(&[ann("").replace("ssh-ed25519 ", "ssh-rsa ")], ""),
            "key algorithm `ssh-rsa` is not accepted",
        ),
        (
            modules("[]"),
            "modules of author `ann` are neither names nor `*` alone",
        ),
        (
            modules("[\"*\", \"disk\"]"),
            "modules of author `ann` are neither names nor `*` alone",
        ),
        (
            modules("[\"disk\", \"disk\"]"),
            "twice `disk` among its modules of one author",
        ),
        (modules("[\"Disk\"]"), "trust list is not readable"),
        (modules("\"*\""), "expected a sequence"),
        (
            file(
                &[],
                &format!(", \"revoked\": {{\"keys\": [\"{key}\", \"{key}\"]}}"),
            ),
            "among its revoked keys",
        ),
        (
            file(&[], ", \"revoked\": {\"keys\": [\"SHA256:x\"]}"),
            "not a fingerprint",
        ),
        (
            file(&[], ", \"revoked\": {\"bundles\": [\"00\"]}"),
            "64 lower-case hex characters",
        ),
        (
            file(&[], ", \"least\": {\"disk\": \"v1\"}"),
            "not a version",
        ),
        (
            file(&[], ", \"least\": {\"Disk\": \"1\"}"),
            "trust list is not readable",
        ),
    ] {
        refused(&text, why);
    }
}

#[test]
fn sizes_and_counts_are_limited() {
    refused(
        &(file(&[], "") + &" ".repeat(TRUST_LIST_BYTES_MAX)),
        "at most 4194304 are read",
    );
    let digest = |number: usize| format!("\"{number:064x}\"");
    let digests: Vec<_> = (0..=TRUST_ENTRIES_MAX).map(digest).collect();
    let bundles = |digests: &[String]| {
        file(
            &[],
            &format!(", \"revoked\": {{\"bundles\": [{}]}}", digests.join(",")),
        )
    };
    read(&bundles(&digests[1..]));
    refused(
        &bundles(&digests),
        "10001 revoked bundles, at most 10000 are read",
    );
    let least: Vec<_> = (0..=TRUST_ENTRIES_MAX)
        .map(|number| format!("\"m{number}\": \"1\""))
        .collect();
    let least = format!(", \"least\": {{{}}}", least.join(","));
    refused(
        &file(&[], &least),
        "10001 least versions, at most 10000 are read",
    );
    let modules: Vec<_> = (0..=TRUST_MODULES_MAX)
        .map(|number| format!("\"m{number}\""))
        .collect();
    let modules = format!("[{}]", modules.join(","));
    let many = entry("ann", 1, "").replace("[\"*\"]", &modules);
    refused(
        &file(&[many], ""),
        "1001 modules of one author, at most 1000 are read",
    );
    let authors = vec![entry("ann", 1, ""); TRUST_ENTRIES_MAX + 1];
    refused(&file(&authors, ""), "10001 authors, at most 10000 are read");
    let deep = file(&[], &format!(", \"x\": {}", "[".repeat(100_000)));
    refused(&deep, "trust list is not readable");
}

prop_compose! {
    fn any_author()(
        owner in "[a-z]{1,8}@[a-z]{1,8}( [a-z]{1,4})?", byte in any::<u8>(),
        modules in proptest::collection::btree_set("[a-z][a-z0-9_]{0,8}", 0..4),
        dates in proptest::array::uniform2(proptest::option::of((1_970_u16..9_999, 1_u8..=12, 1_u8..=28))),
        comment in proptest::option::of(".{0,20}"),
    ) -> Author {
        let [not_before, not_after] = dates.map(|date| date.map(|(year, month, day)| {
            format!("{year}-{month:02}-{day:02}").parse().unwrap()
        }));
        let names: Vec<_> = modules.iter().map(String::as_str).collect();
        let names = if names.is_empty() { vec!["*"] } else { names };
        Author { not_before, not_after, comment, ..author(&owner, byte, &names) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_list_reads_as_it_was_written(authors in proptest::collection::vec(any_author(), 0..8)) {
        let mut list = TrustList::empty();
        for author in authors {
            let before = (list.serial(), list.to_json());
            match list.add_author(author) {
                Ok(Added::Entry | Added::Modules) => prop_assert_eq!(list.serial(), before.0 + 1),
                Ok(Added::Nothing) | Err(_) => prop_assert_eq!(list.to_json(), before.1),
            }
        }
        let text = list.to_json();
        let again = TrustList::read(text.as_bytes()).unwrap();
        prop_assert_eq!(again.authors(), list.authors());
        prop_assert_eq!(again.to_json(), text);
    }

    #[test]
    fn any_cut_or_flipped_list_is_read_or_refused(
        at in any::<proptest::sample::Index>(), flip in 1_u8..=255, cut in any::<bool>(),
    ) {
        let mut bytes = file(&[entry("ann", 1, ", \"not_after\": \"2026-12-31\"")], "").into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if cut {
            bytes.truncate(at);
        }
        if let Ok(list) = TrustList::read(&bytes) {
            let text = list.to_json();
            prop_assert_eq!(TrustList::read(text.as_bytes()).unwrap().to_json(), text);
        }
    }
}
