//! Runs that may not overlap: a lock for each task that says so.
//!
//! The lock is held by an open file, which the keeper of the run gets too: it is let go when the last process of ours
//! that belongs to the run is gone, however it went.

use std::fs::File;
use std::os::fd::OwnedFd;

use host_core::TaskName;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::disk::{DiskError, FILE_MODE, open_file};
use crate::lock::try_lock;
use crate::store::Store;

/// The right to be the only run of a task on this machine, as long as this is held.
#[derive(Debug)]
pub struct Exclusive {
    held: File,
}

impl Exclusive {
    /// The lock once more, for another process that belongs to the run.
    ///
    /// # Errors
    /// [`DiskError`] when there is no descriptor for it.
    pub fn share(&self) -> Result<OwnedFd, DiskError> {
        let shared = self.held.try_clone().map(OwnedFd::from);
        shared.map_err(DiskError::when("share the lock of a task"))
    }
}

/// Why the right could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExclusiveError {
    /// Another run has it.
    #[error("another run of `{task}` is going on, and its runs may not overlap")]
    Held {
        /// The task.
        task: TaskName,
    },
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl Store {
    /// Takes the right to be the only run of `task`, without waiting.
    ///
    /// # Errors
    /// [`ExclusiveError::Held`] when another run has it.
    pub fn exclusive(&self, task: &TaskName) -> Result<Exclusive, ExclusiveError> {
        let name = format!("exclusive-{task}");
        let how = OFlags::RDWR | OFlags::CREATE;
        let file = open_file(self.runtime().dir(), &name, how, FILE_MODE)
            .map_err(DiskError::when("open the lock of a task"))?;
        match try_lock(&file) {
            Ok(()) => Ok(Exclusive { held: file }),
            Err(Errno::WOULDBLOCK) => Err(ExclusiveError::Held { task: task.clone() }),
            Err(errno) => Err(DiskError::when("lock a task")(errno).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Lab;

    #[test]
    fn two_runs_of_one_task_exclude_each_other() {
        let lab = Lab::new();
        let store = lab.store();
        let task: TaskName = "web::deploy".parse().unwrap();
        let held = store.exclusive(&task).unwrap();
        assert!(matches!(
            store.exclusive(&task),
            Err(ExclusiveError::Held { .. })
        ));
        store.exclusive(&"web::check".parse().unwrap()).unwrap();
        drop(held);
        store.exclusive(&task).unwrap();
    }
}
