//! What was wrong once with the library that programs are run by, as far as it touches what a program may do. Each test
//! says what it was, and holds `host` as a whole to it.
//!
//! The same tricks for preview 2 are among those of `misbehave`, mode `path-tricks`.

use std::fs;
use std::os::unix::fs::symlink;

use super::{picture, record};
use crate::lab::Lab;
use crate::wasm::script::{
    Arg, BUFFER, BUFFER_BYTES, CREATE, DIRECTORY, FIRST_DIR, FOLLOW, READ, STDOUT, Script,
    TRUNCATE, WRITE, told,
};

const FIRST: Arg<'_> = Arg::Int(FIRST_DIR);
const SECOND: Arg<'_> = Arg::Int(FIRST_DIR + 1);
const PLAIN: (i32, i32, i64) = (FOLLOW, 0, READ);

/// A lab with `data/in` and, beside it, `data/out`, both with a file and a directory in them.
fn two() -> Lab {
    let lab = Lab::new();
    for place in ["in", "out"] {
        lab.write(&format!("data/{place}/file"), place);
        lab.write(&format!("data/{place}/directory/deep"), place);
    }
    lab
}

/// Where links lead that a program makes for itself, with a slash at the end and without.
const OUTWARD: [&str; 7] = [
    "../out",
    "../out/",
    "../out/.",
    "..",
    "../",
    "../out/directory",
    "../out/directory/",
];

/// GHSA-m9f7-9w4p-gv38: renaming a link with a slash behind its name renamed what it leads to, outside.
#[test]
fn a_link_with_a_slash_behind_it_is_not_renamed_as_what_it_leads_to() {
    let lab = two();
    let mut script = Script::new();
    for (number, target) in OUTWARD.iter().enumerate() {
        let (link, slashed) = (format!("link{number}"), format!("link{number}/"));
        let moved = format!("moved{number}");
        script = script
            .quietly(
                "path_symlink",
                &[Arg::Text(target), FIRST, Arg::Text(&link)],
            )
            .rename(target, (FIRST, &slashed), (FIRST, &moved))
            .rename(target, (FIRST, &slashed), (FIRST, &format!("{moved}/")))
            .rename(
                target,
                (FIRST, "directory"),
                (FIRST, &format!("{slashed}new")),
            )
            .rename(target, (FIRST, &format!("{slashed}deep")), (FIRST, &moved));
    }
    holds(&lab, &script, OUTWARD.len() * 4);
}

/// Runs `script` where it may write `data/in`, and asserts that no call of it was done and nothing outside was changed:
/// also where what is outside is open to it as well, so that nothing but the path itself is in the way.
#[track_caller]
fn holds(lab: &Lab, script: &Script, calls: usize) {
    let path = script.build(lab, "tricks");
    let before = picture(lab, "data/out");
    for more in [&[][..], &["--dir", "data/out::/out"]] {
        let ran = lab
            .run(&[&["run", path.as_str(), "--dir", "data/in::/in"], more].concat())
            .exits(0);
        let answers = told(&ran);
        assert_eq!(answers.len(), calls);
        for (what, answer) in &answers {
            assert_ne!(*answer, "done", "{what}, with {more:?}");
        }
        assert_eq!(picture(lab, "data/out"), before, "{more:?}");
        assert_eq!(lab.read("data/in/directory/deep"), "in");
        // What was tried was there to be tried.
        for (number, target) in OUTWARD.iter().enumerate() {
            let link = fs::read_link(lab.path(&format!("data/in/link{number}")));
            assert_eq!(link.unwrap().to_str(), Some(*target));
        }
    }
}

/// GHSA-vqjp-4c8c-hfgg: a slash at the end of a path, or of what a link says, made a link be followed out.
#[test]
fn a_slash_at_the_end_makes_no_link_be_followed_out() {
    let lab = two();
    let mut script = Script::new();
    for (number, target) in OUTWARD.iter().enumerate() {
        let link = format!("link{number}");
        script = script.quietly(
            "path_symlink",
            &[Arg::Text(target), FIRST, Arg::Text(&link)],
        );
        for end in ["/", "//", "/.", "/./"] {
            let path = format!("{link}{end}");
            let below = format!("{path}/new");
            let label = |what: &str| format!("{what} {link}{end} -> {target}");
            script = script
                .open(&label("open"), (FIRST, &path), PLAIN, 0)
                .open(
                    &label("open nofollow"),
                    (FIRST, &path),
                    (0, DIRECTORY, READ),
                    0,
                )
                .open(
                    &label("open below"),
                    (FIRST, &format!("{path}/file")),
                    PLAIN,
                    0,
                )
                .open(
                    &label("create below"),
                    (FIRST, &below),
                    (FOLLOW, CREATE, WRITE),
                    0,
                )
                .looks_behind(&label("stat nofollow"), (FIRST, &path))
                .stat(&label("stat"), FOLLOW, (FIRST, &path))
                .at(
                    &label("mkdir below"),
                    "path_create_directory",
                    (FIRST, &below),
                )
                .at(&label("rmdir"), "path_remove_directory", (FIRST, &path))
                .at(&label("unlink"), "path_unlink_file", (FIRST, &path))
                .symlink(&label("symlink below"), "x", (FIRST, &below))
                .link(&label("link below"), 0, (FIRST, "file"), (FIRST, &below))
                .link(&label("link of"), FOLLOW, (FIRST, &path), (FIRST, "new"));
        }
    }
    holds(&lab, &script, OUTWARD.len() * 4 * 12);
}

/// The same with links that lie there already, in a directory that is only read.
#[test]
fn a_slash_at_the_end_leads_out_of_no_directory_that_is_only_read() {
    let lab = two();
    let mut script = Script::new();
    for (number, target) in OUTWARD.iter().enumerate() {
        symlink(target, lab.path(&format!("data/in/link{number}"))).unwrap();
        for end in ["", "/", "/.", "/file", "/deep", "/out/file"] {
            let path = format!("link{number}{end}");
            script = script.open(&path, (FIRST, &path), PLAIN, 0).open(
                &path,
                (FIRST, &path),
                (FOLLOW, DIRECTORY, READ),
                0,
            );
        }
    }
    let path = script.build(&lab, "tricks");
    for more in [
        &[][..],
        &["--dir", "data/out::/out"],
        &["--dir", "data::/all::ro"],
    ] {
        let ran = lab
            .run(&[&["run", path.as_str(), "--dir", "data/in::/in::ro"], more].concat())
            .exits(0);
        let answers = told(&ran);
        assert_eq!(answers.len(), OUTWARD.len() * 12);
        for (what, answer) in answers {
            assert_ne!(answer, "done", "{what}, with {more:?}");
        }
    }
}

/// Every right that there is.
const ALL: i64 = (1 << 30) - 1;

/// GHSA-2r75-cxrj-cmph: opening with the flag that empties took no right to write, and emptied files of a directory that
/// is only read.
#[test]
fn a_file_that_is_only_read_is_not_emptied_by_opening_it() {
    let lab = two();
    let mut script = Script::new();
    for flags in [TRUNCATE, TRUNCATE | CREATE] {
        for rights in [0, READ, WRITE, ALL] {
            for lookup in [0, FOLLOW] {
                script = script.open("empty", (FIRST, "file"), (lookup, flags, rights), 0);
            }
        }
    }
    let path = script.build(&lab, "empties");
    let ran = lab
        .run(&["run", &path, "--dir", "data/in::/in::ro"])
        .exits(0);
    let answers = told(&ran);
    assert_eq!(answers.len(), 16);
    assert!(
        answers
            .iter()
            .all(|(_, answer)| ["perm", "inval", "notcapable"].contains(answer)),
        "{answers:?}"
    );
    assert_eq!(lab.read("data/in/file"), "in");
    // By a grant of the file alone, too.
    let file = format!("fs.read:{}", lab.path("data/in/file"));
    let ran = lab.run(&["run", &path, "--allow", &file]).exits(0);
    assert!(
        told(&ran).iter().all(|(_, answer)| *answer != "done"),
        "{}",
        ran.text()
    );
    assert_eq!(lab.read("data/in/file"), "in");
}

/// GHSA-4ch3-9j33-3pmj: a file of a directory that is only read was linked, or moved, into one that is written, and
/// changed there.
#[test]
fn a_file_that_is_only_read_is_not_linked_to_where_it_could_be_written() {
    let lab = two();
    let script = Script::new()
        .link("link", 0, (FIRST, "file"), (SECOND, "linked"))
        .link("follow", FOLLOW, (FIRST, "file"), (SECOND, "linked"))
        .rename("move", (FIRST, "file"), (SECOND, "linked"))
        .rename("replace", (SECOND, "file"), (FIRST, "file"))
        .link("link back", 0, (SECOND, "file"), (FIRST, "linked"))
        .open("open", (SECOND, "linked"), (0, 0, WRITE), 0)
        .write("write", Arg::Slot(0), "changed");
    let path = script.build(&lab, "links");
    // Two directories; and one that holds the other.
    for dirs in [
        ["data/in::/in::ro", "data/out::/out"],
        ["data::/in::ro", "data/in::/below"],
    ] {
        let before = picture(&lab, "data");
        let ran = lab
            .run(&["run", &path, "--dir", dirs[0], "--dir", dirs[1]])
            .exits(0);
        assert!(
            told(&ran).iter().all(|(_, answer)| *answer != "done"),
            "{}",
            ran.text()
        );
        assert_eq!(picture(&lab, "data"), before);
    }
    // Two names of one directory, where the kernel has nothing against it: the library alone refuses.
    let before = picture(&lab, "data");
    let ran = lab
        .run(&[
            "run",
            &path,
            "--dir",
            "data/in::/in::ro",
            "--dir",
            "data/in::/same",
        ])
        .exits(0);
    let answers: Vec<&str> = told(&ran).into_iter().map(|(_, answer)| answer).collect();
    assert_eq!(answers[..5], ["perm"; 5], "{answers:?}");
    assert_eq!(picture(&lab, "data"), before);
}

/// The pattern that a buffer has before the host writes to it.
const PATTERN: u8 = 0xaa;

/// GHSA-96f6-r43r-8c24: between the fields of what describes a file lay bytes of the host's memory.
#[test]
fn what_describes_a_file_has_no_byte_of_the_host_in_it() {
    let lab = Lab::new();
    for name in ["a", "two", "with-a-longer-name"] {
        lab.write(&format!("data/{name}"), name);
    }
    let at = BUFFER.cast_signed();
    for bytes in [4_096, 200, 70, 24, 23, 1] {
        let listing = [
            FIRST,
            Arg::Int(at),
            Arg::Int(bytes),
            Arg::Long(0),
            Arg::Into(0),
        ];
        let script = Script::new()
            .fill(PATTERN)
            .quietly("fd_readdir", &listing)
            .show(BUFFER, BUFFER_BYTES)
            .show(64, 4);
        let ran = lab
            .run(&["run", &script.build(&lab, "lists"), "--dir", "data::/x::ro"])
            .exits(0);
        let (buffer, used) = ran.stdout.split_at(BUFFER_BYTES as usize);
        let used = u32::from_le_bytes(used.try_into().unwrap()) as usize;
        assert!(
            used <= usize::try_from(bytes).unwrap(),
            "{used} of {bytes} bytes"
        );
        assert!(
            buffer[used..].iter().all(|byte| *byte == PATTERN),
            "it wrote behind the end"
        );
        let mut rest = &buffer[..used];
        let mut names = Vec::new();
        while rest.len() >= 24 {
            assert_eq!(rest[21..24], [0; 3], "padding in an entry of {bytes} bytes");
            let length = u32::from_le_bytes(rest[16..20].try_into().unwrap()) as usize;
            let end = rest.len().min(24 + length);
            names.push(String::from_utf8_lossy(&rest[24..end]).into_owned());
            rest = &rest[end..];
        }
        if bytes == 4_096 {
            names.sort();
            assert_eq!(names, [".", "..", "a", "two", "with-a-longer-name"]);
        }
    }
}

/// The same of the other structures: where their padding is, and how long they are.
#[test]
fn what_describes_a_descriptor_has_no_byte_of_the_host_in_it() {
    let lab = Lab::new();
    lab.write("data/two", "two");
    let at = BUFFER.cast_signed();
    let text = [FIRST, Arg::Int(0), Arg::Text("two"), Arg::Int(at)];
    for (call, arguments, padding, length) in [
        ("fd_prestat_get", &[FIRST, Arg::Int(at)][..], 1..4, 8),
        ("fd_fdstat_get", &[FIRST, Arg::Int(at)], 1..2, 24),
        ("fd_fdstat_get", &[FIRST, Arg::Int(at)], 4..8, 24),
        ("fd_filestat_get", &[FIRST, Arg::Int(at)], 17..24, 64),
        ("path_filestat_get", &text, 17..24, 64),
    ] {
        let script = Script::new()
            .fill(PATTERN)
            .quietly(call, arguments)
            .show(BUFFER, 128);
        let ran = lab
            .run(&["run", &script.build(&lab, "looks"), "--dir", "data::/x::ro"])
            .exits(0);
        let bytes = &ran.stdout[padding];
        let is_all = |what: u8| bytes.iter().all(|byte| *byte == what);
        assert!(is_all(0) || is_all(PATTERN), "{call}: {bytes:02x?}");
        assert!(
            ran.stdout[..length].iter().any(|byte| *byte != PATTERN),
            "{call} gave nothing"
        );
        assert!(
            ran.stdout[length..].iter().all(|byte| *byte == PATTERN),
            "{call} wrote behind the end"
        );
    }
}

/// Two of `fd_renumber` (fm79, 3p27): giving a descriptor another number made the host panic, or lose the
/// handle of the one that had it.
#[test]
fn a_descriptor_with_another_number_is_the_same_and_loses_none() {
    let lab = two();
    let renumber = |from: i32, to: i32| [Arg::Int(from), Arg::Int(to)];
    let script = Script::new()
        .call("to itself", "fd_renumber", &renumber(FIRST_DIR, FIRST_DIR))
        .open("open by it", (FIRST, "file"), PLAIN, 0)
        .call("to none", "fd_renumber", &renumber(FIRST_DIR, 1_000_000))
        .call("to the last", "fd_renumber", &renumber(FIRST_DIR, -1))
        .call("from none", "fd_renumber", &renumber(77, FIRST_DIR))
        .call("from the last", "fd_renumber", &renumber(-1, FIRST_DIR))
        .open("open by it still", (FIRST, "file"), PLAIN, 1)
        .call("to another", "fd_renumber", &[Arg::Slot(0), Arg::Slot(1)])
        .read("read by the new one", Arg::Slot(1))
        .call("close the old one", "fd_close", &[Arg::Slot(0)])
        .call("close the new one", "fd_close", &[Arg::Slot(1)])
        .call("close it again", "fd_close", &[Arg::Slot(1)])
        .call(
            "the output to itself",
            "fd_renumber",
            &renumber(STDOUT, STDOUT),
        );
    let ran = lab
        .run(&[
            "run",
            &script.build(&lab, "renumbers"),
            "--dir",
            "data/in::/in::ro",
        ])
        .exits(0);
    let answers: Vec<&str> = told(&ran).into_iter().map(|(_, answer)| answer).collect();
    let expected = [
        "done", "done", "badf", "badf", "badf", "badf", "done", "done", "done", "badf", "done",
        "badf", "done",
    ];
    assert_eq!(answers, expected);
    // Each takes the number of one that was open, which must be closed by that.
    let open = [
        FIRST,
        Arg::Int(0),
        Arg::Text("file"),
        Arg::Int(0),
        Arg::Long(READ),
        Arg::Long(READ),
        Arg::Int(0),
        Arg::Into(1),
    ];
    let script = Script::new()
        .open("first", (FIRST, "file"), PLAIN, 0)
        .repeat(3_000, |script| {
            script
                .quietly("path_open", &open)
                .quietly("fd_renumber", &[Arg::Slot(1), Arg::Slot(0)])
        })
        .read("last", Arg::Slot(0));
    let path = script.build(&lab, "replaces");
    let (ran, said) = record(
        &lab,
        &path,
        &["--dir", "data/in::/in::ro", "--limit", "files=70"],
    );
    assert_eq!(said["outcome"]["kind"], "exited", "{said:#}");
    ran.exits(0);
}
