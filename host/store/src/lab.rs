//! What the tests of this crate share: a store in a directory of its own, and a disk that is small or cannot be written.

use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tempfile::TempDir;

use crate::{OpenMode, Places, Store};

/// Four directories, not made yet, below one that goes away with the value.
#[derive(Debug)]
pub(crate) struct Lab {
    root: TempDir,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        // A temporary directory can be reached by a link; what is tested here begins behind it.
        self.root.path().canonicalize().unwrap().join(below)
    }

    pub(crate) fn places(&self) -> Places {
        Places {
            config: self.path("config"),
            state: self.path("state"),
            cache: self.path("cache"),
            runtime: self.path("runtime"),
        }
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(&self.places(), OpenMode::Write).unwrap()
    }
}

/// Writes a file with exactly this mode.
pub(crate) fn put(path: &Path, bytes: impl AsRef<[u8]>, mode: u32) {
    File::create(path)
        .unwrap()
        .write_all(bytes.as_ref())
        .unwrap();
    set_mode(path, mode);
}

pub(crate) fn get(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

pub(crate) fn make_dir(path: &Path, mode: u32) {
    fs::create_dir_all(path).unwrap();
    set_mode(path, mode);
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn mode_of(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// The names in a directory, sorted.
pub(crate) fn names_in(path: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|entry| name(entry).into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// An error and its causes as a person reads them.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// A file system of its own over a directory.
#[derive(Debug)]
pub(crate) struct Disk {
    at: PathBuf,
}

impl Disk {
    /// `None` where mounting is not allowed. What is tested with a mount is tested in another way too, which needs
    /// no privilege.
    pub(crate) fn mount(at: &Path, flags: MountFlags, size_bytes: u64) -> Option<Self> {
        make_dir(at, 0o700);
        let options = format!("size={size_bytes},mode=0700");
        let options = std::ffi::CString::new(options).unwrap();
        mount("host-store-test", at, "tmpfs", flags, &*options).ok()?;
        Some(Self { at: at.to_owned() })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        unmount(&self.at, UnmountFlags::DETACH).unwrap();
    }
}
