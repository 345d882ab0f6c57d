//! Packing, signing and trusting where others do the same, where the cache is damaged, and where things lie oddly.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::lab::{Lab, binary};

/// A module with a version, whose task says `ran`.
fn module(lab: &Lab) -> String {
    lab.module("demo")
        .task(
            "init.sh",
            "#!/bin/sh\necho ran\n",
            json!({"description": "Says it"}),
        )
        .file(
            "metadata.json",
            r#"{"name": "author-demo", "version": "1.0.0"}"#,
        )
        .build()
}

/// Makes keys of `host`'s own; returns the paths of the private halves.
fn keys(lab: &Lab, count: usize) -> Vec<String> {
    let key = |number| {
        let path = lab.path(&format!("key{number}"));
        let comment = format!("author{number}@example.com");
        lab.run(&["key", "new", &path, "--comment", &comment])
            .exits(0);
        path
    };
    (0..count).map(key).collect()
}

/// Starts `host` beside others; the lab looks at what is left when all have ended.
fn start(lab: &Lab, arguments: &[&str]) -> Child {
    Command::new(binary())
        .args(arguments)
        .env_clear()
        .env("HOST_HOME", lab.home())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

fn all_succeed(children: Vec<Child>) {
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn authors_that_are_added_at_the_same_time_are_all_trusted() {
    const COUNT: usize = 20;
    let lab = Lab::new();
    let keys = keys(&lab, COUNT);
    let add = |key: &String| start(&lab, &["trust", "add", &format!("{key}.pub")]);
    all_succeed(keys.iter().map(add).collect());
    let shown = lab.run(&["--output", "json", "trust", "show"]).exits(0);
    let list = shown.record();
    assert_eq!(list["authors"].as_array().unwrap().len(), COUNT);
    assert_eq!(list["serial"], json!(COUNT));
}

#[test]
fn signatures_that_are_made_at_the_same_time_are_all_in_the_bundle() {
    const COUNT: usize = 6;
    let lab = Lab::new();
    let bundle = lab.path("demo.tar");
    lab.run(&["bundle", "pack", &module(&lab), "-o", &bundle, "--no-sign"])
        .exits(0);
    let keys = keys(&lab, COUNT);
    let sign = |key: &String| start(&lab, &["bundle", "sign", &bundle, "--key", key]);
    all_succeed(keys.iter().map(sign).collect());
    for key in &keys {
        lab.run(&["trust", "add", &format!("{key}.pub")]).exits(0);
    }
    let verified = lab.run(&["--output", "json", "bundle", "verify", &bundle]);
    let record = verified.exits(0).record();
    assert_eq!(record["signers"].as_array().unwrap().len(), COUNT);
}

#[test]
fn several_files_of_keys_are_added_together_or_not_at_all() {
    let lab = Lab::new();
    let keys = keys(&lab, 2);
    let [one, two] = [0, 1].map(|place: usize| format!("{}.pub", keys[place]));
    let odd = lab.write("odd.pub", "ssh-ed25519 AAAA odd\n");
    lab.run(&["trust", "add", &one, &odd])
        .exits(2)
        .says(&["odd.pub` cannot be added, so nothing was"]);
    lab.run(&["trust", "add", &one, &two]).exits(0);
    let list = lab.run(&["--output", "json", "trust", "show"]).record();
    assert_eq!(list["authors"].as_array().unwrap().len(), 2);
    assert_eq!(list["serial"], json!(1));
}

/// How a module lies oddly, by what is done to its directory; and what is said of it.
type Oddity = (&'static str, fn(&Path));

#[test]
fn nothing_of_a_module_is_left_out_in_silence() {
    let oddities: [Oddity; 7] = [
        ("files` is a link", |module| {
            fs::create_dir(module.join("../shared")).unwrap();
            symlink("../shared", module.join("files")).unwrap();
        }),
        ("lib` is a link", |module| {
            symlink("nowhere", module.join("lib")).unwrap()
        }),
        ("plans` is a file", |module| {
            fs::write(module.join("plans"), "x").unwrap()
        }),
        ("not named in UTF-8", |module| {
            fs::write(module.join(OsStr::from_bytes(b"tasks/caf\xe9.txt")), "x").unwrap();
        }),
        ("not named in UTF-8", |module| {
            fs::write(module.join(OsStr::from_bytes(b"README\xe9")), "x").unwrap();
        }),
        (".hidden` is a link", |module| {
            fs::create_dir(module.join("files")).unwrap();
            symlink("/etc/passwd", module.join("files/.hidden")).unwrap();
        }),
        ("LICENSE` is a link", |module| {
            symlink("README", module.join("LICENSE")).unwrap()
        }),
    ];
    for (said, make_odd) in oddities {
        let lab = Lab::new();
        let module = module(&lab);
        make_odd(Path::new(&module));
        let bundle = lab.path("demo.tar");
        lab.run(&["bundle", "pack", &module, "-o", &bundle, "--no-sign"])
            .exits(2)
            .says(&[said]);
        assert!(!Path::new(&bundle).exists());
    }
}

#[test]
fn what_belongs_to_no_bundle_is_left_out() {
    let lab = Lab::new();
    let module = module(&lab);
    fs::create_dir_all(format!("{module}/.git")).unwrap();
    fs::create_dir_all(format!("{module}/files")).unwrap();
    fs::write(format!("{module}/files/.swp"), "x").unwrap();
    symlink("/etc", format!("{module}/vendor")).unwrap();
    fs::write(Path::new(&module).join(OsStr::from_bytes(b"\xe9")), "x").unwrap();
    let bundle = lab.path("demo.tar");
    lab.run(&["bundle", "pack", &module, "-o", &bundle, "--no-sign"])
        .exits(0);
    let listed = Command::new("tar").args(["tf", &bundle]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let expected = [
        "host/manifest.json",
        "host/signatures.json",
        "metadata.json",
        "tasks/init.json",
        "tasks/init.sh",
    ];
    assert_eq!(listed.lines().collect::<Vec<_>>(), expected);
}

/// Where the cache keeps the file with this text.
fn kept(lab: &Lab, text: &str) -> PathBuf {
    let files = lab.files("home/cache/content");
    let holds = |path: &PathBuf| fs::read(path).unwrap() == text.as_bytes();
    files.into_iter().find(holds).unwrap()
}

#[test]
fn a_sound_bundle_runs_whatever_became_of_the_cache() {
    let lab = Lab::new();
    let module = module(&lab);
    let metadata = fs::read_to_string(format!("{module}/tasks/init.json")).unwrap();
    let damages: [fn(&Path); 6] = [
        |file| fs::write(file, "").unwrap(),
        |file| fs::File::create(file).unwrap().set_len(600 << 20).unwrap(),
        |file| {
            fs::remove_file(file).unwrap();
            fs::create_dir(file).unwrap();
        },
        |file| {
            let mut bytes = fs::read(file).unwrap();
            bytes[10] ^= 1;
            fs::write(file, bytes).unwrap();
        },
        |file| {
            fs::remove_file(file).unwrap();
            symlink("/etc/passwd", file).unwrap();
        },
        |file| fs::remove_file(file).unwrap(),
    ];
    let ran = || assert_eq!(lab.record(&[&module])["value"]["_output"], "ran\n");
    ran();
    for damage in damages {
        for text in ["#!/bin/sh\necho ran\n", &metadata] {
            let file = kept(&lab, text);
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            damage(&file);
            ran();
            kept(&lab, text);
        }
    }
}

#[test]
fn a_bundle_is_shown_from_a_pipe_as_from_a_file() {
    let lab = Lab::new();
    let module = module(&lab);
    let bundle = lab.path("demo.tar");
    lab.run(&["bundle", "pack", &module, "-o", &bundle, "--no-sign"])
        .exits(0);
    let plain = lab.path("plain.tar");
    let made = Command::new("tar")
        .args(["cf", &plain, "-C", &lab.path("modules"), "demo"])
        .status();
    assert!(made.unwrap().success());
    for file in [&bundle, &plain] {
        let shown = lab
            .run(&["--output", "json", "bundle", "show", file])
            .exits(0);
        let bytes = fs::read(file).unwrap();
        let piped = lab.host(&["--output", "json", "bundle", "show", "/dev/stdin"]);
        let piped = piped.stdin(bytes).run().exits(0).record();
        assert_eq!(piped["id"], shown.record()["id"], "{file}");
        assert_eq!(piped["tasks"], shown.record()["tasks"], "{file}");
    }
}

/// What lies beside a module is no part of it, in a tar as in a directory.
#[test]
fn a_plain_tar_is_shown_as_it_would_be_run() {
    let lab = Lab::new();
    let module = module(&lab);
    fs::create_dir_all(format!("{module}/.git")).unwrap();
    fs::write(format!("{module}/.git/config"), "x").unwrap();
    fs::write(format!("{module}/Rakefile"), "x").unwrap();
    let plain = lab.path("plain.tar");
    let made = Command::new("tar")
        .args(["cf", &plain, "-C", &lab.path("modules"), "demo"])
        .status();
    assert!(made.unwrap().success());
    let difference = lab.run(&["--output", "json", "bundle", "diff", &plain, &module]);
    assert_eq!(
        difference.exits(0).record()["changes"],
        Value::Array(Vec::new())
    );
}

#[test]
fn a_directory_is_no_name_of_a_key() {
    let lab = Lab::new();
    let directory = lab.directory("keys");
    for name in [
        directory.clone(),
        format!("{directory}/"),
        lab.path("none/"),
    ] {
        lab.run(&["key", "new", &name])
            .exits(2)
            .says(&["is a directory"])
            .hints("/key");
    }
    assert!(lab.files("keys").is_empty());
}
