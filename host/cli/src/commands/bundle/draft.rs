//! A file that appears whole under its name, or not at all.
//!
//! Until it is put in its place it has no name, so that nothing of it is left when we are ended before that. Where the
//! file system has no files without names, and for the moment in which another file is replaced, it lies beside its
//! place under a name of its own. That is gone again when anything fails, but not when we are killed just then.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, OFlags};
use tempfile::{Builder, NamedTempFile, TempPath};

use crate::clock;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wording::{first_reason, shown};

/// Mode of a new file that everyone may read, before the umask of the person takes its part.
const MODE: u32 = 0o666;

/// How the name of an unfinished file begins.
const PREFIX: &str = ".host-";

/// A file on its way to its place.
#[derive(Debug)]
pub(super) struct Draft(Kind);

#[derive(Debug)]
enum Kind {
    Nameless(File),
    Named(NamedTempFile),
}

impl Draft {
    /// Begins a file that will lie in `directory`.
    pub(super) fn within(directory: &Path) -> Result<Self, Failure> {
        let nameless = File::options()
            .read(true)
            .write(true)
            .mode(MODE)
            .custom_flags(OFlags::TMPFILE.bits().cast_signed())
            .open(directory);
        if let Ok(file) = nameless {
            return Ok(Self(Kind::Nameless(file)));
        }
        let named = Builder::new()
            .prefix(PREFIX)
            .permissions(Permissions::from_mode(MODE))
            .tempfile_in(directory);
        named
            .map(|file| Self(Kind::Named(file)))
            .map_err(|error| unwritten(directory, &error))
    }

    /// Begins a file that will have no place.
    pub(super) fn anywhere() -> Result<Self, Failure> {
        tempfile::tempfile()
            .map(|file| Self(Kind::Nameless(file)))
            .map_err(|error| unwritten(Path::new("a temporary file"), &error))
    }

    /// What was written so far, from its beginning.
    pub(super) fn reader(&self) -> io::Result<File> {
        File::open(in_proc(self.file()))
    }

    /// What is written to.
    pub(super) fn file(&self) -> &File {
        match &self.0 {
            Kind::Nameless(file) => file,
            Kind::Named(named) => named.as_file(),
        }
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
        let named = match self.0 {
            Kind::Nameless(file) => name(&file, path)?,
            Kind::Named(named) => named.into_temp_path(),
        };
        named
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

/// Gives a file without a name one beside its place, from which it can be moved over what is there.
fn name(file: &File, path: &Path) -> Result<TempPath, Failure> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let random = u64::from_ne_bytes(clock::random()?);
    let beside = directory.join(format!("{PREFIX}{random:016x}"));
    rustix::fs::linkat(CWD, in_proc(file), CWD, &beside, AtFlags::SYMLINK_FOLLOW)
        .map_err(|error| unwritten(path, &error.into()))?;
    TempPath::try_from_path(beside).map_err(|error| unwritten(path, &error))
}

/// A path that leads to an open file, whatever its name is.
fn in_proc(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// A file that cannot be written.
pub(crate) fn unwritten(path: &Path, error: &io::Error) -> Failure {
    let exit = match error.kind() {
        // Where to write was the person's word; a full disk is not.
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => Exit::Usage,
        _ => Exit::Machine,
    };
    // What does not come from the system straight names the unfinished file too, which nobody knows.
    let cause = first_reason(error);
    Failure::plain(exit, format!("cannot write to `{}`: {cause}", shown(path)))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn names(directory: &Path) -> usize {
        directory.read_dir().unwrap().count()
    }

    fn named(directory: &Path) -> Draft {
        let file = Builder::new().prefix(PREFIX).tempfile_in(directory);
        Draft(Kind::Named(file.unwrap()))
    }

    /// A run of `pack` that was killed left its half of a bundle beside the module.
    #[test]
    fn a_draft_that_is_not_placed_has_no_name() {
        let directory = tempfile::tempdir().unwrap();
        let draft = Draft::within(directory.path()).unwrap();
        draft.file().write_all(b"half").unwrap();
        assert_eq!(names(directory.path()), 0);
    }

    #[test]
    fn a_draft_that_must_have_a_name_is_gone_when_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let draft = named(directory.path());
        draft.file().write_all(b"half").unwrap();
        assert_eq!(names(directory.path()), 1);
        drop(draft);
        assert_eq!(names(directory.path()), 0);
    }

    #[test]
    fn a_draft_is_read_from_its_beginning() {
        let directory = tempfile::tempdir().unwrap();
        for draft in [
            Draft::within(directory.path()).unwrap(),
            Draft::anywhere().unwrap(),
            named(directory.path()),
        ] {
            draft.file().write_all(b"whole").unwrap();
            let mut text = String::new();
            draft.reader().unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "whole");
        }
    }

    #[test]
    fn a_placed_draft_replaces_what_was_there_and_has_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("b.tar");
        let nameless = |directory: &Path| Draft::within(directory).unwrap();
        for begin in [nameless as fn(&Path) -> Draft, named] {
            let draft = begin(directory.path());
            let old = File::create(&path).unwrap();
            old.set_permissions(Permissions::from_mode(0o6640)).unwrap();
            draft.take_owner_and_mode_of(&old).unwrap();
            draft.file().write_all(b"new").unwrap();
            draft.place(&path).unwrap();
            let placed = File::open(&path).unwrap().metadata().unwrap();
            assert_eq!(
                (placed.len(), placed.permissions().mode() & 0o7777),
                (3, 0o640)
            );
            assert_eq!(names(directory.path()), 1);
            std::fs::remove_file(&path).unwrap();
        }
    }
}
