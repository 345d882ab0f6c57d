//! What is told happens where it may, so that the oracle judges programs that do something.

use std::fs;

use super::*;

const BOTH: [&Program; 2] = [&MODULE, &COMPONENT];
/// Numbers of calls. From `STREAM_WRITE` on the module takes them for others.
const OPEN: u8 = 0;
const CLOSE: u8 = 1;
const READ: u8 = 2;
const WRITE: u8 = 3;
const CREATE_DIRECTORY: u8 = 4;
const REMOVE_DIRECTORY: u8 = 5;
const UNLINK: u8 = 6;
const RENAME: u8 = 7;
const LINK: u8 = 8;
const SYMLINK: u8 = 9;
const READLINK: u8 = 10;
const MOVE: u8 = 11;
const SET_SIZE: u8 = 12;
const SET_TIMES_AT: u8 = 13;
const LIST: u8 = 14;
const STREAM_WRITE: u8 = 15;
const STREAM_APPEND: u8 = 16;
const STREAM_READ: u8 = 17;
const SPLICE: u8 = 18;
const STAT: u8 = 19;
const STAT_AT: u8 = 20;
const HASH: u8 = 21;
const HASH_AT: u8 = 22;
const COMPARE: u8 = 23;
const SET_TIMES: u8 = 24;
const DESCRIBE: u8 = 25;
const SYNC: u8 = 26;
const DIRECTORIES: u8 = 27;
/// Descriptors: the two directories, and the first that is opened.
const RO: u8 = 0;
const RW: u8 = 1;
const OPENED: u8 = 2;
/// Flags of `OPEN`, and those of a time to set: the given one, for the second of both times.
const FOLLOW: u8 = 1;
const CREATE: u8 = 2;
const WRITABLE: u8 = 32;
const TIME_GIVEN: u8 = 4;

#[derive(Clone, Copy, Default)]
struct Call {
    op: u8,
    fd: u8,
    other: u8,
    path: &'static str,
    to: &'static str,
    flags: u8,
    more: u8,
    number: u8,
}

impl Call {
    fn bytes(&self) -> [u8; CALL_BYTES] {
        let number = |path| PATHS.iter().position(|known| *known == path).unwrap();
        let number = |path| u8::try_from(number(path)).unwrap();
        let (path, to) = (number(self.path), number(self.to));
        let Self { op, fd, other, .. } = *self;
        [op, fd, other, path, to, self.flags, self.more, self.number]
    }
}

fn call(op: u8, fd: u8, path: &'static str) -> Call {
    Call {
        op,
        fd,
        path,
        ..Call::default()
    }
}

/// Opens a file of the writable directory, to be written.
fn open_writable(path: &'static str) -> Call {
    let flags = WRITABLE;
    Call {
        flags,
        ..call(OPEN, RW, path)
    }
}

/// Makes `calls` by each of `programs`, and judges what there is then.
fn check(programs: &[&Program], calls: &[Call], judge: impl Fn(&World)) {
    for program in programs {
        let world = World::new();
        let verdict = program.run(&world, &data(calls));
        let name = program.name;
        assert_eq!(verdict.end, End::Exited { code: 0 }, "{name}");
        judge(&world);
    }
}

fn data(calls: &[Call]) -> Vec<u8> {
    calls.iter().flat_map(Call::bytes).collect()
}

/// What a program writes: its first call.
fn written(calls: &[Call]) -> String {
    letters(&calls[0].bytes())
}

impl World {
    fn content(&self, path: &str) -> Vec<u8> {
        self.picture(path)[&self.path(path)].content.clone()
    }

    /// What the program has learned.
    fn leak(&self) -> Vec<u8> {
        self.content("rw/leak")
    }

    fn exists(&self, path: &str) -> bool {
        fs::symlink_metadata(self.path(path)).is_ok()
    }
}

fn holds(bytes: &[u8], part: &str) -> bool {
    let mut windows = bytes.windows(part.len());
    windows.any(|window| window == part.as_bytes())
}

#[test]
fn what_a_program_learns_it_writes_down() {
    let calls = [call(OPEN, RO, "file"), call(READ, OPENED, "")];
    check(&BOTH, &calls, |world| {
        assert!(world.leak().starts_with(b"a file"), "{:?}", world.leak());
    });
}

#[test]
#[should_panic(expected = "holds the secret")]
fn a_secret_that_was_reached_is_found() {
    let world = World::new();
    fs::copy(world.path("outside/secret"), world.path("rw/copy")).unwrap();
    world.assert_nothing_leaked("nobody");
}

#[test]
fn a_directory_is_made_and_removed() {
    let calls = [
        call(CREATE_DIRECTORY, RW, "new"),
        call(CREATE_DIRECTORY, RW, "new2"),
        call(REMOVE_DIRECTORY, RW, "new/"),
    ];
    check(&BOTH, &calls, |world| {
        assert!(world.path("rw/new2").is_dir());
        assert!(!world.exists("rw/new"));
    });
}

#[test]
fn a_file_is_made_and_written() {
    let flags = CREATE | WRITABLE;
    let calls = [
        Call {
            flags,
            ..call(OPEN, RW, "new")
        },
        call(WRITE, OPENED, ""),
    ];
    check(&BOTH, &calls, |world| {
        assert_eq!(world.content("rw/new"), written(&calls).as_bytes());
    });
}

#[test]
fn a_file_is_removed() {
    check(&BOTH, &[call(UNLINK, RW, "file")], |world| {
        assert!(!world.exists("rw/file"));
    });
}

#[test]
fn a_file_is_renamed_and_linked() {
    let (to, other) = ("dir/new", RW);
    let rename = Call {
        to,
        other,
        ..call(RENAME, RW, "file")
    };
    check(&BOTH, &[rename], |world| {
        assert!(!world.exists("rw/file"));
        assert_eq!(world.content("rw/dir/new"), b"a file");
    });
    let link = Call { op: LINK, ..rename };
    check(&BOTH, &[link], |world| {
        let inode = |path: &str| world.picture(path)[&world.path(path)].inode;
        assert_eq!(inode("rw/file"), inode("rw/dir/new"));
    });
}

#[test]
fn a_symbolic_link_is_made_followed_and_read() {
    let to = "new";
    let calls = [
        Call {
            to,
            other: RW,
            ..call(SYMLINK, RW, "dir/file")
        },
        Call {
            flags: FOLLOW,
            ..call(OPEN, RW, "new")
        },
        call(READ, OPENED, ""),
        call(READLINK, RW, "out"),
    ];
    check(&BOTH, &calls, |world| {
        assert_eq!(world.content("rw/new"), b"dir/file");
        assert!(world.leak().starts_with(b"another"), "{:?}", world.leak());
        assert!(holds(&world.leak(), "../outside"), "{:?}", world.leak());
    });
}

#[test]
fn a_size_and_a_time_are_set() {
    let calls = [
        open_writable("file"),
        Call {
            number: 3,
            ..call(SET_SIZE, OPENED, "")
        },
        Call {
            more: TIME_GIVEN,
            ..call(SET_TIMES_AT, RW, "file")
        },
    ];
    check(&BOTH, &calls, |world| {
        let file = &world.picture("rw/file")[&world.path("rw/file")];
        assert_eq!(file.content, b"a f");
        assert_eq!(file.modified, (0, 2));
    });
}

#[test]
fn a_directory_is_listed() {
    check(&BOTH, &[call(LIST, RW, "")], |world| {
        for name in ["file", "dir", "out", "abs", "chain", "self"] {
            assert!(holds(&world.leak(), name), "{name}: {:?}", world.leak());
        }
    });
}

#[test]
fn a_descriptor_takes_the_place_of_another() {
    let other = OPENED;
    let calls = [
        call(OPEN, RW, "file"),
        Call {
            other,
            ..call(MOVE, RO, "")
        },
        call(OPEN, OPENED, "dir/file"),
        call(READ, RO, ""),
    ];
    check(&BOTH, &calls, |world| {
        assert!(world.leak().starts_with(b"another"), "{:?}", world.leak());
    });
}

/// The module is not asked: it writes down what it knows by descriptor 4, which is closed.
#[test]
fn a_closed_descriptor_and_an_empty_slot_do_nothing() {
    let made = call(CREATE_DIRECTORY, RW, "new");
    let (other, to) = (9, "new2");
    let calls = [
        call(CLOSE, RW, ""),
        call(CLOSE, RW, ""),
        made,
        Call {
            other,
            to,
            ..call(RENAME, RO, "file")
        },
        Call {
            other,
            ..call(SPLICE, RO, "")
        },
        Call {
            other,
            ..call(MOVE, RO, "")
        },
        call(READ, 9, ""),
    ];
    check(&[&COMPONENT], &calls, |world| {
        assert!(!world.exists("rw/new"));
        assert_eq!(world.leak(), b"");
    });
}

#[test]
fn the_directories_are_given_anew() {
    let calls = [
        call(CLOSE, RW, ""),
        call(DIRECTORIES, RO, ""),
        call(CREATE_DIRECTORY, OPENED, "new"),
    ];
    check(&[&COMPONENT], &calls, |world| {
        assert!(world.path("rw/new").is_dir());
    });
}

#[test]
fn more_descriptors_than_there_are_slots_are_closed() {
    let calls = [call(DIRECTORIES, RO, ""); CALLS_MAX];
    check(&[&COMPONENT], &calls, |world| assert_eq!(world.leak(), b""));
}

#[test]
fn a_stream_writes_appends_and_reads() {
    let calls = [
        open_writable("file"),
        Call {
            number: 2,
            ..call(STREAM_WRITE, OPENED, "")
        },
        call(STREAM_APPEND, OPENED, ""),
        Call {
            number: 1,
            ..call(STREAM_READ, OPENED, "")
        },
    ];
    check(&[&COMPONENT], &calls, |world| {
        let written = written(&calls);
        let whole = format!("a {written}{written}");
        assert_eq!(world.content("rw/file"), whole.as_bytes());
        assert_eq!(world.leak(), &whole.as_bytes()[1..]);
    });
}

#[test]
fn a_splice_copies_between_files() {
    let other = OPENED + 1;
    let calls = [
        open_writable("file"),
        call(OPEN, RO, "dir/file"),
        Call {
            other,
            ..call(SPLICE, OPENED, "")
        },
    ];
    check(&[&COMPONENT], &calls, |world| {
        assert_eq!(world.content("rw/file"), b"another");
    });
}

#[test]
fn a_failure_of_a_stream_is_heard_and_closed() {
    let mut calls = vec![call(OPEN, RW, "file")];
    calls.extend([call(STREAM_WRITE, OPENED, ""); CALLS_MAX - 1]);
    check(&[&COMPONENT], &calls, |world| {
        assert!(
            holds(&world.leak(), "Bad file descriptor"),
            "{:?}",
            world.leak()
        );
        assert_eq!(world.content("rw/file"), b"a file");
    });
}

#[test]
fn a_file_is_measured_by_its_descriptor_and_by_its_path() {
    let calls = [
        call(OPEN, RO, "file"),
        call(STAT, OPENED, ""),
        call(STAT_AT, RO, "file"),
    ];
    check(&[&COMPONENT], &calls, |world| {
        let leak = world.leak();
        assert_eq!(leak.len(), 2 * 104);
        for stat in leak.chunks(104) {
            // A regular file.
            assert_eq!((stat[0], stat[8]), (0, 6));
            assert_eq!(stat[24..32], 6_u64.to_le_bytes());
        }
    });
}

#[test]
#[should_panic(expected = "holds the secret")]
fn a_time_of_the_outside_that_was_learned_is_found() {
    let world = World::new();
    // It has come within.
    fs::rename(world.path("outside/secret"), world.path("rw/dir/new")).unwrap();
    COMPONENT.run(&world, &data(&[call(STAT_AT, RW, "dir/new")]));
    fs::remove_file(world.path("rw/dir/new")).unwrap();
    world.assert_nothing_leaked("nobody");
}

#[test]
fn a_file_has_one_hash_and_is_itself() {
    let other = RW;
    let calls = [
        call(OPEN, RO, "file"),
        call(HASH, OPENED, ""),
        call(HASH_AT, RO, "file"),
        Call {
            other,
            ..call(COMPARE, RO, "")
        },
        Call {
            other,
            ..call(COMPARE, RW, "")
        },
    ];
    check(&[&COMPONENT], &calls, |world| {
        let leak = world.leak();
        let (hashes, compared) = leak.split_at(48);
        assert_eq!(hashes[..24], hashes[24..]);
        assert_eq!((hashes[0], compared), (0, &[0, 1][..]));
    });
}

#[test]
fn a_time_is_set_by_a_descriptor() {
    let calls = [
        open_writable("file"),
        Call {
            more: TIME_GIVEN,
            ..call(SET_TIMES, OPENED, "")
        },
    ];
    check(&[&COMPONENT], &calls, |world| {
        let file = &world.picture("rw/file")[&world.path("rw/file")];
        assert_eq!(file.modified, (0, 2));
    });
}

#[test]
fn a_descriptor_tells_its_flags_and_its_kind() {
    let calls = [open_writable("file"), call(DESCRIBE, OPENED, "")];
    check(&[&COMPONENT], &calls, |world| {
        // To read and to write, a regular file.
        assert_eq!(world.leak(), [0, 3, 0, 6]);
    });
}

#[test]
fn a_file_is_written_to_the_disk() {
    let calls = [open_writable("file"), call(SYNC, OPENED, "")];
    check(&[&COMPONENT], &calls, |world| {
        assert_eq!(world.leak(), [0, 0, 0]);
    });
}
