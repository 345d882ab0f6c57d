//! Programs that try to get out of their directories by what they call things, or by what lies in there already.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use serde_json::{Value, json};

use super::{BOTH, PREVIEWS, picture, program, stopped, task};
use crate::lab::{Lab, is_root};
use crate::wasm::lab;
use crate::wasm::script::{Arg, CREATE, DIRECTORY, FIRST_DIR, FOLLOW, READ, Script, WRITE, told};

const FIRST: Arg<'_> = Arg::Int(FIRST_DIR);
const PLAIN: (i32, i32, i64) = (FOLLOW, 0, READ);

/// Asserts that nothing which must not work did, and all that must.
#[track_caller]
fn unbroken(said: &Value) {
    assert_eq!(said["escapes"], json!([]), "{:#}", said["escapes"]);
    assert_eq!(said["refused_use"], 0, "{said:#}");
    let tries = said["tries"].as_u64().unwrap();
    assert!(tries > 190, "{tries} tries");
}

/// Directories to write, to read, and to leave alone, with something in each.
fn furnished() -> Lab {
    let lab = lab();
    for directory in ["write", "read", "beside", "read/below", "beside/below"] {
        lab.write(&format!("data/{directory}/file"), format!("of {directory}"));
    }
    lab.write("data/above", "above");
    lab
}

#[test]
fn no_trick_with_paths_leads_out_of_a_directory() {
    for name in BOTH {
        let lab = furnished();
        let before: Vec<_> = ["data/read", "data/beside"]
            .map(|below| picture(&lab, below))
            .into();
        let arguments = [
            "run",
            &program(name),
            "--dir",
            "data/write::/w",
            "--dir",
            "data/read::/r::ro",
            "path-tricks",
        ];
        let said = lab.run(&arguments).exits(0).record();
        unbroken(&said);
        let places = json!([{"name": "/w", "writable": true}, {"name": "/r", "writable": false}]);
        assert_eq!(said["places"], places);
        let after: Vec<_> = ["data/read", "data/beside"]
            .map(|below| picture(&lab, below))
            .into();
        assert_eq!(before, after, "{name} changed what is beside");
        assert_eq!(lab.read("data/above"), "above");
        assert_eq!(lab.read("data/write/file"), "of write");
    }
}

/// The same directory by two names is no way from one set of rights to the other.
#[test]
fn no_trick_with_paths_leads_from_one_name_of_a_directory_to_another() {
    for name in BOTH {
        let lab = furnished();
        let arguments = [
            "run",
            &program(name),
            "--dir",
            "data/write::/w",
            "--dir",
            "data/write::/same::ro",
            "--dir",
            "data/read::/r::ro",
            "--dir",
            "data/read/below::/below",
            "path-tricks",
        ];
        let before = picture(&lab, "data/beside");
        let said = lab.run(&arguments).exits(0).record();
        let escapes = said["escapes"].as_array().unwrap();
        assert!(escapes.is_empty(), "{escapes:#?}");
        assert_eq!(picture(&lab, "data/beside"), before);
        assert_eq!(lab.read("data/read/file"), "of read");
    }
}

#[test]
fn no_trick_with_paths_leads_out_of_a_task() {
    let lab = furnished();
    let before = picture(&lab, "data");
    for preview in PREVIEWS {
        let (ran, record) = task(&lab, preview, &["mode=path-tricks"]);
        ran.exits(0);
        unbroken(&record["value"]);
        let read = format!("fs.read:{}", lab.path("data/read"));
        let (ran, record) = task(&lab, preview, &["mode=path-tricks", "--allow", &read]);
        ran.exits(0);
        unbroken(&record["value"]);
    }
    assert_eq!(picture(&lab, "data"), before);
}

/// Links that lead out of the directory that they are in, by their names; LAB stands for the lab.
const LEADING_OUT: [(&str, &str); 15] = [
    ("absolute", "LAB/data/secret"),
    ("relative", "../secret"),
    ("dotted", "./below/../../secret"),
    ("deeper", "../../data/secret"),
    ("system", "/etc/passwd"),
    ("process", "/proc/self/root"),
    ("working", "/proc/self/cwd"),
    ("descriptor", "/proc/self/fd/0"),
    ("device", "/dev/null"),
    ("itself", "itself"),
    ("chain", "relative"),
    ("directory", "LAB/data"),
    ("upwards", ".."),
    ("slashed", "../"),
    ("root", "/"),
];

/// A program that goes through each of those links, and then through links that stay.
fn follows() -> Script {
    let mut script = Script::new();
    for (name, _) in LEADING_OUT {
        for behind in ["", "/", "/secret", "/etc/passwd"] {
            let path = format!("{name}{behind}");
            let place = (FIRST, path.as_str());
            script = script
                .open(&path, place, PLAIN, 0)
                .open(&path, place, (FOLLOW, DIRECTORY, READ), 0)
                .open(&path, place, (FOLLOW, CREATE, WRITE), 0)
                .stat(&path, FOLLOW, place);
        }
    }
    script
        .open("near", (FIRST, "near"), PLAIN, 0)
        .open("nearer", (FIRST, "nearer"), PLAIN, 0)
        .open("inner/deep", (FIRST, "inner/deep"), PLAIN, 0)
        .read("read it", Arg::Slot(0))
}

/// Links that somebody made before, and that a native program would follow.
#[test]
fn links_that_lead_out_are_not_followed_and_those_that_stay_are() {
    let lab = Lab::new();
    for file in ["in/file", "in/below/deep", "secret"] {
        lab.write(&format!("data/{file}"), file);
    }
    let staying = [
        ("near", "file"),
        ("nearer", "below/../near"),
        ("inner", "below/"),
    ];
    for (name, target) in LEADING_OUT.into_iter().chain(staying) {
        let target = target.replace("LAB", lab.root().to_str().unwrap());
        symlink(target, lab.path(&format!("data/in/{name}"))).unwrap();
    }
    let path = follows().build(&lab, "follows");
    let before = picture(&lab, "data");
    // Also where what they lead to is open by a name of its own, so that the walls around are of no help.
    for more in [
        &[][..],
        &["--dir", "data::/all::ro"],
        &["--dir", "/::/machine::ro"],
    ] {
        for dir in ["data/in::/in", "data/in::/in::ro"] {
            let arguments = [&["run", &path, "--dir", dir], more].concat();
            let answers = told(&lab.run(&arguments).exits(0));
            let (leads_out, stays) = answers.split_at(answers.len() - 4);
            assert_eq!(leads_out.len(), LEADING_OUT.len() * 16);
            for (what, answer) in leads_out {
                assert_ne!(*answer, "done", "{what}, with {more:?}");
            }
            assert!(
                stays.iter().all(|(_, answer)| *answer == "done"),
                "{stays:?}"
            );
            assert_eq!(picture(&lab, "data"), before, "{more:?}");
        }
    }
}

/// Whatever is granted, there is no process to look at and nothing of the engine's own.
#[test]
fn no_process_and_nothing_of_the_engine_is_to_be_seen() {
    let lab = Lab::new();
    let places = [
        "proc/self/maps",
        "proc/self/mem",
        "proc/self/environ",
        "proc/1/status",
        "proc/self/fd/0",
        "proc/version",
        "sys/kernel/osrelease",
        "sys/fs/cgroup/cgroup.procs",
        "dev/mem",
        "dev/kmsg",
    ];
    let mut script = Script::new().open("usr", (FIRST, "usr"), (FOLLOW, DIRECTORY, READ), 0);
    for place in places {
        script = script.open(place, (FIRST, place), PLAIN, 1);
    }
    let path = script.build(&lab, "looks");
    let ran = lab
        .run(&["run", &path, "--dir", "/::/machine::ro"])
        .exits(0);
    let answers = told(&ran);
    assert_eq!(answers[0].1, "done", "nothing of the machine is there");
    for (what, answer) in &answers[1..] {
        assert!(
            ["noent", "acces", "perm"].contains(answer),
            "{what}: {answer}"
        );
    }
    for dir in ["/proc", "/proc/self", "/sys", "/dev", "/proc/self/fd"] {
        let ran = lab.run(&["run", &path, "--dir", &format!("{dir}::/x::ro")]);
        ran.exits(125);
    }
    lab.run(&["run", &path, "--dir", "/::/x"]).exits(125);
}

#[test]
fn a_pipe_that_nobody_feeds_holds_a_program_no_longer_than_its_time() {
    let lab = Lab::new();
    lab.directory("data");
    let made = Command::new("/usr/bin/mkfifo")
        .arg(lab.path("data/pipe"))
        .status();
    assert!(made.unwrap().success());
    let script = Script::new()
        .open("pipe", (FIRST, "pipe"), PLAIN, 0)
        .read("read", Arg::Slot(0));
    let path = script.build(&lab, "opens");
    stopped(
        &lab,
        &path,
        &["--dir", "data", "--limit", "wall=400ms"],
        "wall",
    );
}

#[test]
fn a_socket_in_a_directory_is_no_way_to_who_listens() {
    let lab = Lab::new();
    lab.directory("data");
    let listener = UnixListener::bind(lab.path("data/socket")).unwrap();
    listener.set_nonblocking(true).unwrap();
    let script = Script::new()
        .open("to read", (FIRST, "socket"), PLAIN, 0)
        .open("to write", (FIRST, "socket"), (0, 0, WRITE), 0)
        .stat("look", 0, (FIRST, "socket"))
        .call(
            "send",
            "sock_send",
            &[
                Arg::Slot(0),
                Arg::Int(0),
                Arg::Int(0),
                Arg::Int(0),
                Arg::Into(1),
            ],
        );
    let ran = lab.run(&["run", &script.build(&lab, "opens"), "--dir", "data"]);
    let text = ran.exits(0).text();
    let answers: Vec<&str> = text
        .lines()
        .map(|line| line.rsplit_once(' ').unwrap().1)
        .collect();
    assert_eq!(answers[2], "00", "the socket is not there: {text}");
    for answer in [answers[0], answers[1], answers[3]] {
        assert_ne!(answer, "00", "{text}");
    }
    assert!(listener.accept().is_err());
}

#[test]
fn a_device_in_a_directory_is_not_opened() {
    if !is_root() {
        // Who cannot make one finds those of the machine: in its own `/dev`, which no grant opens.
        let lab = lab();
        let ran = lab.run(&["run", &program("misbehave-p1"), "--dir", "/dev::/x", "env"]);
        ran.exits(125);
        return;
    }
    let lab = Lab::new();
    lab.directory("data");
    let zero = lab.path("data/zero");
    let made = Command::new("/usr/bin/mknod")
        .args(["-m", "666", &zero, "c", "1", "5"])
        .status();
    if !made.unwrap().success() {
        return;
    }
    let script = Script::new().open("zero", (FIRST, "zero"), PLAIN, 0);
    let path = script.build(&lab, "opens");
    for mode in ["", "::ro"] {
        let ran = lab
            .run(&["run", &path, "--dir", &format!("data::/x{mode}")])
            .exits(0);
        assert_eq!(told(&ran)[0].1, "acces");
    }
}

/// WASI knows names in UTF-8 only, and a directory may hold others.
#[test]
fn names_that_are_not_unicode_end_nobody() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let lab = lab();
    lab.write("data/plain", "");
    fs::write(
        lab.root().join("data").join(OsStr::from_bytes(b"odd\xff")),
        "",
    )
    .unwrap();
    let listing = [
        FIRST,
        Arg::Int(4_096),
        Arg::Int(4_096),
        Arg::Long(0),
        Arg::Into(4),
    ];
    let script =
        Script::new()
            .quietly("fd_readdir", &listing)
            .open("plain", (FIRST, "plain"), PLAIN, 0);
    let ran = lab
        .run(&["run", &script.build(&lab, "lists"), "--dir", "data::/x::ro"])
        .exits(0);
    assert_eq!(told(&ran), [("plain".to_owned(), "done")]);
    for name in BOTH {
        let said = lab
            .run(&[
                "run",
                &program(name),
                "--dir",
                "data::/x::ro",
                "path-tricks",
            ])
            .exits(0);
        assert_eq!(said.record()["escapes"], json!([]));
    }
}

#[test]
fn names_of_every_length_are_answered() {
    let lab = Lab::new();
    lab.directory("data");
    let (longest, too_long) = ("n".repeat(255), "n".repeat(256));
    let deep = "d/".repeat(2_500);
    let mut script = Script::new();
    for path in [
        "", "\0", "a\0b", "/", "//", ".", "./", "a\nb", "\u{202e}", &longest, &too_long, &deep,
    ] {
        script = script
            .quietly("path_create_directory", &[FIRST, Arg::Text(path)])
            .quietly("path_unlink_file", &[FIRST, Arg::Text(path)])
            .quietly("path_symlink", &[Arg::Text(path), FIRST, Arg::Text("link")])
            .quietly("path_remove_directory", &[FIRST, Arg::Text(path)])
            .quietly("path_remove_directory", &[FIRST, Arg::Text("link/")])
            .quietly("path_unlink_file", &[FIRST, Arg::Text("link")]);
    }
    for path in [
        "..", "../", "../.", "./..", "x/../..", "../data", "../data/", "../../", "/..", ".",
    ] {
        script = script.at(path, "path_remove_directory", (FIRST, path));
    }
    let ran = lab
        .run(&["run", &script.build(&lab, "names"), "--dir", "data"])
        .exits(0);
    let answers = told(&ran);
    assert_eq!(answers.len(), 10);
    for (path, answer) in answers {
        assert_ne!(answer, "done", "removed `{path}`");
    }
    let left: Vec<_> = fs::read_dir(lab.path("data")).unwrap().collect();
    assert_eq!(left.len(), 0, "{left:?}");
}
