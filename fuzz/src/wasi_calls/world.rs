//! The directories of one input: what the program has, what it has not, and whether it kept to that.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What stands outside, and nowhere else: as content, as a name and as what a link leads to.
const SECRET: &str = "what nobody granted";
/// When the last change outside was.
const SECRET_TIME: Duration = Duration::new(1_234_567_890, 987_654_321);

/// One file, directory or link, as far as a program could change it.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Entry {
    pub(super) inode: u64,
    pub(super) mode: u32,
    pub(super) links: u64,
    pub(super) modified: (i64, i64),
    pub(super) content: Vec<u8>,
}

/// The directories of one input: `ro` and `rw`, which the program has, and `outside`.
pub(super) struct World(tempfile::TempDir);

impl World {
    pub(super) fn new() -> Self {
        let world = Self(tempfile::tempdir().expect("a directory"));
        let make = |path: &str| fs::create_dir(world.path(path)).expect("a directory");
        let put = |path: &str, content: &[u8]| {
            let mut file = File::create_new(world.path(path)).expect("a file");
            file.write_all(content).expect("room");
        };
        let link = |target: &Path, path: &str| symlink(target, world.path(path)).expect("a link");
        make("outside");
        put("outside/secret", SECRET.as_bytes());
        put(&format!("outside/{SECRET}"), b"");
        link(Path::new(SECRET), "outside/link");
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
        for path in ["", "outside", "outside/secret"] {
            let file = File::open(world.path(path)).expect("it was made");
            let changed = file.set_modified(SystemTime::UNIX_EPOCH + SECRET_TIME);
            changed.expect("a file of ours");
        }
        world
    }

    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    /// All that the program may not change.
    pub(super) fn kept(&self) -> BTreeMap<PathBuf, Entry> {
        let mut kept = self.picture("");
        let writable = self.path("rw");
        kept.retain(|path, _| !path.starts_with(&writable));
        kept
    }

    /// Panics if what only the outside knows stands where the program could write it.
    pub(super) fn assert_nothing_leaked(&self, program: &str) {
        // As WASI 0.2 hands a time over.
        let mut time = SECRET_TIME.as_secs().to_le_bytes().to_vec();
        time.extend(SECRET_TIME.subsec_nanos().to_le_bytes());
        for (path, entry) in self.picture("rw") {
            for secret in [SECRET.as_bytes(), time.as_slice()] {
                let mut windows = entry.content.windows(secret.len());
                let holds = windows.any(|window| window == secret);
                assert!(!holds, "{program}: `{}` holds the secret", path.display());
            }
        }
    }

    /// Everything below a directory, and the directory itself.
    pub(super) fn picture(&self, root: &str) -> BTreeMap<PathBuf, Entry> {
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
