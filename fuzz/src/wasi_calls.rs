//! Subject: what a WASI program can do to files, given any sequence of calls.
//!
//! A program has a directory to read and one to write. Beside them lies what it was not given, and links in both lead
//! there. Whatever it calls in whatever order, what is outside stays as it is and unknown, and so stays, byte for byte,
//! what it may only read.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use host_wasm::{Artifact, End, Order, Preopen, RunOrder, Verdict, compile_here, work};

/// The program that does as it is told.
const OBEDIENT: &str = include_str!("wasi_calls/obedient.wat");
/// What stands outside, and nowhere else.
const SECRET: &[u8] = b"what nobody granted";
/// How many bytes one call takes, and how many calls one input makes.
const CALL_BYTES: usize = 8;
const CALLS_MAX: usize = 64;
/// The first words of a worker are its last; they fit.
const WORDS_BYTES_MAX: u64 = 4096;

/// Panics if a program reached what it was not granted.
pub fn check(data: &[u8]) {
    let world = World::new();
    let before = [world.picture("outside"), world.picture("ro")];
    let verdict = run(&world, data);
    assert!(
        matches!(verdict.end, End::Exited { code: 0 } | End::Limit { .. }),
        "{verdict:?}"
    );
    let after = [world.picture("outside"), world.picture("ro")];
    assert_eq!(before, after, "something changed that may not be written");
    world.assert_nothing_leaked();
}

/// Runs the calls of `data`.
fn run(world: &World, data: &[u8]) -> Verdict {
    let artifact = obedient();
    let mut code = tempfile::tempfile().expect("a file");
    code.write_all(&artifact.code).expect("room for the code");
    code.rewind().expect("a file");
    let calls = data.chunks_exact(CALL_BYTES).take(CALLS_MAX).flatten();
    let letters = calls.flat_map(|byte| [byte >> 4, byte & 15]);
    let letters: String = letters.map(|nibble| char::from(b'a' + nibble)).collect();
    let preopen = |name: &str, writable: bool| Preopen {
        place: world.path(name).to_str().expect("a plain path").to_owned(),
        name: format!("/{name}"),
        writable,
    };
    let order = Order::Run(RunOrder {
        kind: artifact.kind,
        arguments: vec!["obedient".to_owned(), letters],
        environment: Vec::new(),
        preopens: vec![preopen("ro", false), preopen("rw", true)],
        memory_bytes: 1 << 20,
        call_bytes: 1 << 20,
        handles: 64,
        streams_stdin: false,
    });
    let order = serde_json::to_string(&order).expect("plain values");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    work(&order, Some(OwnedFd::from(code)), writer.into());
    let mut said = String::new();
    reader
        .take(WORDS_BYTES_MAX)
        .read_to_string(&mut said)
        .expect("words");
    Verdict::read(&said).expect("a verdict")
}

fn obedient() -> &'static Artifact {
    static COMPILED: OnceLock<Artifact> = OnceLock::new();
    COMPILED.get_or_init(|| {
        let program = wat::parse_str(OBEDIENT).expect("our own program");
        let compiled = compile_here(&program).expect("an engine");
        Artifact::read(compiled.expect("a program")).expect("an artifact")
    })
}

/// One file, directory or link, as far as a program could change it.
#[derive(Debug, Eq, PartialEq)]
struct Entry {
    inode: u64,
    mode: u32,
    links: u64,
    modified: (i64, i64),
    content: Vec<u8>,
}

/// The directories of one input.
struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        let world = Self(tempfile::tempdir().expect("a directory"));
        let make = |path: &str| fs::create_dir(world.path(path)).expect("a directory");
        let put = |path: &str, content: &[u8]| {
            let mut file = File::create_new(world.path(path)).expect("a file");
            file.write_all(content).expect("room");
        };
        let link = |target: &Path, path: &str| symlink(target, world.path(path)).expect("a link");
        make("outside");
        put("outside/secret", SECRET);
        for root in ["ro", "rw"] {
            make(root);
            make(&format!("{root}/dir"));
            put(&format!("{root}/file"), b"a file");
            put(&format!("{root}/dir/file"), b"another");
            link(Path::new("../outside"), &format!("{root}/out"));
            link(Path::new("../../outside"), &format!("{root}/dir/out"));
            link(&world.path("outside"), &format!("{root}/abs"));
            link(Path::new("out"), &format!("{root}/chain"));
            link(Path::new("self"), &format!("{root}/self"));
        }
        world
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    /// Panics if the secret stands where the program could write it.
    fn assert_nothing_leaked(&self) {
        for (path, entry) in self.picture("rw") {
            let mut windows = entry.content.windows(SECRET.len());
            let holds = windows.any(|window| window == SECRET);
            assert!(!holds, "`{}` holds the secret", path.display());
        }
    }

    /// Everything below a directory, and the directory itself.
    fn picture(&self, root: &str) -> BTreeMap<PathBuf, Entry> {
        let mut found = BTreeMap::new();
        let mut waiting = vec![self.path(root)];
        while let Some(path) = waiting.pop() {
            let metadata = fs::symlink_metadata(&path).expect("it was listed");
            let content = if metadata.is_symlink() {
                let target = fs::read_link(&path).expect("a link");
                target.to_string_lossy().into_owned().into_bytes()
            } else if metadata.is_dir() {
                let listed = fs::read_dir(&path).expect("a directory");
                waiting.extend(listed.map(|entry| entry.expect("an entry").path()));
                Vec::new()
            } else {
                let mut content = Vec::new();
                let mut file = File::open(&path).expect("a file");
                file.read_to_end(&mut content).expect("its bytes");
                content
            };
            found.insert(
                path,
                Entry {
                    inode: metadata.ino(),
                    mode: metadata.permissions().mode(),
                    links: metadata.nlink(),
                    modified: (metadata.mtime(), metadata.mtime_nsec()),
                    content,
                },
            );
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opens and reads the file of the first directory, and the secret by each way that leads to it.
    const CALLS: [[u8; CALL_BYTES]; 4] = [
        [0, 0, 0, 0, 0, 0, 0, 0],
        [2, 2, 0, 0, 0, 0, 0, 0],
        [0, 1, 0, 6, 0, 1, 0, 0],
        [2, 3, 0, 0, 0, 0, 0, 0],
    ];

    #[test]
    fn what_the_program_learns_it_writes_down() {
        let world = World::new();
        run(&world, &CALLS.concat());
        let picture = world.picture("rw");
        let leak = &picture[&world.path("rw/leak")].content;
        assert!(leak.starts_with(b"a file"), "{:?}", &leak[..16]);
    }

    #[test]
    #[should_panic(expected = "holds the secret")]
    fn a_secret_that_was_reached_is_found() {
        let world = World::new();
        fs::copy(world.path("outside/secret"), world.path("rw/copy")).unwrap();
        world.assert_nothing_leaked();
    }
}
