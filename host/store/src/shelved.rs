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
use rustix::io::Errno;

use crate::content::{CONTENT, is_file_of, path_of};
use crate::disk::{open_dir, open_file};
use crate::store::Store;

/// Bytes that are compared or copied at once.
const PIECE_BYTES: usize = 64 << 10;

/// What lies in the place of a digest.
#[derive(Debug)]
pub enum InPlace {
    /// Nothing.
    Nothing,
    /// A file of the right size.
    Kept(Shelved),
    /// Something else, or something that cannot be read: it must be replaced.
    Unfit,
}

/// A file of the content store that may be what its name says.
#[derive(Debug)]
pub struct Shelved {
    file: File,
    /// How many bytes of it were found to be those that arrived.
    alike: u64,
}

impl Store {
    /// What lies in the place of this digest, to be compared with the bytes that arrive for it.
    pub fn shelved(&self, digest: &Digest, size: u64) -> InPlace {
        let opened = open_dir(self.cache().dir(), CONTENT).and_then(|content| {
            let file = open_file(&content, &path_of(digest), OFlags::RDONLY, Mode::empty())?;
            let found = fstat(&file)?;
            Ok((file, found))
        });
        match opened {
            Ok((file, found)) if is_file_of(&found, size) => {
                InPlace::Kept(Shelved { file, alike: 0 })
            }
            Err(Errno::NOENT) => InPlace::Nothing,
            Ok(_) | Err(_) => InPlace::Unfit,
        }
    }
}

impl Shelved {
    /// Whether the file goes on with these bytes; one that cannot be read does not.
    ///
    /// Of bytes that it does not go on with, none count as alike.
    pub fn goes_on_with(&mut self, bytes: &[u8]) -> bool {
        let (mut buffer, mut place) = ([0; PIECE_BYTES], self.alike);
        for piece in bytes.chunks(PIECE_BYTES) {
            let Some(kept) = buffer.get_mut(..piece.len()) else {
                return false;
            };
            if self.file.read_exact_at(kept, place).is_err() || kept != piece {
                return false;
            }
            place += piece.len() as u64;
        }
        self.alike = place;
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

    fn in_place(lab: &Lab, digest: &Digest, size: u64) -> Shelved {
        match lab.store().shelved(digest, size) {
            InPlace::Kept(shelved) => shelved,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_first_byte_that_differs_is_noticed_and_what_came_before_is_kept() {
        let lab = Lab::new();
        let digest = kept(&lab, "one two");
        let place = lab.path("cache/content").join(path_of(&digest));
        set_mode(&place, 0o600);
        put(&place, "one twx", 0o400);
        let mut shelved = in_place(&lab, &digest, 7);
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
        assert!(matches!(store.shelved(&digest, 3), InPlace::Kept(_)));
        assert!(matches!(store.shelved(&digest, 2), InPlace::Unfit));
        assert!(matches!(store.shelved(&digest, 4), InPlace::Unfit));
        let other = digest_of(Sha256::new_with_prefix("other"));
        assert!(matches!(store.shelved(&other, 3), InPlace::Nothing));
    }

    #[test]
    fn long_content_is_compared_to_its_end() {
        let lab = Lab::new();
        let text = "0123456789".repeat(20_000);
        let digest = kept(&lab, &text);
        let mut shelved = in_place(&lab, &digest, 200_000);
        let mut late = text.clone().into_bytes();
        late[150_000] = b'x';
        assert!(!shelved.goes_on_with(&late), "the third piece differs");
        assert!(
            shelved.goes_on_with(text.as_bytes()),
            "nothing of it counted"
        );
        let mut copied = Vec::new();
        shelved.copy_alike(&mut copied).unwrap();
        assert_eq!(copied, text.as_bytes());
        assert!(!shelved.goes_on_with(b"0"));
    }
}
