use std::os::unix::fs::{chown, symlink};
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::geteuid;

use super::{OwnedDir, Privacy, ReadOwnedError, judge, read_owned, write_owned};
use crate::OpenDirError;
use crate::lab::{Lab, chain, get, make_dir, mode_of, names_in, put, set_mode};

/// What reading `config/file` says, without the laboratory's own name.
fn said(lab: &Lab, privacy: Privacy) -> String {
    match read_owned(&lab.path("config/file"), 4, privacy) {
        Ok(bytes) => String::from_utf8(bytes).unwrap(),
        Err(error) => chain(&error).replace(lab.path("").to_str().unwrap(), ""),
    }
}

fn lab_with_config() -> Lab {
    let lab = Lab::new();
    make_dir(&lab.path("config"), 0o755);
    lab
}

#[test]
fn modes_decide_who_could_have_written_or_read() {
    let writable = "`config/file` has mode 0664, so others can write to it: `chmod go-w 'config/file'` mends it";
    let readable =
        "`config/file` has mode 0640, so others can read it: `chmod go= 'config/file'` mends it";
    let cases = [
        (0o644, Privacy::Public, "text"),
        (0o600, Privacy::Public, "text"),
        (0o664, Privacy::Public, writable),
        (0o600, Privacy::Private, "text"),
        (0o400, Privacy::Private, "text"),
        (0o640, Privacy::Private, readable),
        (0o664, Privacy::Private, writable),
    ];
    for (mode, privacy, expected) in cases {
        let lab = lab_with_config();
        put(&lab.path("config/file"), "text", mode);
        assert_eq!(said(&lab, privacy), expected, "{mode:o}");
    }
}

#[test]
fn a_file_of_a_stranger_is_refused() {
    let lab = lab_with_config();
    let path = lab.path("config/file");
    put(&path, "text", 0o600);
    let mut found = rustix::fs::stat(&path).unwrap();
    let us = geteuid().as_raw();
    let stranger = us + 12_345;
    found.st_uid = stranger;
    let judged = judge(&found, &path, Privacy::Public);
    assert!(matches!(judged, Err(ReadOwnedError::Owner { .. })));

    // The same on disk, where giving a file away is allowed.
    if chown(&path, Some(stranger), None).is_ok() {
        let expected = format!(
            "`config/file` belongs to uid {stranger}, not to uid {us} or root: `chown {us} 'config/file'` mends it"
        );
        assert_eq!(said(&lab, Privacy::Public), expected);
    }
}

#[test]
fn only_regular_files_of_expected_size_are_read() {
    let lab = lab_with_config();
    let path = lab.path("config/file");
    assert_eq!(said(&lab, Privacy::Public), "`config/file` does not exist");

    put(&lab.path("config/real"), "text", 0o600);
    symlink("real", &path).unwrap();
    let expected = "`config/file` is a symbolic link: name the file that it leads to";
    assert_eq!(said(&lab, Privacy::Public), expected);
    std::fs::remove_file(&path).unwrap();

    put(&path, "texts", 0o600);
    assert_eq!(
        said(&lab, Privacy::Public),
        "`config/file` is larger than 4 bytes"
    );
    std::fs::remove_file(&path).unwrap();

    let not_file = "`config/file` is not a regular file";
    make_dir(&path, 0o700);
    assert_eq!(said(&lab, Privacy::Public), not_file);
    std::fs::remove_dir(&path).unwrap();

    // Nobody writes to the pipe: without NONBLOCK this would wait for ever.
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR, 0).unwrap();
    assert_eq!(said(&lab, Privacy::Public), not_file);
    std::fs::remove_file(&path).unwrap();

    let _socket = UnixListener::bind(&path).unwrap();
    assert_eq!(said(&lab, Privacy::Public), not_file);
}

#[test]
fn the_directory_of_a_file_is_judged_first() {
    let lab = lab_with_config();
    put(&lab.path("config/file"), "text", 0o600);
    set_mode(&lab.path("config"), 0o777);
    let expected = "directory of the file cannot be relied on: `config` has mode 0777, so others can write to it: \
                    `chmod go-w 'config'` mends it";
    assert_eq!(said(&lab, Privacy::Public), expected);
    set_mode(&lab.path("config"), 0o1777);
    assert_eq!(said(&lab, Privacy::Public), "text");
    let missing = read_owned(&lab.path("none/file"), 4, Privacy::Public).unwrap_err();
    assert!(matches!(missing, ReadOwnedError::Missing { .. }));
}

#[test]
fn a_name_cannot_leave_the_directory() {
    let lab = lab_with_config();
    put(&lab.path("file"), "text", 0o600);
    make_dir(&lab.path("config/sub"), 0o700);
    let config = OwnedDir::open(&lab.path("config")).unwrap();
    for name in ["../file", "..", ".", "", "/etc/passwd", "a\0b", "sub/file"] {
        let read = config.read(name, 100, Privacy::Public);
        assert!(matches!(read, Err(ReadOwnedError::Name { .. })), "{name:?}");
        assert!(
            config.write(name, b"x", Privacy::Public).is_err(),
            "{name:?}"
        );
        assert!(config.subdirectory(name).is_err(), "{name:?}");
    }
}

#[test]
fn a_subdirectory_is_judged_like_its_parent() {
    let lab = lab_with_config();
    let config = OwnedDir::open(&lab.path("config")).unwrap();
    make_dir(&lab.path("config/policies"), 0o755);
    put(&lab.path("config/policies/b.cedar"), "b", 0o644);
    put(&lab.path("config/policies/a.cedar"), "a", 0o644);
    put(&lab.path("config/policies/.a.cedar.1-2.new"), "", 0o600);
    let policies = config.subdirectory("policies").unwrap();
    assert_eq!(policies.path(), lab.path("config/policies"));
    let read = policies.read_whole(10).unwrap();
    let names: Vec<&str> = read.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a.cedar", "b.cedar"]);
    assert_eq!(policies.read("a.cedar", 10, Privacy::Public).unwrap(), b"a");

    symlink("policies", lab.path("config/link")).unwrap();
    let link = config.subdirectory("link");
    assert!(matches!(link, Err(OpenDirError::NotDirectory { .. })));
    let none = config.subdirectory("none");
    assert!(matches!(none, Err(OpenDirError::Missing { .. })));
    for mode in [0o775, 0o1777] {
        set_mode(&lab.path("config/policies"), mode);
        let open = config.subdirectory("policies");
        assert!(
            matches!(open, Err(OpenDirError::Writable { .. })),
            "{mode:o}"
        );
    }
}

#[test]
fn writing_replaces_the_whole_file() {
    let lab = lab_with_config();
    let path = lab.path("config/key");
    write_owned(&path, b"first", Privacy::Private).unwrap();
    assert_eq!((get(&path), mode_of(&path)), (b"first".to_vec(), 0o600));
    write_owned(&path, b"2", Privacy::Public).unwrap();
    assert_eq!((get(&path), mode_of(&path)), (b"2".to_vec(), 0o644));
    assert_eq!(names_in(&lab.path("config")), ["key"]);
    assert!(write_owned(&lab.path("none/key"), b"", Privacy::Private).is_err());
}

#[test]
fn writing_through_a_link_replaces_the_link() {
    let lab = lab_with_config();
    put(&lab.path("elsewhere"), "kept", 0o600);
    symlink(lab.path("elsewhere"), lab.path("config/file")).unwrap();
    write_owned(&lab.path("config/file"), b"text", Privacy::Public).unwrap();
    assert_eq!(get(&lab.path("elsewhere")), b"kept");
    assert_eq!(said(&lab, Privacy::Public), "text");
}

#[test]
fn a_write_that_fails_leaves_the_old_file() {
    let lab = lab_with_config();
    make_dir(&lab.path("config/file/in the way"), 0o700);
    assert!(write_owned(&lab.path("config/file"), b"text", Privacy::Public).is_err());
    assert_eq!(names_in(&lab.path("config")), ["file"]);
    assert_eq!(names_in(&lab.path("config/file")), ["in the way"]);
}
