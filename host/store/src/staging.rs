//! A private directory in which a bundle's files wait until the last byte is verified.
//!
//! Files are written under passing names and hashed on the way; [`Staging::keep`] believes only the hash it made itself.
//! [`Staging::commit`] then links each into the content store, where an existing file of the same size is as good and
//! stays, unless it was found to be damaged; anything else in its place is replaced. A staging that is dropped removes itself. One whose process crashed is removed when a store is next
//! opened: its lock tells that nobody uses it, which is surer than its age and asks for no time.
//!
//! Nothing is synced: content is a cache, and is hashed again when it is read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};

use cap_std::fs::Dir;
use host_core::Digest;
use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use crate::content::{CONTENT, digest_of, is_kept, path_of, shelf_of};
use crate::disk::{DIRECTORY_MODE, DiskError, open_dir, open_file, open_or_make_dir};
use crate::lock::try_lock;
use crate::names::with_fresh_name;
use crate::store::Store;

/// Files that one staging may hold, kept or not.
pub const STAGED_FILES_MAX: u64 = 65_536;

/// Where stagings lie in the cache.
const STAGING: &str = "staging";

/// Leftovers that are looked at when a store is opened; the rest waits for the next time.
const LEFTOVERS_SWEPT_MAX: usize = 256;

/// Why a staged file was not kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeepError {
    /// The bytes that were written are not those of the digest.
    #[error("content has digest {found}, not {expected}")]
    Mismatch {
        /// The digest that it should have.
        expected: Digest,
        /// The digest that it has.
        found: Digest,
    },
}

/// Why staged files did not become visible.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The disk failed; some of the files may be visible, each of them whole.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Files on their way into the content store, seen by nobody yet.
#[derive(Debug)]
pub struct Staging {
    /// The cache.
    cache: Dir,
    /// The directory of all stagings.
    stagings: Dir,
    /// The name of ours in it.
    name: String,
    /// Ours; its lock is what keeps a sweep away.
    dir: Dir,
    created: u64,
    kept: BTreeMap<Digest, Kept>,
}

/// A staged file whose bytes were found to be those of its digest.
#[derive(Debug)]
struct Kept {
    name: String,
    size: u64,
    /// Whether what lies in its place is known to be damaged.
    replaces: bool,
}

/// A file that is being written into a [`Staging`].
#[derive(Debug)]
pub struct StagedFile {
    file: File,
    name: String,
    hasher: Sha256,
    size: u64,
    replaces: bool,
}

impl Store {
    /// Begins a staging.
    ///
    /// # Errors
    /// [`DiskError`] when the private directory cannot be made.
    pub fn stage(&self) -> Result<Staging, DiskError> {
        const DOING: &str = "make a staging directory";
        let cache = self
            .cache()
            .dir()
            .try_clone()
            .map_err(DiskError::when(DOING))?;
        let stagings = open_or_make_dir(&cache, STAGING).map_err(DiskError::when(DOING))?;
        let (dir, name) =
            with_fresh_name(|name| claim(&stagings, name)).map_err(DiskError::when(DOING))?;
        Ok(Staging {
            cache,
            stagings,
            name,
            dir,
            created: 0,
            kept: BTreeMap::new(),
        })
    }

    /// Begins a file without a name, on the disk of the cache; it is gone when it is closed.
    ///
    /// # Errors
    /// [`DiskError`] when it cannot be made.
    pub fn nameless(&self) -> Result<File, DiskError> {
        const DOING: &str = "make a nameless file";
        let how = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        let staging = self.stage()?;
        let (file, _) =
            with_fresh_name(|name| open_file(&staging.dir, name, how, Mode::RUSR | Mode::WUSR))
                .map_err(DiskError::when(DOING))?;
        // The directory takes the name with it.
        drop(staging);
        Ok(file)
    }
}

impl Staging {
    /// Begins a file.
    ///
    /// # Errors
    /// [`DiskError`] when the file cannot be created, or after [`STAGED_FILES_MAX`] of them.
    pub fn create(&mut self) -> Result<StagedFile, DiskError> {
        self.begin(false)
    }

    /// Begins a file that will replace the one of its digest, which was found to be damaged.
    ///
    /// # Errors
    /// As [`Staging::create`].
    pub fn create_over(&mut self) -> Result<StagedFile, DiskError> {
        self.begin(true)
    }

    fn begin(&mut self, replaces: bool) -> Result<StagedFile, DiskError> {
        let failed = || DiskError::when("create a staged file");
        if self.created == STAGED_FILES_MAX {
            return Err(failed()(Errno::MFILE));
        }
        let how = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        // Names are never used twice, so a file of another staging cannot be taken for one of ours.
        let (file, name) =
            with_fresh_name(|name| open_file(&self.dir, name, how, Mode::RUSR)).map_err(failed())?;
        self.created += 1;
        Ok(StagedFile {
            file,
            name,
            hasher: Sha256::new(),
            size: 0,
            replaces,
        })
    }

    /// Keeps a file that was written to its end, if its bytes are those of the digest.
    ///
    /// # Errors
    /// [`KeepError::Mismatch`]; the file is then forgotten.
    pub fn keep(&mut self, staged: StagedFile, digest: &Digest) -> Result<(), KeepError> {
        let found = digest_of(staged.hasher);
        if found != *digest {
            return Err(KeepError::Mismatch {
                expected: *digest,
                found,
            });
        }
        let replaces = staged.replaces || self.kept.get(&found).is_some_and(|kept| kept.replaces);
        let kept = Kept {
            name: staged.name,
            size: staged.size,
            replaces,
        };
        self.kept.insert(found, kept);
        Ok(())
    }

    /// Makes everything that was kept visible in the content store, and removes the rest.
    ///
    /// # Errors
    /// [`CommitError::Disk`]; what became visible before is whole and stays.
    pub fn commit(self) -> Result<(), CommitError> {
        let content = open_or_make_dir(&self.cache, CONTENT)
            .map_err(DiskError::when("make the content directory"))?;
        for (digest, kept) in &self.kept {
            shelve(&self.dir, kept, &content, digest)
                .map_err(DiskError::when("put a file into the content store"))?;
        }
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed now is a leftover for the next sweep.
        let _ = self.stagings.remove_dir_all(&self.name);
    }
}

impl Write for StagedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(bytes.get(..count).unwrap_or_default());
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Removes the stagings of processes that are gone; what fails here costs only space.
pub(crate) fn sweep(cache: &Dir) {
    let Ok(stagings) = open_dir(cache, STAGING) else {
        return;
    };
    let Ok(entries) = stagings.entries() else {
        return;
    };
    for entry in entries.take(LEFTOVERS_SWEPT_MAX).flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let Ok(dir) = open_dir(&stagings, name) else {
            continue;
        };
        if try_lock(&dir).is_ok() {
            let _ = stagings.remove_dir_all(name);
        }
    }
}

/// Makes and locks a directory; `EXIST` when the name is taken, or a sweep came between the two.
fn claim(stagings: &Dir, name: &str) -> Result<Dir, Errno> {
    fs::mkdirat(stagings, name, DIRECTORY_MODE)?;
    match open_dir(stagings, name) {
        Err(Errno::NOENT) => Err(Errno::EXIST),
        opened => hold(stagings, name, opened?),
    }
}

/// Locks a directory, unless a sweep is at it or has taken it away.
fn hold(stagings: &Dir, name: &str, dir: Dir) -> Result<Dir, Errno> {
    match try_lock(&dir) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Err(Errno::EXIST),
        // A file system without locks on directories: no sweep can lock it either, so none removes it.
        Err(_) => return Ok(dir),
    }
    let ours = fs::fstat(&dir)?;
    match fs::statat(stagings, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) if (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino) => Ok(dir),
        _ => Err(Errno::EXIST),
    }
}

/// Links a staged file to where its digest says.
fn shelve(staged: &Dir, kept: &Kept, content: &Dir, digest: &Digest) -> Result<(), Errno> {
    let path = path_of(digest);
    let link = || fs::linkat(staged, &*kept.name, content, &*path, AtFlags::empty());
    let linked = match link() {
        Err(Errno::NOENT) => {
            drop(open_or_make_dir(content, &shelf_of(digest))?);
            link()
        }
        linked => linked,
    };
    match linked {
        Err(Errno::EXIST) if kept.replaces || !is_kept(content, digest, kept.size)? => {
            replace(staged, &kept.name, content, &path)
        }
        Err(Errno::EXIST) => Ok(()),
        linked => linked,
    }
}

/// Moves a staged file over what is in its place and is not what it should be.
fn replace(staged: &Dir, name: &str, content: &Dir, path: &str) -> Result<(), Errno> {
    match fs::renameat(staged, name, content, path) {
        // Only what we made belongs in the cache, and no directory there.
        Err(Errno::ISDIR) => {
            let failed = |error: io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
            content.remove_dir_all(path).map_err(failed)?;
            fs::renameat(staged, name, content, path)
        }
        moved => moved,
    }
}

#[cfg(test)]
mod tests;
