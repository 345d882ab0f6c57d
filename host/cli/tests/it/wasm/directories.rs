//! What a program is shown of this machine: the directories that were named, as they were named, and the files that were.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::{Value, json};

use super::script::{
    Arg, CREATE, DIRECTORY, FIRST_DIR, FOLLOW, READ, Script, TRUNCATE, WRITE, told,
};
use super::{BOTH, lab, program};
use crate::lab::{Lab, Ran};

const PLAIN: (i32, i32, i64) = (FOLLOW, 0, READ);
const FIRST: Arg<'_> = Arg::Int(FIRST_DIR);

/// The directories of a program that looks around.
#[track_caller]
fn preopens(ran: Ran) -> Value {
    ran.exits(0).record()["preopens"].clone()
}

#[test]
fn a_directory_is_called_as_it_was_typed_or_as_it_was_named() {
    let lab = lab();
    let data = lab.directory("data");
    for name in BOTH {
        let path = program(name);
        for (dir, called) in [
            ("data", "data"),
            ("./data/", "./data/"),
            (data.as_str(), data.as_str()),
            ("data::/in", "/in"),
            ("data::/in::ro", "/in"),
            ("data::.", "."),
            ("data::/", "/"),
            ("data::a b", "a b"),
        ] {
            let ran = lab.run(&["run", &path, "--dir", dir, "env"]);
            assert_eq!(preopens(ran), json!([called]), "{dir}");
        }
        let ran = lab.run(&["run", &path, "env"]);
        assert_eq!(preopens(ran), json!([]), "there is one that nobody named");
    }
}

#[test]
fn directories_come_in_the_order_of_their_naming() {
    let lab = lab();
    for directory in ["b", "a", "c"] {
        lab.directory(directory);
    }
    let path = program("misbehave-p2");
    let ran = lab.run(&[
        "run",
        &path,
        "--dir",
        "b",
        "--dir",
        "a::/x::ro",
        "--dir",
        "c",
        "env",
    ]);
    assert_eq!(preopens(ran), json!(["b", "/x", "c"]));
}

#[test]
fn directories_that_cannot_be_are_refused_before_anything_starts() {
    let lab = lab();
    lab.directory("data");
    lab.write("file", "");
    symlink("nowhere", lab.path("dangling")).unwrap();
    let path = program("misbehave-p1");
    for (dirs, said) in [
        (
            &["data::/x", "data::/x::ro"][..],
            "two directories are named `/x`",
        ),
        (&["data", "data"], "two directories are named `data`"),
        (&["file"], "`file` is no directory"),
        (&["nowhere"], "`nowhere`"),
        (&["dangling"], "`dangling`"),
        (&["data::"], "names no directory"),
        (&["data::::ro"], "names no directory"),
        (&["data::/x::rw"], "is no directory for a program"),
        (&["data::/x::ro::y"], "is no directory for a program"),
    ] {
        let flags = dirs.iter().flat_map(|dir| ["--dir", dir]);
        let arguments: Vec<&str> = ["run", &path]
            .into_iter()
            .chain(flags)
            .chain(["env"])
            .collect();
        let ran = lab.run(&arguments).exits(125).says(&["error:", said]);
        assert_eq!(ran.text(), "", "{dirs:?}");
    }
    assert!(lab.events().is_empty());
}

#[test]
fn what_is_read_only_refuses_every_change() {
    let lab = lab();
    lab.write("data/file", "kept");
    lab.directory("data/below");
    let script = Script::new()
        .open("open to read", (FIRST, "file"), PLAIN, 0)
        .open("open to write", (FIRST, "file"), (0, 0, WRITE), 1)
        .open("create", (FIRST, "new"), (0, CREATE, WRITE), 2)
        .open("empty", (FIRST, "file"), (0, TRUNCATE, READ), 3)
        .at("make a directory", "path_create_directory", (FIRST, "made"))
        .at(
            "remove a directory",
            "path_remove_directory",
            (FIRST, "below"),
        )
        .rename("rename", (FIRST, "file"), (FIRST, "moved"))
        .at("unlink", "path_unlink_file", (FIRST, "moved"))
        .symlink("make a link", "file", (FIRST, "link"))
        .write("write", Arg::Slot(0), "changed")
        .call("cut", "fd_filestat_set_size", &[Arg::Slot(0), Arg::Long(0)]);
    let path = script.build(&lab, "changes");
    let ran = lab.run(&["run", &path, "--dir", "data::/x::ro"]).exits(0);
    let answers = told(&ran);
    assert_eq!(answers[0], ("open to read".to_owned(), "done"));
    for (what, answer) in &answers[1..] {
        assert!(
            ["perm", "badf", "notcapable", "acces", "inval"].contains(answer),
            "{what}: {answer}"
        );
    }
    assert_eq!(lab.read("data/file"), "kept");
    assert_eq!(fs::read_dir(lab.path("data")).unwrap().count(), 2);
    // Where it may, all of it works, so that it was the flag that kept it off.
    let ran = lab.run(&["run", &path, "--dir", "data::/x"]).exits(0);
    let failed = told(&ran)
        .into_iter()
        .filter(|(_, answer)| *answer != "done");
    let failed: Vec<String> = failed.map(|(what, _)| what).collect();
    assert_eq!(
        failed,
        ["write", "cut"],
        "what was opened for reading was written"
    );
}

/// A grant to write was on record that the program did not have, since it knew the directory by a name to read it by.
#[test]
fn a_directory_by_a_name_to_read_can_be_written_by_its_own_where_that_is_granted() {
    let lab = lab();
    let data = lab.directory("data");
    let second = Arg::Int(FIRST_DIR + 1);
    let script = Script::new()
        .open("by its name", (FIRST, "new"), (0, CREATE, WRITE), 0)
        .open("by its path", (second, "new"), (0, CREATE, WRITE), 1);
    let path = script.build(&lab, "creates");
    let allow = format!("fs.write:{data}");
    let ran = lab.run(&["run", &path, "--dir", "data::/in::ro", "--allow", &allow]);
    let ran = ran.exits(0);
    let answers = told(&ran);
    assert_ne!(answers[0].1, "done");
    assert_eq!(answers[1], ("by its path".to_owned(), "done"));
}

#[test]
fn what_is_written_lies_on_the_machine_and_belongs_to_its_owner() {
    use std::os::unix::fs::MetadataExt;
    let lab = lab();
    let data = lab.directory("data");
    let script = Script::new()
        .open("create", (FIRST, "new"), (0, CREATE, WRITE), 0)
        .write("write", Arg::Slot(0), "written")
        .at("make a directory", "path_create_directory", (FIRST, "made"));
    let ran = lab
        .run(&["run", &script.build(&lab, "writes"), "--dir", "data"])
        .exits(0);
    assert!(
        told(&ran).iter().all(|(_, answer)| *answer == "done"),
        "{}",
        ran.text()
    );
    assert_eq!(lab.read("data/new"), "written");
    let owner = fs::metadata(data).unwrap().uid();
    for made in ["data/new", "data/made"] {
        assert_eq!(fs::metadata(lab.path(made)).unwrap().uid(), owner, "{made}");
    }
    let mode = fs::metadata(lab.path("data/new"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7111, 0, "mode {mode:o}");
}

/// The name is a label and no path: whatever it says, the directory is the one that was granted.
#[test]
fn dots_in_the_name_of_a_directory_lead_nowhere() {
    let lab = lab();
    lab.write("data/inside", "inside");
    lab.write("outside", "outside");
    let script = Script::new()
        .open("open inside", (FIRST, "inside"), PLAIN, 0)
        .open("open ..", (FIRST, ".."), (0, DIRECTORY, READ), 1)
        .open("open outside", (FIRST, "../outside"), PLAIN, 2)
        .open(
            "open it absolutely",
            (FIRST, &lab.path("outside")),
            PLAIN,
            3,
        );
    let path = script.build(&lab, "looks");
    for called in [
        "..",
        "../..",
        "/..",
        "../outside",
        "a/../../b",
        "/proc/self/root",
        "data/..",
    ] {
        let ran = lab
            .run(&["run", &path, "--dir", &format!("data::{called}")])
            .exits(0);
        let answers: Vec<&str> = told(&ran).into_iter().map(|(_, answer)| answer).collect();
        assert_eq!(answers, ["done", "perm", "perm", "perm"], "{called}");
    }
    for name in BOTH {
        let ran = lab.run(&[
            "run",
            &program(name),
            "--dir",
            "data::../..::ro",
            "path-tricks",
        ]);
        let said = ran.exits(0).record();
        assert_eq!(
            (&said["escapes"], &said["refused_use"]),
            (&json!([]), &json!(0)),
            "{said:#}"
        );
    }
    assert_eq!(lab.read("outside"), "outside");
}

#[test]
fn what_is_typed_may_be_a_link_and_what_it_leads_to_is_granted() {
    let lab = lab();
    lab.write("real/file", "real");
    symlink("real", lab.path("link")).unwrap();
    let script = Script::new().open("open", (FIRST, "file"), PLAIN, 0);
    let ran = lab
        .run(&["run", &script.build(&lab, "looks"), "--dir", "link::/x::ro"])
        .exits(0);
    assert_eq!(told(&ran), [("open".to_owned(), "done")]);
    let grant = &lab.journal()[0]["grant"][0]["capability"];
    assert_eq!(*grant, json!(format!("fs.read:{}", lab.path("real"))));
}

#[test]
fn no_directory_of_hosts_own_is_given_to_a_program() {
    let lab = lab();
    for dir in [
        "home",
        "home/state",
        "home/cache",
        "home/cache/compiled",
        ".",
    ] {
        let path = program("misbehave-p1");
        let ran = lab.run(&["run", &path, "--dir", &format!("{dir}::/x"), "env"]);
        ran.exits(125).says(&["host's own"]);
    }
    // Reading above them shows them empty.
    let script = Script::new()
        .open("the state", (FIRST, "home/state"), (0, DIRECTORY, READ), 0)
        .open("the journal", (FIRST, "home/state/journal.jsonl"), PLAIN, 1)
        .open("the key", (FIRST, "home/state/compiled.key"), PLAIN, 2);
    let ran = lab
        .run(&["run", &script.build(&lab, "looks"), "--dir", ".::/x::ro"])
        .exits(0);
    let answers = told(&ran);
    assert_eq!(
        (answers[1].1, answers[2].1),
        ("noent", "noent"),
        "{answers:?}"
    );
}

#[test]
fn capabilities_that_no_run_can_have_here_are_refused_by_name() {
    let lab = lab();
    for capability in [
        "host.full",
        "net.connect:example.com:443",
        "exec:/usr/bin/id",
        "unix.connect:/run/x",
    ] {
        let ran = lab.run(&[
            "run",
            &program("misbehave-p1"),
            "--allow",
            capability,
            "env",
        ]);
        ran.exits(125).says(&["error:", capability]);
    }
    lab.run(&[
        "run",
        &program("misbehave-p1"),
        "--allow",
        "fs.raed:/x",
        "env",
    ])
    .exits(125);
    // What is spelled wrong was never asked for.
    assert_eq!(lab.events(), ["refused"; 4]);
}

/// What lies beside a file that was granted.
const NEIGHBOURS: [&str; 3] = ["secret", "other", "below/deep"];

#[test]
fn a_file_that_is_granted_is_alone_in_its_directory() {
    let lab = lab();
    let file = lab.write("data/file", "shown");
    for neighbour in NEIGHBOURS {
        lab.write(&format!("data/{neighbour}"), "hidden");
    }
    let mut script = Script::new()
        .open("the file", (FIRST, "file"), PLAIN, 0)
        .read("read it", Arg::Slot(0));
    for neighbour in NEIGHBOURS {
        script = script.open(neighbour, (FIRST, neighbour), PLAIN, 1);
    }
    script = script
        .open("above", (FIRST, ".."), (0, DIRECTORY, READ), 2)
        .open("the directory", (FIRST, "."), (0, DIRECTORY, READ), 3);
    let listing = [
        Arg::Slot(3),
        Arg::Int(4_096),
        Arg::Int(4_096),
        Arg::Long(0),
        Arg::Into(4),
    ];
    let script = script
        .call("list it", "fd_readdir", &listing)
        .show(4_096, 4_096);
    let path = script.build(&lab, "looks");
    for access in ["fs.read", "fs.write"] {
        let ran = lab
            .run(&["run", &path, "--allow", &format!("{access}:{file}")])
            .exits(0);
        let text = ran.text();
        let (answers, listed) = text.split_at(text.find("list it ").unwrap() + 11);
        let answers: Vec<&str> = answers
            .lines()
            .map(|line| line.rsplit_once(' ').unwrap().1)
            .collect();
        assert_eq!(
            answers,
            ["00", "00", "44", "44", "44", "63", "00", "00"],
            "{access}"
        );
        assert!(listed.contains("file"), "{listed:?}");
        for neighbour in ["secret", "other", "below"] {
            assert!(!listed.contains(neighbour), "`{neighbour}` is listed");
        }
    }
    let ran = lab.run(&[
        "run",
        &program("misbehave-p2"),
        "--allow",
        &format!("fs.read:{file}"),
        "env",
    ]);
    assert_eq!(preopens(ran), json!([lab.path("data")]));
}

#[test]
fn two_files_of_one_directory_are_shown_together_each_with_its_own_rights() {
    let lab = lab();
    let (one, two) = (lab.write("data/one", "one"), lab.write("data/two", "two"));
    let script = Script::new()
        .open("one", (FIRST, "one"), (0, 0, WRITE), 0)
        .open("two", (FIRST, "two"), (0, TRUNCATE, WRITE), 1)
        .open("two, to read", (FIRST, "two"), PLAIN, 2)
        .write("write one", Arg::Slot(0), "ONE");
    let (read, write) = (format!("fs.read:{two}"), format!("fs.write:{one}"));
    let arguments = [
        "run",
        &script.build(&lab, "opens"),
        "--allow",
        &read,
        "--allow",
        &write,
    ];
    let ran = lab.run(&arguments).exits(0);
    let answers: Vec<&str> = told(&ran).into_iter().map(|(_, answer)| answer).collect();
    assert_eq!(
        (answers[0], answers[2], answers[3]),
        ("done", "done", "done"),
        "{answers:?}"
    );
    assert_ne!(answers[1], "done");
    assert_eq!(
        (lab.read("data/one"), lab.read("data/two")),
        ("ONE".to_owned(), "two".to_owned())
    );
}

#[test]
fn a_file_to_write_in_a_directory_to_read_is_all_that_can_be_written() {
    let lab = Lab::new();
    let (file, other) = (
        lab.write("data/file", "file"),
        lab.write("data/other", "other"),
    );
    let write = format!("fs.write:{file}");
    let mut script = Script::new();
    for dir in [Arg::Int(FIRST_DIR), Arg::Int(FIRST_DIR + 1)] {
        script = script
            .open("other", (dir, "other"), (0, 0, WRITE), 0)
            .open("empty", (dir, "other"), (0, TRUNCATE, READ), 0)
            .open("new", (dir, "new"), (0, CREATE, WRITE), 0)
            .at("unlink", "path_unlink_file", (dir, "other"))
            .rename("rename", (dir, "other"), (dir, "moved"))
            .rename("replace", (dir, "other"), (dir, "file"))
            .link("link", 0, (dir, "other"), (dir, "new"));
    }
    let path = script.build(&lab, "tries");
    let ran = lab
        .run(&["run", &path, "--dir", "data::/x::ro", "--allow", &write])
        .exits(0);
    assert!(
        told(&ran).iter().all(|(_, answer)| *answer != "done"),
        "{}",
        ran.text()
    );
    assert_eq!(
        (lab.read("data/file"), fs::read_to_string(other).unwrap()),
        ("file".to_owned(), "other".to_owned())
    );
    assert_eq!(fs::read_dir(lab.path("data")).unwrap().count(), 2);
    let script = Script::new()
        .open("file", (Arg::Int(FIRST_DIR + 1), "file"), (0, 0, WRITE), 0)
        .write("write", Arg::Slot(0), "FILE");
    let path = script.build(&lab, "writes");
    let ran = lab
        .run(&["run", &path, "--dir", "data::/x::ro", "--allow", &write])
        .exits(0);
    assert!(
        told(&ran).iter().all(|(_, answer)| *answer == "done"),
        "{}",
        ran.text()
    );
    assert_eq!(lab.read("data/file"), "FILE");
}

#[test]
fn a_path_that_is_not_there_is_nothing_to_read_and_refused_to_write() {
    let lab = lab();
    let nothing = lab.path("nothing");
    let path = program("misbehave-p1");
    let ran = lab.run(&[
        "run",
        &path,
        "--allow",
        &format!("fs.read:{nothing}"),
        "env",
    ]);
    assert_eq!(preopens(ran), json!([]));
    let ran = lab.run(&[
        "run",
        &path,
        "--allow",
        &format!("fs.write:{nothing}"),
        "env",
    ]);
    ran.exits(125).says(&[&nothing]);
}

/// A lab in which root's run is a stranger who would see nothing without the grant.
#[test]
fn a_directory_that_only_its_owner_may_enter_is_shown_to_a_program() {
    let lab = Lab::new();
    lab.write("data/file", "private");
    fs::set_permissions(lab.path("data"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(lab.path("data/file"), fs::Permissions::from_mode(0o600)).unwrap();
    let script = Script::new()
        .open("open", (FIRST, "file"), PLAIN, 0)
        .read("read", Arg::Slot(0));
    let ran = lab
        .run(&["run", &script.build(&lab, "reads"), "--dir", "data::/x::ro"])
        .exits(0);
    assert_eq!(
        told(&ran),
        [("open".to_owned(), "done"), ("read".to_owned(), "done")]
    );
}
