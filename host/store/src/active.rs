//! Which runs are under way: a mark for each, held by a lock as long as a process of ours belongs to the run.
//!
//! A mark without a holder is a run whose processes were killed. Whoever starts the next run finds it, writes down that
//! it is lost if the journal does not know how it ended, and clears away what it left. Marks are not synced: after a
//! power failure the journal alone is believed (see [`crate::boot`]).

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::OwnedFd;
use std::time::Duration;

use cap_std::fs::Dir;
use host_core::RunId;
use rustix::fs::{AtFlags, OFlags, fstat, statat};
use rustix::io::Errno;

use crate::disk::{DiskError, FILE_MODE, open_file, open_or_make_dir};
use crate::lock::try_lock;
use crate::store::Store;

/// The directory of the marks, in the state directory.
const ACTIVE: &str = "active";
/// Behind the name of a mark that is not locked yet.
const UNLOCKED: &str = ".new";
/// How often a mark is made anew when somebody who clears away took it for one that was left.
const MARK_TRIES_MAX: u32 = 64;
/// The pause between two tries.
const MARK_PAUSE: Duration = Duration::from_millis(1);
/// The most that is noted in a mark, in bytes.
const NOTES_BYTES_MAX: u64 = 64 << 10;

/// The mark of a run, with the lock that says that somebody looks after it.
#[derive(Debug)]
pub struct ActiveRun {
    run: RunId,
    marks: Dir,
    held: File,
}

impl ActiveRun {
    /// The lock once more, for another process that looks after the run: the run is nobody's when both are gone.
    ///
    /// # Errors
    /// [`DiskError`] when there is no descriptor for it.
    pub fn share(&self) -> Result<OwnedFd, DiskError> {
        let shared = self.held.try_clone().map(OwnedFd::from);
        shared.map_err(DiskError::when("share the mark of a run"))
    }

    /// What was noted in the mark by those who look after the run: a line for each thing that must be cleared away.
    /// Only whole lines count.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let (mut bytes, mut held) = (Vec::new(), &self.held);
        let read = held
            .rewind()
            .and_then(|()| held.take(NOTES_BYTES_MAX).read_to_end(&mut bytes));
        let end = bytes.iter().rposition(|byte| *byte == b'\n');
        match (read, end.and_then(|end| bytes.get(..end))) {
            (Ok(_), Some(whole)) => String::from_utf8_lossy(whole)
                .lines()
                .map(str::to_owned)
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Takes the mark away, when the end of the run is on record.
    ///
    /// # Errors
    /// [`DiskError`]; the run is then found again, by somebody who sees in the journal that it has ended.
    pub fn done(self) -> Result<(), DiskError> {
        self.marks
            .remove_file(self.run.to_string())
            .map_err(DiskError::when("remove the mark of a run"))
    }
}

impl Store {
    /// Marks a run as under way, before anything else of it exists.
    ///
    /// # Errors
    /// [`DiskError`] when the mark cannot be made.
    pub fn mark_active(&self, run: RunId) -> Result<ActiveRun, DiskError> {
        const DOING: &str = "mark the run as under way";
        let marks = self.marks().map_err(DiskError::when(DOING))?;
        for _ in 0..MARK_TRIES_MAX {
            if let Some(held) = try_to_mark(&marks, run).map_err(DiskError::when(DOING))? {
                return Ok(ActiveRun { run, marks, held });
            }
            std::thread::sleep(MARK_PAUSE);
        }
        Err(DiskError::when(DOING)(Errno::BUSY))
    }

    /// At most `count_max` runs that are marked and that nobody looks after any more; each is held by whoever found it.
    ///
    /// # Errors
    /// [`DiskError`] when the marks cannot be listed.
    pub fn orphans(&self, count_max: usize) -> Result<Vec<ActiveRun>, DiskError> {
        const DOING: &str = "look for runs that nobody looks after";
        let marks = self.marks().map_err(DiskError::when(DOING))?;
        let mut orphans = Vec::new();
        for name in names(&marks).map_err(DiskError::when(DOING))? {
            // What cannot be held is no mark of ours, and must not hide the others.
            let Ok(Some(held)) = hold(&marks, &name) else {
                continue;
            };
            match name.parse::<RunId>() {
                Ok(run) => orphans.push(ActiveRun {
                    run,
                    marks: marks.try_clone().map_err(DiskError::when(DOING))?,
                    held,
                }),
                // Its maker was killed before the run had anything but this.
                Err(_) if name.ends_with(UNLOCKED) => {
                    marks.remove_file(&name).map_err(DiskError::when(DOING))?;
                }
                Err(_) => {}
            }
            if orphans.len() == count_max {
                break;
            }
        }
        Ok(orphans)
    }

    /// Every run that is marked, whether anybody looks after it or not.
    ///
    /// # Errors
    /// [`DiskError`] when the marks cannot be listed.
    pub fn marked(&self) -> Result<Vec<RunId>, DiskError> {
        const DOING: &str = "list the runs that are under way";
        let marks = self.marks().map_err(DiskError::when(DOING))?;
        let names = names(&marks).map_err(DiskError::when(DOING))?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    fn marks(&self) -> Result<Dir, Errno> {
        open_or_make_dir(self.state().dir(), ACTIVE)
    }
}

/// Makes a mark and locks it; `None` when somebody else had it in hand meanwhile.
fn try_to_mark(marks: &Dir, run: RunId) -> Result<Option<File>, Errno> {
    let how = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
    // ORDER: locked under another name first, or a start in between would take it for nobody's.
    let unlocked = format!("{run}{UNLOCKED}");
    let file = match open_file(marks, &unlocked, how, FILE_MODE) {
        Err(Errno::EXIST) => return Ok(None),
        opened => opened?,
    };
    if !locked(marks, &unlocked, &file)? {
        return Ok(None);
    }
    let renamed = rustix::fs::renameat(marks, &unlocked, marks, run.to_string());
    if renamed.is_err() {
        let _ = rustix::fs::unlinkat(marks, &unlocked, AtFlags::empty());
    }
    renamed.map(|()| Some(file))
}

/// Opens and locks a mark that nobody holds.
fn hold(marks: &Dir, name: &str) -> Result<Option<File>, Errno> {
    let file = match open_file(marks, name, OFlags::RDWR, FILE_MODE) {
        Err(Errno::NOENT) => return Ok(None),
        opened => opened?,
    };
    Ok(locked(marks, name, &file)?.then_some(file))
}

/// Locks `file` if nobody else has, and if it still is what its name says: who held it may just have removed it.
fn locked(marks: &Dir, name: &str, file: &File) -> Result<bool, Errno> {
    match try_lock(file) {
        Err(Errno::WOULDBLOCK) => return Ok(false),
        taken => taken?,
    }
    let ours = fstat(file)?;
    match statat(marks, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(false),
        named => named.map(|named| (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)),
    }
}

fn names(marks: &Dir) -> std::io::Result<Vec<String>> {
    let entries = marks.entries()?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_str().map(str::to_owned)));
    names.filter_map(Result::transpose).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Lab;

    fn run(seed: u8) -> RunId {
        RunId::from_parts(7, [seed; 10])
    }

    #[test]
    fn a_run_that_nobody_looks_after_is_found_once() {
        let lab = Lab::new();
        let store = lab.store();
        let looked_after = store.mark_active(run(1)).unwrap();
        drop(store.mark_active(run(2)).unwrap());
        let orphans = store.orphans(10).unwrap();
        let found: Vec<RunId> = orphans.iter().map(ActiveRun::run).collect();
        assert_eq!(found, [run(2)]);
        assert!(
            store.orphans(10).unwrap().is_empty(),
            "the first finder holds it"
        );
        for orphan in orphans {
            orphan.done().unwrap();
        }
        assert!(store.orphans(10).unwrap().is_empty());
        looked_after.done().unwrap();
        assert!(store.mark_active(run(1)).is_ok());
    }

    #[test]
    fn a_mark_that_is_taken_away_while_it_is_looked_at_is_nobodys_orphan() {
        let lab = Lab::new();
        let store = lab.store();
        let looked_after = store.mark_active(run(1)).unwrap();
        let marks = store.marks().unwrap();
        let name = run(1).to_string();
        let opened = open_file(&marks, &name, OFlags::RDWR, FILE_MODE).unwrap();
        looked_after.done().unwrap();
        assert!(!locked(&marks, &name, &opened).unwrap());
    }

    #[test]
    fn what_is_no_mark_hides_none() {
        let lab = Lab::new();
        let store = lab.store();
        let marks = store.marks().unwrap();
        marks.create_dir("00-stray").unwrap();
        marks.symlink("nowhere", "zz-stray").unwrap();
        drop(store.mark_active(run(1)).unwrap());
        let found = store.orphans(10).unwrap();
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn whole_lines_of_a_mark_are_its_notes() {
        use std::io::Write;
        let lab = Lab::new();
        let store = lab.store();
        let mark = store.mark_active(run(1)).unwrap();
        let mut shared = File::from(mark.share().unwrap());
        shared.write_all(b"one\ntwo\nthr").unwrap();
        assert_eq!(mark.notes(), ["one", "two"]);
    }

    #[test]
    fn what_a_killed_start_left_before_its_mark_was_made_is_cleared_away() {
        let lab = Lab::new();
        let store = lab.store();
        let marks = store.marks().unwrap();
        let left = format!("{}{UNLOCKED}", run(1));
        drop(open_file(&marks, &left, OFlags::RDWR | OFlags::CREATE, FILE_MODE).unwrap());
        assert!(store.orphans(10).unwrap().is_empty());
        assert!(!marks.exists(&left));
        assert!(store.mark_active(run(1)).is_ok());
    }
}
