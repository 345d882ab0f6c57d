//! What `tar` and `sha256sum` say of our bundles, and what we say of tars that `tar` made.
#![expect(
    clippy::disallowed_methods,
    reason = "these tests are about other programs and real files"
)]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use host_bundle::{ModuleSource, open, read_plain_tar};

use crate::fixtures::{Files, packed, sealed};

/// Runs a program and gives its output; `input` is its standard input.
fn output(program: &str, arguments: &[&str], directory: &Path, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}");
    output.stdout
}

#[test]
fn tar_and_sha256sum_agree_about_a_bundle() {
    let long = format!("files/{}/{}", "d".repeat(140), "f".repeat(99));
    let mut files = Files::small();
    files.0.push((long.clone(), false, b"long".to_vec()));
    let (bytes, packed) = packed(&files);
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("b.tar"), &bytes).unwrap();
    let run = |program, arguments: &[&str]| output(program, arguments, directory.path(), b"");

    let listed = String::from_utf8(run("tar", &["tf", "b.tar"])).unwrap();
    let expected = [
        "host/manifest.json",
        "host/signatures.json",
        &long,
        "tasks/init.json",
        "tasks/init.sh",
    ];
    assert_eq!(listed.lines().collect::<Vec<_>>(), expected);

    run("tar", &["xf", "b.tar"]);
    let mut sums: String = packed
        .manifest
        .files()
        .iter()
        .map(|file| format!("{}  {}\n", file.sha256, file.path))
        .collect();
    sums += &format!("{}  host/manifest.json\n", packed.id);
    output(
        "sha256sum",
        &["--check", "--strict"],
        directory.path(),
        sums.as_bytes(),
    );
    let manifest = fs::read(directory.path().join("host/manifest.json")).unwrap();
    assert_eq!(manifest, open(bytes.as_slice()).unwrap().manifest_bytes());
}

#[test]
fn tars_of_every_format_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let long = format!("files/{}/{}", "d".repeat(90), "f".repeat(60));
    let module = directory.path().join("disk");
    for (path, contents) in [
        ("tasks/init.sh", "#!/bin/sh\n"),
        ("metadata.json", "{}"),
        (&long, "é"),
    ] {
        let path = module.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }
    let mut sealed_alike = Vec::new();
    for format in ["gnu", "oldgnu", "pax", "posix", "ustar"] {
        for (from, what) in [(directory.path(), "disk"), (&module, ".")] {
            let format = format!("--format={format}");
            let bytes = output("tar", &["cf", "-", &format, what], from, b"");
            let read = read_plain_tar(bytes.as_slice()).unwrap();
            assert_eq!(
                read.directory(),
                (what == "disk").then_some("disk"),
                "{format}"
            );
            let paths: Vec<_> = read.files().into_iter().map(|file| file.path).collect();
            assert_eq!(
                paths,
                [&long, "metadata.json", "tasks/init.sh"],
                "{format} {what}"
            );
            sealed_alike.push(sealed(&read));
        }
    }
    sealed_alike.dedup();
    assert_eq!(sealed_alike.len(), 1);
}

#[test]
fn a_tar_with_a_link_or_a_hole_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::create_dir_all(path("disk/tasks")).unwrap();
    fs::write(path("disk/tasks/init.sh"), "x").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", path("disk/tasks/link")).unwrap();
    let read =
        || read_plain_tar(output("tar", &["cf", "-", "disk"], directory.path(), b"").as_slice());
    assert!(
        read()
            .unwrap_err()
            .to_string()
            .contains("`disk/tasks/link` is a symbolic link")
    );
    fs::remove_file(path("disk/tasks/link")).unwrap();
    fs::hard_link(path("disk/tasks/init.sh"), path("disk/tasks/twin")).unwrap();
    assert!(read().unwrap_err().to_string().contains("is a hard link"));
    fs::remove_file(path("disk/tasks/twin")).unwrap();
    assert!(read().is_ok());
    fs::File::create(path("disk/hole"))
        .unwrap()
        .set_len(1 << 20)
        .unwrap();
    for format in ["--format=gnu", "--format=posix"] {
        let bytes = output("tar", &["cSf", "-", format, "disk"], directory.path(), b"");
        assert!(
            read_plain_tar(bytes.as_slice())
                .unwrap_err()
                .to_string()
                .contains("a sparse file")
        );
    }
}
