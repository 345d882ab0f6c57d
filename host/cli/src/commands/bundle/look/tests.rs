use std::os::unix::fs::OpenOptionsExt;

use tempfile::TempDir;

use super::*;
use crate::printer::{OutputMode, Printer};
use crate::settings::{Environment, Settings};

const METADATA: &str = r#"{"name": "acme-service", "version": "1.4.0"}"#;
const TASK: &str = r#"{"extensions": {"host": {"asks": ["fs.read:/etc/app"]}}}"#;

fn context() -> Context {
    Context {
        settings: Settings::gather(Environment::default()).unwrap(),
        printer: Printer::new(OutputMode::Human, true),
    }
}

fn put(path: &Path, contents: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut options = File::options();
    let file = options.create(true).truncate(true).write(true).mode(0o755);
    file.open(path).unwrap().write_all(contents).unwrap();
}

fn module(task: &[u8]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    put(&directory.path().join("metadata.json"), METADATA.as_bytes());
    put(&directory.path().join("tasks/init.json"), task);
    put(
        &directory.path().join("tasks/init.sh"),
        b"#!/bin/sh\necho ok\n",
    );
    put(&directory.path().join("files/notes"), b"one\ntwo\n");
    directory
}

fn sealed(task: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    host_node::seal_directory(module(task).path(), &SealOptions::default(), &mut bytes).unwrap();
    bytes
}

fn look_at(bytes: &[u8]) -> Result<Contents, Failure> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("b.tar");
    put(&path, bytes);
    Look::at(&context(), &path)?.read(&context(), &BTreeSet::from(["files/notes"]))
}

fn asks(module: &Module) -> Vec<String> {
    let tasks = module.tasks().filter_map(|(_, task)| task.ok());
    tasks
        .flat_map(|task| &task.asks.asks)
        .map(|ask| ask.template.to_string())
        .collect()
}

#[test]
fn a_bundle_a_directory_and_a_plain_tar_show_the_same() {
    let contents = look_at(&sealed(TASK.as_bytes())).unwrap();
    assert_eq!(asks(&contents.module), ["fs.read:/etc/app"]);

    let directory = module(TASK.as_bytes());
    let look = Look::at(&context(), directory.path()).unwrap();
    let contents = look.read(&context(), &BTreeSet::new()).unwrap();
    assert_eq!(
        (asks(&contents.module), look.is_sealed),
        (vec!["fs.read:/etc/app".to_owned()], false)
    );

    let mut tar = tar_of(directory.path());
    let contents = look_at(&tar).unwrap();
    assert_eq!(asks(&contents.module), ["fs.read:/etc/app"]);
    tar.truncate(700);
    assert_eq!(look_at(&tar).unwrap_err().exit, Exit::Usage);
}

/// What any tar program would make of the module.
fn tar_of(directory: &Path) -> Vec<u8> {
    let mut tar = Vec::new();
    for name in ["metadata.json", "tasks/init.json", "tasks/init.sh"] {
        let contents = read_all(&directory.join(name));
        let mut header = [0_u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..108].copy_from_slice(b"0000755\0");
        header[124..136].copy_from_slice(format!("{:011o}\0", contents.len()).as_bytes());
        header[148..156].copy_from_slice(b"        ");
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar.extend(header);
        tar.extend(&contents);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

fn read_all(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut File::open(path).unwrap(), &mut bytes).unwrap();
    bytes
}

#[test]
fn only_what_describes_tasks_and_what_was_asked_for_is_kept() {
    let contents = look_at(&sealed(TASK.as_bytes())).unwrap();
    let kept: Vec<&str> = contents.texts.keys().map(String::as_str).collect();
    assert_eq!(kept, ["files/notes", "tasks/init.json"]);
}

#[test]
fn a_byte_that_is_not_as_the_manifest_says_shows_as_damage() {
    let whole = sealed(TASK.as_bytes());
    let place = |text: &[u8]| {
        whole
            .windows(text.len())
            .position(|window| window == text)
            .unwrap()
    };
    let flip = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    for (damage, bytes) in [
        ("manifest", flip(place(b"\"version\""))),
        ("task", flip(place(b"echo ok"))),
        ("text", flip(place(b"one\ntwo"))),
        ("end", flip(whole.len() - 1)),
        ("cut", whole[..whole.len() - 512].to_vec()),
        ("longer", [whole.as_slice(), &[0; 512]].concat()),
    ] {
        assert_eq!(
            look_at(&bytes).unwrap_err().exit,
            Exit::Untrusted,
            "{damage}"
        );
    }
}

#[test]
fn metadata_that_is_too_large_breaks_its_task_and_nothing_else() {
    let long = format!("{{\"description\": \"{}\"}}", "x".repeat(1 << 20));
    let directory = module(TASK.as_bytes());
    let options = SealOptions::default();
    let mut bytes = Vec::new();
    put(&directory.path().join("tasks/other.sh"), b"#!/bin/sh\n");
    put(&directory.path().join("tasks/other.json"), long.as_bytes());
    host_node::seal_directory(directory.path(), &options, &mut bytes).unwrap();
    let contents = look_at(&bytes).unwrap();
    let broken: Vec<String> = contents
        .module
        .tasks()
        .filter(|(_, task)| task.is_err())
        .map(|(name, _)| name.to_string())
        .collect();
    assert_eq!(broken, ["service::other"]);
    assert_eq!(asks(&contents.module), ["fs.read:/etc/app"]);
}
