//! Configuration, policy, trust lists and keys: files that only their owner could have written.
//!
//! Such a file is a regular file that belongs to us or root and that nobody else can write; a private one nobody else
//! can read. It lies in a directory that passed the walk of [`OwnedDir::open`], is opened once, without following a
//! link, and is never larger than the caller expects. Nothing here knows what the files mean.

use std::fs::File;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use rustix::fs::{FileType, Mode, OFlags, Stat, fstat};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::disk::{DiskError, FILE_MODE, open_file, read_whole};
use crate::replace::replace;
use crate::walk::{IfMissing, Leaf, OpenDirError, enter, shown, walk};

/// Who else may know what is in a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Privacy {
    /// Nobody: keys and secrets. Written with mode 0600.
    Private,
    /// Anyone on this machine: policy, trust lists, settings. Written with mode 0644.
    Public,
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadOwnedError {
    /// The path names no file, or the name is not the name of a file in this directory.
    #[error("`{path}` is not the name of a file")]
    Name {
        /// The path, printable.
        path: String,
    },
    /// The directory that holds the file did not pass.
    #[error("directory of the file cannot be relied on")]
    Directory(#[source] OpenDirError),
    /// There is no such file.
    #[error("`{path}` does not exist")]
    Missing {
        /// The file, printable.
        path: String,
    },
    /// The file is a symbolic link, and where it leads was not checked.
    #[error("`{path}` is a symbolic link: name the file that it leads to")]
    Link {
        /// The link, printable.
        path: String,
    },
    /// Something other than a regular file.
    #[error("`{path}` is not a regular file")]
    NotFile {
        /// What is in the way, printable.
        path: String,
    },
    /// Someone else could change the file at will.
    #[error(
        "`{path}` belongs to uid {owner}, not to uid {us} or root: `chown {us} '{path}'` mends it"
    )]
    Owner {
        /// The file, printable.
        path: String,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        us: u32,
    },
    /// Others can write to the file.
    #[error(
        "`{path}` has mode {mode:04o}, so others can write to it: `chmod go-w '{path}'` mends it"
    )]
    Writable {
        /// The file, printable.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// Others can read a file that is private.
    #[error("`{path}` has mode {mode:04o}, so others can read it: `chmod go= '{path}'` mends it")]
    Readable {
        /// The file, printable.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is larger than anything expected in its place.
    #[error("`{path}` is larger than {size_max} bytes")]
    TooLarge {
        /// The file, printable.
        path: String,
        /// The limit in bytes.
        size_max: u64,
    },
    /// The disk failed.
    #[error("cannot read `{path}`")]
    Disk {
        /// The file, printable.
        path: String,
        /// What failed.
        #[source]
        source: DiskError,
    },
}

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteOwnedError {
    /// The path names no file, or the name is not the name of a file in this directory.
    #[error("`{path}` is not the name of a file")]
    Name {
        /// The path, printable.
        path: String,
    },
    /// The directory that would hold the file did not pass.
    #[error("directory of the file cannot be relied on")]
    Directory(#[source] OpenDirError),
    /// The disk failed; the file is as it was.
    #[error("cannot write `{path}`")]
    Disk {
        /// The file, printable.
        path: String,
        /// What failed.
        #[source]
        source: DiskError,
    },
}

/// An open directory that nobody but its owner, us or root, can change; nor can anyone swap it for another.
#[derive(Debug)]
pub struct OwnedDir {
    path: PathBuf,
    dir: Dir,
}

impl OwnedDir {
    /// Opens the directory after judging it and each of its parents: owned by us or root, writable by nobody else.
    ///
    /// # Errors
    /// [`OpenDirError`] names the directory that did not pass and what mends it.
    pub fn open(path: &Path) -> Result<Self, OpenDirError> {
        Self::walked(path, IfMissing::Fail)
    }

    /// The same, after making what is missing of the path, durably and with mode 0700.
    ///
    /// # Errors
    /// As [`OwnedDir::open`], and when a directory cannot be made.
    pub fn create(path: &Path) -> Result<Self, OpenDirError> {
        Self::walked(path, IfMissing::MakeDurable)
    }

    /// The same for a directory that may be lost: it is made without waiting for the disk.
    pub(crate) fn create_passing(path: &Path) -> Result<Self, OpenDirError> {
        Self::walked(path, IfMissing::Make)
    }

    /// Where the directory was found, for messages; never to be opened again.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open directory.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Opens a directory inside this one, judged like it; no link is followed.
    ///
    /// # Errors
    /// [`OpenDirError`], also when there is none.
    pub fn subdirectory(&self, name: &str) -> Result<Self, OpenDirError> {
        let path = self.path.join(name);
        if !is_name(name) {
            return Err(OpenDirError::NotDirectory { path: shown(&path) });
        }
        Ok(Self {
            dir: enter(&self.dir, name, &path)?,
            path,
        })
    }

    /// Reads a file of this directory, at most `size_max` bytes of it.
    ///
    /// # Errors
    /// [`ReadOwnedError`] when the file is missing, too large, or could have been written (or, when private, read) by
    /// others.
    pub fn read(
        &self,
        name: &str,
        size_max: u64,
        privacy: Privacy,
    ) -> Result<Vec<u8>, ReadOwnedError> {
        read_judged(&self.dir, name, &self.path.join(name), size_max, privacy)
    }

    /// Replaces or creates a file of this directory; it is on disk when this returns, and never half of it.
    ///
    /// # Errors
    /// [`WriteOwnedError`]; the file is then as it was.
    pub fn write(&self, name: &str, bytes: &[u8], privacy: Privacy) -> Result<(), WriteOwnedError> {
        write_replaced(&self.dir, name, &self.path.join(name), bytes, privacy)
    }

    fn walked(path: &Path, missing: IfMissing) -> Result<Self, OpenDirError> {
        Ok(Self {
            dir: walk(path, missing, Leaf::Private)?,
            path: path.to_owned(),
        })
    }
}

/// Reads one file by its absolute path, at most `size_max` bytes of it, after judging it and each of its parents.
///
/// # Errors
/// [`ReadOwnedError`] when the file is missing, too large, or could have been written (or, when private, read) by
/// others.
pub fn read_owned(path: &Path, size_max: u64, privacy: Privacy) -> Result<Vec<u8>, ReadOwnedError> {
    let (parent, name) = split(path).ok_or_else(|| ReadOwnedError::Name { path: shown(path) })?;
    let dir =
        walk(parent, IfMissing::Fail, Leaf::Sticky).map_err(|error| missing_or(path, error))?;
    read_judged(&dir, name, path, size_max, privacy)
}

/// Replaces or creates one file by its absolute path; it is on disk when this returns, and never half of it.
///
/// # Errors
/// [`WriteOwnedError`], also when the directory is missing; the file is then as it was.
pub fn write_owned(path: &Path, bytes: &[u8], privacy: Privacy) -> Result<(), WriteOwnedError> {
    let (parent, name) = split(path).ok_or_else(|| WriteOwnedError::Name { path: shown(path) })?;
    let dir = walk(parent, IfMissing::Fail, Leaf::Sticky).map_err(WriteOwnedError::Directory)?;
    write_replaced(&dir, name, path, bytes, privacy)
}

fn split(path: &Path) -> Option<(&Path, &str)> {
    Some((path.parent()?, path.file_name()?.to_str()?))
}

/// A file whose directory is missing is missing.
fn missing_or(path: &Path, error: OpenDirError) -> ReadOwnedError {
    match error {
        OpenDirError::Missing { .. } => ReadOwnedError::Missing { path: shown(path) },
        error => ReadOwnedError::Directory(error),
    }
}

/// Whether the name stays in its directory.
fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0'])
}

fn read_judged(
    dir: &Dir,
    name: &str,
    path: &Path,
    size_max: u64,
    privacy: Privacy,
) -> Result<Vec<u8>, ReadOwnedError> {
    if !is_name(name) {
        return Err(ReadOwnedError::Name { path: shown(path) });
    }
    let failed = |source| ReadOwnedError::Disk {
        path: shown(path),
        source,
    };
    let file = open_to_judge(dir, name, path)?;
    let found = fstat(&file).map_err(|errno| failed(DiskError::when("look at a file")(errno)))?;
    judge(&found, path, privacy)?;
    let size = u64::try_from(found.st_size).unwrap_or(0);
    let bytes = read_whole(&file, size, size_max)
        .map_err(|error| failed(DiskError::when("read a file")(error)))?;
    bytes.ok_or_else(|| ReadOwnedError::TooLarge {
        path: shown(path),
        size_max,
    })
}

pub(crate) fn open_to_judge(dir: &Dir, name: &str, path: &Path) -> Result<File, ReadOwnedError> {
    let path = || shown(path);
    open_file(dir, name, OFlags::RDONLY, Mode::empty()).map_err(|errno| match errno {
        Errno::NOENT => ReadOwnedError::Missing { path: path() },
        Errno::LOOP => ReadOwnedError::Link { path: path() },
        // What a socket answers.
        Errno::NXIO => ReadOwnedError::NotFile { path: path() },
        _ => ReadOwnedError::Disk {
            path: path(),
            source: DiskError::when("open a file")(errno),
        },
    })
}

fn judge(found: &Stat, path: &Path, privacy: Privacy) -> Result<(), ReadOwnedError> {
    let path = || shown(path);
    let us = geteuid().as_raw();
    let mode = Mode::from_raw_mode(found.st_mode).as_raw_mode();
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err(ReadOwnedError::NotFile { path: path() });
    }
    if found.st_uid != us && found.st_uid != 0 {
        return Err(ReadOwnedError::Owner {
            path: path(),
            owner: found.st_uid,
            us,
        });
    }
    if mode & 0o022 != 0 {
        return Err(ReadOwnedError::Writable { path: path(), mode });
    }
    if privacy == Privacy::Private && mode & 0o077 != 0 {
        return Err(ReadOwnedError::Readable { path: path(), mode });
    }
    Ok(())
}

fn write_replaced(
    dir: &Dir,
    name: &str,
    path: &Path,
    bytes: &[u8],
    privacy: Privacy,
) -> Result<(), WriteOwnedError> {
    if !is_name(name) {
        return Err(WriteOwnedError::Name { path: shown(path) });
    }
    let mode = match privacy {
        Privacy::Private => FILE_MODE,
        Privacy::Public => FILE_MODE | Mode::RGRP | Mode::ROTH,
    };
    replace(dir, name, bytes, mode).map_err(|source| WriteOwnedError::Disk {
        path: shown(path),
        source,
    })
}

#[cfg(test)]
mod tests;
