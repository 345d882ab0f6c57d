//! A file of an [`OwnedDir`] that is read, changed and written with nobody else changing it meanwhile.
//!
//! The file itself is replaced by renaming, so its lock is a file of its own beside it, `NAME.lock`. That one is empty
//! and stays: whoever removed it would let two in at once. Who only reads the file needs no lock, because it is whole
//! at any moment.

use std::fs::File;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::disk::{DiskError, FILE_MODE, open_file};
use crate::lock::{LOCK_WAIT_MAX, lock};
use crate::owned::{OwnedDir, Privacy, ReadOwnedError, WriteOwnedError};
use crate::walk::shown;

/// The right to change one file of a directory, as long as this is held.
#[derive(Debug)]
pub struct HeldFile<'d> {
    directory: &'d OwnedDir,
    name: String,
    _lock: File,
}

/// Why the right could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HoldError {
    /// Another process has it, and kept it all the time.
    #[error("another process has been changing `{path}` for {} s", LOCK_WAIT_MAX.as_secs())]
    Busy {
        /// The file, printable.
        path: String,
    },
    /// The lock beside the file cannot be used.
    #[error("cannot lock `{path}`")]
    Disk {
        /// The lock, printable.
        path: String,
        /// What failed.
        #[source]
        source: DiskError,
    },
}

impl OwnedDir {
    /// Takes the right to change the file `name`, waiting for up to 10 s while another process has it.
    ///
    /// # Errors
    /// [`HoldError`] when another kept it, or the lock cannot be made.
    pub fn hold(&self, name: &str) -> Result<HeldFile<'_>, HoldError> {
        let lock_name = format!("{name}.lock");
        let lock_path = self.path().join(&lock_name);
        let failed = |doing: &'static str| {
            let path = shown(&lock_path);
            move |errno: Errno| HoldError::Disk {
                path,
                source: DiskError::when(doing)(errno),
            }
        };
        if name.contains('/') {
            return Err(failed("use the name")(Errno::INVAL));
        }
        let how = OFlags::RDWR | OFlags::CREATE;
        let file = open_file(self.dir(), &lock_name, how, FILE_MODE)
            .map_err(failed("open the lock of a file"))?;
        lock(&file).map_err(|errno| match errno {
            Errno::WOULDBLOCK => HoldError::Busy {
                path: shown(&self.path().join(name)),
            },
            errno => failed("lock a file")(errno),
        })?;
        Ok(HeldFile {
            directory: self,
            name: name.to_owned(),
            _lock: file,
        })
    }
}

impl HeldFile<'_> {
    /// Reads the file, at most `size_max` bytes of it.
    ///
    /// # Errors
    /// As [`OwnedDir::read`].
    pub fn read(&self, size_max: u64, privacy: Privacy) -> Result<Vec<u8>, ReadOwnedError> {
        self.directory.read(&self.name, size_max, privacy)
    }

    /// Replaces or creates the file.
    ///
    /// # Errors
    /// As [`OwnedDir::write`].
    pub fn write(&self, bytes: &[u8], privacy: Privacy) -> Result<(), WriteOwnedError> {
        self.directory.write(&self.name, bytes, privacy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Lab, mode_of};

    #[test]
    fn changes_at_the_same_time_are_all_in_the_file() {
        let lab = Lab::new();
        let directory = OwnedDir::create(&lab.path("config")).unwrap();
        directory.write("list", b"", Privacy::Public).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..8_u8 {
                let directory = &directory;
                scope.spawn(move || {
                    for _ in 0..10 {
                        let held = directory.hold("list").unwrap();
                        let mut bytes = held.read(100, Privacy::Public).unwrap();
                        bytes.push(thread);
                        held.write(&bytes, Privacy::Public).unwrap();
                    }
                });
            }
        });
        let mut bytes = directory.read("list", 100, Privacy::Public).unwrap();
        bytes.sort_unstable();
        let expected: Vec<u8> = (0..8).flat_map(|thread| [thread; 10]).collect();
        assert_eq!(bytes, expected);
        assert_eq!(mode_of(&lab.path("config/list.lock")), 0o600);
    }

    #[test]
    fn a_lock_that_is_a_link_is_not_followed() {
        let lab = Lab::new();
        let directory = OwnedDir::create(&lab.path("config")).unwrap();
        std::os::unix::fs::symlink(lab.path("elsewhere"), lab.path("config/list.lock")).unwrap();
        assert!(matches!(
            directory.hold("list"),
            Err(HoldError::Disk { .. })
        ));
        assert!(!lab.path("elsewhere").exists());
    }
}
