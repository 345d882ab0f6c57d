use std::fs::{create_dir, remove_file};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use host_core::Digest;
use proptest::prelude::*;
use sha2::Sha256;

use super::{ReadContentError, digest_of, path_of};
use crate::lab::{Lab, mode_of, put, set_mode};
use crate::{OpenMode, Store};

fn digest(bytes: &[u8]) -> Digest {
    use sha2::Digest as _;
    digest_of(Sha256::new_with_prefix(bytes))
}

fn keep(store: &Store, bytes: &[u8]) -> Digest {
    let mut staging = store.stage().unwrap();
    let mut staged = staging.create().unwrap();
    staged.write_all(bytes).unwrap();
    staging.keep(staged, &digest(bytes)).unwrap();
    staging.commit().unwrap();
    digest(bytes)
}

fn place(lab: &Lab, digest: &Digest) -> PathBuf {
    lab.path("cache/content").join(path_of(digest))
}

#[test]
fn content_lies_under_its_digest_and_cannot_be_written() {
    let lab = Lab::new();
    let store = lab.store();
    assert!(!store.has(&digest(b"abc"), 3));
    keep(&store, b"abc");
    let expected =
        "cache/content/ba/7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(mode_of(&lab.path(expected)), 0o400);
    assert!(store.has(&digest(b"abc"), 3));
    assert_eq!(store.read(&digest(b"abc"), 3).unwrap(), b"abc");
}

#[test]
fn what_was_never_kept_is_missing() {
    let lab = Lab::new();
    let store = lab.store();
    let missing = |store: &Store| {
        matches!(
            store.read(&digest(b"x"), 10),
            Err(ReadContentError::Missing { .. })
        )
    };
    assert!(missing(&store));
    keep(&store, b"y");
    assert!(missing(&store));
}

#[test]
fn content_that_was_changed_is_refused_and_removed() {
    let lab = Lab::new();
    let store = lab.store();
    for damaged in ["", "ab", "abd", "abcd"] {
        let kept = keep(&store, b"abc");
        set_mode(&place(&lab, &kept), 0o600);
        put(&place(&lab, &kept), damaged, 0o400);
        let read = store.read(&kept, 100);
        assert!(
            matches!(read, Err(ReadContentError::Damaged { .. })),
            "{damaged:?}"
        );
        assert!(!place(&lab, &kept).exists(), "{damaged:?}");
        keep(&store, b"abc");
        assert_eq!(store.read(&kept, 100).unwrap(), b"abc");
    }
}

#[test]
fn whatever_has_another_size_or_kind_is_replaced_by_what_is_kept() {
    let lab = Lab::new();
    let store = lab.store();
    let digest = digest(b"abc");
    let ways: [fn(&std::path::Path); 5] = [
        |place| put(place, "", 0o400),
        |place| put(place, "abcd", 0o400),
        |place| {
            std::fs::File::create(place)
                .unwrap()
                .set_len(600 << 20)
                .unwrap()
        },
        |place| create_dir(place).unwrap(),
        |place| symlink("/etc/passwd", place).unwrap(),
    ];
    for damage in ways {
        keep(&store, b"abc");
        remove_file(place(&lab, &digest)).unwrap();
        damage(&place(&lab, &digest));
        assert!(!store.has(&digest, 3));
        keep(&store, b"abc");
        assert!(store.has(&digest, 3));
        assert_eq!(store.read(&digest, 3).unwrap(), b"abc");
    }
}

#[test]
fn what_was_found_damaged_is_replaced_though_its_size_is_right() {
    let lab = Lab::new();
    let store = lab.store();
    let kept = keep(&store, b"abc");
    set_mode(&place(&lab, &kept), 0o600);
    put(&place(&lab, &kept), "abd", 0o400);
    let mut staging = store.stage().unwrap();
    let mut staged = staging.create_over().unwrap();
    staged.write_all(b"abc").unwrap();
    staging.keep(staged, &kept).unwrap();
    staging.commit().unwrap();
    assert_eq!(store.read(&kept, 3).unwrap(), b"abc");
}

#[test]
fn a_store_opened_to_look_removes_nothing() {
    let lab = Lab::new();
    let kept = keep(&lab.store(), b"abc");
    set_mode(&place(&lab, &kept), 0o600);
    put(&place(&lab, &kept), "abd", 0o400);
    let store = Store::open(&lab.places(), OpenMode::Read).unwrap();
    assert!(matches!(
        store.read(&kept, 100),
        Err(ReadContentError::Damaged { .. })
    ));
    assert!(place(&lab, &kept).exists());
}

#[test]
fn only_a_regular_file_is_content() {
    let lab = Lab::new();
    let store = lab.store();
    let kept = keep(&store, b"abc");
    remove_file(place(&lab, &kept)).unwrap();
    put(&lab.path("elsewhere"), "abc", 0o400);
    symlink(lab.path("elsewhere"), place(&lab, &kept)).unwrap();
    assert!(!store.has(&kept, 3));
    assert!(matches!(
        store.read(&kept, 100),
        Err(ReadContentError::Damaged { .. })
    ));
    assert!(lab.path("elsewhere").exists());

    create_dir(place(&lab, &kept)).unwrap();
    put(&place(&lab, &kept).join("inside"), "abc", 0o400);
    assert!(!store.has(&kept, 3));
    assert!(matches!(
        store.read(&kept, 100),
        Err(ReadContentError::Damaged { .. })
    ));
}

#[test]
fn content_above_the_limit_is_not_read() {
    let lab = Lab::new();
    let store = lab.store();
    let kept = keep(&store, b"abc");
    let read = store.read(&kept, 2);
    assert!(matches!(
        read,
        Err(ReadContentError::TooLarge { size_max: 2, .. })
    ));
    assert!(store.has(&kept, 3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_was_kept_is_read_back(bytes in prop::collection::vec(any::<u8>(), 0..70_000)) {
        let lab = Lab::new();
        let store = lab.store();
        let kept = keep(&store, &bytes);
        prop_assert_eq!(store.read(&kept, 70_000).unwrap(), bytes);
    }
}
