//! What a task can read and write: its own places, and what it was granted.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::{Value, json};

use super::{Language, Suite, success, text};
use crate::lab::is_root;

/// How a file that is not there is answered, to native programs and to WASI programs.
const ABSENT: [&str; 2] = [
    "No such file or directory",
    "No such file or directory (os error 44)",
];
/// How writing is answered where only reading was granted: native programs meet a mount, WASI programs the engine, which
/// has one word for all that it refuses.
const REFUSED: [&str; 2] = [
    "Read-only file system",
    "Operation not permitted (os error 63)",
];
/// How making a file is answered in a directory of the jail's own that is closed.
const CLOSED: [&str; 2] = ["Permission denied", "Permission denied (os error 2)"];

/// A suite with `data/one.txt`, `data/sub/two.txt` and `other/three.txt`, and what `do=change` changes.
fn suite() -> Suite {
    let suite = Suite::new();
    fill(&suite);
    suite
}

fn fill(suite: &Suite) {
    let _ = fs::remove_dir_all(suite.lab.path("data"));
    for (path, content) in [
        ("data/one.txt", "one\n"),
        ("data/old.txt", "old\n"),
        ("data/doomed.txt", "doomed\n"),
        ("data/sub/two.txt", "two\n"),
        ("other/three.txt", "three\n"),
    ] {
        suite.lab.write(path, content);
    }
}

impl Suite {
    /// The parameter `path` for something in the lab.
    fn at(&self, below: &str) -> String {
        format!("path={}", self.lab.path(below))
    }

    fn fs(&self, access: &str, below: &str) -> String {
        format!("fs.{access}:{}", self.lab.path(below))
    }
}

/// The end of a task that printed `text`.
fn said(text: &str) -> Value {
    success(json!({"_output": text}))
}

#[test]
fn scratch_is_where_relative_paths_lead() {
    let suite = Suite::new();
    suite.alike(&["do=scratch", &text("höl\n")], &said(&"höl\n".repeat(4)));
    for path in ["beside.txt", "/scratch/beside.txt", "/tmp/temporary.txt"] {
        let path = format!("path={path}");
        suite.alike(&["do=exists", &path], &said("no\n"));
    }
    for place in [".", "/scratch", "/tmp", "/out"] {
        suite.alike(&["do=list", &format!("path={place}")], &said(""));
    }
}

#[test]
fn a_granted_directory_is_read_with_all_below_it() {
    let suite = suite();
    let grant = ["--allow", &suite.fs("read", "data")];
    let run = |act: &str, path: &str, expected: &str| {
        let path = suite.at(path);
        suite.alike(&[&[act, &path], &grant[..]].concat(), &said(expected));
    };
    run("do=read", "data/one.txt", "one\n");
    run("do=read", "data/sub/../sub/./two.txt", "two\n");
    run("do=list", "data", "doomed.txt\nold.txt\none.txt\nsub\n");
    run("do=list", "data/sub", "two.txt\n");
    run("do=exists", "data/sub", "yes\n");
    run("do=exists", "data/sub/none", "no\n");
}

#[test]
fn a_granted_file_is_read_and_nothing_beside_it() {
    let suite = suite();
    let grant = ["--allow", &suite.fs("read", "data/one.txt")];
    let arguments = |act: &str, path: &str| [act.to_owned(), suite.at(path)];
    let run = |act: &str, path: &str, expected: &str| {
        let [act, path] = &arguments(act, path);
        suite.alike(
            &[&[act.as_str(), path], &grant[..]].concat(),
            &said(expected),
        );
    };
    run("do=read", "data/one.txt", "one\n");
    run("do=list", "data", "one.txt\n");
    run("do=exists", "data/old.txt", "no\n");
    let [act, path] = &arguments("do=read", "data/old.txt");
    suite.fails(
        &[&[act.as_str(), path], &grant[..]].concat(),
        ABSENT[0],
        ABSENT[1],
    );
}

#[test]
fn what_is_not_what_it_was_taken_for_is_said_to_be() {
    let suite = suite();
    let grant = suite.fs("read", "data");
    suite.fails(
        &["do=list", &suite.at("data/one.txt"), "--allow", &grant],
        "Not a directory",
        "Not a directory (os error 54)",
    );
    // Preview 1 opens a directory as a file that cannot be read, which is told when it is read.
    for (language, record) in suite.records(&["do=read", &suite.at("data"), "--allow", &grant]) {
        let word = match language {
            Language::Shell | Language::Python => "Is a directory",
            Language::Module => "Bad file descriptor (os error 8)",
            Language::Component => "Is a directory (os error 31)",
        };
        let said = record["stderr"]["text"].as_str().unwrap();
        assert!(
            said.ends_with(&format!(": {word}\n")),
            "{language:?}: {said}"
        );
        assert_eq!(record["outcome"]["code"], 1, "{language:?}");
    }
}

#[test]
fn what_was_not_granted_is_not_there() {
    let suite = suite();
    let grant = suite.fs("read", "data");
    let three = suite.at("other/three.txt");
    for allowed in [&[][..], &["--allow", &grant]] {
        for path in [
            three.as_str(),
            &suite.at("other"),
            &suite.at("home/state/journal.jsonl"),
            "path=/srv",
            "path=/var/log",
        ] {
            let run = |act| [&[act, path], allowed].concat();
            suite.fails(&run("do=read"), ABSENT[0], ABSENT[1]);
            suite.fails(&run("do=list"), ABSENT[0], ABSENT[1]);
            suite.alike(&run("do=exists"), &said("no\n"));
        }
    }
    let around = suite.at("data/../other/three.txt");
    suite.fails(
        &["do=read", &around, "--allow", &grant],
        ABSENT[0],
        // Whatever it leads to, what leads out of an open directory is not looked for.
        REFUSED[1],
    );
}

/// A native program has the machine's programs and libraries, read only; a WASI program brings its own.
#[test]
fn only_a_native_program_sees_the_system() {
    let suite = Suite::new();
    for path in [
        "path=/usr/bin",
        "path=/etc/passwd",
        "path=/proc/self",
        "path=/dev/null",
    ] {
        for language in Language::ALL {
            let expected = said(language.either("yes\n", "no\n"));
            suite.ends(language, &["do=exists", path], &expected);
        }
    }
}

/// The C library of WASI takes what lies below no directory that is open for a path below the one that relative paths
/// start from. So it is never the machine's, but making a file there works, where a native program is refused.
#[test]
fn a_wasi_program_finds_its_scratch_directory_behind_other_paths() {
    let suite = Suite::new();
    let path = format!("/{}report.txt", suite.lab.marker());
    for language in Language::ALL {
        let arguments = ["do=write", &format!("path={path}"), &text("report")];
        let record = suite.run(language, &arguments).record();
        let shown = format!("{language:?}: {record:#}");
        assert_eq!(record["outcome"]["code"], language.either(1, 0), "{shown}");
        let said = record["stderr"]["text"].as_str().unwrap();
        let refused = said.ends_with(": Read-only file system\n");
        assert_eq!(refused, !language.is_wasm(), "{shown}");
        let scratch = record["usage"]["scratch_bytes"].as_u64().unwrap();
        assert_eq!(scratch > 0, language.is_wasm(), "{shown}");
        assert!(!fs::exists(&path).unwrap(), "{shown}");
        let record = suite
            .run(language, &["do=list", "path=/"])
            .exits(0)
            .record();
        let listed = record["value"]["_output"].as_str().unwrap();
        assert_eq!(listed.contains("usr\n"), !language.is_wasm(), "{listed}");
        assert_eq!(listed.is_empty(), language.is_wasm(), "{listed}");
    }
    suite.fails(
        &["do=write", "path=/var/report.txt", &text("report")],
        "Read-only file system",
        ABSENT[1],
    );
}

#[test]
fn nothing_is_written_through_a_grant_to_read() {
    let suite = suite();
    let (directory, file) = (suite.fs("read", "data"), suite.fs("read", "data/one.txt"));
    let fails = |act: &str, path: &str, grant: &str, words: [&str; 2]| {
        let path = suite.at(path);
        let arguments = [act, &path, "text=x", "--allow", grant];
        suite.fails(&arguments, words[0], words[1]);
    };
    fails("do=write", "data/one.txt", &directory, REFUSED);
    fails("do=write", "data/new.txt", &directory, REFUSED);
    fails("do=write", "data/sub/new.txt", &directory, REFUSED);
    fails("do=change", "data", &directory, REFUSED);
    fails("do=write", "data/one.txt", &file, REFUSED);
    assert_eq!(suite.lab.read("data/one.txt"), "one\n");
    assert_eq!(suite.lab.files("data").len(), 4);
}

#[test]
fn a_granted_file_is_written_where_it_lies_and_nothing_beside_it() {
    let suite = suite();
    let grant = suite.fs("write", "data/one.txt");
    let before = fs::metadata(suite.lab.path("data/one.txt")).unwrap();
    for language in Language::ALL {
        let new = format!("by {language:?}\n");
        let write = [
            "do=write",
            &suite.at("data/one.txt"),
            &text(&new),
            "--allow",
            &grant,
        ];
        suite.ends(language, &write, &said(""));
        assert_eq!(suite.lab.read("data/one.txt"), new);
        let read = ["do=read", &suite.at("data/one.txt"), "--allow", &grant];
        suite.ends(language, &read, &said(&new));
    }
    let after = fs::metadata(suite.lab.path("data/one.txt")).unwrap();
    assert_eq!((before.ino(), before.uid()), (after.ino(), after.uid()));
    suite.alike(
        &["do=list", &suite.at("data"), "--allow", &grant],
        &said("one.txt\n"),
    );
}

/// The directory of a granted file is the jail's own. When root made it, it is closed; when an ordinary user made it, and
/// it is below the `/tmp` of the jail as here, the user may write there as in all of `/tmp`, and it ends with the run. A
/// WASI program has it open as it has the file.
#[test]
fn beside_a_granted_file_nothing_of_the_machine_is_written() {
    let suite = suite();
    assert!(
        suite.lab.root().starts_with("/tmp"),
        "this test needs a TMPDIR below /tmp"
    );
    for access in ["read", "write"] {
        let grant = suite.fs(access, "data/one.txt");
        for path in ["data/new.txt", "data/old.txt"] {
            let write = ["do=write", &suite.at(path), "text=x", "--allow", &grant];
            for language in Language::ALL {
                if language.is_wasm() && access == "read" {
                    suite.fails_in(language, &write, REFUSED[1]);
                } else if is_root() {
                    suite.fails_in(language, &write, language.either(CLOSED[0], CLOSED[1]));
                } else {
                    let record = suite.ends(language, &write, &said(""));
                    assert_eq!(record["usage"]["scratch_bytes"], 4_096, "{language:?}");
                }
            }
        }
    }
    assert_eq!(suite.lab.read("data/old.txt"), "old\n");
    assert_eq!(suite.lab.files("data").len(), 4);
}

#[test]
fn in_a_directory_granted_to_write_everything_can_be_changed() {
    let suite = suite();
    let arguments = [
        "do=change",
        &suite.at("data"),
        &text("more\n"),
        "--allow",
        &suite.fs("write", "data"),
    ];
    for language in Language::ALL {
        fill(&suite);
        let before = owner(&suite.lab.path("data"));
        suite.ends(
            language,
            &arguments,
            &said("moved.txt\nold.txt\none.txt\nsub\n"),
        );
        for (path, content) in [
            ("data/moved.txt", "more\n"),
            ("data/old.txt", "old\nmore\n"),
            ("data/one.txt", "one\n"),
            ("data/sub/two.txt", "two\n"),
        ] {
            assert_eq!(suite.lab.read(path), content, "{language:?}: {path}");
            let after = owner(&suite.lab.path(path));
            assert_eq!(after, before, "{language:?}: {path}");
        }
        assert_eq!(suite.lab.files("data").len(), 4, "{language:?}");
    }
}

fn owner(path: &str) -> (u32, u32) {
    let found = fs::metadata(path).unwrap();
    (found.uid(), found.gid())
}

#[test]
fn what_one_grant_lets_write_another_keeps_from_it() {
    let suite = suite();
    let (outer, inner) = (suite.fs("read", "data"), suite.fs("write", "data/sub"));
    let write = |path: &str| ["do=write".to_owned(), suite.at(path), text("new")];
    let allow = ["--allow", &outer, "--allow", &inner];
    let [act, path, new] = &write("data/sub/new.txt");
    suite.alike(
        &[&[act.as_str(), path, new], &allow[..]].concat(),
        &said(""),
    );
    assert_eq!(suite.lab.read("data/sub/new.txt"), "new");
    for path in ["data/new.txt", "data/one.txt"] {
        let [act, path, new] = &write(path);
        let arguments = [&[act.as_str(), path, new], &allow[..]].concat();
        suite.fails(&arguments, REFUSED[0], REFUSED[1]);
    }
}

#[test]
fn a_grant_of_what_is_missing_is_noted_for_reading_and_refused_for_writing() {
    let suite = suite();
    let (read, write) = (suite.fs("read", "missing"), suite.fs("write", "missing"));
    let path = suite.at("missing");
    for language in Language::ALL {
        let arguments = ["do=exists", &path, "--allow", &read];
        let record = suite.ends(language, &arguments, &said("no\n"));
        assert_eq!(record["grant"], json!([]), "{language:?}");
        assert_eq!(record["denials"][0]["capability"], read, "{language:?}");
        let ran = suite
            .run(language, &["do=exists", &path, "--allow", &write])
            .exits(3);
        let record = ran.record();
        assert_eq!(record["status"], "refused", "{language:?}");
        assert_eq!(record["outcome"]["kind"], "refused", "{language:?}");
        let reason = record["outcome"]["reason"].as_str().unwrap();
        assert!(
            reason.contains(&suite.lab.path("missing")),
            "{language:?}: {reason}"
        );
        assert_eq!(record["stdout"]["bytes"], 0, "{language:?}");
    }
}

#[test]
fn what_the_task_asks_for_is_refused_until_it_is_allowed() {
    let asks = json!({"host": {"asks": ["fs.read:${path}"]}});
    let suite = Suite::declaring(json!({"extensions": asks}));
    fill(&suite);
    let (path, grant) = (suite.at("data/one.txt"), suite.fs("read", "data/one.txt"));
    for language in Language::ALL {
        let ran = suite.run(language, &["do=read", &path]).exits(3);
        assert_eq!(ran.record()["status"], "refused", "{language:?}");
        let record = suite.ends(
            language,
            &["do=read", &path, "--allow-asked"],
            &said("one\n"),
        );
        assert_eq!(record["grant"][0]["capability"], grant, "{language:?}");
        assert_eq!(record["grant"][0]["origin"], "bundle", "{language:?}");
    }
    let events = ["refused", "intended", "finished"].repeat(4);
    assert_eq!(suite.lab.events(), events);
}
