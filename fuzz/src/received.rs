//! A sink that keeps what a bundle hands over and holds it against the manifest, and a module that gives it back.

use std::collections::BTreeMap;
use std::io::{self, Read};

use host_bundle::{FileEntry, FileMode, FileSink, ModuleSource, SourceFile};
use host_core::Digest;
use sha2::{Digest as _, Sha256};

/// Files by path: whether executable, and contents.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Received(pub(crate) BTreeMap<String, (bool, Vec<u8>)>);

impl Received {
    /// The bytes of all files together.
    pub(crate) fn bytes(&self) -> usize {
        self.0.values().map(|(_, contents)| contents.len()).sum()
    }
}

impl FileSink for Received {
    type File = Vec<u8>;

    fn begin(&mut self, _: &FileEntry) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn finish(&mut self, entry: &FileEntry, file: Vec<u8>) -> io::Result<()> {
        assert_eq!(file.len() as u64, entry.size, "size of {}", entry.path);
        assert_eq!(sha256(&file), entry.sha256, "digest of {}", entry.path);
        let executable = entry.mode == FileMode::Executable;
        let before = self.0.insert(entry.path.to_string(), (executable, file));
        assert_eq!(before, None, "{} came twice", entry.path);
        Ok(())
    }
}

impl ModuleSource for Received {
    fn files(&self) -> Vec<SourceFile> {
        let listed = |(path, (executable, contents)): (&String, &(bool, Vec<u8>))| SourceFile {
            path: path.clone(),
            executable: *executable,
            size: contents.len() as u64,
        };
        self.0.iter().map(listed).collect()
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn Read + '_>> {
        let (_, contents) = self.0.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(contents.as_slice()))
    }
}

/// The SHA-256 of some bytes, computed here.
pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}
