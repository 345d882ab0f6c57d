//! Adding authors to a list.

use super::*;

#[test]
fn adding_is_idempotent_and_raises_the_serial_only_for_changes() {
    let mut list = TrustList::empty();
    for (modules, added, serial) in [
        (&["disk"][..], Added::Entry, 1),
        (&["disk"], Added::Nothing, 1),
        (&["service", "disk"], Added::Modules, 2),
        (&["service"], Added::Nothing, 2),
        (&["*"], Added::Modules, 3),
        (&["disk"], Added::Nothing, 3),
    ] {
        assert_eq!(
            list.add_author(author("ann", 1, modules)),
            Ok(added),
            "{modules:?}"
        );
        assert_eq!(
            (list.serial(), list.authors().len()),
            (serial, 1),
            "{modules:?}"
        );
    }
}

#[test]
fn authors_that_are_added_together_are_one_change() {
    let mut list = TrustList::empty();
    let together = [
        author("ann", 1, &["disk"]),
        author("bob", 2, &["*"]),
        author("ann", 1, &["service"]),
        author("ann", 1, &["disk"]),
    ];
    let added = list.add_authors(together.clone());
    let expected = [Added::Entry, Added::Entry, Added::Modules, Added::Nothing];
    assert_eq!(added, Ok(expected.to_vec()));
    assert_eq!((list.serial(), list.authors().len()), (1, 2));
    let again = list.add_authors(together);
    assert_eq!(again, Ok(vec![Added::Nothing; 4]));
    assert_eq!(list.serial(), 1);
}

#[test]
fn one_author_who_is_refused_refuses_those_added_with_it() {
    let mut list = read(&file(&[entry("ann", 1, "")], ""));
    let before = list.to_json();
    for refused in [author("eve", 1, &["*"]), author("bob", 2, &["*"])] {
        let owner = if refused.owner.as_str() == "eve" {
            "ann"
        } else {
            "cat"
        };
        let (owner, fingerprint) = (owner.parse().unwrap(), refused.key.fingerprint());
        let together = [author("cat", 2, &["*"]), refused];
        let added = list.add_authors(together);
        assert_eq!(
            added,
            Err(AddAuthorError::OtherOwner { fingerprint, owner })
        );
        assert_eq!(list.to_json(), before);
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "what is tested is how long it takes"
)]
fn adding_many_authors_looks_at_each_entry_once() {
    const COUNT: usize = 5_000;
    let keys = (0..COUNT).map(|number| {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        crate::KeyFile::generate(&seed, "")
            .unwrap()
            .public_key()
            .clone()
    });
    let authors: Vec<_> = keys
        .map(|key| Author {
            key,
            ..author("ann", 1, &["*"])
        })
        .collect();
    let mut list = TrustList::empty();
    let began = std::time::Instant::now();
    list.add_authors(authors).unwrap();
    // One by one it took minutes.
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    assert_eq!(list.authors().len(), COUNT);
}

#[test]
fn other_dates_make_another_entry() {
    let mut list = TrustList::empty();
    list.add_author(author("ann", 1, &["disk"])).unwrap();
    let dated = Author {
        not_after: Some("2026-12-31".parse().unwrap()),
        ..author("ann", 1, &["*"])
    };
    assert_eq!(list.add_author(dated.clone()), Ok(Added::Entry));
    assert_eq!(list.add_author(dated), Ok(Added::Nothing));
    assert_eq!(list.authors().len(), 2);
    assert_eq!(
        list.authors()[0].modules,
        author("ann", 1, &["disk"]).modules
    );
}

#[test]
fn a_refused_author_leaves_the_list_as_it_was() {
    let revoked = format!(", \"revoked\": {{\"keys\": [\"{}\"]}}", fingerprint(9));
    let mut list = read(&file(&[entry("ann", 1, "")], &revoked));
    let before = list.to_json();
    let too_many: Vec<_> = (0..=TRUST_MODULES_MAX)
        .map(|number| format!("m{number}"))
        .collect();
    let too_many: Vec<_> = too_many.iter().map(String::as_str).collect();
    let owner = "ann".parse().unwrap();
    for (author, refused) in [
        (
            author("eve", 9, &["*"]),
            AddAuthorError::Revoked {
                fingerprint: fingerprint(9),
            },
        ),
        (
            author("eve", 1, &["*"]),
            AddAuthorError::OtherOwner {
                fingerprint: fingerprint(1),
                owner,
            },
        ),
        (author("bob", 2, &[]), AddAuthorError::ModuleCount),
        (author("bob", 2, &too_many), AddAuthorError::ModuleCount),
    ] {
        assert_eq!(list.add_author(author), Err(refused));
        assert_eq!(list.to_json(), before);
    }
    let full = vec![entry("ann", 1, ""); TRUST_ENTRIES_MAX];
    let mut list = read(&file(&full, ""));
    assert_eq!(
        list.add_author(author("bob", 2, &["*"])),
        Err(AddAuthorError::Full)
    );
    let comment = Some("x".repeat(TRUST_LIST_BYTES_MAX));
    let long = Author {
        comment,
        ..author("ann", 1, &["*"])
    };
    assert_eq!(
        TrustList::empty().add_author(long),
        Err(AddAuthorError::Full)
    );
    let spent = file(&[], "").replace("\"serial\": 7", &format!("\"serial\": {}", u64::MAX));
    let refused = read(&spent).add_author(author("ann", 1, &["*"]));
    assert_eq!(refused, Err(AddAuthorError::SerialSpent));
}
