//! Machine code that was made here: `compiled/<program>-<engine>` in the cache, and the key by which it is known again.
//!
//! Nothing here is believed. Whoever keeps something puts its own tag on it, by a key that lies with what must be kept;
//! what has no such tag is thrown away by whoever reads it. Without the key all of it is worth nothing, and is made anew.

use std::fs::File;

use host_core::Digest;
use rustix::fs::{FileType, Mode, OFlags, fstat};

use crate::disk::{DiskError, FILE_MODE, open_dir, open_file, open_or_make_dir};
use crate::owned::{Privacy, ReadOwnedError, WriteOwnedError};
use crate::replace::replace;
use crate::store::Store;

/// Where machine code lies in the cache.
const COMPILED: &str = "compiled";
/// Where the key lies in the state.
const KEY: &str = "compiled.key";
/// The length of the key, in bytes.
pub const COMPILED_KEY_BYTES: usize = 32;
/// The longest piece of machine code that is kept or read, in bytes.
pub const COMPILED_BYTES_MAX: u64 = 1 << 30;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompiledKeyError {
    /// It could have been read or written by others, or cannot be read.
    #[error("the key of the cache of compiled programs cannot be used")]
    Read(#[from] ReadOwnedError),
    /// There is none yet, and none can be made.
    #[error("the key of the cache of compiled programs cannot be made")]
    Write(#[from] WriteOwnedError),
}

impl Store {
    /// The key of this store's machine code; `fresh` becomes it where there is none.
    ///
    /// Of two processes that make one at the same time the later wins, and what the other keeps is made once more.
    ///
    /// # Errors
    /// [`CompiledKeyError`] when it can be neither read nor made.
    pub fn compiled_key(
        &self,
        fresh: [u8; COMPILED_KEY_BYTES],
    ) -> Result<[u8; COMPILED_KEY_BYTES], CompiledKeyError> {
        let read = self
            .state()
            .read(KEY, COMPILED_KEY_BYTES as u64, Privacy::Private);
        let known = match read {
            Ok(bytes) => bytes.try_into().ok(),
            Err(ReadOwnedError::Missing { .. } | ReadOwnedError::TooLarge { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        if let Some(key) = known {
            return Ok(key);
        }
        self.state().write(KEY, &fresh, Privacy::Private)?;
        Ok(fresh)
    }

    /// What was kept for `program` under the name of an engine; nothing where it is not there, or is no file that we could
    /// have made.
    #[must_use]
    pub fn compiled(&self, program: &Digest, engine: &str) -> Option<File> {
        let compiled = open_dir(self.cache().dir(), COMPILED).ok()?;
        let name = name(program, engine);
        let file = open_file(&compiled, &name, OFlags::RDONLY, Mode::empty()).ok()?;
        let found = fstat(&file).ok()?;
        let size = u64::try_from(found.st_size).ok()?;
        let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
        (is_file && size <= COMPILED_BYTES_MAX).then_some(file)
    }

    /// Keeps `bytes` for `program` and an engine, in the place of what was there.
    ///
    /// # Errors
    /// [`DiskError`]; what was there stays.
    pub fn keep_compiled(
        &self,
        program: &Digest,
        engine: &str,
        bytes: &[u8],
    ) -> Result<(), DiskError> {
        let compiled = open_or_make_dir(self.cache().dir(), COMPILED)
            .map_err(DiskError::when("make the directory of compiled programs"))?;
        replace(&compiled, &name(program, engine), bytes, FILE_MODE)
    }
}

fn name(program: &Digest, engine: &str) -> String {
    format!("{program}-{engine}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Lab, put, set_mode};

    const ENGINE: &str = "0123456789abcdef";

    fn digest(byte: u8) -> Digest {
        Digest::from_bytes([byte; 32])
    }

    #[test]
    fn a_key_is_made_once() {
        let lab = Lab::new();
        let store = lab.store();
        assert_eq!(store.compiled_key([1; 32]).unwrap(), [1; 32]);
        assert_eq!(store.compiled_key([2; 32]).unwrap(), [1; 32]);
    }

    #[test]
    fn a_key_of_another_length_is_replaced_and_one_that_others_read_refused() {
        let lab = Lab::new();
        let store = lab.store();
        store.compiled_key([1; 32]).unwrap();
        let path = lab.places().state.join(KEY);
        put(&path, "short", 0o600);
        assert_eq!(store.compiled_key([2; 32]).unwrap(), [2; 32]);
        set_mode(&path, 0o644);
        assert!(store.compiled_key([3; 32]).is_err());
    }

    #[test]
    fn what_was_kept_is_found_by_program_and_engine() {
        let lab = Lab::new();
        let store = lab.store();
        let kept = |program: u8, engine: &str| {
            let mut bytes = Vec::new();
            let file = store.compiled(&digest(program), engine);
            file.map(|mut file| std::io::Read::read_to_end(&mut file, &mut bytes).unwrap())?;
            Some(bytes)
        };
        assert_eq!(kept(1, ENGINE), None);
        store.keep_compiled(&digest(1), ENGINE, b"one").unwrap();
        store.keep_compiled(&digest(1), ENGINE, b"two").unwrap();
        assert_eq!(kept(1, ENGINE).unwrap(), b"two");
        assert_eq!(kept(2, ENGINE), None);
        assert_eq!(kept(1, "x"), None);
    }
}
