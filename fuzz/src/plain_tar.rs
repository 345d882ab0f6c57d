//! Subject: the reader of plain tars, given any bytes.
//!
//! What it accepts is a module of files under names that a bundle may have, whose bytes were all in the tar, which other
//! readers of tars find in it too, and which can be sealed and received again unchanged.

use std::collections::BTreeMap;
use std::io::Read as _;

use host_bundle::{MemoryModule, ModuleSource as _, open, read_plain_tar};

use crate::fixture::sealed;
use crate::manifest::check_path;
use crate::received::Received;
use crate::tar_readers::{self, Habits};

/// Panics unless `data` is refused, or is a module that can be sealed.
pub fn check(data: &[u8]) {
    let Ok(module) = read_plain_tar(data) else {
        return;
    };
    let files = contents(&module);
    assert!(!files.0.is_empty());
    assert!(files.bytes() <= data.len(), "more came out than was in it");
    for path in files.0.keys() {
        check_path(path);
    }
    if let Some(directory) = module.directory() {
        check_path(directory);
        assert!(!directory.contains('/'));
    }
    check_members(data, &module, &files);
    let Some(bundle) = sealed(&module) else {
        // A plain tar may hold what is host's own place, or be too deep once a module is around it.
        let is_odd = |path: &String| path.to_lowercase().starts_with("host") || path.len() > 100;
        assert!(
            files.0.keys().any(is_odd),
            "an ordinary module cannot be sealed"
        );
        return;
    };
    let mut received = Received::default();
    let verified = open(bundle.as_slice())
        .expect("our own bundle")
        .of_local_author()
        .receive(&mut received);
    assert!(verified.is_ok());
    assert_eq!(received, files);
}

/// Panics unless other readers, whatever their habits, list the files that ours does.
fn check_members(data: &[u8], module: &MemoryModule, files: &Received) {
    let directory = module.directory().map(|name| format!("{name}/"));
    let above = directory.unwrap_or_default();
    let ours: BTreeMap<Vec<u8>, &Vec<u8>> = files
        .0
        .iter()
        .map(|(path, (_, contents))| (format!("{above}{path}").into_bytes(), contents))
        .collect();
    for (takes_any_prefix, skips_contents_of_directories) in
        [(false, false), (false, true), (true, false), (true, true)]
    {
        let habits = Habits {
            takes_any_prefix,
            skips_contents_of_directories,
        };
        let theirs = tar_readers::files(data, habits).expect("other readers stumble");
        let theirs: BTreeMap<Vec<u8>, &Vec<u8>> = theirs
            .iter()
            .map(|(name, contents)| (name.strip_prefix(b"./").unwrap_or(name).to_vec(), contents))
            .collect();
        assert_eq!(theirs, ours, "{habits:?}");
    }
}

fn contents(module: &MemoryModule) -> Received {
    let mut files = Received::default();
    for file in module.files() {
        let mut contents = Vec::new();
        let read = module
            .open(&file.path)
            .and_then(|mut reader| reader.read_to_end(&mut contents));
        assert!(
            read.is_ok_and(|bytes| bytes as u64 == file.size),
            "{}",
            file.path
        );
        let before = files.0.insert(file.path, (file.executable, contents));
        assert_eq!(before, None);
    }
    files
}
