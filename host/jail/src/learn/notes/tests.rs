//! A caller that is made up, on a machine that is.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::*;
use crate::learn::caller::Held;
use crate::learn::naming::{Found, Kind, Unlooked};
use crate::learn::walk::{Step, Tree};
use crate::recipe::tests::{opening, recipe as recipe_of};
use crate::recipe::{Learn, Opening};

/// Memory by what lies where, and a process with a working directory and some descriptors.
struct MadeUp {
    memory: BTreeMap<u64, Vec<u8>>,
    listens: u16,
    /// The links of its jail.
    links: &'static [(&'static str, &'static str)],
    /// How often it still waits.
    waits: Cell<u32>,
}

/// A jail that has everything, and some of it as links.
struct Links(&'static [(&'static str, &'static str)]);

impl Tree for Links {
    type Place = ();

    fn root(&self) -> Option<()> {
        Some(())
    }

    fn step(&self, (): &(), _: &str, name: &str) -> Step<()> {
        let found = self.0.iter().find(|(link, _)| *link == name);
        found.map_or(Step::Place(()), |(_, target)| {
            Step::Link((*target).to_owned())
        })
    }
}

impl Caller for MadeUp {
    type Jail = Links;

    fn bytes(&self, start: u64, length: usize) -> Vec<u8> {
        let lies = self.memory.range(..=start).next_back();
        let bytes = lies.and_then(|(at, bytes)| bytes.get(usize::try_from(start - at).ok()?..));
        let bytes = bytes.unwrap_or_default();
        bytes[..bytes.len().min(length)].to_vec()
    }

    fn held(&self, descriptor: Option<i32>) -> Held {
        match descriptor {
            None => Held::Path(b"/scratch".to_vec()),
            Some(5) => Held::Path(b"/srv/data".to_vec()),
            Some(6) => Held::Path(b"/srv/data/a".to_vec()),
            Some(7) => Held::NoPath,
            Some(8) => Held::Gone(b"/srv/data/gone".to_vec()),
            Some(_) => Held::Unknown,
        }
    }

    fn jail(&self) -> Option<Links> {
        Some(Links(self.links))
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
        links: &[
            ("/scratch/to-data", "/srv/data"),
            ("/scratch/to-link", "to-data/a"),
            ("/scratch/own", "../tmp"),
            ("/scratch/round", "round"),
            ("/usr/bin/tool", "/opt/tool"),
            ("/usr/share/conf", "/etc/fstab"),
            ("/usr/share/data", "/srv/data"),
            ("/dev/fd", "/proc/self/fd"),
        ],
        waits: Cell::new(u32::MAX),
    }
}

/// A machine that has what is listed.
struct Having(&'static [(&'static str, Kind)]);

impl Machine for Having {
    fn look(&self, path: &CanonicalPath, _follows_last: bool) -> Result<Found, Unlooked> {
        if self.is_shut(path.as_str().get(..4).unwrap_or_default()) {
            return Err(Unlooked);
        }
        let found = self.0.iter().find(|(place, _)| *place == path.as_str());
        Ok(Found {
            name: path.clone(),
            kind: found.map_or(Kind::Missing, |(_, kind)| *kind),
        })
    }

    fn is_shut(&self, name: &str) -> bool {
        name == "/net"
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
    ("/srv/read/keys", Kind::File),
    ("/srv/parts", Kind::Directory),
    ("/srv/parts/a", Kind::File),
    ("/srv/parts/keys", Kind::File),
    ("/etc/hosts", Kind::File),
    ("/etc/fstab", Kind::File),
    ("/run/app.sock", Kind::Socket),
    ("/var/lib/host", Kind::Directory),
    ("/var/lib/host/trust.json", Kind::File),
    ("/sys/kernel/x", Kind::Other),
    ("/usr/lib/x", Kind::File),
]);

fn recipe() -> JailRecipe {
    let mut openings = vec![
        opening("/srv/data", true),
        opening("/srv/read", false),
        opening("/srv/gone", false),
        opening("/net/share", true),
        opening("/net/read", false),
    ];
    // A grant in parts, without its keys.
    openings.push(Opening {
        capabilities: Vec::new(),
        ..opening("/srv/parts/a", false)
    });
    JailRecipe {
        learn: Some(Learn {
            secrets: vec!["pw".to_owned(), "canary".to_owned(), String::new()],
        }),
        hidden: vec!["/srv/read/keys".into(), "/srv/parts/keys".into()],
        ..recipe_of(openings)
    }
}

/// A call with these arguments by a caller with this path.
fn learned_of(number: libc::c_long, arguments: [u64; 6], caller: &MadeUp) -> Learned {
    let recipe = recipe();
    let mut notes = Notes::new(&recipe, &[2], vec!["/var/lib/host".into()]);
    let call = calls::call(i32::try_from(number).unwrap()).unwrap();
    notes.take(call, &arguments, caller, &MACHINE);
    notes.amount_to(&MACHINE, &|| false)
}

/// The same: what it amounts to, and how many calls no note tells of.
fn of(number: libc::c_long, arguments: [u64; 6], caller: &MadeUp) -> (Vec<String>, u64) {
    let learned = learned_of(number, arguments, caller);
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

/// What lay in a grant and was hidden counted as granted and used, and became a rule.
#[test]
fn a_run_had_what_was_mounted_for_it_and_nothing_that_is_hidden() {
    let had = |path: &str, flags: u64| {
        let caller = caller(path.as_bytes(), b"");
        let learned = learned_of(libc::SYS_openat, [HERE, PATH, flags, 0, 0, 0], &caller);
        let noted = learned.noted.into_iter();
        let noted: Vec<_> = noted
            .map(|noted| (noted.capability.to_string(), noted.granted, noted.file))
            .collect();
        (noted, learned.beyond)
    };
    let of = |capability: &str, granted, file| (vec![(capability.to_owned(), granted, file)], 0);
    assert_eq!(had("/srv/read/a", 0), of("fs.read:/srv/read/a", true, true));
    assert_eq!(had("/srv/data", 0), of("fs.read:/srv/data", true, false));
    let missing = of("fs.read:/srv/data/none", true, false);
    assert_eq!(had("/srv/data/none", 0), missing);
    // To write takes more than to read, and both take that it is shown.
    let written = of("fs.write:/srv/read/a", false, true);
    assert_eq!(had("/srv/read/a", 1), written);
    for hidden in ["/srv/read/keys", "/srv/parts/keys"] {
        let wanted = of(&format!("fs.read:{hidden}"), false, true);
        assert_eq!(had(hidden, 0), wanted);
    }
    let part = of("fs.read:/srv/parts/a", true, true);
    assert_eq!(had("/srv/parts/a", 0), part);
    // All of it would be more than the run had, and the rest of it has no name.
    assert_eq!(had("/srv/parts", 0), (Vec::new(), 1));
    assert_eq!(had("/srv/read", 0), of("fs.read:/srv/read", false, false));
    assert_eq!(
        had("/srv/other/a", 0),
        of("fs.read:/srv/other/a", false, true)
    );
}

/// One path that no text of a capability can name made all of the notes unreadable, and the denials with them.
#[test]
fn what_would_not_read_back_is_counted_and_no_more() {
    let quoted = format!("/srv/read/{}", "'".repeat(4_000));
    for path in ["/srv/read/${a}", "/srv/data/${a}/b", &quoted] {
        let caller = caller(path.as_bytes(), b"");
        let noted = of(libc::SYS_openat, [HERE, PATH, 0, 0, 0, 0], &caller);
        assert_eq!(noted, (Vec::new(), 1), "{path}");
    }
}

/// Links that a run makes for itself hid what it used of its grants, which was then said not to be used.
#[test]
fn links_that_only_the_jail_has_are_followed() {
    const GRANTED: &str = "/srv/data/a";
    opened("to-data/a", 0, &["fs.read:/srv/data/a"]);
    opened("/scratch/to-link", 0, &["fs.read:/srv/data/a"]);
    opened("own/x", 0, &[]);
    opened("/usr/share/data/a", 0, &["fs.read:/srv/data/a"]);
    opened("/usr/share/conf", 0, &[]);
    opened("round", 0, &[]);
    opened("to-data/../read/a", 0, &["fs.read:/srv/read/a"]);
    for whose in ["self", "thread-self"] {
        let path = format!("/proc/{whose}/root{GRANTED}");
        opened(&path, 0, &["fs.read:/srv/data/a"]);
    }
    for path in ["/proc/self/fd/6", "/proc/self/fd/5/a", "/dev/fd/6"] {
        opened(path, 0, &["fs.read:/srv/data/a"]);
    }
    opened("/proc/self/cwd/to-data/a", 0, &["fs.read:/srv/data/a"]);
    for path in [
        "/proc/self/fd/7",
        "/proc/self/fd",
        "/proc/self/exe",
        "/proc/self/maps",
    ] {
        opened(path, 0, &[]);
    }
    let of_another = format!("/proc/1/root{GRANTED}");
    for lost in [
        of_another.as_str(),
        "/proc/17/fd/3",
        "/proc/self/task/3/cwd/a",
        "/proc/self/fd/8",
        "/proc/self/fd/99",
        "/proc/self/../self/fd/5",
    ] {
        let caller = caller(lost.as_bytes(), b"");
        let noted = of(libc::SYS_openat, [HERE, PATH, 0, 0, 0, 0], &caller);
        assert_eq!(noted, (Vec::new(), 1), "{lost}");
    }
    // What is done to a link itself leads nowhere.
    let caller = caller(b"/scratch/to-data", b"");
    let removed = of(libc::SYS_unlinkat, [HERE, PATH, 0, 0, 0, 0], &caller);
    assert_eq!(removed, (Vec::new(), 0));
    opened(
        "/scratch/to-data",
        u64::from(libc::O_NOFOLLOW.unsigned_abs()),
        &[],
    );
}

#[test]
fn what_lies_where_nothing_is_looked_at_is_told_as_its_grant_or_counted() {
    opened("/net/share/x/y", 0, &["fs.read:/net/share"]);
    opened("/net/share/x/y", CREATE, &["fs.write:/net/share"]);
    opened("/net/read/x", 0, &["fs.read:/net/read"]);
    for (path, flags) in [
        ("/net/none/x", 0),
        ("/net/none", CREATE),
        ("/net/read/x", 1),
    ] {
        let caller = caller(path.as_bytes(), b"");
        let noted = of(libc::SYS_openat, [HERE, PATH, flags, 0, 0, 0], &caller);
        assert_eq!(noted, (Vec::new(), 1), "{path}");
    }
}

#[test]
fn what_has_no_name_yet_when_it_is_late_is_counted() {
    let recipe = recipe();
    let mut notes = Notes::new(&recipe, &[], Vec::new());
    let call = calls::call(i32::try_from(libc::SYS_openat).unwrap()).unwrap();
    for number in 0..10 {
        let caller = caller(format!("/srv/read/{number}").as_bytes(), b"");
        notes.take(call, &[HERE, PATH, 0, 0, 0, 0], &caller, &MACHINE);
    }
    let looked = Cell::new(0);
    let is_late = || looked.replace(looked.get() + 1) >= 4;
    let learned = notes.amount_to(&MACHINE, &is_late);
    assert_eq!((learned.noted.len(), learned.beyond), (4, 6));
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
        noted("/srv/read/a", &[&b"x"[..]; 40]).0,
        ["fs.read:/srv/read/a"],
        "what is in the jail may have any number"
    );
    assert_eq!(
        noted("/usr/bin/tool", &[b"tool", b"x"]).0,
        ["exec:/opt/tool x"],
        "a link of the system leads out of it"
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

/// Each call with its path where the kernel looks for it, and something else everywhere else.
#[test]
fn the_path_of_each_call_stands_where_the_kernel_looks_for_it() {
    const READ: &str = "fs.read:/srv/data/a";
    const WRITE: &str = "fs.write:/srv/data/a";
    const CHANGE: &str = "fs.write:/srv/data";
    // Anything else would be a path that nobody can read.
    const NOT: u64 = 0xdead_0000;
    const AT: u64 = 5;
    const EMPTY: u64 = libc::AT_EMPTY_PATH.cast_unsigned() as u64;
    let mut table = vec![
        (libc::SYS_openat, [AT, PATH, 0, NOT, NOT, NOT], READ),
        (libc::SYS_openat, [AT, PATH, 1, NOT, NOT, NOT], WRITE),
        (libc::SYS_mkdirat, [AT, PATH, NOT, NOT, NOT, NOT], ""),
        (libc::SYS_mknodat, [AT, PATH, NOT, NOT, NOT, NOT], CHANGE),
        (libc::SYS_unlinkat, [AT, PATH, NOT, NOT, NOT, NOT], CHANGE),
        (libc::SYS_renameat, [AT, PATH, AT, PATH, NOT, NOT], CHANGE),
        (libc::SYS_renameat2, [AT, PATH, AT, PATH, NOT, NOT], CHANGE),
        (libc::SYS_linkat, [NOT, NOT, AT, PATH, NOT, NOT], CHANGE),
        (libc::SYS_symlinkat, [NOT, AT, PATH, NOT, NOT, NOT], CHANGE),
        (libc::SYS_truncate, [OTHER, NOT, NOT, NOT, NOT, NOT], WRITE),
        (libc::SYS_fchmod, [6, NOT, NOT, NOT, NOT, NOT], WRITE),
        (libc::SYS_fchmodat, [AT, PATH, NOT, NOT, NOT, NOT], WRITE),
        (452, [AT, PATH, NOT, 0, NOT, NOT], WRITE),
        (452, [6, EMPTY_PATH, NOT, EMPTY, NOT, NOT], WRITE),
        (452, [6, EMPTY_PATH, NOT, 0, NOT, NOT], ""),
        (libc::SYS_fchown, [6, NOT, NOT, NOT, NOT, NOT], WRITE),
        (libc::SYS_fchownat, [AT, PATH, NOT, NOT, 0, NOT], WRITE),
        (
            libc::SYS_fchownat,
            [6, EMPTY_PATH, NOT, NOT, EMPTY, NOT],
            WRITE,
        ),
        (libc::SYS_utimensat, [AT, PATH, NOT, 0, NOT, NOT], WRITE),
        (
            libc::SYS_utimensat,
            [6, EMPTY_PATH, NOT, EMPTY, NOT, NOT],
            WRITE,
        ),
        (libc::SYS_utimensat, [6, 0, NOT, 0, NOT, NOT], WRITE),
        (libc::SYS_utimensat, [7, 0, NOT, 0, NOT, NOT], ""),
        (libc::SYS_setxattr, [OTHER, NOT, NOT, NOT, NOT, NOT], WRITE),
        (libc::SYS_lsetxattr, [OTHER, NOT, NOT, NOT, NOT, NOT], WRITE),
        (libc::SYS_fsetxattr, [6, NOT, NOT, NOT, NOT, NOT], WRITE),
        (
            libc::SYS_removexattr,
            [OTHER, NOT, NOT, NOT, NOT, NOT],
            WRITE,
        ),
        (
            libc::SYS_lremovexattr,
            [OTHER, NOT, NOT, NOT, NOT, NOT],
            WRITE,
        ),
        (libc::SYS_fremovexattr, [6, NOT, NOT, NOT, NOT, NOT], WRITE),
        (libc::SYS_execve, [OTHER, NOT, NOT, NOT, NOT, NOT], READ),
        (libc::SYS_execveat, [AT, PATH, NOT, NOT, 0, NOT], READ),
        (
            libc::SYS_execveat,
            [6, EMPTY_PATH, NOT, NOT, EMPTY, NOT],
            READ,
        ),
        (libc::SYS_bind, [NOT, ADDRESS, 110, NOT, NOT, NOT], CHANGE),
    ];
    #[cfg(target_arch = "x86_64")]
    table.extend([
        (libc::SYS_open, [OTHER, 0, NOT, NOT, NOT, NOT], READ),
        (libc::SYS_creat, [OTHER, NOT, NOT, NOT, NOT, NOT], WRITE),
        (libc::SYS_mkdir, [OTHER, NOT, NOT, NOT, NOT, NOT], ""),
        (libc::SYS_mknod, [OTHER, NOT, NOT, NOT, NOT, NOT], CHANGE),
        (libc::SYS_unlink, [OTHER, NOT, NOT, NOT, NOT, NOT], CHANGE),
        (libc::SYS_rmdir, [OTHER, NOT, NOT, NOT, NOT, NOT], CHANGE),
        (libc::SYS_rename, [OTHER, OTHER, NOT, NOT, NOT, NOT], CHANGE),
        (libc::SYS_link, [NOT, OTHER, NOT, NOT, NOT, NOT], CHANGE),
        (libc::SYS_symlink, [NOT, OTHER, NOT, NOT, NOT, NOT], CHANGE),
        (libc::SYS_chmod, [OTHER, NOT, NOT, NOT, NOT, NOT], WRITE),
        (libc::SYS_chown, [OTHER, NOT, NOT, NOT, NOT, NOT], WRITE),
        (libc::SYS_lchown, [OTHER, NOT, NOT, NOT, NOT, NOT], WRITE),
        (libc::SYS_utime, [OTHER, NOT, NOT, NOT, NOT, NOT], WRITE),
        (libc::SYS_utimes, [OTHER, NOT, NOT, NOT, NOT, NOT], WRITE),
        (libc::SYS_futimesat, [AT, PATH, NOT, NOT, NOT, NOT], WRITE),
    ]);
    let family = u16::try_from(libc::AF_UNIX).unwrap().to_ne_bytes();
    let mut caller = caller(b"a", b"/srv/data/a\0");
    let address = [&family[..], b"/srv/data/a\0"].concat();
    caller.memory.insert(ADDRESS, address);
    caller.memory.insert(EMPTY_PATH, b"\0".to_vec());
    for (number, arguments, expected) in table {
        let (noted, beyond) = of(number, arguments, &caller);
        assert_eq!(noted.join(" "), expected, "call {number}");
        assert_eq!(beyond, 0, "call {number}");
    }
}

/// And where it has an address, and an empty path.
const ADDRESS: u64 = 0x9000;
const EMPTY_PATH: u64 = 0xa000;

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
    let learned = notes.amount_to(&MACHINE, &|| false);
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
    let learned = notes.amount_to(&MACHINE, &|| false);
    assert!(serde_json::to_string(&learned).unwrap().len() < 512 << 10);
    assert_eq!(learned.beyond, 0, "all of it lies in a grant");
}
