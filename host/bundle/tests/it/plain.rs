//! Plain tars of modules: what any tar program writes is read, what could deceive is refused.

use std::io::Read;

use host_bundle::{ModuleSource, PlainTarError, read_plain_tar};
use proptest::prelude::*;

use crate::fixtures::{Files, chain, checksum, entry, packed, pax, receive, sealed};

fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    [entries.concat(), vec![0; 1024]].concat()
}

fn file(path: &str) -> Vec<u8> {
    entry(path.as_bytes(), b'0', b"x")
}

fn paths(archive: &[u8]) -> Result<String, String> {
    paths_of(archive)
}

fn paths_of(archive: impl Read) -> Result<String, String> {
    let module = read_plain_tar(archive).map_err(|error| chain(&error))?;
    let paths: Vec<_> = module.files().into_iter().map(|file| file.path).collect();
    Ok(match module.directory() {
        Some(directory) => format!("{directory}: {}", paths.join(" ")),
        None => paths.join(" "),
    })
}

#[test]
fn a_common_directory_is_dropped() {
    for (names, expected) in [
        (
            &["disk/tasks/a.sh", "disk/metadata.json"][..],
            "disk: metadata.json tasks/a.sh",
        ),
        (&["./disk/tasks/a.sh", "./disk/b"], "disk: b tasks/a.sh"),
        (
            &["./tasks/a.sh", "./metadata.json"],
            "metadata.json tasks/a.sh",
        ),
        (&["tasks/a.sh", "tasks/b.sh"], "tasks/a.sh tasks/b.sh"),
        (&["tasks/a.sh"], "tasks/a.sh"),
        (&["disk/tasks/a.sh"], "disk: tasks/a.sh"),
        (
            &["disk/tasks/a.sh", "other/tasks/b.sh"],
            "disk/tasks/a.sh other/tasks/b.sh",
        ),
        (&["a.sh"], "a.sh"),
    ] {
        let entries: Vec<_> = names.iter().map(|name| file(name)).collect();
        assert_eq!(paths(&archive(&entries)).unwrap(), expected);
    }
    let directories = [
        entry(b"./", b'5', b""),
        entry(b"./disk/", b'5', b""),
        file("./disk/a"),
    ];
    assert_eq!(paths(&archive(&directories)).unwrap(), "disk: a");
}

#[test]
fn contents_and_executable_bits_are_kept() {
    let mut script = entry(b"tasks/a.sh", b'\0', &[b'#'; 700]);
    script[100..108].copy_from_slice(b"0000750\0");
    checksum(&mut script);
    let module = read_plain_tar(archive(&[script, file("b")]).as_slice()).unwrap();
    let listed = module.files();
    assert_eq!((listed[0].executable, listed[1].executable), (false, true));
    let mut contents = Vec::new();
    module
        .open("tasks/a.sh")
        .unwrap()
        .read_to_end(&mut contents)
        .unwrap();
    assert_eq!(contents, [b'#'; 700]);
    assert!(module.open("tasks/b.sh").is_err());
}

#[test]
fn a_sealed_bundle_of_it_is_that_of_its_files() {
    let files = Files::small();
    let by_hand = |(path, executable, contents): &(String, bool, Vec<u8>)| {
        let mut entry = entry(path.as_bytes(), b'0', contents);
        entry[100..108].copy_from_slice(if *executable {
            b"0000755\0"
        } else {
            b"0000600\0"
        });
        checksum(&mut entry);
        entry
    };
    let entries: Vec<_> = files.0.iter().map(by_hand).collect();
    let module = read_plain_tar(archive(&entries).as_slice()).unwrap();
    assert_eq!(sealed(&module), sealed(&files));
    assert!(receive(packed(&module).0.as_slice()).is_ok());
}

#[test]
fn long_names_are_understood() {
    let long = format!("disk/{}/{}", "d".repeat(150), "f".repeat(90));
    let gnu = [
        entry(b"././@LongLink", b'L', format!("{long}\0").as_bytes()),
        file("short"),
    ];
    let posix = [
        entry(b"pax_global_header", b'g', &pax("comment", "0123")),
        entry(
            b"PaxHeaders/x",
            b'x',
            &[pax("mtime", "1.5"), pax("path", &long)].concat(),
        ),
        file("short"),
    ];
    let expected = format!("disk: {}", &long[5..]);
    assert_eq!(paths(&archive(&gnu)).unwrap(), expected);
    assert_eq!(paths(&archive(&posix)).unwrap(), expected);
}

#[test]
fn members_that_are_no_files_are_refused() {
    for (kind, expected) in [
        (b'1', "a hard link"),
        (b'2', "a symbolic link"),
        (b'3', "a device"),
        (b'4', "a device"),
        (b'6', "a named pipe"),
        (b'7', "of an unknown kind"),
        (b'K', "a symbolic link"),
        (b'S', "a sparse file"),
        (b'Z', "of an unknown kind"),
    ] {
        let error = paths(&archive(&[file("a"), entry(b"b\x1b", kind, b"")])).unwrap_err();
        assert_eq!(
            error,
            format!("`b\\u{{1b}}` is {expected}, and only files and directories are accepted")
        );
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in [
        "/etc/passwd",
        "../x",
        "a/../x",
        "a//b",
        "././a",
        "a\\b",
        "a\u{202e}b",
        ".",
        "./",
        "a/",
    ] {
        let error = paths(&archive(&[file("a"), file(name)])).unwrap_err();
        assert!(error.contains("cannot be in a bundle"), "{name}: {error}");
    }
    let error = paths(&archive(&[entry(b"caf\xe9", b'0', b"")])).unwrap_err();
    assert!(error.contains("not named in UTF-8"), "{error}");
    for name in [&b"/"[..], b"..", b"../", b"/tmp/"] {
        assert!(
            paths(&archive(&[entry(name, b'5', b""), file("a")])).is_err(),
            "{name:?}"
        );
    }
}

#[test]
fn members_that_collide_are_refused() {
    for names in [
        ["a", "a"],
        ["a", "./a"],
        ["a", "A"],
        ["a", "a/b"],
        ["a/b", "a"],
        ["a/b", "A/c"],
    ] {
        let error = paths(&archive(&names.map(file))).unwrap_err();
        assert!(error.contains("collides with"), "{names:?}: {error}");
    }
    let as_both = [file("a"), entry(b"a/", b'5', b"")];
    assert!(
        paths(&archive(&as_both))
            .unwrap_err()
            .contains("collides with")
    );
}

#[test]
fn records_that_contradict_are_refused() {
    let record = |kind: u8, contents: &[u8]| entry(b"record", kind, contents);
    let two_paths = [pax("path", "a"), pax("path", "b")].concat();
    for (entries, expected) in [
        (
            vec![record(b'L', b"b\0"), record(b'L', b"c\0")],
            "the GNU long name before member 2 is there twice",
        ),
        (vec![record(b'x', b""), record(b'x', b"")], "is there twice"),
        (
            vec![record(b'L', b"b\0"), record(b'x', &pax("path", "c"))],
            "contradicts a PAX record",
        ),
        (vec![record(b'x', &two_paths)], "has two paths"),
        (
            vec![record(b'x', &pax("size", "5"))],
            "has another size than the header",
        ),
        (
            vec![record(b'x', &pax("size", "01"))],
            "has another size than the header",
        ),
        (
            vec![record(b'x', &pax("GNU.sparse.major", "1"))],
            "describes a sparse file",
        ),
        (
            vec![record(b'x', &pax("SCHILY.realsize", "9"))],
            "describes a sparse file",
        ),
        (
            vec![record(b'x', &pax("SUN.holesdata", "0 1"))],
            "describes a sparse file",
        ),
        (
            vec![record(b'x', &pax("hdrcharset", "BINARY"))],
            "changes the character set",
        ),
        (
            vec![record(b'g', &pax("path", "b"))],
            "is more than a comment",
        ),
        (vec![record(b'g', b"x")], "cannot be read"),
        (
            vec![record(b'x', b"9999999999999999999999 path=a\n")],
            "cannot be read",
        ),
        (vec![record(b'x', b"+11 path=b\n")], "cannot be read"),
        (vec![record(b'x', b"011 path=b\n")], "cannot be read"),
        (vec![record(b'x', b"8 path=b\n")], "cannot be read"),
        (vec![record(b'x', b"0 ")], "cannot be read"),
        (vec![record(b'x', b"9 pathxb\n")], "cannot be read"),
        (vec![record(b'L', &[b'a'; (64 << 10) + 1])], "is too long"),
        (vec![record(b'x', &pax("path", "a\0b"))], "U+0000"),
        (vec![record(b'x', &pax("path", "a\nb"))], "U+000A"),
        (vec![record(b'L', b"a\0b\0")], "U+0000"),
    ] {
        let mut entries = entries;
        entries.push(file("a"));
        let error = paths(&archive(&entries)).unwrap_err();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

/// A directory's contents are skipped by some programs, and are the next members to others.
#[test]
fn a_directory_with_contents_hides_no_members() {
    let hidden = [entry(b"b", b'0', b"x"), entry(b"c", b'0', b"")].concat();
    for name in ["d/", "d", "./"] {
        let directory = entry(name.as_bytes(), b'5', &hidden);
        let error = paths(&archive(&[file("a"), directory, file("z")])).unwrap_err();
        assert_eq!(error, "member 2 is a directory with contents");
    }
}

/// Whether the prefix belongs to the name is told by the magic, and not every program asks for all of it.
#[test]
fn only_headers_of_a_known_format_are_read() {
    let with = |magic: &[u8; 8], prefix: &[u8]| {
        let mut member = file("b");
        member[257..265].copy_from_slice(magic);
        member[345..345 + prefix.len()].copy_from_slice(prefix);
        checksum(&mut member);
        paths(&archive(&[file("a"), member]))
    };
    assert_eq!(with(b"ustar\x0000", b"c").unwrap(), "a c/b");
    for magic in [b"ustar  \0", &[0; 8]] {
        assert_eq!(with(magic, b"").unwrap(), "a b");
        let prefixed = with(magic, b"c").unwrap_err();
        assert_eq!(
            prefixed,
            "member 2 has a prefix, which its format does not know"
        );
        // Behind a zero byte others find times there, or a map of holes.
        assert!(with(magic, b"\0\0c").is_err());
    }
    for magic in [
        b"ustar\0  ",
        b"ustar\0\0\0",
        b"ustar 00",
        b"USTAR\x0000",
        b"tar\0\0\0\0\0",
    ] {
        for prefix in [&b"c"[..], b""] {
            let error = with(magic, prefix).unwrap_err();
            assert_eq!(error, "member 2 is of no known tar format", "{magic:?}");
        }
    }
}

#[test]
fn a_size_is_written_in_octal_digits() {
    for size in [b"+0000000001\0", b"\x80\0\0\0\0\0\0\0\0\0\0\x01"] {
        let mut member = file("b");
        member[124..136].copy_from_slice(size);
        checksum(&mut member);
        let error = paths(&archive(&[file("a"), member])).unwrap_err();
        assert_eq!(
            error,
            "member 2 has a size that is not written in octal digits"
        );
    }
}

#[test]
fn what_is_no_tar_is_told_from_one_that_is_cut_off() {
    let long = entry(b"c", b'0', &[1; 2_000]);
    let whole = archive(&[file("a"), long, file("b")]);
    for end in [
        600,
        1024,
        1100,
        1536,
        2_000,
        3_600,
        4_100,
        whole.len() - 512,
    ] {
        let error = paths(&whole[..end]).unwrap_err();
        assert_eq!(error, "archive is truncated", "{end}");
    }
    for none in [
        &b""[..],
        b"#!/bin/sh\n",
        &[b'x'; 512],
        &[b'x'; 5_000],
        &whole[..300],
    ] {
        assert_eq!(paths(none).unwrap_err(), "it is no tar archive");
    }
    let mut damaged = whole;
    damaged[1024] ^= 1;
    let error = paths(&damaged).unwrap_err();
    assert_eq!(error, "member 2 has no header that can be read");
    let broken = paths_of(file("a").chain(Broken)).unwrap_err();
    assert_eq!(broken, "archive cannot be read: the disk is broken");
}

/// A disk that can be read no further.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("the disk is broken"))
    }
}

#[test]
fn an_archive_must_end_as_it_should() {
    let whole = archive(&[file("a"), file("b")]);
    assert_eq!(paths(&whole).unwrap(), "a b");
    assert_eq!(
        paths(&[whole.as_slice(), &[0; 9_000]].concat()).unwrap(),
        "a b"
    );
    for end in 0..whole.len() {
        assert!(paths(&whole[..end]).is_err(), "{end}");
    }
    let error = paths(&[whole.as_slice(), &whole].concat()).unwrap_err();
    assert_eq!(error, "archive goes on behind its end");
    assert!(matches!(
        read_plain_tar(&[0; 1024][..]),
        Err(PlainTarError::Empty)
    ));
    let described = [file("a"), entry(b"././@LongLink", b'L', b"b\0")];
    assert_eq!(
        paths(&archive(&described)).unwrap_err(),
        "archive is truncated"
    );
}

#[test]
fn number_and_size_have_limits() {
    let many: Vec<_> = (0..10_001)
        .map(|n| entry(format!("f{n}").as_bytes(), b'0', b""))
        .collect();
    assert_eq!(
        paths(&archive(&many)).unwrap_err(),
        "archive has more than 10000 files"
    );
    let directories = vec![entry(b"d/", b'5', b""); 40_001];
    assert_eq!(
        paths(&archive(&directories)).unwrap_err(),
        "archive has more than 40000 members"
    );
    let mut huge = entry(b"a", b'0', b"");
    huge[124..136].copy_from_slice(format!("{:011o}\0", 300 << 20).as_bytes());
    checksum(&mut huge);
    let endless = huge.chain(std::io::repeat(0));
    assert!(matches!(
        read_plain_tar(endless),
        Err(PlainTarError::TooLarge)
    ));
    let zeros = std::io::repeat(0);
    assert!(matches!(
        read_plain_tar(zeros),
        Err(PlainTarError::TooLarge)
    ));
}

proptest! {
    #[test]
    fn damaged_archives_give_errors_and_never_a_panic(
        place in any::<proptest::sample::Index>(),
        bytes in proptest::collection::vec(any::<u8>(), 1..40),
    ) {
        let mut whole = archive(&[
            entry(b"record", b'x', &pax("path", "disk/tasks/a.sh")),
            file("a"),
            entry(b"././@LongLink", b'L', b"disk/b\0"),
            file("b"),
        ]);
        let place = place.index(whole.len() - bytes.len());
        whole[place..place + bytes.len()].copy_from_slice(&bytes);
        if let Ok(module) = read_plain_tar(whole.as_slice()) {
            prop_assert!(module.files().len() <= 2);
        }
    }
}
