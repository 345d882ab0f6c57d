//! Which runs are under way: a mark for each, held by a lock as long as a process of ours belongs to the run.
//!
//! A mark without a holder is a run whose processes were killed, or that a power failure ended. Whoever starts the
//! next run finds it, writes down that it is lost, and clears away what it left.

use std::fs::File;

use cap_std::fs::Dir;
use host_core::RunId;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::disk::{DiskError, FILE_MODE, open_file, open_or_make_dir};
use crate::lock::try_lock;
use crate::store::Store;

/// The directory of the marks, in the state directory.
const ACTIVE: &str = "active";

/// The mark of a run, with the lock that says that somebody looks after it.
#[derive(Debug)]
pub struct ActiveRun {
    run: RunId,
    marks: Dir,
    _held: File,
}

impl ActiveRun {
    /// The run.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Takes the mark away, when the end of the run is on record.
    ///
    /// # Errors
    /// [`DiskError`]; the run is then found again, and its end recorded twice.
    pub fn done(self) -> Result<(), DiskError> {
        self.marks
            .remove_file(self.run.to_string())
            .map_err(DiskError::when("remove the mark of a run"))
    }
}

impl Store {
    /// Marks a run as under way.
    ///
    /// # Errors
    /// [`DiskError`] when the mark cannot be made.
    pub fn mark_active(&self, run: RunId) -> Result<ActiveRun, DiskError> {
        const DOING: &str = "mark the run as under way";
        let marks = self.marks().map_err(DiskError::when(DOING))?;
        let how = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        // ORDER: locked under another name first, or a start in between would take it for nobody's.
        let unlocked = format!("{run}.new");
        let file = open_file(&marks, &unlocked, how, FILE_MODE).map_err(DiskError::when(DOING))?;
        try_lock(&file).map_err(DiskError::when(DOING))?;
        // The spool of the run was made before, which happens once, so no other mark is replaced.
        marks
            .rename(&unlocked, &marks, run.to_string())
            .map_err(DiskError::when(DOING))?;
        Ok(ActiveRun {
            run,
            marks,
            _held: file,
        })
    }

    /// At most `count_max` runs that are marked and that nobody looks after any more.
    ///
    /// # Errors
    /// [`DiskError`] when the marks cannot be listed.
    pub fn orphans(&self, count_max: usize) -> Result<Vec<ActiveRun>, DiskError> {
        const DOING: &str = "look for runs that nobody looks after";
        let marks = self.marks().map_err(DiskError::when(DOING))?;
        let mut orphans = Vec::new();
        for entry in marks.entries().map_err(DiskError::when(DOING))? {
            let name = entry.map_err(DiskError::when(DOING))?.file_name();
            let Some(run) = name.to_str().and_then(|name| name.parse::<RunId>().ok()) else {
                continue;
            };
            let held = match open_file(&marks, &run.to_string(), OFlags::RDWR, FILE_MODE) {
                Err(Errno::NOENT) => continue,
                opened => opened.map_err(DiskError::when(DOING))?,
            };
            if try_lock(&held).is_ok() {
                let marks = marks.try_clone().map_err(DiskError::when(DOING))?;
                orphans.push(ActiveRun {
                    run,
                    marks,
                    _held: held,
                });
            }
            if orphans.len() == count_max {
                break;
            }
        }
        Ok(orphans)
    }

    fn marks(&self) -> Result<Dir, Errno> {
        open_or_make_dir(self.state().dir(), ACTIVE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Lab;

    #[test]
    fn a_run_that_nobody_looks_after_is_found_once() {
        let lab = Lab::new();
        let store = lab.store();
        let [one, other] = [[1; 10], [2; 10]].map(|random| RunId::from_parts(7, random));
        let looked_after = store.mark_active(one).unwrap();
        drop(store.mark_active(other).unwrap());
        let orphans = store.orphans(10).unwrap();
        assert_eq!(
            orphans.iter().map(ActiveRun::run).collect::<Vec<_>>(),
            [other]
        );
        assert!(
            store.orphans(10).unwrap().is_empty(),
            "the first finder holds it"
        );
        for orphan in orphans {
            orphan.done().unwrap();
        }
        assert!(store.orphans(10).unwrap().is_empty());
        looked_after.done().unwrap();
        assert!(store.mark_active(one).is_ok());
    }
}
