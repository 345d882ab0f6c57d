use std::fs::{self, create_dir};
use std::os::unix::fs::{chown, lchown, symlink};
use std::path::Path;

use rustix::process::geteuid;

use super::{IfMissing, Leaf, OpenDirError, judge, walk};
use crate::OwnedDir;
use crate::lab::{Lab, make_dir, mode_of, put, set_mode};

/// What the walk says of a path below the laboratory, without the laboratory's own name.
fn said(lab: &Lab, below: &str) -> String {
    match OwnedDir::open(&lab.path(below)) {
        Ok(_) => "fine".to_owned(),
        Err(error) => error
            .to_string()
            .replace(lab.path("").to_str().unwrap(), ""),
    }
}

#[test]
fn directories_that_others_can_change_are_refused() {
    let cases = [
        (0o755, 0o700, "fine"),
        (0o700, 0o755, "fine"),
        (0o1777, 0o700, "fine"),
        (
            0o775,
            0o700,
            "`a` has mode 0775, so others can write to it: `chmod go-w 'a'` mends it",
        ),
        (
            0o702,
            0o700,
            "`a` has mode 0702, so others can write to it: `chmod go-w 'a'` mends it",
        ),
        (
            0o755,
            0o770,
            "`a/b` has mode 0770, so others can write to it: `chmod go-w 'a/b'` mends it",
        ),
        // Each file in a sticky directory would be someone else's.
        (
            0o755,
            0o1777,
            "`a/b` has mode 1777, so others can write to it: `chmod go-w 'a/b'` mends it",
        ),
    ];
    for (parent, leaf, expected) in cases {
        let lab = Lab::new();
        make_dir(&lab.path("a"), 0o700);
        make_dir(&lab.path("a/b"), leaf);
        set_mode(&lab.path("a"), parent);
        assert_eq!(said(&lab, "a/b"), expected, "{parent:o} {leaf:o}");
    }
}

#[test]
fn a_stranger_owns_nothing_on_the_way() {
    let lab = Lab::new();
    let mut found = rustix::fs::stat(lab.path("")).unwrap();
    let us = geteuid().as_raw();
    assert!(judge(&found, Path::new("/x"), us).is_ok());
    found.st_uid = 0;
    assert!(judge(&found, Path::new("/x"), us).is_ok());
    found.st_uid = us + 12_345;
    let error = judge(&found, Path::new("/x"), us).unwrap_err().to_string();
    let owner = found.st_uid;
    let expected =
        format!("`/x` belongs to uid {owner}, not to uid {us} or root: `chown {us} '/x'` mends it");
    assert_eq!(error, expected);
}

/// The same on disk, where giving a directory away is allowed.
#[test]
fn a_directory_or_link_of_a_stranger_is_refused() {
    let lab = Lab::new();
    make_dir(&lab.path("theirs/b"), 0o700);
    make_dir(&lab.path("ours/b"), 0o700);
    symlink("ours", lab.path("link")).unwrap();
    let us = geteuid().as_raw();
    let stranger = us + 12_345;
    if chown(lab.path("theirs"), Some(stranger), None).is_err() {
        return;
    }
    lchown(lab.path("link"), Some(stranger), None).unwrap();
    for (below, named) in [
        ("theirs/b", "theirs"),
        ("theirs", "theirs"),
        ("link/b", "link"),
    ] {
        let expected = format!(
            "`{named}` belongs to uid {stranger}, not to uid {us} or root: `chown {us} '{named}'` mends it"
        );
        assert_eq!(said(&lab, below), expected);
    }
}

#[test]
fn links_are_followed_and_judged() {
    let lab = Lab::new();
    make_dir(&lab.path("real/deep/state"), 0o700);
    make_dir(&lab.path("open/state"), 0o700);
    set_mode(&lab.path("open"), 0o777);
    for (link, target) in [
        ("relative", "real/deep".into()),
        (
            "absolute",
            lab.path("real/deep").to_str().unwrap().to_owned(),
        ),
        ("dotted", "real/deep/../deep".into()),
        ("twice", "relative".into()),
        ("unsafe", "open".into()),
        ("loop", "loop".into()),
        ("dangling", "nowhere".into()),
        ("up", "../../../../../../..".into()),
    ] {
        symlink(target, lab.path(link)).unwrap();
    }
    for below in [
        "relative/state",
        "absolute/state",
        "dotted/state",
        "twice/state",
        "real/../real/deep",
    ] {
        assert_eq!(said(&lab, below), "fine", "{below}");
    }
    assert!(said(&lab, "unsafe/state").starts_with("`open` has mode 0777"));
    assert!(said(&lab, "loop/state").ends_with("is too long, or its links lead nowhere"));
    assert_eq!(said(&lab, "dangling/state"), "`nowhere` does not exist");
    assert_eq!(said(&lab, "up"), "fine");
}

#[test]
fn only_absolute_paths_of_directories_are_opened() {
    let lab = Lab::new();
    put(&lab.path("file"), "", 0o600);
    assert_eq!(said(&lab, "file"), "`file` is not a directory");
    assert_eq!(said(&lab, "file/state"), "`file` is not a directory");
    assert_eq!(said(&lab, "none/state"), "`none` does not exist");
    let relative = OwnedDir::open(Path::new("state")).unwrap_err();
    assert_eq!(relative.to_string(), "`state` is not an absolute path");
    let long = lab.path(&"x/".repeat(300));
    assert!(matches!(
        OwnedDir::open(&long),
        Err(OpenDirError::TooLong { .. })
    ));
}

#[test]
fn names_are_printed_harmlessly() {
    let error = OwnedDir::open(Path::new("/\u{1b}[31m")).unwrap_err();
    assert!(!error.to_string().contains('\u{1b}'));
}

#[test]
fn missing_directories_are_made_for_their_owner_alone() {
    let lab = Lab::new();
    OwnedDir::create(&lab.path("a/b/c")).unwrap();
    for below in ["a", "a/b", "a/b/c"] {
        assert_eq!(mode_of(&lab.path(below)), 0o700, "{below}");
    }
    OwnedDir::create(&lab.path("a/b/c")).unwrap();
    put(&lab.path("file"), "", 0o600);
    let made = OwnedDir::create(&lab.path("file/a"));
    assert!(matches!(made, Err(OpenDirError::NotDirectory { .. })));
    symlink("a/new", lab.path("link")).unwrap();
    OwnedDir::create(&lab.path("link")).unwrap();
    assert!(lab.path("a/new").is_dir());
}

#[test]
fn the_descriptor_stays_when_the_name_goes_elsewhere() {
    let lab = Lab::new();
    make_dir(&lab.path("state"), 0o700);
    let opened = walk(&lab.path("state"), IfMissing::Fail, Leaf::Private).unwrap();
    fs::rename(lab.path("state"), lab.path("old")).unwrap();
    create_dir(lab.path("state")).unwrap();
    opened.create("file").unwrap();
    assert!(lab.path("old/file").exists() && !lab.path("state/file").exists());
}
