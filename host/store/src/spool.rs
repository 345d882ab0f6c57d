//! What a run leaves: `runs/<run id>/` in the state directory, with its streams, its report and its artifacts.
//!
//! The directory is made by the run that starts and by no other: one that exists already refuses, which is what makes a
//! run id start at most once on this disk. Files are created once each. What a task wrote is in here as it came: bytes,
//! believed by no one.

use std::collections::BTreeSet;
use std::fs::File;

use cap_std::fs::Dir;
use host_core::RunId;
use rustix::fs::{self, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::disk::{
    DIRECTORY_MODE, DiskError, FILE_MODE, open_dir, open_file, open_or_make_dir, read_whole,
};
use crate::replace::replace;
use crate::store::Store;

/// Where runs lie in the state directory.
const RUNS: &str = "runs";

/// The directory of a run's artifacts.
const ARTIFACTS: &str = "artifacts";

/// Directory entries that a listing of runs looks at before it is given up.
const RUNS_SCANNED_MAX: usize = 4_000_000;

/// Why the spool of a run was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateRunError {
    /// A run with this id was started before.
    #[error("run {run} was started before")]
    RunExists {
        /// The id.
        run: RunId,
    },
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Why the spool of a run was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenRunError {
    /// No run with this id is kept.
    #[error("run {run} is not known here")]
    Missing {
        /// The id.
        run: RunId,
    },
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Why a file of a run was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadRunError {
    /// The run has no such file.
    #[error("run has no `{name}`")]
    Missing {
        /// Name of the file.
        name: &'static str,
    },
    /// The file is larger than the caller expects.
    #[error("`{name}` of the run is larger than {size_max} bytes")]
    TooLarge {
        /// Name of the file.
        name: &'static str,
        /// The limit in bytes.
        size_max: u64,
    },
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// A file that a run can have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SpoolFile {
    /// What the task wrote to its standard output.
    Stdout,
    /// What the task wrote to its standard error.
    Stderr,
    /// What the keeper of the run saw.
    Report,
    /// The record of the run.
    Record,
}

impl SpoolFile {
    /// The name of the file in the run's directory.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Report => "report.json",
            Self::Record => "record.json",
        }
    }
}

/// The spool of one run.
#[derive(Debug)]
pub struct RunSpool {
    run: RunId,
    runs: Dir,
    dir: Dir,
}

impl Store {
    /// Makes the spool of a run that is about to start.
    ///
    /// It need not be synced before the intent is journalled: after a power failure the journal knows of the run even
    /// where its directory is gone.
    ///
    /// # Errors
    /// [`CreateRunError::RunExists`] when there was such a run, however it ended.
    pub fn create_run(&self, run: RunId) -> Result<RunSpool, CreateRunError> {
        let failed = || DiskError::when("make the directory of the run");
        let runs = open_or_make_runs(self.state().dir()).map_err(failed())?;
        match fs::mkdirat(&runs, run.to_string(), DIRECTORY_MODE) {
            Err(Errno::EXIST) => return Err(CreateRunError::RunExists { run }),
            made => made.map_err(failed())?,
        }
        let dir = open_dir(&runs, &run.to_string()).map_err(failed())?;
        Ok(RunSpool { run, runs, dir })
    }

    /// Opens the spool of a run that was started before.
    ///
    /// # Errors
    /// [`OpenRunError::Missing`] when there was none.
    pub fn open_run(&self, run: RunId) -> Result<RunSpool, OpenRunError> {
        let failed = |errno| match errno {
            Errno::NOENT => OpenRunError::Missing { run },
            _ => DiskError::when("open the directory of the run")(errno).into(),
        };
        let runs = open_dir(self.state().dir(), RUNS).map_err(failed)?;
        let dir = open_dir(&runs, &run.to_string()).map_err(failed)?;
        Ok(RunSpool { run, runs, dir })
    }

    /// The newest `count_max` runs, newest first, in the order of their ids, which begin with the time.
    ///
    /// # Errors
    /// [`DiskError`] when the spool cannot be listed.
    pub fn runs(&self, count_max: usize) -> Result<Vec<RunId>, DiskError> {
        const DOING: &str = "list the runs";
        let runs = match open_dir(self.state().dir(), RUNS) {
            Err(Errno::NOENT) => return Ok(Vec::new()),
            opened => opened.map_err(DiskError::when(DOING))?,
        };
        let mut newest = BTreeSet::new();
        for entry in runs
            .entries()
            .map_err(DiskError::when(DOING))?
            .take(RUNS_SCANNED_MAX)
        {
            let name = entry.map_err(DiskError::when(DOING))?.file_name();
            // Whatever else someone put here is not a run.
            let Some(run) = name.to_str().and_then(|name| name.parse::<RunId>().ok()) else {
                continue;
            };
            newest.insert(run);
            if newest.len() > count_max {
                newest.pop_first();
            }
        }
        Ok(newest.into_iter().rev().collect())
    }
}

impl RunSpool {
    /// The id of the run.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Creates a file, open for reading and writing; nothing of it is durable before the caller syncs it and calls
    /// [`RunSpool::sync`].
    ///
    /// # Errors
    /// [`DiskError`], also when the file exists.
    pub fn create_file(&self, file: SpoolFile) -> Result<File, DiskError> {
        let how = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        open_file(&self.dir, file.name(), how, FILE_MODE)
            .map_err(DiskError::when("create a file of the run"))
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// [`ReadRunError`] when the run has no such file or it cannot be opened.
    pub fn open_file(&self, file: SpoolFile) -> Result<File, ReadRunError> {
        let name = file.name();
        let opened = open_file(&self.dir, name, OFlags::RDONLY, Mode::empty());
        opened.map_err(|errno| match errno {
            Errno::NOENT => ReadRunError::Missing { name },
            _ => DiskError::when("open a file of the run")(errno).into(),
        })
    }

    /// Reads a file of at most `size_max` bytes.
    ///
    /// # Errors
    /// [`ReadRunError`] when the run has no such file, or it is larger.
    pub fn read(&self, file: SpoolFile, size_max: u64) -> Result<Vec<u8>, ReadRunError> {
        let opened = self.open_file(file)?;
        let found = fs::fstat(&opened).map_err(DiskError::when("look at a file of the run"))?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return Err(DiskError::when("read a file of the run")(Errno::INVAL).into());
        }
        let size = u64::try_from(found.st_size).unwrap_or(0);
        let bytes = read_whole(&opened, size, size_max)
            .map_err(DiskError::when("read a file of the run"))?;
        bytes.ok_or(ReadRunError::TooLarge {
            name: file.name(),
            size_max,
        })
    }

    /// Puts other content in the place of a file's, on disk when this returns: the old or the new, never half of it.
    ///
    /// The old bytes leave the directory; that they leave the disk itself no file system promises.
    ///
    /// # Errors
    /// [`DiskError`]; the file is then as it was.
    pub fn redact(&self, file: SpoolFile, bytes: &[u8]) -> Result<(), DiskError> {
        replace(&self.dir, file.name(), bytes, FILE_MODE)
    }

    /// Makes the directory for the run's artifacts, or opens the one that is there.
    ///
    /// # Errors
    /// [`DiskError`] when it cannot be made.
    pub fn create_artifacts(&self) -> Result<Dir, DiskError> {
        open_or_make_dir(&self.dir, ARTIFACTS)
            .map_err(DiskError::when("make the directory of artifacts"))
    }

    /// Opens the directory of the run's artifacts, if it has one.
    ///
    /// # Errors
    /// [`DiskError`] when it is there and cannot be opened.
    pub fn artifacts(&self) -> Result<Option<Dir>, DiskError> {
        match open_dir(&self.dir, ARTIFACTS) {
            Err(Errno::NOENT) => Ok(None),
            opened => opened
                .map(Some)
                .map_err(DiskError::when("open the directory of artifacts")),
        }
    }

    /// Waits until the names of the run's files, and the run's own, are on disk.
    ///
    /// # Errors
    /// [`DiskError`] when the disk does not confirm it.
    pub fn sync(&self) -> Result<(), DiskError> {
        let failed = || DiskError::when("sync the directory of the run");
        fs::fsync(&self.dir).map_err(failed())?;
        fs::fsync(&self.runs).map_err(failed())
    }

    /// Removes the spool of a run that could not start, so that its id is free again.
    ///
    /// # Errors
    /// [`DiskError`] when something of it stays.
    pub fn abandon(self) -> Result<(), DiskError> {
        self.runs
            .remove_dir_all(self.run.to_string())
            .map_err(DiskError::when("remove the directory of the run"))
    }
}

fn open_or_make_runs(state: &Dir) -> Result<Dir, Errno> {
    match open_dir(state, RUNS) {
        Err(Errno::NOENT) => {
            let runs = open_or_make_dir(state, RUNS)?;
            // Once in the life of a disk, so that syncing a run's directory later is enough.
            fs::fsync(state)?;
            Ok(runs)
        }
        opened => opened,
    }
}

#[cfg(test)]
mod tests;
