use std::fs::metadata;
use std::io::Write;
use std::os::unix::fs::MetadataExt;

use host_core::Digest;
use rustix::io::Errno;
use sha2::Sha256;

use super::{KeepError, STAGED_FILES_MAX, Staging, hold, sweep};
use crate::content::{digest_of, path_of};
use crate::disk::open_dir;
use crate::lab::{Lab, make_dir, mode_of, names_in, put};
use crate::lock::try_lock;
use crate::{OpenMode, StagedFile, Store};

fn digest(text: &str) -> Digest {
    use sha2::Digest as _;
    digest_of(Sha256::new_with_prefix(text))
}

fn write(staging: &mut Staging, text: &str) -> StagedFile {
    let mut staged = staging.create().unwrap();
    staged.write_all(text.as_bytes()).unwrap();
    staged
}

#[test]
fn files_become_visible_together_at_the_end() {
    let lab = Lab::new();
    let store = lab.store();
    let mut staging = store.stage().unwrap();
    for text in ["one", "two", "two"] {
        let staged = write(&mut staging, text);
        staging.keep(staged, &digest(text)).unwrap();
    }
    assert_eq!(names_in(&lab.path("cache/staging")).len(), 1);
    assert!(!store.has(&digest("one"), 3) && !store.has(&digest("two"), 3));
    staging.commit().unwrap();
    assert!(store.has(&digest("one"), 3) && store.has(&digest("two"), 3));
    assert!(names_in(&lab.path("cache/staging")).is_empty());
    assert_eq!(mode_of(&lab.path("cache/staging")), 0o700);
    let kept = lab.path("cache/content").join(path_of(&digest("two")));
    assert_eq!(metadata(kept).unwrap().nlink(), 1);
}

#[test]
fn bytes_of_another_digest_are_not_kept() {
    let lab = Lab::new();
    let store = lab.store();
    let mut staging = store.stage().unwrap();
    let staged = write(&mut staging, "one");
    let kept = staging.keep(staged, &digest("two"));
    let (expected, found) = (digest("two"), digest("one"));
    assert!(
        matches!(kept, Err(KeepError::Mismatch { expected: e, found: f }) if (e, f) == (expected, found))
    );
    staging.commit().unwrap();
    assert!(!store.has(&expected, 3) && !store.has(&found, 3));
}

#[test]
fn a_dropped_staging_leaves_nothing() {
    let lab = Lab::new();
    let store = lab.store();
    let mut staging = store.stage().unwrap();
    let staged = write(&mut staging, "one");
    staging.keep(staged, &digest("one")).unwrap();
    drop(write(&mut staging, "half"));
    drop(staging);
    assert!(names_in(&lab.path("cache/staging")).is_empty());
    assert!(!store.has(&digest("one"), 3));
}

#[test]
fn content_that_is_there_is_not_overwritten() {
    let lab = Lab::new();
    let store = lab.store();
    let kept = lab.path("cache/content").join(path_of(&digest("one")));
    let inode = || metadata(&kept).map(|found| found.ino()).ok();
    let put = || {
        let mut staging = store.stage().unwrap();
        let staged = write(&mut staging, "one");
        staging.keep(staged, &digest("one")).unwrap();
        staging.commit().unwrap();
    };
    put();
    let first = inode();
    put();
    assert!(first.is_some());
    assert_eq!(inode(), first);
}

#[test]
fn a_file_of_another_staging_is_not_taken_for_ours() {
    let lab = Lab::new();
    let store = lab.store();
    let (mut one, mut two) = (store.stage().unwrap(), store.stage().unwrap());
    let _own = write(&mut two, "own");
    let foreign = write(&mut one, "foreign");
    two.keep(foreign, &digest("foreign")).unwrap();
    assert!(two.commit().is_err());
    assert!(!store.has(&digest("foreign"), 7));
}

#[test]
fn opening_removes_what_a_crash_left_and_spares_the_living() {
    let lab = Lab::new();
    let store = lab.store();
    let mut living = store.stage().unwrap();
    let staged = write(&mut living, "one");
    living.keep(staged, &digest("one")).unwrap();
    let crashed = lab.path("cache/staging/999999-3");
    make_dir(&crashed, 0o700);
    put(&crashed.join("999999-4"), "half", 0o400);

    let _looking = Store::open(&lab.places(), OpenMode::Read).unwrap();
    assert!(crashed.exists());
    let _opened = lab.store();
    assert!(!crashed.exists());
    living.commit().unwrap();
    assert!(store.has(&digest("one"), 3));
}

/// A sweep can come between making a directory and locking it.
#[test]
fn a_directory_that_a_sweep_took_is_not_used() {
    let lab = Lab::new();
    let store = lab.store();
    drop(store.stage().unwrap());
    let stagings = open_dir(store.cache().dir(), "staging").unwrap();
    let made = || {
        make_dir(&lab.path("cache/staging/1-1"), 0o700);
        open_dir(&stagings, "1-1").unwrap()
    };
    let (ours, swept, replaced) = (made(), made(), made());
    assert!(hold(&stagings, "1-1", ours).is_ok());
    sweep(store.cache().dir());
    assert_eq!(hold(&stagings, "1-1", swept).err(), Some(Errno::EXIST));
    let _other = made();
    assert_eq!(hold(&stagings, "1-1", replaced).err(), Some(Errno::EXIST));
    let swept_now = made();
    try_lock(&swept_now).unwrap();
    assert_eq!(hold(&stagings, "1-1", made()).err(), Some(Errno::EXIST));
}

#[test]
fn stagings_and_sweeps_at_the_same_time_lose_nothing() {
    let lab = Lab::new();
    let store = lab.store();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for count in 0..50 {
                    let text = format!("{thread} {count}");
                    let mut staging = store.stage().unwrap();
                    let staged = write(&mut staging, &text);
                    staging.keep(staged, &digest(&text)).unwrap();
                    sweep(store.cache().dir());
                    staging.commit().unwrap();
                    assert!(store.has(&digest(&text), text.len() as u64));
                }
            });
        }
    });
    assert!(names_in(&lab.path("cache/staging")).is_empty());
}

#[test]
fn files_of_one_staging_are_counted() {
    let lab = Lab::new();
    let mut staging = lab.store().stage().unwrap();
    staging.created = STAGED_FILES_MAX - 1;
    assert!(staging.create().is_ok());
    assert!(staging.create().is_err());
}
