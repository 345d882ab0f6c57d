//! Secrets of this installation: one file for each, in a directory of its own below the configuration, for their owner alone.
//!
//! Credentials that a service manager hands over (systemd's `$CREDENTIALS_DIRECTORY`) are secrets too. They are looked through
//! first, and never written here.

use std::path::Path;

use cap_std::fs::Dir;
use host_core::SecretName;
use rustix::fs::{AtFlags, fsync, unlinkat};
use rustix::io::Errno;

use crate::disk::DiskError;
use crate::owned::{OwnedDir, Privacy, ReadOwnedError, WriteOwnedError};
use crate::walk::OpenDirError;

/// The directory below the configuration.
const DIRECTORY: &str = "secrets";
/// The longest secret, in bytes.
pub const SECRET_BYTES_MAX: u64 = 64 << 10;
/// How many secrets are listed.
const SECRETS_MAX: usize = 10_000;

/// Where secrets are.
#[derive(Debug)]
pub struct Secrets {
    credentials: Option<OwnedDir>,
    own: Option<OwnedDir>,
}

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// A directory of secrets does not pass.
    #[error("secrets cannot be relied on")]
    Directory(#[from] OpenDirError),
    /// There is none of this name.
    #[error("there is no secret `{name}`")]
    Missing {
        /// The name.
        name: SecretName,
    },
    /// Its file is not one that only its owner can read, or is too long.
    #[error("secret `{name}` cannot be read")]
    Unread {
        /// The name.
        name: SecretName,
        /// Why.
        #[source]
        source: ReadOwnedError,
    },
    /// It cannot be kept.
    #[error("secret `{name}` cannot be kept")]
    Unwritten {
        /// The name.
        name: SecretName,
        /// Why.
        #[source]
        source: WriteOwnedError,
    },
    /// It has no byte, or more than [`SECRET_BYTES_MAX`].
    #[error("secret `{name}` has {have_bytes} bytes; one has 1 to {SECRET_BYTES_MAX}")]
    Length {
        /// The name.
        name: SecretName,
        /// How long it is.
        have_bytes: usize,
    },
    /// The disk does not allow it.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl Secrets {
    /// Opens what there is below `config`, and of credentials at `credentials`.
    ///
    /// # Errors
    /// When a directory is there and others could have written it.
    pub fn open(config: &Path, credentials: Option<&Path>) -> Result<Self, SecretError> {
        Ok(Self {
            credentials: match credentials {
                Some(path) => opened(path)?,
                None => None,
            },
            own: opened(&config.join(DIRECTORY))?,
        })
    }

    /// The same, with a directory to write to.
    ///
    /// # Errors
    /// When it cannot be made, or others could have written it.
    pub fn open_to_write(config: &Path) -> Result<Self, SecretError> {
        Ok(Self {
            credentials: None,
            own: Some(OwnedDir::create(&config.join(DIRECTORY))?),
        })
    }

    /// The names of all, in order.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn names(&self) -> Result<Vec<SecretName>, SecretError> {
        let mut names = Vec::new();
        for place in self.places() {
            let entries = place
                .dir()
                .entries()
                .map_err(DiskError::when("list secrets"))?;
            for entry in entries.take(SECRETS_MAX) {
                let entry = entry.map_err(DiskError::when("list secrets"))?;
                // What is being written has a name that no secret has.
                let name = entry.file_name().into_string().ok();
                names.extend(name.and_then(|name| name.parse::<SecretName>().ok()));
            }
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`SecretError`], also when there is none.
    pub fn read(&self, name: &SecretName) -> Result<Vec<u8>, SecretError> {
        for place in self.places() {
            match place.read(name.as_str(), SECRET_BYTES_MAX, Privacy::Private) {
                Ok(bytes) if bytes.is_empty() => {
                    return Err(SecretError::Length {
                        name: name.clone(),
                        have_bytes: 0,
                    });
                }
                Ok(bytes) => return Ok(bytes),
                Err(ReadOwnedError::Missing { .. }) => {}
                Err(source) => {
                    return Err(SecretError::Unread {
                        name: name.clone(),
                        source,
                    });
                }
            }
        }
        Err(SecretError::Missing { name: name.clone() })
    }

    /// Keeps one, in the place of another of its name.
    ///
    /// # Errors
    /// [`SecretError`]; what was kept of that name still is.
    pub fn write(&self, name: &SecretName, bytes: &[u8]) -> Result<(), SecretError> {
        if bytes.is_empty() || bytes.len() as u64 > SECRET_BYTES_MAX {
            return Err(SecretError::Length {
                name: name.clone(),
                have_bytes: bytes.len(),
            });
        }
        let Some(own) = &self.own else {
            return Err(SecretError::Missing { name: name.clone() });
        };
        own.write(name.as_str(), bytes, Privacy::Private)
            .map_err(|source| SecretError::Unwritten {
                name: name.clone(),
                source,
            })
    }

    /// Removes one that is kept here.
    ///
    /// # Errors
    /// [`SecretError::Missing`] when there is none.
    pub fn remove(&self, name: &SecretName) -> Result<(), SecretError> {
        let missing = || SecretError::Missing { name: name.clone() };
        let dir: &Dir = self.own.as_ref().ok_or_else(missing)?.dir();
        match unlinkat(dir, name.as_str(), AtFlags::empty()) {
            Ok(()) => Ok(fsync(dir).map_err(DiskError::when("remove a secret"))?),
            Err(Errno::NOENT) => Err(missing()),
            Err(errno) => Err(DiskError::when("remove a secret")(errno).into()),
        }
    }

    fn places(&self) -> impl Iterator<Item = &OwnedDir> {
        self.credentials.iter().chain(&self.own)
    }
}

fn opened(path: &Path) -> Result<Option<OwnedDir>, SecretError> {
    match OwnedDir::open(path) {
        Ok(dir) => Ok(Some(dir)),
        Err(OpenDirError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::lab::{Lab, mode_of, put};

    fn name(text: &str) -> SecretName {
        text.parse().unwrap()
    }

    #[test]
    fn a_secret_is_kept_for_its_owner_alone_and_goes() {
        let lab = Lab::new();
        let config = lab.path("config");
        let secrets = Secrets::open_to_write(&config).unwrap();
        secrets.write(&name("db"), b"hunter2").unwrap();
        secrets.write(&name("api.token"), b"x").unwrap();
        assert_eq!(mode_of(&config.join("secrets/db")), 0o600);
        let found = Secrets::open(&config, None).unwrap();
        assert_eq!(found.names().unwrap(), [name("api.token"), name("db")]);
        assert_eq!(found.read(&name("db")).unwrap(), b"hunter2");
        secrets.remove(&name("db")).unwrap();
        for missing in [
            found.read(&name("db")).map(drop),
            secrets.remove(&name("db")),
        ] {
            assert!(matches!(missing, Err(SecretError::Missing { .. })));
        }
    }

    #[test]
    fn a_credential_comes_first_and_one_that_others_read_is_none() {
        let lab = Lab::new();
        let config = lab.path("config");
        let secrets = Secrets::open_to_write(&config).unwrap();
        secrets.write(&name("db"), b"kept").unwrap();
        let handed = lab.path("config/handed");
        fs::create_dir(&handed).unwrap();
        put(&handed.join("db"), "handed over", 0o400);
        put(&handed.join("open"), "to all", 0o644);
        let found = Secrets::open(&config, Some(&handed)).unwrap();
        assert_eq!(found.read(&name("db")).unwrap(), b"handed over");
        assert_eq!(found.names().unwrap(), [name("db"), name("open")]);
        assert!(matches!(
            found.read(&name("open")),
            Err(SecretError::Unread { .. })
        ));
    }

    #[test]
    fn nothing_and_too_much_are_no_secrets() {
        let lab = Lab::new();
        let secrets = Secrets::open_to_write(&lab.path("config")).unwrap();
        let long = vec![b'x'; usize::try_from(SECRET_BYTES_MAX).unwrap() + 1];
        for bytes in [&b""[..], &long] {
            let kept = secrets.write(&name("db"), bytes);
            assert!(matches!(kept, Err(SecretError::Length { .. })));
        }
        assert!(secrets.names().unwrap().is_empty());
        put(&lab.path("config/secrets/empty"), "", 0o600);
        assert!(matches!(
            secrets.read(&name("empty")),
            Err(SecretError::Length { have_bytes: 0, .. })
        ));
    }
}
