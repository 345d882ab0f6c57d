//! A file that appears whole under its name, or not at all.
//!
//! It is written beside its place under a name of its own, which is gone again when anything fails.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use host_core::Shown;
use tempfile::{Builder, NamedTempFile};

use crate::exit::Exit;
use crate::failure::Failure;

/// Mode of a new file that everyone may read, before the umask of the person takes its part.
const MODE: u32 = 0o666;

/// How the name of an unfinished file begins.
const PREFIX: &str = ".host-";

/// A file on its way to its place.
#[derive(Debug)]
pub(super) struct Draft(NamedTempFile);

impl Draft {
    /// Begins a file that will lie in `directory`.
    pub(super) fn within(directory: &Path) -> Result<Self, Failure> {
        let named = Builder::new()
            .prefix(PREFIX)
            .permissions(Permissions::from_mode(MODE))
            .tempfile_in(directory);
        named
            .map(Self)
            .map_err(|error| unwritten(directory, &error))
    }

    /// Begins a file that will have no place.
    pub(super) fn anywhere() -> Result<Self, Failure> {
        let named = Builder::new().prefix(PREFIX).tempfile();
        named
            .map(Self)
            .map_err(|error| unwritten(Path::new("a temporary file"), &error))
    }

    /// What was written so far, from its beginning.
    pub(super) fn reader(&self) -> io::Result<File> {
        self.0.reopen()
    }

    /// What is written to.
    pub(super) fn file(&self) -> &File {
        self.0.as_file()
    }

    /// Takes over the mode of a file that this one will replace, and for root its owner; whom else could give it away?
    pub(super) fn take_owner_and_mode_of(&self, other: &File) -> io::Result<()> {
        let found = other.metadata()?;
        if rustix::process::geteuid().is_root() {
            fchown(self.file(), Some(found.uid()), Some(found.gid()))?;
        }
        // Bits beyond reading, writing and executing were given to other bytes.
        let mode = found.mode() & 0o777;
        self.file().set_permissions(Permissions::from_mode(mode))
    }

    /// Puts the file in its place, where it replaces what was there.
    pub(super) fn place(self, path: &Path) -> Result<(), Failure> {
        // ORDER: the content is on disk before the name leads to it.
        self.file()
            .sync_all()
            .map_err(|error| unwritten(path, &error))?;
        self.0
            .persist(path)
            .map_err(|error| unwritten(path, &error.error))?;
        sync_parent(path).map_err(|error| unwritten(path, &error))
    }
}

/// Waits until the name of a file that was just put in its place is on disk.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    match File::open(parent.unwrap_or(Path::new("."))) {
        Ok(parent) => parent.sync_all(),
        // A directory that we may use but not list cannot be synced by us.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}

/// A file that cannot be written.
pub(crate) fn unwritten(path: &Path, error: &io::Error) -> Failure {
    let exit = match error.kind() {
        // Where to write was the person's word; a full disk is not.
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => Exit::Usage,
        _ => Exit::Machine,
    };
    // What does not come from the system straight names the unfinished file, which nobody knows.
    let cause = match error.raw_os_error() {
        Some(_) => error.to_string(),
        None => error.kind().to_string(),
    };
    let path = path.display().to_string();
    Failure::plain(exit, format!("cannot write to `{}`: {cause}", Shown(&path)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_draft_that_is_dropped_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let draft = Draft::within(directory.path()).unwrap();
        draft.file().write_all(b"half").unwrap();
        assert_eq!(directory.path().read_dir().unwrap().count(), 1);
        drop(draft);
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn a_placed_draft_replaces_what_was_there_and_has_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("b.tar");
        let old = File::create(&path).unwrap();
        old.set_permissions(Permissions::from_mode(0o6640)).unwrap();
        let draft = Draft::within(directory.path()).unwrap();
        draft.take_owner_and_mode_of(&old).unwrap();
        draft.file().write_all(b"new").unwrap();
        draft.place(&path).unwrap();
        let placed = File::open(&path).unwrap().metadata().unwrap();
        assert_eq!(
            (placed.len(), placed.permissions().mode() & 0o7777),
            (3, 0o640)
        );
        assert_eq!(directory.path().read_dir().unwrap().count(), 1);
    }
}
