//! Content that is kept already, compared with the bytes that arrive for it.
//!
//! A file in the cache can have lost its end or a bit, and the size and place that it still has prove nothing. While
//! a bundle is read its bytes pass by anyway; comparing them costs less than a hash, and the first that differs says
//! that the file must be replaced before anything is read from it.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use host_core::Digest;
use rustix::fs::{Mode, OFlags, fstat};

use crate::content::{CONTENT, is_file_of, path_of};
use crate::disk::{open_dir, open_file};
use crate::store::Store;

/// Bytes that are compared or copied at once.
const PIECE_BYTES: usize = 64 << 10;

/// A file of the content store that may be what its name says.
#[derive(Debug)]
pub struct Shelved {
    file: File,
    /// How many bytes of it were found to be those that arrived.
    alike: u64,
}

impl Store {
    /// The file that is kept under this digest, if it can be read and has this size.
    pub fn shelved(&self, digest: &Digest, size: u64) -> Option<Shelved> {
        let content = open_dir(self.cache().dir(), CONTENT).ok()?;
        let file = open_file(&content, &path_of(digest), OFlags::RDONLY, Mode::empty()).ok()?;
        let found = fstat(&file).ok()?;
        is_file_of(&found, size).then_some(Shelved { file, alike: 0 })
    }
}

impl Shelved {
    /// Whether the file goes on with these bytes; one that cannot be read does not.
    pub fn goes_on_with(&mut self, bytes: &[u8]) -> bool {
        let mut buffer = [0; PIECE_BYTES];
        for piece in bytes.chunks(PIECE_BYTES) {
            let Some(kept) = buffer.get_mut(..piece.len()) else {
                return false;
            };
            if self.file.read_exact_at(kept, self.alike).is_err() || kept != piece {
                return false;
            }
            self.alike += piece.len() as u64;
        }
        true
    }

    /// Copies what was found to be alike so far.
    ///
    /// # Errors
    /// When the file cannot be read any more, or the writer fails.
    pub fn copy_alike(&self, writer: &mut impl Write) -> io::Result<()> {
        let (mut buffer, mut place) = ([0; PIECE_BYTES], 0);
        while place < self.alike {
            let left = usize::try_from(self.alike - place).unwrap_or(PIECE_BYTES);
            let piece = buffer
                .get_mut(..left.min(PIECE_BYTES))
                .ok_or(io::ErrorKind::InvalidInput)?;
            self.file.read_exact_at(piece, place)?;
            writer.write_all(piece)?;
            place += piece.len() as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::content::digest_of;
    use crate::lab::{Lab, put, set_mode};

    fn kept(lab: &Lab, text: &str) -> Digest {
        let digest = digest_of(Sha256::new_with_prefix(text));
        let mut staging = lab.store().stage().unwrap();
        let mut staged = staging.create().unwrap();
        staged.write_all(text.as_bytes()).unwrap();
        staging.keep(staged, &digest).unwrap();
        staging.commit().unwrap();
        digest
    }

    #[test]
    fn the_first_byte_that_differs_is_noticed_and_what_came_before_is_kept() {
        let lab = Lab::new();
        let digest = kept(&lab, "one two");
        let place = lab.path("cache/content").join(path_of(&digest));
        set_mode(&place, 0o600);
        put(&place, "one twx", 0o400);
        let mut shelved = lab.store().shelved(&digest, 7).unwrap();
        assert!(shelved.goes_on_with(b"one "));
        assert!(!shelved.goes_on_with(b"two"));
        let mut copied = Vec::new();
        shelved.copy_alike(&mut copied).unwrap();
        assert_eq!(copied, b"one ");
    }

    #[test]
    fn a_file_of_another_size_is_not_what_was_asked_for() {
        let lab = Lab::new();
        let digest = kept(&lab, "one");
        let store = lab.store();
        assert!(store.shelved(&digest, 3).is_some());
        assert!(store.shelved(&digest, 2).is_none());
        assert!(store.shelved(&digest, 4).is_none());
    }

    #[test]
    fn long_content_is_compared_to_its_end() {
        let lab = Lab::new();
        let text = "0123456789".repeat(20_000);
        let digest = kept(&lab, &text);
        let mut shelved = lab.store().shelved(&digest, 200_000).unwrap();
        assert!(shelved.goes_on_with(text.as_bytes()));
        let mut copied = Vec::new();
        shelved.copy_alike(&mut copied).unwrap();
        assert_eq!(copied, text.as_bytes());
        assert!(!shelved.goes_on_with(b"0"));
    }
}
