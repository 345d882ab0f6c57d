//! A caller that is made up, on a machine that is.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::*;
use crate::learn::naming::{Found, Kind};
use crate::recipe::tests::{opening, recipe as recipe_of};
use crate::recipe::{Learn, Opening};

/// Memory by what lies where, and a process with a working directory and one descriptor.
struct MadeUp {
    memory: BTreeMap<u64, Vec<u8>>,
    listens: u16,
    /// How often it still waits.
    waits: Cell<u32>,
}

impl Caller for MadeUp {
    fn bytes(&self, start: u64, length: usize) -> Vec<u8> {
        let lies = self.memory.range(..=start).next_back();
        let bytes = lies.and_then(|(at, bytes)| bytes.get(usize::try_from(start - at).ok()?..));
        let bytes = bytes.unwrap_or_default();
        bytes[..bytes.len().min(length)].to_vec()
    }

    fn directory(&self, descriptor: Option<i32>) -> Option<Vec<u8>> {
        match descriptor {
            None => Some(b"/scratch".to_vec()),
            Some(5) => Some(b"/srv/data".to_vec()),
            Some(_) => None,
        }
    }

    fn hears(&self, port: u16) -> bool {
        port == self.listens
    }

    fn still_waits(&self) -> bool {
        let left = self.waits.get();
        self.waits.set(left.saturating_sub(1));
        left > 0
    }
}

/// Where the made-up caller has its path.
const PATH: u64 = 0x1000;
/// And other things.
const OTHER: u64 = 0x8000;

fn caller(path: &[u8], other: &[u8]) -> MadeUp {
    MadeUp {
        memory: [(PATH, [path, b"\0"].concat()), (OTHER, other.to_vec())].into(),
        listens: 8080,
        waits: Cell::new(u32::MAX),
    }
}

/// A machine that has what is listed.
struct Having(&'static [(&'static str, Kind)]);

impl Machine for Having {
    fn look(&self, path: &CanonicalPath) -> Found {
        let found = self.0.iter().find(|(place, _)| *place == path.as_str());
        Found {
            name: path.clone(),
            kind: found.map_or(Kind::Missing, |(_, kind)| *kind),
        }
    }

    fn is_there(&self, path: &CanonicalPath) -> bool {
        self.look(path).kind != Kind::Missing
    }
}

const MACHINE: Having = Having(&[
    ("/srv", Kind::Directory),
    ("/srv/data", Kind::Directory),
    ("/srv/data/a", Kind::File),
    ("/srv/data/new", Kind::File),
    ("/srv/read", Kind::Directory),
    ("/srv/read/a", Kind::File),
    ("/srv/other", Kind::Directory),
    ("/srv/other/a", Kind::File),
    ("/opt", Kind::Directory),
    ("/opt/tool", Kind::File),
    ("/etc/hosts", Kind::File),
    ("/etc/fstab", Kind::File),
    ("/run/app.sock", Kind::Socket),
    ("/var/lib/host", Kind::Directory),
    ("/var/lib/host/trust.json", Kind::File),
    ("/sys/kernel/x", Kind::Other),
    ("/usr/lib/x", Kind::File),
]);

fn recipe() -> JailRecipe {
    let openings = [
        ("/srv/data", true),
        ("/srv/read", false),
        ("/srv/gone", false),
    ];
    let opened = openings.map(|(path, writable)| Opening {
        capabilities: Vec::new(),
        ..opening(path, writable)
    });
    JailRecipe {
        learn: Some(Learn {
            secrets: vec!["pw".to_owned(), "canary".to_owned(), String::new()],
        }),
        ..recipe_of(opened.into())
    }
}

/// A call with these arguments by a caller with this path: what it amounts to, and how many calls no note tells of.
fn of(number: libc::c_long, arguments: [u64; 6], caller: &MadeUp) -> (Vec<String>, u64) {
    let recipe = recipe();
    let mut notes = Notes::new(&recipe, &[2], vec!["/var/lib/host".into()]);
    let call = calls::call(i32::try_from(number).unwrap()).unwrap();
    notes.take(call, &arguments, caller, &MACHINE);
    let learned = notes.amount_to(&MACHINE);
    let noted = learned.noted.iter();
    (
        noted.map(|noted| noted.capability.to_string()).collect(),
        learned.beyond,
    )
}

const HERE: u64 = libc::AT_FDCWD.cast_unsigned() as u64;
const CREATE: u64 = 0o101;

#[track_caller]
fn opened(path: &str, flags: u64, expected: &[&str]) {
    let (noted, beyond) = of(
        libc::SYS_openat,
        [HERE, PATH, flags, 0, 0, 0],
        &caller(path.as_bytes(), b""),
    );
    assert_eq!(
        (noted, beyond),
        (expected.iter().map(|text| (*text).to_owned()).collect(), 0),
        "{path}"
    );
}

#[test]
fn what_lies_below_a_grant_takes_the_file_itself() {
    opened("/srv/read/a", 0, &["fs.read:/srv/read/a"]);
    opened("/srv/data/a", 0, &["fs.read:/srv/data/a"]);
    opened("/srv/data/a", 2, &["fs.write:/srv/data/a"]);
    opened("/srv/data/a", CREATE, &["fs.write:/srv/data/a"]);
    opened("/srv//data/./x/../a/", 0, &["fs.read:/srv/data/a"]);
    opened("/srv/read/none", 0, &["fs.read:/srv/read/none"]);
    opened("/srv/read/a", 1, &["fs.write:/srv/read/a"]);
}

#[test]
fn what_was_told_in_confidence_is_in_no_path() {
    for path in ["/srv/read/pw", "/srv/data/pw/x", "/srv/read/x-canary"] {
        let caller = caller(path.as_bytes(), b"");
        let noted = of(libc::SYS_openat, [HERE, PATH, 0, 0, 0, 0], &caller);
        assert_eq!(noted, (Vec::new(), 1), "{path}");
    }
    opened("/srv/read/pwd", 0, &["fs.read:/srv/read/pwd"]);
}

#[test]
fn what_is_made_takes_its_directory() {
    opened("/srv/data/none", CREATE, &["fs.write:/srv/data"]);
    opened("/srv/data", 0o20_200_002, &["fs.write:/srv/data"]);
    opened("/srv/other/none", CREATE, &["fs.write:/srv/other"]);
    opened("/none", CREATE, &[]);
}

#[test]
fn what_is_not_in_the_jail_is_wanted_where_the_machine_has_it() {
    opened("/srv/other/a", 0, &["fs.read:/srv/other/a"]);
    opened("/srv/other/a", CREATE, &["fs.write:/srv/other/a"]);
    opened("/etc/fstab", 0, &["fs.read:/etc/fstab"]);
    opened("/srv/other/none", 0, &[]);
    opened("/srv/gone/none", 0, &[]);
}

#[test]
fn what_every_run_has_is_nothing_to_ask_for() {
    for path in [
        "/usr/lib/x",
        "/tmp/x",
        "/task/init.sh",
        "/dev/null",
        "/proc/self/maps",
        "/sys/kernel/x",
        "relative",
    ] {
        opened(path, 0, &[]);
    }
    opened("/etc/hosts", 0, &[]);
    opened("/etc/hosts", 2, &["fs.write:/etc/hosts"]);
    opened("/srv", 0, &[]);
    opened("/", 0, &[]);
    opened("/var/lib/host/trust.json", 0, &[]);
    opened("/run/app.sock", 0, &[]);
    opened("/srv/other/a", u64::from(libc::O_PATH.unsigned_abs()), &[]);
}

#[test]
fn a_relative_path_begins_in_its_directory() {
    let noted = |directory: u64, path: &str| {
        let caller = caller(path.as_bytes(), b"");
        of(libc::SYS_openat, [directory, PATH, 0, 0, 0, 0], &caller)
    };
    assert_eq!(noted(5, "a").0, ["fs.read:/srv/data/a"]);
    assert_eq!(noted(5, "../read/a").0, ["fs.read:/srv/read/a"]);
    assert_eq!(noted(HERE, "../srv/read/a").0, ["fs.read:/srv/read/a"]);
    assert_eq!(noted(0xffff_ffff_0000_0005, "a").0, ["fs.read:/srv/data/a"]);
    assert_eq!(noted(9, "a"), (Vec::new(), 1), "no such descriptor");
}

#[test]
fn what_changes_a_directory_takes_it() {
    let noted = |number, path: &str| {
        let caller = caller(path.as_bytes(), b"");
        of(number, [HERE, PATH, HERE, PATH, 0, 0], &caller).0
    };
    for number in [libc::SYS_unlinkat, libc::SYS_renameat2, libc::SYS_mknodat] {
        assert_eq!(noted(number, "/srv/data/a"), ["fs.write:/srv/data"]);
    }
    assert_eq!(
        noted(libc::SYS_mkdirat, "/srv/data/sub"),
        ["fs.write:/srv/data"]
    );
    assert!(
        noted(libc::SYS_mkdirat, "/srv/data").is_empty(),
        "it is there"
    );
    assert!(
        noted(libc::SYS_mkdirat, "/srv/other").is_empty(),
        "it is there"
    );
    assert_eq!(
        noted(libc::SYS_mkdirat, "/srv/other/sub"),
        ["fs.write:/srv/other"]
    );
}

#[test]
fn a_program_is_a_command_where_the_jail_does_not_have_it() {
    let argv = |texts: &[&[u8]]| {
        let mut memory = BTreeMap::new();
        let mut pointers = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let at = 0x10_0000 + 0x10_000 * index as u64;
            memory.insert(at, [text, &b"\0"[..]].concat());
            pointers.extend(at.to_ne_bytes());
        }
        pointers.extend([0; 8]);
        memory.insert(OTHER, pointers);
        memory
    };
    let noted = |path: &str, texts: &[&[u8]]| {
        let mut caller = caller(path.as_bytes(), b"");
        caller.memory.extend(argv(texts));
        of(libc::SYS_execve, [PATH, OTHER, 0, 0, 0, 0], &caller)
    };
    assert_eq!(
        noted("/opt/tool", &[b"tool", b"--all", b"a b", b"*"]).0,
        ["exec:/opt/tool --all 'a b' '*'"]
    );
    // What a run was told in confidence it may tell a program, and no note does.
    for secret in [&b"pw"[..], b"--password=the-canary-it-is"] {
        assert_eq!(noted("/opt/tool", &[b"tool", secret]), (Vec::new(), 1));
    }
    assert_eq!(
        noted("/opt/tool", &[b"tool", b"pwd"]).0,
        ["exec:/opt/tool pwd"],
        "a short one is found as a whole"
    );
    assert_eq!(noted("/srv/read/a", &[b"a"]).0, ["fs.read:/srv/read/a"]);
    assert_eq!(noted("/usr/bin/none", &[b"none"]), (Vec::new(), 0));
    assert_eq!(noted("/task/init.sh", &[b"init.sh"]), (Vec::new(), 0));
    assert_eq!(
        noted("/opt/tool", &[&b"x"[..]; 40]),
        (Vec::new(), 1),
        "too many"
    );
    assert_eq!(
        noted("/opt/tool", &[b"x", &[b'a'; 5000]]),
        (Vec::new(), 1),
        "too long"
    );
    assert_eq!(
        noted("/opt/tool", &[b"x", b"\xff"]),
        (Vec::new(), 1),
        "no text"
    );
    assert_eq!(
        noted("/opt/tool", &[b"x", b"\n"]),
        (Vec::new(), 1),
        "no argument of a command"
    );
    let nowhere = caller(b"/opt/tool", b"");
    let arguments = [PATH, 0xdead_0000, 0, 0, 0, 0];
    assert_eq!(of(libc::SYS_execve, arguments, &nowhere), (Vec::new(), 1));
}

#[test]
fn a_connection_is_told_by_its_address_unless_the_run_answers_itself() {
    let noted = |address: &[u8]| {
        let caller = caller(b"", address);
        of(
            libc::SYS_connect,
            [3, OTHER, address.len() as u64, 0, 0, 0],
            &caller,
        )
        .0
    };
    let four = |ip: [u8; 4], port: u16| {
        let family = u16::try_from(libc::AF_INET).unwrap().to_ne_bytes();
        [&family[..], &port.to_be_bytes(), &ip, &[0; 8]].concat()
    };
    assert_eq!(
        noted(&four([192, 0, 2, 1], 443)),
        ["net.connect:192.0.2.1:443"]
    );
    assert_eq!(
        noted(&four([127, 0, 0, 1], 5432)),
        ["net.connect:127.0.0.1:5432"]
    );
    assert_eq!(
        noted(&four([0, 0, 0, 0], 5432)),
        ["net.connect:127.0.0.1:5432"]
    );
    assert!(
        noted(&four([127, 0, 0, 1], 8080)).is_empty(),
        "it listens itself"
    );
    assert!(noted(&four([192, 0, 2, 1], 53)).is_empty());
    let family = u16::try_from(libc::AF_UNIX).unwrap().to_ne_bytes();
    let unix = |path: &[u8]| noted(&[&family[..], path, b"\0"].concat());
    assert_eq!(unix(b"/run/app.sock"), ["unix.connect:/run/app.sock"]);
    assert!(unix(b"/tmp/own.sock").is_empty() && unix(b"\0abstract").is_empty());
    assert!(unix(b"own.sock").is_empty());
}

#[test]
fn nothing_is_believed_of_a_caller_that_is_gone() {
    let caller = caller(b"/srv/read/a", b"");
    caller.waits.set(0);
    let noted = of(libc::SYS_openat, [HERE, PATH, 0, 0, 0, 0], &caller);
    assert_eq!(noted, (Vec::new(), 0));
}

#[test]
fn a_path_without_an_end_or_a_name_is_counted_and_no_more() {
    for path in [
        &b"/srv/read/\xff"[..],
        b"/srv/read/\n",
        &[b'/'; 5000],
        b"/srv/read/\x1b[2J",
    ] {
        let noted = of(
            libc::SYS_openat,
            [HERE, PATH, 0, 0, 0, 0],
            &caller(path, b""),
        );
        assert_eq!(noted, (Vec::new(), 1));
    }
    let nowhere = caller(b"", b"");
    assert_eq!(
        of(libc::SYS_openat, [HERE, 0x9999, 0, 0, 0, 0], &nowhere),
        (Vec::new(), 1)
    );
    assert_eq!(
        of(libc::SYS_openat, [HERE, u64::MAX, 0, 0, 0, 0], &nowhere),
        (Vec::new(), 1)
    );
    assert_eq!(
        of(libc::SYS_utimensat, [HERE, 0, 0, 0, 0, 0], &nowhere),
        (Vec::new(), 0)
    );
}

/// However many there are, what lies in a grant ends as the grant, and the rest as a number.
#[test]
fn notes_have_an_end() {
    let recipe = recipe();
    let mut notes = Notes::new(&recipe, &[], Vec::new());
    let call = calls::call(i32::try_from(libc::SYS_openat).unwrap()).unwrap();
    let each = u64::try_from(NOTES_MAX).unwrap() * 2;
    for number in 0..each {
        let directory = if number % 2 == 0 {
            "/srv/read"
        } else {
            "/elsewhere"
        };
        let path = format!("{directory}/{number}");
        notes.take(
            call,
            &[HERE, PATH, 0, 0, 0, 0],
            &caller(path.as_bytes(), b""),
            &MACHINE,
        );
    }
    assert!(notes.kept.len() <= NOTES_MAX + recipe.openings.len() * 2);
    assert!(notes.kept_bytes <= NOTES_BYTES_MAX);
    let kept = notes.beyond;
    assert!(kept > 0 && kept < each);
    let learned = notes.amount_to(&MACHINE);
    let text = serde_json::to_string(&learned).unwrap();
    assert!(text.len() < 512 << 10, "{}", text.len());
    let grant = learned
        .noted
        .iter()
        .find(|noted| noted.capability.to_string() == "fs.read:/srv/read");
    assert!(grant.unwrap().times > 1_000);
}

#[test]
fn long_notes_have_an_end_too() {
    let recipe = recipe();
    let mut notes = Notes::new(&recipe, &[], Vec::new());
    let call = calls::call(i32::try_from(libc::SYS_openat).unwrap()).unwrap();
    for number in 0..2_000 {
        let path = format!("/srv/read/{number}/{}", "a/".repeat(1_900));
        notes.take(
            call,
            &[HERE, PATH, 0, 0, 0, 0],
            &caller(path.as_bytes(), b""),
            &MACHINE,
        );
    }
    assert!(notes.kept_bytes <= NOTES_BYTES_MAX);
    let learned = notes.amount_to(&MACHINE);
    assert!(serde_json::to_string(&learned).unwrap().len() < 512 << 10);
    assert_eq!(learned.beyond, 0, "all of it lies in a grant");
}
