//! The four directories of one installation, opened and judged once.
//!
//! Configuration is read, state is what must outlive the process (spool, journal, counters), the cache can be lost at
//! any time, runtime holds sockets and is gone after a reboot. Each directory and each of its parents belongs to us or
//! root and is writable by nobody else. Where state, cache or runtime is missing and cannot be made, or cannot be
//! written, nothing opens: a run that cannot be recorded must not start.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, accessat};
use rustix::io::Errno;

use crate::journal::{Journal, Sealer};
use crate::owned::OwnedDir;
use crate::staging;
use crate::uids::{UidRange, Uids};
use crate::walk::{OpenDirError, shown};

/// Where the four directories are; absolute paths.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Places {
    /// Settings, policies, trust list, keys, secrets, facts.
    pub config: PathBuf,
    /// Spool, journal, counters.
    pub state: PathBuf,
    /// Content by digest, and whatever else can be made again.
    pub cache: PathBuf,
    /// Sockets and files of living processes.
    pub runtime: PathBuf,
}

/// What the store is opened for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OpenMode {
    /// To run and record: missing directories are made with mode 0700, and all but the configuration must be writable.
    Write,
    /// To look: nothing is made or removed, and all but the configuration must exist.
    Read,
}

/// One of the four directories.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// The directory of settings.
    Config,
    /// The directory of what must be kept.
    State,
    /// The directory of what can be made again.
    Cache,
    /// The directory of what a reboot clears.
    Runtime,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Config => "configuration",
            Self::State => "state",
            Self::Cache => "cache",
            Self::Runtime => "runtime",
        })
    }
}

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenStoreError {
    /// A directory, or one of its parents, is missing or could be changed by others.
    #[error("{place} directory cannot be used")]
    Directory {
        /// Which of the four.
        place: Place,
        /// What is wrong with it.
        #[source]
        source: OpenDirError,
    },
    /// A directory cannot be written, as on a read-only file system.
    #[error("{place} directory `{path}` cannot be written")]
    Unwritable {
        /// Which of the four.
        place: Place,
        /// The directory, printable.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// What `host` keeps on this disk.
#[derive(Debug)]
pub struct Store {
    config: Option<OwnedDir>,
    state: OwnedDir,
    cache: OwnedDir,
    runtime: OwnedDir,
    mode: OpenMode,
    sealer: Option<Box<dyn Sealer>>,
}

impl Store {
    /// Opens the four directories, and removes what crashed processes left of unfinished staging.
    ///
    /// # Errors
    /// [`OpenStoreError`] names the directory, what is wrong with it, and the command that mends it.
    pub fn open(places: &Places, mode: OpenMode) -> Result<Self, OpenStoreError> {
        let store = Self {
            config: open_config(&places.config, mode)?,
            state: open_place(Place::State, &places.state, mode)?,
            cache: open_place(Place::Cache, &places.cache, mode)?,
            runtime: open_place(Place::Runtime, &places.runtime, mode)?,
            mode,
            sealer: None,
        };
        if mode == OpenMode::Write {
            staging::sweep(store.cache.dir());
        }
        Ok(store)
    }

    /// The directory of settings, policies, trust and keys; `None` where there is none and none can be made.
    pub fn config(&self) -> Option<&OwnedDir> {
        self.config.as_ref()
    }

    /// The directory of what must be kept.
    pub fn state(&self) -> &OwnedDir {
        &self.state
    }

    /// The directory of what can be made again.
    pub fn cache(&self) -> &OwnedDir {
        &self.cache
    }

    /// The directory of sockets and files of living processes.
    pub fn runtime(&self) -> &OwnedDir {
        &self.runtime
    }

    /// Has the checkpoints of the journal signed from now on; without this there are none.
    pub fn seal_with(&mut self, sealer: Box<dyn Sealer>) {
        self.sealer = Some(sealer);
    }

    /// The journal of this store.
    pub fn journal(&self) -> Journal<'_> {
        Journal::new(self.state.dir(), self.sealer.as_deref())
    }

    /// The counter of throw-away uids of this store; `random` is where to begin when there is no usable count.
    pub fn uids(&self, range: UidRange, random: [u8; 8]) -> Uids<'_> {
        Uids::new(self.state.dir(), range, random)
    }

    /// Whether what is damaged may be removed.
    pub(crate) fn may_write(&self) -> bool {
        self.mode == OpenMode::Write
    }
}

/// Settings may be absent: a read-only system can run with what is built in.
fn open_config(path: &Path, mode: OpenMode) -> Result<Option<OwnedDir>, OpenStoreError> {
    let opened = match mode {
        // Nothing is lost with an empty one.
        OpenMode::Write => OwnedDir::create_passing(path),
        OpenMode::Read => OwnedDir::open(path),
    };
    match opened {
        Ok(config) => Ok(Some(config)),
        Err(OpenDirError::Missing { .. } | OpenDirError::Make { .. }) => Ok(None),
        Err(source) => Err(OpenStoreError::Directory {
            place: Place::Config,
            source,
        }),
    }
}

fn open_place(place: Place, path: &Path, mode: OpenMode) -> Result<OwnedDir, OpenStoreError> {
    let directory = |source| OpenStoreError::Directory { place, source };
    match mode {
        OpenMode::Read => OwnedDir::open(path).map_err(directory),
        OpenMode::Write => {
            let opened = match place {
                Place::State => OwnedDir::create(path),
                Place::Config | Place::Cache | Place::Runtime => OwnedDir::create_passing(path),
            };
            let opened = opened.map_err(directory)?;
            check_writable(&opened).map_err(|errno| OpenStoreError::Unwritable {
                place,
                path: shown(path),
                source: errno.into(),
            })?;
            Ok(opened)
        }
    }
}

/// Asks now, so that the reason is a directory and not the first file of a run.
fn check_writable(opened: &OwnedDir) -> Result<(), Errno> {
    let access = Access::WRITE_OK | Access::EXEC_OK;
    accessat(opened.dir(), ".", access, AtFlags::EACCESS)
}

#[cfg(test)]
mod tests;
