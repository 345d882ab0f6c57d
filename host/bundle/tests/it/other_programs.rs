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

/// Tars whose members `tar` and Python's `tarfile` do not both see alike, as Python writes them.
const DECEIVING: &str = r"
import io, struct, sys, tarfile
def header(name, kind=b'0', size=0, magic=b'ustar\x0000', prefix=b''):
    block = bytearray(512)
    block[0:len(name)] = name
    block[100:108] = b'0000644\0'
    block[124:136] = b'%011o\0' % size
    block[148:156] = b' ' * 8
    block[156:157] = kind
    block[257:265] = magic
    block[345:345 + len(prefix)] = prefix
    block[148:156] = b'%06o\0 ' % sum(block)
    return bytes(block)
def padded(data):
    return data + bytes(-len(data) % 512)
ways = {
    'directory': header(b'd/', b'5', 512) + header(b'hidden'),
    'version': header(b'b', magic=b'ustar\0  ', prefix=b'hidden'),
    'old': header(b'b', magic=bytes(8), prefix=b'hidden'),
    'gnu': header(b'b', magic=b'ustar  \0', prefix=b'hidden'),
    'sun': header(b'x', b'x', 22) + padded(b'22 SUN.holesdata=0 1\n\n') + header(b'b'),
    'star': header(b'x', b'x', 21) + padded(b'21 SCHILY.realsize=9\n') + header(b'b'),
}
whole = header(b'a') + ways[sys.argv[1]] + header(b'z') + bytes(1024)
if sys.argv[2] == 'write':
    sys.stdout.buffer.write(whole)
else:
    print('\n'.join(tarfile.open(fileobj=io.BytesIO(whole)).getnames()))
";

/// What one of the two lists and we would not is what a person who looks into the tar would never see us run.
#[test]
fn a_tar_in_which_tar_and_python_see_other_members_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let python = |way: &str, what: &str| {
        output(
            "python3",
            &["-c", DECEIVING, way, what],
            directory.path(),
            b"",
        )
    };
    let mut differ = 0;
    for way in ["directory", "version", "old", "gnu", "sun", "star"] {
        let bytes = python(way, "write");
        let by_python = String::from_utf8(python(way, "list")).unwrap();
        let by_tar = output("tar", &["tf", "-"], directory.path(), &bytes);
        let by_tar = String::from_utf8(by_tar).unwrap().replace("d/", "d");
        differ += usize::from(by_python.trim_end() != by_tar.trim_end());
        let read = read_plain_tar(bytes.as_slice());
        assert!(read.is_err(), "{way}: python {by_python:?}, tar {by_tar:?}");
    }
    assert!(differ > 0, "these tars deceive nobody");
}
