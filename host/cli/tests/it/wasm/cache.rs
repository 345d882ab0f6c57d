//! Machine code is made once, kept under a tag, and made again wherever the tag says that it is not ours.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::time::Instant;

use super::{lab, program, unstarted, wat};
use crate::lab::Lab;

const HELLO: &str = r#"(module
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (func (export "_start") (call $exit (i32.const 42))))"#;

/// A program of a few instructions in a lab of its own, which has been run once.
fn ran_once() -> (Lab, String) {
    let lab = Lab::new();
    let path = wat(&lab, "hello", HELLO);
    lab.run(&["run", &path]).exits(42);
    (lab, path)
}

/// The only entry of the cache.
#[track_caller]
fn entry(lab: &Lab) -> PathBuf {
    let entries = lab.files("home/cache/compiled");
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries[0].clone()
}

/// What tells a file from one that was put in its place.
fn identity(path: &PathBuf) -> (u64, i64, i64) {
    let file = fs::metadata(path).unwrap();
    (file.ino(), file.mtime(), file.mtime_nsec())
}

#[test]
fn a_program_is_compiled_once() {
    let (lab, path) = ran_once();
    let entry = entry(&lab);
    let first = identity(&entry);
    for _ in 0..3 {
        lab.run(&["run", &path]).exits(42);
        assert_eq!(identity(&entry), first, "it was compiled again");
    }
    // The same bytes are the same program, wherever they lie.
    let copy = lab.write("elsewhere/copy.wasm", fs::read(&path).unwrap());
    lab.run(&["run", &copy]).exits(42);
    assert_eq!(identity(&entry), first);
}

#[test]
fn the_second_run_of_a_large_program_waits_for_no_compiler() {
    let lab = lab();
    let since = Instant::now();
    lab.run(&["run", &program("misbehave-p1"), "exit", "7"])
        .exits(7);
    let warm = since.elapsed();
    let cold = Lab::new();
    let since = Instant::now();
    cold.run(&["run", &program("misbehave-p1"), "exit", "7"])
        .exits(7);
    assert!(
        warm < since.elapsed(),
        "{warm:?}, and {:?} when compiled",
        since.elapsed()
    );
    assert_eq!(cold.files("home/cache/compiled").len(), 1);
    assert_eq!(
        lab.files("home/cache/compiled").len(),
        2,
        "it was kept again"
    );
}

#[test]
fn an_entry_is_named_after_its_program_and_is_its_owners_alone() {
    let (lab, path) = ran_once();
    let entry = entry(&lab);
    let id = lab.record(&[&path])["bundle"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        entry
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with(&id)
    );
    for private in [entry, lab.home().join("state/compiled.key")] {
        let mode = fs::metadata(&private).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", private.display());
    }
}

/// Whoever can put machine code into the cache would have it run.
#[test]
fn an_entry_with_any_byte_changed_is_made_anew() {
    let (lab, path) = ran_once();
    let entry = entry(&lab);
    let good = fs::read(&entry).unwrap();
    // The tag, the first line, the code, the end.
    let places = [0, 31, 32, 40, 70, good.len() / 2, good.len() - 1];
    for place in places
        .into_iter()
        .chain((100..good.len()).step_by(good.len() / 20))
    {
        let mut wrong = good.clone();
        wrong[place] ^= 0x40;
        fs::write(&entry, &wrong).unwrap();
        lab.run(&["run", &path]).exits(42);
        assert!(
            fs::read(&entry).unwrap() == good,
            "byte {place}: it was not replaced"
        );
    }
}

#[test]
fn an_entry_that_is_cut_longer_or_empty_is_made_anew() {
    let (lab, path) = ran_once();
    let entry = entry(&lab);
    let good = fs::read(&entry).unwrap();
    let longer = [good.as_slice(), b"x"].concat();
    for wrong in [
        &good[..0],
        &good[..31],
        &good[..32],
        &good[..33],
        &good[..good.len() - 1],
        &longer,
    ] {
        fs::write(&entry, wrong).unwrap();
        lab.run(&["run", &path]).exits(42);
        assert!(
            fs::read(&entry).unwrap() == good,
            "{} bytes were left",
            wrong.len()
        );
    }
}

#[test]
fn the_entry_of_another_program_is_no_entry() {
    let (lab, path) = ran_once();
    let own = entry(&lab);
    let good = fs::read(&own).unwrap();
    let other = wat(&lab, "other", &HELLO.replace("42", "13"));
    lab.run(&["run", &other]).exits(13);
    let others = lab
        .files("home/cache/compiled")
        .into_iter()
        .find(|file| *file != own);
    let others = others.unwrap();
    let theirs = fs::read(&others).unwrap();
    fs::write(&own, &theirs).unwrap();
    fs::write(&others, &good).unwrap();
    lab.run(&["run", &path]).exits(42);
    lab.run(&["run", &other]).exits(13);
    assert!(fs::read(&own).unwrap() == good && fs::read(&others).unwrap() == theirs);
}

#[test]
fn what_was_tagged_by_another_key_is_made_anew() {
    let (lab, path) = ran_once();
    let (entry, key) = (entry(&lab), lab.home().join("state/compiled.key"));
    let (first, old) = (fs::read(&entry).unwrap(), fs::read(&key).unwrap());
    fs::remove_file(&key).unwrap();
    lab.run(&["run", &path]).exits(42);
    let second = fs::read(&entry).unwrap();
    assert!(second != first, "it was believed");
    assert_eq!(second[32..], first[32..], "only the tag is another");
    assert_ne!(fs::read(&key).unwrap(), old);
    // The entry of the old key, put back.
    fs::write(&entry, &first).unwrap();
    lab.run(&["run", &path]).exits(42);
    assert!(fs::read(&entry).unwrap() == second);
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let (lab, path) = ran_once();
    let key = lab.home().join("state/compiled.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    lab.run(&["run", &path]).exits(125).says(&["compiled.key"]);
    assert_eq!(lab.events(), ["intended", "finished"]);
}

#[test]
fn an_entry_that_is_no_file_is_passed_over() {
    use std::os::unix::fs::symlink;
    let (lab, path) = ran_once();
    let entry = entry(&lab);
    let kept = lab.write("kept", fs::read(&entry).unwrap());
    fs::remove_file(&entry).unwrap();
    symlink(&kept, &entry).unwrap();
    lab.run(&["run", &path]).exits(42);
    assert!(
        fs::symlink_metadata(&entry).unwrap().is_file(),
        "the link was followed or kept"
    );
    fs::remove_file(&entry).unwrap();
    fs::create_dir(&entry).unwrap();
    lab.run(&["run", &path]).exits(42);
}

#[test]
fn a_cache_that_takes_nothing_costs_compiling_and_no_run() {
    let lab = Lab::new();
    let path = wat(&lab, "hello", HELLO);
    lab.write("home/cache/compiled", "in the way");
    for below in ["home", "home/cache"] {
        fs::set_permissions(lab.path(below), fs::Permissions::from_mode(0o700)).unwrap();
    }
    for _ in 0..2 {
        lab.run(&["run", &path]).exits(42);
    }
    assert_eq!(lab.read("home/cache/compiled"), "in the way");
}

#[test]
fn what_cannot_be_compiled_is_not_kept() {
    let lab = Lab::new();
    let path = wat(&lab, "library", "(module)");
    for _ in 0..2 {
        unstarted(&lab, &["run", &path]).exits(125);
    }
    assert!(lab.files("home/cache/compiled").is_empty());
}

#[test]
fn two_that_compile_at_the_same_time_both_run() {
    let lab = Lab::new();
    let path = wat(&lab, "hello", HELLO);
    let runs: Vec<_> = (0..4).map(|_| lab.host(&["run", &path]).start()).collect();
    for run in runs {
        run.end_swept_later().exits(42);
    }
    entry(&lab);
    lab.run(&["run", &path]).exits(42);
}
