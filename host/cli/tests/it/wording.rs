//! What is said of a slip: the file, the flag or the number that it is about, and what to do next.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::lab::{Host, Lab};

#[test]
fn a_key_file_that_is_missing_or_bad_is_named() {
    let lab = Lab::new();
    let ran = lab.run(&["key", "new", "--comment", "me@example.com"]);
    let good = lab.write("good.pub", ran.exits(0).text());
    let bad = lab.write("bad.pub", "rubbish\n");
    lab.run(&["trust", "add", &good, &good, "/nonexist"])
        .exits(2)
        .says(&["there is no `/nonexist`"]);
    lab.run(&["trust", "add", &bad])
        .exits(2)
        .says(&[&format!("`{bad}` cannot be added, so nothing was")]);
    assert!(!lab.home().join("config/trust.json").exists());
}

#[test]
fn a_number_without_an_end_is_told_as_one() {
    let lab = Lab::new();
    let module = lab.shell("cat");
    lab.run(&["run", &module, "--input", "f: .inf"])
        .exits(2)
        .says(&["input has a number that JSON does not have: line 1, column 4"]);
}

#[test]
fn a_flag_without_its_value_shows_how_it_is_written() {
    let lab = Lab::new();
    let module = lab.shell("true");
    lab.run(&["run", &module, "--allow"])
        .exits(2)
        .says(&["`--allow` has no value"])
        .hints("write it as --allow CAP");
}

#[test]
fn help_is_found_by_its_name_too() {
    let lab = Lab::new();
    for (asked, usual) in [
        (&["help"][..], &["--help"][..]),
        (&["help", "run"], &["run", "--help"]),
        (&["help", "bundle", "pack"], &["bundle", "pack", "--help"]),
    ] {
        let asked = lab.run(asked).exits(0).text();
        assert_eq!(asked, lab.run(usual).exits(0).text());
    }
}

#[test]
fn a_bundle_is_packed_to_where_out_says() {
    let lab = Lab::new();
    let module = lab.shell("true");
    let bundle = lab.path("x.tar");
    let line = ["bundle", "pack", &module, "--version", "1.0.0", "--no-sign"];
    lab.run(&[&line[..], &["--out", &bundle]].concat()).exits(0);
    assert!(fs::exists(&bundle).unwrap());
}

/// A plain tar of these directories of `modules`.
fn tar(lab: &Lab, directories: &[&str]) -> String {
    let (tar, above) = (lab.path("plain.tar"), lab.path("modules"));
    let made = Command::new("tar")
        .args([&["-cf", &tar, "-C", &above], directories].concat())
        .status();
    assert!(made.unwrap().success());
    tar
}

#[test]
fn a_plain_tar_of_two_modules_is_told_as_one() {
    let lab = Lab::new();
    lab.shell("true");
    lab.module("other")
        .task("init.sh", "#!/bin/sh\n", Value::Null)
        .build();
    let tar = tar(&lab, &["demo", "other"]);
    lab.run(&["run", &tar])
        .exits(2)
        .says(&["holds more than one module: demo, other"])
        .hints("make a tar of one of them");
}

/// It could not be read twice.
#[test]
fn a_plain_tar_comes_through_a_pipe() {
    let lab = Lab::new();
    lab.shell("echo ran");
    let tar = tar(&lab, &["demo"]);
    let script = "host=$1; cat \"$2\" | \"$host\" run /dev/stdin";
    let ran = Host::by_shell(&lab, script, &[&tar]).run().exits(0);
    assert_eq!(ran.text(), "ran\n");
}

#[test]
fn the_file_in_a_directory_that_cannot_be_relied_on_is_named() {
    let lab = Lab::new();
    let key = lab.write("shared/key", "x");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs::set_permissions(lab.path("shared"), open).unwrap();
    let module = lab.shell("true");
    let bundle = lab.path("x.tar");
    lab.run(&[
        "bundle",
        "pack",
        &module,
        "--version",
        "1.0.0",
        "--no-sign",
        "-o",
        &bundle,
    ])
    .exits(0);
    lab.run(&["bundle", "sign", &bundle, "--key", &key])
        .exits(2)
        .says(&[&format!("the key `{key}` cannot be used")]);
    lab.run(&["bundle", "sign", &bundle, "--key", "/nonexist"])
        .exits(2)
        .says(&["there is no `/nonexist`"]);
}
