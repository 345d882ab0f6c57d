//! Files kept once each, by what is in them: `content/<2 hex>/<62 hex>` in the cache, mode 0400.
//!
//! Where a file lies proves nothing. Each is hashed again when it is read, through the descriptor it is read by; one
//! that is not what its name says is refused and removed, so that the next bundle can put it right. How files get in is
//! in [`staging`](crate::staging).

use cap_std::fs::Dir;
use host_core::Digest;
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat, fstat};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use crate::disk::{DiskError, open_dir, open_file, read_whole};
use crate::store::Store;

/// Where content lies in the cache.
pub(crate) const CONTENT: &str = "content";

/// Why content was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadContentError {
    /// Nothing with this digest is kept.
    #[error("content {digest} is not here")]
    Missing {
        /// The digest that was asked for.
        digest: Digest,
    },
    /// What was kept has other bytes; it was removed if it could be.
    #[error("content {digest} is damaged")]
    Damaged {
        /// The digest that was asked for.
        digest: Digest,
    },
    /// What is kept is larger than the caller expects.
    #[error("content {digest} is larger than {size_max} bytes")]
    TooLarge {
        /// The digest that was asked for.
        digest: Digest,
        /// The limit in bytes.
        size_max: u64,
    },
    /// The disk failed.
    #[error("content {digest} cannot be read")]
    Disk {
        /// The digest that was asked for.
        digest: Digest,
        /// What failed.
        #[source]
        source: DiskError,
    },
}

impl Store {
    /// Whether a file of this size is kept under this digest; no proof that its bytes are what they should be.
    #[cfg(test)]
    pub(crate) fn has(&self, digest: &Digest, size: u64) -> bool {
        open_dir(self.cache().dir(), CONTENT)
            .and_then(|content| is_kept(&content, digest, size))
            .unwrap_or(false)
    }

    /// Reads content of at most `size_max` bytes and proves that it is what the digest says.
    ///
    /// # Errors
    /// [`ReadContentError`] when it is missing, too large, or damaged; a damaged file is removed when the store was
    /// opened for writing.
    pub fn read(&self, digest: &Digest, size_max: u64) -> Result<Vec<u8>, ReadContentError> {
        let content =
            open_dir(self.cache().dir(), CONTENT).map_err(|errno| open_failed(*digest, errno))?;
        let read = read_proven(&content, digest, size_max);
        if matches!(read, Err(ReadContentError::Damaged { .. })) && self.may_write() {
            // A good copy that came between is lost with it, which costs fetching it again; that the removal fails
            // costs refusing the file again.
            let _ = content.remove_file(path_of(digest));
        }
        read
    }
}

/// Where content with this digest lies below [`CONTENT`].
pub(crate) fn path_of(digest: &Digest) -> String {
    let mut path = digest.to_string();
    path.insert(2, '/');
    path
}

/// Whether what lies where the digest says is a regular file of this size.
pub(crate) fn is_kept(content: &Dir, digest: &Digest, size: u64) -> Result<bool, Errno> {
    let found = fs::statat(content, path_of(digest), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(is_file_of(&found, size))
}

/// Whether this is a regular file of this size.
pub(crate) fn is_file_of(found: &Stat, size: u64) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::RegularFile
        && u64::try_from(found.st_size).is_ok_and(|found| found == size)
}

/// The directory part of [`path_of`].
pub(crate) fn shelf_of(digest: &Digest) -> String {
    let mut shelf = digest.to_string();
    shelf.truncate(2);
    shelf
}

/// Names the bytes that were hashed.
pub(crate) fn digest_of(hasher: Sha256) -> Digest {
    Digest::from_bytes(hasher.finalize().into())
}

fn read_proven(content: &Dir, digest: &Digest, size_max: u64) -> Result<Vec<u8>, ReadContentError> {
    let digest = *digest;
    let disk = |source| ReadContentError::Disk { digest, source };
    let file = open_file(content, &path_of(&digest), OFlags::RDONLY, Mode::empty())
        .map_err(|errno| open_failed(digest, errno))?;
    let found = fstat(&file).map_err(|errno| disk(DiskError::when("look at a file")(errno)))?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err(ReadContentError::Damaged { digest });
    }
    let size = u64::try_from(found.st_size).unwrap_or(0);
    let bytes = read_whole(&file, size, size_max)
        .map_err(|error| disk(DiskError::when("read a file")(error)))?
        .ok_or(ReadContentError::TooLarge { digest, size_max })?;
    if digest_of(Sha256::new_with_prefix(&bytes)) != digest {
        return Err(ReadContentError::Damaged { digest });
    }
    Ok(bytes)
}

fn open_failed(digest: Digest, errno: Errno) -> ReadContentError {
    match errno {
        Errno::NOENT => ReadContentError::Missing { digest },
        // A link or a socket in the place of a file.
        Errno::LOOP | Errno::NXIO => ReadContentError::Damaged { digest },
        _ => ReadContentError::Disk {
            digest,
            source: DiskError::when("open a file")(errno),
        },
    }
}

#[cfg(test)]
mod tests;
